"""Misst den Speicher beim Öffnen. Diese Datei ist vorgegeben."""

import tracemalloc

from codec import data_converter
from temporalio.api.common.v1 import Payload


async def open_measured(raw: bytes) -> tuple[str, str, int]:
    """Öffnet einen Payload: Name und Text der Ausnahme, Spitze in Bytes."""
    codec = data_converter().payload_codec
    assert codec is not None
    kind = text = ""
    tracemalloc.start()
    try:
        await codec.decode([Payload.FromString(raw)])
    except Exception as error:
        kind, text = type(error).__name__, str(error)
        if isinstance(error, ValueError):
            kind = "ValueError"
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return kind, text, peak
