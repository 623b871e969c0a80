"""Eine Rechnung aus vielen kurzen Schritten, alle als lokale Activities."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from kapitel02.lokale_activity.activities import Desk, Invoice, Order

STEP_TIMEOUT = timedelta(seconds=5)


# --8<-- [start:workflow]
@workflow.defn
class WriteInvoice:
    """Je Zeile ein Preis, am Ende die Rechnungsnummer."""

    def __init__(self) -> None:
        self._notes: list[str] = []

    @workflow.run
    async def run(self, order: Order) -> Invoice:
        total = 0
        for line in order.lines:
            total += await workflow.execute_local_activity_method(  # (!)
                Desk.look_up_price,
                line,
                start_to_close_timeout=STEP_TIMEOUT,
            )
        number = await self._draw_number(order)
        return Invoice(number, total, self._notes)

    # --8<-- [end:workflow]

    # --8<-- [start:retry]
    async def _draw_number(self, order: Order) -> int:
        return await workflow.execute_local_activity_method(
            Desk.draw_number,
            order,
            start_to_close_timeout=STEP_TIMEOUT,
            retry_policy=RetryPolicy(
                initial_interval=timedelta(seconds=order.retry_seconds)
            ),
            local_retry_threshold=timedelta(seconds=1),  # (!)
        )

    # --8<-- [end:retry]

    @workflow.signal
    def add_note(self, text: str) -> None:
        """Eine Bemerkung der Kundschaft, die auf die Rechnung soll."""
        self._notes.append(text)
