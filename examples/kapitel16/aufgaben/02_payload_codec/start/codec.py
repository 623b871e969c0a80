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
    # Lücke: neue Nonce, verschlüsseln, Kennung des Schlüssels daneben.
    return payload


def unseal(payload: Payload) -> Payload:
    """Öffnet einen Payload; wirft `UnknownKeyError` oder `SealError`."""
    # Lücke: Gehört er uns? Welcher Schlüssel? Lässt er sich öffnen?
    return payload


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
