"""Ein Auftrag: bestätigen, zwei Stunden auf den Fahrer warten, übergeben."""

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
        # Lücke: Hier steht Version 1. Ändern Sie nur, was sich ändern soll.
        await workflow.sleep(timedelta(hours=2))
        return await workflow.execute_activity(schritte.hand_over, order_id, **STEP)
