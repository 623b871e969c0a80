"""Falscher Code: die Saga, wie sie oft veröffentlicht wird. Die Tests beweisen den
Schaden, die Seite zeigt ihn.

Activities und Dienste sind dieselben wie im Muster. Nur der Workflow ist falsch, und
zwar an fünf Stellen.
"""

from collections.abc import Callable
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from kapitel07.saga.activities import OrderActivities
    from kapitel07.saga.models import PlaceOrder, Receipt, StepRequest

Undo = Callable[[OrderActivities, StepRequest], None]
Action = Callable[[OrderActivities, StepRequest], Receipt]

PACKING_TIME = timedelta(minutes=30)
STEPS: list[tuple[str, Action, Undo]] = [
    ("lager", OrderActivities.reserve_stock, OrderActivities.release_stock),
    ("zahlung", OrderActivities.charge_payment, OrderActivities.refund_payment),
    ("versand", OrderActivities.register_parcel, OrderActivities.cancel_parcel),
    ("rechnung", OrderActivities.write_invoice, OrderActivities.cancel_invoice),
]


@workflow.defn
class WrongOrderWorkflow:
    """Falsch: lässt Buchungen stehen und meldet trotzdem Erfolg."""

    def __init__(self) -> None:
        """Beginnt ohne Vormerkungen."""
        self._undo: list[tuple[Undo, StepRequest]] = []

    # --8<-- [start:run]
    @workflow.run
    async def run(self, placed: PlaceOrder) -> str:
        """Falsch: übersieht Abbrüche und verschluckt alles Übrige."""
        try:
            for name, action, undo in STEPS:
                key = f"{workflow.info().workflow_id}/{name}"
                request = StepRequest(key, placed.order)
                await workflow.execute_activity_method(
                    action, request, **self._three_attempts()
                )
                self._undo.append((undo, request))  # zu spät vorgemerkt
            await workflow.sleep(PACKING_TIME)
        except Exception:  # ein Abbruch während `sleep` ist keine Exception
            await self._compensate()
            return "zurückgerollt"  # der Status wird COMPLETED
        return "bestellt"

    # --8<-- [end:run]

    # --8<-- [start:compensate]
    async def _compensate(self) -> None:
        for undo, request in reversed(self._undo):
            try:
                await workflow.execute_activity_method(
                    undo, request, **self._three_attempts()
                )
            except Exception:  # aufgegeben und verschluckt
                workflow.logger.error("Kompensation gescheitert")

    def _three_attempts(self) -> workflow.ActivityConfig:
        return workflow.ActivityConfig(
            start_to_close_timeout=timedelta(seconds=10),
            retry_policy=RetryPolicy(maximum_attempts=3),
        )

    # --8<-- [end:compensate]
