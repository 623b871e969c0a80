"""Hilfen der Tests zur Dead Letter Queue: das Büro mit Buch, Tabelle und Worker."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import temporalio.client
import temporalio.worker
from temporalio import activity
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from dauerlauf.faults import Plans
from dauerlauf.testing import RunningWorker, open_worker
from dauerlauf.timelapse import Timelapse, worker_client
from kapitel07.dead_letter_queue.audit import Audit, audit
from kapitel07.dead_letter_queue.batch import ImportWorkflow, RedriveWorkflow
from kapitel07.dead_letter_queue.files import open_books, row, write_file
from kapitel07.dead_letter_queue.ledger import RefundLedger
from kapitel07.dead_letter_queue.letters import LetterTable
from kapitel07.dead_letter_queue.models import (
    BookRequest,
    ImportFile,
    ImportResult,
    Letter,
    ParkingOptions,
    ProcessReturn,
    Redrive,
    RedriveResult,
    ReturnRow,
    ReturnView,
    Selection,
    State,
    Trouble,
)
from kapitel07.dead_letter_queue.worker import create_worker
from kapitel07.dead_letter_queue.workflow import ReturnWorkflow

T = TypeVar("T")
Handle = WorkflowHandle[ReturnWorkflow, ReturnView]


class Chaos(temporalio.client.Interceptor, temporalio.worker.Interceptor):
    """Zufällige Störungen an jeder fünften Activity, höchstens zwei Versuche lang.

    Der Würfel hängt nur an Seed, Activity, Posten und Versuch: Derselbe Seed stört dieselben Stellen, gleich in welcher
    Reihenfolge die Posten drankommen.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.fired: Counter[str] = Counter()

    def intercept_activity(
        self, next: temporalio.worker.ActivityInboundInterceptor
    ) -> temporalio.worker.ActivityInboundInterceptor:
        return _ChaoticActivity(next, self)

    def draw(self, info: activity.Info, item: object) -> str:
        """Was diesem Versuch zustößt; leer heißt: nichts."""
        row = getattr(getattr(item, "letter", item), "row", item)
        number = getattr(row, "number", "")
        dice = random.Random(f"{self._seed}/{info.activity_type}/{number}/{info.attempt}")
        if info.attempt > 2 or dice.random() > 0.2:
            return ""
        action = dice.choice(("vorher", "nachher", "doppelt", "zugleich", "langsam"))
        self.fired[action] += 1
        return action


class _ChaoticActivity(temporalio.worker.ActivityInboundInterceptor):
    def __init__(self, next: temporalio.worker.ActivityInboundInterceptor, chaos: Chaos) -> None:
        super().__init__(next)
        self._chaos = chaos

    async def execute_activity(self, input: temporalio.worker.ExecuteActivityInput) -> Any:
        run = self.next.execute_activity
        match self._chaos.draw(activity.info(), input.args[0]):
            case "vorher":
                raise ApplicationError("gestört, bevor etwas geschah")
            case "nachher":
                await run(input)
                raise ApplicationError("gewirkt, aber die Antwort ging verloren")
            case "doppelt":
                await run(input)
            case "zugleich":
                first, _ = await asyncio.gather(run(input), run(input), return_exceptions=True)
                if isinstance(first, BaseException):
                    raise first
                return first
            case "langsam":
                await asyncio.sleep(0.05)
        return await run(input)


WAITING = (State.PARKED, State.ESCALATED)


def new_row(**changes: str) -> ReturnRow:
    """Eine Zeile mit frischer Nummer, die bis auf `changes` gelingt."""
    return row(f"R-{uuid4()}", **changes)


async def parked(handle: Handle) -> ReturnView:
    """Wartet, bis ein Posten parkt, höchstens 30 s."""
    async with asyncio.timeout(30):
        while (view := await handle.query(ReturnWorkflow.progress)).state not in WAITING:
            await asyncio.sleep(0.01)
    return view


async def ended(handle: WorkflowHandle[Any, Any], timeout: float = 30) -> str:
    """Wartet auf das Ende eines Workflows, höchstens `timeout` Sekunden, und gibt den Namen seines Status zurück."""
    async with asyncio.timeout(timeout):
        while (status := (await handle.describe()).status) in (None, WorkflowExecutionStatus.RUNNING):
            await asyncio.sleep(0.02)
    assert status is not None
    return status.name


async def outcome(handle: WorkflowHandle[Any, T], timeout: float = 30) -> T:
    """Das Ergebnis eines Workflows, ohne Long Poll: Unter Last meldet sich einer davon erst nach 20 s."""
    await ended(handle, timeout)
    return await handle.result()


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
        return await outcome(await self.start_import(**options), timeout)

    async def start_redrive(
        self, *numbers: str, kind: str = "", per_second: float = 100, **options: Any
    ) -> WorkflowHandle[RedriveWorkflow, RedriveResult]:
        """Startet eine Wiederholung; ohne Angabe aller Briefe."""
        job = Redrive(Selection(numbers, kind), "Anke Petersen", per_second, **options)
        return await self.worker.start(RedriveWorkflow.run, job, id=f"wiederholung-{uuid4()}")

    async def redrive(self, *numbers: str, **options: Any) -> RedriveResult:
        """Wiederholt Briefe und wartet auf das Ende."""
        return await outcome(await self.start_redrive(*numbers, **options))

    def audit(self, waiting: Sequence[str] = ()) -> Audit:
        """Die Revision über alle Zeilen."""
        return audit(self.folder, self.rows, waiting)

    def states(self) -> dict[str, str]:
        """Der Stand jedes Briefs."""
        return {one.row.number: one.state for one in self.table.all()}


def table_with(folder: Path, *rows: ReturnRow) -> LetterTable:
    """Eine Tabelle mit einem geparkten Brief je Zeile; das Buch kennt alle Aufträge."""
    open_books(folder, rows)
    ledger, table = RefundLedger(folder), LetterTable(folder)
    for one in rows:
        ledger.hold(BookRequest(one))
        table.put(Letter(one, Trouble("BetragUnlesbar", "kaputt"), "import-1"))
    ledger.close()
    return table


@asynccontextmanager
async def open_office(
    timelapse: Timelapse, folder: Path, *rows: ReturnRow, plan: Plans | None = None, chaos: Chaos | None = None
) -> AsyncIterator[Office]:
    """Legt das Buch an und startet einen Worker auf eigener Task Queue, dem `plan` und `chaos` zustoßen."""
    open_books(folder, rows)

    def create(client: Client, task_queue: str) -> Worker:
        client = worker_client(client, "worker-1", *([chaos] if chaos else []))
        return create_worker(client, folder, task_queue=task_queue)

    async with open_worker(timelapse, create=create, plan=plan) as worker:
        table = LetterTable(folder)
        yield Office(folder, timelapse, worker, table, rows)
        table.close()
