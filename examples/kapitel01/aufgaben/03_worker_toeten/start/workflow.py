"""Der Workflow: zahlen, versenden, beides im Auftragsjournal festhalten."""

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    import buecher
    from activities import Order, Steps

STEP = timedelta(seconds=10)


@workflow.defn
class ProcessOrder:
    """Eine Bestellung; jeder Schritt steht danach im Journal."""

    @workflow.run
    async def run(self, order: Order) -> str:
        payment = await workflow.execute_activity_method(
            Steps.charge_payment, order, start_to_close_timeout=STEP
        )
        buecher.book(order.file, "Journal", f"{order.order_id} bezahlt")
        parcel = await workflow.execute_activity_method(
            Steps.ship_parcel, order, start_to_close_timeout=STEP
        )
        buecher.book(order.file, "Journal", f"{order.order_id} versandt")
        return f"Zahlung {payment}, Paket {parcel}"
