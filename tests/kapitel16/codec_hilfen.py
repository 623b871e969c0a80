"""Hilfen der Tests zum Codec-Server: ein Büro mit drei Personen, gefragt ohne Netz."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from google.protobuf import json_format
from starlette.types import ASGIApp
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.converter import DataConverter, PayloadCodec

from kapitel16.codec_server.people import People, new_person
from kapitel16.codec_server.server import CodecServer
from kapitel16.verschluesselung.codec import EncryptionCodec
from kapitel16.verschluesselung.keys import KeyRing

UI = "http://localhost:8233"
SHOP = KeyRing({"2026-11": bytes(range(32))}, "2026-11")
STOCK = KeyRing({"2026-11": bytes(range(32, 64))}, "2026-11")
CODECS: Mapping[str, PayloadCodec] = {"shop": EncryptionCodec(SHOP), "lager": EncryptionCodec(STOCK)}
SECRET = "DE89370400440532013000"

ENTRIES = {
    "Anke": new_person("Anke", ["shop"], ["shop"]),
    "Bente": new_person("Bente", ["shop", "archiv"]),
    "Cem": new_person("Cem", ["lager"], ["lager"]),
}
PEOPLE = People([person for person, _ in ENTRIES.values()])
TOKENS = {name: token for name, (_, token) in ENTRIES.items()}


@dataclass
class Asking:
    """Fragt eine Anwendung im selben Prozess."""

    http: httpx.AsyncClient

    async def ask(
        self, path: str, body: Any, name: str | None = "Bente", namespace: str | None = "shop", **headers: str
    ) -> httpx.Response:
        """Eine Frage; `body` ist JSON oder, als Bytes, der rohe Körper."""
        given = {key.replace("_", "-"): value for key, value in headers.items()}
        if name is not None:
            given.setdefault("authorization", f"Bearer {TOKENS[name]}")
        if namespace is not None:
            given["x-namespace"] = namespace
        content = {"content": body} if isinstance(body, bytes) else {"json": body}
        return await self.http.post(path, headers=given, **content)

    async def decode(self, payloads: Sequence[Payload], name: str = "Bente", namespace: str = "shop") -> list[Payload]:
        """Die Antwort auf `/decode`."""
        return payloads_of(await self.ask("/decode", question(payloads), name, namespace))

    async def encode(self, payloads: Sequence[Payload], name: str = "Anke", namespace: str = "shop") -> list[Payload]:
        """Die Antwort auf `/encode`."""
        return payloads_of(await self.ask("/encode", question(payloads), name, namespace))


@asynccontextmanager
async def asking(app: ASGIApp | None = None, **options: Any) -> AsyncIterator[Asking]:
    """Fragt `app`, sonst einen Codec-Server mit den drei Personen und `options`."""
    app = app or CodecServer(CODECS, PEOPLE, **options).app([UI])
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://codec") as http:
        yield Asking(http)


def question(payloads: Sequence[Payload]) -> dict[str, Any]:
    """Payloads, wie Web UI und CLI sie schicken."""
    return json_format.MessageToDict(Payloads(payloads=payloads))


def payloads_of(answer: httpx.Response) -> list[Payload]:
    """Die Payloads einer gelungenen Antwort."""
    assert answer.status_code == 200, answer.text
    return list(json_format.ParseDict(answer.json(), Payloads()).payloads)


def plain(*values: Any) -> list[Payload]:
    """Werte als unverschlüsselte Payloads."""
    return DataConverter.default.payload_converter.to_payloads(values)
