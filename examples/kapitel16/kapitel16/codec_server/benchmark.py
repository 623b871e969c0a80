"""Die Messung: Was der Weg über den Codec-Server kostet.

`python -m kapitel16.codec_server.benchmark` misst auf diesem Rechner.
"""

import asyncio
import json
import time
from collections.abc import Sequence

import httpx
from google.protobuf import json_format
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.converter import DataConverter

from kapitel16.codec_server.people import People, new_person
from kapitel16.codec_server.scenarios import running
from kapitel16.codec_server.server import CodecServer
from kapitel16.verschluesselung.codec import EncryptionCodec
from kapitel16.verschluesselung.keys import KeyRing

COUNT = 1_000
SIZE = 1_000


async def measure(count: int = COUNT, size: int = SIZE) -> dict[str, float]:
    """Millisekunden für `count` Payloads mit je etwa `size` Zeichen JSON."""
    codec = EncryptionCodec(KeyRing.create("messung"))
    person, token = new_person("Messung", ["default"])
    values = [f"{number}-".ljust(size, "x") for number in range(count)]
    plain = DataConverter.default.payload_converter.to_payloads(values)
    sealed = await codec.encode(plain)
    took: dict[str, float] = {}

    started = time.perf_counter()
    assert await codec.decode(sealed) == plain
    took["nur der Codec, ohne HTTP"] = time.perf_counter() - started

    app = CodecServer({"default": codec}, People([person])).app([])
    headers = {"Authorization": f"Bearer {token}", "X-Namespace": "default"}
    with running(app) as url:
        async with httpx.AsyncClient(headers=headers, timeout=60) as http:
            await _ask(http, url, sealed[:1])
            for batch in (count, 50, 1):
                started = time.perf_counter()
                for start in range(0, count, batch):
                    await _ask(http, url, sealed[start : start + batch])
                name = f"je {batch} Payloads in einer Anfrage"
                took[name] = time.perf_counter() - started
    return {name: seconds * 1_000 for name, seconds in took.items()}


async def _ask(http: httpx.AsyncClient, url: str, payloads: Sequence[Payload]) -> None:
    question = json_format.MessageToDict(Payloads(payloads=payloads))
    answer = await http.post(f"{url}/decode", content=json.dumps(question))
    answer.raise_for_status()
    found = json_format.ParseDict(answer.json(), Payloads())
    assert len(found.payloads) == len(payloads)


def main() -> None:
    """Misst und druckt eine Zeile je Weg."""
    for name, milliseconds in asyncio.run(measure()).items():
        print(f"{name:<34}{milliseconds:>8.0f} ms")


if __name__ == "__main__":
    main()
