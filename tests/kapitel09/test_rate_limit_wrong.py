"""Die falschen Limits aus `wrong.py`: Jeder Test beweist einen Schaden, den das Muster vermeidet."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

from ratelimit_hilfen import open_shop
from temporalio import activity
from temporalio.client import WorkflowFailureError
from temporalio.worker import Worker

from dauerlauf.testing import open_worker
from dauerlauf.timelapse import Timelapse, result, worker_client
from hilfen import until
from kapitel09.rate_limit.comparison import busiest
from kapitel09.rate_limit.models import LabelCall, LabelOrder, PrintLabels, Route
from kapitel09.rate_limit.services import label_service
from kapitel09.rate_limit.workflow import LabelWorkflow
from kapitel09.rate_limit.wrong import PER_MINUTE, FailingActivities, SleepingActivities, TokenBucketWorkflow


def _orders(number: int, customer: str = "A") -> PrintLabels:
    return PrintLabels([LabelOrder(f"N-{uuid4()}", customer) for _ in range(number)])


class _Clocked:
    """Ein Etikettendienst, der die übersprungene Zeit sieht: Er merkt sich den Beginn jeder Activity."""

    def __init__(self) -> None:
        self.times: dict[str, list[float]] = {}

    @activity.defn
    async def print_label(self, call: LabelCall) -> None:
        self.times.setdefault(call.order.customer, []).append(activity.info().started_time.timestamp())


async def test_wrong_bucket_lets_almost_double_through_in_the_first_minute(timelapse: Timelapse) -> None:
    service = _Clocked()
    async with open_worker(timelapse, workflows=[TokenBucketWorkflow], activities=[service.print_label]) as worker:
        await worker.execute(TokenBucketWorkflow.run, _orders(PER_MINUTE * 2))
    assert busiest(service.times["A"], 60) == PER_MINUTE * 2 - 1


async def test_wrong_bucket_in_a_workflow_limits_nothing(timelapse: Timelapse) -> None:
    service, runs = _Clocked(), 4
    async with open_worker(timelapse, workflows=[TokenBucketWorkflow], activities=[service.print_label]) as worker:
        await asyncio.gather(
            *(worker.execute(TokenBucketWorkflow.run, _orders(PER_MINUTE, f"{run}")) for run in range(runs))
        )
    everything = [at for times in service.times.values() for at in times]
    # Erlaubt wären 10 in der Minute; keine Ausführung hat auch nur einmal gewartet.
    assert busiest(everything, 60) == runs * PER_MINUTE


async def _sleeping(
    timelapse: Timelapse, url: str, queue: str, stack: AsyncExitStack, *, workers: int, limit: int, **options: Any
) -> None:
    assert timelapse.server is not None
    for number in range(workers):
        # Eine Uhr, die steht: So zählt der Test, statt Zeit zu messen.
        activities = SleepingActivities(url, limit, window=60, clock=lambda: 0.0)
        client = worker_client(await timelapse.server.connect(), f"schlaf-{number}")
        worker = Worker(client, task_queue=queue, activities=[activities.print_label], **options)
        await stack.enter_async_context(worker)


async def test_wrong_counter_in_the_worker_multiplies_by_the_workers(timelapse: Timelapse) -> None:
    async with open_shop(timelapse) as shop:
        await _sleeping(timelapse, shop.service.url, shop.calls_queue, shop.stack, workers=3, limit=4)
        await shop.place(60, skipped=False, queue=shop.calls_queue)
        await until(lambda: shop.arrived() >= 12)
        await shop.errands()
        assert shop.arrived() == 12


async def test_wrong_sleep_in_the_activity_blocks_everything_else(timelapse: Timelapse) -> None:
    async with open_shop(timelapse) as shop:
        queue = shop.calls_queue
        await _sleeping(timelapse, shop.service.url, queue, shop.stack, workers=1, limit=1, max_concurrent_activities=3)
        waiting = await shop.place(4, skipped=False, queue=queue)

        async def all_slots_taken() -> bool:
            pending = (await waiting.describe()).raw_description.pending_activities
            return sum(one.HasField("last_started_time") for one in pending) == 3

        await until(all_slots_taken)
        # Drei schlafende Anfragen, drei Plätze: Was danach kommt, beginnt gar nicht erst.
        other = await shop.place(1, customer="andere", skipped=False, queue=queue)
        await shop.errands()
        [pending] = (await other.describe()).raw_description.pending_activities
        assert not pending.HasField("last_started_time")
        assert shop.arrived() == 1


async def test_a_pause_named_by_the_activity_holds_no_slot(timelapse: Timelapse) -> None:
    async with open_shop(timelapse) as shop:
        shop.service.refusals.extend(["3600"] * 3)
        await shop.add_workers(1, threads=3)
        await shop.place(3, skipped=False, queue=shop.calls_queue)
        await until(lambda: shop.service.refused == 3)
        other = await shop.place(1, customer="andere", skipped=False, queue=shop.calls_queue)
        await result(other, 20)
        assert shop.arrived("andere") == 1


async def _refused_for_an_hour(timelapse: Timelapse, activities: Callable[[str], Any], route: Route) -> tuple[int, str]:
    """Der Dienst bittet um eine Stunde Pause; wie viele Anfragen schickt der Auftrag, und wie endet er?"""
    with label_service() as service:
        service.refusals.extend(["3600"] * 3)
        bound = activities(service.url).print_label
        async with open_worker(timelapse, workflows=[LabelWorkflow], activities=[bound]) as worker:
            handle = await worker.start(LabelWorkflow.run, PrintLabels(_orders(1).orders, route))
            try:
                await result(handle)
            except WorkflowFailureError:
                return len(service.calls), "FAILED"
            return len(service.calls), "COMPLETED"


async def test_wrong_429_as_a_failure_burns_the_attempts(timelapse: Timelapse) -> None:
    # Drei Versuche in 3 s, obwohl der Anbieter um eine Stunde gebeten hat.
    assert await _refused_for_an_hour(timelapse, FailingActivities, Route(attempts=3)) == (3, "FAILED")
