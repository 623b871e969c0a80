"""Benannte Läufe des Musters: alte Konten, alte Clients, der Umzug und der Weg zurück –
und was am Ende im Konto und im Postausgang steht.
"""

import asyncio
import json
import warnings
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import timedelta
from types import ModuleType
from typing import Any

from temporalio.api.common.v1 import Payload as Stored
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Worker

from dauerlauf.scenario import CrashStage, Legend, Pattern, Stage
from dauerlauf.timelapse import result
from kapitel08.zustand_migrieren.activities import Outbox
from kapitel08.zustand_migrieren.models import Account, Booking, Tier
from kapitel08.zustand_migrieren.schema import Payload, write
from kapitel08.zustand_migrieren.versions import v1, v2, v3
from kapitel08.zustand_migrieren.worker import create_worker
from kapitel08.zustand_migrieren.workflow import SCHEMA, AccountWorkflow, tagged

PATTERN = Pattern(
    "zustand_migrieren",
    chapter=8,
    title="Zustand migrieren",
    problem="Gespeicherte Daten alter Form müssen lesbar bleiben, solange ein Lauf "
    "sie noch braucht.",
    workflows=[AccountWorkflow],
    legend=Legend(services={"confirm_booking": "Postausgang"}),
    search_attributes={SCHEMA.name: "Int"},
)

# Wirft `__init__` eines Workflows, wie in „zurueckgerollt“, lässt das SDK 1.35.0 eine
# Coroutine liegen; Python warnt davor irgendwann später.
warnings.filterwarnings("ignore", message="coroutine '_WorkflowInstanceImpl")

TIME_LIMIT = 40.0
WORKER = "kapitel08.zustand_migrieren.worker:create_worker"
OLD = {1: v1, 2: v2, 3: v3}
ACCOUNTS: dict[int, Payload] = {
    1: {
        "number": "K-1001",
        "name": "Jörg Weiß",
        "mail": "joerg@example.org",
        "fax": "0461 123",
        "balance": 12.5,
        "tier": "gold",
        "booked": [],
    },
    2: {
        "schema": 2,
        "number": "K-1001",
        "name": "Jörg Weiß",
        "email": "joerg@example.org",
        "fax": "0461 123",
        "balance": 12.5,
        "language": "da",
        "tier": "gold",
        "booked": [],
    },
    3: {
        "schema": 3,
        "number": "K-1001",
        "first_name": "Jörg",
        "last_name": "Weiß",
        "email": "joerg@example.org",
        "fax": "0461 123",
        "balance_cents": 1250,
        "language": "da",
        "tier": "gold",
        "booked": [],
    },
    4: write(
        Account("K-1001", "Jörg", "Weiß", "joerg@example.org", 1250, "da", Tier.PREMIUM)
    ),
}
"""Dasselbe Konto, wie die vier Versionen es schreiben; Version 1 kannte keine Sprache,
`premium` gibt es erst in Version 4.
"""

Handle = WorkflowHandle[Any, Any]


def old_worker(
    version: int, client: Client, outbox: Outbox, task_queue: str, **options: Any
) -> Worker:
    """Ein Worker mit dem Code von damals."""
    code: ModuleType = OLD[version]
    return Worker(
        client,
        task_queue=task_queue,
        workflows=[code.AccountWorkflow],
        activities=[code.AccountActivities(outbox).confirm_booking],
        activity_executor=ThreadPoolExecutor(4),
        **options,
    )


def current(stage: Stage) -> Worker:
    """Der Worker von Version 4."""
    client = stage.worker_client("worker-4")
    return create_worker(client, Outbox(stage.folder), task_queue=stage.task_queue)


def former(stage: Stage, version: int, **options: Any) -> Worker:
    """Der Worker einer früheren Version."""
    client = stage.worker_client(f"worker-{version}")
    outbox = Outbox(stage.folder)
    return old_worker(version, client, outbox, stage.task_queue, **options)


async def settled(handle: Handle, mails: int, outbox: Outbox) -> None:
    """Wartet, bis so viele Bestätigungen draußen sind und nichts mehr läuft."""
    async with asyncio.timeout(TIME_LIMIT):
        while True:
            raw = (await handle.describe()).raw_description
            busy = raw.pending_activities or raw.HasField("pending_workflow_task")
            if not busy and len(outbox.mails()) == mails:
                return
            await asyncio.sleep(0.01)


async def booked(stage: Stage, handle: Handle, sent: Payload, mails: int) -> None:
    """Schickt eine Buchung und wartet auf ihre Bestätigung."""
    await handle.signal("book", sent)
    await settled(handle, mails, Outbox(stage.folder))


async def closed(stage: Stage, handle: Handle) -> None:
    """Schließt das Konto und hält seinen letzten Stand fest."""
    await handle.signal(AccountWorkflow.close)
    note_account(stage, await result(handle, TIME_LIMIT))
    mails = ", ".join(f"{number}: {cents}" for number, _, cents in _mails(stage))
    stage.note(f"Bestätigt (Stand in Cent): {mails or 'nichts'}")


def note_account(stage: Stage, account: Payload) -> None:
    """Hält ein Konto der Form 4 fest."""
    stage.note(
        f"Konto, Form {account['schema']}: {account['first_name']} "
        f"{account['last_name']}, {account['balance_cents']} Cent, "
        f"{account['tier']}, {account['language']}"
    )


def _mails(stage: Stage) -> list[tuple[str, str, int]]:
    return Outbox(stage.folder).mails()


async def start_account(stage: Stage, form: int, number: str, **options: Any) -> Handle:
    """Eröffnet das Konto `number` mit Daten der Form `form`."""
    return await stage.start(
        AccountWorkflow.run,
        {**ACCOUNTS[form], "number": number},
        id=f"konto-{number}",
        search_attributes=tagged() if form == 4 else None,
        **options,
    )


async def open_account(stage: Stage, form: int, number: str, **options: Any) -> Handle:
    """Wie `start_account`; wartet, bis ein Worker das Konto führt."""
    handle = await start_account(stage, form, number, **options)
    await settled(handle, 0, Outbox(stage.folder))
    return handle


@PATTERN.scenario(
    "glatt", "Ein Konto in der Form von Version 1, von Version 4 geführt."
)
async def smooth(stage: Stage) -> None:
    """Die Eingabe bleibt, wie sie ist; gelesen wird sie in der neuen Form."""
    async with current(stage):
        handle = await open_account(stage, 1, "K-1001")
        await booked(stage, handle, write(Booking("B-1", 1999)), 1)
        await closed(stage, handle)


@PATTERN.crash_stage("glatt")
@asynccontextmanager
async def smooth_until_crash(stage: Stage) -> AsyncIterator[CrashStage]:
    """Der gute Fall mit Workern, die sterben; Postausgang und Client bleiben."""
    outbox = Outbox(stage.folder)
    clients: list[asyncio.Task[None]] = []

    async def use(handle: Handle) -> None:
        await settled(handle, 0, outbox)
        await booked(stage, handle, write(Booking("B-1", 1999)), 1)
        await handle.signal(AccountWorkflow.close)

    async def start() -> Handle:
        handle = await start_account(stage, 1, "K-1001")
        clients.append(asyncio.create_task(use(handle)))
        return handle

    yield CrashStage(WORKER, {"outbox": outbox, "task_queue": stage.task_queue}, start)
    await asyncio.gather(*clients)


@PATTERN.scenario(
    "altes-konto",
    "Version 1 eröffnet und bucht, Version 4 führt denselben Lauf weiter.",
)
async def old_account(stage: Stage) -> None:
    """Version 4 liest auch die alten Signale und Argumente in der Event History."""
    async with former(stage, 1):
        handle = await open_account(stage, 1, "K-1002")
        await booked(stage, handle, {"number": "B-1", "amount": 19.99}, 1)
    async with current(stage):
        await booked(stage, handle, write(Booking("B-2", 500)), 2)
        await closed(stage, handle)


@PATTERN.scenario(
    "alter-client", "Ein Client von Version 1 spricht mit einem Konto von Version 4."
)
async def old_client(stage: Stage) -> None:
    """Signal und Update kommen in alter Form, die Antwort bleibt lesbar."""
    async with current(stage):
        handle = await open_account(stage, 4, "K-1003")
        sent = {"name": "Jörg Groß"}
        answer = await handle.execute_update("rename", sent, id="umbenennen")
        stage.note(f"Antwort an den alten Client: {answer}")
        await booked(stage, handle, {"number": "B-1", "amount": 19.99}, 1)
        await closed(stage, handle)


@PATTERN.scenario(
    "wartende-activity",
    "Version 1 plant eine Bestätigung, Version 4 führt sie mit dem alten Argument aus.",
)
async def pending_activity(stage: Stage) -> None:
    """Das Argument einer wartenden Activity ändert niemand mehr."""
    async with former(stage, 1, no_remote_activities=True):
        handle = await open_account(stage, 1, "K-1004")
        await handle.signal("book", {"number": "B-1", "amount": 19.99})
        await _scheduled(handle)
    async with current(stage):
        await settled(handle, 1, Outbox(stage.folder))
        await closed(stage, handle)


@PATTERN.scenario(
    "umzug", "Das Signal move beginnt einen neuen Lauf mit Daten der neuen Form."
)
async def moved(stage: Stage) -> None:
    """Gezeigt ist der zweite Lauf; der erste endete mit Continue-As-New."""
    async with current(stage):
        handle = await open_account(stage, 1, "K-1005")
        await booked(stage, handle, write(Booking("B-1", 1999)), 1)
        await _move(stage, handle)
        await booked(stage, handle, write(Booking("B-2", 500)), 2)
        await closed(stage, handle)


@PATTERN.scenario(
    "zurueckgerollt",
    "Nach dem Umzug arbeitet wieder Version 3: Sie wartet, statt Daten zu verlieren.",
)
async def rolled_back(stage: Stage) -> None:
    """Der Lauf steht, bis Version 4 wiederkommt; verloren geht nichts."""
    async with current(stage):
        # Wiederholte Fehler eines Workflow-Tasks meldet das SDK nicht; sie laufen ab.
        short = timedelta(seconds=2)
        handle = await open_account(stage, 3, "K-1006", task_timeout=short)
        await _move(stage, handle)
    async with former(stage, 3):
        await handle.signal("book", {"number": "B-1", "amount_cents": 500, "schema": 3})
        stage.note(f"Version 3 meldet: {await task_failure(handle)}")
    async with current(stage):
        await settled(handle, 1, Outbox(stage.folder))
        await closed(stage, handle)


async def _move(stage: Stage, handle: Handle) -> None:
    """Lässt das Konto umziehen und hält beide Eingaben fest."""
    first = await _input(handle)
    await handle.signal(AccountWorkflow.move)
    async with asyncio.timeout(TIME_LIMIT):
        while (second := await _input(handle)) == first:
            await asyncio.sleep(0.01)
    await settled(handle, len(_mails(stage)), Outbox(stage.folder))
    for name, stored in ("vorher", first), ("nachher", second):
        data = json.loads(stored.data)
        form, size = data.get("schema", 1), len(stored.data)
        stage.note(f"Eingabe {name}: Form {form}, {size} Byte")


async def _input(handle: Handle) -> Stored:
    """Die gespeicherte Eingabe des jüngsten Laufs."""
    async for event in handle.fetch_history_events():
        return event.workflow_execution_started_event_attributes.input.payloads[0]
    raise AssertionError("Eine Event History beginnt immer mit dem Start.")


async def _scheduled(handle: Handle) -> None:
    async with asyncio.timeout(TIME_LIMIT):
        while not (await handle.describe()).raw_description.pending_activities:
            await asyncio.sleep(0.01)


async def task_failure(handle: Handle) -> str:
    """Die Meldung des ersten gescheiterten Workflow-Tasks."""
    async with asyncio.timeout(TIME_LIMIT):
        while True:
            async for event in handle.fetch_history_events():
                if event.HasField("workflow_task_failed_event_attributes"):
                    return event.workflow_task_failed_event_attributes.failure.message
            await asyncio.sleep(0.01)
