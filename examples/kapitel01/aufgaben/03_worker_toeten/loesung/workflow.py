"""Der Workflow: zahlen, versenden, beides im Auftragsjournal festhalten."""

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
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
        await workflow.execute_activity_method(
            Steps.write_journal, args=[order, "bezahlt"], start_to_close_timeout=STEP
        )
        parcel = await workflow.execute_activity_method(
            Steps.ship_parcel, order, start_to_close_timeout=STEP
        )
        await workflow.execute_activity_method(
            Steps.write_journal, args=[order, "versandt"], start_to_close_timeout=STEP
        )
        return f"Zahlung {payment}, Paket {parcel}"
