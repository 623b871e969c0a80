"""Die Verschlüsselung, die es schon gibt. Diese Datei ist vorgegeben."""

import dataclasses
import hashlib
import os
from collections.abc import Sequence

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from temporalio.api.common.v1 import Payload
from temporalio.converter import DataConverter, PayloadCodec

ENCODING = b"binary/encrypted"
# Im Betrieb stehen Schlüssel nie im Quelltext.
_CIPHER = AESGCM(hashlib.sha256("Übungsschlüssel".encode()).digest())


class EncryptionCodec(PayloadCodec):
    """Versiegelt jeden Payload ganz; was nicht versiegelt ist, lehnt er ab."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Auf dem Weg zum Server."""
        return [_seal(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Auf dem Weg vom Server; wirft `ValueError` bei Unversiegeltem."""
        return [_unseal(payload) for payload in payloads]


def _seal(payload: Payload) -> Payload:
    nonce = os.urandom(12)
    sealed = _CIPHER.encrypt(nonce, payload.SerializeToString(), None)
    return Payload(metadata={"encoding": ENCODING}, data=nonce + sealed)


def _unseal(payload: Payload) -> Payload:
    if payload.metadata.get("encoding") != ENCODING:
        raise ValueError("Der Payload ist nicht versiegelt.")
    return Payload.FromString(
        _CIPHER.decrypt(payload.data[:12], payload.data[12:], None)
    )


data_converter = dataclasses.replace(
    DataConverter.default, payload_codec=EncryptionCodec()
)
