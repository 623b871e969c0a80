"""Das Muster `absturz_und_weiter`: wirkliche Prozesse sterben, die Bücher sagen, was geschah."""

import asyncio
import inspect
import signal
import subprocess
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import temporalio.api.workflowservice.v1 as workflowservice
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle, WorkflowHistory
from temporalio.service import RPCError
from temporalio.worker import Worker

from dauerlauf.faults import ActivityAction, ActivityFault, FaultInjector, FaultPlan
from dauerlauf.history import load
from dauerlauf.scenario import play
from dauerlauf.timelapse import Timelapse, result
from dauerlauf.worker_process import Takeover, Trial, die_at_every_event
from hilfen import until
from kapitel01.absturz_und_weiter.activities import Order, Receipt
from kapitel01.absturz_und_weiter.scenarios import PATTERN, WORKER
from kapitel01.absturz_und_weiter.services import audit, payment_ledger, shipping_ledger
from kapitel01.absturz_und_weiter.worker import create_worker
from kapitel01.absturz_und_weiter.workflow import ProcessOrder
from von_hand import end, line, output, program

PACKAGE = "kapitel01.absturz_und_weiter"


def books(folder: Path, order_id: str) -> list[tuple[int, int]]:
    """Buchungen und Aufrufe: erst beim Zahlungsdienst, dann beim Paketdienst."""
    return [(b.entries(order_id), b.calls(order_id)) for b in (payment_ledger(folder), shipping_ledger(folder))]


def workers(history: WorkflowHistory) -> dict[str, str]:
    """Welcher Worker welche Activity ausgeführt hat."""
    types = {
        event.event_id: event.activity_task_scheduled_event_attributes.activity_type.name
        for event in history.events
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    }
    started = [
        event.activity_task_started_event_attributes
        for event in history.events
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED
    ]
    return {types[one.scheduled_event_id]: one.identity for one in started}


# Die Läufe


async def test_ohne_absturz_vergehen_dreissig_minuten(timelapse: Timelapse, tmp_path: Path) -> None:
    run = await play(PATTERN.find("ohne-absturz"), timelapse, folder=tmp_path)
    assert run.status == "COMPLETED"
    assert books(tmp_path, "B-2001") == [(1, 1), (1, 1)]
    first, last = run.history.events[0], run.history.events[-1]
    duration = last.event_time.ToDatetime() - first.event_time.ToDatetime()
    assert timedelta(minutes=30) <= duration < timedelta(minutes=30, seconds=10)


@pytest.mark.prozess
async def test_erster_schritt_laeuft_nicht_noch_einmal(timelapse: Timelapse, tmp_path: Path) -> None:
    run = await play(PATTERN.find("absturz-zwischen-den-schritten"), timelapse, folder=tmp_path)
    assert run.status == "COMPLETED"
    assert run.notes[0] == "worker-1: Prozess beendet mit Code -9 (SIGKILL)"
    assert workers(run.history) == {"charge_payment": "worker-1", "ship_parcel": "worker-2"}
    assert books(tmp_path, "B-2002") == [(1, 1), (1, 1)]


@pytest.mark.prozess
async def test_schluessel_haelt_die_wirkung_bei_einer_buchung(timelapse: Timelapse, tmp_path: Path) -> None:
    run = await play(PATTERN.find("absturz-nach-der-wirkung"), timelapse, folder=tmp_path)
    assert run.status == "COMPLETED"
    assert workers(run.history) == {"charge_payment": "worker-2", "ship_parcel": "worker-2"}
    assert books(tmp_path, "B-2003") == [(1, 2), (1, 1)]


@pytest.mark.prozess
async def test_ohne_schluessel_wird_doppelt_gebucht(timelapse: Timelapse, tmp_path: Path) -> None:
    run = await play(PATTERN.find("ohne-schluessel"), timelapse, folder=tmp_path)
    assert run.status == "COMPLETED"
    assert books(tmp_path, "B-2004") == [(2, 2), (1, 1)]


@pytest.mark.prozess
async def test_tod_an_jedem_event_bucht_jeden_schritt_einmal(timelapse: Timelapse, tmp_path: Path) -> None:
    def arguments(trial: Trial) -> Mapping[str, Any]:
        return {"folder": trial.folder, "task_queue": trial.task_queue}

    async def start(client: Client, trial: Trial) -> WorkflowHandle[Any, Any]:
        order = Order("B-2005", 4990)
        return await client.start_workflow(ProcessOrder.run, order, id=trial.workflow_id, task_queue=trial.task_queue)

    runs = await die_at_every_event(timelapse, WORKER, arguments=arguments, start=start, folder=tmp_path)
    assert len(runs) == 1 + len(runs[0].history.events)
    outcomes = {run.describe(): (run.result, booked(run), run.exit_code) for run in runs}
    killed, survived = (Receipt(1, 1), [1, 1], -signal.SIGKILL), (Receipt(1, 1), [1, 1], None)
    assert {name: outcome for name, outcome in outcomes.items() if outcome not in (killed, survived)} == {}


def booked(run: Takeover) -> list[int]:
    return [count for count, _ in books(run.trial.folder, "B-2005")]


async def test_abgelehnter_versand_laesst_die_zahlung_stehen(timelapse: Timelapse, tmp_path: Path) -> None:
    rejected = FaultPlan(activities=(ActivityFault("ship_parcel", ActivityAction.REJECT),))
    queue = timelapse.task_queue()
    client = timelapse.client_for("worker-1", plugins=[FaultInjector(rejected)])
    async with create_worker(client, tmp_path, task_queue=queue):
        order = Order("B-2006", 4990)
        handle = await timelapse.client.start_workflow(ProcessOrder.run, order, id=queue, task_queue=queue)
        with pytest.raises(WorkflowFailureError):
            await result(handle)
    assert books(tmp_path, "B-2006") == [(1, 1), (0, 0)]


async def test_stack_trace_braucht_einen_worker(timelapse: Timelapse, tmp_path: Path) -> None:
    queue = timelapse.task_queue()
    order = Order("B-2007", 4990)
    async with create_worker(timelapse.client, tmp_path, task_queue=queue):
        with timelapse.unskipped():
            handle = await timelapse.client.start_workflow(ProcessOrder.run, order, id=queue, task_queue=queue)
        await asyncio.wait_for(_waiting(handle), 30)
        assert "ProcessOrder" in await handle.query("__stack_trace", result_type=str)
    with pytest.raises(RPCError):
        await handle.query("__stack_trace", rpc_timeout=timedelta(seconds=1))
    assert len((await handle.fetch_history()).events) >= 11
    await handle.terminate()


async def _waiting(handle: WorkflowHandle[Any, Any]) -> None:
    async for event in handle.fetch_history_events(wait_new_event=True):
        if event.event_type == EventType.EVENT_TYPE_TIMER_STARTED:
            return


# Aufgezeichnete Läufe


@pytest.mark.parametrize("name", PATTERN.scenarios)
async def test_aufgezeichneter_lauf_passt_zum_code(name: str, replay: Callable[..., Awaitable[int]]) -> None:
    assert await replay(PATTERN.history_file(name), workflows=[ProcessOrder]) == 1


def test_standardwerte() -> None:
    worker = inspect.signature(Worker.__init__).parameters
    assert worker["sticky_queue_schedule_to_start_timeout"].default == timedelta(seconds=10)
    assert worker["max_cached_workflows"].default == 1000
    started = load(PATTERN.history_file("ohne-absturz")).events[0].workflow_execution_started_event_attributes
    assert started.workflow_task_timeout.ToTimedelta() == timedelta(seconds=10)


def test_absturz_kostet_drei_events() -> None:
    smooth = load(PATTERN.history_file("ohne-absturz"))
    crashed = load(PATTERN.history_file("absturz-zwischen-den-schritten"))
    assert len(crashed.events) - len(smooth.events) == 3


# Von Hand, so wie es im Kapitel steht


@pytest.mark.prozess
async def test_von_hand_mit_worker_und_starter(timelapse: Timelapse, tmp_path: Path) -> None:
    run = partial(program, folder=tmp_path, timelapse=timelapse)
    data = tmp_path / "nordlicht-daten"
    handle = timelapse.client.get_workflow_handle("bestellung-B-2008")
    start = (f"{PACKAGE}.starter", "B-2008", "--frist", "2")
    with run(f"{PACKAGE}.worker") as first:
        assert f"Prozess {first.pid}" in await line(first)
        with run(*start) as starter, run(*start) as second:
            assert await line(starter) == await line(second) == "Gestartet: bestellung-B-2008. Stornofrist: 2 s."
            await asyncio.wait_for(_waiting(handle), 30)
            first.kill()
            assert books(data, "B-2008") == [(1, 1), (0, 0)]
            await forget_worker(timelapse.client, handle.id)
            with run(f"{PACKAGE}.worker") as rescuer:
                assert await line(starter) == await line(second) == "Fertig: Zahlung 1, Paket 1."
                await end(rescuer)
    assert await output(f"{PACKAGE}.services", "B-2008", folder=tmp_path) == audit(data, "B-2008")
    assert books(data, "B-2008") == [(1, 1), (1, 1)]


async def forget_worker(client: Client, workflow_id: str) -> None:
    """Nimmt die zehn Sekunden vorweg, die der Server sonst auf den toten Worker wartet."""
    await client.workflow_service.reset_sticky_task_queue(
        workflowservice.ResetStickyTaskQueueRequest(
            namespace=client.namespace, execution=WorkflowExecution(workflow_id=workflow_id)
        )
    )


# Falscher Code


@pytest.mark.prozess
async def test_naive_funktion_bezahlt_ohne_zu_versenden(tmp_path: Path) -> None:
    await kill_naive_function(tmp_path)
    assert books(tmp_path, "B-0815") == [(1, 1), (0, 0)]


@pytest.mark.prozess
async def test_naive_funktion_bucht_beim_neustart_doppelt(tmp_path: Path) -> None:
    await kill_naive_function(tmp_path)
    with naive_function(tmp_path, hold=0) as again:
        assert await line(again) == "Fertig: Zahlung 2, Paket 1."
    assert books(tmp_path, "B-0815") == [(2, 2), (1, 1)]


def naive_function(folder: Path, *, hold: int) -> AbstractContextManager[subprocess.Popen[str]]:
    return program(f"{PACKAGE}.wrong", "B-0815", "--frist", str(hold), "--daten", str(folder), folder=folder)


async def kill_naive_function(folder: Path) -> None:
    """Tötet die Funktion während der Stornofrist."""
    with naive_function(folder, hold=60) as first:
        await until(lambda: payment_ledger(folder).entries("B-0815") == 1)
        first.kill()
        assert first.wait() == -signal.SIGKILL
