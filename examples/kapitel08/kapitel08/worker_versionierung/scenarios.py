"""Benannte Läufe des Musters: Welche Version bearbeitet welche Ausführung, bevor und
nachdem 2.0 aktuell wird? Jede Version läuft in einem eigenen Prozess.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHandle

from dauerlauf.scenario import CrashStage, Pattern, Stage
from dauerlauf.timelapse import result
from dauerlauf.worker_process import WorkerProcess
from kapitel08.worker_versionierung import version1, version1_1, version2
from kapitel08.worker_versionierung.book import WarehouseBook
from kapitel08.worker_versionierung.models import Inventory, Order, ReturnRequest
from kapitel08.worker_versionierung.override import pin
from kapitel08.worker_versionierung.rollout import Rollout
from kapitel08.worker_versionierung.worker import create_worker

PATTERN = Pattern(
    "worker_versionierung",
    chapter=8,
    title="Worker-Versionierung",
    problem="Neuer Code soll neue Arbeit bekommen, ohne eine laufende Ausführung zu "
    "zerreißen.",
    workflows=version1.WORKFLOWS,
)

WORKER = "kapitel08.worker_versionierung.worker:create_worker"
TIME_LIMIT = 40.0
STUCK_TASK = timedelta(seconds=1)
"""So lange hält ein gescheiterter Workflow-Task die Ausführung fest, sonst 10 s."""

Handle = WorkflowHandle[Any, Any]


@dataclass
class Fleet:
    """Ein Deployment: je Version ein Prozess, ein Lagerbuch und die Verteilung."""

    stage: Stage
    rollout: Rollout
    book: WarehouseBook

    @property
    def deployment(self) -> str:
        """Heißt wie die Task Queue: Deployments gelten im ganzen Namespace."""
        return self.stage.task_queue

    def arguments(self, build_id: str) -> dict[str, Any]:
        """Was der Worker dieser Version bekommt."""
        return {
            "folder": self.stage.folder,
            "build_id": build_id,
            "task_queue": self.stage.task_queue,
            "deployment": self.deployment,
        }

    async def _start(self, build_id: str, *, reserve: bool = False) -> WorkerProcess:
        worker = await WorkerProcess.start(
            WORKER,
            self.stage.client,
            arguments=self.arguments(build_id),
            identity=f"worker-{build_id}",
            reserve=reserve,
        )
        if not reserve:
            await self.rollout.registered(build_id)
        return worker

    @asynccontextmanager
    async def worker(
        self, build_id: str, *, reserve: bool = False
    ) -> AsyncIterator[WorkerProcess]:
        """Ein Worker dieser Version; mit `reserve` beginnt er erst auf `take_over`."""
        worker = await self._start(build_id, reserve=reserve)
        try:
            yield worker
        finally:
            worker.kill()

    @asynccontextmanager
    async def both(self) -> AsyncIterator[WorkerProcess]:
        """Ein Worker mit 1.0, das aktuell ist, und einer mit 2.0; gibt den alten."""
        old, new = await asyncio.gather(self._start("1.0"), self._start("2.0"))
        try:
            await self.rollout.make_current("1.0")
            yield old
        finally:
            old.kill()
            new.kill()

    async def reached(self, number: str, step: str) -> None:
        """Wartet, bis dieser Schritt im Lagerbuch steht."""
        await until(lambda: self._written(number, step))

    async def _written(self, number: str, step: str) -> bool:
        return step in dict(self.book.entries(number))

    async def close(self, handle: Handle, number: str) -> None:
        """Wartet auf das Ende und hält fest, welche Version was getan hat."""
        await result(handle, TIME_LIMIT)
        for step, build_id in self.book.entries(number):
            self.stage.note(f"{step}: Version {build_id}")
        self.stage.note(f"Version 1.0 ist {await self.rollout.status('1.0')}")


def fleet(stage: Stage) -> Fleet:
    """Das Deployment einer Bühne, noch ohne Worker."""
    rollout = Rollout(stage.client, stage.task_queue)
    return Fleet(stage, rollout, WarehouseBook(stage.folder))


async def until(reached: Callable[[], Awaitable[bool]]) -> None:
    """Wartet, bis `reached` zutrifft; nach 40 s `TimeoutError`."""
    async with asyncio.timeout(TIME_LIMIT):
        while not await reached():
            await asyncio.sleep(0.02)


async def quiet(handle: Handle) -> None:
    """Wartet, bis die Ausführung nichts mehr zu tun hat als zu warten."""

    async def idle() -> bool:
        raw = (await handle.describe()).raw_description
        return not raw.pending_activities and not raw.HasField("pending_workflow_task")

    await until(idle)


async def a_day_later(stage: Stage, handle: Handle) -> None:
    """Im Zeitraffer vergeht ein Tag; auf einem fremden Server geschieht nichts."""
    if stage.timelapse:
        await stage.timelapse.fast_forward(handle, timedelta(days=1))
        await quiet(handle)


async def recorded(handle: Handle, kind: EventType.ValueType, count: int = 1) -> None:
    """Wartet, bis so viele Events dieser Art in der Event History stehen."""

    async def found() -> bool:
        history = await handle.fetch_history()
        return [event.event_type for event in history.events].count(kind) >= count

    await until(found)


async def place(stage: Stage, order: Order, **options: Any) -> Handle:
    """Gibt eine Bestellung auf."""
    return await stage.start(
        version1.OrderWorkflow.run, order, id=f"bestellung-{order.number}", **options
    )


@PATTERN.scenario(
    "glatt", "Version 1.0 ist aktuell, 2.0 steht bereit und bekommt nichts."
)
async def smooth(stage: Stage) -> None:
    """Ein Worker einer neuen Version ändert für sich allein nichts."""
    ships = fleet(stage)
    async with ships.both():
        handle = await place(stage, Order("N-1001"), start_signal="paid")
        await ships.close(handle, "N-1001")


@PATTERN.crash_stage("glatt")
@asynccontextmanager
async def smooth_until_crash(stage: Stage) -> AsyncIterator[CrashStage]:
    """Der Worker mit 1.0 stirbt; nur ein anderer mit 1.0 darf übernehmen."""
    ships = fleet(stage)
    # Er bekommt nichts und stirbt nicht: Ein eigener Prozess wäre hier nur langsamer.
    standing_by = create_worker(
        stage.worker_client("worker-2.0"), **ships.arguments("2.0")
    )

    async def start() -> Handle:
        await ships.rollout.make_current("1.0")
        return await place(stage, Order("N-1001"), start_signal="paid")

    async with standing_by:
        await ships.rollout.registered("2.0")
        yield CrashStage(WORKER, ships.arguments("1.0"), start)


@PATTERN.scenario(
    "gepinnt", "2.0 wird aktuell, während die Bestellung auf die Zahlung wartet."
)
async def pinned(stage: Stage) -> None:
    """Eine gepinnte Ausführung endet auf der Version, auf der sie begann."""
    ships = fleet(stage)
    async with ships.both():
        handle = await place(stage, Order("N-1001"))
        await ships.reached("N-1001", "reserve_stock")
        await quiet(handle)
        await ships.rollout.make_current("2.0")
        await a_day_later(stage, handle)
        await handle.signal(version1.OrderWorkflow.paid)
        await ships.close(handle, "N-1001")


@PATTERN.scenario(
    "neue-version",
    "Eine Bestellung, die nach dem Wechsel beginnt, läuft auf 2.0.",
    workflows=version2.WORKFLOWS,
)
async def started_later(stage: Stage) -> None:
    """Derselbe Workflow-Typ, anderer Code."""
    ships = fleet(stage)
    async with ships.both():
        await ships.rollout.make_current("2.0")
        handle = await place(stage, Order("N-1002"), start_signal="paid")
        await ships.close(handle, "N-1002")


@PATTERN.scenario(
    "auto-upgrade",
    "Eine Retoure wechselt mit dem nächsten Workflow-Task zu 2.0.",
    workflows=version2.WORKFLOWS,
)
async def auto_upgrade(stage: Stage) -> None:
    """Der Patch führt sie am neuen Schritt vorbei."""
    ships = fleet(stage)
    async with ships.both():
        handle = await stage.start(
            version1.ReturnWorkflow.run, ReturnRequest("R-2001"), id="retoure-R-2001"
        )
        await ships.reached("R-2001", "send_label")
        await quiet(handle)
        await ships.rollout.make_current("2.0")
        await a_day_later(stage, handle)
        await handle.signal(version1.ReturnWorkflow.arrived)
        await ships.close(handle, "R-2001")


async def inventory(stage: Stage, *, upgrade: bool) -> None:
    """Drei Regale, zwei je Event History; nach dem ersten wird 2.0 aktuell."""
    ships = fleet(stage)
    async with ships.both():
        handle = await stage.start(
            version1.InventoryWorkflow.run,
            Inventory("I-3001", total=3, per_run=2, upgrade=upgrade),
            id="inventur-I-3001",
        )
        await handle.signal(version1.InventoryWorkflow.shelf_ready, "A1")
        await ships.reached("I-3001", "count_shelf")
        await quiet(handle)
        await ships.rollout.make_current("2.0")
        first = (await handle.describe()).run_id
        await handle.signal(version1.InventoryWorkflow.shelf_ready, "A2")

        async def moved() -> bool:
            return (await handle.describe()).run_id != first

        await until(moved)
        await quiet(handle)
        await handle.signal(version1.InventoryWorkflow.shelf_ready, "A3")
        await ships.close(handle, "I-3001")


@PATTERN.scenario(
    "inventur-bleibt", "Auch nach einem Continue-As-New bleibt die Inventur auf 1.0."
)
async def inventory_stays(stage: Stage) -> None:
    """Dies ist die zweite Event History der Inventur."""
    await inventory(stage, upgrade=False)


@PATTERN.scenario(
    "inventur-zieht-um",
    "Die Inventur zieht mit dem Continue-As-New auf 2.0 um.",
    workflows=version2.WORKFLOWS,
)
async def inventory_moves(stage: Stage) -> None:
    """Dies ist die zweite Event History der Inventur."""
    await inventory(stage, upgrade=True)


@PATTERN.scenario(
    "umgelenkt",
    "Eine Bestellung in die Schweiz scheitert an 1.0; 1.1 bringt sie zu Ende.",
    workflows=version1_1.WORKFLOWS,
)
async def redirected(stage: Stage) -> None:
    """Alle anderen Ausführungen bleiben, wo sie sind."""
    ships = fleet(stage)
    async with ships.both(), ships.worker("1.1"):
        handle = await place(stage, Order("N-1003", "CH"), task_timeout=STUCK_TASK)
        await ships.reached("N-1003", "reserve_stock")
        await quiet(handle)
        await handle.signal(version1.OrderWorkflow.paid)
        # Auch der zweite Versuch scheitert; weitere stehen nicht in der Event History.
        await recorded(handle, EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED, 2)
        await pin(stage.client, handle.id, ships.deployment, "1.1")
        await ships.close(handle, "N-1003")


@PATTERN.scenario(
    "alter-worker-fehlt",
    "Der letzte Worker mit 1.0 ist weg; die Bestellung wartet, bis wieder einer läuft.",
)
async def old_worker_missing(stage: Stage) -> None:
    """Der Worker mit 2.0 rührt sie nicht an."""
    ships = fleet(stage)
    # Der Ersatz ist schon geladen: Wie lange ein Prozess zum Starten braucht, gehört
    # nicht in die Aufzeichnung.
    async with ships.both() as old, ships.worker("1.0", reserve=True) as spare:
        handle = await place(stage, Order("N-1001"))
        await ships.reached("N-1001", "reserve_stock")
        await quiet(handle)
        old.kill()
        await ships.rollout.make_current("2.0")
        await a_day_later(stage, handle)
        await handle.signal(version1.OrderWorkflow.paid)
        # Der Server bot ihn zuerst dem Worker an, der den Workflow im Speicher hatte.
        await recorded(handle, EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT)
        raw = (await handle.describe()).raw_description
        stage.note(f"Wartender Workflow-Task: {raw.HasField('pending_workflow_task')}")
        # Rund eine Sekunde Stillstand: Kürzeres zeigt die Aufzeichnung nicht.
        await asyncio.sleep(0.9)
        await spare.take_over()
        await ships.close(handle, "N-1001")
