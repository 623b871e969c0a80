"""Eine Rechnung, die nach vierzehn Tagen angemahnt wird."""

from dataclasses import dataclass
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy


@dataclass
class Invoice:
    """Eine Rechnung und die Datenbank, in der die Gebühren stehen."""

    number: str
    database: str


@workflow.defn
class Dunning:
    """Wartet auf die Zahlung und mahnt, wenn sie ausbleibt."""

    def __init__(self) -> None:
        """Am Anfang ist die Rechnung offen."""
        self._paid = False

    @workflow.run
    async def run(self, invoice: Invoice) -> str:
        """Gibt `"bezahlt"` oder `"gemahnt"` zurück."""
        try:
            await workflow.wait_condition(lambda: self._paid, timeout=timedelta(days=14))
        except TimeoutError:
            for step in ("charge_fee", "send_reminder"):
                await workflow.execute_activity(
                    step,
                    invoice,
                    start_to_close_timeout=timedelta(seconds=10),
                    retry_policy=RetryPolicy(maximum_attempts=5),
                )
            return "gemahnt"
        return "bezahlt"

    @workflow.signal
    def paid(self) -> None:
        """Die Zahlung ist eingegangen."""
        self._paid = True
