"""Eine Erstattung. Der Workflow sieht nur Klartext; der Codec läuft außerhalb."""

from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from kapitel16.verschluesselung.activities import ACCOUNT_BLOCKED, RefundActivities
    from kapitel16.verschluesselung.models import (
        Account,
        Approval,
        Progress,
        Refund,
        State,
        Transfer,
    )

TIMEOUT = timedelta(seconds=10)
BAD_IBAN = "IbanFalsch"


@workflow.defn
class RefundWorkflow:
    """Prüft das Konto, wartet nötigenfalls auf Zustimmung und überweist.

    Ist das Konto gesperrt, wartet er auf ein anderes; stimmen die Prüfziffern der IBAN
    nicht, scheitert er. Gibt die Referenz der Bank zurück.
    """

    @workflow.init
    def __init__(self, refund: Refund) -> None:
        """Der Zustand steht, bevor die erste Nachricht eintrifft."""
        self._state = State.CHECKING
        self._account = refund.account
        self._problem = ""
        self._remarks: list[str] = []
        self._approved = False
        self._round = 0

    # --8<-- [start:run]
    @workflow.run
    async def run(self, refund: Refund) -> str:
        """Der Ablauf."""
        valid = await workflow.execute_activity_method(
            RefundActivities.check_account,
            self._account,
            start_to_close_timeout=TIMEOUT,
            summary=f"IBAN von {self._account.holder} prüfen",
        )
        if not valid:
            raise ApplicationError(
                "Die Prüfziffern der IBAN stimmen nicht.", type=BAD_IBAN
            )
        if refund.cents >= refund.approval_from:
            self._state = State.AWAITING_APPROVAL
            await workflow.wait_condition(lambda: self._approved)
        while not (reference := await self._transfer(refund)):
            self._state = State.AWAITING_ACCOUNT
            await workflow.wait_condition(lambda: self._state is State.CHECKING)
        self._state = State.PAID
        await workflow.wait_condition(workflow.all_handlers_finished)
        return reference

    # --8<-- [end:run]

    async def _transfer(self, refund: Refund) -> str | None:
        """Überweist; `None` heißt: Dieses Konto nimmt nichts an."""
        transfer = Transfer(
            f"{refund.number}-{self._round}", self._account, refund.cents
        )
        try:
            return await workflow.execute_activity_method(
                RefundActivities.transfer_money,
                transfer,
                start_to_close_timeout=TIMEOUT,
            )
        except ActivityError as error:
            cause = error.cause
            if isinstance(cause, ApplicationError) and cause.type == ACCOUNT_BLOCKED:
                self._problem = str(cause)
                return None
            raise

    @workflow.signal
    def approve(self, approval: Approval) -> None:
        """Stimmt einem hohen Betrag zu."""
        self._remarks.append(f"{approval.clerk}: {approval.remark}")
        self._approved = True

    @workflow.update
    def correct_account(self, account: Account) -> Progress:
        """Nennt ein anderes Konto."""
        self._account = account
        self._round += 1
        self._state = State.CHECKING
        return self.progress()

    @correct_account.validator
    def _check_waiting(self, account: Account) -> None:
        if self._state is not State.AWAITING_ACCOUNT:
            raise ApplicationError(
                f"Die Erstattung braucht kein anderes Konto als {self._account.iban}.",
                type="KeinKontoNoetig",
            )

    @workflow.query
    def progress(self) -> Progress:
        """Der Stand, samt Konto und letztem Fehler."""
        return Progress(self._state, self._account, self._problem, list(self._remarks))
