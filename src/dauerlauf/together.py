"""Mehreres gleichzeitig, ohne dass etwas davon übrig bleibt."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def together(*awaitables: Awaitable[T]) -> list[T]:
    """Wie `asyncio.gather`, aber bei einem Fehler oder Abbruch enden erst auch alle anderen.

    Den ersten Fehler wirft es unverpackt weiter. Mit `gather` liefen die anderen nach dem Fehler unbemerkt weiter; wer
    dann in `async with Worker(…)` steht, dessen Aufräumen trifft auf eine Event-Loop, die schon schließt, und wartet
    dort ohne Ende (https://docs.python.org/3/library/asyncio-task.html#asyncio.gather).
    """
    tasks = [asyncio.ensure_future(awaitable) for awaitable in awaitables]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            # Wen der Abbruch von außen schon erreicht hat, der räumt auf; ein zweiter unterbräche ihn dabei.
            if not (isinstance(task, asyncio.Task) and task.cancelling()):
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
