"""Der Payload-Codec mit Schlüsselbund."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from temporalio.api.common.v1 import Payload
from temporalio.converter import DataConverter, PayloadCodec

ENCODING = b"binary/encrypted"
KEY_ID = "encryption-key-id"


class SealError(ValueError):
    """Ein Payload lässt sich nicht öffnen."""


@dataclass(frozen=True)
class KeyRing:
    """Alle Schlüssel nach ihrer Kennung; `active` versiegelt neue Payloads."""

    keys: Mapping[str, bytes]
    active: str


class EncryptionCodec(PayloadCodec):
    """Versiegelt und öffnet jeden Payload."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Versiegelt mit dem aktiven Schlüssel."""
        return [self._seal(payload, self._ring.active) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Öffnet, was versiegelt ist; wirft `SealError`."""
        return [
            self._open(payload, payload.metadata[KEY_ID].decode())
            for payload in payloads
        ]

    def _seal(self, payload: Payload, key_id: str) -> Payload:
        nonce = os.urandom(12)
        cipher = AESGCM(self._ring.keys[key_id])
        sealed = cipher.encrypt(nonce, payload.SerializeToString(), None)
        return Payload(
            metadata={"encoding": ENCODING, KEY_ID: key_id.encode()},
            data=nonce + sealed,
        )

    def _open(self, payload: Payload, key_id: str) -> Payload:
        if key_id not in self._ring.keys:
            known = ", ".join(sorted(self._ring.keys))
            raise SealError(f"Der Schlüssel „{key_id}“ fehlt (vorhanden: {known}).")
        cipher = AESGCM(self._ring.keys[key_id])
        try:
            content = cipher.decrypt(payload.data[:12], payload.data[12:], None)
        except InvalidTag:
            raise SealError("Der Payload wurde verändert.") from None
        return Payload.FromString(content)


def data_converter(ring: KeyRing) -> DataConverter:
    """Der Standardkonverter mit diesem Schlüsselbund."""
    return dataclasses.replace(
        DataConverter.default, payload_codec=EncryptionCodec(ring)
    )
