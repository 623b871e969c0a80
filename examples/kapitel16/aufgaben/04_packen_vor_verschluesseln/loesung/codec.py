"""Packen und Versiegeln in einem Codec."""

import dataclasses
import zlib
from collections.abc import Sequence

from temporalio.api.common.v1 import Payload
from temporalio.converter import DataConverter, PayloadCodec
from versiegeln import EncryptionCodec

ENCODING = b"binary/zlib"
AT_LEAST = 1024
LIMIT = 4 * 1024 * 1024


def pack(payload: Payload) -> Payload:
    """Packt, wenn es lohnt; wirft `ValueError`, wenn niemand es auspacken dürfte."""
    size = payload.ByteSize()
    if size > LIMIT:
        raise ValueError(f"Der Payload hat {size} Bytes, erlaubt sind {LIMIT}.")
    if size < AT_LEAST:
        return payload
    packed = Payload(
        metadata={"encoding": ENCODING},
        data=zlib.compress(payload.SerializeToString()),
    )
    return packed if packed.ByteSize() < size else payload


def unpack(payload: Payload) -> Payload:
    """Packt höchstens `LIMIT` Bytes aus; wirft `ValueError`."""
    if payload.metadata.get("encoding") != ENCODING:
        return payload
    unzip = zlib.decompressobj()
    try:
        content = unzip.decompress(payload.data, LIMIT)
    except zlib.error as error:
        raise ValueError(f"Der Payload ist kein zlib: {error}.") from None
    if unzip.unconsumed_tail:
        raise ValueError(f"Der Payload ergäbe ausgepackt mehr als {LIMIT} Bytes.")
    if not unzip.eof:
        raise ValueError("Der Payload ist abgeschnitten.")
    return Payload.FromString(content)


class PackedAndSealed(PayloadCodec):
    """Hin: packen, versiegeln. Zurück: öffnen, auspacken."""

    def __init__(self) -> None:
        self._seal = EncryptionCodec()

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Auf dem Weg zum Server."""
        return await self._seal.encode([pack(payload) for payload in payloads])

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Auf dem Weg vom Server."""
        return [unpack(payload) for payload in await self._seal.decode(payloads)]


def data_converter() -> DataConverter:
    """Der Standardkonverter mit einem Codec, der packt und versiegelt."""
    return dataclasses.replace(DataConverter.default, payload_codec=PackedAndSealed())
