"""Der Workflow: Er lässt eine Bestellung bestätigen."""

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from postausgang import Order, confirm_order


@workflow.defn
class ConfirmOrder:
    """Bestätigt eine Bestellung und meldet, welches Schreiben bereitliegt."""

    @workflow.run
    async def run(self, order: Order) -> str:
        return await workflow.execute_activity(
            confirm_order,
            order,
            start_to_close_timeout=timedelta(seconds=10),
        )
