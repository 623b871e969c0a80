"""Das Muster `patching`: vier Stände des Codes, alte und neue Läufe, und was klemmt."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from patching_hilfen import Shop, new_order, open_shop
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import WorkflowFailureError, WorkflowHistory, WorkflowQueryFailedError
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.service import RPCError
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

from dauerlauf.faults import ActivityAction, ActivityFault, FaultPlan
from dauerlauf.history import load
from dauerlauf.scenario import Run
from dauerlauf.testing import open_worker
from dauerlauf.timelapse import Timelapse, result
from hilfen import kinds, play_selected, scheduled, until
from kapitel08.patching import matrix, rollout, worker
from kapitel08.patching.activities import CREDIT_LIMIT, OrderActivities
from kapitel08.patching.books import entries
from kapitel08.patching.models import Shipped
from kapitel08.patching.scenarios import PATTERN
from kapitel08.patching.settings import ADDRESS_CHECK, FRAUD_CHECK, SUSPICIOUS
from kapitel08.patching.stages import STAGES
from kapitel08.patching.variants import DecidedAtStartWorkflow, TwoPatchesWorkflow

TMPRL1100 = "[TMPRL1100] Nondeterminism error: "
MISSING_CHECK = (
    f"{TMPRL1100}Activity type of scheduled event 'charge_payment' does not match "
    "activity type of activity command 'check_fraud'"
)
UNKNOWN_MARKER = (
    f"{TMPRL1100}Non-deprecated patch marker encountered for change {FRAUD_CHECK}, "
    "but there is no corresponding change command!"
)

# Szenario: wie oft geprüft wurde, ob eine Marke in der Event History steht, woran der Lauf klemmte.
EXPECTED: dict[str, tuple[int, bool, str]] = {
    "stufe-1": (0, False, ""),
    "stufe-2": (1, True, ""),
    "stufe-3": (1, True, ""),
    "stufe-4": (1, False, ""),
    "hinter-der-stelle": (0, False, ""),
    "vor-der-stelle": (1, True, ""),
    "klemmt": (0, False, MISSING_CHECK),
    "zurueckgerollt": (1, True, UNKNOWN_MARKER),
}


def test_every_scenario_has_an_expectation() -> None:
    assert set(EXPECTED) == set(PATTERN.scenarios)


@pytest.fixture(scope="module")
async def played(request: pytest.FixtureRequest, timelapse: Timelapse) -> Mapping[str, Run]:
    """Die Szenarien, die dieser Testlauf prüft, gleichzeitig gespielt."""
    return await play_selected(request, timelapse, PATTERN)


@pytest.mark.parametrize("name", EXPECTED)
def test_scenario(name: str, played: Mapping[str, Run]) -> None:
    checks, marker, stuck = EXPECTED[name]
    run = played[name]
    assert run.status == "COMPLETED"
    assert run.notes[-1] == f"Prüfungen: {checks}, Zahlungen: 1, Pakete: 1"
    events = kinds(run.history)
    assert events.count("MARKER_RECORDED") == events.count("UPSERT_WORKFLOW_SEARCH_ATTRIBUTES") == marker
    if stuck:
        before = f"Prüfungen: {checks}, Zahlungen: 1, Pakete: 0"
        assert run.notes[:4] == ["Klemmt: NON_DETERMINISTIC_ERROR", stuck, "Status dabei: RUNNING", before]
    assert events.count("WORKFLOW_TASK_FAILED") == bool(stuck)


@pytest.mark.parametrize("name", PATTERN.scenarios)
async def test_recorded_history_replays(name: str, replay: Callable[..., Awaitable[int]]) -> None:
    assert await replay(PATTERN.history_file(name), workflows=PATTERN.find(name).workflows) == 1


async def test_recorded_crashes_replay(replay: Callable[..., Awaitable[int]]) -> None:
    assert await replay(PATTERN.histories / "abstuerze", workflows=PATTERN.workflows) == 8


def test_the_patch_costs_two_events() -> None:
    with_patch, without = (len(load(PATTERN.history_file(name)).events) for name in ("stufe-2", "stufe-4"))
    assert with_patch - without == 2


# --- Die Matrix ------------------------------------------------------------------------------------------------------

MATRIX = {
    "Stufe 1, wartet auf Ware": ["ok", "ok", "ok", "ok"],
    "Stufe 1, hat bezahlt": ["ok", "ok", "bricht", "bricht"],
    "Stufe 2": ["bricht", "ok", "ok", "bricht"],
    "Stufe 3": ["bricht", "ok", "ok", "ok"],
    "Stufe 4": ["bricht", "bricht", "ok", "ok"],
}


@pytest.fixture(scope="module")
async def verdicts() -> Mapping[str, Mapping[int, str]]:
    """Zwanzig Replays."""
    return await matrix.matrix(matrix.recorded())


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("name", MATRIX)
def test_matrix(name: str, stage: int, verdicts: Mapping[str, Mapping[int, str]]) -> None:
    assert set(verdicts) == set(MATRIX)
    text = verdicts[name][stage]
    assert ("bricht" if text else "ok") == MATRIX[name][stage - 1]
    assert TMPRL1100 in text or not text


def test_matrix_reasons(verdicts: Mapping[str, Mapping[int, str]]) -> None:
    assert MISSING_CHECK in verdicts["Stufe 1, hat bezahlt"][3]
    assert UNKNOWN_MARKER in verdicts["Stufe 2"][1]
    assert UNKNOWN_MARKER in verdicts["Stufe 2"][4]
    lines = matrix.table(verdicts)
    assert lines[0].split() == ["Event", "History", *(word for n in "1234" for word in ("Code", n))]
    assert [line.split()[-4:] for line in lines[1:]] == list(MATRIX.values())
    assert len(matrix.reasons(verdicts)) == 3


async def test_a_nondeterminism_error_is_what_the_replayer_raises() -> None:
    outcome = await Replayer(workflows=[STAGES[4]], build_id="test").replay_workflow(
        matrix.load("stufe-1"), raise_on_replay_failure=False
    )
    assert isinstance(outcome.replay_failure, NondeterminismError)


# --- Alte und neue Läufe ---------------------------------------------------------------------------------------------


@pytest.fixture
async def shop(timelapse: Timelapse, tmp_path: Path) -> AsyncIterator[Shop]:
    """Eine Task Queue ohne Worker."""
    async with open_shop(timelapse, tmp_path) as opened:
        yield opened


async def run_under(shop: Shop, first: type, second: type, *, paid: bool) -> WorkflowHistory:
    """Ein Auftrag, den der Stand `first` beginnt und der Stand `second` beendet."""
    handle = await shop.start(new_order())
    async with shop.code(first):
        if paid:
            await shop.paid(handle)
        else:
            await shop.waiting(handle, 1)
    async with shop.code(second):
        return await shop.finish(handle)


async def test_old_run_before_the_line_needs_no_patch_at_all(shop: Shop) -> None:
    history = await run_under(shop, STAGES[1], STAGES[4], paid=False)
    assert scheduled(history) == ["confirm_order", "check_fraud", "charge_payment", "ship_parcel"]
    assert "WORKFLOW_TASK_FAILED" not in kinds(history)


async def test_the_first_line_decides_for_the_whole_run(shop: Shop) -> None:
    old = await run_under(shop, STAGES[1], DecidedAtStartWorkflow, paid=False)
    assert scheduled(old) == ["confirm_order", "charge_payment", "ship_parcel"]
    new = await run_under(shop, DecidedAtStartWorkflow, DecidedAtStartWorkflow, paid=False)
    assert scheduled(new) == ["confirm_order", "check_fraud", "charge_payment", "ship_parcel"]


async def test_newest_patch_first(shop: Shop, replay: Callable[..., Awaitable[int]]) -> None:
    history = await run_under(shop, TwoPatchesWorkflow, TwoPatchesWorkflow, paid=False)
    assert scheduled(history)[1:4] == ["check_address", "check_fraud", "charge_payment"]
    assert kinds(history).count("MARKER_RECORDED") == 1
    for stage in (1, 2):
        assert await replay(PATTERN.history_file(f"stufe-{stage}"), workflows=[TwoPatchesWorkflow]) == 1


async def test_a_run_of_stage_3_outlives_the_patch(shop: Shop) -> None:
    """Die aufgezeichnete Marke kann älter sein als der Code; hier hat sie der heutige Stand gesetzt."""
    history = await run_under(shop, STAGES[3], STAGES[3], paid=False)
    assert "MARKER_RECORDED" in kinds(history)
    assert await matrix.verdict(history, STAGES[4]) == ""


@pytest.mark.parametrize("code", [STAGES[2], STAGES[3], STAGES[4], TwoPatchesWorkflow])
async def test_suspicious_order_fails_before_the_payment(shop: Shop, code: type) -> None:
    placed = new_order(amount=CREDIT_LIMIT)
    handle = await shop.start(placed)
    async with shop.code(code):
        with pytest.raises(WorkflowFailureError) as failure:
            await shop.finish(handle)
    assert isinstance(failure.value.cause, ApplicationError)
    assert failure.value.cause.type == SUSPICIOUS
    booked = dict(entries(shop.folder, placed.order.number))
    assert (booked["Prüfungen"], {"Zahlungen", "Pakete"} & booked.keys()) == (1, set())


async def test_cancelled_while_waiting_for_stock(shop: Shop) -> None:
    placed = new_order()
    handle = await shop.start(placed)
    async with shop.code(STAGES[2]):
        await shop.waiting(handle, 1)
        await handle.cancel()
        with pytest.raises(WorkflowFailureError) as failure:
            await result(handle, 30)
    assert isinstance(failure.value.cause, CancelledError)
    assert dict(entries(shop.folder, placed.order.number)) == {"Bestätigungen": 1}


@pytest.mark.parametrize("action", [ActivityAction.DUPLICATE_CONCURRENTLY, ActivityAction.FAIL_AFTER])
async def test_delivered_twice_booked_once(timelapse: Timelapse, tmp_path: Path, action: ActivityAction) -> None:
    names = [method.__name__ for method in OrderActivities(tmp_path).all() if method.__name__ != "check_address"]
    plan = FaultPlan(tuple(ActivityFault(name, action) for name in names))
    placed = new_order()

    def create(client: Any, task_queue: str) -> Any:
        made = worker.create_worker(client, tmp_path, task_queue=task_queue)
        assert made.config()["workflows"] == [STAGES[2]]
        return made

    async with open_worker(timelapse, create=create, plan=plan) as running:
        shipped = await running.execute("OrderWorkflow", placed, result_type=Shipped, timeout=30)
        assert len(running.fired) == len(names)
    assert shipped.parcel == f"P-{placed.order.number}"
    booked = {"Bestätigungen": 1, "Prüfungen": 1, "Zahlungen": 1, "Pakete": 1}
    assert dict(entries(tmp_path, placed.order.number)) == booked


# --- Ausliefern ------------------------------------------------------------------------------------------------------


async def test_switched_off_patch_can_be_rolled_back(shop: Shop) -> None:
    """Ein neuer Worker mit ausgeschaltetem Patch hinterlässt keine Marke: Der alte Code kann übernehmen."""
    handle = await shop.start(new_order())
    client = shop.timelapse.client_for("worker-1")
    async with worker.create_worker(client, shop.folder, task_queue=shop.task_queue, stage=2, activate=False):
        await shop.paid(handle)
    assert "MARKER_RECORDED" not in kinds(await handle.fetch_history())
    async with worker.create_worker(client, shop.folder, task_queue=shop.task_queue, stage=1):
        history = await shop.finish(handle)
    assert scheduled(history) == ["confirm_order", "charge_payment", "ship_parcel"]


async def test_switched_off_patch_still_follows_a_marker(shop: Shop) -> None:
    handle = await shop.start(new_order())
    client = shop.timelapse.client_for("worker-1")
    async with worker.create_worker(client, shop.folder, task_queue=shop.task_queue, stage=2):
        await shop.paid(handle)
    async with worker.create_worker(client, shop.folder, task_queue=shop.task_queue, stage=2, activate=False):
        history = await shop.finish(handle)
    assert "WORKFLOW_TASK_FAILED" not in kinds(history)
    assert "check_fraud" in scheduled(history)


async def test_who_still_needs_the_old_path(shop: Shop) -> None:
    """Vier offene Läufe, ein beendeter: Stufe 3 und 4 fragen nach verschiedenen."""
    client = shop.timelapse.client

    async def blocking(query: str) -> set[str]:
        return set(await rollout.found(client, f"{query} AND TaskQueue = '{shop.task_queue}'"))

    async def place(code: type) -> str:
        handle = await shop.start(new_order())
        async with shop.code(code):
            await shop.paid(handle)
        return handle.id

    async with shop.code(STAGES[1]):
        await shop.finish(await shop.start(new_order()))
    without = await place(STAGES[1])
    other_patch = await place(TwoPatchesWorkflow)
    patched = await place(STAGES[2])
    since = datetime.now(UTC)
    deprecated = await place(STAGES[3])
    # Ein Lauf eines anderen Typs, ohne Marke: Er geht diese Auslieferung nichts an.
    other_type = await shop.start(new_order(), workflow="StandingOrderWorkflow")

    async def indexed() -> bool:
        marked = await blocking(f"TemporalChangeVersion IN ('{FRAUD_CHECK}', '{ADDRESS_CHECK}')")
        closed = await blocking("ExecutionStatus = 'Completed'")
        others = await blocking("WorkflowType = 'StandingOrderWorkflow'")
        return marked == {other_patch, patched, deprecated} and len(closed) == 1 and others == {other_type.id}

    await until(indexed)
    assert await blocking(rollout.blocks_stage_3()) == {without, other_patch}
    assert await blocking(rollout.blocks_stage_4(since)) == {patched}
    assert await blocking(rollout.blocks_stage_4(since + timedelta(days=1))) == {patched, deprecated}


async def test_a_closed_run_breaks_only_when_it_is_asked(shop: Shop) -> None:
    async with shop.code(STAGES[1]):
        handle = await shop.start(new_order())
        history = await shop.finish(handle)
        await handle.query("__stack_trace")
    async with shop.code(STAGES[4]):
        with pytest.raises((WorkflowQueryFailedError, RPCError), match="TMPRL1100"):
            await handle.query("__stack_trace")
    assert len((await handle.fetch_history()).events) == len(history.events)


async def test_a_reset_before_the_line_frees_a_run_under_clean_code(shop: Shop) -> None:
    """Ohne Patch ausgeliefert: Der alte Lauf geht von der Zeit vor der Zahlung an noch einmal, mit Prüfung."""
    placed = new_order()
    handle = await shop.start(placed)
    client = shop.timelapse.client
    async with shop.code(STAGES[1]):
        await shop.paid(handle)
    fired = kinds(await handle.fetch_history()).index("TIMER_FIRED")
    completed = kinds(await handle.fetch_history()).index("WORKFLOW_TASK_COMPLETED", fired) + 1
    answer = await client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=handle.id, run_id=handle.first_execution_run_id or ""),
            reason="Prüfung nachholen",
            workflow_task_finish_event_id=completed,
            request_id=handle.id,
        )
    )
    again = client.get_workflow_handle(handle.id, run_id=answer.run_id)
    async with shop.code(STAGES[4]):
        history = await shop.finish(again)
    assert scheduled(history) == ["confirm_order", "check_fraud", "charge_payment", "ship_parcel"]
    booked = {"Bestätigungen": 1, "Prüfungen": 1, "Zahlungen": 1, "Pakete": 1}
    assert dict(entries(shop.folder, placed.order.number)) == booked


@pytest.mark.parametrize(
    ("words", "query"),
    [
        (["klemmt"], rollout.STUCK),
        (["stufe-3"], rollout.blocks_stage_3()),
        (
            ["stufe-4", "--seit", "2026-11-24T08:00+01:00"],
            rollout.blocks_stage_4(datetime(2026, 11, 24, 7, tzinfo=UTC)),
        ),
    ],
)
def test_command_line(words: list[str], query: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def ask(text: str) -> list[str]:
        asked.append(text)
        return ["auftrag-1"] if len(asked) == 1 else []

    monkeypatch.setattr(rollout, "ask", ask)
    assert rollout.main(words) == 1
    assert rollout.main(words) == 0
    assert asked == [query, query]


def test_command_line_without_server_or_time_zone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    assert rollout.main(["klemmt"]) == 2
    assert capsys.readouterr().err == (
        "Der Temporal Server 127.0.0.1:1 antwortet nicht. Läuft er, und stimmt TEMPORAL_ADDRESS?\n"
    )
    with pytest.raises(SystemExit, match="2"):
        rollout.main(["stufe-4", "--seit", "2026-11-24T08:00"])


@pytest.mark.parametrize(("variable", "stage"), [(None, 2), ("1", 1), ("3", 3)])
def test_the_worker_runs_the_stage_it_was_told(
    variable: str | None, stage: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ohne Angabe ist es Stufe 2: Stufe 3 zu früh ließe alte Läufe klemmen."""
    started: list[int] = []

    async def connect() -> None:
        """Braucht keinen Server."""

    def create(client: None, folder: Path, *, stage: int = 0) -> None:
        started.append(stage)
        raise ConnectionError

    monkeypatch.setattr(worker, "connect", connect)
    monkeypatch.setattr(worker, "create_worker", create)
    monkeypatch.delenv("NORDLICHT_STUFE", raising=False)
    if variable:
        monkeypatch.setenv("NORDLICHT_STUFE", variable)
    assert (worker.main(), started) == (2, [stage])


def test_worker_names_what_is_wrong(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("NORDLICHT_STUFE", "5")
    assert worker.main() == 2
    assert capsys.readouterr().err == "NORDLICHT_STUFE muss 1, 2, 3 oder 4 sein.\n"
    monkeypatch.setenv("NORDLICHT_STUFE", "3")
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    assert worker.main() == 2
    assert "127.0.0.1:1 antwortet nicht" in capsys.readouterr().err
