"""Ein Auftrag: bestätigen, auf Betrug prüfen, abbuchen, auf das Packen warten."""

from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    import schritte

STEP: dict[str, Any] = {"start_to_close_timeout": timedelta(seconds=10)}


@workflow.defn
class OrderWorkflow:
    """Führt einen Auftrag aus und endet, sobald er gepackt ist."""

    def __init__(self) -> None:
        self._packed = False

    @workflow.run
    async def run(self, order_id: str) -> str:
        await workflow.execute_activity(schritte.confirm_order, order_id, **STEP)
        if workflow.patched("betrugspruefung"):
            await self._check(order_id)
        await workflow.execute_activity(schritte.charge_payment, order_id, **STEP)
        await workflow.wait_condition(lambda: self._packed)
        return f"{order_id} gepackt"

    async def _check(self, order_id: str) -> None:
        if not await workflow.execute_activity(schritte.check_fraud, order_id, **STEP):
            raise ApplicationError("Verdacht auf Betrug", type="Betrug")

    @workflow.signal
    def packed(self) -> None:
        """Das Paket ist fertig."""
        self._packed = True
