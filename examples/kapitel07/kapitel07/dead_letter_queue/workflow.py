"""Form 2: Der Posten parkt. Sein Workflow wartet auf eine Entscheidung."""

import asyncio
import contextlib
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from kapitel07.dead_letter_queue.activities import ReturnActivities
    from kapitel07.dead_letter_queue.models import (
        DEAD_LETTER,
        BookRequest,
        Discard,
        Disposal,
        Letter,
        ProcessReturn,
        Receipt,
        Reminder,
        Retry,
        ReturnView,
        State,
        Trouble,
        corrected,
    )
    from kapitel07.dead_letter_queue.shield import finish_despite_cancel

LONGEST_PAUSE = timedelta(days=30)
CLERK, LEAD = "sachbearbeitung@nordlicht.example", "teamleitung@nordlicht.example"


@workflow.defn
class ReturnWorkflow:
    """Bucht einen Posten; misslingt das, wartet er, bis ein Mensch entscheidet.

    Endet COMPLETED, wenn der Posten erledigt oder verworfen ist. Ein Abbruch legt einen
    wartenden Posten in die Tabelle und endet CANCELED.
    """

    @workflow.init
    def __init__(self, arg: ProcessReturn) -> None:
        """Der Zustand steht, bevor die erste Query oder das erste Update eintrifft."""
        self._row = arg.row
        self._options = arg.options
        self._state = State.RUNNING
        self._round = 0
        self._reminders = 0
        self._trouble = Trouble("", "")
        self._decision: Retry | Discard | None = None
        self._reference = ""
        self._mark: str | None = None

    # --8<-- [start:run]
    @workflow.run
    async def run(self, arg: ProcessReturn) -> ReturnView:
        """Bucht, parkt und entscheidet, bis der Posten ein Ende hat."""
        await finish_despite_cancel(self._settle())  # (1)
        await workflow.wait_condition(workflow.all_handlers_finished)  # (2)
        if self._state is State.HANDED_OVER:
            raise asyncio.CancelledError
        return self.progress()

    async def _settle(self) -> None:
        while not (receipt := await self._book()):
            decision = await self._parked()
            if isinstance(decision, Retry):
                self._row = corrected(self._row, decision.changes)
                self._round += 1  # (3)
            elif isinstance(decision, Discard):
                await self._discard(decision)
                return
            else:  # ein Abbruch
                await self._hand_over()
                return
        self._reference, self._trouble = receipt.reference, Trouble("", "")
        self._show(State.DONE)

    # --8<-- [end:run]

    # --8<-- [start:book]
    async def _book(self) -> Receipt | None:
        """Ein Anlauf mit begrenzten Versuchen; `None` heißt: sicher nicht gebucht."""
        request = BookRequest(self._row, self._round)
        try:
            return await workflow.execute_activity_method(
                ReturnActivities.book_return,
                request,
                start_to_close_timeout=self._timeout,
                retry_policy=RetryPolicy(maximum_attempts=self._options.attempts),
            )
        except ActivityError as error:
            self._trouble = Trouble.of(error)
            return await workflow.execute_activity_method(
                ReturnActivities.hold_return,
                request,
                **self._unlimited(),  # (!)
            )

    # --8<-- [end:book]

    # --8<-- [start:parked]
    async def _parked(self) -> Retry | Discard | None:
        """Wartet auf eine Entscheidung; `None` heißt: Jemand hat abgebrochen."""
        self._show(State.PARKED)
        reminders = asyncio.create_task(self._remind())
        await workflow.wait_condition(
            lambda: (
                self._decision is not None or workflow.cancellation_reason() is not None
            )
        )
        reminders.cancel()
        decision, self._decision = self._decision, None
        self._show(State.RUNNING)  # ab hier lehnen die Validatoren wieder ab
        return decision

    # --8<-- [end:parked]

    # --8<-- [start:remind]
    async def _remind(self) -> None:
        """Erinnert in wachsenden Abständen; ab der dritten Erinnerung eskaliert es."""
        pause = timedelta(seconds=self._options.first_reminder)
        # Der Abbruch dieser Aufgabe kommt als CancelledError oder als ActivityError an.
        with contextlib.suppress(asyncio.CancelledError, ActivityError):
            while True:
                await workflow.sleep(pause)
                self._reminders += 1
                escalated = self._reminders >= self._options.escalate_with
                if escalated:
                    self._show(State.ESCALATED)
                reminder = Reminder(
                    key=f"{workflow.info().workflow_id}/{self._reminders}",
                    recipient=LEAD if escalated else CLERK,
                    text=f"{self._row.number} wartet: {self._trouble.text}",
                )
                await workflow.execute_activity_method(
                    ReturnActivities.send_reminder, reminder, **self._unlimited()
                )
                pause = min(pause * 2, LONGEST_PAUSE)

    # --8<-- [end:remind]

    async def _discard(self, discard: Discard) -> None:
        await workflow.execute_activity_method(
            ReturnActivities.record_discard,
            Disposal(self._letter(), discard),
            **self._unlimited(),
        )
        self._show(State.DISCARDED)

    async def _hand_over(self) -> None:
        """Der Workflow soll enden, der Posten nicht: Er kommt in die Tabelle."""
        await workflow.execute_activity_method(
            ReturnActivities.put_letter, self._letter(), **self._unlimited()
        )
        self._show(State.HANDED_OVER)

    def _letter(self) -> Letter:
        source = workflow.info().workflow_id
        return Letter(self._row, self._trouble, source, self._round)

    @property
    def _timeout(self) -> timedelta:
        return timedelta(seconds=self._options.attempt_timeout)

    def _unlimited(self) -> workflow.ActivityConfig:
        return workflow.ActivityConfig(
            start_to_close_timeout=self._timeout,
            retry_policy=RetryPolicy(maximum_interval=timedelta(minutes=10)),
        )

    # --8<-- [start:show]
    def _show(self, state: State) -> None:
        """Macht den Stand auffindbar: Suchattribut und Text für die Web UI."""
        self._state = state
        waiting = state in (State.PARKED, State.ESCALATED)
        mark = f"{state}/{self._trouble.kind}" if waiting else None
        if mark != self._mark:
            self._mark = mark
            workflow.upsert_search_attributes(
                [DEAD_LETTER.value_set(mark) if mark else DEAD_LETTER.value_unset()]
            )
            workflow.set_current_details(
                f"Wartet auf `retry_with` oder `discard`: {self._trouble.text}"
                if mark
                else ""
            )

    # --8<-- [end:show]

    # --8<-- [start:updates]
    @workflow.update
    async def retry_with(self, retry: Retry) -> ReturnView:
        """Versucht es noch einmal und meldet, wie das ausging."""
        return await self._decide(retry)

    @retry_with.validator
    def _check_retry(self, retry: Retry) -> None:
        self._check(retry.operator)
        try:
            corrected(self._row, retry.changes)
        except ValueError as error:
            raise ApplicationError(str(error), type="BerichtigungHilftNicht") from None

    # --8<-- [end:updates]

    @workflow.update
    async def discard(self, discard: Discard) -> ReturnView:
        """Verwirft den Posten endgültig."""
        return await self._decide(discard)

    @discard.validator
    def _check_discard(self, discard: Discard) -> None:
        self._check(discard.operator)
        if not discard.reason.strip():
            raise ApplicationError(
                "Verwerfen braucht eine Begründung.", type="BegruendungFehlt"
            )

    # --8<-- [start:decide]
    def _check(self, operator: str) -> None:
        waiting = self._state in (State.PARKED, State.ESCALATED)
        if not waiting or self._decision:  # (!)
            raise ApplicationError(
                f"{self._row.number} wartet auf keine Entscheidung, sondern ist: "
                f"{self._state}.",
                type="NichtGeparkt",
            )
        if not operator.strip():
            raise ApplicationError(
                "Der Eingriff braucht einen Namen.", type="NameFehlt"
            )

    async def _decide(self, decision: Retry | Discard) -> ReturnView:
        self._decision = decision
        await workflow.wait_condition(lambda: self._decision is None)
        await workflow.wait_condition(lambda: self._state is not State.RUNNING)
        return self.progress()

    # --8<-- [end:decide]

    @workflow.query
    def progress(self) -> ReturnView:
        """Wo der Posten steht und woran er zuletzt scheiterte."""
        return ReturnView(
            self._state,
            self._round,
            self._trouble.kind,
            self._trouble.text,
            self._reminders,
            self._reference,
        )
