"""Das Muster `saga`: jedes Szenario, jeder Eingriff, jede Stelle eines Abbruchs – und was die Bücher danach sagen."""

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from time import sleep
from typing import Any
from unittest.mock import Mock
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from saga_fehlerhaft import BuggyOrderWorkflow
from saga_hilfen import Handle, Outcome, Shop, history_holds, new_order, open_shop, outcome
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.worker import Replayer

from dauerlauf.faults import (
    ActivityAction,
    ActivityFault,
    FaultPlan,
    Moment,
    WorkflowAction,
    WorkflowFault,
)
from dauerlauf.history import load
from dauerlauf.scenario import Run, play
from dauerlauf.testing import open_worker
from dauerlauf.timelapse import Timelapse
from kapitel07.saga.activities import HTTP_TIMEOUT_SECONDS, OrderActivities
from kapitel07.saga.audit import CONTRADICTION, EVERYTHING, NOTHING, REMAINDER, Account, audit
from kapitel07.saga.compensation import SAGA_STATUS, Saga, SagaStatus, State
from kapitel07.saga.ledger import ParcelLedger, PaymentLedger, RejectedError, StockLedger
from kapitel07.saga.models import CompensationView, Order, PlaceOrder, Retry, SagaOptions, Skip, StepRequest
from kapitel07.saga.scenarios import (
    CARD_DECLINED,
    INVALID_VAT_ID,
    NOT_DELIVERED,
    OUT_OF_STOCK,
    PATTERN,
    addresses,
    order,
)
from kapitel07.saga.services import nordlicht
from kapitel07.saga.workflow import OrderWorkflow

FORWARD = ["reserve_stock", "charge_payment", "register_parcel", "write_invoice"]
BACKWARD = ["cancel_invoice", "cancel_parcel", "refund_payment", "release_stock"]
ALL = [*FORWARD, "send_confirmation"]

# Szenario: Status, Ursache, Kompensationen in ihrer Reihenfolge, Stand der Bücher.
EXPECTED: dict[str, tuple[str, str, list[str], str]] = {
    "glatt": ("COMPLETED", "", [], EVERYTHING),
    "lager-leer": ("FAILED", "LagerLeer", BACKWARD[3:], NOTHING),
    "zahlung-scheitert": ("FAILED", "KarteAbgelehnt", BACKWARD[2:], NOTHING),
    "versand-scheitert": ("FAILED", "PlzNichtBeliefert", BACKWARD[1:], NOTHING),
    "rechnung-scheitert": ("FAILED", "UstIdUngueltig", BACKWARD, NOTHING),
    "parallel": ("FAILED", "UstIdUngueltig", BACKWARD, NOTHING),
    "dienst-stolpert": ("COMPLETED", "", [], EVERYTHING),
    "dienst-faellt-aus": ("FAILED", "DienstGestoert", BACKWARD[1:], NOTHING),
    "quittung-verloren": ("COMPLETED", "", [], EVERYTHING),
    "antwort-verloren": ("FAILED", "KeineAntwort", BACKWARD[2:], NOTHING),
    "spaete-buchung": ("FAILED", "TimeoutError", BACKWARD[2:], NOTHING),
    "abbruch-im-lager": ("CANCELED", "", BACKWARD[3:], NOTHING),
    "abbruch-in-der-zahlung": ("CANCELED", "", BACKWARD[2:], NOTHING),
    "abbruch-im-versand": ("CANCELED", "", BACKWARD[1:], NOTHING),
    "abbruch-in-der-rechnung": ("CANCELED", "", BACKWARD, NOTHING),
    "abbruch-zu-spaet": ("COMPLETED", "", [], EVERYTHING),
    "abbruch-beim-zurueckrollen": ("FAILED", "PlzNichtBeliefert", BACKWARD[1:], NOTHING),
    "kompensation-erholt-sich": (
        "FAILED",
        "PlzNichtBeliefert",
        ["cancel_parcel", "refund_payment", "refund_payment", "release_stock"],
        NOTHING,
    ),
    "kompensation-repariert": (
        "FAILED",
        "PlzNichtBeliefert",
        ["cancel_parcel", "refund_payment", "refund_payment", "release_stock"],
        NOTHING,
    ),
    "worker-stirbt": ("FAILED", "PlzNichtBeliefert", BACKWARD[1:], NOTHING),
    "kompensation-ausgelassen": ("FAILED", "UstIdUngueltig", BACKWARD, REMAINDER),
}


async def _play(name: str, timelapse: Timelapse, folder: Path) -> tuple[Run, Outcome]:
    run = await play(PATTERN.find(name), timelapse, folder=folder, task_queue=timelapse.task_queue())
    cause = run.history.events[-1].workflow_execution_failed_event_attributes.failure.cause
    kind = "TimeoutError" if cause.HasField("timeout_failure_info") else cause.application_failure_info.type
    return run, Outcome(run.status, kind, run.history)


def test_every_scenario_has_an_expectation() -> None:
    assert set(EXPECTED) == set(PATTERN.scenarios)


@pytest.mark.parametrize("name", EXPECTED)
async def test_scenario(name: str, timelapse: Timelapse, tmp_path: Path) -> None:
    status, cause, compensations, verdict = EXPECTED[name]
    run, ended = await _play(name, timelapse, tmp_path)
    books = audit(tmp_path)
    assert (ended.status, ended.cause, ended.compensations) == (status, cause, compensations)
    assert books.findings == []
    [account] = books.accounts.values() or [books.account("")]
    assert account.verdict == verdict
    assert any(verdict in note for note in run.notes)
    assert ended.orderly


async def test_lost_completion_repeats_the_step_but_not_the_charge(timelapse: Timelapse, tmp_path: Path) -> None:
    _, ended = await _play("quittung-verloren", timelapse, tmp_path)
    assert ended.attempts("charge_payment") == 2
    assert audit(tmp_path).account("N-1009").effects["zahlung"] == [4990]


async def test_lost_answers_charged_once_and_refunded_once(timelapse: Timelapse, tmp_path: Path) -> None:
    _, ended = await _play("antwort-verloren", timelapse, tmp_path)
    assert ended.attempts("charge_payment") == 5
    assert audit(tmp_path).account("N-1010").effects["zahlung"] == [4990, -4990]


async def test_retries_are_bounded_by_attempts(timelapse: Timelapse, tmp_path: Path) -> None:
    async with open_shop(timelapse, tmp_path) as shop:
        shop.world.carrier.outages.add("/buchen")
        handle = await shop.place()
        ended = await outcome(handle, 10)
        assert (ended.cause, ended.attempts("register_parcel")) == ("DienstGestoert", 5)
        assert shop.account(handle).verdict == NOTHING


async def test_a_no_is_not_repeated(timelapse: Timelapse, tmp_path: Path) -> None:
    _, ended = await _play("zahlung-scheitert", timelapse, tmp_path)
    assert ended.attempts("charge_payment") == 1


async def test_a_running_activity_learns_of_the_cancel_by_heartbeat(timelapse: Timelapse, tmp_path: Path) -> None:
    _, ended = await _play("abbruch-im-versand", timelapse, tmp_path)
    assert ended.count("ACTIVITY_TASK_CANCELED") == 1


async def test_parallel_compensations_are_scheduled_together(timelapse: Timelapse, tmp_path: Path) -> None:
    _, ended = await _play("parallel", timelapse, tmp_path)
    tasks = {
        event.activity_task_scheduled_event_attributes.workflow_task_completed_event_id
        for event in ended.history.events
        if event.activity_task_scheduled_event_attributes.activity_type.name in BACKWARD
    }
    assert len(tasks) == 1


async def test_compensation_recovers_without_an_operator(timelapse: Timelapse, tmp_path: Path) -> None:
    _, ended = await _play("kompensation-erholt-sich", timelapse, tmp_path)
    assert ended.count("TIMER_FIRED") == 1
    assert ended.count("WORKFLOW_EXECUTION_UPDATE_ACCEPTED") == 0


async def test_a_rejected_update_leaves_no_trace_in_the_history(timelapse: Timelapse, tmp_path: Path) -> None:
    _, ended = await _play("kompensation-ausgelassen", timelapse, tmp_path)
    assert ended.count("WORKFLOW_EXECUTION_UPDATE_ACCEPTED") == 1
    assert audit(tmp_path).account("N-1020").cases == {
        "versand": "Anke Petersen: Rücksendung RS-77 mit der Kundschaft vereinbart"
    }


@pytest.mark.parametrize("name", PATTERN.scenarios)
async def test_recorded_history_replays(name: str) -> None:
    await Replayer(workflows=PATTERN.workflows).replay_workflow(load(PATTERN.history_file(name)))


# --- Grenzen der Schritte ---------------------------------------------------------------------------------------------


async def test_the_confirmation_is_repeated_without_limit_and_sent_once(timelapse: Timelapse, tmp_path: Path) -> None:
    lost = ActivityFault("send_confirmation", ActivityAction.FAIL_AFTER, attempts=tuple(range(1, 12)))
    too_late = ActivityFault("send_confirmation", ActivityAction.CANCEL_BEFORE, attempts=(12,))
    async with open_shop(timelapse, tmp_path, plan=FaultPlan((lost, too_late))) as shop:
        handle = await shop.place()
        ended = await outcome(handle)
        assert (ended.status, ended.attempts("send_confirmation")) == ("COMPLETED", 12)
        assert (await handle.result()).cancel_came_too_late
        assert shop.account(handle).effects["mail"] == [1]


async def test_every_activity_has_a_start_to_close_timeout(timelapse: Timelapse, tmp_path: Path) -> None:
    assert SagaOptions().heartbeat_timeout > HTTP_TIMEOUT_SECONDS
    for name in ("glatt", "rechnung-scheitert"):
        _, ended = await _play(name, timelapse, tmp_path / name)
        for event in ended.history.events:
            scheduled = event.activity_task_scheduled_event_attributes
            if name := scheduled.activity_type.name:
                waits_for_label = name == "register_parcel"
                assert scheduled.start_to_close_timeout.seconds == (300 if waits_for_label else 10)
                assert scheduled.heartbeat_timeout.seconds == (5 if waits_for_label else 0)


# --- Abbruch an jeder Stelle ------------------------------------------------------------------------------------------


async def _run_all(timelapse: Timelapse, folder: Path, plans: dict[str, FaultPlan], **changes: str) -> dict[str, str]:
    """Ein Auftrag je Plan, alle gleichzeitig; gibt je Plan Status, Ursache und Stand der Bücher zurück."""
    orders = {name: new_order(**changes) for name in plans}
    by_id = {f"auftrag-{orders[name].number}": plan for name, plan in plans.items()}
    async with open_shop(timelapse, folder, plan=by_id) as shop:

        async def one(name: str) -> str:
            handle = await shop.place(orders[name])
            ended = await outcome(handle, 30)
            order_kept = ended.compensations == [c for c in BACKWARD if c in ended.compensations]
            oddities = "" if ended.orderly and order_kept else f" {ended.scheduled}"
            return f"{ended.status} {ended.cause} {shop.account(handle).verdict}{oddities}"

        outcomes = await asyncio.gather(*(one(name) for name in plans))
        assert len(shop.worker.fired) == len(plans), "Nicht jede Störung ist eingetreten."
        assert shop.findings == []
    return dict(zip(plans, outcomes, strict=True))


def _at_activities(names: list[str]) -> dict[str, FaultPlan]:
    return {
        f"{name} {action}": FaultPlan((ActivityFault(name, action),))
        for name in names
        for action in (ActivityAction.CANCEL_BEFORE, ActivityAction.CANCEL_AFTER)
    }


def _at_tasks(count: int) -> dict[str, FaultPlan]:
    return {
        f"{task} {moment}": FaultPlan(workflow=(WorkflowFault(WorkflowAction.CANCEL, task=task, moment=moment),))
        for task in range(1, count + 1)
        for moment in (Moment.BEGIN, Moment.END)
    }


async def test_cancel_before_and_after_every_activity(timelapse: Timelapse, tmp_path: Path) -> None:
    plans = _at_activities(ALL)
    assert await _run_all(timelapse, tmp_path, plans) == {
        name: f"COMPLETED  {EVERYTHING}" if "send" in name else f"CANCELED CancelledError {NOTHING}" for name in plans
    }


async def test_cancel_in_every_workflow_task(timelapse: Timelapse, tmp_path: Path) -> None:
    # Der fünfte Workflow-Task plant die Bestätigung; davor ist jeder Abbruch rechtzeitig.
    plans = _at_tasks(6)
    assert await _run_all(timelapse, tmp_path, plans) == {
        name: f"COMPLETED  {EVERYTHING}" if int(name[0]) >= 5 else f"CANCELED CancelledError {NOTHING}"
        for name in plans
    }


async def test_cancel_before_and_after_every_compensation(timelapse: Timelapse, tmp_path: Path) -> None:
    plans = _at_activities(BACKWARD)
    assert await _run_all(timelapse, tmp_path, plans, **INVALID_VAT_ID) == dict.fromkeys(
        plans, f"FAILED UstIdUngueltig {NOTHING}"
    )


async def test_cancel_in_every_workflow_task_of_a_rollback(timelapse: Timelapse, tmp_path: Path) -> None:
    # Der fünfte Workflow-Task erfährt vom Fehler; was davor abbricht, bestimmt den Status.
    plans = _at_tasks(9)
    assert await _run_all(timelapse, tmp_path, plans, **INVALID_VAT_ID) == {
        name: f"FAILED UstIdUngueltig {NOTHING}" if int(name[0]) >= 5 else f"CANCELED CancelledError {NOTHING}"
        for name in plans
    }


@pytest.mark.parametrize("parallel", [False, True])
async def test_second_cancel_during_compensation(parallel: bool, timelapse: Timelapse, tmp_path: Path) -> None:
    first = ActivityFault("write_invoice", ActivityAction.CANCEL_BEFORE)
    more = [ActivityFault(name, ActivityAction.CANCEL_BEFORE) for name in BACKWARD]
    async with open_shop(timelapse, tmp_path, plan=FaultPlan((first, *more))) as shop:
        handle = await shop.place(parallel=parallel)
        ended = await outcome(handle)
        assert (ended.status, ended.compensations) == ("CANCELED", BACKWARD)
        assert shop.account(handle).verdict == NOTHING


async def test_a_failure_of_the_step_that_is_being_cancelled_ends_as_cancelled(
    timelapse: Timelapse, tmp_path: Path
) -> None:
    plan = FaultPlan((ActivityFault("charge_payment", ActivityAction.CANCEL_BEFORE),))
    async with open_shop(timelapse, tmp_path, plan=plan) as shop:
        handle = await shop.place(new_order(**CARD_DECLINED))
        ended = await outcome(handle)
        assert (ended.status, ended.count("ACTIVITY_TASK_FAILED")) == ("CANCELED", 1)
        assert shop.account(handle).verdict == NOTHING


async def test_cancel_before_the_first_worker(timelapse: Timelapse, tmp_path: Path) -> None:
    async with open_shop(timelapse, tmp_path) as shop:
        handle = await shop.place()
        await handle.cancel()
        assert (await outcome(handle)).status == "CANCELED"
        assert shop.account(handle).verdict == NOTHING


async def test_terminate_does_not_compensate(timelapse: Timelapse, tmp_path: Path) -> None:
    plan = FaultPlan((ActivityFault("charge_payment", ActivityAction.TERMINATE_AFTER),))
    async with open_shop(timelapse, tmp_path, plan=plan) as shop:
        handle = await shop.place()
        assert (await outcome(handle)).status == "TERMINATED"
        assert shop.account(handle).findings == [
            "stehen geblieben: lager, zahlung",
            "Geld: 4990 Cent kassiert, 0 Cent berechnet",
        ]


# --- Eingriffe --------------------------------------------------------------------------------------------------------


async def _blocked(timelapse: Timelapse, shop: Shop, placed: Order, waiting: int = 1, **options: Any) -> Handle:
    """Ein Auftrag, dessen Rückweg wartet: ohne Zeitraffer, sonst eilte er durch jede Pause."""
    with timelapse.unskipped():
        handle = await shop.place(placed, undo_attempts=1, **options)
    async with asyncio.timeout(30):
        while True:
            view = await handle.query(OrderWorkflow.progress)
            if sum(c.state == State.BLOCKED for c in view.compensations) == waiting:
                return handle
            await asyncio.sleep(0.02)


async def _status(handle: Handle) -> str | None:
    return (await handle.describe()).typed_search_attributes.get(SAGA_STATUS)


async def test_a_blocked_saga_is_visible(timelapse: Timelapse, tmp_path: Path) -> None:
    async with open_shop(timelapse, tmp_path) as shop:
        shop.world.payment.outages.add("/stornieren")
        handle = await _blocked(timelapse, shop, new_order(**NOT_DELIVERED))
        assert await _status(handle) == "wartet auf Eingriff"
        query = f"SagaStatus = 'wartet auf Eingriff' AND WorkflowId = '{handle.id}'"
        async with asyncio.timeout(30):
            while not [found async for found in timelapse.client.list_workflows(query)]:
                await asyncio.sleep(0.02)
        view = await handle.query(OrderWorkflow.progress)
        assert [(c.step, c.state, c.error) for c in view.compensations] == [
            ("lager", "vorgemerkt", ""),
            ("zahlung", "wartet auf Eingriff", "DienstGestoert: Antwort 503"),
            ("versand", "erledigt", ""),
        ]
        metadata = await handle.query("__temporal_workflow_metadata")
        assert metadata.current_details == "- **zahlung** wartet auf Eingriff: DienstGestoert: Antwort 503"
        shop.world.payment.outages.clear()
        await _decide(handle, Retry("zahlung", "Anke"))
        assert (await outcome(handle)).cause == "PlzNichtBeliefert"
        assert await _status(handle) == "zurückgerollt"
        assert (await handle.query("__temporal_workflow_metadata")).current_details == ""


async def test_a_retry_reports_that_it_failed_again(timelapse: Timelapse, tmp_path: Path) -> None:
    async with open_shop(timelapse, tmp_path) as shop:
        shop.world.payment.outages.add("/stornieren")
        handle = await _blocked(timelapse, shop, new_order(**CARD_DECLINED))
        for rounds in (2, 3):
            again = await _decide(handle, Retry("zahlung", "Anke"))
            assert (again.state, again.failed_rounds) == ("wartet auf Eingriff", rounds)
        shop.world.payment.outages.clear()
        done = await _decide(handle, Retry("zahlung", "Anke"))
        assert (done.state, done.failed_rounds) == ("erledigt", 3)
        assert (await outcome(handle)).status == "FAILED"
        assert shop.account(handle).verdict == NOTHING


REJECTED: list[tuple[Retry | Skip, str]] = [
    (Retry("lager", "Anke"), "KeinEingriffNoetig"),
    (Retry("gibt-es-nicht", "Anke"), "KeinEingriffNoetig"),
    (Retry("zahlung", " "), "NameFehlt"),
    (Skip("versand", "Anke", "erledigt"), "KeinEingriffNoetig"),
    (Skip("zahlung", "", "Überweisung von Hand"), "NameFehlt"),
    (Skip("zahlung", "Anke", "  "), "BegruendungFehlt"),
]


async def _decide(handle: Handle, decision: Retry | Skip) -> CompensationView:
    async with asyncio.timeout(30):
        if isinstance(decision, Skip):
            return await handle.execute_update(OrderWorkflow.skip_compensation, decision)
        return await handle.execute_update(OrderWorkflow.retry_compensation, decision)


async def _try(handle: Handle, decision: Retry | Skip) -> str:
    try:
        await _decide(handle, decision)
    except WorkflowUpdateFailedError as error:
        return error.cause.type or "" if isinstance(error.cause, ApplicationError) else repr(error.cause)
    return "angenommen"


async def test_rejected_decisions_leave_the_history_untouched(timelapse: Timelapse, tmp_path: Path) -> None:
    async with open_shop(timelapse, tmp_path) as shop:
        shop.world.payment.outages.add("/stornieren")
        handle = await _blocked(timelapse, shop, new_order(**NOT_DELIVERED))
        before = len((await handle.fetch_history()).events)
        assert [await _try(handle, decision) for decision, _ in REJECTED] == [reason for _, reason in REJECTED]
        assert len((await handle.fetch_history()).events) == before
        assert await _try(handle, Skip("zahlung", "Anke", "Überweisung von Hand")) == "angenommen"
        await outcome(handle)


def test_a_second_decision_in_the_same_task_is_refused() -> None:
    async def undo() -> None: ...

    saga = Saga(parallel=False, first_pause=timedelta(minutes=10))
    saga.register("zahlung", undo)
    [compensation] = saga._registered
    compensation.block("gestört")
    saga.check_decision(Retry("zahlung", "Anke"))
    # Der erste Handler lief schon an, die Kompensation noch nicht.
    compensation.decision = Retry("zahlung", "Anke")
    with pytest.raises(ApplicationError, match="wartet nicht auf einen Eingriff"):
        saga.check_decision(Skip("zahlung", "Momme", "von Hand überwiesen"))


async def test_no_decision_while_the_saga_runs_forward(timelapse: Timelapse, tmp_path: Path) -> None:
    async with open_shop(timelapse, tmp_path) as shop:
        gate = shop.world.payment.gates["/buchen"] = Event()
        handle = await shop.place()
        await history_holds(handle, "ACTIVITY_TASK_COMPLETED")
        assert (await handle.query(OrderWorkflow.progress)).status == SagaStatus.FORWARD
        assert await _try(handle, Skip("zahlung", "Anke", "Versehen")) == "KeinEingriffNoetig"
        gate.set()
        assert (await outcome(handle)).status == "COMPLETED"


async def test_skipping_the_last_compensation_waits_for_the_case(timelapse: Timelapse, tmp_path: Path) -> None:
    slow = ActivityFault("open_case", ActivityAction.FAIL_BEFORE, attempts=(1,))
    blocked = ActivityFault("release_stock", ActivityAction.FAIL_BEFORE)
    async with open_shop(timelapse, tmp_path, plan=FaultPlan((blocked, slow))) as shop:
        handle = await _blocked(timelapse, shop, new_order(**CARD_DECLINED))
        done = await _decide(handle, Skip("lager", "Anke", "Ware ist zerbrochen, Inventur gebucht"))
        assert done.state == "ausgelassen"
        assert (await outcome(handle)).cause == "KarteAbgelehnt"
        assert await _status(handle) == "zurückgerollt mit Rest"
        assert shop.account(handle).verdict == REMAINDER
        assert shop.account(handle).cases == {"lager": "Anke: Ware ist zerbrochen, Inventur gebucht"}


async def test_blocked_compensations_are_decided_one_by_one(timelapse: Timelapse, tmp_path: Path) -> None:
    stuck = FaultPlan((ActivityFault("release_stock", ActivityAction.FAIL_BEFORE),))
    async with open_shop(timelapse, tmp_path, plan=stuck) as shop:
        placed = new_order(**INVALID_VAT_ID)
        shop.world.carrier.collect(placed.number)
        shop.world.payment.outages.add("/stornieren")
        handle = await _blocked(timelapse, shop, placed, waiting=3, parallel=True)
        await _decide(handle, Skip("versand", "Anke", "kommt zurück"))
        await _decide(handle, Skip("lager", "Momme", "zerbrochen"))
        assert await _status(handle) == "wartet auf Eingriff"
        shop.world.payment.outages.clear()
        await _decide(handle, Retry("zahlung", "Anke"))
        assert (await outcome(handle)).status == "FAILED"
        assert shop.account(handle).balance("versand") == 1
        assert shop.account(handle).cases == {"versand": "Anke: kommt zurück", "lager": "Momme: zerbrochen"}
        assert shop.account(handle).verdict == REMAINDER


async def test_pauses_double_up_to_a_day(timelapse: Timelapse, tmp_path: Path) -> None:
    async with open_shop(timelapse, tmp_path) as shop:
        shop.world.payment.outages.add("/stornieren")
        handle = await _blocked(timelapse, shop, new_order(**CARD_DECLINED))
        await timelapse.fast_forward(handle, timedelta(days=2))
        shop.world.payment.outages.clear()
        await _decide(handle, Retry("zahlung", "Anke"))
        ended = await outcome(handle)
        pauses = [
            event.timer_started_event_attributes.start_to_fire_timeout.ToTimedelta() // timedelta(minutes=1)
            for event in ended.history.events
            if event.event_type == EventType.EVENT_TYPE_TIMER_STARTED
        ]
        assert pauses == [10, 20, 40, 80, 160, 320, 640, 1280, 1440]


# --- Programmfehler ---------------------------------------------------------------------------------------------------


async def test_a_bug_waits_for_its_fix_instead_of_rolling_back(timelapse: Timelapse, tmp_path: Path) -> None:
    with nordlicht(tmp_path) as world:
        activities = OrderActivities(addresses(world)).all()
        async with open_worker(timelapse, workflows=[BuggyOrderWorkflow], activities=activities) as worker:
            handle = await worker.start(BuggyOrderWorkflow.run, PlaceOrder(order("N-1")), id="auftrag-N-1")
            await history_holds(handle, "WORKFLOW_TASK_FAILED")
            stuck = Outcome("RUNNING", "", await handle.fetch_history())
            assert (stuck.scheduled, stuck.compensations) == (FORWARD, [])


# --- Schlüssel: doppelter Start, zweiter Start, Reset -----------------------------------------------------------------


async def test_duplicate_start_is_refused_or_joins_the_running_order(timelapse: Timelapse, tmp_path: Path) -> None:
    async with open_shop(timelapse, tmp_path) as shop:
        gate = shop.world.payment.gates["/buchen"] = Event()
        placed = new_order()
        handle = await shop.place(placed)
        start = partial(
            timelapse.client.start_workflow,
            OrderWorkflow.run,
            PlaceOrder(placed),
            id=handle.id,
            task_queue=shop.worker.task_queue,
        )
        with pytest.raises(WorkflowAlreadyStartedError):
            await start()
        joined = await start(id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING)
        assert joined.result_run_id == handle.result_run_id
        gate.set()
        assert (await outcome(handle)).status == "COMPLETED"
        assert shop.account(handle).findings == []


async def test_second_start_of_a_finished_order_changes_nothing(timelapse: Timelapse, tmp_path: Path) -> None:
    async with open_shop(timelapse, tmp_path) as shop:
        placed = new_order()
        first = await (await shop.place(placed)).result()
        references = (first.stock, first.payment, first.parcel, first.invoice, first.mail)
        assert [reference[0] for reference in references] == ["L", "Z", "V", "R", "M"]
        handle = await shop.place(placed)
        assert await handle.result() == first
        assert shop.account(handle).effects["zahlung"] == [4990]
        assert shop.account(handle).verdict == EVERYTHING


async def test_second_start_of_a_rolled_back_order_is_refused_by_the_tombstone(
    timelapse: Timelapse, tmp_path: Path
) -> None:
    plan = FaultPlan((ActivityFault("charge_payment", ActivityAction.CANCEL_AFTER),))
    async with open_shop(timelapse, tmp_path, plan=plan) as shop:
        placed = new_order()
        assert (await outcome(await shop.place(placed))).status == "CANCELED"
        handle = await shop.place(placed)
        assert (await outcome(handle)).cause == "BereitsStorniert"
        assert shop.account(handle).verdict == NOTHING


async def test_reset_books_nothing_twice(timelapse: Timelapse, tmp_path: Path) -> None:
    async with open_shop(timelapse, tmp_path) as shop:
        handle = await shop.place()
        first = await handle.result()
        await timelapse.client.workflow_service.reset_workflow_execution(
            ResetWorkflowExecutionRequest(
                namespace="default",
                workflow_execution=WorkflowExecution(workflow_id=handle.id, run_id=handle.result_run_id or ""),
                workflow_task_finish_event_id=4,
                request_id=str(uuid4()),
                reason="Test",
            )
        )
        again = timelapse.client.get_workflow_handle_for(OrderWorkflow.run, handle.id)
        assert await again.result() == first
        assert shop.account(handle).findings == []
        assert (await again.describe()).run_id != handle.result_run_id


# --- Ohne Cache und im Zeitraffer -------------------------------------------------------------------------------------


@pytest.mark.parametrize("changes", [{}, OUT_OF_STOCK, INVALID_VAT_ID])
async def test_every_task_replays_from_the_beginning(
    changes: dict[str, str], timelapse: Timelapse, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_shop(timelapse, tmp_path, max_cached_workflows=0) as shop:
        handle = await shop.place(new_order(**changes))
        ended = await outcome(handle)
        assert ended.status == ("FAILED" if changes else "COMPLETED")
        assert shop.findings == []
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


# --- Die Bücher -------------------------------------------------------------------------------------------------------


@given(operations=st.lists(st.sampled_from(["book", "cancel"]), max_size=8))
@settings(max_examples=50, deadline=None)
def test_ledger_takes_each_effect_once_in_any_order(operations: list[str]) -> None:
    with TemporaryDirectory() as folder:
        ledger = PaymentLedger(Path(folder))
        request = StepRequest("auftrag-1/zahlung", replace(new_order(), number="1"))
        for operation in operations:
            with suppress(RejectedError):
                getattr(ledger, operation)(request)
        ledger.close()
        effects = audit(Path(folder)).account("1").effects["zahlung"]
    if not operations or operations[0] == "cancel":
        assert effects == []
    else:
        assert effects == ([4990, -4990] if "cancel" in operations else [4990])


def test_late_booking_meets_the_tombstone(tmp_path: Path) -> None:
    ledger = ParcelLedger(tmp_path)
    request = StepRequest("auftrag-1/versand", new_order())
    ledger.cancel(request)
    with pytest.raises(RejectedError) as refused:
        ledger.book(request)
    assert refused.value.kind == "BereitsStorniert"


def test_stock_returns_to_the_shelf(tmp_path: Path) -> None:
    stock = StockLedger(tmp_path)
    stock.deliver("Leuchtturm", 3)
    stock.book(StepRequest("a", new_order()))
    with pytest.raises(RejectedError):
        stock.book(StepRequest("b", new_order()))
    stock.cancel(StepRequest("a", new_order()))
    stock.book(StepRequest("b", new_order()))
    stock.deliver("Leuchtturm", 1)
    stock.book(StepRequest("c", new_order()))  # auch die letzten beiden


def test_a_booking_that_breaks_off_leaves_nothing_behind(tmp_path: Path) -> None:
    ledger, placed = PaymentLedger(tmp_path), new_order()
    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(ledger, "_write", Mock(side_effect=BrokenPipeError))
        with pytest.raises(BrokenPipeError):
            ledger.book(StepRequest("a", placed))
    ledger.book(StepRequest("a", placed))
    assert audit(tmp_path).account(placed.number).effects["zahlung"] == [4990]


def test_a_ledger_serves_many_threads(tmp_path: Path) -> None:
    class SlowLedger(PaymentLedger):
        def accept(self, order: Order) -> int:
            sleep(0.002)  # mitten in der Transaktion
            return super().accept(order)

    ledger = SlowLedger(tmp_path)
    orders = [new_order() for _ in range(10)]
    with ThreadPoolExecutor(5) as threads:
        list(threads.map(ledger.book, [StepRequest(order.number, order) for order in orders]))
    assert [audit(tmp_path).account(order.number).effects["zahlung"] for order in orders] == [[4990]] * 10


COMPLETE = {"lager": [2], "zahlung": [4990], "versand": [1], "rechnung": [4990], "mail": [1]}


@pytest.mark.parametrize(
    ("effects", "finding"),
    [
        ({"lager": [2]}, "stehen geblieben: lager"),
        ({"zahlung": [4990, 4990]}, "zahlung: 2 × gebucht, 0 × zurückgenommen"),
        ({"versand": [-1]}, "versand: zurückgenommen, was nie gebucht war"),
        (
            {"lager": [2], "zahlung": [4990], "versand": [1], "rechnung": [4900]},
            "Geld: 4990 Cent kassiert, 4900 Cent berechnet",
        ),
        ({"mail": [1]}, "mail: bestätigt, was nicht gilt"),
        (
            {"lager": [2], "zahlung": [5], "versand": [1], "rechnung": [5], "mail": [1, 1]},
            "mail: 2 × gebucht, 0 × zurückgenommen",
        ),
    ],
)
def test_the_audit_finds_contradictions(effects: dict[str, list[int]], finding: str) -> None:
    account = Account()
    account.effects.update(effects)
    assert finding in account.findings
    assert account.verdict == CONTRADICTION


def test_the_audit_counts_the_shelf(tmp_path: Path) -> None:
    stock = StockLedger(tmp_path)
    stock.deliver("Leuchtturm", 10)
    stock.book(StepRequest("a", new_order()))
    with closing(sqlite3.connect(tmp_path / StockLedger.file_name)) as db, db:
        db.execute("UPDATE shelf SET available = available - 1")
    assert audit(tmp_path).stock_findings == ["Lager: 3 Stück fehlen im Regal, 2 sind reserviert"]
