"""Der Payload-Codec: AES-256-GCM je Payload, die Kennung des Schlüssels daneben."""

import dataclasses
import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from schluessel import ACTIVE, KEYS
from temporalio.api.common.v1 import Payload
from temporalio.converter import (
    DataConverter,
    DefaultFailureConverterWithEncodedAttributes,
    PayloadCodec,
)

ENCODING = b"binary/encrypted"
KEY_ID = "encryption-key-id"
NONCE_BYTES = 12


class SealError(ValueError):
    """Ein Payload lässt sich nicht öffnen, obwohl der Schlüssel da ist."""


class UnknownKeyError(LookupError):
    """Ein Payload verlangt einen Schlüssel, den der Bund nicht enthält."""


def seal(payload: Payload) -> Payload:
    """Versiegelt den ganzen Payload mit dem aktiven Schlüssel."""
    nonce = os.urandom(NONCE_BYTES)
    sealed = AESGCM(KEYS[ACTIVE]).encrypt(nonce, payload.SerializeToString(), None)
    return Payload(
        metadata={"encoding": ENCODING, KEY_ID: ACTIVE.encode()}, data=nonce + sealed
    )


def unseal(payload: Payload) -> Payload:
    """Öffnet einen Payload; wirft `UnknownKeyError` oder `SealError`."""
    if payload.metadata.get("encoding") != ENCODING:
        return payload
    key_id = payload.metadata.get(KEY_ID, b"").decode(errors="replace")
    if key_id not in KEYS:
        raise UnknownKeyError(
            f"Der Schlüssel „{key_id}“ fehlt; vorhanden: {', '.join(sorted(KEYS))}."
        )
    nonce, sealed = payload.data[:NONCE_BYTES], payload.data[NONCE_BYTES:]
    try:
        content = AESGCM(KEYS[key_id]).decrypt(nonce, sealed, None)
    except (InvalidTag, ValueError):
        raise SealError(
            f"Der Payload wurde verändert oder nicht mit „{key_id}“ versiegelt."
        ) from None
    return Payload.FromString(content)


class EncryptionCodec(PayloadCodec):
    """Sitzt zwischen dem Konverter und dem Server."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Auf dem Weg zum Server."""
        return [seal(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Auf dem Weg vom Server."""
        return [unseal(payload) for payload in payloads]


data_converter = dataclasses.replace(
    DataConverter.default,
    payload_codec=EncryptionCodec(),
    failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
)
