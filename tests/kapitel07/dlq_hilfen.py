"""Hilfen der Tests zur Dead Letter Queue: das Büro mit Buch, Tabelle und Worker."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle, WorkflowHistory
from temporalio.worker import Worker

from dauerlauf.faults import Plans
from dauerlauf.testing import RunningWorker, open_worker
from dauerlauf.timelapse import Timelapse, result, worker_client
from kapitel07.dead_letter_queue.audit import Audit, audit
from kapitel07.dead_letter_queue.batch import ImportWorkflow, RedriveWorkflow
from kapitel07.dead_letter_queue.files import open_books, row, write_file
from kapitel07.dead_letter_queue.letters import LetterTable
from kapitel07.dead_letter_queue.models import (
    ImportFile,
    ImportResult,
    ParkingOptions,
    ProcessReturn,
    Redrive,
    RedriveResult,
    ReturnRow,
    ReturnView,
    Selection,
    State,
)
from kapitel07.dead_letter_queue.worker import create_worker
from kapitel07.dead_letter_queue.workflow import ReturnWorkflow

Handle = WorkflowHandle[ReturnWorkflow, ReturnView]
WAITING = (State.PARKED, State.ESCALATED)


def new_row(**changes: str) -> ReturnRow:
    """Eine Zeile mit frischer Nummer, die bis auf `changes` gelingt."""
    return row(f"R-{uuid4()}", **changes)


def count(history: WorkflowHistory, name: str) -> int:
    """Wie oft ein Event wie `TIMER_STARTED` vorkommt."""
    wanted = EventType.Value(f"EVENT_TYPE_{name}")
    return sum(event.event_type == wanted for event in history.events)


def scheduled(history: WorkflowHistory) -> list[str]:
    """Die geplanten Activities in ihrer Reihenfolge."""
    return [
        event.activity_task_scheduled_event_attributes.activity_type.name
        for event in history.events
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    ]


async def parked(handle: Handle) -> ReturnView:
    """Wartet, bis ein Posten parkt, höchstens 30 s."""
    async with asyncio.timeout(30):
        while (view := await handle.query(ReturnWorkflow.progress)).state not in WAITING:
            await asyncio.sleep(0.01)
    return view


async def ended(handle: WorkflowHandle[Any, Any], timeout: float = 20) -> str:
    """Wartet auf das Ende eines Workflows und gibt den Namen seines Status zurück."""
    with suppress(WorkflowFailureError):
        await result(handle, timeout)
    status = (await handle.describe()).status
    assert status is not None
    return status.name


@dataclass
class Office:
    """Ein laufendes Büro: Buch, Tabelle und Worker."""

    folder: Path
    timelapse: Timelapse
    worker: RunningWorker
    table: LetterTable
    rows: Sequence[ReturnRow]

    async def process(self, item: ReturnRow, **options: Any) -> Handle:
        """Startet einen Posten; seine Uhr springt nicht von selbst."""
        arg = ProcessReturn(item, ParkingOptions(**options))
        with self.timelapse.unskipped():
            return await self.worker.start(ReturnWorkflow.run, arg, id=f"retoure-{item.number}")

    async def start_import(self, **options: Any) -> WorkflowHandle[ImportWorkflow, ImportResult]:
        """Startet den Import aller Zeilen."""
        file = self.folder / "retouren.csv"
        write_file(file, self.rows)
        return await self.worker.start(ImportWorkflow.run, ImportFile(str(file), **options), id=f"import-{uuid4()}")

    async def import_all(self, timeout: float = 30, **options: Any) -> ImportResult:
        """Importiert alle Zeilen."""
        imported: ImportResult = await result(await self.start_import(**options), timeout)
        return imported

    async def start_redrive(
        self, *numbers: str, kind: str = "", per_second: float = 100, **options: Any
    ) -> WorkflowHandle[RedriveWorkflow, RedriveResult]:
        """Startet eine Wiederholung; ohne Angabe aller Briefe."""
        job = Redrive(Selection(numbers, kind), "Anke Petersen", per_second, **options)
        return await self.worker.start(RedriveWorkflow.run, job, id=f"wiederholung-{uuid4()}")

    async def redrive(self, *numbers: str, **options: Any) -> RedriveResult:
        """Wiederholt Briefe und wartet auf das Ende."""
        redriven: RedriveResult = await result(await self.start_redrive(*numbers, **options), 30)
        return redriven

    def audit(self, waiting: Sequence[str] = ()) -> Audit:
        """Die Revision über alle Zeilen."""
        return audit(self.folder, self.rows, waiting)

    def states(self) -> dict[str, str]:
        """Der Stand jedes Briefs."""
        return {one.row.number: one.state for one in self.table.all()}


@asynccontextmanager
async def open_office(
    timelapse: Timelapse, folder: Path, *rows: ReturnRow, plan: Plans | None = None, **settings: Any
) -> AsyncIterator[Office]:
    """Legt das Buch an und startet einen Worker auf eigener Task Queue; `settings` gehen an den Worker."""
    open_books(folder, rows)

    def create(client: Client, task_queue: str) -> Worker:
        return create_worker(worker_client(client, "worker-1", **settings), folder, task_queue=task_queue)

    async with open_worker(timelapse, create=create, plan=plan) as worker:
        table = LetterTable(folder)
        yield Office(folder, timelapse, worker, table, rows)
        table.close()
