"""Falscher Code: der Schalter, wie er oft veröffentlicht wird. Die Tests beweisen den
Schaden, die Seite zeigt ihn.

Activities und Dienst sind dieselben wie im Muster. Nur der Schalter sitzt im Workflow
des Auftrags.
"""

from collections.abc import Sequence
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from kapitel07.circuit_breaker.activities import OrderActivities
    from kapitel07.circuit_breaker.models import Order

FAILURES_TO_OPEN = 5


# --8<-- [start:instance]
@workflow.defn
class InstanceBreakerWorkflow:
    """Falsch: Jede Ausführung hat ihren eigenen Schalter."""

    def __init__(self) -> None:
        """Beginnt geschlossen, wie jede andere Ausführung auch."""
        self._failures = 0

    @workflow.run
    async def run(self, orders: Sequence[Order]) -> list[str]:
        """Falsch: Bei offenem Schalter bleibt der Auftrag einfach liegen."""
        done = []
        for order in orders:
            if self._failures >= FAILURES_TO_OPEN:
                done.append("Schalter offen")  # niemand wartet, niemand holt nach
                continue
            try:
                done.append(await _register(order))
                self._failures = 0
            except ActivityError:
                self._failures += 1
                done.append("gescheitert")
        return done


# --8<-- [end:instance]


# --8<-- [start:except]
@workflow.defn
class ApplicationErrorWorkflow:
    """Falsch: Der Zähler erreicht nie die Eins."""

    def __init__(self) -> None:
        """Beginnt geschlossen und bleibt es."""
        self._failures = 0

    @workflow.run
    async def run(self, order: Order) -> str:
        """Falsch: Was hier ankommt, ist ein `ActivityError`."""
        while self._failures < FAILURES_TO_OPEN:
            try:
                return await _register(order)
            except ApplicationError:  # greift nie
                self._failures += 1
        return "Schalter offen"


# --8<-- [end:except]


async def _register(order: Order) -> str:
    return await workflow.execute_activity_method(
        OrderActivities.register_parcel,
        order,
        start_to_close_timeout=timedelta(seconds=20),
        retry_policy=RetryPolicy(maximum_attempts=1),
    )
