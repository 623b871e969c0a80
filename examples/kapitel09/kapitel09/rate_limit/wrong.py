"""Falscher Code: Limits, wie sie oft veröffentlicht werden. Die Tests beweisen den
Schaden, die Seite zeigt ihn.

Der Dienst ist derselbe wie im Muster.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from temporalio import activity, workflow

with workflow.unsafe.imports_passed_through():
    import httpx

    from kapitel09.rate_limit.activities import LabelActivities
    from kapitel09.rate_limit.models import LabelCall, PrintLabels

PER_MINUTE = 10


# --8<-- [start:bucket]
@workflow.defn
class TokenBucketWorkflow:
    """Falsch: Jede Ausführung hat ihren eigenen Vorrat, und er beginnt voll."""

    @workflow.run
    async def run(self, placed: PrintLabels) -> None:
        """Falsch: Begrenzt ist nur diese eine Ausführung, und auch sie nicht genau."""
        pause = timedelta(minutes=1) / PER_MINUTE
        tokens, filled = float(PER_MINUTE), workflow.now()
        for order in placed.orders:
            now = workflow.now()
            tokens = min(tokens + (now - filled) / pause, PER_MINUTE)
            filled = now
            if tokens < 1:
                await workflow.sleep(pause * (1 - tokens))
                tokens, filled = 1, workflow.now()
            tokens -= 1
            await workflow.execute_activity_method(
                LabelActivities.print_label,
                LabelCall(order),  # Retries zählt niemand
                start_to_close_timeout=timedelta(seconds=20),
            )


# --8<-- [end:bucket]


# --8<-- [start:sleeping]
class SleepingActivities:
    """Falsch: zählt im Speicher des Workers und schläft in der Activity."""

    def __init__(
        self, url: str, limit: int, window: float, clock: Callable[[], float]
    ) -> None:
        """Höchstens `limit` Anfragen je `window` Sekunden – je Prozess."""
        self._url, self._limit, self._window = url, limit, window
        self._clock = clock
        self._times: list[float] = []

    @activity.defn
    async def print_label(self, call: LabelCall) -> None:
        """Falsch: Wer wartet, hält einen Platz im Worker besetzt."""
        while len(self._times) >= self._limit:
            await asyncio.sleep(self._window)
            horizon = self._clock() - self._window
            self._times = [at for at in self._times if at > horizon]
        self._times.append(self._clock())
        await _post(self._url, call)


# --8<-- [end:sleeping]


# --8<-- [start:failure]
class FailingActivities:
    """Falsch: behandelt 429 wie einen Fehler."""

    def __init__(self, url: str) -> None:
        self._url = url

    @activity.defn
    async def print_label(self, call: LabelCall) -> None:
        """Falsch: `Retry-After` liest niemand, und jede Absage kostet einen Versuch."""
        answer = await _post(self._url, call)
        answer.raise_for_status()


# --8<-- [end:failure]


async def _post(url: str, call: LabelCall) -> httpx.Response:
    order = call.order
    # Ohne TLS und Zertifikate: Der Dienst läuft auf 127.0.0.1.
    async with httpx.AsyncClient(verify=False) as http:
        return await http.post(
            f"{url}/etiketten",
            json={"number": order.number, "customer": order.customer},
            headers={"Idempotency-Key": order.number},
        )
