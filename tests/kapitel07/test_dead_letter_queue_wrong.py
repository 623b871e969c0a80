"""Falscher Code rund um tote Briefe: Jeder Test beweist einen Schaden, den das Muster vermeidet."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from dlq_beispiele import ParkEverythingWorkflow, ParkWithoutHoldWorkflow, SignalParkedWorkflow
from dlq_hilfen import ended, new_row
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Worker

from dauerlauf.faults import ActivityAction, ActivityFault, FaultPlan
from dauerlauf.server import find_binary
from dauerlauf.testing import open_worker
from dauerlauf.timelapse import Timelapse, diagnosis, result
from hilfen import count, scheduled
from kapitel07.dead_letter_queue.activities import ReturnActivities
from kapitel07.dead_letter_queue.failing import FailingReturnWorkflow
from kapitel07.dead_letter_queue.files import UNKNOWN_SALE, UNREADABLE_AMOUNT, open_books
from kapitel07.dead_letter_queue.ledger import RefundLedger, payments
from kapitel07.dead_letter_queue.models import ProcessReturn, ReturnRow
from kapitel07.dead_letter_queue.wrong import (
    WrongErrorImportWorkflow,
    WrongImportWorkflow,
    WrongMemoryImportWorkflow,
    WrongTable,
)


def _worker(
    timelapse: Timelapse, folder: Path, rows: list[ReturnRow], *workflows: type, plan: FaultPlan | None = None
) -> Any:
    open_books(folder, rows)
    activities = [*ReturnActivities(folder).all(), WrongTable(folder).write_letters]
    return open_worker(timelapse, workflows=workflows, activities=activities, plan=plan)


@pytest.mark.parametrize(
    ("workflow", "reason"),
    [
        (WrongImportWorkflow, "'<=' not supported between instances of 'datetime.timedelta' and 'int'"),
        (WrongErrorImportWorkflow, "unexpected keyword argument 'details'"),
    ],
)
async def test_wrong_import_hangs_at_the_first_broken_row(
    workflow: Any, reason: str, timelapse: Timelapse, tmp_path: Path
) -> None:
    rows = [new_row(**UNREADABLE_AMOUNT), new_row()]
    async with _worker(timelapse, tmp_path, rows, workflow) as worker:
        handle = await worker.start(workflow.run, rows)
        async with asyncio.timeout(30):
            while reason not in await diagnosis(handle):
                await asyncio.sleep(0.02)
        assert (await handle.describe()).status.name == "RUNNING"
        # Die gute zweite Zeile kommt nie dran, und in der Tabelle steht auch nichts.
        assert payments(tmp_path) == []
        assert WrongTable(tmp_path).numbers() == []


async def test_wrong_memory_is_lost_with_the_workflow(timelapse: Timelapse, tmp_path: Path) -> None:
    rows = [new_row(**UNREADABLE_AMOUNT), new_row(**UNREADABLE_AMOUNT)]
    async with _worker(timelapse, tmp_path, rows, WrongMemoryImportWorkflow) as worker:
        with timelapse.unskipped():
            handle = await worker.start(WrongMemoryImportWorkflow.run, rows)
        # Drei Versuche mit je 10 s Pause: Nach 35 s ist die erste Zeile aufgegeben, die zweite in Arbeit.
        await timelapse.fast_forward(handle, timedelta(seconds=35))
        assert scheduled(await handle.fetch_history()).count("book_return") >= 4
        await handle.terminate("Bereitschaft räumt auf")
        assert WrongTable(tmp_path).numbers() == []


async def test_wrong_write_at_the_end_doubles_the_letters(timelapse: Timelapse, tmp_path: Path) -> None:
    rows = [new_row(**UNREADABLE_AMOUNT)]
    plan = FaultPlan((ActivityFault("write_letters", ActivityAction.FAIL_AFTER),))
    async with _worker(timelapse, tmp_path, rows, WrongMemoryImportWorkflow, plan=plan) as worker:
        assert await worker.execute(WrongMemoryImportWorkflow.run, rows) == 1
        assert WrongTable(tmp_path).numbers() == [rows[0].number] * 2


async def test_wrong_write_that_fails_loses_every_letter(timelapse: Timelapse, tmp_path: Path) -> None:
    rows = [new_row(**UNREADABLE_AMOUNT)]
    plan = FaultPlan((ActivityFault("write_letters", ActivityAction.FAIL_BEFORE, attempts=None),))
    async with _worker(timelapse, tmp_path, rows, WrongMemoryImportWorkflow, plan=plan) as worker:
        assert await ended(await worker.start(WrongMemoryImportWorkflow.run, rows)) == "FAILED"
        assert WrongTable(tmp_path).numbers() == []


async def test_wrong_parking_without_hold_discards_what_is_paid(timelapse: Timelapse, tmp_path: Path) -> None:
    item = new_row()
    lost = FaultPlan((ActivityFault("book_return", ActivityAction.FAIL_AFTER, attempts=(1, 2, 3, 4, 5)),))
    async with _worker(timelapse, tmp_path, [item], ParkWithoutHoldWorkflow, plan=lost) as worker:
        handle = await worker.start(ParkWithoutHoldWorkflow.run, ProcessReturn(item))
        async with asyncio.timeout(30):
            while count(await handle.fetch_history(), "ACTIVITY_TASK_FAILED") == 0:
                await asyncio.sleep(0.02)
        await handle.execute_update("discard")
        assert await result(handle) == "verworfen"
        assert payments(tmp_path) == [(item.key, 4990)]


async def test_wrong_except_parks_a_good_item_on_cancel(timelapse: Timelapse, tmp_path: Path) -> None:
    item = new_row()
    cancel = FaultPlan((ActivityFault("book_return", ActivityAction.CANCEL_BEFORE),))
    async with _worker(timelapse, tmp_path, [item], ParkEverythingWorkflow, plan=cancel) as worker:
        handle = await worker.start(ParkEverythingWorkflow.run, ProcessReturn(item))
        assert await ended(handle) == "COMPLETED"
        # An der Zeile ist nichts falsch, und der Abbruch ist verschluckt.
        assert scheduled(await handle.fetch_history()) == ["book_return", "put_letter"]


async def test_wrong_signals_overwrite_each_other(timelapse: Timelapse) -> None:
    queue = timelapse.task_queue()
    client: Client = timelapse.client
    handle: WorkflowHandle[Any, Any] = await client.start_workflow(
        SignalParkedWorkflow.run, id=f"test-{uuid4()}", task_queue=queue
    )
    await handle.signal("discard", "Anke")
    await handle.signal("retry_with", "Momme")
    async with Worker(timelapse.client_for("worker-1"), task_queue=queue, workflows=[SignalParkedWorkflow]):
        assert await result(handle) == "wiederholen (Momme)"


async def _failed(timelapse: Timelapse, folder: Path, worker: Any, item: ReturnRow) -> WorkflowHandle[Any, Any]:
    handle: WorkflowHandle[Any, Any] = await worker.start(
        FailingReturnWorkflow.run, ProcessReturn(item), id=f"retoure-{item.number}"
    )
    assert await ended(handle) == "FAILED"
    RefundLedger(folder).add_sales(item.order)
    return handle


async def _temporal(timelapse: Timelapse, *words: str) -> str:
    assert timelapse.server is not None
    process = await asyncio.create_subprocess_exec(
        str(await find_binary()), *words, "--address", timelapse.server.address,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()


async def _batch_reset(timelapse: Timelapse, queue: str, kind: str) -> None:
    await _temporal(
        timelapse, "workflow", "reset", "--type", kind, "--reason", "repariert", "--yes",
        "--query", f'ExecutionStatus = "Failed" AND TaskQueue = "{queue}"',
    )  # fmt: skip


async def _runs(timelapse: Timelapse, handle: WorkflowHandle[Any, Any], number: int) -> list[str]:
    """Der Status aller Läufe einer Workflow-ID, sobald `number` davon beendet sind, der jüngste zuerst."""
    async with asyncio.timeout(30):
        while True:
            query = f'WorkflowId = "{handle.id}"'
            found = [one.status.name async for one in timelapse.client.list_workflows(query) if one.status]
            if len(found) == number and "RUNNING" not in found:
                return found
            await asyncio.sleep(0.05)


async def test_wrong_reset_to_the_last_task_fails_again_without_asking(timelapse: Timelapse, tmp_path: Path) -> None:
    item = new_row(**UNKNOWN_SALE)
    async with _worker(timelapse, tmp_path, [item], FailingReturnWorkflow) as worker:
        handle = await _failed(timelapse, tmp_path, worker, item)
        await _batch_reset(timelapse, worker.task_queue, "LastWorkflowTask")
        assert await _runs(timelapse, handle, 2) == ["FAILED", "FAILED"]
        assert payments(tmp_path) == []
        await _batch_reset(timelapse, worker.task_queue, "FirstWorkflowTask")
        async with asyncio.timeout(30):
            while payments(tmp_path) != [(item.key, 4990)]:
                await asyncio.sleep(0.02)


async def test_wrong_batch_twice_runs_finished_items_again(timelapse: Timelapse, tmp_path: Path) -> None:
    item = new_row(**UNKNOWN_SALE)
    async with _worker(timelapse, tmp_path, [item], FailingReturnWorkflow) as worker:
        handle = await _failed(timelapse, tmp_path, worker, item)
        for runs in (2, 3):
            await _batch_reset(timelapse, worker.task_queue, "FirstWorkflowTask")
            assert (await _runs(timelapse, handle, runs)).count("FAILED") == 1
        # Zweimal gelaufen; nur der Schlüssel im Erstattungsbuch verhindert die zweite Auszahlung.
        assert payments(tmp_path) == [(item.key, 4990)]
