"""Was die Tests mehrerer Kapitel brauchen."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable

PATIENCE = 30.0


async def until(condition: Callable[[], bool | Awaitable[bool]]) -> None:
    """Wartet höchstens 30 s, bis die Bedingung gilt; sonst scheitert der Test und nennt sie."""
    try:
        async with asyncio.timeout(PATIENCE) as bound:
            while True:
                holds = condition()
                if await holds if inspect.isawaitable(holds) else holds:
                    return
                await asyncio.sleep(0.02)
    except TimeoutError:
        if not bound.expired():
            raise
        # Eine Lambda heißt nur „<lambda>“; ihre Zeile sagt mehr.
        name = condition.__qualname__
        wanted = inspect.getsource(condition).strip() if name.endswith("<lambda>") else name
        raise AssertionError(f"Auch nach {PATIENCE:.0f} s gilt nicht: {wanted}") from None
