"""Zum Vergleich: dieselbe Rechnung mit gewöhnlichen Activities."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from kapitel02.lokale_activity.activities import Desk, Invoice, Order

STEP_TIMEOUT = timedelta(seconds=1)


# --8<-- [start:workflow]
@workflow.defn
class WriteInvoiceRemotely:
    """Wie `WriteInvoice`, aber jeder Schritt geht über den Server."""

    @workflow.run
    async def run(self, order: Order) -> Invoice:
        total = 0
        for line in order.lines:
            total += await workflow.execute_activity_method(  # (!)
                Desk.look_up_price,
                line,
                start_to_close_timeout=STEP_TIMEOUT,
            )
        # --8<-- [end:workflow]
        number = await workflow.execute_activity_method(
            Desk.draw_number,
            order,
            start_to_close_timeout=STEP_TIMEOUT,
            retry_policy=RetryPolicy(
                initial_interval=timedelta(seconds=order.retry_seconds)
            ),
        )
        return Invoice(number, total, [])
