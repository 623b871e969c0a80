"""Ein Auftrag: reservieren, packen, kassieren, zustellen."""

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from kapitel08.zuruecksetzen.activities import OrderActivities
    from kapitel08.zuruecksetzen.models import Bill, Order

STEP = workflow.ActivityConfig(start_to_close_timeout=timedelta(seconds=10))


@workflow.defn
class OrderWorkflow:
    """Endet mit der Rechnung, sobald das Paket zugestellt ist."""

    def __init__(self) -> None:
        self._packed = False
        self._delivered = False

    # --8<-- [start:run]
    @workflow.run
    async def run(self, order: Order) -> Bill:
        """Zwei Schritte vor dem Warten auf den Packtisch, zwei danach."""
        step = workflow.execute_activity_method
        await step(OrderActivities.reserve, order, **STEP)
        await workflow.wait_condition(lambda: self._packed)
        bill = await step(OrderActivities.quote, order, **STEP)
        await step(OrderActivities.collect, bill, **STEP)
        await workflow.wait_condition(lambda: self._delivered or order.pickup)
        return bill

    # --8<-- [end:run]

    @workflow.signal
    def packed(self) -> None:
        """Das Paket ist fertig; jetzt wird kassiert."""
        self._packed = True

    @workflow.signal
    def delivered(self) -> None:
        """Das Paket ist zugestellt."""
        self._delivered = True
