"""Die Saga: reservieren, abbuchen, versenden – oder alles zurücknehmen."""

from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    import dienste

STEP: dict[str, Any] = {
    "start_to_close_timeout": timedelta(seconds=10),
    "retry_policy": RetryPolicy(maximum_attempts=2),
}
UNDO: dict[str, Any] = {"start_to_close_timeout": timedelta(seconds=10)}


@workflow.defn
class OrderWorkflow:
    """Führt einen Auftrag aus; scheitert ein Schritt, nimmt er alles zurück."""

    @workflow.run
    async def run(self, order_id: str) -> str:
        undo: list[Any] = []
        try:
            undo.append(dienste.release_stock)
            await workflow.execute_activity(dienste.reserve_stock, order_id, **STEP)
            undo.append(dienste.refund_payment)
            await workflow.execute_activity(dienste.charge_payment, order_id, **STEP)
            return await workflow.execute_activity(
                dienste.ship_parcel, order_id, **STEP
            )
        except ActivityError:
            for step in reversed(undo):
                await workflow.execute_activity(step, order_id, **UNDO)
            raise
