"""Benannte Läufe des Musters: vier Stufen, und was laufenden Aufträgen zustößt, wenn
eine neue ausgeliefert wird.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from datetime import timedelta

from temporalio.api.enums.v1 import (
    EventType,
    PendingWorkflowTaskState,
    WorkflowTaskFailedCause,
)
from temporalio.client import WorkflowHandle
from temporalio.worker import Worker

from dauerlauf.scenario import CrashStage, Legend, Pattern, Stage
from dauerlauf.timelapse import result
from kapitel08.patching.books import entries
from kapitel08.patching.models import Order, PlaceOrder, Shipped
from kapitel08.patching.stages import STAGES
from kapitel08.patching.worker import create_worker
from kapitel08.patching.workflow import OrderWorkflow

PATTERN = Pattern(
    "patching",
    chapter=8,
    title="Patching",
    problem="Der Code eines Workflows ändert sich, während Tausende von Läufen "
    "unterwegs sind; keiner davon darf stecken bleiben.",
    workflows=[OrderWorkflow],
    legend=Legend(
        services={
            "confirm_order": "Postausgang",
            "check_fraud": "Betrugsprüfung",
            "charge_payment": "Zahlungsdienst",
            "ship_parcel": "Versanddienst",
        },
    ),
)

TIME_LIMIT = 40.0
SHORT = timedelta(seconds=1)
STARTED = PendingWorkflowTaskState.PENDING_WORKFLOW_TASK_STATE_STARTED
WORKER = "kapitel08.patching.worker:create_worker"

Handle = WorkflowHandle[OrderWorkflow, Shipped]


def worker(stage: Stage, code: int) -> Worker:
    """Ein Worker mit dem Code der Stufe `code`."""
    client = stage.worker_client(f"worker-stufe-{code}")
    return create_worker(client, stage.folder, task_queue=stage.task_queue, stage=code)


async def place(
    stage: Stage,
    number: str,
    *,
    skipped: bool = True,
    task_timeout: timedelta | None = None,
) -> Handle:
    """Gibt einen Auftrag auf; ohne `skipped` wartet er, bis ihn `fast_forward`
    vorstellt. Einen Workflow-Task, den ein Worker liegen lässt, bekommt nach
    `task_timeout` der nächste, ohne Angabe nach 10 s.
    """
    days = 86_400 if stage.timelapse else 2
    placed = PlaceOrder(Order(number, "Jörg Weiß", 4_990), 3 * days, days)
    timelapse = None if skipped else stage.timelapse
    with timelapse.unskipped() if timelapse else nullcontext():
        return await stage.start(
            OrderWorkflow.run,
            placed,
            id=f"auftrag-{number}",
            task_timeout=task_timeout,
        )


async def waiting(handle: Handle, timers: int) -> None:
    """Wartet, bis der Auftrag am Timer Nummer `timers` steht."""
    while await count(handle, EventType.EVENT_TYPE_TIMER_STARTED) < timers:
        await asyncio.sleep(0.02)


async def count(handle: Handle, kind: EventType.ValueType) -> int:
    """Wie viele Events dieser Art in der Event History stehen."""
    history = await handle.fetch_history()
    return sum(event.event_type == kind for event in history.events)


async def skip_to_stock(stage: Stage, handle: Handle) -> None:
    """Die Ware trifft ein: Der erste Timer läuft ab."""
    if stage.timelapse:
        await stage.timelapse.fast_forward(handle, timedelta(days=3, minutes=1))


async def close(stage: Stage, handle: Handle, number: str) -> None:
    """Wartet auf das Ende und hält fest, was die Bücher sagen."""
    shipped = await result(handle, TIME_LIMIT)
    stage.note(f"Ergebnis: Paket {shipped.parcel}")
    note_books(stage, number)


def note_books(stage: Stage, number: str) -> None:
    """Hält fest, wie oft die fremden Systeme gebucht haben."""
    found = entries(stage.folder, number)
    kinds = ("Prüfungen", "Zahlungen", "Pakete")
    stage.note(", ".join(f"{kind}: {found[kind]}" for kind in kinds))


async def stuck(stage: Stage, handle: Handle) -> None:
    """Wartet auf den gescheiterten Workflow-Task und hält fest, woran er scheiterte."""
    failed = EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
    while not await count(handle, failed):
        await asyncio.sleep(0.02)
    [event] = [
        e for e in (await handle.fetch_history()).events if e.event_type == failed
    ]
    attributes = event.workflow_task_failed_event_attributes
    cause = WorkflowTaskFailedCause.Name(attributes.cause)
    stage.note(f"Klemmt: {cause.removeprefix('WORKFLOW_TASK_FAILED_CAUSE_')}")
    stage.note(attributes.failure.message)
    # Der Server versucht es weiter; in der Event History bleibt es bei diesem Event.
    while not await retried(handle):
        await asyncio.sleep(0.02)
    status = (await handle.describe()).status
    stage.note(f"Status dabei: {status.name if status else '?'}")


async def retried(handle: Handle) -> bool:
    """Ob ein Worker denselben Workflow-Task zum zweiten Mal bekommen hat."""
    task = (await handle.describe()).raw_description.pending_workflow_task
    return task.attempt > 1 and task.state == STARTED


async def run_alone(stage: Stage, code: int) -> None:
    """Ein Auftrag, den ein Worker dieser Stufe von Anfang bis Ende bearbeitet."""
    number = f"N-800{code}"
    async with worker(stage, code):
        await close(stage, await place(stage, number), number)


# --8<-- [start:stages]
@PATTERN.scenario(
    "stufe-1", "Vor der Änderung: abgebucht wird ohne Prüfung.", workflows=[STAGES[1]]
)
async def before(stage: Stage) -> None:
    """Die Event History, mit der alles Spätere auskommen muss."""
    await run_alone(stage, 1)


@PATTERN.scenario("stufe-2", "Ein neuer Auftrag mit Patch: geprüft, dann abgebucht.")
async def patched(stage: Stage) -> None:
    """Der Patch hinterlässt eine Marke in der Event History."""
    await run_alone(stage, 2)


@PATTERN.scenario(
    "stufe-3", "Der alte Weg ist weg, die Marke bleibt.", workflows=[STAGES[3]]
)
async def deprecated(stage: Stage) -> None:
    """Diese Marke darf der Code später überlesen."""
    await run_alone(stage, 3)


@PATTERN.scenario(
    "stufe-4", "Der Patch ist ausgebaut, die Prüfung bleibt.", workflows=[STAGES[4]]
)
async def clean(stage: Stage) -> None:
    """Als wäre es immer so gewesen."""
    await run_alone(stage, 4)


# --8<-- [end:stages]


@PATTERN.crash_stage("stufe-2")
@asynccontextmanager
async def until_crash(stage: Stage) -> AsyncIterator[CrashStage]:
    """Derselbe Auftrag, bei dem Worker sterben; die Bücher bleiben."""
    arguments = {"folder": stage.folder, "task_queue": stage.task_queue}
    yield CrashStage(WORKER, arguments, lambda: place(stage, "N-8002"))


@PATTERN.scenario(
    "hinter-der-stelle",
    "Ein alter Auftrag hat schon bezahlt; der neue Code führt ihn auf dem alten Weg "
    "zu Ende.",
)
async def behind_the_line(stage: Stage) -> None:
    """Beim Replay ist `patched` falsch: Die Marke fehlt."""
    await change_code(stage, "N-8005", timers=2)


@PATTERN.scenario(
    "vor-der-stelle",
    "Ein alter Auftrag wartet noch auf die Ware; auch ihn prüft der neue Code.",
)
async def before_the_line(stage: Stage) -> None:
    """Außerhalb des Replays ist `patched` wahr, auch im alten Lauf."""
    await change_code(stage, "N-8006", timers=1)


async def change_code(stage: Stage, number: str, *, timers: int) -> None:
    """Stufe 1 bringt den Auftrag bis zum genannten Timer, Stufe 2 den Rest."""
    handle = await place(stage, number, skipped=False)
    async with worker(stage, 1):
        await waiting(handle, 1)
        if timers == 2:
            await skip_to_stock(stage, handle)
            await waiting(handle, 2)
    stage.note("Worker der Stufe 1 beendet, Stufe 2 übernimmt")
    async with worker(stage, 2):
        if stage.timelapse:
            await stage.timelapse.fast_forward(handle)
        await close(stage, handle, number)


@PATTERN.scenario(
    "klemmt",
    "Stufe 3 kommt zu früh: Ein alter Auftrag klemmt, bis Stufe 2 zurückkommt.",
)
async def too_early(stage: Stage) -> None:
    """Ein klemmender Lauf scheitert nicht; er wartet auf den richtigen Code."""
    number = "N-8007"
    handle = await place(stage, number, skipped=False, task_timeout=SHORT)
    async with worker(stage, 1):
        await waiting(handle, 1)
        await skip_to_stock(stage, handle)
        await waiting(handle, 2)
    await meet_wrong_code(stage, handle, 3)
    note_books(stage, number)
    async with worker(stage, 2):
        await close(stage, handle, number)


@PATTERN.scenario(
    "zurueckgerollt",
    "Stufe 1 kommt zurück: Ein geprüfter Auftrag klemmt, denn seine Marke kennt sie "
    "nicht.",
)
async def rolled_back(stage: Stage) -> None:
    """Nach der ersten Marke gibt es kein Zurück, nur noch vor."""
    number = "N-8008"
    handle = await place(stage, number, skipped=False, task_timeout=SHORT)
    async with worker(stage, 2):
        await waiting(handle, 1)
        await skip_to_stock(stage, handle)
        await waiting(handle, 2)
    await meet_wrong_code(stage, handle, 1)
    note_books(stage, number)
    async with worker(stage, 2):
        await close(stage, handle, number)


async def meet_wrong_code(stage: Stage, handle: Handle, code: int) -> None:
    """Ein Worker der falschen Stufe nimmt den nächsten Workflow-Task an."""
    async with worker(stage, code):
        # Der Fahrer kommt. Das Ziel des Sprungs liegt dahinter; der Lauf klemmt vorher.
        ahead = stage.timelapse and asyncio.create_task(
            stage.timelapse.fast_forward(handle, timedelta(days=2))
        )
        await stuck(stage, handle)
        if ahead:
            ahead.cancel()
