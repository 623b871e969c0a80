"""Drei Fallstricke der Saga: Jeder Test zeigt den Schaden, den der falsche Workflow anrichtet."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from fallstricke_beispiele import RunIdKeyWorkflow, ShieldOnlyWorkflow, UnlimitedForwardWorkflow
from saga_hilfen import Shop, new_order, outcome
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import WorkflowHandle

from dauerlauf.faults import ActivityAction, ActivityFault, FaultPlan
from dauerlauf.testing import open_worker
from dauerlauf.timelapse import Timelapse
from kapitel07.saga.activities import OrderActivities
from kapitel07.saga.models import Order, PlaceOrder
from kapitel07.saga.scenarios import NOT_DELIVERED, addresses
from kapitel07.saga.services import nordlicht


@asynccontextmanager
async def _shop(
    timelapse: Timelapse, folder: Path, workflow: type, plan: FaultPlan | None = None
) -> AsyncIterator[Shop]:
    with nordlicht(folder) as world:
        activities = OrderActivities(addresses(world)).all()
        async with open_worker(timelapse, workflows=[workflow], activities=activities, plan=plan) as worker:
            yield Shop(world, worker)


async def _start(shop: Shop, run: Any, placed: Order) -> WorkflowHandle[Any, Any]:
    return await shop.worker.start(run, PlaceOrder(placed), id=f"auftrag-{placed.number}")


async def test_wrong_shield_alone_ends_before_the_compensation(timelapse: Timelapse, tmp_path: Path) -> None:
    plan = FaultPlan((ActivityFault("cancel_parcel", ActivityAction.CANCEL_BEFORE),))
    async with _shop(timelapse, tmp_path, ShieldOnlyWorkflow, plan) as shop:
        handle = await _start(shop, ShieldOnlyWorkflow.run, new_order(**NOT_DELIVERED))
        ended = await outcome(handle)
        assert (ended.status, ended.compensations) == ("CANCELED", ["cancel_parcel"])
        assert shop.account(handle).balance("zahlung") == 4990


async def test_wrong_run_id_as_key_charges_twice_after_a_reset(timelapse: Timelapse, tmp_path: Path) -> None:
    async with _shop(timelapse, tmp_path, RunIdKeyWorkflow) as shop:
        handle = await _start(shop, RunIdKeyWorkflow.run, new_order())
        await outcome(handle)
        await timelapse.client.workflow_service.reset_workflow_execution(
            ResetWorkflowExecutionRequest(
                namespace="default",
                workflow_execution=WorkflowExecution(workflow_id=handle.id, run_id=handle.result_run_id or ""),
                workflow_task_finish_event_id=4,
                request_id=str(uuid4()),
                reason="Test",
            )
        )
        assert (await outcome(timelapse.client.get_workflow_handle(handle.id))).status == "COMPLETED"
        assert shop.account(handle).effects["zahlung"] == [4990, 4990]


async def test_wrong_unlimited_forward_retries_never_compensate(timelapse: Timelapse, tmp_path: Path) -> None:
    async with _shop(timelapse, tmp_path, UnlimitedForwardWorkflow) as shop:
        shop.world.payment.outages.add("/buchen")
        with timelapse.unskipped():
            handle = await _start(shop, UnlimitedForwardWorkflow.run, new_order())
        await timelapse.fast_forward(handle, timedelta(hours=2))
        description = await handle.describe()
        assert description.status is not None
        assert description.status.name == "RUNNING"
        [pending] = description.raw_description.pending_activities
        assert pending.activity_type.name == "charge_payment"
        assert pending.attempt > 70
        assert shop.account(handle).balance("lager") == 2
