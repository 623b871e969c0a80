"""Das Muster `idempotenz_schluessel`: Was in den Büchern steht, nicht was der Workflow meldet."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.worker import Worker

from dauerlauf.faults import ActivityAction, ActivityFault, FaultInjector, FaultPlan
from dauerlauf.history import load
from dauerlauf.scenario import Run, play
from dauerlauf.timelapse import Timelapse, result
from hilfen import each_selected
from kapitel02.idempotenz_schluessel.activities import LATEST_ARRIVAL, ReturnCase, ReturnSteps
from kapitel02.idempotenz_schluessel.scenarios import PATTERN
from kapitel02.idempotenz_schluessel.services import (
    Bank,
    KeyConflictError,
    audit,
    bank,
    claims,
    loyalty_account,
    pickup_service,
)
from kapitel02.idempotenz_schluessel.worker import TASK_QUEUE, create_worker
from kapitel02.idempotenz_schluessel.workflow import SettleReturn
from kapitel02.idempotenz_schluessel.wrong import KEYS, Choice, RefundByChild, RefundByKey, Refunds
from von_hand import end, line, output, program

SIGKILLED = "worker-1: beendet mit Code -9 (SIGKILL)"


# Die Läufe: alle auf einmal gespielt, denn jeder wartet ein Timeout in Echtzeit ab.


@dataclass(frozen=True)
class Played:
    """Ein gespieltes Szenario und der Ordner mit seinen Büchern."""

    run: Run
    folder: Path

    @property
    def books(self) -> tuple[list[int], int, int, int]:
        """Erstattete Beträge, Aufrufe der Bank, Abholungen, abgezogene Punkte."""
        [case] = _returns(self.folder)
        book, pickups = bank(self.folder), pickup_service(self.folder).pickups(case)
        return book.refunds(case), book.calls(case), len(pickups), loyalty_account(self.folder).deducted(case)

    def retry_reason(self, activity_type: str) -> str:
        """Woran der vorletzte Versuch einer Activity gescheitert ist, laut History."""
        events = self.run.history.events
        scheduled = {
            event.event_id
            for event in events
            if event.activity_task_scheduled_event_attributes.activity_type.name == activity_type
        }
        [started] = [
            event.activity_task_started_event_attributes
            for event in events
            if event.activity_task_started_event_attributes.scheduled_event_id in scheduled
            and event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED
        ]
        return str(started.last_failure.message)


def _returns(folder: Path) -> list[str]:
    with bank(folder).transaction() as db:
        return [row[0] for row in db.execute("SELECT DISTINCT return_id FROM calls")]


@pytest.fixture(scope="module")
async def played(
    request: pytest.FixtureRequest, timelapse: Timelapse, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Played]:
    async def run(name: str) -> Played:
        folder = tmp_path_factory.mktemp(name)
        return Played(await play(PATTERN.find(name), timelapse, folder=folder), folder)

    return await each_selected(request, run)


@pytest.mark.szenarien("glatt")
def test_glatter_lauf_wirkt_je_schritt_einmal(played: Mapping[str, Played]) -> None:
    assert played["glatt"].run.status == "COMPLETED"
    assert played["glatt"].books == ([4990], 1, 1, 50)


@pytest.mark.prozess
@pytest.mark.szenarien("tod-nach-der-erstattung")
def test_tod_nach_der_erstattung_erstattet_einmal(played: Mapping[str, Played]) -> None:
    death = played["tod-nach-der-erstattung"]
    assert death.run.notes[0] == SIGKILLED
    assert death.run.status == "COMPLETED"
    assert death.books == ([4990], 2, 1, 50)


@pytest.mark.prozess
@pytest.mark.szenarien("gewuerfelt")
def test_gewuerfelter_schluessel_erstattet_doppelt(played: Mapping[str, Played]) -> None:
    diced = played["gewuerfelt"]
    assert diced.run.notes[0] == SIGKILLED
    assert diced.run.status == "COMPLETED"
    assert diced.books == ([4990, 4990], 2, 1, 50)


@pytest.mark.szenarien("anderer-inhalt")
def test_anderer_inhalt_unter_demselben_schluessel_scheitert(played: Mapping[str, Played]) -> None:
    other = played["anderer-inhalt"]
    assert other.run.status == "FAILED"
    assert "KeyConflictError" in other.run.notes[0]
    assert other.books == ([4990], 2, 1, 50)


@pytest.mark.prozess
@pytest.mark.szenarien("tod-nach-der-abholung")
def test_nachfrage_findet_die_abholung_des_toten_workers(played: Mapping[str, Played]) -> None:
    death = played["tod-nach-der-abholung"]
    assert death.run.notes[0] == SIGKILLED
    assert death.books == ([4990], 1, 1, 50)


@pytest.mark.szenarien("luecke")
def test_nachfrage_allein_bestellt_doppelt(played: Mapping[str, Played]) -> None:
    assert played["luecke"].run.status == "COMPLETED"
    assert played["luecke"].books == ([4990], 1, 2, 50)


@pytest.mark.szenarien("merkbuch")
def test_merkbuch_schliesst_die_luecke(played: Mapping[str, Played]) -> None:
    claimed = played["merkbuch"]
    assert claimed.run.status == "COMPLETED"
    assert claimed.books == ([4990], 1, 1, 50)
    assert claimed.retry_reason("order_pickup") == "Ein früherer Auftrag kann noch ankommen."
    first, last = claimed.run.history.events[0], claimed.run.history.events[-1]
    waited = last.event_time.ToDatetime() - first.event_time.ToDatetime()
    assert LATEST_ARRIVAL <= waited < LATEST_ARRIVAL + timedelta(minutes=1)


@pytest.mark.parametrize("name", PATTERN.scenarios)
async def test_aufgezeichneter_lauf_passt_zum_code(name: str, replay: Callable[..., Awaitable[int]]) -> None:
    assert await replay(PATTERN.history_file(name), workflows=[SettleReturn]) == 1


@pytest.mark.prozess
async def test_von_hand_mit_worker_und_buechern(timelapse: Timelapse, tmp_path: Path) -> None:
    package = "kapitel02.idempotenz_schluessel"
    with program(f"{package}.worker", folder=tmp_path, timelapse=timelapse) as started:
        assert f"Prozess {started.pid}" in await line(started)
        handle = await timelapse.client.start_workflow(
            SettleReturn.run, ReturnCase("R-3100", 4990), id="retoure-R-3100", task_queue=TASK_QUEUE
        )
        await result(handle, 30)
        await end(started)
    assert await output(f"{package}.services", folder=tmp_path) == audit(tmp_path / "nordlicht-daten", "R-3100")


def test_schluessel_steht_vor_dem_ersten_versuch_in_der_history() -> None:
    for name in ("glatt", "tod-nach-der-erstattung"):
        scheduled = next(
            event.activity_task_scheduled_event_attributes
            for event in load(PATTERN.history_file(name)).events
            if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
        )
        assert b'/erstattung"' in scheduled.input.payloads[0].data


# Woraus der Schlüssel besteht: acht Arten, sechs Störungen


@asynccontextmanager
async def refunds(timelapse: Timelapse, folder: Path, *plugins: Any) -> AsyncIterator[tuple[str, Bank]]:
    """Ein Worker, der jede Art von Schlüssel kann; gibt seine Task Queue und das Buch der Bank."""
    book = Bank(folder / "bank.sqlite3")
    queue = timelapse.task_queue()
    async with Worker(
        timelapse.client_for("worker-1", plugins=plugins),
        task_queue=queue,
        workflows=[RefundByKey, RefundByChild],
        activities=[Refunds(book).refund_by_choice],
        activity_executor=ThreadPoolExecutor(8),
        max_concurrent_activities=8,
    ):
        yield queue, book


Disturb = Callable[[Client, str, str], Awaitable[None]]
"""Spielt einen Fall: Client, Task Queue, Art des Schlüssels. Der Vorgang heißt wie die Art."""


async def count(
    timelapse: Timelapse, folder: Path, disturb: Disturb, plugin: FaultInjector | None = None
) -> dict[str, int]:
    """Wie oft die Bank je Art des Schlüssels erstattet hat."""
    async with refunds(timelapse, folder, *([plugin] if plugin else [])) as (queue, book):
        await asyncio.gather(*(disturb(timelapse.client, queue, kind) for kind in KEYS))
    return {kind: len(book.refunds(kind)) for kind in KEYS}


async def start(client: Client, queue: str, choice: Choice, **options: Any) -> WorkflowHandle[Any, Any]:
    run = options.pop("run", RefundByKey.run)
    return await client.start_workflow(run, choice, id=f"{queue}/{choice.kind}", task_queue=queue, **options)


async def reset(client: Client, handle: WorkflowHandle[Any, Any]) -> None:
    """Setzt den beendeten Workflow auf seinen ersten Workflow-Task zurück und wartet auf den neuen Lauf."""
    await client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=handle.id, run_id=handle.result_run_id or ""),
            workflow_task_finish_event_id=4,
            request_id=str(uuid4()),
            reason="Test",
        )
    )
    await result(client.get_workflow_handle(handle.id))


ONCE = dict.fromkeys(KEYS, 1)


async def test_zweiter_versuch(timelapse: Timelapse, tmp_path: Path) -> None:
    async def disturb(client: Client, queue: str, kind: str) -> None:
        await result(await start(client, queue, Choice(kind, kind)))

    fault = ActivityFault("refund_by_choice", ActivityAction.FAIL_AFTER)
    counted = await count(timelapse, tmp_path, disturb, FaultInjector(FaultPlan(activities=(fault,))))
    assert counted == ONCE | {"Versuch": 2, "UUID in der Activity": 2, "Uhrzeit": 2}


async def test_reset(timelapse: Timelapse, tmp_path: Path) -> None:
    async def disturb(client: Client, queue: str, kind: str) -> None:
        handle = await start(client, queue, Choice(kind, kind))
        await result(handle)
        await reset(client, handle)

    assert await count(timelapse, tmp_path, disturb) == ONCE | {
        "UUID im Workflow": 2,
        "Run-ID und Activity-ID": 2,
        "UUID in der Activity": 2,
        "Uhrzeit": 2,
    }


async def test_workflow_retry(timelapse: Timelapse, tmp_path: Path) -> None:
    async def disturb(client: Client, queue: str, kind: str) -> None:
        choice = Choice(kind, kind, fail_once=True)
        await result(await start(client, queue, choice, retry_policy=RetryPolicy(maximum_attempts=2)))

    assert await count(timelapse, tmp_path, disturb) == ONCE | {
        "UUID im Workflow": 2,
        "Run-ID und Activity-ID": 2,
        "UUID in der Activity": 2,
        "Uhrzeit": 2,
    }


async def test_zweiter_start(timelapse: Timelapse, tmp_path: Path) -> None:
    async def disturb(client: Client, queue: str, kind: str) -> None:
        for _ in range(2):
            await result(await start(client, queue, Choice(kind, kind)))

    assert await count(timelapse, tmp_path, disturb) == ONCE | {
        "UUID im Workflow": 2,
        "Run-ID und Activity-ID": 2,
        "UUID in der Activity": 2,
        "Uhrzeit": 2,
    }


async def test_reset_des_parent(timelapse: Timelapse, tmp_path: Path) -> None:
    async def disturb(client: Client, queue: str, kind: str) -> None:
        handle = await start(client, queue, Choice(kind, kind), run=RefundByChild.run)
        await result(handle)
        await reset(client, handle)

    assert await count(timelapse, tmp_path, disturb) == dict.fromkeys(KEYS, 2) | {"Vorgang und Schritt": 1}


async def test_continue_as_new_verschluckt_den_zweiten_monat(timelapse: Timelapse, tmp_path: Path) -> None:
    async def disturb(client: Client, queue: str, kind: str) -> None:
        handle = await start(client, queue, Choice(kind, kind, months=2))
        await result(handle)

    assert await count(timelapse, tmp_path, disturb) == dict.fromkeys(KEYS, 2) | {
        "Workflow-ID und Schritt": 1,
        "Workflow-ID und Activity-ID": 1,
        "Versuch": 1,
    }


async def test_activity_ids_zaehlen_die_befehle_eines_laufs(timelapse: Timelapse, tmp_path: Path) -> None:
    run = await play(PATTERN.find("glatt"), timelapse, folder=tmp_path)
    scheduled = [e.activity_task_scheduled_event_attributes for e in run.history.events]
    assert [one.activity_id for one in scheduled if one.activity_id] == ["1", "2", "3"]


# Was der Empfänger tut


def test_gleichzeitige_aufrufe_ergeben_eine_buchung(tmp_path: Path) -> None:
    book = bank(tmp_path)
    together = threading.Barrier(8)

    def call(_: int) -> int:
        together.wait(10)
        return book.refund("R-1/erstattung", "R-1", 4990)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(call, range(8)))
    assert answers == [1] * 8
    assert (book.refunds("R-1"), book.calls("R-1")) == ([4990], 8)


@pytest.mark.parametrize(("return_id", "cents"), [("R-1", 2990), ("R-2", 4990)])
def test_bank_weist_anderen_inhalt_ab(return_id: str, cents: int, tmp_path: Path) -> None:
    book = bank(tmp_path)
    assert book.refund("schluessel", "R-1", 4990) == 1
    with pytest.raises(KeyConflictError, match="gehört zu R-1, 4990 Cent"):
        book.refund("schluessel", return_id, cents)
    assert book.refunds("R-1") == [4990]
    assert book.refunds("R-2") == []


async def test_verfallener_schluessel_erstattet_noch_einmal(timelapse: Timelapse, tmp_path: Path) -> None:
    async with create_worker(timelapse.client, tmp_path, task_queue=timelapse.task_queue()) as worker:
        handle = await timelapse.client.start_workflow(
            SettleReturn.run, ReturnCase("R-9", 4990), id=worker.task_queue, task_queue=worker.task_queue
        )
        await result(handle)
        await reset(timelapse.client, handle)
        assert bank(tmp_path).refunds("R-9") == [4990]
        bank(tmp_path).forget_keys()
        await reset(timelapse.client, timelapse.client.get_workflow_handle(handle.id))
    assert bank(tmp_path).refunds("R-9") == [4990, 4990]


async def test_konflikt_wird_nicht_wiederholt(timelapse: Timelapse, tmp_path: Path) -> None:
    bank(tmp_path).refund("R-8/erstattung", "R-8", 100)
    queue = timelapse.task_queue()
    async with create_worker(timelapse.client, tmp_path, task_queue=queue):
        handle = await timelapse.client.start_workflow(
            SettleReturn.run, ReturnCase("R-8", 4990), id=queue, task_queue=queue
        )
        with pytest.raises(WorkflowFailureError) as failed:
            await result(handle)
    assert isinstance(failed.value.cause, ActivityError)
    cause = failed.value.cause.cause
    assert isinstance(cause, ApplicationError)
    assert (cause.type, cause.non_retryable) == ("KeyConflict", True)
    assert bank(tmp_path).calls("R-8") == 2


# Ohne Hilfe des Empfängers


def test_vormerkung_gilt_bis_nichts_mehr_ankommen_kann(tmp_path: Path) -> None:
    book, now = claims(tmp_path), datetime(2026, 11, 23, 9, tzinfo=UTC)
    minute, patience = timedelta(minutes=1), timedelta(minutes=10)
    assert book.claim("a", now, patience) == timedelta()
    assert book.claim("b", now, patience) == timedelta()
    assert book.claim("a", now + minute, patience) == 9 * minute
    assert book.claim("a", now + 10 * minute, patience) == timedelta()
    assert book.claim("a", now + 11 * minute, patience) == 9 * minute, "die neue Vormerkung zählt"


async def test_verlorener_auftrag_wird_nach_der_frist_wiederholt(timelapse: Timelapse, tmp_path: Path) -> None:
    """Der erste Versuch merkt vor und scheitert, bevor er ruft: Nach der Frist ruft der zweite."""
    pickups = pickup_service(tmp_path)
    original = pickups.order
    lost: list[str] = []

    def order(return_id: str) -> int:
        if not lost:
            lost.append(return_id)
            raise ConnectionError("Der Auftrag ging im Netz verloren.")
        return original(return_id)

    pickups.order = order  # type: ignore[method-assign]
    steps = ReturnSteps(bank(tmp_path), pickups, loyalty_account(tmp_path), claims(tmp_path))
    queue = timelapse.task_queue()
    async with create_worker(timelapse.client, tmp_path, task_queue=queue, steps=steps):
        handle = await timelapse.client.start_workflow(
            SettleReturn.run, ReturnCase("R-7", 4990), id=queue, task_queue=queue
        )
        started = await timelapse.now(handle)
        await result(handle)
    assert len(pickup_service(tmp_path).pickups("R-7")) == 1
    assert await timelapse.now(handle) - started >= LATEST_ARRIVAL


def test_natuerlicher_schluessel_zieht_einmal_ab(tmp_path: Path) -> None:
    account = loyalty_account(tmp_path)
    for _ in range(3):
        account.deduct("R-1", 50)
    account.deduct("R-2", 30)
    assert (account.deducted("R-1"), account.deducted("R-2")) == (50, 30)


def test_befund_nennt_alle_buecher(tmp_path: Path) -> None:
    assert audit(tmp_path, "R-1") == [
        "Bank: nichts erstattet, 0 × aufgerufen",
        "Abholdienst: 0 × bestellt",
        "Punktekonto: 0 Punkte abgezogen",
    ]
