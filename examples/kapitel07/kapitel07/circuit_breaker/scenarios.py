"""Benannte Läufe des Musters: wann der Schalter öffnet, wen er warten lässt, wann er
schließt – und wie oft der Versanddienst dabei angerufen wurde.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import CancelledError
from temporalio.service import RPCError

from dauerlauf.scenario import CrashStage, Legend, Pattern, Stage
from dauerlauf.timelapse import Timelapse, result
from dauerlauf.worker_process import WorkerProcess
from kapitel07.circuit_breaker.activities import OUT_OF_ORDER, Addresses
from kapitel07.circuit_breaker.breaker import Breaker, BreakerSettings, Report
from kapitel07.circuit_breaker.interceptor import CIRCUIT_OPEN, SharedBreaker
from kapitel07.circuit_breaker.models import Order, Patience, ShipOrder, Shipped
from kapitel07.circuit_breaker.services import (
    ISLAND,
    Carrier,
    carrier,
    confirmations,
)
from kapitel07.circuit_breaker.worker import Form, breaker_id, create_worker
from kapitel07.circuit_breaker.workflow import BreakerWorkflow, OrderWorkflow

PATTERN = Pattern(
    "circuit_breaker",
    chapter=7,
    title="Circuit Breaker",
    problem="Ein gestörter Dienst soll nicht angerufen werden, bis er sich erholt hat, "
    "und kein Auftrag darf dabei verloren gehen.",
    workflows=[OrderWorkflow, BreakerWorkflow],
    legend=Legend(
        services={
            "register_parcel": "Versanddienst",
            "send_confirmation": "Postausgang",
        },
    ),
)

TIME_LIMIT = 40.0
WORKER = "kapitel07.circuit_breaker.worker:create_worker"
SETTINGS = BreakerSettings(failures_to_open=3, cooldown=30, probes=1)

Handle = WorkflowHandle[OrderWorkflow, Shipped]


@dataclass
class World:
    """Der Versanddienst, der Schalter und eine Uhr, die sich vorstellen lässt.

    Im Zeitraffer hat jeder Workflow eine eigene Uhr. `wait` stellt sie alle um dieselbe
    Dauer vor: die des Schalters, die der Aufträge und die der Worker.
    """

    carrier: Carrier
    client: Client
    breaker: WorkflowHandle[BreakerWorkflow, None]
    timelapse: Timelapse | None
    handles: list[WorkflowHandle[Any, Any]] = field(default_factory=list)
    ahead: float = 0.0

    def clock(self) -> float:
        """Die Uhr der Worker."""
        return time.monotonic() + self.ahead

    async def wait(self, seconds: float) -> None:
        """Lässt überall `seconds` vergehen, ohne Zeitraffer in Echtzeit."""
        if self.timelapse is None:
            await asyncio.sleep(seconds)
            return
        duration = timedelta(seconds=seconds)
        # Der Schalter zuerst: Wer zu seiner alten Zeit fragte, merkte sich die alte
        # Wartezeit.
        with suppress(RPCError):  # Ohne gemeinsamen Schalter gibt es ihn nicht.
            await self.timelapse.fast_forward(self.breaker, duration)
        self.ahead += seconds
        running = [h for h in self.handles if (await h.describe()).close_time is None]
        skip = self.timelapse.fast_forward
        await asyncio.gather(*(skip(handle, duration) for handle in running))

    async def status(self) -> Breaker:
        """Der Zustand des gemeinsamen Schalters."""
        return await self.breaker.query(BreakerWorkflow.status)


@asynccontextmanager
async def open_world(stage: Stage) -> AsyncIterator[World]:
    """Startet den Versanddienst; am Ende gibt es keinen Schalter mehr."""
    breaker: WorkflowHandle[BreakerWorkflow, None] = stage.client.get_workflow_handle(
        breaker_id(stage.task_queue)
    )
    with carrier(stage.folder) as service:
        world = World(service, stage.client, breaker, stage.timelapse)
        try:
            yield world
        finally:
            with suppress(RPCError):
                await breaker.terminate("Szenario beendet")


@asynccontextmanager
async def open_shop(
    stage: Stage, form: Form, settings: BreakerSettings = SETTINGS
) -> AsyncIterator[World]:
    """Startet den Versanddienst und einen Worker mit dem Schalter seiner Wahl."""
    async with (
        open_world(stage) as world,
        create_worker(
            stage.worker_client("worker-1"),
            Addresses(stage.folder, world.carrier.url),
            task_queue=stage.task_queue,
            form=form,
            settings=settings,
            spread=0,
            clock=world.clock,
        ),
    ):
        yield world


def worker_arguments(stage: Stage, world: World) -> dict[str, Any]:
    """Was ein Worker mit eigenem Prozess bekommt."""
    return {
        "addresses": Addresses(stage.folder, world.carrier.url),
        "task_queue": stage.task_queue,
        "settings": SETTINGS,
        "spread": 0.0,
    }


def order(number: str, postal_code: str = "24937") -> Order:
    """Ein Auftrag, dem nur noch das Paket fehlt."""
    return Order(number, "Jörg Weiß", postal_code)


async def place(stage: Stage, world: World, placed: Order) -> Handle:
    """Gibt den Auftrag auf; seine Uhr läuft in Echtzeit, bis `wait` sie vorstellt."""
    still = stage.timelapse.unskipped() if stage.timelapse else nullcontext()
    with still:
        handle = await stage.start(
            OrderWorkflow.run,
            ShipOrder(placed, Patience()),
            id=f"versand-{placed.number}",
        )
    world.handles.append(handle)
    return handle


async def close(stage: Stage, world: World, handle: Handle) -> None:
    """Wartet auf das Ende und hält fest, was Dienst und Bücher sagen."""
    try:
        await result(handle, TIME_LIMIT)
    except WorkflowFailureError as error:
        cancelled = isinstance(error.cause, CancelledError)
        cause = getattr(error.cause, "cause", None) or error.cause
        stage.note(f"Ursache: {'Abbruch von außen' if cancelled else cause}")
    stage.note(
        f"Aufrufe beim Versanddienst: {world.carrier.arrivals}, "
        f"Pakete: {world.carrier.parcels().total()}, "
        f"Bestätigungen: {confirmations(stage.folder).total()}"
    )


async def note_status(stage: Stage, world: World) -> None:
    """Hält fest, wie der gemeinsame Schalter steht."""
    breaker = await world.status()
    stage.note(
        f"Schalter: {breaker.state}, {breaker.granted} Aufrufe erlaubt, "
        f"{breaker.phase} Wechsel"
    )


async def outage(stage: Stage, form: Form, failures: int) -> None:
    """Eine Störung, bei der die nächsten `failures` Aufrufe scheitern."""
    async with open_shop(stage, form) as world:
        world.carrier.failures_left = failures
        handle = await place(stage, world, order("N-1001"))
        await failed(handle, OUT_OF_ORDER)
        # Nach 1, 2 und 4 s kommen der zweite bis vierte Versuch.
        await world.wait(8)
        while (await handle.describe()).close_time is None:
            await world.wait(31)
        await close(stage, world, handle)
        if form is Form.SHARED:
            await note_status(stage, world)


@PATTERN.scenario("glatt", "Der Dienst arbeitet: eine Frage, ein Aufruf, ein Paket.")
async def smooth(stage: Stage) -> None:
    """Der gute Fall; der Schalter kostet ein Update."""
    async with open_shop(stage, Form.SHARED) as world:
        await close(stage, world, await place(stage, world, order("N-1001")))
        await note_status(stage, world)


@PATTERN.crash_stage("glatt")
@asynccontextmanager
async def smooth_until_crash(stage: Stage) -> AsyncIterator[CrashStage]:
    """Der gute Fall mit Workern, die sterben; Dienst und Schalter bleiben."""
    async with open_world(stage) as world:
        yield CrashStage(
            WORKER,
            worker_arguments(stage, world),
            lambda: place(stage, world, order("N-1001")),
        )


@PATTERN.scenario(
    "ohne-schalter", "Der Dienst fällt aus; nur die Retry-Policy bremst die Aufrufe."
)
async def without(stage: Stage) -> None:
    """Was Temporal von sich aus tut: warten, ohne etwas zu verlieren."""
    await outage(stage, Form.NONE, 6)


@PATTERN.scenario(
    "schalter-oeffnet",
    "Drei Aufrufe scheitern, der Schalter öffnet; 30 s später gelingt die Probe.",
)
async def opens(stage: Stage) -> None:
    """Der Versuch während der offenen Phase erreicht den Dienst nicht."""
    await outage(stage, Form.SHARED, 3)


@PATTERN.scenario(
    "probe-scheitert",
    "Auch die erste Probe scheitert: Der Schalter bleibt weitere 30 s offen.",
)
async def probe_fails(stage: Stage) -> None:
    """Je 30 s ein Aufruf, mehr nicht."""
    await outage(stage, Form.SHARED, 4)


@PATTERN.scenario(
    "im-prozess", "Dieselbe Störung, der Schalter liegt im Speicher des Workers."
)
async def in_process(stage: Stage) -> None:
    """Mit einem einzigen Worker sieht es aus wie der gemeinsame Schalter."""
    await outage(stage, Form.PROCESS, 3)


@PATTERN.scenario(
    "fachliches-nein",
    "Der Dienst lehnt Helgoland ab; das ist keine Störung, der Schalter bleibt zu.",
)
async def rejected(stage: Stage) -> None:
    """Nur technische Fehler zählen."""
    async with open_shop(stage, Form.SHARED) as world:
        await close(stage, world, await place(stage, world, order("N-1001", ISLAND)))
        await note_status(stage, world)


@PATTERN.scenario(
    "abbruch", "Abbruch, während der Schalter offen ist: Der Dienst erfährt nichts."
)
async def cancelled(stage: Stage) -> None:
    """Ein wartender Auftrag lässt sich abbrechen, ohne dass jemand anruft."""
    async with open_shop(stage, Form.SHARED) as world:
        world.carrier.down = True
        handle = await place(stage, world, order("N-1001"))
        await failed(handle, OUT_OF_ORDER)
        await world.wait(8)
        await failed(handle, CIRCUIT_OPEN)
        await handle.cancel()
        await close(stage, world, handle)
        await note_status(stage, world)


@PATTERN.scenario(
    "der-schalter",
    "Die Sicht des Schalters: öffnen, abweisen ohne Spur, proben, schließen.",
)
async def entity(stage: Stage) -> None:
    """Dies ist die Event History des Schalters, nicht die des Auftrags."""
    async with open_shop(stage, Form.SHARED) as world:
        world.carrier.failures_left = 3
        await stage.start(BreakerWorkflow.run, Breaker(SETTINGS), id=world.breaker.id)
        handle = await place(stage, world, order("N-1001"))
        await failed(handle, OUT_OF_ORDER)
        await world.wait(8)
        await failed(handle, CIRCUIT_OPEN)
        await world.wait(31)
        await close(stage, world, handle)
        await note_status(stage, world)


@PATTERN.scenario(
    "worker-stirbt",
    "Der Worker stirbt bei offenem Schalter; der nächste findet ihn offen vor.",
)
async def worker_dies(stage: Stage) -> None:
    """Der Zustand gehört keinem Prozess."""
    async with open_world(stage) as world:
        arguments = worker_arguments(stage, world)
        start = partial(WorkerProcess.start, WORKER, stage.client, arguments=arguments)
        async with await start() as first:
            # Ein dritter Worker hat den Dienst gestört gefunden.
            guard = SharedBreaker(
                stage.client, world.breaker.id, stage.task_queue, SETTINGS
            )
            for _ in range(SETTINGS.failures_to_open):
                permit = (await guard.ask()).permit
                assert permit is not None
                await guard.report(Report(permit, answered=False))
            handle = await place(stage, world, order("N-1001"))
            await failed(handle, CIRCUIT_OPEN)
            first.kill()
        async with await start(identity="worker-2"):
            await world.wait(31)
            await close(stage, world, handle)
            await note_status(stage, world)


async def failed(handle: Handle, kind: str) -> None:
    """Wartet, bis ein Versuch des Auftrags mit diesem Fehlertyp geendet hat."""
    async with asyncio.timeout(TIME_LIMIT):
        while True:
            raw = (await handle.describe()).raw_description
            if any(
                pending.last_failure.application_failure_info.type == kind
                for pending in raw.pending_activities
            ):
                return
            await asyncio.sleep(0.01)
