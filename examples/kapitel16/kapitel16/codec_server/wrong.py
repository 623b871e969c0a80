"""Falscher Code: fünf Codec-Server, die mehr verraten oder etwas anderes antworten, als
sie sollen. Die Tests beweisen den Schaden, die Seite zeigt ihn.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence

from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec

from kapitel16.codec_server.people import People, Person, Right
from kapitel16.codec_server.server import CodecServer
from kapitel16.verschluesselung.codec import EncryptionCodec
from kapitel16.verschluesselung.keys import KeyRing

log = logging.getLogger("nordlicht.codec")


# --8<-- [start:star]
def open_to_every_site(app: Starlette) -> CORSMiddleware:
    """Falsch: Jede Website im Browser einer Kollegin darf mitlesen."""
    return CORSMiddleware(
        app,
        allow_origins=["*"],  # (!)
        allow_credentials=True,  # (!)
        allow_methods=["POST"],
        allow_headers=["*"],
    )


# --8<-- [end:star]


# --8<-- [start:anyone]
def open_to_the_network(codecs: Mapping[str, PayloadCodec]) -> Starlette:
    """Falsch: auf 0.0.0.0 betrieben, liest jeder Rechner im Netz."""
    anyone = Person("jeder", "", {Right.READ: frozenset(codecs)})
    return CodecServer(codecs, People([], anyone)).app([])  # (!)


# --8<-- [end:anyone]


# --8<-- [start:shared]
def one_ring_for_all(
    ring: KeyRing, namespaces: Sequence[str]
) -> dict[str, PayloadCodec]:
    """Falsch: Was der Namespace trennt, verbindet der Schlüssel wieder."""
    return dict.fromkeys(namespaces, EncryptionCodec(ring))  # (!)


# --8<-- [end:shared]


# --8<-- [start:logging]
class TalkativeCodec(EncryptionCodec):
    """Falsch: Das Log enthält, was der Temporal Server nicht kennen darf."""

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Falsch: schreibt Klartext ins Log."""
        found = await super().decode(payloads)
        log.debug("Entschlüsselt: %s", [payload.data for payload in found])  # (!)
        return found


# --8<-- [end:logging]


# --8<-- [start:order]
async def hasty_decode(
    codec: PayloadCodec, payloads: Sequence[Payload]
) -> list[Payload]:
    """Falsch: Was zuerst fertig ist, steht vorn, und Leeres fällt weg."""
    work = [codec.decode([payload]) for payload in payloads]
    found = [(await done)[0] for done in asyncio.as_completed(work)]  # (!)
    return [payload for payload in found if payload.data]  # (!)


# --8<-- [end:order]
