"""Das Muster `rate_limit`: Limits von Worker und Task Queue, Fairness, Retry-After und das Kontingent."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ratelimit_hilfen import ALMOST_NEVER, Shop, attempts, calm, open_shop, small
from temporalio.api.enums.v1 import ApplicationErrorCategory
from temporalio.client import WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.testing import ActivityEnvironment

from dauerlauf.history import load
from dauerlauf.scenario import Run
from dauerlauf.timelapse import Timelapse, result
from hilfen import count, kinds, play_selected, until
from kapitel09.rate_limit.activities import (
    BOOKED_OUT,
    EXPIRED,
    TOO_MANY,
    LabelActivities,
    PermitActivities,
    retry_after,
)
from kapitel09.rate_limit.comparison import busiest
from kapitel09.rate_limit.limits import WORKER_BURST, queue_rate, set_queue_limit, worker_rate
from kapitel09.rate_limit.models import LabelCall, LabelOrder, PermitRequest
from kapitel09.rate_limit.quota import Permit, PermitBook, Quota
from kapitel09.rate_limit.scenarios import CUSTOMER, PATTERN, calm_zone, quota
from kapitel09.rate_limit.services import http_date, label_service
from kapitel09.rate_limit.workflow import QuotaWorkflow

BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 11, 23, 12, tzinfo=BERLIN).astimezone(UTC)

# Szenario: Status, Anfragen beim Dienst, davon mit 429, Etiketten, vergebene Erlaubnisse.
EXPECTED: dict[str, tuple[str, int, int, int, int | None]] = {
    "glatt": ("COMPLETED", 1, 0, 1, None),
    "retry-after": ("COMPLETED", 3, 2, 1, None),
    "wartet-auf-die-zeit": ("COMPLETED", 1, 0, 1, 2),
    "neuer-versuch": ("COMPLETED", 2, 0, 1, 2),
    "ausgebucht": ("COMPLETED", 1, 0, 1, None),
    "abbruch": ("CANCELED", 0, 0, 0, None),
    "worker-stirbt": ("COMPLETED", 1, 0, 1, 2),
}
ENTITY = "das-kontingent"


def test_every_scenario_has_an_expectation() -> None:
    assert {*EXPECTED, ENTITY} == set(PATTERN.scenarios)


@pytest.fixture(scope="module")
async def played(request: pytest.FixtureRequest, timelapse: Timelapse) -> Mapping[str, Run]:
    """Die Szenarien, die dieser Testlauf prüft, gleichzeitig gespielt."""
    return await play_selected(request, timelapse, PATTERN, own_ids="etikett-")


@pytest.mark.parametrize("name", EXPECTED)
def test_scenario(name: str, played: Mapping[str, Run]) -> None:
    status, calls, refused, labels, granted = EXPECTED[name]
    run = played[name]
    assert run.status == status
    assert f"Anfragen beim Etikettendienst: {calls}, davon mit 429: {refused}, Etiketten: {labels}" in run.notes
    assert granted is None or f"Kontingent: {granted} Erlaubnisse vergeben" in run.notes


@pytest.mark.szenarien(ENTITY)
def test_scenario_of_the_quota_itself(played: Mapping[str, Run]) -> None:
    run = played[ENTITY]
    assert run.notes == ["Abstand der beiden Erlaubnisse: 308 s", "Dieselbe Frage, dieselbe Antwort: ja"]


@pytest.mark.parametrize("name", PATTERN.scenarios)
async def test_recorded_history_replays(name: str, replay: Callable[..., Awaitable[int]]) -> None:
    assert await replay(PATTERN.history_file(name), workflows=PATTERN.workflows) == 1


def test_every_question_costs_the_quota_five_events() -> None:
    task = ["WORKFLOW_TASK_SCHEDULED", "WORKFLOW_TASK_STARTED", "WORKFLOW_TASK_COMPLETED"]
    update = [*task, "WORKFLOW_EXECUTION_UPDATE_ACCEPTED", "WORKFLOW_EXECUTION_UPDATE_COMPLETED"]
    recorded = kinds(load(PATTERN.history_file(ENTITY)))
    assert recorded == ["WORKFLOW_EXECUTION_STARTED", *task, *update * 3, "WORKFLOW_EXECUTION_TERMINATED"]


def test_waiting_costs_a_timer_and_no_slot() -> None:
    waited = load(PATTERN.history_file("wartet-auf-die-zeit"))
    assert (count(waited, "TIMER_STARTED"), count(waited, "ACTIVITY_TASK_SCHEDULED")) == (1, 2)


# --- Worker und Task Queue: zählen statt messen ----------------------------------------------------------------------


async def test_a_worker_limit_multiplies_by_the_workers(timelapse: Timelapse) -> None:
    async with open_shop(timelapse) as shop:
        await shop.add_workers(3, per_worker=ALMOST_NEVER)
        await shop.place(12, skipped=False, queue=shop.calls_queue)
        await until(lambda: shop.arrived() >= 3)
        await shop.errands()
        assert shop.arrived() == 3


async def test_a_queue_limit_holds_over_all_workers(timelapse: Timelapse) -> None:
    async with open_shop(timelapse) as shop:
        await shop.add_workers(3, per_queue=ALMOST_NEVER)
        await shop.place(12, skipped=False, queue=shop.calls_queue)
        await until(lambda: shop.arrived() >= 1)
        await shop.errands()
        assert shop.arrived() == 1


async def test_a_limit_set_by_the_operator_beats_the_workers(timelapse: Timelapse) -> None:
    async with open_shop(timelapse) as shop:
        await set_queue_limit(timelapse.client, shop.calls_queue, per_second=ALMOST_NEVER)
        await shop.add_workers(3, per_queue=1000)
        handle = await shop.place(12, skipped=False, queue=shop.calls_queue)
        await until(lambda: shop.arrived() >= 1)
        await shop.errands()
        assert shop.arrived() == 1
        # Ohne Angabe ist das Limit aufgehoben, nicht beibehalten.
        await set_queue_limit(timelapse.client, shop.calls_queue)
        await result(handle, 20)


async def test_a_resting_queue_hands_out_a_second_at_once(timelapse: Timelapse) -> None:
    async with open_shop(timelapse) as shop:
        await shop.add_workers(1, per_queue=20)
        await result(await shop.place(30, skipped=False, queue=shop.calls_queue), 20)
        times = [call.at for call in shop.service.calls]
        # 20 je Sekunde sind hier 30 in der ersten Sekunde; auf einer ruhigen Maschine in gut 0,5 s.
        assert busiest(times, 1.0) > 20


async def test_concurrency_is_no_rate(timelapse: Timelapse) -> None:
    async with open_shop(timelapse, threads=2) as shop:
        await result(await shop.place(20), 20)
        assert busiest([call.at for call in shop.service.calls], 5.0) > 10


@pytest.mark.parametrize(("limit", "window"), [(100, 60.0), (99, 9.0), (10, 1.0), (1000, 3600.0)])
def test_the_computed_queue_rate_keeps_every_window(limit: int, window: float) -> None:
    delay = 0.5
    rate = queue_rate(limit, window, delay)
    # Ein Vorrat von einer Sekunde auf einmal, danach gleichmäßig; die späte Ankunft schiebt den Vorrat ans Fenster.
    dispatched = [max(0.0, (number - 1 - rate) / rate) for number in range(3 * limit)]
    arrived = [max(at, delay) for at in dispatched]
    assert busiest(arrived, window) <= limit
    assert window < 60 or rate * window / limit >= 0.9
    # Zwei Worker, jeder mit seinem Vorrat.
    each = worker_rate(limit, window, 2, delay)
    begun = [max(0.0, (number - WORKER_BURST) / each) for number in range(1, limit + 1)]
    assert busiest([max(at, delay) for at in sorted(begun * 2)], window - 1e-9) <= limit
    assert round(queue_rate(100, 60, delay=2), 2) == 1.57


# --- Je Händler ------------------------------------------------------------------------------------------------------


async def _backlog(shop: Shop, weights: Mapping[str, float | None]) -> str:
    """Füllt die Task Queue, bevor ein Worker da ist; dann arbeitet einer mit einem Platz. Wer kam wann dran?"""
    handles = []
    for customer, weight in weights.items():
        number = 9 if customer == "A" else 3
        handle = await shop.place(number, customer=customer, skipped=False, queue=shop.calls_queue, weight=weight)

        async def waiting(handle: Any = handle, number: int = number) -> bool:
            return len(await attempts(handle)) == number

        await until(waiting)
        handles.append(handle)
    await shop.add_workers(1, threads=1)
    for handle in handles:
        await result(handle, 20)
    return "".join(call.customer for call in shop.service.calls)


async def test_without_a_key_the_large_customer_blocks_the_small_ones(timelapse: Timelapse) -> None:
    async with open_shop(timelapse) as shop:
        assert await _backlog(shop, {"A": None, "B": None, "C": None}) == "A" * 9 + "B" * 3 + "C" * 3


async def test_with_a_key_every_customer_takes_turns(timelapse: Timelapse) -> None:
    async with open_shop(timelapse) as shop:
        order = await _backlog(shop, {"A": 1.0, "B": 1.0, "C": 1.0})
        # Solange alle drei warten, bekommt jeder in jeder Runde einen.
        assert all(abs(Counter(order[:n])["A"] - n / 3) <= 2 for n in range(1, 10))
        assert Counter(order[:9]) == {"A": 3, "B": 3, "C": 3}


async def test_a_weight_is_a_share(timelapse: Timelapse) -> None:
    async with open_shop(timelapse) as shop:
        order = await _backlog(shop, {"A": 3.0, "B": 1.0, "C": 1.0})
        assert 5 <= Counter(order[:10])["A"] <= 7


async def test_a_limit_per_key_stops_one_customer_and_not_the_other(timelapse: Timelapse) -> None:
    async with open_shop(timelapse) as shop:
        queue = shop.calls_queue
        await set_queue_limit(timelapse.client, queue, per_key=ALMOST_NEVER, weights={"groß": 1e6})
        await shop.add_workers(2)
        slow = await shop.place(6, customer="klein", skipped=False, queue=queue, weight=1.0)
        await result(await shop.place(6, customer="groß", skipped=False, queue=queue, weight=1.0), 20)
        await until(lambda: shop.arrived("klein") >= 1)
        assert (shop.arrived("groß"), shop.arrived("klein"), len(await attempts(slow))) == (6, 1, 5)


# --- Das Signal des Anbieters ----------------------------------------------------------------------------------------


def test_retry_after_is_read_in_both_forms() -> None:
    now = datetime(2026, 11, 23, 12, tzinfo=UTC)
    assert retry_after("120", now) == timedelta(minutes=2)
    assert retry_after("Mon, 23 Nov 2026 12:00:30 GMT", now) == timedelta(seconds=30)
    assert retry_after("Mon, 23 Nov 2026 11:00:00 GMT", now) == timedelta()
    assert [retry_after(value, now) for value in (None, "", "bald", "-5", "1.5")] == [None] * 5


def test_the_wait_is_spread_upwards() -> None:
    activities = LabelActivities("http://niemand", spread=5)
    answer = httpx.Response(429, headers={"Retry-After": "40"})
    waits = {activities._later(answer).next_retry_delay for _ in range(20)}
    assert len(waits) > 1
    assert all(wait and timedelta(seconds=40) <= wait <= timedelta(seconds=45) for wait in waits)


async def test_429_is_benign_and_names_the_next_attempt(timelapse: Timelapse, caplog: pytest.LogCaptureFixture) -> None:
    async with open_shop(timelapse) as shop:
        shop.service.refusals.extend(["40", http_date(90)])
        with caplog.at_level(logging.WARNING):
            handle = await shop.place(skipped=False)
            await until(lambda: shop.service.refused == 1)

            async def failed() -> bool:
                pending = (await handle.describe()).raw_description.pending_activities
                return any(one.last_failure.message for one in pending)

            await until(failed)
        [pending] = (await handle.describe()).raw_description.pending_activities
        info = pending.last_failure.application_failure_info
        assert info.type == TOO_MANY
        assert info.category == ApplicationErrorCategory.APPLICATION_ERROR_CATEGORY_BENIGN
        assert info.next_retry_delay.ToTimedelta() == timedelta(seconds=40)
        assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
        started = await timelapse.now(handle)
        await timelapse.fast_forward(handle)
        await result(handle)
        ended = (await handle.fetch_history()).events[-1].event_time.ToDatetime(UTC)
        assert timedelta(seconds=125) < ended - started < timedelta(seconds=170)


async def test_without_a_header_the_retry_policy_decides(timelapse: Timelapse) -> None:
    async with open_shop(timelapse) as shop:
        shop.service.refusals.extend([None, None, None])
        handle = await shop.place()
        await result(handle)
        took = [event.event_time.ToDatetime(UTC) for event in (await handle.fetch_history()).events]
        # 1, 2 und 4 s.
        assert timedelta(seconds=7) <= took[-1] - took[0] < timedelta(seconds=20)


async def test_a_lost_answer_does_not_print_twice(timelapse: Timelapse) -> None:
    async with open_shop(timelapse) as shop:
        shop.service.lost_answers = 1
        await result(await shop.place())
        assert (len(shop.service.calls), shop.service.labels().total()) == (2, 1)


def test_the_service_accepts_no_more_than_its_limit() -> None:
    with label_service(5, 60) as service:
        answers = [service.answer(f"{n}", {"number": f"{n}", "customer": "A"}) for n in range(8)]
        assert [answer and answer[0] for answer in answers] == [200] * 5 + [429] * 3
        assert answers[-1] == (429, {"Retry-After": "60"})


# --- Das Kontingent für sich -----------------------------------------------------------------------------------------


def _slots(quota: Quota, number: int, now: datetime = NOON) -> list[datetime]:
    book = PermitBook(quota)
    return [book.grant(f"{n}", now).not_before for n in range(number)]


def test_a_full_window_moves_the_next_permit_behind_it() -> None:
    offsets = [(slot - NOON).total_seconds() for slot in _slots(small(), 5)]
    assert offsets == [0, 0, 62, 62, 124]


def test_the_day_ends_at_midnight_in_berlin() -> None:
    slots = _slots(small(), 7)
    midnight = datetime(2026, 11, 24, tzinfo=BERLIN)
    assert slots[4] < midnight
    assert slots[5:] == [midnight, midnight]


@pytest.mark.parametrize(
    ("day", "hours"), [((2026, 11, 23), 24), ((2027, 3, 28), 23), ((2026, 10, 25), 25)], ids=["normal", "kurz", "lang"]
)
def test_a_day_has_23_24_or_25_hours(day: tuple[int, int, int], hours: int) -> None:
    start = datetime(*day, tzinfo=BERLIN).astimezone(UTC)
    slots = _slots(small(per_window=99, window=0.001, tolerance=0.001, per_day=1), 2, start)
    assert slots == [start, start + timedelta(hours=hours)]


def test_no_day_begins_while_a_scenario_runs() -> None:
    for minute in range(0, 24 * 60, 5):
        now = NOON + timedelta(minutes=minute)
        slots = _slots(quota(zone=calm_zone(now)), 2, now)
        assert slots == [now, now + timedelta(seconds=308)]


def test_no_permit_reaches_over_midnight() -> None:
    late = datetime(2026, 11, 23, 23, 59, 59, tzinfo=BERLIN).astimezone(UTC)
    assert _slots(small(), 1, late) == [late + timedelta(seconds=1)]
    # Endete sie genau um Mitternacht, käme die letzte Anfrage am neuen Tag an.
    assert _slots(small(), 1, late - timedelta(seconds=1)) == [late + timedelta(seconds=1)]


def test_a_repeated_question_gets_the_same_permit_until_it_expires() -> None:
    book = PermitBook(small())
    first = book.grant("N-1", NOON)
    assert book.grant("N-1", NOON + timedelta(seconds=1)) == first
    assert book.granted == 1
    assert book.grant("N-1", NOON + timedelta(seconds=2)) != first


def test_a_repeated_question_is_answered_even_when_all_is_booked() -> None:
    book = PermitBook(small(per_window=1, horizon_days=0))
    first = book.grant("N-1", NOON)
    assert book.wait("N-2", NOON) == timedelta(seconds=62)
    assert book.wait("N-1", NOON) == timedelta()
    assert book.grant("N-1", NOON) == first


def test_the_state_stays_small() -> None:
    book = PermitBook(small(per_day=10_000))
    for number in range(500):
        book.grant(f"{number}", NOON + timedelta(minutes=number))
    assert (len(book.slots), len(book.permits), book.granted) == (2, 1, 500)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 400), st.floats(0, 1), st.floats(0, 5)), min_size=1, max_size=60),
    st.integers(1, 5),
    st.integers(1, 20),
    st.sampled_from([datetime(2027, 3, 27, 23, 50, tzinfo=BERLIN), datetime(2026, 10, 25, 0, 30, tzinfo=BERLIN)]),
)
# Die eine Anfrage so spät wie erlaubt, die nächste so früh wie erlaubt: Das würfelt Hypothesis nicht jedes Mal.
@example([(0, 1.0, 5.0), (0, 0.0, 0.0)], 1, 20, NOON)
def test_no_window_and_no_day_ever_exceeds_the_quota(
    questions: list[tuple[int, float, float]], per_window: int, per_day: int, start: datetime
) -> None:
    quota = Quota(per_window=per_window, window=300, per_day=per_day, tolerance=10)
    book, now = PermitBook(quota), start.astimezone(UTC)
    arrivals = []
    for number, (pause, late, way) in enumerate(questions):
        now += timedelta(seconds=pause)
        permit = book.grant(f"{number}", now)
        assert permit.not_before >= now
        # Die Activity beginnt irgendwann zwischen Anfang und Ende; unterwegs ist sie höchstens die halbe Toleranz.
        started = permit.not_before + late * (permit.not_after - permit.not_before)
        arrivals.append(started + timedelta(seconds=way))
    assert busiest([at.timestamp() for at in arrivals], quota.window - 1e-5) <= per_window
    assert max(Counter(at.astimezone(BERLIN).date() for at in arrivals).values()) <= per_day


def test_the_quota_of_the_book_is_used_up_to_more_than_nine_tenths() -> None:
    slots = _slots(Quota(), 1000)
    # 1.000 Anfragen: zehn volle Fenster von je 62 s, das erste beginnt sofort.
    span = (slots[-1] - slots[0]).total_seconds()
    assert span == 9 * 62
    assert 60 / 62 > 0.9


# --- Das Kontingent als Workflow -------------------------------------------------------------------------------------


async def test_a_daily_quota_over_a_change_to_summer_time(timelapse: Timelapse) -> None:
    async with open_shop(timelapse) as shop:
        entity = await shop.entity(small(per_window=5, per_day=5))
        # Bis Samstag, 27. März 2027, mittags; in der Nacht darauf fehlt eine Stunde.
        noon = datetime(2027, 3, 27, 12, tzinfo=BERLIN).astimezone(UTC)
        await timelapse.fast_forward(entity, noon - await timelapse.now(entity))

        async def ask(number: int) -> datetime:
            permit = await entity.execute_update(QuotaWorkflow.grant, f"N-{number}")
            return permit.not_before.astimezone(BERLIN)

        slots = [await ask(number) for number in range(11)]
        assert [slot.day for slot in slots] == [27] * 5 + [28] * 5 + [29]
        assert slots[10] - slots[5] == timedelta(days=1)
        assert slots[10].astimezone(UTC) - slots[5].astimezone(UTC) == timedelta(hours=23)


async def test_a_permit_is_handed_out_once_per_request(timelapse: Timelapse) -> None:
    async with open_shop(timelapse) as shop:
        entity = await shop.entity(calm())
        same = await asyncio.gather(*(entity.execute_update(QuotaWorkflow.grant, "N-1", id="N-1") for _ in range(3)))
        again = await entity.execute_update(QuotaWorkflow.grant, "N-1", id="andere-id")
        assert {*same, again} == {same[0]}
        assert (await entity.query(QuotaWorkflow.status)).granted == 1


async def test_continue_as_new_keeps_slots_and_permits(timelapse: Timelapse) -> None:
    async with open_shop(timelapse) as shop:
        entity = await shop.entity(calm(per_window=3, events_per_run=12))
        first_run = (await entity.describe()).run_id
        permits = {n: await entity.execute_update(QuotaWorkflow.grant, n, id=n) for n in ("N-1", "N-2", "N-3", "N-4")}

        async def moved() -> bool:
            return (await entity.describe()).run_id != first_run

        await until(moved)
        # Die Update-ID ist im neuen Lauf unbekannt, die ID der Anfrage nicht.
        assert await entity.execute_update(QuotaWorkflow.grant, "N-4", id="N-4") == permits["N-4"]
        fresh = await entity.execute_update(QuotaWorkflow.grant, "N-5")
        assert fresh.not_before == permits["N-2"].not_before + timedelta(seconds=62)
        assert (await entity.query(QuotaWorkflow.status)).granted == 5


async def test_a_refused_question_leaves_no_event(timelapse: Timelapse) -> None:
    async with open_shop(timelapse) as shop:
        entity = await shop.entity(calm(per_window=1, horizon_days=0.0001))
        await entity.execute_update(QuotaWorkflow.grant, "N-1")
        before = len((await entity.fetch_history()).events)
        for number in range(5):
            with pytest.raises(WorkflowUpdateFailedError) as refused:
                await entity.execute_update(QuotaWorkflow.grant, f"N-2-{number}")
            assert isinstance(refused.value.cause, ApplicationError)
            assert 50 < refused.value.cause.details[0] < 62
        assert len((await entity.fetch_history()).events) == before
        environment = ActivityEnvironment()
        environment.info = replace(environment.info, task_queue=shop.worker.task_queue)
        ask = PermitActivities(shop.worker.client).request_permit
        with pytest.raises(ApplicationError) as later:
            await environment.run(ask, PermitRequest(entity.id, "N-3", calm()))
        assert (later.value.type, later.value.category.name) == (BOOKED_OUT, "BENIGN")
        assert later.value.next_retry_delay is not None
        assert 50 < later.value.next_retry_delay.total_seconds() <= 62


async def test_labels_of_one_customer_share_the_quota(timelapse: Timelapse) -> None:
    async with open_shop(timelapse) as shop:
        customer = f"händler-{uuid4()}"
        route: dict[str, Any] = {"customer": customer, "quota": calm(per_window=9)}
        first, second = await shop.place(2, **route), await shop.place(2, **route)
        await asyncio.gather(result(first), result(second))
        entity = timelapse.client.get_workflow_handle_for(QuotaWorkflow.run, f"kontingent-{customer}")
        book = await entity.query(QuotaWorkflow.status)
        await entity.terminate()
        assert (book.granted, book.used_today) == (4, 4)
        assert (shop.service.labels().total(), len(shop.service.calls)) == (4, 4)


async def test_with_a_quota_the_provider_still_names_the_pause(timelapse: Timelapse) -> None:
    async with open_shop(timelapse) as shop:
        shop.service.refusals.append("1")
        entity = await shop.entity(calm())
        handle = await shop.place(skipped=False, first_pause=60, quota=calm(), quota_id=entity.id)
        await result(handle, 20)
        started = [event.timer_started_event_attributes for event in (await handle.fetch_history()).events]
        assert [timer.start_to_fire_timeout.seconds for timer in started if timer.timer_id] == [1]


async def test_a_cancel_during_the_call_ends_the_order(timelapse: Timelapse) -> None:
    async with open_shop(timelapse) as shop:
        quota_id = f"kontingent-{uuid4()}"
        # Die Task Queue der Anfragen bedient niemand: Die Anfrage wartet.
        handle = await shop.place(skipped=False, queue=shop.calls_queue, quota=calm(), quota_id=quota_id)
        await until(lambda: _calling(handle))
        await handle.cancel()
        with pytest.raises(WorkflowFailureError) as ended:
            await result(handle, 20)
        assert isinstance(ended.value.cause, CancelledError)
        await timelapse.client.get_workflow_handle(quota_id).terminate()


async def _calling(handle: Any) -> bool:
    pending = (await handle.describe()).raw_description.pending_activities
    return any(one.activity_type.name == "print_label" for one in pending)


async def test_a_missing_quota_is_started_empty_by_the_next_question(timelapse: Timelapse) -> None:
    async with open_shop(timelapse) as shop:
        quota_id = f"kontingent-{uuid4()}"
        entity = timelapse.client.get_workflow_handle_for(QuotaWorkflow.run, quota_id)
        for _ in range(2):
            await result(await shop.place(quota=calm(), quota_id=quota_id))
            assert (await entity.query(QuotaWorkflow.status)).granted == 1
            await entity.terminate()


def test_an_expired_permit_calls_nobody() -> None:
    with label_service() as service:
        environment = ActivityEnvironment()
        activities = LabelActivities(service.url)
        environment.info = replace(environment.info, started_time=NOON + timedelta(seconds=2))

        def call(until: int) -> LabelCall:
            return LabelCall(LabelOrder("N-1", CUSTOMER), Permit(NOON, NOON + timedelta(seconds=until)))

        with pytest.raises(ApplicationError) as expired:
            environment.run(activities.print_label, call(1))
        assert (expired.value.type, len(service.calls)) == (EXPIRED, 0)
        assert environment.run(activities.print_label, call(2)) == "E-N-1"


async def test_the_deadline_ends_the_wait(timelapse: Timelapse) -> None:
    async with open_shop(timelapse) as shop:
        shop.service.failures_left = 1000
        quota_id = f"kontingent-{uuid4()}"
        full = await shop.entity(calm(per_window=1, horizon_days=0.0001))
        await full.execute_update(QuotaWorkflow.grant, "N-1")
        routes: list[dict[str, Any]] = [
            {},
            {"quota": calm(per_window=99), "quota_id": quota_id},
            {"quota": calm(), "quota_id": full.id},
        ]
        for route in routes:
            handle = await shop.place(first_pause=60, deadline_days=0.001, **route)
            with pytest.raises(WorkflowFailureError):
                await result(handle)
        await timelapse.client.get_workflow_handle(quota_id).terminate()
        assert shop.service.labels().total() == 0
