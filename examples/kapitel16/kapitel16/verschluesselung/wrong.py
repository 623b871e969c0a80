"""Falscher Code: Codecs, wie sie oft veröffentlicht werden. Die Tests beweisen den
Schaden, die Seite zeigt ihn.
"""

import dataclasses
import hashlib
import os
from collections.abc import Sequence

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from temporalio.api.common.v1 import Payload
from temporalio.converter import DataConverter, PayloadCodec
from temporalio.exceptions import ApplicationError

from kapitel16.verschluesselung.codec import ENCODING, EncryptionCodec, SealError
from kapitel16.verschluesselung.keys import UnknownKeyError


class _Codec(PayloadCodec):
    """Was allen gemeinsam ist; die Fehler stehen in den Unterklassen."""

    def __init__(self, key: bytes) -> None:
        self._aes = AESGCM(key)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Öffnet jeden Payload."""
        return [
            Payload.FromString(self._aes.decrypt(p.data[:12], p.data[12:], None))
            for p in payloads
        ]


# --8<-- [start:static-nonce]
class StaticNonceCodec(_Codec):
    """Falsch: Die Nonce ist fest, „damit der Workflow deterministisch bleibt“."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Versiegelt jeden Payload mit derselben Nonce."""
        nonce = b"\0" * 12  # falsch
        return [
            Payload(
                metadata={"encoding": ENCODING},
                data=nonce + self._aes.encrypt(nonce, p.SerializeToString(), None),
            )
            for p in payloads
        ]


# --8<-- [end:static-nonce]


# --8<-- [start:data-only]
class DataOnlyCodec(_Codec):
    """Falsch: Die Metadaten des Originals bleiben offen und ungeschützt."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Verschlüsselt nur `data`."""
        sealed = []
        for payload in payloads:
            nonce = os.urandom(12)
            metadata = {f"original-{k}": v for k, v in payload.metadata.items()}
            metadata["encoding"] = ENCODING
            data = nonce + self._aes.encrypt(nonce, payload.data, None)  # falsch
            sealed.append(Payload(metadata=metadata, data=data))
        return sealed

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Setzt das Original wieder zusammen."""
        return [
            Payload(
                metadata={
                    key.removeprefix("original-"): value
                    for key, value in payload.metadata.items()
                    if key.startswith("original-")
                },
                data=self._aes.decrypt(payload.data[:12], payload.data[12:], None),
            )
            for payload in payloads
        ]


# --8<-- [end:data-only]


# --8<-- [start:password]
def key_from_password(password: str) -> bytes:
    """Falsch: Ein Wort ist kein Schlüssel, und SHA-256 ist schnell."""
    return hashlib.sha256(password.encode()).digest()


# --8<-- [end:password]


# --8<-- [start:final-error]
class FinalErrorCodec(EncryptionCodec):
    """Falsch: Ein fehlender Schlüssel beendet den Workflow, statt ihn anzuhalten."""

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Meldet Fehler als endgültig."""
        try:
            return await super().decode(payloads)
        except (UnknownKeyError, SealError) as error:
            raise ApplicationError(str(error), non_retryable=True) from error  # falsch


# --8<-- [end:final-error]


# --8<-- [start:failures-in-clear]
def forgetful_converter(codec: PayloadCodec) -> DataConverter:
    """Falsch: Fehlertexte und Stacktraces gehen am Codec vorbei."""
    return dataclasses.replace(DataConverter.default, payload_codec=codec)


# --8<-- [end:failures-in-clear]
