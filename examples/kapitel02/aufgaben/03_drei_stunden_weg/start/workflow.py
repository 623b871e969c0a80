"""Der Workflow: Er zieht eine Zahlung ein, auch wenn der Dienst lange weg ist."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from zahlungsdienst import Payment, charge_payment


@workflow.defn
class ChargeOrder:
    """Zieht den Betrag ein und gibt die Nummer der Buchung zurück."""

    @workflow.run
    async def run(self, payment: Payment) -> int:
        # Lücke: Fünf Versuche sind nach 15 s verbraucht.
        return await workflow.execute_activity(
            charge_payment,
            payment,
            start_to_close_timeout=timedelta(seconds=10),
            retry_policy=RetryPolicy(maximum_attempts=5),
        )
