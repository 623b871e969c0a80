"""Das Muster `circuit_breaker`: der Schalter für sich, als Workflow, vor vielen Aufträgen – und sein Ausfall."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import pytest
from breaker_hilfen import SETTINGS, attempts, events, open_fleet
from hypothesis import given, settings
from hypothesis import strategies as st
from temporalio.api.enums.v1 import ApplicationErrorCategory, EventType
from temporalio.client import WorkflowFailureError, WorkflowHistory
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError
from temporalio.testing import ActivityEnvironment
from temporalio.worker import ActivityInboundInterceptor

from dauerlauf.history import load
from dauerlauf.scenario import Run
from dauerlauf.timelapse import Timelapse, result
from hilfen import kinds, play_selected, until
from kapitel07.circuit_breaker.activities import HTTP_TIMEOUT_SECONDS, TECHNICAL, Addresses, OrderActivities
from kapitel07.circuit_breaker.breaker import Answer, Breaker, BreakerSettings, Permit, Report, State
from kapitel07.circuit_breaker.interceptor import CIRCUIT_OPEN, UNASKED, BreakerInterceptor, ProcessBreaker
from kapitel07.circuit_breaker.models import Patience
from kapitel07.circuit_breaker.scenarios import PATTERN, failed, order
from kapitel07.circuit_breaker.services import Carrier, confirmations
from kapitel07.circuit_breaker.worker import Form
from kapitel07.circuit_breaker.workflow import BreakerWorkflow

# Szenario: Status, Aufrufe beim Dienst, Pakete, Stellung und Wechsel des gemeinsamen Schalters.
EXPECTED: dict[str, tuple[str, int, int, str]] = {
    "glatt": ("COMPLETED", 1, 1, "geschlossen, 1 Aufrufe erlaubt, 0 Wechsel"),
    "ohne-schalter": ("COMPLETED", 7, 1, ""),
    "schalter-oeffnet": ("COMPLETED", 4, 1, "geschlossen, 4 Aufrufe erlaubt, 3 Wechsel"),
    "probe-scheitert": ("COMPLETED", 5, 1, "geschlossen, 5 Aufrufe erlaubt, 5 Wechsel"),
    "im-prozess": ("COMPLETED", 4, 1, ""),
    "fachliches-nein": ("FAILED", 1, 0, "geschlossen, 1 Aufrufe erlaubt, 0 Wechsel"),
    "abbruch": ("CANCELED", 3, 0, "offen, 3 Aufrufe erlaubt, 1 Wechsel"),
    "der-schalter": ("TERMINATED", 4, 1, "geschlossen, 4 Aufrufe erlaubt, 3 Wechsel"),
    "worker-stirbt": ("COMPLETED", 1, 1, "geschlossen, 4 Aufrufe erlaubt, 3 Wechsel"),
}


def test_every_scenario_has_an_expectation() -> None:
    assert set(EXPECTED) == set(PATTERN.scenarios)


@pytest.fixture(scope="module")
async def played(request: pytest.FixtureRequest, timelapse: Timelapse) -> Mapping[str, Run]:
    """Die Szenarien, die dieser Testlauf prüft, gleichzeitig gespielt."""
    return await play_selected(request, timelapse, PATTERN, own_ids="versand-")


@pytest.mark.parametrize("name", EXPECTED)
def test_scenario(name: str, played: Mapping[str, Run]) -> None:
    status, calls, parcels, breaker = EXPECTED[name]
    run = played[name]
    assert run.status == status
    assert f"Aufrufe beim Versanddienst: {calls}, Pakete: {parcels}, Bestätigungen: {parcels}" in run.notes
    assert [note for note in run.notes if note.startswith("Schalter")] == ([f"Schalter: {breaker}"] if breaker else [])


@pytest.mark.parametrize("name", PATTERN.scenarios)
async def test_recorded_history_replays(name: str, replay: Callable[..., Awaitable[int]]) -> None:
    assert await replay(PATTERN.history_file(name), workflows=PATTERN.workflows) == 1


def _kinds(name: str) -> list[str]:
    """Die Events einer Aufzeichnung ohne das, was der Zeitraffer dazuschreibt."""
    recorded = kinds(load(PATTERN.history_file(name)))
    return [kind for kind in recorded if "TIME_SKIPPING" not in kind and "OPTIONS_UPDATED" not in kind]


def test_an_order_has_the_same_events_with_and_without_a_breaker() -> None:
    assert _kinds("glatt") == _kinds("ohne-schalter") == _kinds("schalter-oeffnet") == _kinds("probe-scheitert")
    assert len(_kinds("glatt")) == 17


def test_every_question_and_every_report_costs_five_events() -> None:
    task = ["WORKFLOW_TASK_SCHEDULED", "WORKFLOW_TASK_STARTED", "WORKFLOW_TASK_COMPLETED"]
    update = [*task, "WORKFLOW_EXECUTION_UPDATE_ACCEPTED", "WORKFLOW_EXECUTION_UPDATE_COMPLETED"]
    # Den ersten Workflow-Task bekommt der Schalter mit dem Start.
    assert _kinds("der-schalter") == ["WORKFLOW_EXECUTION_STARTED", *task, *update * 8, "WORKFLOW_EXECUTION_TERMINATED"]


# --- Der Schalter für sich -------------------------------------------------------------------------------------------


def _permit(breaker: Breaker, now: float = 0) -> Permit:
    permit = breaker.ask(now).permit
    assert permit is not None
    return permit


def _opened(**changes: Any) -> Breaker:
    breaker = Breaker(BreakerSettings(**{"failures_to_open": 3, "cooldown": 30, "probes": 2, **changes}))
    for _ in range(breaker.settings.failures_to_open):
        breaker.report(Report(_permit(breaker), answered=False), 0)
    assert breaker.state is State.OPEN
    return breaker


def test_opens_at_the_configured_number_of_failures_in_a_row() -> None:
    breaker = Breaker(SETTINGS)
    for answered in (False, False, True, False, False):
        breaker.report(Report(_permit(breaker), answered), 0)
    assert breaker.state is State.CLOSED
    breaker.report(Report(_permit(breaker), answered=False), 0)
    assert (breaker.state, breaker.refusal(29.9) > 0, breaker.refusal(30)) == (State.OPEN, True, 0)


def test_success_is_reported_only_where_it_matters() -> None:
    breaker = Breaker(SETTINGS)
    assert not _permit(breaker).report_success
    breaker.report(Report(_permit(breaker), answered=False), 0)
    assert _permit(breaker).report_success
    assert _permit(_opened(), 30).report_success


def test_a_report_counts_once() -> None:
    breaker = Breaker(SETTINGS)
    failure = Report(_permit(breaker), answered=False)
    for _ in range(5):
        breaker.report(failure, 0)
    assert (breaker.state, len(breaker.failures)) == (State.CLOSED, 1)
    breaker = _opened()
    success = Report(_permit(breaker, 30), answered=True)
    breaker.report(success, 31)
    breaker.report(success, 31)
    assert breaker.state is State.HALF_OPEN


def test_a_late_report_from_an_earlier_phase_counts_for_nothing() -> None:
    breaker = Breaker(SETTINGS)
    late = [_permit(breaker) for _ in range(4)]
    for permit in late[:3]:
        breaker.report(Report(permit, answered=False), 0)
    probe = _permit(breaker, 30)
    breaker.report(Report(late[3], answered=False), 30)
    assert breaker.state is State.HALF_OPEN
    breaker.report(Report(probe, answered=False), 31)
    assert (breaker.state, breaker.open_until) == (State.OPEN, 61)
    for probe in [_permit(breaker, 61), _permit(breaker, 61)]:
        breaker.report(Report(probe, answered=True), 62)
    for permit in late:
        breaker.report(Report(permit, answered=False), 63)
    assert (breaker.state, breaker.failures) == (State.CLOSED, [])


def test_half_open_grants_no_more_after_a_probe_has_passed() -> None:
    breaker = _opened()
    first = _permit(breaker, 30)
    _permit(breaker, 30)
    breaker.report(Report(first, answered=True), 31)
    assert breaker.ask(31) == Answer(None, breaker.settings.probe_pause)


def test_probes_are_counted_anew_after_a_failed_one() -> None:
    breaker = _opened()
    first, second = _permit(breaker, 30), _permit(breaker, 30)
    breaker.report(Report(first, answered=True), 31)
    breaker.report(Report(second, answered=False), 31)
    breaker.report(Report(_permit(breaker, 61), answered=True), 62)
    assert breaker.state is State.HALF_OPEN
    breaker.report(Report(_permit(breaker, 62), answered=True), 63)
    assert breaker.state is State.CLOSED


def test_a_lost_probe_counts_as_failed() -> None:
    breaker = _opened(probe_timeout=10)
    _permit(breaker, 30)
    _permit(breaker, 31)
    assert breaker.ask(39).wait == breaker.settings.probe_pause
    assert breaker.ask(40).wait == 30
    assert breaker.state is State.OPEN


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("fraa+"), st.integers(0, 9)), max_size=80), st.integers(1, 4))
def test_open_grants_nothing_and_half_open_exactly_the_probes(steps: list[tuple[str, int]], probes: int) -> None:
    breaker = _opened(failures_to_open=2, cooldown=5, probes=probes, probe_timeout=20)
    now = 0.0
    outstanding: list[Permit] = []
    granted: dict[int, int] = {}
    passed: dict[int, int] = {}
    for step, number in steps:
        before, phase = breaker.state, breaker.phase
        if step == "a":
            open_until = breaker.open_until
            answer = breaker.ask(now)
            if before is State.OPEN and now < open_until:
                assert answer.permit is None
                assert answer.wait == open_until - now
            if answer.permit:
                outstanding.append(answer.permit)
                granted[breaker.phase] = granted.get(breaker.phase, 0) + (breaker.state is State.HALF_OPEN)
                assert granted[breaker.phase] <= probes
        elif step == "+":
            now += number
        elif outstanding:
            permit = outstanding.pop(number % len(outstanding))
            breaker.report(Report(permit, answered=step == "r"), now)
            passed[permit.phase] = passed.get(permit.phase, 0) + (step == "r")
            if before is State.HALF_OPEN and breaker.state is State.CLOSED:
                assert granted[phase] == passed[phase] == probes


# --- Der Schalter als Workflow ---------------------------------------------------------------------------------------


async def test_a_refused_question_leaves_no_event(timelapse: Timelapse, tmp_path: Path) -> None:
    async with open_fleet(timelapse, tmp_path) as fleet:
        guard = fleet.guard()
        for _ in range(3):
            permit = (await guard.ask()).permit
            assert permit is not None
            await guard.report(Report(permit, answered=False))
        before = await events(fleet.world.breaker)
        # Jeder Frager ist neu: Er weiß noch nicht, dass der Schalter offen ist.
        waits = [(await fleet.guard().ask()).wait for _ in range(10)]
        assert all(25 < wait <= 30 for wait in waits)
        assert await events(fleet.world.breaker) == before


async def test_a_worker_that_heard_open_does_not_ask_again(timelapse: Timelapse, tmp_path: Path) -> None:
    async with open_fleet(timelapse, tmp_path) as fleet:
        await _open(fleet)
        metadata: Any = await fleet.world.breaker.query("__temporal_workflow_metadata")
        assert metadata.current_details == "Der Schalter ist offen."
        guard = fleet.guard()
        assert (await guard.ask()).permit is None
        await fleet.world.breaker.terminate()
        assert (await guard.ask()).permit is None
        await fleet.world.wait(31)
        assert (await guard.ask()).permit is not None


@pytest.mark.gruendlich  # Nach jeder Ablehnung wartet der Client in Echtzeit.
async def test_many_questions_at_once_are_all_answered(timelapse: Timelapse, tmp_path: Path) -> None:
    async with open_fleet(timelapse, tmp_path) as fleet:
        # Vier Frager stellen zwölf Fragen zugleich; ein Workflow nimmt nur zehn Updates auf einmal an.
        guards = [fleet.guard() for _ in range(4)]
        answers = await asyncio.gather(*(guard.ask() for guard in guards for _ in range(3)))
        assert sorted(a.permit.number for a in answers if a.permit) == list(range(1, 13))


async def test_a_duplicate_question_gets_the_same_permit(timelapse: Timelapse, tmp_path: Path) -> None:
    async with open_fleet(timelapse, tmp_path) as fleet:
        await fleet.guard().ask()
        first = await fleet.world.breaker.execute_update(BreakerWorkflow.ask, id="frage")
        second = await fleet.world.breaker.execute_update(BreakerWorkflow.ask, id="frage")
        assert first == second
        assert (await fleet.world.status()).granted == 2


async def test_continue_as_new_keeps_the_state(timelapse: Timelapse, tmp_path: Path) -> None:
    few = BreakerSettings(failures_to_open=3, cooldown=30, probes=1, events_per_run=20)
    async with open_fleet(timelapse, tmp_path, settings=few) as fleet:
        guard = fleet.guard(settings=few)
        permits = []
        for _ in range(6):
            permit = (await guard.ask()).permit
            assert permit is not None
            permits.append(permit)
        await guard.report(Report(permits[0], answered=False))
        first_run = (await fleet.world.breaker.describe()).run_id

        async def moved() -> bool:
            return (await fleet.world.breaker.describe()).run_id != first_run

        while not await moved():
            await guard.ask()
        status = await fleet.world.status()
        assert (status.failures, status.granted >= 6) == ([1], True)
        # Dieselbe Meldung noch einmal: Die Update-ID ist im neuen Lauf unbekannt, die Nummer der Erlaubnis nicht.
        await guard.report(Report(permits[0], answered=False))
        assert (await fleet.world.status()).failures == [1]
        for permit in permits[1:3]:
            await guard.report(Report(permit, answered=False))
        assert (await fleet.world.status()).state is State.OPEN


@pytest.mark.gruendlich  # Nach jeder Ablehnung wartet der Client in Echtzeit.
async def test_questions_during_continue_as_new_are_answered(timelapse: Timelapse, tmp_path: Path) -> None:
    few = BreakerSettings(events_per_run=12)
    async with open_fleet(timelapse, tmp_path, settings=few) as fleet:
        guards = [fleet.guard(settings=few) for _ in range(2)]
        answers = await asyncio.gather(*(guard.ask() for guard in guards for _ in range(4)))
        assert sorted(a.permit.number for a in answers if a.permit) == list(range(1, 9))
        assert (await fleet.world.breaker.describe()).raw_description.workflow_execution_info.first_run_id != (
            await fleet.world.breaker.describe()
        ).run_id


async def test_a_missing_breaker_is_started_by_the_next_question(timelapse: Timelapse, tmp_path: Path) -> None:
    async with open_fleet(timelapse, tmp_path) as fleet:
        await _open(fleet)
        await fleet.world.breaker.terminate()
        # Die Meldung findet keinen Schalter mehr; der Aufruf selbst bleibt, wie er war.
        await fleet.guard().report(Report(Permit(99, 0, report_success=False), answered=False))
        assert (await fleet.guard().ask()).permit == Permit(1, 0, report_success=False)


async def test_an_unreachable_breaker_lets_calls_through_unless_it_was_open(
    timelapse: Timelapse, tmp_path: Path
) -> None:
    short = timedelta(seconds=0.2)
    async with open_fleet(timelapse, tmp_path) as fleet:
        await _open(fleet)
        heard_open = fleet.guard(patience=short)
        assert (await heard_open.ask()).permit is None
        heard_closed_since = fleet.guard()
        assert (await heard_closed_since.ask()).permit is None
        never_asked = fleet.guard(patience=short)
        await fleet.world.breaker.terminate()
        await fleet.world.wait(31)
        assert (await heard_closed_since.ask()).permit is not None
        await fleet.world.breaker.terminate()
        heard_open._task_queue = never_asked._task_queue = heard_closed_since._task_queue = "niemand"
        assert (await never_asked.ask()).permit is UNASKED
        heard_closed_since._patience = short
        assert (await heard_closed_since.ask()).permit is UNASKED
        refusal = await heard_open.ask()
        assert (refusal.permit, refusal.wait) == (None, SETTINGS.probe_pause)


async def test_orders_go_on_while_the_breaker_is_unreachable(
    timelapse: Timelapse, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_fleet(timelapse, tmp_path, patience=timedelta(seconds=0.2)) as fleet:
        # Ein Schalter, dessen Task Queue kein Worker bedient: Er lebt, aber er antwortet nie.
        await timelapse.client.start_workflow(
            BreakerWorkflow.run, Breaker(SETTINGS), id=fleet.world.breaker.id, task_queue="niemand"
        )
        fleet.carrier.failures_left = 1
        [handle] = await fleet.place()
        await result(handle, 20)
        assert fleet.every_order_exactly_once()
        # Wer ohne Erlaubnis anrief, wartet nicht auch noch mit einer Meldung.
        assert "antwortet nicht" in caplog.text
        assert "nimmt keine Meldung an" not in caplog.text
        # Auch wer eine Erlaubnis hatte, wartet mit seiner Meldung nicht ewig: Der Dienst hat das Paket ja schon.
        report = fleet.guard(patience=timedelta(seconds=0.2)).report(Report(Permit(1, 0, True), answered=True))
        # Kein `wait_for`: Dessen Abbruch gälte dem Client schon als Timeout.
        done, _ = await asyncio.wait([asyncio.create_task(report)], timeout=5)
        assert done
        await fleet.world.breaker.terminate()


# --- Der Schalter vor vielen Aufträgen -------------------------------------------------------------------------------


async def _open(fleet: Any) -> None:
    guard = fleet.guard()
    for _ in range(3):
        permit = (await guard.ask()).permit
        assert permit is not None
        await guard.report(Report(permit, answered=False))
    assert (await fleet.world.status()).state is State.OPEN


async def test_while_open_not_one_call_reaches_the_service(timelapse: Timelapse, tmp_path: Path) -> None:
    async with open_fleet(timelapse, tmp_path, workers=3) as fleet:
        fleet.carrier.down = True
        handles = await fleet.place(6)

        async def opened() -> bool:
            try:
                return (await fleet.world.status()).state is State.OPEN
            except RPCError:  # Noch hat niemand gefragt.
                return False

        await until(opened)
        # Erlaubt waren diese Aufrufe, bevor der Schalter öffnete.
        granted = (await fleet.world.status()).granted
        await until(lambda: fleet.carrier.arrivals == granted)
        handles += await fleet.place(4)

        async def each_was_refused_often() -> bool:
            return min(await asyncio.gather(*map(attempts, handles))) >= 4

        await until(each_was_refused_often)
        assert fleet.carrier.arrivals == granted == (await fleet.world.status()).granted
        fleet.carrier.down = False
        await fleet.world.wait(31)
        await until(lambda: len(fleet.carrier.calls) >= granted + SETTINGS.probes)
        await fleet.world.wait(SETTINGS.probe_pause)
        await asyncio.gather(*(result(handle, 20) for handle in handles))
        assert fleet.every_order_exactly_once()


async def test_half_open_sends_exactly_the_configured_probes(timelapse: Timelapse, tmp_path: Path) -> None:
    async with open_fleet(timelapse, tmp_path, workers=3) as fleet:
        await _open(fleet)
        handles = await fleet.place(6)
        for handle in handles:
            await failed(handle, CIRCUIT_OPEN)
        gate = fleet.carrier.gate = Event()
        await fleet.world.wait(31)
        await until(lambda: fleet.carrier.arrivals == SETTINGS.probes)
        before = [await attempts(handle) for handle in handles]

        async def others_asked_again() -> bool:
            now = await asyncio.gather(*map(attempts, handles))
            return sum(new > old + 1 for new, old in zip(now, before, strict=True)) == len(handles) - SETTINGS.probes

        await until(others_asked_again)
        assert fleet.carrier.arrivals == SETTINGS.probes
        assert (await fleet.world.status()).state is State.HALF_OPEN
        gate.set()
        await until(lambda: len(fleet.carrier.calls) == SETTINGS.probes)
        await fleet.world.wait(SETTINGS.probe_pause)
        await asyncio.gather(*(result(handle, 20) for handle in handles))
        assert fleet.every_order_exactly_once()


async def test_a_breaker_per_process_pays_once_per_process(timelapse: Timelapse, tmp_path: Path) -> None:
    workers = 2
    async with open_fleet(timelapse, tmp_path, workers=workers, form=Form.PROCESS) as fleet:
        fleet.carrier.down = True
        handles = await fleet.place(6)

        async def each_was_refused_often() -> bool:
            return min(await asyncio.gather(*map(attempts, handles))) >= 6

        await until(each_was_refused_often)
        assert fleet.carrier.arrivals >= workers * SETTINGS.failures_to_open
        before = fleet.carrier.arrivals
        gate = fleet.carrier.gate = Event()
        fleet.carrier.down = False
        fleet.world.ahead += 31
        await until(lambda: fleet.carrier.arrivals - before == workers * SETTINGS.probes)
        gate.set()
        await until(lambda: len(fleet.carrier.calls) >= before + workers * SETTINGS.probes)
        fleet.world.ahead += SETTINGS.probe_pause
        await asyncio.gather(*(result(handle, 20) for handle in handles))
        assert fleet.every_order_exactly_once()


async def test_only_technical_errors_count(timelapse: Timelapse, tmp_path: Path) -> None:
    async with open_fleet(timelapse, tmp_path) as fleet:
        fleet.carrier.rejects = True
        handles = await fleet.place(5)
        for handle in handles:
            with pytest.raises(WorkflowFailureError):
                await result(handle)
        status = await fleet.world.status()
        assert (status.state, status.failures, status.granted) == (State.CLOSED, [], 5)


@pytest.mark.parametrize(("status", "final"), [(401, False), (422, True), (429, False), (503, False)])
def test_only_a_no_is_final(status: int, final: bool, tmp_path: Path) -> None:
    activities = OrderActivities(Addresses(tmp_path, "http://versand"))
    answer = httpx.Response(status, json={"message": "nein"})
    activities._http = httpx.Client(transport=httpx.MockTransport(lambda _: answer))
    with pytest.raises(ApplicationError) as error:
        activities.register_parcel(order("N-1"))
    assert (error.value.non_retryable, error.value.type in TECHNICAL) == (final, status == 503)


async def test_a_no_proves_that_the_service_works(timelapse: Timelapse, tmp_path: Path) -> None:
    async with open_fleet(timelapse, tmp_path) as fleet:
        await _open(fleet)
        await fleet.world.wait(31)
        fleet.carrier.rejects = True
        for handle in await fleet.place(2):
            with pytest.raises(WorkflowFailureError):
                await result(handle)
        assert (await fleet.world.status()).state is State.CLOSED


async def test_no_answer_is_a_technical_error(timelapse: Timelapse, tmp_path: Path) -> None:
    async with open_fleet(timelapse, tmp_path) as fleet:
        fleet.carrier.lost_answers = 2
        [handle] = await fleet.place()
        await result(handle)
        assert (fleet.carrier.arrivals, fleet.every_order_exactly_once()) == (3, True)
        # Zwei Fragen mit Fehlern, eine mit Erfolg, der die Fehler löscht.
        assert (await fleet.world.status()).failures == []
        assert await _reports(fleet.world.breaker) == 3
        # Ein Erfolg, der nichts ändert, wird nicht gemeldet.
        await asyncio.gather(*(result(handle) for handle in await fleet.place(2)))
        assert await _reports(fleet.world.breaker) == 3
        assert Patience().call_timeout > HTTP_TIMEOUT_SECONDS


async def _reports(breaker: Any) -> int:
    history: WorkflowHistory = await breaker.fetch_history()
    return sum(
        event.workflow_execution_update_accepted_event_attributes.accepted_request.input.name == "report"
        for event in history.events
    )


async def test_refusal_is_benign_and_names_the_next_attempt(
    timelapse: Timelapse, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_fleet(timelapse, tmp_path) as fleet:
        await _open(fleet)
        with caplog.at_level(logging.WARNING, "temporalio"):
            [handle] = await fleet.place(skipped=False)
            await failed(handle, CIRCUIT_OPEN)
        assert caplog.records == []
        [pending] = (await handle.describe()).raw_description.pending_activities
        info = pending.last_failure.application_failure_info
        assert info.category == ApplicationErrorCategory.APPLICATION_ERROR_CATEGORY_BENIGN
        assert 25 < info.next_retry_delay.ToTimedelta().total_seconds() <= 30
        assert 25 < pending.current_retry_interval.ToTimedelta().total_seconds() <= 30
        assert fleet.carrier.arrivals == 0


class _Notebook:
    """Erlaubt alles und schreibt auf, was ihm gemeldet wird."""

    def __init__(self) -> None:
        self.reports: list[Report] = []

    async def ask(self) -> Answer:
        return Answer(Permit(1, 1, report_success=True))

    async def report(self, report: Report) -> None:
        self.reports.append(report)


class _Buggy(ActivityInboundInterceptor):
    async def execute_activity(self, input: Any) -> Any:
        raise ZeroDivisionError


async def test_a_bug_says_nothing_about_the_service() -> None:
    environment, notebook = ActivityEnvironment(), _Notebook()
    interceptor = BreakerInterceptor(notebook, frozenset({environment.info.activity_type}))
    guarded: Any = interceptor.intercept_activity(_Buggy(None))  # type: ignore[arg-type]
    with pytest.raises(ZeroDivisionError):
        await environment.run(guarded.execute_activity, None)
    assert notebook.reports == []


def test_the_wait_is_spread_upwards() -> None:
    interceptor = BreakerInterceptor(ProcessBreaker(SETTINGS), frozenset(), spread=5)
    guarded: Any = interceptor.intercept_activity(ActivityInboundInterceptor(None))  # type: ignore[arg-type]
    waits = {guarded._open(30).next_retry_delay.total_seconds() for _ in range(20)}
    assert len(waits) > 1
    assert all(30 <= wait <= 35 for wait in waits)


async def test_other_activities_do_not_ask(timelapse: Timelapse, tmp_path: Path) -> None:
    async with open_fleet(timelapse, tmp_path) as fleet:
        [handle] = await fleet.place()
        await result(handle)
        assert (await fleet.world.status()).granted == 1
        assert confirmations(tmp_path).total() == 1


async def test_limited_attempts_are_used_up_without_a_call(timelapse: Timelapse, tmp_path: Path) -> None:
    async with open_fleet(timelapse, tmp_path) as fleet:
        await _open(fleet)
        [handle] = await fleet.place(attempts=3)
        with pytest.raises(WorkflowFailureError):
            await result(handle)
        assert fleet.carrier.arrivals == 0


async def test_the_deadline_ends_the_wait(timelapse: Timelapse, tmp_path: Path) -> None:
    async with open_fleet(timelapse, tmp_path) as fleet:
        await _open(fleet)
        [handle] = await fleet.place(deadline_days=0.001)
        with pytest.raises(WorkflowFailureError):
            await result(handle)
        history = await handle.fetch_history()
        assert [
            e
            for e in history.events
            if e.event_type in (EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED, EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT)
        ]
        assert fleet.carrier.arrivals == 0


def test_the_carrier_books_each_key_once(tmp_path: Path) -> None:
    service = Carrier(tmp_path)
    try:
        for _ in range(3):
            service.answer("N-1", {"number": "N-1", "postal_code": "24937"})
        assert service.parcels() == {"N-1": 1}
    finally:
        service.close()
