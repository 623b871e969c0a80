"""Misst den Schlüssel je Person: `python -m …recht_auf_loeschung.measure`."""

import asyncio
import tempfile
import time
from pathlib import Path
from uuid import uuid4

from temporalio.api.common.v1 import Payload

from kapitel16.recht_auf_loeschung.codec import PersonCodec
from kapitel16.recht_auf_loeschung.key_store import KeyCache, KeyStore
from kapitel16.verschluesselung.codec import EncryptionCodec
from kapitel16.verschluesselung.keys import KeyRing

ROUNDS = 500
PLAIN = Payload(metadata={"encoding": b"json/plain"}, data=b'"' + b"x" * 998 + b'"')


async def microseconds(codec: PersonCodec | EncryptionCodec) -> float:
    """Die mittlere Zeit für einmal Versiegeln und Öffnen von 1.000 Bytes."""
    start = time.perf_counter()
    for _ in range(ROUNDS):
        await codec.decode(await codec.encode([PLAIN]))
    return (time.perf_counter() - start) / ROUNDS * 1e6


async def measure(folder: Path) -> list[tuple[str, str]]:
    """Die Messwerte als Zeilen aus Größe und Wert."""
    store = KeyStore(folder)
    number = str(uuid4())
    key_id = f"{number}.auftrag"
    store.create(key_id)

    def codec(lifetime: float) -> PersonCodec:
        keys = KeyCache(store, lifetime)
        workflow_id = f"kunde/{number}/auftrag/N-1"
        return PersonCodec(keys, strict=False, workflow_id=workflow_id)

    cached, uncached = codec(600), codec(0)
    sealed = (await cached.encode([PLAIN]))[0]
    ring = EncryptionCodec(KeyRing.create("2026-01"))
    start = time.perf_counter()
    for _ in range(100):
        store.create(f"{uuid4()}.auftrag")
    created = (time.perf_counter() - start) / 100
    start = time.perf_counter()
    store.rotate_master()
    rotated = time.perf_counter() - start
    return [
        ("Schlüsselbund, je Payload", f"{await microseconds(ring):.0f} µs"),
        ("Schlüssel im Cache, je Payload", f"{await microseconds(cached):.0f} µs"),
        ("ohne Cache, je Payload", f"{await microseconds(uncached):.0f} µs"),
        ("Aufschlag je Payload", f"{sealed.ByteSize() - PLAIN.ByteSize()} Bytes"),
        ("Schlüssel anlegen", f"{created * 1e3:.1f} ms"),
        ("Hauptschlüssel wechseln, 101 Schlüssel", f"{rotated * 1e3:.1f} ms"),
    ]


def main() -> None:
    """Druckt die Messwerte."""
    with tempfile.TemporaryDirectory() as folder:
        for name, value in asyncio.run(measure(Path(folder))):
            print(f"{name:<40}{value:>12}")


if __name__ == "__main__":
    main()
