"""Ein Auftrag: bestätigen, den Fahrer abwarten, übergeben."""

from datetime import timedelta
from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    import schritte

STEP: dict[str, Any] = {"start_to_close_timeout": timedelta(hours=4)}


@workflow.defn
class OrderWorkflow:
    """Endet, wenn das Paket übergeben ist."""

    @workflow.run
    async def run(self, order_id: str) -> str:
        await workflow.execute_activity(schritte.confirm_order, order_id, **STEP)
        await workflow.execute_activity(schritte.await_driver, order_id, **STEP)
        return await workflow.execute_activity(schritte.hand_over, order_id, **STEP)
