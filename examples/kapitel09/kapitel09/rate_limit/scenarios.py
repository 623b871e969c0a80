"""Benannte Läufe des Musters: wer wann anfragen darf, und was beim Dienst ankommt."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from temporalio.client import WorkflowFailureError, WorkflowHandle, WorkflowHistory
from temporalio.exceptions import CancelledError
from temporalio.service import RPCError

from dauerlauf.scenario import CrashStage, Legend, Pattern, Stage
from dauerlauf.timelapse import result
from dauerlauf.worker_process import WorkerProcess
from kapitel09.rate_limit.activities import BOOKED_OUT
from kapitel09.rate_limit.models import LabelOrder, PrintLabels, Route
from kapitel09.rate_limit.quota import PermitBook, Quota
from kapitel09.rate_limit.services import LabelService, label_service
from kapitel09.rate_limit.worker import create_worker
from kapitel09.rate_limit.workflow import LabelWorkflow, QuotaWorkflow

PATTERN = Pattern(
    "rate_limit",
    chapter=9,
    title="Rate Limit",
    problem="Ein Anbieter erlaubt nur so viele Anfragen je Zeit. Kein Fenster soll das "
    "Limit überschreiten, und keine Anfrage darf verloren gehen.",
    workflows=[LabelWorkflow, QuotaWorkflow],
    legend=Legend(
        services={"print_label": "Etikettendienst", "request_permit": "Kontingent"}
    ),
)

TIME_LIMIT = 40.0
FIRST_TASK = 4
"""So viele Events hat ein Workflow nach seinem ersten Workflow-Task."""
WORKER = "kapitel09.rate_limit.worker:create_worker"
CUSTOMER = "Teehaus Möwe"
BERLIN = ZoneInfo("Europe/Berlin")

Labels = WorkflowHandle[LabelWorkflow, list[str]]
Entity = WorkflowHandle[QuotaWorkflow, None]


@dataclass
class World:
    """Der Etikettendienst und das Kontingent des Händlers."""

    service: LabelService
    entity: Entity


@asynccontextmanager
async def open_world(stage: Stage) -> AsyncIterator[World]:
    """Startet den Etikettendienst; am Ende gibt es kein Kontingent mehr."""
    entity: Entity = stage.client.get_workflow_handle_for(
        QuotaWorkflow.run, f"kontingent-{stage.task_queue}"
    )
    with label_service() as service:
        try:
            yield World(service, entity)
        finally:
            with suppress(RPCError):
                await entity.terminate("Szenario beendet")


@asynccontextmanager
async def open_shop(stage: Stage) -> AsyncIterator[World]:
    """Startet den Etikettendienst und einen Worker."""
    async with (
        open_world(stage) as world,
        create_worker(
            stage.worker_client("worker-1"),
            world.service.url,
            task_queue=stage.task_queue,
            spread=0,
        ),
    ):
        yield world


def arguments(stage: Stage, world: World) -> dict[str, Any]:
    """Was ein Worker mit eigenem Prozess bekommt."""
    return {
        "url": world.service.url,
        "task_queue": stage.task_queue,
        "spread": 0.0,
    }


async def place(stage: Stage, route: Route, *, skipped: bool = True) -> Labels:
    """Gibt ein Etikett in Auftrag; ohne `skipped` läuft seine Uhr in Echtzeit."""
    lapse = stage.timelapse
    with lapse.unskipped() if lapse and not skipped else nullcontext():
        return await stage.start(
            LabelWorkflow.run,
            PrintLabels([LabelOrder("N-1002", CUSTOMER)], route),
            id="etikett-N-1002",
        )


def calm_zone(now: datetime) -> str:
    """Eine Zeitzone, in der in der nächsten Viertelstunde kein Tag beginnt.

    Sonst hinge es von der Uhrzeit ab, ob ein Lauf auf das Fenster oder den Tag wartet.
    """
    here = now.astimezone(BERLIN)
    late = here.hour == 23 and here.minute >= 45
    return "America/New_York" if late else BERLIN.key


def quota(**changes: Any) -> Quota:
    """Eine Anfrage in fünf Minuten: Schon das zweite Etikett muss warten."""
    zone = calm_zone(datetime.now(UTC))
    small = Quota(per_window=1, window=300, tolerance=8, zone=zone)
    return replace(small, **changes)


async def taken(stage: Stage, world: World, **changes: Any) -> Route:
    """Die erste Anfrage des Fensters ist schon vergeben; der Weg zum Kontingent."""
    given = quota(**changes)
    route = Route(quota=given, quota_id=world.entity.id)
    await stage.client.start_workflow(
        QuotaWorkflow.run,
        PermitBook(given),
        id=world.entity.id,
        task_queue=stage.task_queue,
    )
    await world.entity.execute_update(QuotaWorkflow.grant, "N-1001-1", id="N-1001-1")
    return route


async def close(stage: Stage, world: World, handle: Labels) -> None:
    """Wartet auf das Ende und hält fest, was der Dienst sagt."""
    try:
        await result(handle, TIME_LIMIT)
    except WorkflowFailureError as error:
        cancelled = isinstance(error.cause, CancelledError)
        cause = getattr(error.cause, "cause", None) or error.cause
        stage.note(f"Ursache: {'Abbruch von außen' if cancelled else cause}")
    service = world.service
    stage.note(
        f"Anfragen beim Etikettendienst: {len(service.calls)}, "
        f"davon mit 429: {service.refused}, Etiketten: {service.labels().total()}"
    )


async def note_quota(stage: Stage, world: World) -> None:
    """Hält fest, wie viel das Kontingent vergeben hat."""
    book = await world.entity.query(QuotaWorkflow.status)
    stage.note(f"Kontingent: {book.granted} Erlaubnisse vergeben")


async def skip(
    stage: Stage, handle: WorkflowHandle[Any, Any], seconds: float | None = None
) -> None:
    """Stellt die Uhr eines Workflows vor, ohne Angabe bis zu seinem Ende."""
    if stage.timelapse:
        duration = timedelta(seconds=seconds) if seconds else None
        await stage.timelapse.fast_forward(handle, duration)


@PATTERN.scenario("glatt", "Das Limit ist weit weg: eine Anfrage, ein Etikett.")
async def smooth(stage: Stage) -> None:
    """Der gute Fall; das Limit der Task Queue hinterlässt keine Spur."""
    async with open_shop(stage) as world:
        await close(stage, world, await place(stage, Route()))


@PATTERN.crash_stage("glatt")
@asynccontextmanager
async def smooth_until_crash(stage: Stage) -> AsyncIterator[CrashStage]:
    """Derselbe Lauf mit Workern, die sterben; der Dienst bleibt."""
    async with open_world(stage) as world:
        yield CrashStage(WORKER, arguments(stage, world), lambda: place(stage, Route()))


@PATTERN.scenario(
    "retry-after",
    "Der Anbieter bittet zweimal um eine Pause; beim dritten Versuch druckt er.",
)
async def signal(stage: Stage) -> None:
    """Die Pause bestimmt der Anbieter, nicht die Retry-Policy."""
    async with open_shop(stage) as world:
        world.service.refusals.extend(["30", "120"])
        await close(stage, world, await place(stage, Route()))


@PATTERN.scenario(
    "wartet-auf-die-zeit",
    "Das Fenster ist voll: Die Erlaubnis gilt erst in fünf Minuten.",
)
async def waits(stage: Stage) -> None:
    """Gewartet wird im Workflow, nicht in einer Activity."""
    async with open_shop(stage) as world:
        route = await taken(stage, world)
        await close(stage, world, await place(stage, route))
        await note_quota(stage, world)


@PATTERN.scenario(
    "neuer-versuch",
    "Der Dienst stolpert: Der zweite Versuch braucht seine eigene Erlaubnis.",
)
async def again(stage: Stage) -> None:
    """Auch ein Retry ist eine Anfrage und zählt."""
    async with open_shop(stage) as world:
        world.service.failures_left = 1
        route = Route(quota=quota(), quota_id=world.entity.id)
        await close(stage, world, await place(stage, route))
        await note_quota(stage, world)


@PATTERN.scenario(
    "ausgebucht", "Das Kontingent ist für zwei Tage vergeben; die Frage kommt wieder."
)
async def booked_out(stage: Stage) -> None:
    """Eine abgelehnte Frage ist kein Fehler des Auftrags."""
    async with open_shop(stage) as world:
        route = await taken(stage, world, horizon_days=0.0019)
        handle = await place(stage, route, skipped=False)
        await refused(handle)
        # Jeder Workflow hat im Zeitraffer seine eigene Uhr.
        await skip(stage, world.entity, 200)
        await skip(stage, handle, 200)
        await skip(stage, handle)
        await close(stage, world, handle)


@PATTERN.scenario(
    "das-kontingent", "Die Sicht des Kontingents: eine Frage, eine Uhrzeit als Antwort."
)
async def entity(stage: Stage) -> None:
    """Dies ist die Event History des Kontingents, nicht die des Auftrags."""
    async with open_shop(stage) as world:
        # Die erste Anfrage des Fensters ist schon vergeben.
        book = PermitBook(quota(), slots=[datetime.now(UTC)])
        started = await stage.start(QuotaWorkflow.run, book, id=world.entity.id)
        await until(started, lambda history: len(history.events) >= FIRST_TASK)
        permits = []
        for number in ("N-1001-1", "N-1002-1", "N-1002-1"):
            permit = await started.execute_update(QuotaWorkflow.grant, number)
            permits.append(permit)
        gap = permits[1].not_before - permits[0].not_before
        stage.note(f"Abstand der beiden Erlaubnisse: {gap.total_seconds():g} s")
        stage.note(
            f"Dieselbe Frage, dieselbe Antwort: "
            f"{'ja' if permits[1] == permits[2] else 'nein'}"
        )


@PATTERN.scenario("abbruch", "Abbruch beim Warten: Der Dienst erfährt nichts davon.")
async def cancelled(stage: Stage) -> None:
    """Ein wartender Auftrag lässt sich abbrechen, ohne dass jemand anfragt."""
    async with open_shop(stage) as world:
        route = await taken(stage, world)
        handle = await place(stage, route, skipped=False)
        await sleeping(handle)
        await handle.cancel()
        await close(stage, world, handle)


@PATTERN.scenario(
    "worker-stirbt", "Der Worker stirbt beim Warten; die Erlaubnis gilt weiter."
)
async def worker_dies(stage: Stage) -> None:
    """Die Uhrzeit steht in der Event History, nicht im Worker."""
    async with open_world(stage) as world:
        start = partial(
            WorkerProcess.start,
            WORKER,
            stage.client,
            arguments=arguments(stage, world),
        )
        async with await start() as first:
            route = await taken(stage, world)
            handle = await place(stage, route, skipped=False)
            await sleeping(handle)
            first.kill()
        async with await start(identity="worker-2"):
            await skip(stage, handle)
            await close(stage, world, handle)
            await note_quota(stage, world)


async def until(
    handle: WorkflowHandle[Any, Any], holds: Callable[[WorkflowHistory], bool]
) -> None:
    """Wartet, bis die Event History die Bedingung erfüllt."""
    async with asyncio.timeout(TIME_LIMIT):
        while not holds(await handle.fetch_history()):
            await asyncio.sleep(0.01)


async def sleeping(handle: Labels) -> None:
    """Wartet, bis der Auftrag seine Erlaubnis hat und auf ihre Zeit wartet."""
    await until(
        handle,
        lambda history: any(
            event.HasField("timer_started_event_attributes") for event in history.events
        ),
    )


async def refused(handle: Labels) -> None:
    """Wartet, bis das Kontingent eine Frage des Auftrags abgelehnt hat."""
    async with asyncio.timeout(TIME_LIMIT):
        while not any(
            pending.last_failure.application_failure_info.type == BOOKED_OUT
            for pending in (await handle.describe()).raw_description.pending_activities
        ):
            await asyncio.sleep(0.01)
