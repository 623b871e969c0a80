"""Kleine Workflows zu den Fallstricken der Dead Letter Queue; die Tests zeigen, was an ihnen falsch ist."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from kapitel07.dead_letter_queue.activities import ReturnActivities
    from kapitel07.dead_letter_queue.models import BookRequest, Letter, ProcessReturn, Trouble

TEN_SECONDS = timedelta(seconds=10)


@workflow.defn
class ParkWithoutHoldWorkflow:
    """Falsch: hält einen gescheiterten Anlauf für einen ohne Wirkung."""

    # --8<-- [start:without-hold]
    @workflow.run
    async def run(self, arg: ProcessReturn) -> str:
        self._parked = False
        try:
            await workflow.execute_activity_method(
                ReturnActivities.book_return,
                BookRequest(arg.row),
                start_to_close_timeout=TEN_SECONDS,
                retry_policy=RetryPolicy(maximum_attempts=5),
            )
        except ActivityError:
            self._parked = True  # ob gebucht ist, weiß niemand
            await workflow.wait_condition(lambda: not self._parked)
            return "verworfen"
        return "erledigt"

    # --8<-- [end:without-hold]

    @workflow.update
    def discard(self) -> None:
        """Verwirft den Posten."""
        self._parked = False


@workflow.defn
class ParkEverythingWorkflow:
    """Falsch: hält auch einen Abbruch für einen kaputten Posten."""

    # --8<-- [start:cancel-parks]
    @workflow.run
    async def run(self, arg: ProcessReturn) -> str:
        try:
            await workflow.execute_activity_method(
                ReturnActivities.book_return,
                BookRequest(arg.row),
                start_to_close_timeout=TEN_SECONDS,
                retry_policy=RetryPolicy(maximum_attempts=5),
            )
        except ActivityError as error:  # auch ein Abbruch kommt so an
            letter = Letter(arg.row, Trouble.of(error), workflow.info().workflow_id)
            await workflow.execute_activity_method(
                ReturnActivities.put_letter, letter, start_to_close_timeout=TEN_SECONDS
            )
            return "geparkt"
        return "erledigt"

    # --8<-- [end:cancel-parks]


@workflow.defn
class SignalParkedWorkflow:
    """Falsch: nimmt Entscheidungen als Signal entgegen; die letzte gewinnt, und niemand erfährt es."""

    # --8<-- [start:signals]
    def __init__(self) -> None:
        self._decision = ""

    @workflow.run
    async def run(self) -> str:
        await workflow.wait_condition(lambda: self._decision != "")
        return self._decision

    @workflow.signal
    def retry_with(self, operator: str) -> None:
        self._decision = f"wiederholen ({operator})"

    @workflow.signal
    def discard(self, operator: str) -> None:
        self._decision = f"verwerfen ({operator})"

    # --8<-- [end:signals]
