"""Die Saga, deren Lauf Sie voraussagen. Diese Datei ist vorgegeben."""

from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

STEP: dict[str, Any] = {
    "start_to_close_timeout": timedelta(seconds=10),
    "retry_policy": RetryPolicy(maximum_attempts=3),
}
UNDO: dict[str, Any] = {"start_to_close_timeout": timedelta(seconds=10)}

STEPS = [
    ("reserve_stock", "release_stock"),
    ("charge_payment", "refund_payment"),
    ("register_parcel", "cancel_parcel"),
    ("write_invoice", "cancel_invoice"),
]


@workflow.defn
class OrderWorkflow:
    """Vier Schritte; scheitert einer, geht es rückwärts."""

    @workflow.run
    async def run(self, order_id: str) -> None:
        undo: list[str] = []
        try:
            for step, compensation in STEPS:
                undo.append(compensation)
                await workflow.execute_activity(step, order_id, **STEP)
        except ActivityError:
            for compensation in reversed(undo):
                await workflow.execute_activity(compensation, order_id, **UNDO)
            raise
