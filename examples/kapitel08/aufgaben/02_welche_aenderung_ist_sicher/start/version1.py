"""Version 1: prüfen, bestätigen, abbuchen, auf den Fahrer warten, übergeben.

Diese Datei ist vorgegeben; mit ihr laufen die offenen Aufträge.
"""

from datetime import timedelta
from typing import Any

from temporalio import workflow

STEP: dict[str, Any] = {"start_to_close_timeout": timedelta(seconds=10)}
CHECK_ABOVE = 20_000


@workflow.defn(name="OrderWorkflow")
class Version1:
    """Aufträge über 200 Euro werden auf Betrug geprüft."""

    @workflow.run
    async def run(self, order_id: str, cents: int) -> str:
        if cents > CHECK_ABOVE:
            await workflow.execute_activity("check_fraud", order_id, **STEP)
        await workflow.execute_activity("confirm_order", order_id, **STEP)
        await workflow.execute_activity(
            "charge_payment", args=[order_id, cents], **STEP
        )
        await workflow.sleep(timedelta(days=2))  # Hier warten die offenen Aufträge.
        await workflow.execute_activity("hand_over", order_id, **STEP)
        return order_id
