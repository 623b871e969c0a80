"""Das Muster `dead_letter_queue`: jedes Szenario, jeder Eingriff, jedes Rennen – und was die Revision danach sagt."""

import asyncio
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, Mock
from uuid import uuid4

import pytest
from dlq_hilfen import Chaos, Handle, Office, ended, new_row, open_office, outcome, parked, table_with
from hypothesis import given, settings
from hypothesis import strategies as st
from temporalio.api.enums.v1 import EventType
from temporalio.client import (
    WorkflowExecutionStatus,
    WorkflowHandle,
    WorkflowUpdateFailedError,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from dauerlauf.faults import ActivityAction, ActivityFault, FaultPlan, Moment, WorkflowAction, WorkflowFault
from dauerlauf.history import load
from dauerlauf.scenario import play
from dauerlauf.timelapse import Timelapse
from hilfen import count, scheduled
from kapitel07.dead_letter_queue import operate
from kapitel07.dead_letter_queue.activities import ReturnActivities
from kapitel07.dead_letter_queue.audit import audit
from kapitel07.dead_letter_queue.failing import FailingReturnWorkflow
from kapitel07.dead_letter_queue.files import (
    IBAN,
    UNKNOWN_SALE,
    UNREADABLE_AMOUNT,
    WRONG_IBAN,
    mixed,
)
from kapitel07.dead_letter_queue.ledger import RefundLedger, RejectedError, payments
from kapitel07.dead_letter_queue.letters import LetterTable, NotPossibleError
from kapitel07.dead_letter_queue.models import (
    DEAD_LETTER,
    BookRequest,
    Discard,
    Disposal,
    GiveBack,
    ImportResult,
    Letter,
    ProcessReturn,
    RedriveOne,
    RedriveResult,
    Reminder,
    Retry,
    ReturnRow,
    Selection,
    State,
    Trouble,
    cents,
    iban_is_valid,
)
from kapitel07.dead_letter_queue.scenarios import PATTERN
from kapitel07.dead_letter_queue.workflow import ReturnWorkflow

ANKE = "Anke Petersen"
REPAIR = {"amount": "49,90"}

# Szenario: Status und Ergebnis der Revision als erledigt, geparkt, verworfen.
EXPECTED = {
    "glatt": ("COMPLETED", (1, 0, 0)),
    "geparkt-und-berichtigt": ("COMPLETED", (1, 0, 0)),
    "noch-einmal-daneben": ("COMPLETED", (1, 0, 0)),
    "verworfen": ("COMPLETED", (0, 0, 1)),
    "erinnert-und-eskaliert": ("COMPLETED", (1, 0, 0)),
    "doch-gebucht": ("COMPLETED", (1, 0, 0)),
    "abbruch-beim-warten": ("CANCELED", (0, 1, 0)),
    "worker-stirbt": ("COMPLETED", (1, 0, 0)),
    "gescheitert-und-zurueckgesetzt": ("COMPLETED", (1, 0, 0)),
    "datei-mit-kaputten-zeilen": ("COMPLETED", (2, 2, 0)),
    "wiederholt-aus-der-tabelle": ("COMPLETED", (5, 2, 1)),
}


def test_every_scenario_has_an_expectation() -> None:
    assert set(EXPECTED) == set(PATTERN.scenarios)


@pytest.mark.parametrize(
    "name",
    # Der Tod eines Workers kostet echte Sekunden.
    [pytest.param(name, marks=pytest.mark.gruendlich) if name == "worker-stirbt" else name for name in EXPECTED],
)
async def test_scenario(name: str, timelapse: Timelapse, tmp_path: Path) -> None:
    status, (done, waiting, discarded) = EXPECTED[name]
    run = await play(PATTERN.find(name), timelapse, folder=tmp_path, task_queue=timelapse.task_queue())
    assert run.status == status
    # Nur Buchungen geben auf; alles, was einen Posten festhält, wird ohne Grenze wiederholt.
    for event in run.history.events:
        planned = event.activity_task_scheduled_event_attributes
        limited = planned.activity_type.name in ("", "book_return", "redrive_letter")
        assert limited or planned.retry_policy.maximum_attempts == 0
    assert f"Revision: {done} erledigt, {waiting} geparkt, {discarded} verworfen; Widersprüche: 0" in run.notes, (
        run.notes
    )


async def test_recorded_histories_replay(replay: Any) -> None:
    assert await replay(PATTERN.histories, workflows=PATTERN.workflows) == len(EXPECTED)


# --- Form 1: die gescheiterte Ausführung ---------------------------------------------------------------------------


async def _fail(office: Office, *items: ReturnRow) -> list[WorkflowHandle[Any, Any]]:
    handles = [
        await office.worker.start(FailingReturnWorkflow.run, ProcessReturn(item), id=f"retoure-{item.number}")
        for item in items
    ]
    for handle in handles:
        await ended(handle)
    return handles


async def _visible(timelapse: Timelapse, office: Office, query: str, number: int) -> list[str]:
    """Die IDs, sobald die Suche `number` davon findet."""
    full = f'({query}) AND TaskQueue = "{office.worker.task_queue}"'
    async with asyncio.timeout(30):
        while len(found := [one.id async for one in timelapse.client.list_workflows(full)]) != number:
            await asyncio.sleep(0.02)
    return sorted(found)


async def _reset(office: Office, kind: str) -> list[str]:
    return await operate.reset_failed(
        office.worker.client, kind, ANKE, per_second=100, task_queue=office.worker.task_queue
    )


async def _all_ended(office: Office, handles: list[WorkflowHandle[Any, Any]], status: str) -> None:
    async with asyncio.timeout(30):
        for handle in handles:
            latest = office.worker.client.get_workflow_handle(handle.id)
            while (description := await latest.describe()).status.name != status:  # type: ignore[union-attr]
                assert description.id == handle.id
                await asyncio.sleep(0.02)


async def test_failed_executions_are_found_by_kind_and_reset_in_batch(timelapse: Timelapse, tmp_path: Path) -> None:
    unknown = [new_row(**UNKNOWN_SALE) for _ in range(3)]
    unreadable = new_row(**UNREADABLE_AMOUNT)
    async with open_office(timelapse, tmp_path, *unknown, unreadable) as office:
        handles = await _fail(office, *unknown, unreadable)
        await _visible(timelapse, office, 'DeadLetter STARTS_WITH "gescheitert/"', 4)
        found = await _visible(timelapse, office, 'DeadLetter = "gescheitert/AuftragUnbekannt"', 3)
        assert found == sorted(handle.id for handle in handles[:3])
        RefundLedger(tmp_path).add_sales(UNKNOWN_SALE["order"])
        assert await _reset(office, "AuftragUnbekannt") == found
        await _all_ended(office, handles[:3], "COMPLETED")
        assert (await handles[3].describe()).status.name == "FAILED"  # type: ignore[union-attr]
        assert len((await handles[3].fetch_history()).events) == 12
        assert sorted(payments(tmp_path)) == sorted((item.key, 4990) for item in unknown)


async def test_the_second_batch_finds_nothing_left_to_reset(timelapse: Timelapse, tmp_path: Path) -> None:
    item = new_row(**UNKNOWN_SALE)
    async with open_office(timelapse, tmp_path, item) as office:
        handles = await _fail(office, item)
        query = 'ExecutionStatus = "Failed" AND DeadLetter = "gescheitert/AuftragUnbekannt"'
        await _visible(timelapse, office, query, 1)
        RefundLedger(tmp_path).add_sales(UNKNOWN_SALE["order"])
        # Was an einer anderen Task Queue scheiterte, bleibt unberührt.
        assert await operate.reset_failed(office.worker.client, "AuftragUnbekannt", ANKE, task_queue="andere") == []
        assert await _reset(office, "AuftragUnbekannt") == [handles[0].id]
        await _all_ended(office, handles, "COMPLETED")
        # Die Suche findet den alten Lauf immer noch; gezählt wird nur der jüngste.
        await _visible(timelapse, office, query, 1)
        assert await _reset(office, "AuftragUnbekannt") == []


async def test_a_cancelled_execution_is_no_dead_letter(timelapse: Timelapse, tmp_path: Path) -> None:
    item = new_row()
    plan = FaultPlan((ActivityFault("book_return", ActivityAction.CANCEL_BEFORE),))
    async with open_office(timelapse, tmp_path, item, plan=plan) as office:
        [handle] = await _fail(office, item)
        description = await handle.describe()
        assert description.status is WorkflowExecutionStatus.CANCELED
        assert description.typed_search_attributes.get(DEAD_LETTER) is None


# --- Form 2: der geparkte Posten -----------------------------------------------------------------------------------


async def test_a_parked_item_is_visible(timelapse: Timelapse, tmp_path: Path) -> None:
    item = new_row(**UNREADABLE_AMOUNT)
    async with open_office(timelapse, tmp_path, item) as office:
        handle = await office.process(item)
        view = await parked(handle)
        assert (view.state, view.kind) == (State.PARKED, "BetragUnlesbar")
        assert await _visible(timelapse, office, 'DeadLetter STARTS_WITH "geparkt/"', 1) == [handle.id]
        metadata: Any = await handle.query("__temporal_workflow_metadata")
        assert "49.9O" in str(metadata)
        await handle.execute_update(ReturnWorkflow.retry_with, Retry(ANKE, REPAIR))
        assert await ended(handle) == "COMPLETED"
        assert await _visible(timelapse, office, "DeadLetter IS NOT NULL", 0) == []


async def test_a_terminated_item_is_still_found(timelapse: Timelapse, tmp_path: Path) -> None:
    item = new_row(**UNREADABLE_AMOUNT)
    async with open_office(timelapse, tmp_path, item) as office:
        handle = await office.process(item)
        await parked(handle)
        await handle.terminate("aus Versehen")
        query = 'ExecutionStatus = "Terminated" AND DeadLetter STARTS_WITH "geparkt/"'
        assert await _visible(timelapse, office, query, 1) == [handle.id]


async def test_a_retry_without_changes_uses_the_same_row(timelapse: Timelapse, tmp_path: Path) -> None:
    item = new_row(**UNKNOWN_SALE)
    async with open_office(timelapse, tmp_path, item) as office:
        handle = await office.process(item)
        await parked(handle)
        RefundLedger(tmp_path).add_sales(item.order)
        view = await handle.execute_update(ReturnWorkflow.retry_with, Retry(ANKE))
        assert (view.state, view.round) == (State.DONE, 1)
        assert payments(tmp_path) == [(item.key, 4990)]


def test_parking_and_deciding_cost_what_the_page_says() -> None:
    def timers(name: str) -> tuple[list[int], int]:
        events = load(PATTERN.history_file(name)).events
        kind = EventType.EVENT_TYPE_TIMER_STARTED
        return [event.event_id for event in events if event.event_type == kind], len(events)

    # Der Timer der ersten Erinnerung ist das letzte Event des Parkens.
    assert timers("geparkt-und-berichtigt") == ([18], 18 + 14)
    assert timers("noch-einmal-daneben")[1] == 18 + 21 + 14
    reminders, _ = timers("erinnert-und-eskaliert")
    assert {later - earlier for earlier, later in pairwise(reminders)} == {12, 13}


REFUSED = [
    ("retry_with", Retry(" "), "NameFehlt"),
    ("retry_with", Retry(ANKE, {"number": "R-1"}), "BerichtigungHilftNicht"),
    ("retry_with", Retry(ANKE, {"amount": "49.90"}), "BerichtigungHilftNicht"),
    ("discard", Discard(ANKE, " "), "BegruendungFehlt"),
    ("discard", Discard("", "doppelt"), "NameFehlt"),
]


async def test_a_rejected_decision_leaves_no_trace(timelapse: Timelapse, tmp_path: Path) -> None:
    item = new_row(**UNREADABLE_AMOUNT)
    async with open_office(timelapse, tmp_path, item) as office:
        handle = await office.process(item)
        await parked(handle)
        before = len((await handle.fetch_history()).events)
        for update, decision, kind in REFUSED:
            with pytest.raises(WorkflowUpdateFailedError) as refused:
                await handle.execute_update(update, decision)
            assert isinstance(refused.value.cause, ApplicationError)
            assert refused.value.cause.type == kind
        history = await handle.fetch_history()
        assert count(history, "WORKFLOW_EXECUTION_UPDATE_ACCEPTED") == 0
        assert len(history.events) == before
        assert office.audit([item.number]).parked == 1


async def test_a_running_item_accepts_no_decision(timelapse: Timelapse, tmp_path: Path) -> None:
    item = new_row()
    slow = FaultPlan((ActivityFault("book_return", ActivityAction.DELAY, seconds=0.2),))
    async with open_office(timelapse, tmp_path, item, plan=slow) as office:
        handle = await office.process(item)
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await handle.execute_update(ReturnWorkflow.discard, Discard(ANKE, "zu früh"))
        assert getattr(refused.value.cause, "type", "") == "NichtGeparkt"
        assert f"{item.number} wartet auf keine Entscheidung" in str(refused.value.cause)
        assert await ended(handle) == "COMPLETED"
        assert office.audit().done == 1


async def test_the_same_update_twice_is_one_attempt(timelapse: Timelapse, tmp_path: Path) -> None:
    item = new_row(**UNREADABLE_AMOUNT)
    async with open_office(timelapse, tmp_path, item) as office:
        handle = await office.process(item)
        await parked(handle)
        retry = Retry(ANKE, REPAIR)
        views = await asyncio.gather(
            *(handle.execute_update(ReturnWorkflow.retry_with, retry, id="einmal") for _ in range(3))
        )
        assert [view.state for view in views] == [State.DONE] * 3
        assert await ended(handle) == "COMPLETED"
        history = await handle.fetch_history()
        assert count(history, "WORKFLOW_EXECUTION_UPDATE_ACCEPTED") == 1
        assert scheduled(history).count("book_return") == 2
        assert payments(tmp_path) == [(item.key, 4990)]


async def test_of_retry_and_discard_at_once_exactly_one_counts(timelapse: Timelapse, tmp_path: Path) -> None:
    items = [new_row(**UNREADABLE_AMOUNT) for _ in range(10)]
    async with open_office(timelapse, tmp_path, *items) as office:
        handles = [await office.process(item) for item in items]
        for handle in handles:
            await parked(handle)

        async def race(handle: Handle, retry_first: bool) -> list[str]:
            calls = [
                handle.execute_update(ReturnWorkflow.retry_with, Retry(ANKE, REPAIR)),
                handle.execute_update(ReturnWorkflow.discard, Discard("Momme Thiesen", "doppelt")),
            ]
            answers = await asyncio.gather(*(calls if retry_first else reversed(calls)), return_exceptions=True)
            assert sum(isinstance(answer, WorkflowUpdateFailedError) for answer in answers) == 1
            return [answer.state for answer in answers if not isinstance(answer, BaseException)]

        winners = await asyncio.gather(*(race(handle, n % 2 == 0) for n, handle in enumerate(handles)))
        for handle in handles:
            assert await ended(handle) == "COMPLETED"
        books = office.audit()
        assert books.findings == []
        tally = Counter(state for [state] in winners)
        assert (books.done, books.discarded) == (tally[State.DONE], tally[State.DISCARDED])


async def test_parking_delivered_twice_leaves_one_letter(timelapse: Timelapse, tmp_path: Path) -> None:
    item = new_row(**UNREADABLE_AMOUNT)
    plan = FaultPlan(
        (
            ActivityFault("put_letter", ActivityAction.DUPLICATE_CONCURRENTLY),
            ActivityFault("put_letter", ActivityAction.FAIL_AFTER, attempts=(2,)),
        )
    )
    lost = FaultPlan((ActivityFault("put_letter", ActivityAction.FAIL_AFTER, attempts=(1, 2)),))
    for number, one in enumerate((plan, lost)):
        folder = tmp_path / str(number)
        async with open_office(timelapse, folder, item, plan=one) as office:
            assert await office.import_all() == ImportResult(done=0, parked=1)
            assert [entry.action for entry in office.table.protocol()] == ["geparkt"]
            assert office.worker.fired
            assert office.audit().parked == 1


async def test_a_booking_without_an_answer_is_not_parked(timelapse: Timelapse, tmp_path: Path) -> None:
    item = new_row()
    lost = FaultPlan((ActivityFault("book_return", ActivityAction.FAIL_AFTER, attempts=(1, 2, 3, 4, 5)),))
    async with open_office(timelapse, tmp_path, item, plan=lost) as office:
        assert await office.import_all() == ImportResult(done=1, parked=0)
        assert office.states() == {}
        assert payments(tmp_path) == [(item.key, 4990)]


CANCELS = [
    *(
        FaultPlan((ActivityFault(name, action),))
        for name in ("book_return", "hold_return")
        for action in (ActivityAction.CANCEL_BEFORE, ActivityAction.CANCEL_AFTER)
    ),
    *(
        FaultPlan(workflow=(WorkflowFault(WorkflowAction.CANCEL, task=task, moment=moment),))
        for task in (1, 2, 3)
        for moment in (Moment.BEGIN, Moment.END)
    ),
]


async def test_a_cancel_anywhere_loses_no_item(timelapse: Timelapse, tmp_path: Path) -> None:
    """Abbruch an jeder Stelle: Gute Posten sind gebucht, kaputte liegen in der Tabelle."""
    items = [new_row(**changes) for _ in CANCELS for changes in ({}, UNREADABLE_AMOUNT)]
    plans = {f"retoure-{item.number}": CANCELS[n // 2] for n, item in enumerate(items)}
    async with open_office(timelapse, tmp_path, *items, plan=plans) as office:
        handles = [await office.process(item) for item in items]
        for item, handle in zip(items, handles, strict=True):
            good = item.amount == "49,90"
            if good:
                assert await ended(handle) == "COMPLETED"
            else:
                assert await ended(handle) == "CANCELED", plans[handle.id].describe()
                assert office.states()[item.number] == State.PARKED
        books = office.audit()
        assert books.findings == []
        assert (books.done, books.parked) == (len(CANCELS), len(CANCELS))


async def test_a_cancelled_item_is_redriven_from_the_table(timelapse: Timelapse, tmp_path: Path) -> None:
    item = new_row(**UNKNOWN_SALE)
    async with open_office(timelapse, tmp_path, item) as office:
        handle = await office.process(item)
        await parked(handle)
        again = await handle.execute_update(ReturnWorkflow.retry_with, Retry(ANKE))
        assert (again.state, again.round) == (State.PARKED, 1)
        await handle.cancel()
        assert await ended(handle) == "CANCELED"
        # Die Tabelle kennt die Runde, die schon zu Ende ist; sonst wiese das Buch die nächste ab.
        RefundLedger(tmp_path).add_sales("N-1")
        office.table.correct(item.number, {"order": "N-1"}, ANKE)
        assert await office.redrive() == RedriveResult(done=1, parked=0, skipped=0)
        assert office.audit().findings == []


@pytest.mark.parametrize(
    ("years", "mails_sent"), [(1, 16), pytest.param(10, 125, marks=pytest.mark.gruendlich)], ids=["1", "10"]
)
async def test_years_of_waiting_stay_far_below_the_history_limit(
    years: int, mails_sent: int, timelapse: Timelapse, tmp_path: Path
) -> None:
    item = new_row(**WRONG_IBAN)
    async with open_office(timelapse, tmp_path, item) as office:
        handle = await office.process(item)
        await parked(handle)
        await timelapse.fast_forward(handle, timedelta(days=365 * years))
        view = await handle.query(ReturnWorkflow.progress)
        mails = office.table.mails()
        assert view.state == State.ESCALATED
        assert len(mails) == view.reminders
        assert [mail.recipient.split("@")[0] for mail in mails[:4]] == ["sachbearbeitung"] * 2 + ["teamleitung"] * 2
        history = await handle.fetch_history()
        timers = [
            event.timer_started_event_attributes.start_to_fire_timeout.ToTimedelta().days
            for event in history.events
            if event.event_type == EventType.EVENT_TYPE_TIMER_STARTED
        ]
        assert timers[:7] == [1, 2, 4, 8, 16, 30, 30]
        assert len(mails) == mails_sent
        assert len(history.events) < 200 * years + 50
        await handle.execute_update(ReturnWorkflow.discard, Discard(ANKE, "verjährt"))
        assert await ended(handle) == "COMPLETED"


async def test_a_broken_mail_service_does_not_block_the_decision(timelapse: Timelapse, tmp_path: Path) -> None:
    item = new_row(**WRONG_IBAN)
    broken = FaultPlan((ActivityFault("send_reminder", ActivityAction.FAIL_BEFORE, occurrence=None, attempts=None),))
    async with open_office(timelapse, tmp_path, item, plan=broken) as office:
        handle = await office.process(item, first_reminder=0.01)
        await parked(handle)
        async with asyncio.timeout(30):
            while not office.worker.fired:
                await asyncio.sleep(0.01)
        view = await handle.execute_update(ReturnWorkflow.retry_with, Retry(ANKE, {"iban": IBAN}))
        assert view.state == State.DONE
        assert await ended(handle) == "COMPLETED"


# --- Form 3: die Tabelle -------------------------------------------------------------------------------------------


async def _run_batch(
    timelapse: Timelapse, folder: Path, items: list[ReturnRow], *, page: int, window: int, seed: int
) -> None:
    """Import unter Störungen, dann berichtigen, verwerfen und wiederholen, wieder unter Störungen."""
    chaos = Chaos(seed)
    async with open_office(timelapse, folder, *items, chaos=chaos) as office:
        imported = await office.import_all(timeout=100, page=page, window=window)
        books = office.audit()
        assert books.findings == []
        assert (books.done, books.parked) == (imported.done, imported.parked)
        assert imported.done + imported.parked == len(items)
        letters = office.table.all(State.PARKED)
        assert len(letters) >= len(items) // 10
        for n, letter in enumerate(letters):
            if n % 3 == 0:
                office.table.discard(letter.row.number, Discard(ANKE, "Ware nie eingetroffen"))
            elif n % 3 == 1:
                changes = {"amount": "49,90", "iban": IBAN, "order": items[0].order}
                office.table.correct(letter.row.number, changes, ANKE)
        redriven = await office.redrive(page=page, per_second=1000)
        after = office.audit()
        assert after.findings == []
        discarded = len(range(0, len(letters), 3))
        assert after.discarded == discarded
        assert after.done == imported.done + redriven.done
        assert (after.parked, redriven.skipped) == (redriven.parked, 0)
        assert after.done + after.parked + after.discarded == len(items)
        assert len({key for key, _ in payments(folder)}) == len(payments(folder)) == after.done
        assert chaos.fired.total() > len(items) // 5
        assert len(chaos.fired) == 5


async def test_a_batch_of_100_under_faults_ends_every_item_once(timelapse: Timelapse, tmp_path: Path) -> None:
    await _run_batch(timelapse, tmp_path, mixed(100), page=100, window=100, seed=1)


@pytest.mark.gruendlich
@pytest.mark.timeout(200)
@pytest.mark.parametrize("seed", range(1, 4))
async def test_a_batch_of_1000_under_faults_ends_every_item_once(
    seed: int, timelapse: Timelapse, tmp_path: Path
) -> None:
    await _run_batch(timelapse, tmp_path, mixed(1000), page=250, window=50, seed=seed)


async def test_the_import_continues_as_new_page_by_page(timelapse: Timelapse, tmp_path: Path) -> None:
    items = mixed(11, every=5)
    async with open_office(timelapse, tmp_path, *items) as office:
        handle = await office.start_import(page=5)
        assert await outcome(handle) == ImportResult(done=9, parked=2)
        first = office.worker.client.get_workflow_handle(handle.id, run_id=handle.first_execution_run_id)
        history = await first.fetch_history()
        assert count(history, "WORKFLOW_EXECUTION_CONTINUED_AS_NEW") == 1
        assert scheduled(history).count("book_return") == 5


async def test_the_window_limits_what_is_in_flight(timelapse: Timelapse, tmp_path: Path) -> None:
    async with open_office(timelapse, tmp_path, *mixed(12)) as office:
        handle = await office.start_import(window=3)
        await outcome(handle)
        open_now = most = 0
        for event in (await handle.fetch_history()).events:
            open_now += event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
            open_now -= event.event_type in (
                EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED,
                EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED,
            )
            most = max(most, open_now)
        assert most == 3


async def test_the_same_file_again_changes_nothing(timelapse: Timelapse, tmp_path: Path) -> None:
    items = mixed(10, every=5)
    async with open_office(timelapse, tmp_path, *items) as office:
        await office.import_all()
        number = office.table.all()[0].row.number
        office.table.discard(number, Discard(ANKE, "doppelt"))
        before, protocol = office.audit(), office.table.protocol()
        assert await office.import_all() == ImportResult(done=8, parked=2)
        assert office.audit() == before
        assert office.table.protocol() == protocol


async def test_a_cancelled_import_parks_nothing_and_can_be_repeated(timelapse: Timelapse, tmp_path: Path) -> None:
    """Abbruch, während alle Zeilen in Arbeit sind; wartete noch eine, endete der Import auch mit dem Fehler sofort."""
    items = [new_row() for _ in range(3)]
    never = ActivityFault("book_return", ActivityAction.FAIL_BEFORE, occurrence=None, attempts=None)
    async with open_office(timelapse, tmp_path, *items, plan=FaultPlan((never,))) as office:
        with timelapse.unskipped():
            handle = await office.start_import()
        async with asyncio.timeout(60):
            while len((await handle.describe()).raw_description.pending_activities) < len(items):
                await asyncio.sleep(0.01)
        await handle.cancel()
        assert await ended(handle) == "CANCELED"
        assert scheduled(await handle.fetch_history()) == ["read_rows", *["book_return"] * 3]
        assert office.states() == {}
    async with open_office(timelapse, tmp_path, *items) as office:
        assert await office.import_all() == ImportResult(done=3, parked=0)
        assert office.audit().findings == []


async def test_a_missing_file_fails_at_once(timelapse: Timelapse, tmp_path: Path) -> None:
    async with open_office(timelapse, tmp_path) as office:
        handle = await office.start_import()
        await outcome(handle)
        (tmp_path / "retouren.csv").unlink()
        again = await office.worker.start(
            "ImportWorkflow", {"file": str(tmp_path / "retouren.csv")}, id=f"import-{uuid4()}"
        )
        assert await ended(again) == "FAILED"
        assert office.audit().findings == []


async def _poisoned(office: Office) -> list[str]:
    """Importiert und gibt die Nummern der Briefe zurück."""
    await office.import_all()
    return [letter.row.number for letter in office.table.all(State.PARKED)]


async def test_one_many_of_a_kind_or_all_are_redriven(timelapse: Timelapse, tmp_path: Path) -> None:
    items = mixed(6, every=1)
    async with open_office(timelapse, tmp_path, *items) as office:
        numbers = await _poisoned(office)
        assert len(numbers) == 6

        def rounds() -> dict[str, int]:
            return {letter.row.number: letter.round for letter in office.table.all() if letter.round}

        assert (await office.redrive(numbers[0])).parked == 1
        assert rounds() == {numbers[0]: 1}
        assert (await office.redrive(*numbers[1:3], page=1)).parked == 2
        assert sum(rounds().values()) == 3
        kind = office.table.get(numbers[5]).trouble.kind
        assert (await office.redrive(kind=kind)).parked == 2
        assert sum(rounds().values()) == 5
        office.table.correct(numbers[0], {"iban": IBAN}, ANKE)
        assert await office.redrive(page=4) == RedriveResult(1, 5, 0)
        assert sum(rounds().values()) == 11
        assert await office.redrive("R-gibtesnicht", page=1) == RedriveResult(0, 0, 1)


async def test_a_redrive_keeps_its_rate(timelapse: Timelapse, tmp_path: Path) -> None:
    async with open_office(timelapse, tmp_path, *mixed(6, every=1)) as office:
        await _poisoned(office)
        queue = office.worker.task_queue
        workflow_id = await operate.redrive(office.worker.client, Selection(), ANKE, per_second=0.2, task_queue=queue)
        handle = office.worker.client.get_workflow_handle(workflow_id)
        await outcome(handle)
        starts = [
            event.event_time.ToDatetime()
            for event in (await handle.fetch_history()).events
            if event.activity_task_scheduled_event_attributes.activity_type.name == "redrive_letter"
        ]
        gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(starts)]
        assert len(starts) == 6
        assert all(4.99 < gap < 6 for gap in gaps), gaps


async def test_a_redrive_whose_every_attempt_fails_returns_the_letter(timelapse: Timelapse, tmp_path: Path) -> None:
    item = new_row(**UNKNOWN_SALE)
    down = FaultPlan((ActivityFault("redrive_letter", ActivityAction.FAIL_BEFORE, attempts=None),))
    unanswered = FaultPlan((ActivityFault("redrive_letter", ActivityAction.FAIL_AFTER, attempts=None),))
    for number, (plan, expected) in enumerate(((down, RedriveResult(0, 1, 0)), (unanswered, RedriveResult(1, 0, 0)))):
        folder = tmp_path / str(number)
        async with open_office(timelapse, folder, item, plan=plan) as office:
            await _poisoned(office)
            if plan is unanswered:
                RefundLedger(folder).add_sales(item.order)
            assert await office.redrive() == expected
            assert office.audit().findings == []


async def test_a_cancelled_redrive_finishes_what_it_began(timelapse: Timelapse, tmp_path: Path) -> None:
    cancel = FaultPlan((ActivityFault("redrive_letter", ActivityAction.CANCEL_BEFORE, occurrence=2),))
    async with open_office(timelapse, tmp_path, *mixed(6, every=1), plan=cancel) as office:
        await _poisoned(office)
        assert await ended(await office.start_redrive(per_second=0.5)) == "CANCELED"
        assert [letter.round for letter in office.table.all()] == [1, 1, 0, 0, 0, 0]
        assert State.RUNNING not in office.states().values()


_UNAVAILABLE = RPCError("nicht erreichbar", RPCStatusCode.UNAVAILABLE, b"")


async def test_letters_of_a_terminated_redrive_are_released(
    timelapse: Timelapse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = FaultPlan((ActivityFault("redrive_letter", ActivityAction.TERMINATE_BEFORE),))
    async with open_office(timelapse, tmp_path, *mixed(3, every=1), plan=plan) as office:
        numbers = await _poisoned(office)
        ledger = RefundLedger(tmp_path)
        handle = await office.start_redrive(numbers[0])
        assert await ended(handle) == "TERMINATED"
        # Die Activity nahm zwei Briefe noch in Arbeit: Den einen hat sie gebucht, den anderen noch nicht.
        office.table.correct(numbers[2], REPAIR, ANKE)
        late, booked = (office.table.claim(number, handle.id, ANKE) for number in numbers[1:])
        ledger.book(BookRequest(booked.row, booked.round))
        assert [office.states()[number] for number in numbers[1:]] == [State.RUNNING] * 2
        # Antwortet der Server nicht, gilt keine Wiederholung als tot.
        with monkeypatch.context() as broken:
            broken.setattr(WorkflowHandle, "describe", AsyncMock(side_effect=_UNAVAILABLE))
            with pytest.raises(RPCError):
                await operate.release_orphans(timelapse.client, office.table, ledger, ANKE)
        assert await operate.release_orphans(timelapse.client, office.table, ledger, ANKE) >= 2
        assert list(office.states().values()) == [State.PARKED, State.PARKED, State.DONE]
        with pytest.raises(RejectedError, match="ist beendet"):
            ledger.book(BookRequest(late.row, late.round))
        assert office.audit().findings == []
        released = office.table.protocol(late.row.number)[-1]
        assert (released.operator, released.action, released.detail) == (ANKE, "freigegeben", f"nach {handle.id}")
        # Eine Wiederholung, die noch läuft, behält ihre Briefe.
        with timelapse.unskipped():
            running = await office.start_redrive("R-gibtesnicht", per_second=0.001)
        office.table.claim(numbers[1], running.id, ANKE)
        assert await operate.release_orphans(timelapse.client, office.table, ledger, ANKE) == 0
        assert office.states()[numbers[1]] == State.RUNNING
        ledger.close()


def test_discard_and_redrive_race_for_each_letter(tmp_path: Path) -> None:
    """Zwei Threads je Brief: Genau eine Entscheidung gilt, und die Bücher wissen davon."""
    rows = [new_row() for _ in range(60)]
    table = table_with(tmp_path, *rows)
    activities = ReturnActivities(tmp_path)

    def discard(one: ReturnRow) -> bool:
        with suppress(NotPossibleError):
            table.discard(one.number, Discard(ANKE, "doppelt"))
            return True
        return False

    def again(one: ReturnRow) -> bool:
        return activities.redrive_letter(RedriveOne(one.number, "wiederholung-1", ANKE)) == State.DONE

    with ThreadPoolExecutor(8) as threads:
        jobs = [(threads.submit(discard, one), threads.submit(again, one)) for one in rows]
        outcomes = [(first.result(), second.result()) for first, second in jobs]
    assert all(first != second for first, second in outcomes)
    books = audit(tmp_path, rows)
    assert books.findings == []
    assert (books.discarded, books.done) == (sum(a for a, _ in outcomes), sum(b for _, b in outcomes))


def test_a_letter_that_is_redriven_cannot_be_discarded(tmp_path: Path) -> None:
    one = new_row()
    table = table_with(tmp_path, one)
    table.claim(one.number, "wiederholung-1", ANKE)
    with pytest.raises(NotPossibleError):
        table.discard(one.number, Discard(ANKE, "doppelt"))
    # Eine andere Wiederholung beendet ihn auch nicht.
    other = RedriveOne(one.number, "wiederholung-2", ANKE)
    assert ReturnActivities(tmp_path).give_back_letter(GiveBack(other, Trouble("KeineAntwort", ""))) == "übersprungen"
    table.settle(one.number, "wiederholung-2", "E-1")
    table.give_back(one.number, "wiederholung-2", Trouble("KeineAntwort", ""))
    assert (table.get(one.number).state, table.get(one.number).redrive) == (State.RUNNING, "wiederholung-1")


def test_two_redrives_race_for_each_letter(tmp_path: Path) -> None:
    rows = [new_row() for _ in range(40)]
    table = table_with(tmp_path, *rows)
    activities = ReturnActivities(tmp_path)
    with ThreadPoolExecutor(8) as threads:
        jobs = [
            threads.submit(activities.redrive_letter, RedriveOne(one.number, f"wiederholung-{n}", ANKE))
            for one in rows
            for n in (1, 2)
        ]
        outcomes = Counter(job.result() for job in jobs)
    assert outcomes == {State.DONE: 40, "übersprungen": 40}
    assert {letter.round for letter in table.all()} == {1}
    assert audit(tmp_path, rows).findings == []


def test_a_redrive_delivered_twice_counts_once(tmp_path: Path) -> None:
    good, bad = new_row(), new_row(**WRONG_IBAN)
    table = table_with(tmp_path, good, bad)
    activities = ReturnActivities(tmp_path)
    for one, expected in ((good, State.DONE), (bad, State.PARKED)):
        redrive = RedriveOne(one.number, "wiederholung-1", ANKE)
        assert [activities.redrive_letter(redrive) for _ in range(3)] == [expected] * 3
        assert table.get(one.number).round == 1
    assert [entry.action for entry in table.protocol(good.number)] == ["geparkt", "wiederholt", "erledigt"]
    assert [entry.action for entry in table.protocol(bad.number)] == ["geparkt", "wiederholt", "geparkt"]
    assert table.get(bad.number).trouble.kind == "IbanUngueltig"


def test_the_protocol_names_who_did_what(tmp_path: Path) -> None:
    one = new_row(**UNREADABLE_AMOUNT)
    table = table_with(tmp_path, one)
    table.correct(one.number, REPAIR, ANKE)
    table.discard(one.number, Discard("Momme Thiesen", "doppelt"))
    with pytest.raises(NotPossibleError, match="sein Stand ist „verworfen“"):
        table.correct(one.number, REPAIR, ANKE)
    assert [(entry.operator, entry.action, entry.detail) for entry in table.protocol(one.number)] == [
        ("import-1", "geparkt", "BetragUnlesbar: kaputt"),
        (ANKE, "berichtigt", "amount: '49.9O' → '49,90'"),
        ("Momme Thiesen", "verworfen", "doppelt"),
    ]
    assert all(entry.at.endswith("+00:00") for entry in table.protocol())


def test_discards_and_reminders_delivered_twice_count_once(tmp_path: Path) -> None:
    activities = ReturnActivities(tmp_path)
    letter = Letter(new_row(), Trouble("BetragUnlesbar", "kaputt"), "retoure-1")
    reminder = Reminder("retoure-1/1", "anke@nordlicht.example", "wartet")
    for _ in range(2):
        activities.record_discard(Disposal(letter, Discard(ANKE, "doppelt")))
        activities.send_reminder(reminder)
    table = LetterTable(tmp_path)
    assert [(entry.operator, entry.action) for entry in table.protocol()] == [
        ("retoure-1", "geparkt"),
        (ANKE, "verworfen"),
    ]
    assert table.mails() == [reminder]


# --- Das Erstattungsbuch -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ledger_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ein Buch für alle Beispiele; jedes hat seinen eigenen Schlüssel."""
    return tmp_path_factory.mktemp("buch")


@given(operations=st.lists(st.tuples(st.sampled_from(["book", "hold"]), st.integers(0, 3)), max_size=8))
@settings(max_examples=25, deadline=None)
def test_the_ledger_pays_once_and_never_in_a_held_round(ledger_folder: Path, operations: list[tuple[str, int]]) -> None:
    item = new_row()
    paid, held = False, -1
    ledger = RefundLedger(ledger_folder)
    ledger.add_sales(item.order)
    for operation, number in operations:
        request = BookRequest(item, number)
        if operation == "hold":
            assert (ledger.hold(request) is not None) == paid
            held = held if paid else max(held, number)
        elif paid or number > held:
            ledger.book(request)
            paid = True
        else:
            with pytest.raises(RejectedError):
                ledger.book(request)
    ledger.close()
    assert [key for key, _ in payments(ledger_folder)].count(item.key) == paid


def test_a_booking_that_breaks_off_pays_nothing_and_blocks_nothing(tmp_path: Path) -> None:
    item = new_row()
    ledger = RefundLedger(tmp_path)
    ledger.add_sales(item.order)
    with pytest.MonkeyPatch.context() as broken:
        broken.setattr("kapitel07.dead_letter_queue.ledger.cents", Mock(side_effect=BrokenPipeError))
        with pytest.raises(BrokenPipeError):
            ledger.book(BookRequest(item))
    assert payments(tmp_path) == []
    ledger.book(BookRequest(item))
    assert payments(tmp_path) == [(item.key, 4990)]


def test_amount_and_iban_are_read_strictly() -> None:
    assert (cents("49,90"), cents("0,05")) == (4990, 5)
    for wrong in ("49.90", "49,9O", "", "-1,00", "49,9", "4 9,90"):
        with pytest.raises(ValueError, match="ist kein Betrag"):
            cents(wrong)
    assert iban_is_valid(IBAN)
    assert not any(map(iban_is_valid, ("", WRONG_IBAN["iban"], IBAN[:-1], f"{IBAN} ")))


def test_the_audit_finds_contradictions(tmp_path: Path) -> None:
    paid, lost, twice = new_row(), new_row(), new_row()
    table = table_with(tmp_path, paid, twice)
    RefundLedger(tmp_path).book(BookRequest(paid, 1))
    table.discard(paid.number, Discard(ANKE, "doppelt"))
    found = audit(tmp_path, [paid, lost, twice], [twice.number]).findings
    assert found == [
        f"{paid.number}: erledigt, verworfen",
        f"{lost.number}: kein Ende",
        f"{twice.number}: geparkt, geparkt",
    ]
