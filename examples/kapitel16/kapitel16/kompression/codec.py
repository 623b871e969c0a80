"""Der Payload-Codec: komprimiert, was dadurch kleiner wird, und glaubt keiner Größe."""

import asyncio
import zlib
from collections.abc import Sequence

from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec

ENCODING = b"binary/zlib"
KIB = 1024
MIB = 1024 * KIB
# Darunter dauert der Wechsel in einen Thread länger als die Arbeit selbst.
_WORTH_A_THREAD = 64 * KIB


class CompressionError(ValueError):
    """Ein Payload lässt sich nicht auspacken oder wäre dafür zu groß."""


# --8<-- [start:pack]
def pack(payload: Payload, *, at_least: int, limit: int) -> Payload:
    """Komprimiert den ganzen Payload; gibt ihn unverändert zurück, wenn es nicht lohnt.

    Wirft `CompressionError`, wenn er ausgepackt größer wäre, als `unpack` erlaubt.
    """
    size = payload.ByteSize()
    if size > limit:
        raise CompressionError(
            f"Der Payload hat {size} Bytes, erlaubt sind {limit}. Legen Sie die Daten "
            "außerhalb ab und geben Sie nur eine Referenz weiter."
        )
    if size < at_least:
        return payload
    packed = Payload(
        metadata={"encoding": ENCODING},
        data=zlib.compress(payload.SerializeToString()),
    )
    return packed if packed.ByteSize() < size else payload  # (!)


# --8<-- [end:pack]


# --8<-- [start:unpack]
def unpack(payload: Payload, *, limit: int) -> Payload:
    """Packt aus, aber nie mehr als `limit` Bytes; wirft `CompressionError`."""
    unzip = zlib.decompressobj()
    try:
        content = unzip.decompress(payload.data, limit)  # (!)
    except zlib.error as error:
        raise CompressionError(f"Der Payload ist kein zlib: {error}.") from None
    if unzip.unconsumed_tail:
        raise CompressionError(
            f"Der Payload hat {len(payload.data)} Bytes und ergäbe ausgepackt mehr "
            f"als {limit}; er wird nicht ausgepackt."
        )
    if not unzip.eof:
        raise CompressionError("Der Payload ist abgeschnitten.")
    return Payload.FromString(content)


# --8<-- [end:unpack]


class CompressionCodec(PayloadCodec):
    """Komprimiert ab `at_least` Bytes und packt höchstens `limit` Bytes aus."""

    def __init__(self, *, at_least: int = KIB, limit: int = 16 * MIB) -> None:
        """Beide Grenzen zählen Bytes; `limit` gilt für den ausgepackten Payload.

        Wirft `ValueError`, wenn `limit` nicht positiv ist.
        """
        if limit < 1:
            raise ValueError("`limit` muss positiv sein; 0 hieße für zlib unbegrenzt.")
        self._at_least = at_least
        self._limit = limit

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Komprimiert jeden Payload für sich."""
        return [await self._pack(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Packt aus, was dieser Codec gepackt hat; anderes bleibt, wie es ist."""
        return [await self._unpack(payload) for payload in payloads]

    # --8<-- [start:threads]
    async def _pack(self, payload: Payload) -> Payload:
        options = {"at_least": self._at_least, "limit": self._limit}
        if payload.ByteSize() < _WORTH_A_THREAD:
            return pack(payload, **options)
        return await asyncio.to_thread(pack, payload, **options)

    async def _unpack(self, payload: Payload) -> Payload:
        if payload.metadata.get("encoding") != ENCODING:
            return payload
        # Wie viel Arbeit darin steckt, verrät die Größe nicht.
        return await asyncio.to_thread(unpack, payload, limit=self._limit)

    # --8<-- [end:threads]


# --8<-- [start:chain]
class CodecChain(PayloadCodec):
    """Mehrere Codecs hintereinander: hin in dieser Reihenfolge, zurück umgekehrt."""

    def __init__(self, *codecs: PayloadCodec) -> None:
        """Der erste sieht den Klartext, der letzte gibt ab, was der Server hat."""
        self._codecs = codecs

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Vom Klartext zum Server."""
        done = list(payloads)
        for codec in self._codecs:
            done = await codec.encode(done)
        return done

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Vom Server zum Klartext."""
        done = list(payloads)
        for codec in reversed(self._codecs):
            done = await codec.decode(done)
        return done


# --8<-- [end:chain]
