"""Benannte Läufe des Musters: ein schlechtes Release, und wie es wieder gut wird."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager, nullcontext
from datetime import timedelta
from typing import Any

from temporalio.api.common.v1 import WorkflowExecution as Run
from temporalio.client import WorkflowHandle
from temporalio.worker import Worker

from dauerlauf.scenario import CrashStage, Legend, Pattern, Stage
from dauerlauf.timelapse import result
from kapitel08.replay_test_in_ci.scenarios import waiting
from kapitel08.zuruecksetzen.activities import DISCOUNT_PERCENT
from kapitel08.zuruecksetzen.ledger import Till
from kapitel08.zuruecksetzen.models import Bill, Order
from kapitel08.zuruecksetzen.reordered import PrepaidOrderWorkflow
from kapitel08.zuruecksetzen.repair import (
    SIGNALS,
    ExcludeType,
    point_before,
    reset,
    stuck,
)
from kapitel08.zuruecksetzen.worker import create_worker
from kapitel08.zuruecksetzen.workflow import OrderWorkflow

PATTERN = Pattern(
    "zuruecksetzen",
    chapter=8,
    title="Zurücksetzen",
    problem="Ein Fehler hat laufende Workflows verdorben; sie sollen an einer früheren "
    "Stelle weitermachen, ohne dass etwas doppelt wirkt.",
    workflows=[OrderWorkflow],
    legend=Legend(
        services={"reserve": "Lager", "quote": "Preisliste", "collect": "Kasse"},
    ),
)

TIME_LIMIT = 40.0
WORKER = "kapitel08.zuruecksetzen.worker:create_worker"
PRICE = 10_000

Handle = WorkflowHandle[OrderWorkflow, Bill]


def worker(
    stage: Stage, build: str, workflows: Sequence[type] = (OrderWorkflow,)
) -> Worker:
    """Ein Worker dieser Version; Version 2 vergisst den Rabatt."""
    return create_worker(
        # Ohne Cache wartet nach einem Wechsel kein Task auf den Worker davor.
        stage.worker_client(f"worker-{build}", max_cached_workflows=0),
        stage.folder,
        task_queue=stage.task_queue,
        build=build,
        discount=0 if build == "v2" else DISCOUNT_PERCENT,
        workflows=workflows,
    )


async def place(stage: Stage, number: str, **options: Any) -> Handle:
    """Gibt einen Auftrag über 100 Euro auf."""
    pickup = options.pop("pickup", False)
    with stage.timelapse.unskipped() if stage.timelapse else nullcontext():
        return await stage.start(
            OrderWorkflow.run,
            Order(number, PRICE, pickup),
            id=f"auftrag-{number}",
            # Ein Task, den der Server einem eben beendeten Worker gibt, kehrt nach
            # dieser Zeit zurück; der Standard sind 10 s.
            task_timeout=timedelta(seconds=2),
            **options,
        )


async def spoil(stage: Stage, number: str) -> Handle:
    """Version 1 reserviert, Version 2 kassiert ohne Rabatt."""
    async with worker(stage, "v1"):
        handle = await place(stage, number)
        await waiting(handle)
    async with worker(stage, "v2"):
        await handle.signal(OrderWorkflow.packed)
        await paid(stage, handle)
    return handle


async def paid(stage: Stage, handle: Handle) -> None:
    """Wartet, bis die Kasse etwas gebucht hat und der Lauf wieder wartet."""
    async with asyncio.timeout(TIME_LIMIT):
        while not Till(stage.folder).entries("Kasse"):
            await asyncio.sleep(0.01)
    await waiting(handle)


async def repair(
    stage: Stage, handle: Handle, exclude: Collection[ExcludeType] = ()
) -> Handle:
    """Setzt den Lauf vor `quote` zurück; das Bild zeigt danach den neuen Lauf."""
    history = await handle.fetch_history()
    point = point_before(history, "quote")
    run = Run(workflow_id=handle.id, run_id=history.run_id)
    await reset(stage.client, run, point, "ohne Rabatt kassiert", exclude=exclude)
    before = stage.client.get_workflow_handle(handle.id, run_id=run.run_id)
    status = (await before.describe()).status
    stage.note(f"Zurückgesetzt auf Event {point}.")
    stage.note(f"Der alte Lauf ist {status.name if status else 'unbekannt'}.")
    latest: Handle = stage.client.get_workflow_handle_for(OrderWorkflow.run, handle.id)
    stage.handle = latest
    return latest


async def close(stage: Stage, handle: Handle) -> None:
    """Wartet auf das Ende und hält fest, was Kasse und Lager sagen."""
    bill = await result(handle, TIME_LIMIT)
    till = Till(stage.folder)
    booked = [cents for _, cents in till.entries("Kasse")]
    stage.note(f"Rechnung: {bill.due} Cent, Buchungen der Kasse: {booked}")
    counts = {kind: len(till.entries(kind)) for kind in ("reserve", "quote", "collect")}
    stage.note(f"So oft lief jede Activity: {counts}")


@PATTERN.scenario("glatt", "Version 1: reservieren, packen, mit Rabatt kassieren.")
async def smooth(stage: Stage) -> None:
    """Der gute Fall."""
    async with worker(stage, "v1"):
        handle = await place(stage, "N-6001")
        await waiting(handle)
        await handle.signal(OrderWorkflow.packed)
        await paid(stage, handle)
        await handle.signal(OrderWorkflow.delivered)
        await close(stage, handle)


@PATTERN.scenario("selbstabholung", "Niemand stellt zu: ein Lauf ohne Warten.")
async def pickup(stage: Stage) -> None:
    """Derselbe Ablauf in einem Zug."""
    async with worker(stage, "v1"):
        await close(
            stage, await place(stage, "N-6002", pickup=True, start_signal="packed")
        )


@PATTERN.crash_stage("selbstabholung")
@asynccontextmanager
async def pickup_until_crash(stage: Stage) -> AsyncIterator[CrashStage]:
    """Derselbe Auftrag mit Workern, die sterben."""
    arguments = {"folder": stage.folder, "task_queue": stage.task_queue}
    yield CrashStage(
        WORKER,
        arguments,
        lambda: place(stage, "N-6002", pickup=True, start_signal="packed"),
    )


@PATTERN.scenario("ohne-rabatt", "Version 2 kassiert 100 statt 90 Euro.")
async def spoiled(stage: Stage) -> None:
    """Das schlechte Release, ohne Reparatur."""
    handle = await spoil(stage, "N-6003")
    async with worker(stage, "v2"):
        await handle.signal(OrderWorkflow.delivered)
        await close(stage, handle)


@PATTERN.scenario(
    "zurueckgesetzt", "Zurück vor die Preisliste: Version 3 bucht 10 Euro zurück."
)
async def repaired(stage: Stage) -> None:
    """Die Reparatur eines offenen Laufs."""
    latest = await repair(stage, await spoil(stage, "N-6007"))
    async with worker(stage, "v3"):
        await waiting_again(stage, latest)
        await latest.signal(OrderWorkflow.delivered)
        await close(stage, latest)


async def waiting_again(stage: Stage, latest: Handle) -> None:
    """Wartet, bis der neue Lauf kassiert hat und auf die Zustellung wartet."""
    async with asyncio.timeout(TIME_LIMIT):
        while len(Till(stage.folder).entries("collect")) < 2:
            await asyncio.sleep(0.01)
    await waiting(latest)


@PATTERN.scenario(
    "signal-wieder-angewendet",
    "Zugestellt war schon: Der neue Lauf bekommt das Signal noch einmal.",
)
async def reapplied(stage: Stage) -> None:
    """Auch ein beendeter Lauf lässt sich zurücksetzen."""
    handle = await spoil(stage, "N-6004")
    async with worker(stage, "v2"):
        await handle.signal(OrderWorkflow.delivered)
        await result(handle, TIME_LIMIT)
    latest = await repair(stage, handle)
    async with worker(stage, "v3"):
        await close(stage, latest)


@PATTERN.scenario(
    "signal-ausgelassen",
    "Derselbe Reset ohne Signale: Der neue Lauf wartet wieder auf die Zustellung.",
)
async def excluded(stage: Stage) -> None:
    """Was nach dem Punkt kam, gilt nicht mehr."""
    handle = await spoil(stage, "N-6005")
    async with worker(stage, "v2"):
        await handle.signal(OrderWorkflow.delivered)
        await result(handle, TIME_LIMIT)
    latest = await repair(stage, handle, [SIGNALS])
    async with worker(stage, "v3"):
        await waiting_again(stage, latest)
        stage.note("Der neue Lauf wartet.")
        await latest.signal(OrderWorkflow.delivered)
        await close(stage, latest)


async def get_stuck(stage: Stage, number: str) -> Handle:
    """Ein offener Lauf trifft auf umgestellten Code und bleibt stehen."""
    async with worker(stage, "v1"):
        handle = await place(stage, number)
        await waiting(handle)
    async with worker(stage, "v3", (PrepaidOrderWorkflow,)):
        await handle.signal(OrderWorkflow.packed)
        async with asyncio.timeout(TIME_LIMIT):
            while not await stuck(handle):
                await asyncio.sleep(0.01)
    stage.note("Mit dem umgestellten Code steht der Lauf still.")
    return handle


@PATTERN.scenario(
    "zurueckgerollt", "Der umgestellte Code hält den Lauf an; der alte macht weiter."
)
async def rolled_back(stage: Stage) -> None:
    """Wer den alten Code noch hat, braucht keinen Reset."""
    handle = await get_stuck(stage, "N-6006")
    async with worker(stage, "v1"):
        await paid(stage, handle)
        await handle.signal(OrderWorkflow.delivered)
        await close(stage, handle)
