"""Eine Retoure: Misslingt die Buchung, wartet sie, bis ein Mensch entscheidet."""

from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    import dienste

TIMEOUT = timedelta(seconds=10)
REMIND_AFTER = timedelta(hours=24)


@workflow.defn
class ReturnWorkflow:
    """Endet mit „erledigt“ oder mit „verworfen: …“."""

    @workflow.init
    def __init__(self, number: str, amount: str) -> None:
        self._number = number
        self._amount = amount

    @workflow.run
    async def run(self, number: str, amount: str) -> str:
        while True:
            try:
                await workflow.execute_activity(
                    dienste.book_return,
                    args=[self._number, self._amount],
                    start_to_close_timeout=TIMEOUT,
                )
                return "erledigt"
            except ActivityError:
                # Lücke: parken und warten, statt zu scheitern
                raise

    # Lücke: Update retry_with(self, amount: str) mit Validator

    # Lücke: Update discard(self, reason: str) mit Validator
