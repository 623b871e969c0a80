"""Eine Rechnung: Zahlungen sammeln, bis sie beglichen ist."""

from collections import deque
from dataclasses import dataclass
from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    import bank


@dataclass
class Payment:
    """Eine Zahlung, wie die Bank sie meldet."""

    reference: str
    cents: int


@workflow.defn
class CollectInvoice:
    """Wartet, bis die Rechnung bezahlt ist; gibt die Verweise der Zahlungen zurück."""

    def __init__(self) -> None:
        self._payments: deque[Payment] = deque()

    @workflow.run
    async def run(self, number: str, due_cents: int) -> list[str]:
        references: list[str] = []
        while due_cents > 0:
            await workflow.wait_condition(lambda: len(self._payments) > 0)
            payment = self._payments.popleft()
            await self._book(payment)
            references.append(payment.reference)
            due_cents -= payment.cents
        return references

    @workflow.signal
    def paid(self, payment: Payment) -> None:
        """Die Bank meldet eine Zahlung."""
        self._payments.append(payment)

    async def _book(self, payment: Payment) -> None:
        await workflow.execute_activity(
            bank.book_payment,
            args=[payment.reference, payment.cents],
            start_to_close_timeout=timedelta(seconds=10),
        )
