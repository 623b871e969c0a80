"""Der Workflow: Er ruft eine Activity auf und wartet auf ihr Ergebnis."""

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from kapitel01.hallo.activities import Mailroom, Order


# --8<-- [start:workflow]
@workflow.defn
class ConfirmOrder:
    """Bestätigt eine Bestellung und meldet, welches Schreiben bereitliegt."""

    @workflow.run
    async def run(self, order: Order) -> str:
        return await workflow.execute_activity_method(
            Mailroom.confirm_order,
            order,
            start_to_close_timeout=timedelta(seconds=10),
        )


# --8<-- [end:workflow]
