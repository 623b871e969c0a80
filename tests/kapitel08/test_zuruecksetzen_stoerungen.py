"""Dreißig Läufe, Temporal CLI, sterbende Worker und doppelte Zustellung: Jeder Auftrag ist am Ende einmal bezahlt."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError
from temporalio.worker import Worker
from test_zuruecksetzen import Shop, bad_release, repair_all, shop

from dauerlauf.server import find_binary
from dauerlauf.testing import FaultPlans, open_worker
from dauerlauf.timelapse import Timelapse, result
from dauerlauf.worker_process import Trial, die_at_every_event
from kapitel08.zuruecksetzen.ledger import Till
from kapitel08.zuruecksetzen.models import Order
from kapitel08.zuruecksetzen.scenarios import PRICE, WORKER
from kapitel08.zuruecksetzen.worker import create_worker
from kapitel08.zuruecksetzen.workflow import OrderWorkflow

__all__ = ["shop"]

ACTIVITIES = ["reserve", "quote", "collect"]


@pytest.mark.gruendlich
async def test_thirty_spoiled_runs_are_each_paid_once(shop: Shop) -> None:
    handles = await bad_release(shop, 30)
    await repair_all(shop, handles)


@pytest.mark.gruendlich
async def test_the_temporal_cli_does_the_same(shop: Shop) -> None:
    handles = await bad_release(shop, 3)
    await shop.found(3)
    target = shop.timelapse.client.service_client.config.target_host
    process = await asyncio.create_subprocess_exec(
        str(await find_binary()), "workflow", "reset", "--address", target, "--yes",
        "--query", f'BuildIds = "unversioned:v2" AND TaskQueue = "{shop.queue}"',
        "--type", "BuildId", "--build-id", "v2", "--reason", "Rabatt vergessen",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    async with shop.worker("v3"):
        await shop.paid(6)
    assert shop.balance() == {handle.id: 9_000 for handle in handles}


@pytest.mark.gruendlich
@pytest.mark.fault_plans(ACTIVITIES, number=40)
async def test_random_faults(fault_plans: FaultPlans, timelapse: Timelapse, tmp_path: Path) -> None:
    """Was auch zustößt: Niemand zahlt mehr als einmal, und wer fertig ist, hat bezahlt."""
    plans = {f"auftrag-{timelapse.task_queue()}-{plan.seed}": plan for plan in fault_plans}

    def create(client: Client, task_queue: str) -> Worker:
        return create_worker(client, tmp_path, task_queue=task_queue)

    async with open_worker(timelapse, create=create, plan=plans) as worker:
        handles = []
        for name in plans:
            handle = await worker.start(OrderWorkflow.run, Order(name, PRICE, pickup=True), id=name)
            # Der Störplan kann den Lauf schon abgebrochen haben.
            with suppress(RPCError):
                await handle.signal(OrderWorkflow.packed)
            handles.append(handle)
        await asyncio.gather(*(result(handle, 40) for handle in handles), return_exceptions=True)
        done = [h.id for h in handles if (s := (await h.describe()).status) and s.name == "COMPLETED"]
        assert len(worker.fired) > len(handles) // 2
    booked = Till(tmp_path).entries("Kasse")
    assert len(booked) == len({key for key, _ in booked})
    assert {cents for _, cents in booked} == {9_000}
    assert set(done) <= {key for key, _ in booked}


@pytest.mark.gruendlich
@pytest.mark.prozess
async def test_worker_dies_at_every_event(timelapse: Timelapse, tmp_path: Path) -> None:
    """Der Worker stirbt bei jedem dritten Event einmal; jeder Auftrag ist danach genau einmal bezahlt."""

    async def start(client: Client, trial: Trial) -> WorkflowHandle[OrderWorkflow, object]:
        return await client.start_workflow(
            OrderWorkflow.run, Order("N-1", PRICE, pickup=True),
            id=trial.workflow_id, task_queue=trial.task_queue, start_signal="packed",
        )  # fmt: skip

    takeovers = await die_at_every_event(
        timelapse,
        WORKER,
        arguments=lambda trial: {"folder": tmp_path / "kasse", "task_queue": trial.task_queue},
        start=start,
        folder=tmp_path / "runs",
        events=range(1, 24, 3),
    )
    assert {takeover.status.name for takeover in takeovers} == {"COMPLETED"}
    expected = {takeover.trial.workflow_id: 9_000 for takeover in takeovers}
    assert dict(Till(tmp_path / "kasse").entries("Kasse")) == expected
    assert len(Till(tmp_path / "kasse").entries("Kasse")) == len(takeovers)
