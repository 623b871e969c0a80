"""Das Rate Limit unter zufälligen und tödlichen Störungen: kein Etikett verloren, keines doppelt."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from ratelimit_hilfen import calm, open_shop
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle

from dauerlauf.faults import FaultPlan
from dauerlauf.testing import FaultPlans, open_worker
from dauerlauf.timelapse import Timelapse, result
from dauerlauf.worker_process import Trial, die_at_every_event
from kapitel09.rate_limit.activities import PermitActivities
from kapitel09.rate_limit.models import LabelOrder, PrintLabels, Route
from kapitel09.rate_limit.quota import Permit, PermitBook
from kapitel09.rate_limit.scenarios import CUSTOMER, WORKER
from kapitel09.rate_limit.services import LabelService, label_service
from kapitel09.rate_limit.workflow import LabelWorkflow, QuotaWorkflow

NARROW = {"per_window": 1, "per_day": 1000, "tolerance": 30}


@pytest.fixture
def service() -> Iterator[LabelService]:
    """Der Etikettendienst."""
    with label_service() as running:
        yield running


@pytest.mark.gruendlich
@pytest.mark.timeout(300)
@pytest.mark.fault_plans(["print_label", "request_permit"], number=6)
async def test_random_faults(fault_plans: FaultPlans, timelapse: Timelapse) -> None:
    quota_id = f"kontingent-{uuid4()}"
    quota = calm(per_window=50, per_day=1000, tolerance=30)
    orders = {plan.seed: LabelOrder(f"N-{plan.seed}-{uuid4()}", CUSTOMER) for plan in fault_plans}
    plans = {f"etikett-{orders[plan.seed].number}": plan for plan in fault_plans}
    async with open_shop(timelapse, plan=plans) as shop:
        shop.service.failures_left = 3
        shop.service.refusals.extend(["60"] * 3)

        async def run(plan: FaultPlan) -> None:
            placed = orders[plan.seed]
            arg = PrintLabels([placed], Route(quota=quota, quota_id=quota_id))
            handle = await shop.worker.start(LabelWorkflow.run, arg, id=f"etikett-{placed.number}")
            with suppress(WorkflowFailureError):
                await result(handle, 60)
            status = (await handle.describe()).status
            assert status is not None
            assert shop.service.labels()[placed.number] <= 1
            assert status.name != "COMPLETED" or shop.service.labels()[placed.number] == 1

        await fault_plans.check(run)
        entity = timelapse.client.get_workflow_handle_for(QuotaWorkflow.run, quota_id)
        book = await entity.query(QuotaWorkflow.status)
        await entity.terminate()
        # Jede Anfrage hatte ihre eigene Erlaubnis, auch die nach einem Fehler.
        assert book.granted >= len({call.number for call in shop.service.calls})
        assert len(shop.worker.fired) > len(plans) // 2


@pytest.mark.gruendlich
@pytest.mark.timeout(300)
@pytest.mark.prozess
async def test_worker_dies_at_every_event_of_an_order(
    timelapse: Timelapse, tmp_path: Path, service: LabelService
) -> None:
    quota = calm(**NARROW)
    # Das Kontingent hat seinen eigenen Worker: Sterben soll, wer den Auftrag bearbeitet.
    activities = [PermitActivities(timelapse.client).request_permit]
    async with open_worker(timelapse, workflows=[QuotaWorkflow], activities=activities) as quotas:

        async def start(client: Client, trial: Trial) -> WorkflowHandle[LabelWorkflow, list[str]]:
            entity = await quotas.start(QuotaWorkflow.run, PermitBook(quota), id=f"kontingent-{trial.workflow_id}")
            await entity.execute_update(QuotaWorkflow.grant, "N-1")
            route = Route(quota=quota, quota_id=entity.id, call_timeout=2, deadline_days=None)
            arg = PrintLabels([LabelOrder(trial.workflow_id, CUSTOMER)], route)
            return await client.start_workflow(
                LabelWorkflow.run, arg, id=trial.workflow_id, task_queue=trial.task_queue
            )

        takeovers = await die_at_every_event(
            timelapse,
            WORKER,
            arguments=lambda trial: {"url": service.url, "task_queue": trial.task_queue, "spread": 0.0},
            start=start,
            folder=tmp_path / "runs",
        )
    reference, *others = takeovers
    assert len(others) == len(reference.history.events)
    labels = service.labels()
    for takeover in others:
        ended = (takeover.status.name, labels[takeover.trial.workflow_id])
        assert ended == ("COMPLETED", 1), f"{takeover.describe()}: {takeover.result}"


@pytest.mark.gruendlich
@pytest.mark.timeout(300)
@pytest.mark.prozess
async def test_worker_dies_at_every_event_of_the_quota(timelapse: Timelapse, tmp_path: Path) -> None:
    quota = calm(**NARROW)
    permits: dict[str, list[Permit]] = {}
    drivers: list[asyncio.Task[None]] = []

    async def drive(trial: Trial) -> None:
        """Zwei Fragen, davon eine doppelt: dieselbe Folge für jeden Lauf."""
        handle = timelapse.client.get_workflow_handle_for(QuotaWorkflow.run, trial.workflow_id)
        heard = permits.setdefault(trial.workflow_id, [])
        for number in ("N-1", "N-2", "N-2"):
            heard.append(await handle.execute_update(QuotaWorkflow.grant, number))
        await handle.cancel()

    async def start(client: Client, trial: Trial) -> WorkflowHandle[QuotaWorkflow, None]:
        handle = await client.start_workflow(
            QuotaWorkflow.run, PermitBook(quota), id=trial.workflow_id, task_queue=trial.task_queue
        )
        drivers.append(asyncio.create_task(drive(trial)))
        return handle

    takeovers = await die_at_every_event(
        timelapse,
        WORKER,
        arguments=lambda trial: {"url": "http://127.0.0.1:9", "task_queue": trial.task_queue},
        start=start,
        folder=tmp_path / "runs",
    )
    await asyncio.gather(*drivers)
    for takeover in takeovers:
        first, second, again = permits[takeover.trial.workflow_id]
        assert again == second, takeover.describe()
        assert second.not_before - first.not_before == timedelta(seconds=90), takeover.describe()
    assert len(takeovers) > len(takeovers[0].history.events)
