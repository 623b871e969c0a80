"""Die Aussagen des Kapiteltexts: jede Zeile einer Tabelle, jede Meldung, jeder Standardwert."""

import inspect
import logging
import multiprocessing
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import kernbausteine_replay
import kernbausteine_timeouts
import kernbausteine_worker
import pytest
from kernbausteine_protokoll import ALTERNATING, SEEN
from kernbausteine_replay import (
    FanOutWorkflow,
    HiddenWorkflow,
    ModuleStateWorkflow,
    StepsWorkflow,
    TimersWorkflow,
    step,
)
from kernbausteine_sandbox import (
    FORBIDDEN,
    REPLACEMENTS,
    SILENT,
    ForbiddenWorkflow,
    NoisyWorkflow,
    ReplacementWorkflow,
    WaitWorkflow,
    outside_world,
)
from kernbausteine_timeouts import (
    AttemptWorkflow,
    CancelWorkflow,
    ChainWorkflow,
    DeadlineWorkflow,
    HeartbeatWorkflow,
    PolicyWorkflow,
    QueueWorkflow,
    TidyWorkflow,
)
from kernbausteine_worker import (
    InnocentWorkflow,
    ManyCallsWorkflow,
    PackWorkflow,
    ProcessWorkflow,
    Services,
    in_own_process,
    pack,
)
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, RetryState, TimeoutType, is_cancelled_exception
from temporalio.exceptions import TimeoutError as TemporalTimeoutError
from temporalio.worker import FixedSizeSlotSupplier, Replayer, SharedStateManager, Worker, WorkerTuner
from temporalio.workflow import NondeterminismError

from dauerlauf.history import load
from dauerlauf.timelapse import Timelapse, WorkflowStuckError, result
from hilfen import kinds, task_failure, until
from kapitel01.absturz_und_weiter.scenarios import PATTERN as CRASH
from kapitel02.wartezeiten import waits

PAGE = (Path(__file__).parents[2] / "book/teil1/kapitel02/index.md").read_text(encoding="utf-8")
WorkerFactory = Callable[..., Any]
TIMEOUTS: dict[str, Any] = {
    "workflows": kernbausteine_timeouts.WORKFLOWS,
    "activities": kernbausteine_timeouts.ACTIVITIES,
}


def section(anchor: str) -> str:
    """Der Text der Seite von der Überschrift mit diesem Anker bis zur nächsten."""
    match = re.search(rf"^#+ [^\n]*{{ #{anchor} }}\n(.*?)(?=^#+ |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert match, f"Auf der Seite fehlt der Abschnitt #{anchor}."
    return match[1]


def rows(anchor: str) -> list[list[str]]:
    """Die Zeilen der ersten Tabelle eines Abschnitts, ohne Kopf."""
    lines = re.search(r"((?:^\|.*\n)+)", section(anchor), re.MULTILINE)
    assert lines, f"Im Abschnitt #{anchor} fehlt eine Tabelle."
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1].splitlines()[2:]]


def code(cell: str) -> list[str]:
    """Was in einer Zelle als Code ausgezeichnet ist."""
    return re.findall(r"`([^`]+)`", cell)


async def activity_failure(handle: WorkflowHandle[Any, Any]) -> ActivityError:
    """Der Fehler der Activity, an dem der Workflow gescheitert ist."""
    with pytest.raises(WorkflowFailureError) as caught:
        await result(handle)
    assert isinstance(caught.value.cause, ActivityError)
    return caught.value.cause


# Determinismus und Sandbox


def sandbox_message(name: str) -> str:
    return (
        f"Cannot access {name} from inside a workflow. If this is code from a module not used in a workflow or known "
        "to only be used deterministically from a workflow, mark the import as pass through."
    )


RESTRICTED = {
    "datetime.now()": "datetime.datetime.now.__call__",
    "date.today()": "datetime.date.today.__call__",
    "time.time()": "time.time.__call__",
    "time.sleep(1)": "time.sleep.__call__",
    "random.random()": "random.random.__call__",
    "uuid.uuid4()": "uuid.uuid4.__call__",
    'os.environ["HOME"]': "os.environ.HOME",
    'open("preise.csv")': "__builtins__.open",
    'Path("a").read_text()': "pathlib.Path.read_text.__call__",
    "urlopen(adresse)": "urllib.request.urlopen.__call__",
    'subprocess.run(["ls"])': "subprocess.run.__call__",
    "threading.Thread()": "threading.Thread.__call__",
}


async def test_die_sandbox_haelt_den_workflow_an(worker: WorkerFactory) -> None:
    async with worker(workflows=[ForbiddenWorkflow]) as running:
        handles = {what: await running.start(ForbiddenWorkflow.run, what) for what in FORBIDDEN}
        messages = {what: await task_failure(handle) for what, handle in handles.items()}
        statuses = {(await handle.describe()).status for handle in handles.values()}
    assert messages == {what: sandbox_message(name) for what, name in RESTRICTED.items()}
    assert statuses == {WorkflowExecutionStatus.RUNNING}


async def test_der_ersatz_liefert_beim_replay_dasselbe(worker: WorkerFactory) -> None:
    # Ohne Cache läuft der Code für jeden Workflow-Task von vorn.
    async with worker(workflows=[ReplacementWorkflow], activities=[outside_world], max_cached_workflows=0) as running:
        handles = {what: await running.start(ReplacementWorkflow.run, what) for what in REPLACEMENTS}
        for handle in handles.values():
            await running.result(handle)
    values = {what: SEEN[handle.id] for what, handle in handles.items()}
    assert [what for what, seen in values.items() if len(seen) < 2] == [], "Der Code lief nur einmal."
    assert [what for what, seen in values.items() if len(set(seen)) > 1] == []


def test_die_tabelle_nennt_was_die_tests_ausfuehren() -> None:
    table = rows("verboten-und-erlaubt")
    assert {code(row[0])[0]: code(row[1])[0] for row in table} == RESTRICTED
    assert list(RESTRICTED) == list(FORBIDDEN)
    instead = {row[2].strip("`") for row in [*table, *rows("schweigen")]}
    assert instead == set(REPLACEMENTS)


def test_die_meldung_auf_der_seite_ist_die_wirkliche() -> None:
    assert sandbox_message(RESTRICTED["datetime.now()"]) in " ".join(section("sandbox").split())


async def test_die_sandbox_schweigt(worker: WorkerFactory) -> None:
    async with worker(workflows=[ForbiddenWorkflow]) as running:
        for what in SILENT:
            handle = await running.start(ForbiddenWorkflow.run, what)
            await running.result(handle)
            assert "WORKFLOW_TASK_FAILED" not in kinds(await handle.fetch_history()), what


def test_die_reihenfolge_einer_menge_wechselt_mit_dem_prozess() -> None:
    program = "print(list({'Lager', 'Zahlung', 'Versand'}))"
    orders = {
        subprocess.run(
            [sys.executable, "-S", "-c", program],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        ).stdout
        for seed in range(1, 6)
    }
    assert len(orders) > 1


async def test_print_wiederholt_sich_der_logger_nicht(
    worker: WorkerFactory, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="temporalio.workflow"):
        async with worker(workflows=[NoisyWorkflow], max_cached_workflows=0) as running:
            await running.execute(NoisyWorkflow.run)
    assert capsys.readouterr().out.count("gedruckt") == 3
    assert [record.message.split(" (")[0] for record in caplog.records].count("gemeldet") == 1


async def test_asyncio_wait_gibt_nur_eine_warnung(worker: WorkerFactory) -> None:
    with pytest.warns(UserWarning, match=r"asyncio.wait\(\) is non-deterministic, use workflow.wait\(\) instead"):
        async with worker(workflows=[WaitWorkflow]) as running:
            await running.execute(WaitWorkflow.run)


async def test_ein_durchgereichtes_modul_bricht_das_replay(worker: WorkerFactory) -> None:
    ALTERNATING[:] = [["packen", "warten"], ["warten", "packen"]]
    async with worker(workflows=[HiddenWorkflow], activities=[step]) as running:
        handle = await running.start(HiddenWorkflow.run)
        await running.result(handle)
        history = await handle.fetch_history()
    shown = re.search(r"```text\n(.*?)```", section("replay-pruefen"), re.DOTALL)
    assert shown is not None
    with pytest.raises(NondeterminismError, match=re.escape(" ".join(shown[1].split()))):
        await Replayer(workflows=[HiddenWorkflow]).replay_workflow(history)


async def test_modulvariablen_gehoeren_einer_ausfuehrung(worker: WorkerFactory) -> None:
    async with worker(workflows=[ModuleStateWorkflow]) as running:
        assert [await running.execute(ModuleStateWorkflow.run) for _ in range(3)] == [1, 1, 1]
    assert kernbausteine_replay.COUNTER == []


# Event History


@pytest.mark.parametrize("steps", [1, 3])
async def test_sechs_events_je_activity(worker: WorkerFactory, steps: int) -> None:
    async with worker(workflows=[StepsWorkflow], activities=[step]) as running:
        handle = await running.start(StepsWorkflow.run, steps)
        await running.result(handle)
        assert len((await handle.fetch_history()).events) == 5 + 6 * steps


def test_die_tabelle_der_events_ist_die_aufzeichnung() -> None:
    history = load(CRASH.history_file("ohne-absturz"))
    recorded = [
        (event.event_id, "".join(word.capitalize() for word in EventType.Name(event.event_type).split("_")[2:]))
        for event in history.events
    ]
    shown = [(int(number), code(name)[0]) for number, name in rows("leben")]
    assert shown == [entry for entry in recorded if "TimeSkipping" not in entry[1]]


async def test_der_beginn_steht_erst_am_ende_in_der_historie(worker: WorkerFactory) -> None:
    async with worker(**TIMEOUTS) as running:
        handle = await running.start(CancelWorkflow.run, True)
        await until(lambda: bool(SEEN[handle.id]))
        during = kinds(await handle.fetch_history())
        await handle.cancel()
        with pytest.raises(WorkflowFailureError):
            await running.result(handle)
    assert "ACTIVITY_TASK_SCHEDULED" in during
    assert "ACTIVITY_TASK_STARTED" not in during
    assert "ACTIVITY_TASK_STARTED" in kinds(await handle.fetch_history())


@pytest.mark.parametrize(("timers", "suggested"), [(2040, False), (2050, True)])
async def test_continue_as_new_wird_ab_4096_events_empfohlen(
    worker: WorkerFactory, timers: int, suggested: bool
) -> None:
    async with worker(workflows=[TimersWorkflow]) as running:
        length, answer = await running.execute(TimersWorkflow.run, timers, timeout=30)
    assert (length >= 4096) is suggested
    assert answer is suggested


async def test_zweitausend_offene_activities(worker: WorkerFactory) -> None:
    async with worker(workflows=[FanOutWorkflow]) as running:
        handle = await running.start(FanOutWorkflow.run, 2001)
        assert await task_failure(handle) == (
            "PendingActivitiesLimitExceeded: the number of pending activities, 2000, has reached the per-workflow "
            "limit of 2000"
        )


# Timeouts


async def test_timeout_eines_versuchs_gibt_einen_neuen_versuch(worker: WorkerFactory) -> None:
    kernbausteine_timeouts.RELEASE.clear()
    async with worker(**TIMEOUTS) as running:
        try:
            handle = await running.start(AttemptWorkflow.run)
            assert await running.result(handle) == 2
            # Der erste Versuch ist aufgegeben, läuft aber noch: Einen Thread kann niemand unterbrechen.
            assert SEEN[handle.id] == [2]
        finally:
            kernbausteine_timeouts.RELEASE.set()
    history = await handle.fetch_history()
    started = next(e for e in history.events if e.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED)
    failure = started.activity_task_started_event_attributes.last_failure
    assert failure.timeout_failure_info.timeout_type == TimeoutType.START_TO_CLOSE


async def test_timeout_in_der_task_queue_ist_endgueltig(worker: WorkerFactory) -> None:
    async with worker(**TIMEOUTS) as running:
        error = await activity_failure(await running.start(QueueWorkflow.run))
    assert isinstance(error.cause, TemporalTimeoutError)
    assert error.cause.type == TimeoutType.SCHEDULE_TO_START
    assert error.retry_state == RetryState.TIMEOUT


async def test_frist_ueber_alles(worker: WorkerFactory) -> None:
    async with worker(**TIMEOUTS) as running:
        error = await activity_failure(await running.start(DeadlineWorkflow.run))
    assert isinstance(error.cause, TemporalTimeoutError)
    assert error.cause.type == TimeoutType.SCHEDULE_TO_CLOSE


async def test_ausbleibender_heartbeat_gibt_einen_neuen_versuch(worker: WorkerFactory) -> None:
    async with worker(**TIMEOUTS) as running:
        handle = await running.start(HeartbeatWorkflow.run)
        assert await running.result(handle) == 2
    history = await handle.fetch_history()
    started = next(e for e in history.events if e.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED)
    failure = started.activity_task_started_event_attributes.last_failure
    assert failure.timeout_failure_info.timeout_type == TimeoutType.HEARTBEAT


@pytest.mark.parametrize("with_heartbeat", [True, False])
async def test_nur_ein_heartbeat_bringt_den_abbruch(worker: WorkerFactory, with_heartbeat: bool) -> None:
    async with worker(**TIMEOUTS) as running:
        handle = await running.start(CancelWorkflow.run, with_heartbeat)
        await until(lambda: bool(SEEN[handle.id]))
        await handle.cancel()
        if with_heartbeat:
            with pytest.raises(WorkflowFailureError) as caught:
                await running.result(handle)
            assert is_cancelled_exception(caught.value.cause)
        else:
            assert await running.result(handle) == "zu Ende gelaufen"
        # Noch im Block: Beim Beenden bricht der Worker alles ab, was läuft.
        assert SEEN[handle.id] == ["begonnen", "abgebrochen"][: 2 if with_heartbeat else 1]


@pytest.mark.parametrize("option", ["execution_timeout", "run_timeout"])
async def test_ein_abgelaufener_workflow_raeumt_nicht_auf(worker: WorkerFactory, option: str) -> None:
    async with worker(**TIMEOUTS) as running:
        handle = await running.start(TidyWorkflow.run, **{option: timedelta(hours=1)})
        with pytest.raises(WorkflowFailureError) as caught:
            await running.result(handle)
        assert isinstance(caught.value.cause, TemporalTimeoutError)
        assert (await handle.describe()).status == WorkflowExecutionStatus.TIMED_OUT
        assert not [kind for kind in kinds(await handle.fetch_history()) if kind.startswith("ACTIVITY")]


async def test_run_timeout_zaehlt_je_lauf_execution_timeout_die_kette(
    worker: WorkerFactory, timelapse: Timelapse
) -> None:
    limit = 2.5 * kernbausteine_timeouts.SHORT
    # Im Zeitraffer zählt der Server die Kette nicht mit; deshalb laufen beide hier in Echtzeit, gleichzeitig.
    with timelapse.unskipped():
        async with worker(**TIMEOUTS) as running:
            per_run = await running.start(ChainWorkflow.run, 2, run_timeout=limit)
            whole = await running.start(ChainWorkflow.run, 2, execution_timeout=limit)
            with pytest.raises(WorkflowFailureError) as caught:
                await running.result(whole)
            assert isinstance(caught.value.cause, TemporalTimeoutError)
            assert await running.result(per_run) == "fertig"


def test_standardwerte_eines_workflows() -> None:
    event = load(CRASH.history_file("ohne-absturz")).events[0]
    started = event.workflow_execution_started_event_attributes
    assert started.workflow_task_timeout.ToTimedelta() == timedelta(seconds=10)
    assert started.workflow_execution_timeout.ToTimedelta() == timedelta()
    assert started.workflow_run_timeout.ToTimedelta() == timedelta()
    assert not started.HasField("retry_policy")


# Retries

POLICIES = [
    RetryPolicy(maximum_attempts=10),
    RetryPolicy(initial_interval=timedelta(minutes=10), maximum_attempts=5),
    RetryPolicy(backoff_coefficient=1.0, maximum_attempts=4),
    # Die geduldige Policy des Notebooks: Der fünfte Versuch beginnt nach 1 + 3 + 9 + 10 Minuten.
    RetryPolicy(
        initial_interval=timedelta(minutes=1),
        backoff_coefficient=3.0,
        maximum_interval=timedelta(minutes=10),
        maximum_attempts=5,
    ),
    RetryPolicy(
        initial_interval=timedelta(seconds=2),
        backoff_coefficient=3.0,
        maximum_interval=timedelta(minutes=1),
        maximum_attempts=6,
    ),
]


@pytest.mark.parametrize("policy", POLICIES)
async def test_die_gerechneten_pausen_sind_die_wirklichen(worker: WorkerFactory, policy: RetryPolicy) -> None:
    numbers = [
        policy.initial_interval.total_seconds(),
        policy.backoff_coefficient,
        policy.maximum_interval.total_seconds() if policy.maximum_interval else 0.0,
        policy.maximum_attempts,
    ]
    async with worker(**TIMEOUTS) as running:
        handle = await running.start(PolicyWorkflow.run, *numbers)
        await activity_failure(handle)
    times: list[Any] = SEEN[handle.id]
    seen = [timedelta(seconds=round((after - before).total_seconds())) for before, after in pairwise(times)]
    assert seen == waits(policy, 100)


def german(duration: timedelta) -> str:
    seconds = duration.total_seconds()
    return f"{seconds / 60:g} min" if seconds >= 60 and seconds % 60 == 0 else f"{seconds:g} s"


def test_die_tabelle_der_pausen_ist_gerechnet() -> None:
    table = rows("retry-policy")
    assert len(table) == 5
    for row in table:
        policy = eval(code(row[0])[0], {"RetryPolicy": RetryPolicy, "timedelta": timedelta})
        assert row[1] == ", ".join(german(wait) for wait in waits(policy, 9)), row


def test_ohne_angabe_gilt_die_standard_policy() -> None:
    policy = RetryPolicy()
    assert (policy.initial_interval, policy.backoff_coefficient) == (timedelta(seconds=1), 2.0)
    assert (policy.maximum_interval, policy.maximum_attempts) == (None, 0)
    history = load(CRASH.history_file("ohne-absturz"))
    scheduled = next(e for e in history.events if e.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED)
    actual = RetryPolicy.from_proto(scheduled.activity_task_scheduled_event_attributes.retry_policy)
    assert actual == RetryPolicy(maximum_interval=timedelta(seconds=100))


# Worker


def default(name: str) -> Any:
    return inspect.signature(Worker.__init__).parameters[name].default


def test_standardwerte_des_workers() -> None:
    fixed = WorkerTuner.create_fixed()
    slots = {
        "max_concurrent_workflow_tasks": fixed._get_workflow_task_slot_supplier(),
        "max_concurrent_activities": fixed._get_activity_task_slot_supplier(),
        "max_concurrent_local_activities": fixed._get_local_activity_task_slot_supplier(),
    }
    for row in rows("standardwerte"):
        name = code(row[0])[0]
        if name in slots:
            # Ohne eigene Angabe nimmt der Worker den festen Tuner; so sagt es seine Dokumentation.
            assert default(name) is None
            supplier = slots.pop(name)
            assert isinstance(supplier, FixedSizeSlotSupplier)
            assert row[1] == str(supplier.num_slots)
        elif name.endswith("_poller_behavior"):
            assert row[1] == str(default(name).maximum)
        elif isinstance(default(name), timedelta):
            assert row[1] == f"{default(name).total_seconds():g} s"
        else:
            assert row[1] == f"{default(name):,}".replace(",", ".")
    assert not slots, "Eine Art von Plätzen fehlt in der Tabelle."
    assert "fixed-size 100 slots for each slot kind" in (Worker.__init__.__doc__ or "")


@pytest.mark.parametrize(("name", "peak"), [("blocking", 1), ("awaiting", 4), ("threaded", 4)])
async def test_ein_blockierender_aufruf_haelt_alle_anderen_auf(worker: WorkerFactory, name: str, peak: int) -> None:
    services = Services()
    async with worker(workflows=[ManyCallsWorkflow], activities=[getattr(services, name)]) as running:
        before = time.perf_counter()
        await running.execute(ManyCallsWorkflow.run, name, 4)
        took = time.perf_counter() - before
    assert services.gauge.peak == peak
    assert took >= kernbausteine_worker.CALL * 4 / peak
    assert f"| {peak} | mindestens {'4 × ' if peak == 1 else ''}{kernbausteine_worker.CALL:g} s |".replace(
        ".", ","
    ) in section("arten")


async def test_ein_blockierender_aufruf_haelt_auch_workflows_auf(worker: WorkerFactory) -> None:
    waited: dict[str, float] = {}
    for name in ("awaiting", "blocking"):
        services = Services()
        async with worker(
            workflows=[ManyCallsWorkflow, InnocentWorkflow], activities=[getattr(services, name)]
        ) as running:
            busy = await running.start(ManyCallsWorkflow.run, name, 4)
            await until(lambda: services.gauge.peak > 0)  # noqa: B023
            before = time.perf_counter()
            await running.execute(InnocentWorkflow.run)
            waited[name] = time.perf_counter() - before
            await running.result(busy)
    assert waited["blocking"] >= 2 * kernbausteine_worker.CALL
    assert waited["awaiting"] < waited["blocking"]


async def test_eine_activity_in_einem_eigenen_prozess(timelapse: Timelapse) -> None:
    queue = timelapse.task_queue()
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(1, mp_context=context) as pool:
        async with Worker(
            timelapse.client,
            task_queue=queue,
            workflows=[ProcessWorkflow],
            activities=[in_own_process],
            activity_executor=pool,
            max_concurrent_activities=1,
            shared_state_manager=SharedStateManager.create_from_multiprocessing(manager),
        ):
            handle = await timelapse.client.start_workflow(ProcessWorkflow.run, id=queue, task_queue=queue)
            assert await result(handle) != os.getpid()


async def test_plaetze_begrenzen_was_gleichzeitig_laeuft(worker: WorkerFactory) -> None:
    services = Services()
    async with worker(
        workflows=[ManyCallsWorkflow], activities=[services.awaiting], max_concurrent_activities=2
    ) as running:
        await running.execute(ManyCallsWorkflow.run, "awaiting", 6)
    assert services.gauge.peak == 2


@pytest.mark.parametrize(("cache", "runs"), [(1000, 1), (0, 4)])
async def test_der_cache_erspart_das_replay(worker: WorkerFactory, cache: int, runs: int) -> None:
    async with worker(workflows=[StepsWorkflow], activities=[step], max_cached_workflows=cache) as running:
        handle = await running.start(StepsWorkflow.run, 3)
        await running.result(handle)
    assert len(SEEN[f"Beginn {handle.id}"]) == runs
    assert SEEN[handle.id] == ["0", "1", "2"]


async def test_ohne_angabe_bleibt_die_activity_auf_der_task_queue_des_workflows(worker: WorkerFactory) -> None:
    async with worker(workflows=[PackWorkflow]) as office, worker(activities=[pack]) as warehouse:
        assert await office.execute(PackWorkflow.run, warehouse.task_queue) == "Paket B-1001"
        handle = await office.start(PackWorkflow.run, None)
        with pytest.raises(WorkflowStuckError, match="Kein Worker nimmt die Activity „pack“"):
            await office.result(handle, 0.5)
