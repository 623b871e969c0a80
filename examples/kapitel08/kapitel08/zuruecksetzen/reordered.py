"""Version 3: erst kassieren, dann packen. Für offene Läufe passt das nicht."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from kapitel08.zuruecksetzen.activities import OrderActivities
    from kapitel08.zuruecksetzen.models import Bill, Order
    from kapitel08.zuruecksetzen.workflow import STEP, OrderWorkflow


@workflow.defn(name="OrderWorkflow")
class PrepaidOrderWorkflow(OrderWorkflow):
    """Dieselben Schritte in anderer Reihenfolge, ohne Patch."""

    # --8<-- [start:run]
    @workflow.run
    async def run(self, order: Order) -> Bill:
        """Kassiert vor dem Reservieren."""
        step = workflow.execute_activity_method
        bill = await step(OrderActivities.quote, order, **STEP)  # (!)
        await step(OrderActivities.collect, bill, **STEP)  # (!)
        await step(OrderActivities.reserve, order, **STEP)
        # --8<-- [end:run]
        await workflow.wait_condition(lambda: self._packed and self._delivered)
        return bill
