"""Der Workflow: zahlen, die Stornofrist abwarten, versenden."""

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from kapitel01.absturz_und_weiter.activities import Order, Receipt, Steps

STEP_TIMEOUT = timedelta(seconds=2)


# --8<-- [start:workflow]
@workflow.defn
class ProcessOrder:
    """Zwei Schritte und eine Frist – und nirgends Code für den Absturz."""

    @workflow.run
    async def run(self, order: Order) -> Receipt:
        payment = await workflow.execute_activity_method(
            Steps.charge_payment,
            order,
            start_to_close_timeout=STEP_TIMEOUT,
        )
        await workflow.sleep(timedelta(seconds=order.hold_seconds))
        parcel = await workflow.execute_activity_method(
            Steps.ship_parcel,
            order,
            start_to_close_timeout=STEP_TIMEOUT,
        )
        return Receipt(payment, parcel)


# --8<-- [end:workflow]
