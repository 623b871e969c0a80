"""Worker-Versionierung unter Störungen: Prozesse sterben auf jeder Version, Meldungen gehen verloren."""

from contextlib import AsyncExitStack, suppress
from pathlib import Path

import pytest
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.service import RPCError
from versionierung_hilfen import build_of

from dauerlauf.faults import FaultPlan
from dauerlauf.testing import FaultPlans, open_worker
from dauerlauf.timelapse import Timelapse, result
from dauerlauf.worker_process import Trial, die_at_every_event, survivors
from kapitel08.worker_versionierung.book import WarehouseBook
from kapitel08.worker_versionierung.models import Order, Shipped
from kapitel08.worker_versionierung.rollout import Rollout
from kapitel08.worker_versionierung.scenarios import WORKER
from kapitel08.worker_versionierung.version1 import OrderWorkflow
from kapitel08.worker_versionierung.worker import create_worker

MIDDLE = (4, 6, 7, 9, 13)
"""Im ersten Workflow-Task, vor und nach der ersten Activity, im nächsten Workflow-Task, in der zweiten Activity."""

STEPS = {
    "1.0": ["reserve_stock", "ship_parcel"],
    "2.0": ["check_address", "reserve_stock", "ship_parcel"],
}


@pytest.mark.gruendlich
@pytest.mark.timeout(300)
@pytest.mark.prozess
@pytest.mark.parametrize("build_id", STEPS)
async def test_worker_dies_in_mid_run(timelapse: Timelapse, tmp_path: Path, build_id: str) -> None:
    """Daneben läuft die andere Version und übernimmt nie; das tut erst ein zweiter Worker derselben Version."""
    other = "2.0" if build_id == "1.0" else "1.0"
    async with AsyncExitStack() as standing_by:

        async def start(client: Client, trial: Trial) -> WorkflowHandle[OrderWorkflow, Shipped]:
            queue = trial.task_queue
            await standing_by.enter_async_context(
                create_worker(client, trial.folder, other, task_queue=queue, deployment=queue)
            )
            rollout = Rollout(client, queue)
            await rollout.registered(other)
            await rollout.make_current(build_id)
            return await client.start_workflow(
                OrderWorkflow.run, Order("N-1"), id=trial.workflow_id, task_queue=queue, start_signal="paid"
            )

        takeovers = await die_at_every_event(
            timelapse,
            WORKER,
            arguments=lambda trial: {
                "folder": trial.folder,
                "build_id": build_id,
                "task_queue": trial.task_queue,
                "deployment": trial.task_queue,
            },
            start=start,
            folder=tmp_path,
            events=MIDDLE,
        )
    _, *others = takeovers
    assert len(others) == len(MIDDLE)
    for takeover in takeovers:
        assert takeover.status.name == "COMPLETED", f"{takeover.describe()}: {takeover.result}"
        entries = WarehouseBook(takeover.trial.folder).entries("N-1")
        assert entries == [(step, build_id) for step in STEPS[build_id]], takeover.describe()
    assert survivors(takeovers) == []


@pytest.mark.timeout(300)
@pytest.mark.fault_plans(["reserve_stock", "ship_parcel"], number=10)
async def test_random_faults(fault_plans: FaultPlans, timelapse: Timelapse, tmp_path: Path) -> None:
    numbers = {plan.seed: f"N-{plan.seed}-{timelapse.task_queue()}" for plan in fault_plans}
    plans = {numbers[plan.seed]: plan for plan in fault_plans}
    book = WarehouseBook(tmp_path)

    async with open_worker(
        timelapse,
        plan=plans,
        create=lambda client, queue: create_worker(client, tmp_path, "1.0", task_queue=queue, deployment=queue),
    ) as worker:
        await Rollout(timelapse.client, worker.task_queue).make_current("1.0")

        async def run(plan: FaultPlan) -> None:
            number = numbers[plan.seed]
            handle = await worker.start(OrderWorkflow.run, Order(number), id=number)
            with suppress(RPCError):  # Der Störplan kann sie schon beendet haben.
                await handle.signal(OrderWorkflow.paid)
            with suppress(WorkflowFailureError):
                await result(handle, 60)
            status = (await handle.describe()).status
            entries = book.entries(number)
            assert status is not None
            assert len(entries) == len(set(entries))
            assert entries == [(step, "1.0") for step in STEPS["1.0"]][: len(entries)]
            assert status.name != "COMPLETED" or (len(entries), await build_of(handle)) == (2, "1.0")

        await fault_plans.check(run, concurrency=20)
        assert len(worker.fired) > len(plans) // 2
