"""Der alte Stand: bestätigen, abbuchen, auf das Packen warten."""

from datetime import timedelta
from typing import Any

from temporalio import workflow

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
        await workflow.execute_activity(schritte.charge_payment, order_id, **STEP)
        await workflow.wait_condition(lambda: self._packed)
        return f"{order_id} gepackt"

    @workflow.signal
    def packed(self) -> None:
        """Das Paket ist fertig."""
        self._packed = True
