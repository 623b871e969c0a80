"""Die Saga: abbuchen, versenden – oder in Runden erstatten. Vorgegeben."""

from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities import Desk

PAUSE = timedelta(minutes=10)
ROUND: dict[str, Any] = {
    "start_to_close_timeout": timedelta(seconds=10),
    "retry_policy": RetryPolicy(maximum_attempts=3),
}


@workflow.defn
class OrderWorkflow:
    """Bezahlt mit mehreren Mitteln; scheitert etwas, erstattet er alles."""

    @workflow.run
    async def run(self, order_id: str, payments: dict[str, int]) -> None:
        undo: list[str] = []
        try:
            for means, cents in payments.items():
                undo.append(means)
                await workflow.execute_activity_method(
                    Desk.charge, args=[order_id, means, cents], **ROUND
                )
            await workflow.execute_activity_method(Desk.ship_parcel, order_id, **ROUND)
        except ActivityError:
            for means in reversed(undo):
                await self._refund(order_id, means, payments[means])
            raise

    async def _refund(self, order_id: str, means: str, cents: int) -> None:
        """Erstattet in Runden, bis eine gelingt."""
        while True:
            try:
                await workflow.execute_activity_method(
                    Desk.refund, args=[order_id, means, cents], **ROUND
                )
                return
            except ActivityError:
                await workflow.sleep(PAUSE)
