"""Geparkte Posten unter zufälligen Störungen und sterbenden Workern: Jeder hat am Ende genau ein Ende."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from dlq_hilfen import WAITING, ended, new_row, open_office
from temporalio.client import Client, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.service import RPCError

from dauerlauf.faults import ActivityAction, ActivityFault, FaultPlan
from dauerlauf.testing import FaultPlans
from dauerlauf.timelapse import Timelapse, result
from dauerlauf.worker_process import Trial, WorkerProcess, die_at_every_event, survivors
from kapitel07.dead_letter_queue.audit import audit
from kapitel07.dead_letter_queue.batch import ImportWorkflow
from kapitel07.dead_letter_queue.files import (
    IBAN,
    UNKNOWN_SALE,
    UNREADABLE_AMOUNT,
    WRONG_IBAN,
    mixed,
    open_books,
    row,
    write_file,
)
from kapitel07.dead_letter_queue.letters import LetterTable
from kapitel07.dead_letter_queue.models import (
    Discard,
    ImportFile,
    ImportResult,
    ParkingOptions,
    ProcessReturn,
    Retry,
    State,
)
from kapitel07.dead_letter_queue.scenarios import WORKER
from kapitel07.dead_letter_queue.workflow import ReturnWorkflow

ACTIVITIES = ["book_return", "hold_return", "put_letter", "record_discard"]
VARIANTS: list[dict[str, str]] = [{}, UNREADABLE_AMOUNT, {}, WRONG_IBAN, {}, UNKNOWN_SALE]
ANKE = "Anke Petersen"


async def _random_items(plans: FaultPlans, timelapse: Timelapse, folder: Path) -> None:
    items = {plan.seed: new_row(**VARIANTS[(plan.seed or 0) % 6]) for plan in plans}
    by_id = {f"retoure-{items[plan.seed].number}": plan for plan in plans}
    async with open_office(timelapse, folder, *items.values(), plan=by_id) as office:

        async def run(plan: FaultPlan) -> None:
            item = items[plan.seed]
            handle = await office.process(item)
            seed = plan.seed or 0
            decisions: list[Any] = [Retry(ANKE, {"amount": "49,90", "iban": IBAN}), Discard(ANKE, "doppelt")]
            while (description := await handle.describe()).status and description.status.name == "RUNNING":
                with suppress(WorkflowUpdateFailedError, RPCError):
                    if (await handle.query(ReturnWorkflow.progress)).state in WAITING:
                        decision = decisions[seed % 2] if seed % 3 else decisions[1]
                        name = "retry_with" if isinstance(decision, Retry) else "discard"
                        await handle.execute_update(name, decision)
                        decisions.reverse()
                await asyncio.sleep(0.05)
            status = await ended(handle)
            state = office.states().get(item.number)
            if status == "CANCELED":
                assert state == State.PARKED
            else:
                assert status == "COMPLETED"
                assert (await handle.result()).state == (state or State.DONE)

        await plans.check(run, concurrency=30)
        books = office.audit()
        assert books.findings == []
        assert books.done + books.parked + books.discarded == len(items)
        assert len(office.worker.fired) > len(items) // 2


@pytest.mark.gruendlich
@pytest.mark.fault_plans(ACTIVITIES, rejectable=["book_return"], number=100)
async def test_random_faults(fault_plans: FaultPlans, timelapse: Timelapse, tmp_path: Path) -> None:
    await _random_items(fault_plans, timelapse, tmp_path)


async def _decide(handle: WorkflowHandle[Any, Any]) -> None:
    """Schickt dieselbe Entscheidung unter derselben Update-ID, bis eine Antwort da ist."""
    retry = Retry(ANKE, {"amount": "49,90"})
    while True:
        with suppress(RPCError, WorkflowUpdateFailedError):
            await handle.execute_update(ReturnWorkflow.retry_with, retry, id="entscheidung")
            return
        await asyncio.sleep(0.05)


@pytest.mark.prozess
@pytest.mark.gruendlich
async def test_worker_dies_at_every_event(timelapse: Timelapse, tmp_path: Path) -> None:
    """Parken, berichtigen, buchen: Der Worker stirbt bei jedem Event einmal, der Posten wird genau einmal gebucht."""
    books = tmp_path / "buecher"
    deciding = []

    async def start(client: Client, trial: Trial) -> WorkflowHandle[Any, Any]:
        item = row(f"R-{trial.workflow_id}", order="N-1", **UNREADABLE_AMOUNT)
        # Die erste Erinnerung liegt weit hinter dem Test; im Zeitraffer verginge sie sofort.
        arg = ProcessReturn(item, ParkingOptions(first_reminder=86_400))
        with timelapse.unskipped():
            handle = await client.start_workflow(
                ReturnWorkflow.run, arg, id=trial.workflow_id, task_queue=trial.task_queue
            )
        deciding.append(asyncio.create_task(_decide(handle)))
        return handle

    open_books(books, [row("R-1")])
    takeovers = await die_at_every_event(
        timelapse,
        WORKER,
        arguments=lambda trial: {"folder": books, "task_queue": trial.task_queue},
        start=start,
        folder=tmp_path / "runs",
        timeout=60,
    )
    for task in deciding:
        task.cancel()
    reference, *others = takeovers
    rows = [row(f"R-{takeover.trial.workflow_id}") for takeover in takeovers]
    assert len(others) == len(reference.history.events) > 30
    for takeover in others:
        assert takeover.status.name == "COMPLETED", takeover.describe()
        assert takeover.result.state == State.DONE, takeover.describe()
    assert audit(books, rows).findings == []
    assert audit(books, rows).done == len(rows)
    assert survivors(takeovers) == []


@pytest.mark.prozess
@pytest.mark.gruendlich
@pytest.mark.timeout(200)
async def test_workers_die_during_the_import_of_1000_rows(timelapse: Timelapse, tmp_path: Path) -> None:
    """Drei Worker sterben nacheinander mitten im Import; der vierte bringt ihn zu Ende."""
    items = mixed(1000)
    open_books(tmp_path, items)
    write_file(tmp_path / "retouren.csv", items)
    queue = timelapse.task_queue()
    arguments = {"folder": tmp_path, "task_queue": queue}
    handle = await timelapse.client.start_workflow(
        ImportWorkflow.run,
        ImportFile(str(tmp_path / "retouren.csv")),
        id=f"import-{queue}",
        task_queue=queue,
    )
    for number, occurrence in enumerate((50, 120, 200), 1):
        death = ActivityFault("book_return", ActivityAction.KILL_AFTER, occurrence=occurrence)
        async with await WorkerProcess.start(
            WORKER,
            timelapse.client,
            arguments=arguments,
            identity=f"worker-{number}",
            plan=FaultPlan((death,)),
        ) as worker:
            assert await worker.died() == -9
    async with await WorkerProcess.start(WORKER, timelapse.client, arguments=arguments, identity="worker-4"):
        assert await result(handle, 100) == ImportResult(done=900, parked=100)
    books = audit(tmp_path, items)
    assert (books.done, books.parked, books.findings) == (900, 100, [])
    assert len(LetterTable(tmp_path).protocol()) == 100
