"""Form 3: der Import einer Datei mit einer Tabelle für das, was nicht ging, und die
gebremste Wiederholung aus der Tabelle.
"""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from kapitel07.dead_letter_queue.activities import SKIPPED, ReturnActivities
    from kapitel07.dead_letter_queue.models import (
        BookRequest,
        GiveBack,
        ImportFile,
        ImportResult,
        Letter,
        ReadRows,
        Redrive,
        RedriveOne,
        RedriveResult,
        ReturnRow,
        SelectLetters,
        State,
        Trouble,
    )
    from kapitel07.dead_letter_queue.shield import finish_despite_cancel

ATTEMPT = timedelta(seconds=10)
FIVE_ATTEMPTS = RetryPolicy(maximum_attempts=5)
NO_LIMIT = RetryPolicy(maximum_interval=timedelta(minutes=10))


@workflow.defn
class ImportWorkflow:
    """Bucht alle Zeilen einer Datei; keine kaputte Zeile hält die anderen auf.

    Ein Abbruch lässt offene Zeilen liegen; derselbe Import noch einmal holt sie nach.
    """

    # --8<-- [start:run]
    @workflow.run
    async def run(self, job: ImportFile) -> ImportResult:
        """Eine Seite der Datei, danach eine neue Ausführung für die nächste."""
        rows = await workflow.execute_activity_method(
            ReturnActivities.read_rows,
            ReadRows(job.file, job.first, job.page),
            start_to_close_timeout=ATTEMPT,
            retry_policy=NO_LIMIT,
        )
        window = asyncio.Semaphore(job.window)  # (1)
        states = Counter(await asyncio.gather(*(self._one(r, window) for r in rows)))
        job = replace(
            job,
            first=job.first + len(rows),
            done=job.done + states[State.DONE],
            parked=job.parked + states[State.PARKED],
        )
        if len(rows) == job.page:
            workflow.continue_as_new(job)  # (2)
        return ImportResult(job.done, job.parked)

    # --8<-- [end:run]

    # --8<-- [start:one]
    async def _one(self, row: ReturnRow, window: asyncio.Semaphore) -> State:
        async with window:
            try:
                await workflow.execute_activity_method(
                    ReturnActivities.book_return,
                    BookRequest(row),
                    start_to_close_timeout=ATTEMPT,
                    retry_policy=FIVE_ATTEMPTS,
                )
                return State.DONE
            except ActivityError as error:
                if is_cancelled_exception(error):
                    raise
                return await self._park(row, Trouble.of(error))  # (!)

    async def _park(self, row: ReturnRow, trouble: Trouble) -> State:
        booked = await workflow.execute_activity_method(
            ReturnActivities.put_letter,
            Letter(row, trouble, workflow.info().workflow_id),
            start_to_close_timeout=ATTEMPT,
            retry_policy=NO_LIMIT,
        )
        return State.DONE if booked else State.PARKED

    # --8<-- [end:one]


@workflow.defn
class RedriveWorkflow:
    """Wiederholt Briefe der Tabelle, höchstens `per_second` je Sekunde.

    Ein Abbruch beginnt keinen weiteren Brief; begonnene gehen zu Ende.
    """

    # --8<-- [start:redrive]
    @workflow.run
    async def run(self, job: Redrive) -> RedriveResult:
        """Eine Seite von Briefen, danach eine neue Ausführung für die nächste."""
        numbers = await workflow.execute_activity_method(
            ReturnActivities.select_letters,
            SelectLetters(job.selection, job.after, job.page),
            start_to_close_timeout=ATTEMPT,
            retry_policy=NO_LIMIT,
        )
        states = Counter(await finish_despite_cancel(self._page(numbers, job)))
        if workflow.cancellation_reason() is not None:
            raise asyncio.CancelledError
        job = replace(
            job,
            after=numbers[-1] if numbers else job.after,
            done=job.done + states[State.DONE],
            parked=job.parked + states[State.PARKED],
            skipped=job.skipped + states[SKIPPED],
        )
        if len(numbers) == job.page:
            workflow.continue_as_new(job)
        return RedriveResult(job.done, job.parked, job.skipped)

    # --8<-- [end:redrive]

    # --8<-- [start:page]
    async def _page(self, numbers: list[str], job: Redrive) -> list[str]:
        started = []
        for number in numbers:
            if workflow.cancellation_reason() is not None:
                break
            started.append(asyncio.create_task(self._one(number, job)))
            await workflow.sleep(1 / job.per_second)  # (!)
        return await asyncio.gather(*started)

    # --8<-- [end:page]

    async def _one(self, number: str, job: Redrive) -> str:
        # Die Workflow-ID nennt der Befehl; sie bleibt auch nach Continue-As-New.
        one = RedriveOne(number, workflow.info().workflow_id, job.operator)
        try:
            return await workflow.execute_activity_method(
                ReturnActivities.redrive_letter,
                one,
                start_to_close_timeout=ATTEMPT,
                retry_policy=FIVE_ATTEMPTS,
            )
        except ActivityError as error:
            return await workflow.execute_activity_method(
                ReturnActivities.give_back_letter,
                GiveBack(one, Trouble.of(error)),
                start_to_close_timeout=ATTEMPT,
                retry_policy=NO_LIMIT,
            )
