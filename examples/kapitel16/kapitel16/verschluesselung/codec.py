"""Der Payload-Codec: AES-256-GCM je Payload, die Kennung des Schlüssels steht daneben.

Er läuft in Client und Worker außerhalb der Workflow-Sandbox; Zufall ist hier erlaubt.
"""

import dataclasses
import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from temporalio.api.common.v1 import Payload
from temporalio.client import Client, HeaderCodecBehavior
from temporalio.converter import (
    DataConverter,
    DefaultFailureConverterWithEncodedAttributes,
    PayloadCodec,
)

from kapitel16.verschluesselung.keys import KeyRing

ENCODING = b"binary/encrypted"
CIPHER = b"AES-256-GCM"
KEY_ID = "encryption-key-id"
CIPHER_NAME = "encryption-cipher"

# NIST SP 800-38D, Abschnitte 5.2.1.1 und 8.2: Nonce 96 Bit, Prüfwert 128 Bit.
NONCE_BYTES = 12
TAG_BYTES = 16


class SealError(ValueError):
    """Ein Payload lässt sich nicht öffnen, obwohl der Schlüssel da ist."""


class PlaintextError(SealError):
    """Ein Payload ist nicht verschlüsselt, obwohl er es sein muss."""


# --8<-- [start:seal]
def seal(payload: Payload, key_id: str, key: bytes) -> Payload:
    """Verschlüsselt den ganzen Payload, auch seine Metadaten, mit neuer Nonce."""
    nonce = os.urandom(NONCE_BYTES)
    sealed = AESGCM(key).encrypt(nonce, payload.SerializeToString(), _bound(key_id))
    return Payload(
        metadata={
            "encoding": ENCODING,
            CIPHER_NAME: CIPHER,
            KEY_ID: key_id.encode(),
        },
        data=nonce + sealed,
    )


def _bound(key_id: str) -> bytes:
    """Was offen danebensteht und trotzdem niemand austauschen darf."""
    return b"|".join((b"nordlicht-payload-1", ENCODING, CIPHER, key_id.encode()))


# --8<-- [end:seal]


# --8<-- [start:open]
def open_sealed(payload: Payload, key: bytes) -> Payload:
    """Gibt den ursprünglichen Payload zurück; wirft `SealError`."""
    key_id = key_id_of(payload)
    if len(payload.data) < NONCE_BYTES + TAG_BYTES:
        raise SealError(
            f"Der Payload ist abgeschnitten: {len(payload.data)} Bytes, "
            f"mindestens {NONCE_BYTES + TAG_BYTES}."
        )
    nonce, sealed = payload.data[:NONCE_BYTES], payload.data[NONCE_BYTES:]
    try:
        content = AESGCM(key).decrypt(nonce, sealed, _bound(key_id))
    except InvalidTag:
        raise SealError(
            "Der Payload wurde verändert oder mit einem anderen Schlüssel "
            f"versiegelt als dem vorhandenen „{key_id}“."
        ) from None
    return Payload.FromString(content)


# --8<-- [end:open]


def is_sealed(payload: Payload) -> bool:
    """Ob dieser Codec den Payload geschrieben hat."""
    return payload.metadata.get("encoding") == ENCODING


def key_id_of(payload: Payload) -> str:
    """Die Kennung des Schlüssels, mit dem der Payload versiegelt ist.

    Wirft `PlaintextError`, wenn er nicht verschlüsselt ist, und `SealError` bei einem
    fremden Verfahren.
    """
    if not is_sealed(payload):
        encoding = payload.metadata.get("encoding", b"").decode(errors="replace")
        raise PlaintextError(
            f"Der Payload ist nicht verschlüsselt (encoding: {encoding or 'keine'})."
        )
    cipher = payload.metadata.get(CIPHER_NAME, b"")
    if cipher != CIPHER:
        raise SealError(
            f"Das Verfahren „{cipher.decode(errors='replace')}“ ist unbekannt, "
            f"erwartet war „{CIPHER.decode()}“."
        )
    return payload.metadata.get(KEY_ID, b"").decode(errors="replace")


class EncryptionCodec(PayloadCodec):
    """Versiegelt mit dem aktiven Schlüssel, öffnet mit jedem im Bund."""

    def __init__(self, ring: KeyRing, *, accept_plaintext: bool = False) -> None:
        """`accept_plaintext` lässt beim Einführen die alten Klartexte noch zu."""
        self._ring = ring
        self._accept_plaintext = accept_plaintext

    # --8<-- [start:codec]
    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Versiegelt jeden Payload für sich."""
        key_id = self._ring.active
        key = self._ring.key(key_id)
        return [seal(payload, key_id, key) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Öffnet jeden Payload; wirft `UnknownKeyError` oder `SealError`."""
        return [self._open(payload) for payload in payloads]

    def _open(self, payload: Payload) -> Payload:
        if self._accept_plaintext and not is_sealed(payload):
            return payload
        return open_sealed(payload, self._ring.key(key_id_of(payload)))

    # --8<-- [end:codec]


# --8<-- [start:converter]
def data_converter(codec: PayloadCodec) -> DataConverter:
    """Der Standardkonverter mit Codec, der auch Fehlertexte und Stacktraces erfasst."""
    return dataclasses.replace(
        DataConverter.default,
        payload_codec=codec,
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,  # (!)
    )


def encrypted(client: Client, codec: PayloadCodec) -> Client:
    """Derselbe Client; alle Payloads gehen durch den Codec, auch die in Headern."""
    config = client.config()
    config["data_converter"] = data_converter(codec)
    config["header_codec_behavior"] = HeaderCodecBehavior.CODEC  # (!)
    return Client(**config)


# --8<-- [end:converter]
