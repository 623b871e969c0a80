"""Eine Rechnung: Zahlungen sammeln, bis sie beglichen ist."""

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

    @workflow.run
    async def run(self, number: str, due_cents: int) -> list[str]:
        self._payment: Payment | None = None
        references: list[str] = []
        while due_cents > 0:
            await workflow.wait_condition(lambda: self._payment is not None)
            payment = self._payment
            assert payment is not None
            await self._book(payment)
            references.append(payment.reference)
            due_cents -= payment.cents
            self._payment = None
        return references

    @workflow.signal
    def paid(self, payment: Payment) -> None:
        """Die Bank meldet eine Zahlung."""
        self._payment = payment

    async def _book(self, payment: Payment) -> None:
        await workflow.execute_activity(
            bank.book_payment,
            args=[payment.reference, payment.cents],
            start_to_close_timeout=timedelta(seconds=10),
        )
