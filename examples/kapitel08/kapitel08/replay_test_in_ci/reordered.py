"""Eine Änderung, die harmlos aussieht: erst die Auskunft, dann das Lager."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from kapitel08.replay_test_in_ci.activities import OrderActivities
    from kapitel08.replay_test_in_ci.models import Fulfilled, Order, Payment
    from kapitel08.replay_test_in_ci.workflow import (
        CREDIT_CHECK_FROM,
        STEP,
        OrderWorkflow,
        ReturnWorkflow,
    )


@workflow.defn(name="OrderWorkflow")
class ReorderedOrderWorkflow(OrderWorkflow):
    """Wer nicht kreditwürdig ist, soll keine Ware mehr reservieren."""

    # --8<-- [start:run]
    @workflow.run
    async def run(self, order: Order) -> Fulfilled:
        """Dieselben Schritte wie vorher, zwei davon vertauscht."""
        step = workflow.execute_activity_method
        if order.amount >= CREDIT_CHECK_FROM:  # (!)
            await step(OrderActivities.check_credit, order, **STEP)
        stock = await step(OrderActivities.reserve_stock, order, **STEP)
        if not stock.available:
            return Fulfilled(order.number, "")
        # --8<-- [end:run]
        if order.address.country != "DE":
            await step(OrderActivities.declare_customs, order, **STEP)
        if order.payment is Payment.INVOICE:
            await workflow.wait_condition(lambda: self._paid)
        else:
            await step(OrderActivities.charge, order, **STEP)
        return await step(OrderActivities.ship, order, **STEP)


WORKFLOWS = (ReorderedOrderWorkflow, ReturnWorkflow)
