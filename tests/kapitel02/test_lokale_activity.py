"""Das Muster `lokale_activity`: Was lokale Activities sparen und was sie wiederholen, sagt das Register."""

import asyncio
import inspect
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from lokale_beispiele import DefaultThreshold, SavedByTimer, SwitchedToLocal, Waiter, WaitLocally, third_time_lucky
from temporalio import workflow
from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle, WorkflowHistory
from temporalio.exceptions import CancelledError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Replayer, Worker

from dauerlauf.faults import ActivityAction, FaultInjector, FaultPlan
from dauerlauf.history import load
from dauerlauf.pytest_plugin import WorkerFactory
from dauerlauf.scenario import Run, play
from dauerlauf.timelapse import Timelapse, WorkflowStuckError, result
from hilfen import count, kinds
from kapitel02.lokale_activity.activities import Desk, Invoice
from kapitel02.lokale_activity.comparison import WriteInvoiceRemotely
from kapitel02.lokale_activity.scenarios import LINES, PATTERN, at_the_end, looked_up, order
from kapitel02.lokale_activity.services import DRAW, LOOK_UP, Register
from kapitel02.lokale_activity.worker import create_worker, worker_with
from kapitel02.lokale_activity.workflow import WriteInvoice
from kapitel02.lokale_activity.wrong import ActivityIdDesk
from von_hand import end, line, program

TOTAL = 95_670


def counted(folder: Path) -> tuple[int, int, int]:
    """Wie oft nachgeschlagen, wie oft gezogen, wie viele Nummern vergeben."""
    register = Register(folder)
    return register.calls(LOOK_UP), register.calls(DRAW), register.numbers()


def rejections(history: WorkflowHistory) -> list[str]:
    """Warum der Server Workflow-Tasks nicht annahm."""
    return [
        WorkflowTaskFailedCause.Name(event.workflow_task_failed_event_attributes.cause)
        for event in history.events
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
    ]


async def run(name: str, timelapse: Timelapse, folder: Path) -> Run:
    return await play(PATTERN.find(name), timelapse, folder=folder)


@asynccontextmanager
async def desk(timelapse: Timelapse, folder: Path, plan: FaultPlan) -> AsyncIterator[tuple[Client, str]]:
    """Ein Worker mit Störplan und seine Task Queue."""
    queue = timelapse.task_queue()
    client = timelapse.client_for("worker-1", plugins=[FaultInjector(plan)])
    async with create_worker(client, folder, task_queue=queue):
        yield timelapse.client, queue


# Die Läufe


async def test_neun_lokale_schritte_sind_ein_workflow_task(timelapse: Timelapse, tmp_path: Path) -> None:
    played = await run("lokal", timelapse, tmp_path)
    assert (played.status, played.notes[0]) == ("COMPLETED", "Rechnung 1 über 956,70 €")
    assert counted(tmp_path) == (8, 1, 1)
    found = Counter(kinds(played.history))
    assert (found["MARKER_RECORDED"], found["WORKFLOW_TASK_COMPLETED"], found["ACTIVITY_TASK_SCHEDULED"]) == (9, 1, 0)


async def test_neun_gewoehnliche_schritte_sind_zehn_workflow_tasks(timelapse: Timelapse, tmp_path: Path) -> None:
    played = await run("gewoehnlich", timelapse, tmp_path)
    assert (played.status, played.notes[0]) == ("COMPLETED", "Rechnung 1 über 956,70 €")
    assert counted(tmp_path) == (8, 1, 1)
    found = Counter(kinds(played.history))
    assert (found["MARKER_RECORDED"], found["WORKFLOW_TASK_COMPLETED"], found["ACTIVITY_TASK_SCHEDULED"]) == (0, 10, 9)


def test_ein_event_statt_sechs_je_schritt() -> None:
    assert len(load(PATTERN.history_file("lokal")).events) == 5 + 9 * 1
    assert len(load(PATTERN.history_file("gewoehnlich")).events) == 5 + 9 * 6


@pytest.mark.prozess
async def test_tod_im_neunten_schritt_wiederholt_alle_neun(timelapse: Timelapse, tmp_path: Path) -> None:
    played = await run("absturz", timelapse, tmp_path)
    assert played.notes[:2] == ["worker-1: Prozess beendet mit Code -9 (SIGKILL)", "Rechnung 1 über 956,70 €"]
    assert counted(tmp_path) == (16, 2, 1)
    assert count(played.history, "MARKER_RECORDED") == 9, "Die History zeigt nur den zweiten Anlauf."


@pytest.mark.prozess
async def test_gewoehnlich_wiederholt_der_tod_nur_den_neunten(timelapse: Timelapse, tmp_path: Path) -> None:
    played = await run("absturz-gewoehnlich", timelapse, tmp_path)
    assert played.notes[:2] == ["worker-1: Prozess beendet mit Code -9 (SIGKILL)", "Rechnung 1 über 956,70 €"]
    assert counted(tmp_path) == (8, 2, 1)


@pytest.mark.prozess
async def test_ohne_schluessel_geht_eine_rechnungsnummer_verloren(timelapse: Timelapse, tmp_path: Path) -> None:
    played = await run("ohne-schluessel", timelapse, tmp_path)
    assert played.notes[1] == "Rechnung 2 über 956,70 €"
    assert counted(tmp_path) == (16, 2, 2)


async def test_signal_wiederholt_alles_ohne_absturz(timelapse: Timelapse, tmp_path: Path) -> None:
    played = await run("signal-dazwischen", timelapse, tmp_path)
    assert played.status == "COMPLETED"
    assert rejections(played.history) == ["WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND"]
    assert counted(tmp_path) == (16, 2, 1)
    assert played.notes[-1] == "Bemerkung auf der Rechnung: Bitte ohne Plastik verpacken"


async def test_timer_sichert_die_schritte_davor(timelapse: Timelapse, tmp_path: Path) -> None:
    queue = timelapse.task_queue()
    plan = at_the_end(ActivityAction.DELAY, seconds=0.3)
    steps = Desk(Register(tmp_path))
    client = timelapse.client_for("worker-1", plugins=[FaultInjector(plan)])
    async with Worker(
        client,
        task_queue=queue,
        workflows=[SavedByTimer],
        activities=[steps.look_up_price, steps.draw_number],
        activity_executor=ThreadPoolExecutor(4),
        max_concurrent_activities=4,
    ):
        handle = await timelapse.client.start_workflow(SavedByTimer.run, order("R-8"), id=queue, task_queue=queue)
        await timer_fired(handle)
        await handle.signal(WriteInvoice.add_note, "Bitte klingeln")
        assert await result(handle) == Invoice(1, TOTAL, ["Bitte klingeln"])
    assert counted(tmp_path) == (8, 2, 1)


async def timer_fired(handle: WorkflowHandle[Any, Any]) -> None:
    """Wartet, bis der Workflow-Task nach dem Timer begonnen hat."""
    fired = False
    async with asyncio.timeout(10):
        async for event in handle.fetch_history_events(wait_new_event=True):
            fired = fired or event.event_type == EventType.EVENT_TYPE_TIMER_FIRED
            if fired and event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED:
                return


async def test_abbruch_laesst_eine_nummer_ohne_spur_zurueck(timelapse: Timelapse, tmp_path: Path) -> None:
    played = await run("abbruch", timelapse, tmp_path)
    assert played.status == "CANCELED"
    assert counted(tmp_path) == (8, 1, 1)
    assert "draw_number" not in str(played.history.events)


async def test_langer_schritt_verlaengert_den_workflow_task(timelapse: Timelapse, tmp_path: Path) -> None:
    played = await run("lange", timelapse, tmp_path)
    assert counted(tmp_path) == (8, 1, 1)
    # Verlängert wird nach 80 % der Frist von 1 s; der Schritt dauert 1,2 s.
    assert count(played.history, "WORKFLOW_TASK_COMPLETED") == 2
    assert rejections(played.history) == []


async def test_lange_pausen_werden_timer(timelapse: Timelapse, tmp_path: Path) -> None:
    played = await run("ausfall", timelapse, tmp_path)
    assert counted(tmp_path) == (8, 1, 1)
    timers = [
        event.timer_started_event_attributes.start_to_fire_timeout.ToTimedelta()
        for event in played.history.events
        if event.event_type == EventType.EVENT_TYPE_TIMER_STARTED
    ]
    assert [round(timer.total_seconds()) for timer in timers] == [300, 600]


# Retries


async def test_kurze_pausen_bleiben_im_worker(timelapse: Timelapse, tmp_path: Path) -> None:
    plan = at_the_end(ActivityAction.FAIL_BEFORE, attempts=(1, 2))
    async with desk(timelapse, tmp_path, plan) as (client, queue):
        handle = await client.start_workflow(WriteInvoice.run, order("R-1", 0.05), id=queue, task_queue=queue)
        assert await result(handle) == Invoice(1, TOTAL, [])
        assert len((await handle.fetch_history()).events) == 14, "Die Fehlversuche hinterlassen kein Event."


async def test_schwelle_liegt_ohne_angabe_bei_einer_minute(worker: WorkerFactory) -> None:
    async with worker(workflows=[DefaultThreshold], activities=[third_time_lucky]) as w:
        above = await w.start(DefaultThreshold.run, 61.0)
        assert await w.result(above) == 3
        assert count(await above.fetch_history(), "TIMER_STARTED") == 2
        below = await w.start(DefaultThreshold.run, 59.0, task_timeout=timedelta(seconds=1))
        with pytest.raises(WorkflowStuckError):
            await w.result(below, timeout=0.3)
        assert count(await below.fetch_history(), "TIMER_STARTED") == 0


@pytest.mark.parametrize(("kind", "numbers"), [(Desk, 1), (ActivityIdDesk, 2)])
async def test_nach_dem_timer_traegt_der_versuch_eine_neue_activity_id(
    kind: type[Desk], numbers: int, timelapse: Timelapse, tmp_path: Path
) -> None:
    queue = timelapse.task_queue()
    plan = at_the_end(ActivityAction.FAIL_AFTER)
    client = timelapse.client_for("worker-1", plugins=[FaultInjector(plan)])
    async with worker_with(kind(Register(tmp_path)), client, queue):
        handle = await timelapse.client.start_workflow(WriteInvoice.run, order("R-2"), id=queue, task_queue=queue)
        assert await result(handle) == Invoice(numbers, TOTAL, [])
    assert counted(tmp_path) == (8, 2, numbers)


# Störungen


async def test_doppelte_ausfuehrung_zieht_eine_nummer(timelapse: Timelapse, tmp_path: Path) -> None:
    plan = at_the_end(ActivityAction.DUPLICATE_CONCURRENTLY)
    async with desk(timelapse, tmp_path, plan) as (client, queue):
        handle = await client.start_workflow(WriteInvoice.run, order("R-3"), id=queue, task_queue=queue)
        assert await result(handle) == Invoice(1, TOTAL, [])
    assert counted(tmp_path) == (8, 2, 1)


async def test_abbruch_erreicht_einen_langen_schritt_mit_dem_naechsten_workflow_task(worker: WorkerFactory) -> None:
    waiter = Waiter()
    async with worker(workflows=[WaitLocally], activities=[waiter.wait]) as w:
        handle = await w.start(WaitLocally.run, task_timeout=timedelta(seconds=1))
        await asyncio.wait_for(waiter.started.wait(), 10)
        await handle.cancel()
        with pytest.raises(WorkflowFailureError) as failure:
            await w.result(handle)
        assert isinstance(failure.value.cause, CancelledError)
        await asyncio.wait_for(waiter.cancelled.wait(), 10)
        assert count(await handle.fetch_history(), "WORKFLOW_TASK_COMPLETED") == 2


async def test_query_wartet_auf_die_lokalen_schritte(timelapse: Timelapse, tmp_path: Path) -> None:
    plan = at_the_end(ActivityAction.DELAY, seconds=2)
    async with desk(timelapse, tmp_path, plan) as (client, queue):
        handle = await client.start_workflow(WriteInvoice.run, order("R-5"), id=queue, task_queue=queue)
        await looked_up(tmp_path, len(LINES))
        with pytest.raises(RPCError) as failure:
            await handle.query("__stack_trace", rpc_timeout=timedelta(seconds=0.2))
        assert failure.value.status in (RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED)
        assert await result(handle) == Invoice(1, TOTAL, [])


@pytest.mark.prozess
async def test_programm_laeuft_wie_beschrieben(timelapse: Timelapse, tmp_path: Path) -> None:
    with program("kapitel02.lokale_activity.worker", folder=tmp_path, timelapse=timelapse) as started:
        assert await line(started) == "Worker bereit. Ende mit Strg-C."
        handle = await timelapse.client.start_workflow(
            WriteInvoice.run, order("R-9"), id="rechnung-R-9", task_queue="lokale-activity"
        )
        assert await result(handle, 30) == Invoice(1, TOTAL, [])
        await end(started)
    assert counted(tmp_path / "nordlicht-daten") == (8, 1, 1)


# Grenzen


async def test_ohne_activity_im_selben_worker_haengt_der_workflow(timelapse: Timelapse, tmp_path: Path) -> None:
    queue = timelapse.task_queue()
    async with Worker(timelapse.client, task_queue=queue, workflows=[WriteInvoice], activities=[third_time_lucky]):
        handle = await timelapse.client.start_workflow(WriteInvoice.run, order("R-6"), id=queue, task_queue=queue)
        with pytest.raises(WorkflowStuckError, match="look_up_price is not registered on this worker"):
            await result(handle, timeout=0.5)
        await handle.terminate()


def test_lokal_gibt_es_weder_heartbeat_noch_task_queue() -> None:
    def parameters(function: Callable[..., Any]) -> set[str]:
        return set(inspect.signature(function).parameters)

    missing = parameters(workflow.execute_activity_method) - parameters(workflow.execute_local_activity_method)
    assert missing == {"task_queue", "heartbeat_timeout", "versioning_intent", "priority"}
    added = parameters(workflow.execute_local_activity_method) - parameters(workflow.execute_activity_method)
    assert added == {"local_retry_threshold"}


@pytest.mark.parametrize("name", PATTERN.scenarios)
async def test_aufgezeichneter_lauf_passt_zum_code(name: str, replay: Callable[..., Awaitable[int]]) -> None:
    assert await replay(PATTERN.history_file(name), workflows=PATTERN.workflows) == 1


async def test_umstellen_bricht_laufende_workflows() -> None:
    recorded = load(PATTERN.history_file("gewoehnlich"))
    outcome = await Replayer(workflows=[SwitchedToLocal]).replay_workflow(recorded, raise_on_replay_failure=False)
    assert "Nondeterminism error" in str(outcome.replay_failure)


def test_vermerk_enthaelt_ergebnis_ohne_argumente() -> None:
    recorded = load(PATTERN.history_file("lokal"))
    markers = [event for event in recorded.events if event.HasField("marker_recorded_event_attributes")]
    assert len(markers) == 9
    details = markers[0].marker_recorded_event_attributes.details
    assert set(details) == {"data", "result"}
    assert details["result"].payloads[0].data == b"3490"
    assert [b"Buddelschiff" in event.SerializeToString() for event in recorded.events].count(True) == 1


# Wie lange es dauert


def test_eine_meldung_statt_neunzehn() -> None:
    reports = ("WORKFLOW_TASK_COMPLETED", "ACTIVITY_TASK_COMPLETED")
    local, remote = (Counter(kinds(load(PATTERN.history_file(name)))) for name in ("lokal", "gewoehnlich"))
    assert [local[kind] for kind in reports] == [1, 0]
    assert [remote[kind] for kind in reports] == [10, 9]


@pytest.mark.bank
async def test_messung_lokal_gegen_gewoehnlich(timelapse: Timelapse, tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    both: tuple[Any, ...] = (WriteInvoice, WriteInvoiceRemotely)
    seconds: dict[Any, list[float]] = {kind: [] for kind in both}
    async with desk(timelapse, tmp_path, FaultPlan()) as (client, queue):
        # Abwechselnd, damit Last auf dem Rechner beide gleich trifft.
        for number, kind in itertools.product(range(20), both):
            began = loop.time()
            name = f"{queue}-{kind.__name__}-{number}"
            await result(await client.start_workflow(kind.run, order("R-7"), id=name, task_queue=queue))
            seconds[kind].append(loop.time() - began)
    for kind, found in seconds.items():
        print(f"\n{kind.__name__}: Median {median(found) * 1000:.0f} ms")
    faster = sum(local < remote for local, remote in zip(*seconds.values(), strict=True))
    print(f"lokal schneller: in {faster} von 20 Paaren")
    # Wären beide gleich schnell, kämen 15 oder mehr nur in zwei Prozent aller Messungen zustande.
    assert faster >= 15
