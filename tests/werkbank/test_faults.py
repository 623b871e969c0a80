"""Jede Störung tut, was sie sagt: bewiesen am echten Server, gezählt in einer SQLite-Datei."""

import asyncio
import itertools
import multiprocessing.connection
import os
import signal
import subprocess
import sys
import textwrap
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from temporalio.api.enums.v1 import EventType, TimeoutType
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import ActivityError, ApplicationError, WorkflowAlreadyStartedError
from temporalio.worker import Replayer, Worker

from dauerlauf.errors import DauerlaufError
from dauerlauf.faults import (
    FOREVER,
    PATIENCE,
    ActivityAction,
    ActivityFault,
    Fault,
    FaultInjector,
    FaultPlan,
    Journal,
    Moment,
    WorkflowAction,
    WorkflowFault,
    event_reached,
)
from dauerlauf.server import EmbeddedServer
from dauerlauf.timelapse import Timelapse, WorkerSettings, result
from dauerlauf.worker_process import TASK_TIMEOUT, WorkerProcess, deaths, die_at_every_event, rescue
from werkbank.stoer_activities import book, effects
from werkbank.stoer_worker import create_worker
from werkbank.stoer_workflow import Alone, Bookings, Mixed, Parallel, Shielded

FACTORY = "werkbank.stoer_worker:create_worker"
ACTIVITIES = ("book", "book_in_thread", "book_with_pulse")


@dataclass
class Bench:
    """Ein Worker unter einem Störplan und die Datei, in der die Wirkungen stehen."""

    env: Timelapse
    task_queue: str
    ledger: Path
    plan: FaultPlan
    journal: Journal

    async def start(self, workflow: Any, id: str | None = None) -> WorkflowHandle[Any, Any]:
        return await self.plan.start(
            self.env.client, workflow, str(self.ledger), id=id or str(uuid.uuid4()), task_queue=self.task_queue
        )

    async def outcome(self, workflow: Any) -> tuple[WorkflowHandle[Any, Any], WorkflowExecutionStatus]:
        """Startet den Workflow, wartet auf sein Ende und nennt seinen Status."""
        handle = await self.start(workflow)
        with suppress(WorkflowFailureError):
            await result(handle)
        status = (await handle.describe()).status
        assert status is not None
        return handle, status


@asynccontextmanager
async def bench(env: Timelapse, folder: Path, plan: FaultPlan, **options: Any) -> AsyncIterator[Bench]:
    injector = FaultInjector(plan, **options)
    task_queue = env.task_queue()
    async with create_worker(env.client_for("worker-1", plugins=[injector]), task_queue):
        yield Bench(env, task_queue, folder / f"{uuid.uuid4()}.db", plan, injector.journal)


def one(action: ActivityAction, name: str = "book", **options: Any) -> FaultPlan:
    return FaultPlan(activities=(ActivityFault(name, action, **options),))


async def types(handle: WorkflowHandle[Any, Any]) -> "list[EventType.ValueType]":
    return [event.event_type async for event in handle.fetch_history_events()]


# Activities


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        (ActivityAction.FAIL_BEFORE, [1, 2, 1]),
        (ActivityAction.FAIL_AFTER, [1, 1, 2, 1]),
        (ActivityAction.LOSE_COMPLETION, [1, 1, 2, 1]),
        (ActivityAction.DUPLICATE, [1, 1, 1, 1]),
        (ActivityAction.DUPLICATE_CONCURRENTLY, [1, 1, 1, 1]),
        (ActivityAction.DELAY, [1, 1, 1]),
    ],
)
async def test_stoerung_am_zweiten_von_drei_aufrufen(
    timelapse: Timelapse, tmp_path: Path, action: ActivityAction, expected: list[int]
) -> None:
    plan = one(action, occurrence=2)
    async with bench(timelapse, tmp_path, plan) as b:
        handle, status = await b.outcome(Bookings.run)
        assert status == WorkflowExecutionStatus.COMPLETED
        assert effects(b.ledger) == expected
        assert effects(b.ledger, f"{handle.id}/2") == expected[1:-1]
        assert b.journal.texts() == [plan.activities[0].describe()]


async def test_verlorene_meldung_ist_ein_echtes_timeout(timelapse: Timelapse, tmp_path: Path) -> None:
    began = time.monotonic()
    async with bench(timelapse, tmp_path, one(ActivityAction.LOSE_COMPLETION)) as b:
        handle, _ = await b.outcome(Bookings.run)
    assert time.monotonic() - began < 20, "das Timeout der Activity ist 60 s"
    started_events = [
        event.activity_task_started_event_attributes
        async for event in handle.fetch_history_events()
        if event.HasField("activity_task_started_event_attributes")
    ]
    attributes = started_events[0]
    assert attributes.attempt == 2
    assert attributes.last_failure.timeout_failure_info.timeout_type == TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE


async def test_ohne_verkuerzung_wartet_die_verlorene_meldung_ihr_timeout_ab(
    timelapse: Timelapse, tmp_path: Path
) -> None:
    async with bench(timelapse, tmp_path, one(ActivityAction.LOSE_COMPLETION), patience=FOREVER) as b:
        long = await b.start(Alone.run)
        with pytest.raises(DauerlaufError, match="laufende Activity „book“"):
            await result(long, PATIENCE.total_seconds() + 0.5)
        await long.terminate()


@pytest.mark.parametrize("patience", [timedelta(0), timedelta(seconds=0.4)])
async def test_nach_der_verlorenen_meldung_gilt_wieder_das_volle_timeout(
    timelapse: Timelapse, tmp_path: Path, patience: timedelta
) -> None:
    """Ein zweiter Versuch, der länger läuft als das verkürzte Timeout, wird nicht abgewürgt."""
    plan = FaultPlan(
        (
            ActivityFault("book", ActivityAction.LOSE_COMPLETION),
            ActivityFault("book", ActivityAction.DELAY, attempts=(2,), seconds=0.7),
        )
    )
    async with bench(timelapse, tmp_path, plan, patience=patience) as b:
        await b.outcome(Bookings.run)
        assert effects(b.ledger) == [1, 2, 1, 1]


async def test_der_server_kann_sofort_aufgeben(timelapse: Timelapse, tmp_path: Path) -> None:
    began = time.monotonic()
    plan = one(ActivityAction.LOSE_COMPLETION, occurrence=None)
    async with bench(timelapse, tmp_path, plan, patience=timedelta(0)) as b:
        handle, _ = await b.outcome(Bookings.run)
    assert effects(b.ledger) == [1, 2] * 3
    assert time.monotonic() - began < 3 * PATIENCE.total_seconds()
    queues = {
        event.activity_task_scheduled_event_attributes.task_queue.name
        async for event in handle.fetch_history_events()
        if event.HasField("activity_task_scheduled_event_attributes")
    }
    assert queues == {b.task_queue}, "vom Parkplatz weiß die History nichts"


@pytest.mark.parametrize("name", ACTIVITIES)
@pytest.mark.parametrize(
    ("action", "expected"),
    [
        (ActivityAction.DUPLICATE, [1, 1]),
        (ActivityAction.DUPLICATE_CONCURRENTLY, [1, 1]),
        (ActivityAction.LOSE_COMPLETION, [1, 2]),
        (ActivityAction.DELAY, [1]),
    ],
)
async def test_jede_art_von_activity(
    timelapse: Timelapse, tmp_path: Path, name: str, action: ActivityAction, expected: list[int]
) -> None:
    """Auch synchrone und solche mit Heartbeat; die Verspätung ist länger als deren Heartbeat-Timeout von 1 s."""
    async with bench(timelapse, tmp_path, one(action, name, seconds=1.4)) as b:
        handle, status = await b.outcome(Mixed.run)
        assert status == WorkflowExecutionStatus.COMPLETED
        assert effects(b.ledger, f"{handle.id}/{name}") == expected


async def test_endgueltige_ablehnung_beendet_ohne_wirkung(timelapse: Timelapse, tmp_path: Path) -> None:
    plan = one(ActivityAction.REJECT, occurrence=3, error_type="KarteAbgelehnt")
    async with bench(timelapse, tmp_path, plan) as b:
        handle = await b.start(Bookings.run)
        with pytest.raises(WorkflowFailureError) as failure:
            await result(handle)
        assert effects(b.ledger) == [1, 1]
    assert isinstance(failure.value.cause, ActivityError)
    assert isinstance(failure.value.cause.cause, ApplicationError)
    assert failure.value.cause.cause.type == "KarteAbgelehnt"


async def test_jeder_versuch_und_jeder_aufruf(timelapse: Timelapse, tmp_path: Path) -> None:
    async with bench(timelapse, tmp_path, one(ActivityAction.FAIL_AFTER, attempts=(1, 2), occurrence=None)) as b:
        await b.outcome(Bookings.run)
        assert effects(b.ledger) == [1, 2, 3] * 3
    async with bench(timelapse, tmp_path, one(ActivityAction.FAIL_AFTER, attempts=None)) as b:
        _, status = await b.outcome(Bookings.run)
        assert status == WorkflowExecutionStatus.FAILED
        assert effects(b.ledger) == [1, 2, 3]


async def test_aufrufe_zaehlen_in_der_reihenfolge_der_history(timelapse: Timelapse, tmp_path: Path) -> None:
    """Auch wenn zwanzig Aufrufe gleichzeitig laufen, trifft die Störung genau den siebten."""
    async with bench(timelapse, tmp_path, one(ActivityAction.FAIL_AFTER, occurrence=7)) as b:
        handle, _ = await b.outcome(Parallel.run)
        twice = [n for n in range(20) if len(effects(b.ledger, f"{handle.id}/{n}")) == 2]
        assert twice == [6]


async def test_ein_plan_je_workflow_auf_einem_worker(timelapse: Timelapse, tmp_path: Path) -> None:
    ids = [str(uuid.uuid4()) for _ in range(6)]
    plans = {
        workflow_id: one(ActivityAction.FAIL_AFTER, occurrence=number)
        for workflow_id, number in zip(ids[:3], (1, 2, 3), strict=True)
    }
    injector = FaultInjector(plans)
    queue, ledger = timelapse.task_queue(), tmp_path / "viele.db"
    async with create_worker(timelapse.client_for("worker-1", plugins=[injector]), queue):
        handles = [
            await timelapse.client.start_workflow(Bookings.run, str(ledger), id=i, task_queue=queue) for i in ids
        ]
        await asyncio.gather(*map(result, handles))
    for position, workflow_id in enumerate(ids):
        expected = [2 if position + 1 == number else 1 for number in (1, 2, 3)]
        assert [len(effects(ledger, f"{workflow_id}/{number}")) for number in (1, 2, 3)] == expected
        assert len(injector.journal.texts(workflow_id)) == (position < 3)


# Abbrechen und beenden


@pytest.mark.parametrize("action", [ActivityAction.CANCEL_BEFORE, ActivityAction.CANCEL_AFTER])
async def test_abbruch_kommt_an_waehrend_die_activity_laeuft(
    timelapse: Timelapse, tmp_path: Path, action: ActivityAction
) -> None:
    """Der Workflow hat den Abbruch gesehen, bevor die Wirkung eintritt oder gemeldet ist."""
    async with bench(timelapse, tmp_path, one(action, occurrence=2)) as b:
        handle, status = await b.outcome(Bookings.run)
        assert status == WorkflowExecutionStatus.CANCELED
        happened = await types(handle)
        assert EventType.EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED in happened
        assert happened.count(EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED) == 1
    assert effects(b.ledger) == [1, 1], "die Funktion lief trotzdem, ihr Ergebnis kam zu spät"


async def test_abgeschirmter_workflow_sieht_den_abbruch_und_bucht_zu_ende(timelapse: Timelapse, tmp_path: Path) -> None:
    async with bench(timelapse, tmp_path, one(ActivityAction.CANCEL_AFTER)) as b:
        handle, status = await b.outcome(Shielded.run)
        assert status == WorkflowExecutionStatus.CANCELED
        happened = await types(handle)
        assert EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED in happened
        assert effects(b.ledger) == [1]


@pytest.mark.parametrize("action", [ActivityAction.TERMINATE_BEFORE, ActivityAction.TERMINATE_AFTER])
async def test_gewaltsames_ende(timelapse: Timelapse, tmp_path: Path, action: ActivityAction) -> None:
    async with bench(timelapse, tmp_path, one(action, occurrence=2)) as b:
        handle, status = await b.outcome(Bookings.run)
        assert status == WorkflowExecutionStatus.TERMINATED
        assert EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED in await types(handle)


async def test_abbruch_in_jedem_workflow_task(timelapse: Timelapse, tmp_path: Path) -> None:
    """Sieben Workflow-Tasks hat der ungestörte Lauf; ein Abbruch trifft jeden, auch den letzten."""
    for task, moment in itertools.product(range(1, 8), (Moment.BEGIN, Moment.END)):
        plan = FaultPlan(workflow=(WorkflowFault(WorkflowAction.CANCEL, task=task, moment=moment),))
        async with bench(timelapse, tmp_path, plan) as b:
            handle, status = await b.outcome(Bookings.run)
            assert status == WorkflowExecutionStatus.CANCELED
            happened = await types(handle)
            before = happened[: happened.index(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED)]
            assert before.count(EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED) == task
            assert len(b.journal.texts()) == 1


@pytest.mark.parametrize("moment", list(Moment))
@pytest.mark.parametrize(
    ("action", "status"),
    [
        (WorkflowAction.CANCEL, WorkflowExecutionStatus.CANCELED),
        (WorkflowAction.TERMINATE, WorkflowExecutionStatus.TERMINATED),
    ],
)
async def test_ab_einem_event(
    timelapse: Timelapse, tmp_path: Path, moment: Moment, action: WorkflowAction, status: WorkflowExecutionStatus
) -> None:
    plan = FaultPlan(workflow=(WorkflowFault(action, event=9, moment=moment),))
    async with bench(timelapse, tmp_path, plan) as b:
        handle, ended = await b.outcome(Bookings.run)
        assert ended == status
        assert len(await types(handle)) > 9
        assert b.journal.texts() == [plan.workflow[0].describe()]


async def test_gestoerte_laeufe_lassen_sich_ungestoert_abspielen(timelapse: Timelapse, tmp_path: Path) -> None:
    """Der Injektor fügt der History keinen Befehl hinzu, und beim Replay geschieht nichts."""
    plan = FaultPlan(
        (
            ActivityFault("book", ActivityAction.LOSE_COMPLETION),
            ActivityFault("book", ActivityAction.FAIL_AFTER, occurrence=2),
        ),
        (WorkflowFault(WorkflowAction.CANCEL, task=4, moment=Moment.END),),
    )
    async with bench(timelapse, tmp_path, plan) as b:
        handle, _ = await b.outcome(Bookings.run)
        history = await handle.fetch_history()
        assert len(b.journal.texts()) == 3
    injector = FaultInjector(plan)
    for plugins in ([], [injector]):
        await Replayer(workflows=[Bookings], plugins=plugins).replay_workflow(history)
    assert injector.journal.entries() == []


async def test_ein_worker_ohne_cache_stoert_nur_einmal(timelapse: Timelapse, tmp_path: Path) -> None:
    """Ohne Cache spielt der Worker bei jedem Task die ganze History ab; die Störung geschieht trotzdem einmal."""
    plan = FaultPlan(workflow=(WorkflowFault(WorkflowAction.CANCEL, task=3),))
    injector = FaultInjector(plan)
    queue, ledger = timelapse.task_queue(), tmp_path / "ohne.db"
    client = timelapse.client_for("worker-1", plugins=[injector], max_cached_workflows=0)
    async with create_worker(client, queue):
        handle = await timelapse.client.start_workflow(Shielded.run, str(ledger), id=queue, task_queue=queue)
        with pytest.raises(WorkflowFailureError):
            await result(handle)
    happened = await types(handle)
    before = happened[: happened.index(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED)]
    assert before.count(EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED) == 3
    assert len(injector.journal.entries()) == 1


async def test_ein_vergangener_task_wird_nicht_nachtraeglich_gestoert(timelapse: Timelapse, tmp_path: Path) -> None:
    """Übernimmt ein Worker mit Störplan einen begonnenen Workflow, bleibt das Replay der alten Tasks ungestört."""
    queue, ledger = timelapse.task_queue(), tmp_path / "alt.db"
    async with create_worker(timelapse.client_for("worker-1"), queue):
        with timelapse.unskipped():
            handle = await timelapse.client.start_workflow(Bookings.run, str(ledger), id=queue, task_queue=queue)
        assert await event_reached(handle, 11)
    injector = FaultInjector(FaultPlan(workflow=(WorkflowFault(WorkflowAction.CANCEL, task=1),)))
    async with create_worker(timelapse.client_for("worker-2", plugins=[injector]), queue):
        await timelapse.fast_forward(handle)
        assert await result(handle) == 3
    assert injector.journal.entries() == []


# Starts


async def test_doppelter_start_wird_einmal_angenommen(timelapse: Timelapse, tmp_path: Path) -> None:
    async with bench(timelapse, tmp_path, FaultPlan(starts=4)) as b:
        handle, status = await b.outcome(Bookings.run)
        assert status == WorkflowExecutionStatus.COMPLETED
        assert effects(b.ledger) == [1, 1, 1]
        assert (await types(handle)).count(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED) == 1


async def test_ein_anderer_fehler_beim_start_bleibt_sichtbar(timelapse: Timelapse) -> None:
    with pytest.raises(TypeError):
        await FaultPlan(starts=2).start(timelapse.client, Bookings.run, object(), id="x", task_queue="x")


@pytest.mark.parametrize("starts", [1, 2])
async def test_eine_laufende_id_bleibt_ein_fehler(timelapse: Timelapse, starts: int) -> None:
    running = await timelapse.client.start_workflow(Bookings.run, "x", id=f"laeuft-{starts}", task_queue="niemand")
    with pytest.raises(WorkflowAlreadyStartedError):
        await FaultPlan(starts=starts).start(timelapse.client, Bookings.run, "x", id=running.id, task_queue="niemand")
    await running.terminate()


async def test_zwei_angenommene_starts_fallen_auf(timelapse: Timelapse) -> None:
    policy = WorkflowIDConflictPolicy.USE_EXISTING
    with pytest.raises(AssertionError, match="Von 2 Starts wurden 2 angenommen"):
        await FaultPlan(starts=2).start(
            timelapse.client, Bookings.run, "x", id="zweimal", task_queue="niemand", id_conflict_policy=policy
        )
    await timelapse.client.get_workflow_handle("zweimal").terminate()


# Der Plan als Daten

activity_faults = st.builds(
    ActivityFault,
    activity=st.text(min_size=1),
    action=st.sampled_from(ActivityAction),
    occurrence=st.none() | st.integers(1, 9),
    attempts=st.none() | st.lists(st.integers(1, 9), min_size=1, max_size=3).map(tuple),
    seconds=st.floats(0, 10),
    error_type=st.text(),
)
numbers = st.integers(1, 99)
workflow_faults = st.builds(
    WorkflowFault, st.sampled_from(WorkflowAction), task=numbers, moment=st.sampled_from((Moment.BEGIN, Moment.END))
) | st.builds(WorkflowFault, st.sampled_from(WorkflowAction), event=numbers, moment=st.sampled_from(Moment))
plans = st.builds(
    FaultPlan,
    activities=st.lists(activity_faults, max_size=4).map(tuple),
    workflow=st.lists(workflow_faults, max_size=3).map(tuple),
    server=st.lists(numbers, max_size=2).map(tuple),
    starts=st.integers(1, 3),
    seed=st.none() | st.integers(),
)


@given(plans)
def test_json_hin_und_zurueck(plan: FaultPlan) -> None:
    assert FaultPlan.from_json(plan.to_json()) == plan


@given(plans)
def test_beschreibung_nennt_jede_stoerung(plan: FaultPlan) -> None:
    text = plan.describe()
    assert all(line in text for line in texts(plan))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"activities": [{"action": "fliegen"}], "workflow": []}', "17"])
def test_unbrauchbares_json(text: str) -> None:
    with pytest.raises(DauerlaufError, match="kein Störplan"):
        FaultPlan.from_json(text)


@given(st.integers())
def test_derselbe_seed_gibt_denselben_plan(seed: int) -> None:
    options: dict[str, Any] = {"rejectable": ["book"], "deaths": True}
    assert FaultPlan.random(seed, ACTIVITIES, **options) == FaultPlan.random(seed, ACTIVITIES, **options)


def test_der_zufall_ist_in_jedem_prozess_derselbe() -> None:
    """Sonst nützte ein gemeldeter Seed nichts."""
    code = "from dauerlauf.faults import FaultPlan; print(FaultPlan.random(17, ['a', 'b'], deaths=True).to_json())"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert FaultPlan.from_json(printed.stdout) == FaultPlan.random(17, ["a", "b"], deaths=True)


def test_zufaellige_plaene_sind_endlich_und_bunt() -> None:
    many = [FaultPlan.random(seed, ACTIVITIES, rejectable=["book"]) for seed in range(300)]
    assert all(fault.attempts for plan in many for fault in plan.activities)
    assert not any(plan.deadly for plan in many)
    used = {fault.action for plan in many for fault in plan.activities}
    forbidden = {
        ActivityAction.KILL_BEFORE,
        ActivityAction.KILL_AFTER,
        ActivityAction.TERMINATE_BEFORE,
        ActivityAction.TERMINATE_AFTER,
    }
    assert used == set(ActivityAction) - forbidden
    for plan in many:
        disturbed = [(f.activity, n) for f in plan.activities for n in f.attempts or () if "cancel" not in f.action]
        assert len(disturbed) == len(set(disturbed))
        assert all(n <= 2 for _, n in disturbed)
        rejected = {f.activity for f in plan.activities if f.action == ActivityAction.REJECT}
        assert rejected <= {"book"}
    assert any(plan.workflow for plan in many)
    assert any(plan.starts > 1 for plan in many)
    assert any(FaultPlan.random(seed, ACTIVITIES, deaths=True).deadly for seed in range(20))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: ActivityFault("x", ActivityAction.DELAY, occurrence=0),
        lambda: ActivityFault("x", ActivityAction.DELAY, attempts=()),
        lambda: ActivityFault("x", ActivityAction.DELAY, attempts=(0,)),
        lambda: ActivityFault("x", ActivityAction.DELAY, seconds=-1),
        lambda: WorkflowFault(WorkflowAction.CANCEL),
        lambda: WorkflowFault(WorkflowAction.CANCEL, task=1, event=1),
        lambda: WorkflowFault(WorkflowAction.CANCEL, task=1, moment=Moment.SEEN),
        lambda: WorkflowFault(WorkflowAction.CANCEL, event=0),
        lambda: FaultPlan.random(1, []),
        lambda: FaultInjector(one(ActivityAction.KILL_AFTER)),
        lambda: FaultInjector({"id": FaultPlan(workflow=(WorkflowFault(WorkflowAction.KILL, task=1),))}),
    ],
)
def test_unmoegliche_plaene(wrong: Callable[[], object]) -> None:
    with pytest.raises(DauerlaufError):
        wrong()


def test_beschreibung_auf_deutsch() -> None:
    plan = FaultPlan(
        (
            ActivityFault("zahlung_buchen", ActivityAction.LOSE_COMPLETION, attempts=(1, 2)),
            ActivityFault("lager", ActivityAction.DELAY, occurrence=None, attempts=None, seconds=0.25),
        ),
        (WorkflowFault(WorkflowAction.KILL, event=9), WorkflowFault(WorkflowAction.CANCEL, task=2, moment=Moment.END)),
        server=(5,),
        starts=2,
        seed=17,
    )
    assert plan.describe() == textwrap.dedent("""\
        Störplan 17:
          – Activity „zahlung_buchen“, 1. Aufruf, Versuche 1, 2: wirkt, aber die Meldung geht verloren.
          – Activity „lager“, jeder Aufruf, jeder Versuch: beginnt verspätet (0,25 s).
          – Zu Beginn des Workflow-Tasks ab Event 9 stirbt der Worker.
          – Vor der Meldung des Workflow-Tasks Nr. 2 wird der Workflow abgebrochen.
          – Sobald Event 5 in der History steht, stirbt der Server und startet neu.
          – Der Workflow wird 2-mal gleichzeitig gestartet.""")
    assert FaultPlan().describe() == "Störplan:\n  – Nichts geht schief."


async def test_fuenfzig_zufaellige_plaene_auf_einem_worker(timelapse: Timelapse, tmp_path: Path) -> None:
    """Unter jedem zufälligen Plan kommt ein Workflow mit drei Versuchen je Activity an sein Ende."""
    many = {str(uuid.uuid4()): FaultPlan.random(seed, ["book"]) for seed in range(50)}
    injector = FaultInjector(many)
    queue, ledger = timelapse.task_queue(), tmp_path / "zufall.db"
    async with create_worker(timelapse.client_for("worker-1", plugins=[injector]), queue):
        handles = [
            await plan.start(timelapse.client, Bookings.run, str(ledger), id=workflow_id, task_queue=queue)
            for workflow_id, plan in many.items()
        ]
        outcomes = await asyncio.gather(*(result(handle, 30) for handle in handles), return_exceptions=True)
    statuses = {(await handle.describe()).status for handle in handles}
    assert statuses == {WorkflowExecutionStatus.COMPLETED, WorkflowExecutionStatus.CANCELED}
    assert all(outcome == 3 or isinstance(outcome, WorkflowFailureError) for outcome in outcomes)
    assert len({entry.workflow_id for entry in injector.journal.entries()}) > 40


# Prozesse


def gone(pid: int) -> bool:
    """Ob es den Prozess nicht mehr gibt (auch nicht als Zombie)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def texts(plan: FaultPlan) -> list[str]:
    faults: list[Fault] = [*plan.activities, *plan.workflow]
    return [fault.describe() for fault in faults]


async def eventually(condition: Callable[[], bool], timeout: float = 5.0) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "die Bedingung tritt nicht ein"
        await asyncio.sleep(0.01)


async def finish(env: Timelapse, folder: Path, plan: FaultPlan) -> tuple[int, Path, WorkflowHandle[Any, Any]]:
    """Ein Worker stirbt nach Plan, ein zweiter übernimmt; Exit-Code, Wirkungen und Workflow."""
    queue, ledger, journal = env.task_queue(), folder / "l.db", folder / "journal.jsonl"
    arguments = {"task_queue": queue}
    async with await WorkerProcess.start(FACTORY, env.client, arguments=arguments, plan=plan, journal=journal) as first:
        handle = await env.client.start_workflow(
            Bookings.run, str(ledger), id=queue, task_queue=queue, task_timeout=TASK_TIMEOUT
        )
        code = await asyncio.wait_for(first.died(), 30)
        assert gone(first.pid)
        assert not first.alive
    assert Journal(journal).texts() == texts(plan)
    async with await WorkerProcess.start(
        FACTORY, env.client, arguments=arguments, plan=plan, journal=journal, identity="worker-2"
    ) as second:
        helper = asyncio.create_task(rescue(env.client, handle, first.identity))
        assert await result(handle, 15) == 3
        helper.cancel()
        assert second.alive
    assert gone(second.pid)
    return code, ledger, handle


@pytest.mark.prozess
@pytest.mark.parametrize("moment", list(Moment))
async def test_tod_im_workflow_task(timelapse: Timelapse, tmp_path: Path, moment: Moment) -> None:
    """Mit demselben Plan stirbt der zweite Worker nicht noch einmal: das Journal weiß, was schon geschah."""
    plan = FaultPlan(workflow=(WorkflowFault(WorkflowAction.KILL, event=15, moment=moment),))
    code, ledger, handle = await finish(timelapse, tmp_path, plan)
    assert code == -9
    assert effects(ledger, f"{handle.id}/1") == [1]
    workers = {
        e.workflow_task_started_event_attributes.identity
        async for e in handle.fetch_history_events()
        if e.HasField("workflow_task_started_event_attributes")
    }
    assert workers == {"worker-1", "worker-2"}


@pytest.mark.gruendlich
@pytest.mark.prozess
async def test_tod_bei_der_activity_und_lauf_bis_zum_ende(timelapse: Timelapse, tmp_path: Path) -> None:
    """Ein Tod vor der Wirkung lässt nichts zurück, einer danach eine Wirkung, von der niemand weiß."""
    outcomes = await die_at_every_event(
        timelapse,
        FACTORY,
        arguments=lambda trial: {"task_queue": trial.task_queue},
        start=lambda client, trial: client.start_workflow(
            Bookings.run, str(trial.folder / "l.db"), id=trial.workflow_id, task_queue=trial.task_queue
        ),
        folder=tmp_path,
    )
    reference, *others = outcomes
    assert reference.exit_code is None
    started = reference.history.events[0].workflow_execution_started_event_attributes
    assert started.workflow_task_timeout.ToTimedelta() == TASK_TIMEOUT
    assert len(others) == len(reference.history.events) > 38
    for outcome in others:
        assert outcome.death is not None
        assert outcome.exit_code == -9, outcome.describe()
        assert outcome.status == WorkflowExecutionStatus.COMPLETED, outcome.describe()
        assert outcome.result == 3
        assert Journal(outcome.trial.folder / "stoerungen.jsonl").texts() == texts(outcome.death.plan)
        for fault in outcome.death.plan.workflow:
            moments = {"WorkflowTaskStarted": Moment.BEGIN, "WorkflowTaskCompleted": Moment.END}
            assert fault.moment == moments.get(outcome.death.name, Moment.SEEN)
        ledger = outcome.trial.folder / "l.db"
        counts = [len(effects(ledger, f"{outcome.trial.workflow_id}/{n}")) for n in (1, 2, 3)]
        if outcome.death.name == "ActivityTaskStarted":
            assert counts == [1, 1, 1], outcome.describe()
            assert sorted(effects(ledger)) == [1, 1, 2], "der erste Versuch starb vor seiner Wirkung"
        elif outcome.death.name == "ActivityTaskCompleted":
            assert sorted(counts) == [1, 1, 2], outcome.describe()
        else:
            assert set(counts) <= {1, 2}
        await Replayer(workflows=[Bookings]).replay_workflow(outcome.history)


@pytest.mark.prozess
async def test_todeszeitpunkte_auswaehlen(timelapse: Timelapse, tmp_path: Path) -> None:
    outcomes = await die_at_every_event(
        timelapse,
        FACTORY,
        arguments=lambda trial: {"task_queue": trial.task_queue},
        start=lambda client, trial: client.start_workflow(
            Alone.run, str(trial.folder / "l.db"), id=trial.workflow_id, task_queue=trial.task_queue
        ),
        folder=tmp_path,
        events=[4],
    )
    assert [outcome.describe() for outcome in outcomes] == ["ohne Störung", "Tod bei Event 4 (WorkflowTaskCompleted)"]
    assert len(deaths(outcomes[0].history)) == len(outcomes[0].history.events)


@pytest.mark.prozess
async def test_ein_haengender_lauf_nennt_den_grund(timelapse: Timelapse, tmp_path: Path) -> None:
    with pytest.raises(DauerlaufError, match=r"Ohne Störung\n.*Workflow class Unknown is not registered"):
        await die_at_every_event(
            timelapse,
            FACTORY,
            arguments=lambda trial: {"task_queue": trial.task_queue},
            start=lambda client, trial: client.start_workflow(
                "Unknown", id=trial.workflow_id, task_queue=trial.task_queue
            ),
            folder=tmp_path,
            timeout=2,
        )


@pytest.mark.prozess
async def test_von_aussen_getoetet_oder_geordnet_beendet(timelapse: Timelapse) -> None:
    arguments = {"task_queue": timelapse.task_queue()}
    killed = await WorkerProcess.start(FACTORY, timelapse.client, arguments=arguments)
    killed.kill()
    killed.kill()
    assert gone(killed.pid)
    assert await killed.died() == -9
    stopped = await WorkerProcess.start(FACTORY, timelapse.client, arguments=arguments)
    await stopped.stop()
    await stopped.stop()
    assert await stopped.died() == 0
    assert gone(stopped.pid)


@pytest.mark.prozess
@pytest.mark.parametrize(
    ("factory", "reason"),
    [
        ("werkbank.gibt_es_nicht:create_worker", "ModuleNotFoundError"),
        ("werkbank.stoer_worker:gibt_es_nicht", "AttributeError"),
        (FACTORY, "TypeError.*task_queue"),
    ],
)
async def test_ein_worker_der_nicht_startet_nennt_den_grund(timelapse: Timelapse, factory: str, reason: str) -> None:
    with pytest.raises(DauerlaufError, match=reason):
        await WorkerProcess.start(factory, timelapse.client)


@pytest.mark.prozess
async def test_der_vermittler_hat_keine_threads(timelapse: Timelapse) -> None:
    """Er verzweigt sich; mit Threads (oder einer Laufzeit des SDK) wäre das gefährlich."""
    async with await WorkerProcess.start(
        FACTORY, timelapse.client, arguments={"task_queue": timelapse.task_queue()}
    ) as worker:
        if not Path("/proc").is_dir():
            pytest.skip("die Zahl der Threads eines fremden Prozesses steht nur auf Linux in /proc")
        parent = int(Path(f"/proc/{worker.pid}/stat").read_text().rpartition(")")[2].split()[1])
        assert parent != os.getpid()
        assert "Threads:\t1\n" in Path(f"/proc/{parent}/status").read_text()


ORPHAN = """
import asyncio, os, signal, sys
from temporalio.client import Client
from dauerlauf.worker_process import WorkerProcess

async def main():
    client = await Client.connect(sys.argv[1])
    worker = await WorkerProcess.start("werkbank.stoer_worker:create_worker", client, arguments={"task_queue": "waise"})
    parent = int(open(f"/proc/{worker.pid}/stat").read().rpartition(")")[2].split()[1])
    print(worker.pid, parent, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    asyncio.run(main())
"""


@pytest.mark.prozess
@pytest.mark.skipif(sys.platform != "linux", reason="liest /proc")
async def test_nichts_bleibt_zurueck_wenn_der_elternprozess_stirbt(timelapse: Timelapse, tmp_path: Path) -> None:
    script = tmp_path / "waise.py"
    script.write_text(ORPHAN)
    assert timelapse.server is not None
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(script),
        timelapse.server.address,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), 20)
    worker, middleman = map(int, line.split())
    assert await process.wait() == -9
    await eventually(lambda: gone(worker) and gone(middleman))


@pytest.mark.prozess
async def test_exit_code_bleibt_richtig_wenn_zugleich_ein_worker_startet(
    timelapse: Timelapse, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = multiprocessing.connection.wait

    def slow(*arguments: Any) -> Any:
        ready = real(*arguments)
        time.sleep(0.1)  # So lange liest noch niemand den Exit-Code, den beide gesehen haben
        return ready

    arguments = {"task_queue": timelapse.task_queue()}
    first = await WorkerProcess.start(FACTORY, timelapse.client, arguments=arguments)
    os.kill(first.pid, signal.SIGKILL)
    await eventually(lambda: gone(first.pid))
    monkeypatch.setattr(multiprocessing.connection, "wait", slow)
    code, second = await asyncio.gather(
        first.died(), WorkerProcess.start(FACTORY, timelapse.client, arguments=arguments)
    )
    second.kill()
    assert code == -signal.SIGKILL


UNGUARDED = """
import asyncio, sys
from temporalio.client import Client
from dauerlauf.errors import DauerlaufError
from dauerlauf.worker_process import WorkerProcess

async def main():
    client = await Client.connect(sys.argv[1])
    try:
        await WorkerProcess.start("werkbank.stoer_worker:create_worker", client, arguments={"task_queue": "x"})
    except DauerlaufError as error:
        print(error)

asyncio.run(main())
"""


@pytest.mark.prozess
async def test_skript_ohne_main_bekommt_einen_satz_und_keinen_traceback(timelapse: Timelapse, tmp_path: Path) -> None:
    script = tmp_path / "ohne_main.py"
    script.write_text(UNGUARDED)
    assert timelapse.server is not None
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(script),
        timelapse.server.address,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )
    out, err = await asyncio.wait_for(process.communicate(), 30)
    assert (process.returncode, err.decode()) == (0, "")
    assert out.decode() == (
        "Der neue Prozess lädt Ihr Skript und startet dabei selbst Worker; "
        'rufen Sie `asyncio.run(…)` nur unter `if __name__ == "__main__":` auf.\n'
    )


@pytest.mark.prozess
async def test_server_stirbt_und_vergisst_nichts(tmp_path: Path) -> None:
    """Ein Server auf einer Datenbankdatei stirbt zweimal; der Workflow kommt trotzdem an sein Ende."""
    async with await EmbeddedServer.start(database=tmp_path / "temporal.db") as server:
        client = await server.connect(plugins=[WorkerSettings()])
        plan = FaultPlan(server=(5, 11))
        ledger = tmp_path / "l.db"
        async with Worker(client, task_queue="server", workflows=[Shielded], activities=[book]):
            first = server.pid
            handle = await plan.start(
                client, Shielded.run, str(ledger), id="s", task_queue="server", task_timeout=timedelta(seconds=1)
            )
            await asyncio.wait_for(plan.disturb(handle, server), 30)
            assert gone(first)
            assert server.pid != first
            await result(handle, 30)
        assert effects(ledger)


async def test_event_reached(timelapse: Timelapse, tmp_path: Path) -> None:
    async with bench(timelapse, tmp_path, FaultPlan()) as b:
        handle = await b.start(Bookings.run)
        assert await event_reached(handle, 5)
        assert not await event_reached(handle, 500)
