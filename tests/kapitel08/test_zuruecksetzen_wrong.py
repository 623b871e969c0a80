"""Die falschen Schlüssel aus `wrong.py`: der eine zahlt doppelt, der andere nie richtig."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.client import Client
from temporalio.worker import Worker

from dauerlauf.testing import open_worker
from dauerlauf.timelapse import Timelapse
from kapitel08.zuruecksetzen.ledger import Till
from kapitel08.zuruecksetzen.models import Order
from kapitel08.zuruecksetzen.repair import point_before, reset
from kapitel08.zuruecksetzen.scenarios import PRICE
from kapitel08.zuruecksetzen.workflow import OrderWorkflow
from kapitel08.zuruecksetzen.wrong import FirstWriteActivities, RunIdActivities


async def _spoil_and_reset(timelapse: Timelapse, folder: Path, kind: type[RunIdActivities]) -> list[int]:
    """Kassiert 100 Euro, setzt zurück und kassiert mit Rabatt; gibt die Buchungen zurück."""
    spoiled, fixed = kind(folder, 0), kind(folder, 10)
    order = Order("N-1", PRICE, pickup=True)
    async with open_worker(timelapse, workflows=[OrderWorkflow], activities=spoiled.all()) as first:
        handle = await first.start(OrderWorkflow.run, order, start_signal="packed")
        await first.result(handle)
        history = await handle.fetch_history()
    client: Client = timelapse.client
    run = WorkflowExecution(workflow_id=handle.id, run_id=history.run_id)
    await reset(client, run, point_before(history, "quote"), "Rabatt vergessen")
    async with Worker(
        timelapse.client_for("worker-2"),
        task_queue=first.task_queue,
        workflows=[OrderWorkflow],
        activities=fixed.all(),
        activity_executor=ThreadPoolExecutor(4),
    ):
        await first.result(client.get_workflow_handle(handle.id))
    return [cents for _, cents in Till(folder).entries("Kasse")]


@pytest.mark.parametrize(
    ("kind", "booked"),
    [
        (RunIdActivities, [10_000, 9_000]),  # 190 Euro für einen Auftrag über 90
        (FirstWriteActivities, [10_000]),  # für immer 10 Euro zu viel
    ],
)
async def test_wrong_keys(timelapse: Timelapse, tmp_path: Path, kind: type[RunIdActivities], booked: list[int]) -> None:
    assert await _spoil_and_reset(timelapse, tmp_path, kind) == booked
