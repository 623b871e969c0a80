"""Eine Retoure: Misslingt die Buchung, wartet sie, bis ein Mensch entscheidet."""

from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    is_cancelled_exception,
)

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
        self._parked = False
        self._reason = ""

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
            except ActivityError as error:
                if is_cancelled_exception(error):
                    raise
            await self._park()
            if self._reason:
                return f"verworfen: {self._reason}"

    async def _park(self) -> None:
        self._parked = True
        while self._parked:
            try:
                await workflow.wait_condition(
                    lambda: not self._parked, timeout=REMIND_AFTER
                )
            except TimeoutError:
                await workflow.execute_activity(
                    dienste.send_reminder,
                    self._number,
                    start_to_close_timeout=TIMEOUT,
                )

    @workflow.update
    def retry_with(self, amount: str) -> None:
        """Versucht es noch einmal, mit dem berichtigten Betrag."""
        self._amount = amount
        self._parked = False

    @retry_with.validator
    def _check_retry(self, amount: str) -> None:
        self._check_parked()
        dienste.cents(amount)

    @workflow.update
    def discard(self, reason: str) -> None:
        """Verwirft die Retoure; ausgezahlt wird sie dann nie."""
        self._reason = reason
        self._parked = False

    @discard.validator
    def _check_discard(self, reason: str) -> None:
        self._check_parked()
        if not reason.strip():
            raise ApplicationError("Verwerfen braucht eine Begründung.")

    def _check_parked(self) -> None:
        if not self._parked:
            raise ApplicationError("Die Retoure wartet auf keine Entscheidung.")
