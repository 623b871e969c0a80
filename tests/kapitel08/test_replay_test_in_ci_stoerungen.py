"""Auch Läufe mit toten Workern und Retries lassen sich exportieren, schwärzen und abspielen."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from replay_ci_hilfen import PERSONAL, all_text, visible
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Worker
from test_replay_test_in_ci import ci_commands

from dauerlauf.testing import FaultPlans, open_worker
from dauerlauf.timelapse import Timelapse, result
from dauerlauf.worker_process import Trial, die_at_every_event
from kapitel08.replay_test_in_ci import check, reordered
from kapitel08.replay_test_in_ci.export import Exporter, export_all
from kapitel08.replay_test_in_ci.ledger import Ledger
from kapitel08.replay_test_in_ci.replaying import Checkout
from kapitel08.replay_test_in_ci.scenarios import KEEP, WORKER, order
from kapitel08.replay_test_in_ci.worker import CONVERTER, WORKFLOWS, create_worker
from kapitel08.replay_test_in_ci.workflow import OrderWorkflow

ACTIVITIES = ["reserve_stock", "check_credit", "charge", "ship"]
EFFECTS = ("Lager", "Auskunft", "Kasse", "Versand")


@pytest.mark.gruendlich
@pytest.mark.fault_plans(ACTIVITIES, number=40)
async def test_random_faults_replay_redacted(fault_plans: FaultPlans, timelapse: Timelapse, tmp_path: Path) -> None:
    """Retries, verlorene Meldungen und Abbrüche ändern nichts daran, dass die Histories passen."""
    orders = {plan.seed: order(f"N-{plan.seed}", 60_000) for plan in fault_plans}
    plans = {f"auftrag-{timelapse.task_queue()}-{plan.seed}": plan for plan in fault_plans}

    def create(client: Client, task_queue: str) -> Worker:
        return create_worker(client, tmp_path / "buch", task_queue=task_queue)

    async with open_worker(timelapse, create=create, plan=plans) as worker:
        handles = [await worker.start(OrderWorkflow.run, orders[plan.seed], id=name) for name, plan in plans.items()]
        await asyncio.gather(*(result(handle, 40) for handle in handles), return_exceptions=True)
        await visible(worker, len(handles))
        exporter = Exporter(worker.client, WORKFLOWS, CONVERTER, KEEP)
        query = f'TaskQueue = "{worker.task_queue}"'
        assert await export_all(exporter, tmp_path / "h", query, 99) == 0
        assert len(worker.fired) > len(handles) // 2
    text = all_text(tmp_path / "h")
    assert PERSONAL.findall(text) == []
    assert await check.check(tmp_path / "h", WORKFLOWS, CONVERTER, ["OrderWorkflow"]) == 0
    for kind in EFFECTS:
        keys = [key for key, _ in Ledger(tmp_path / "buch").entries(kind)]
        assert len(keys) == len(set(keys))


@pytest.mark.gruendlich
@pytest.mark.prozess
async def test_worker_dies_at_every_event(timelapse: Timelapse, tmp_path: Path) -> None:
    """Wo auch immer der Worker starb: Die History passt zum guten Code und nicht zum umgestellten."""

    async def start(client: Client, trial: Trial) -> WorkflowHandle[OrderWorkflow, object]:
        placed = order(f"N-{trial.workflow_id}", 60_000)
        return await client.start_workflow(OrderWorkflow.run, placed, id=trial.workflow_id, task_queue=trial.task_queue)

    takeovers = await die_at_every_event(
        timelapse,
        WORKER,
        arguments=lambda trial: {"folder": tmp_path / "buch", "task_queue": trial.task_queue},
        start=start,
        folder=tmp_path / "runs",
        events=range(1, 20, 3),
    )
    histories = [takeover.history for takeover in takeovers]
    good = await Checkout(WORKFLOWS, CONVERTER).check(histories)
    bad = await Checkout(reordered.WORKFLOWS, CONVERTER).check(histories)
    assert [finding for _, finding in good if finding] == []
    assert [finding for _, finding in bad if not finding] == []
    for kind in EFFECTS:
        assert len(Ledger(tmp_path / "buch").entries(kind)) == len(takeovers)


@pytest.mark.gruendlich
async def test_the_ci_commands_as_processes(timelapse: Timelapse, tmp_path: Path) -> None:
    """Dieselben Zeilen wie in der CI-Datei, als Prozesse; nur `uv run` steht davor nicht."""
    target = timelapse.client.service_client.config.target_host

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", *words],
            cwd=tmp_path, env={"TEMPORAL_ADDRESS": target, "PATH": "/usr/bin:/bin"},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def create(client: Client, task_queue: str) -> Worker:
        return create_worker(client, tmp_path / "buch", task_queue=task_queue)

    async with open_worker(timelapse, create=create) as worker:
        await worker.execute(OrderWorkflow.run, order("N-1", 60_000), timeout=30)
        await visible(worker, 1)
        exporting, (checking, *folder, _, _, _, _) = ci_commands()
        only = ["--query", f'TaskQueue = "{worker.task_queue}"']
        exported = await asyncio.to_thread(run, *exporting, *only)
        assert (exported.returncode, exported.stderr) == (0, ""), exported.stdout
        green = await asyncio.to_thread(run, checking, *folder)
        assert (green.returncode, green.stderr) == (0, ""), green.stdout
        red = await asyncio.to_thread(run, checking, *folder, "--workflows", f"{reordered.__name__}:WORKFLOWS")
        # Der Bericht steht allein da: keine Warnungen des Kerns, keine Tracebacks.
        assert (red.returncode, red.stderr) == (1, "")
        assert red.stdout.startswith("OrderWorkflow: 1\n\nPASST NICHT  OrderWorkflow")
