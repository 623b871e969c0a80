"""Das Kundenkonto unter zufälligen und tödlichen Störungen: jeder Cent bleibt, keine Bestätigung doppelt."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from konto_hilfen import BOOKINGS
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle

from dauerlauf.testing import FaultPlans, open_worker
from dauerlauf.timelapse import Timelapse, result
from dauerlauf.worker_process import Trial, die_at_every_event, survivors
from kapitel08.zustand_migrieren.activities import Outbox
from kapitel08.zustand_migrieren.scenarios import ACCOUNTS, WORKER, settled
from kapitel08.zustand_migrieren.worker import create_worker
from kapitel08.zustand_migrieren.workflow import AccountWorkflow


@pytest.mark.timeout(300)
@pytest.mark.fault_plans(["confirm_booking"], number=10)
async def test_random_faults(fault_plans: FaultPlans, timelapse: Timelapse, tmp_path: Path) -> None:
    run_ids = {plan.seed: f"konto-{timelapse.task_queue()}-{plan.seed}" for plan in fault_plans}
    outbox = Outbox(tmp_path)
    plans = {run_ids[plan.seed]: plan for plan in fault_plans}

    def create(client: Client, queue: str) -> Any:
        return create_worker(client, outbox, task_queue=queue)

    async with open_worker(timelapse, create=create, plan=plans) as worker:

        async def run(plan: Any) -> None:
            name = run_ids[plan.seed]
            handle = await worker.start(AccountWorkflow.run, ACCOUNTS[1], id=name)
            await handle.signal("book", {**BOOKINGS[1], "number": name})
            await handle.signal(AccountWorkflow.move)
            await handle.signal(AccountWorkflow.close)
            try:
                account = await result(handle, 60)
            except WorkflowFailureError:
                assert len([mail for mail in outbox.mails() if mail[0] == name]) <= 1
            else:
                assert account["balance_cents"] == 3249
                assert [mail for mail in outbox.mails() if mail[0] == name] == [(name, "joerg@example.org", 3249)]

        await fault_plans.check(run)
        assert worker.fired


async def test_a_cancelled_account_confirms_nothing_twice(timelapse: Timelapse, tmp_path: Path) -> None:
    queue, outbox = timelapse.task_queue(), Outbox(tmp_path)
    async with create_worker(timelapse.client_for("worker-4"), outbox, task_queue=queue):
        handle = await timelapse.client.start_workflow(
            AccountWorkflow.run, ACCOUNTS[1], id=f"konto-{queue}", task_queue=queue
        )
        await handle.signal("book", BOOKINGS[1])
        await settled(handle, 1, outbox)
        await handle.cancel()
        with pytest.raises(WorkflowFailureError):
            await result(handle)
        status = (await handle.describe()).status
    assert status is not None
    assert (status.name, outbox.mails()) == ("CANCELED", [("B-1", "joerg@example.org", 3249)])


@pytest.mark.gruendlich
@pytest.mark.timeout(300)
@pytest.mark.prozess
async def test_worker_dies_at_every_event_of_the_move(timelapse: Timelapse, tmp_path: Path) -> None:
    clients: list[asyncio.Task[None]] = []
    outboxes: dict[str, Outbox] = {}

    async def use(handle: WorkflowHandle[Any, Any], trial: Trial) -> None:
        await handle.signal("book", BOOKINGS[1])
        await settled(handle, 1, outboxes[trial.workflow_id])
        await handle.signal(AccountWorkflow.move)
        async with asyncio.timeout(60):
            while (await handle.describe()).run_id == handle.first_execution_run_id:
                await asyncio.sleep(0.01)
        await handle.signal(AccountWorkflow.close)

    async def start(client: Client, trial: Trial) -> WorkflowHandle[Any, Any]:
        handle: WorkflowHandle[Any, Any] = await client.start_workflow(
            AccountWorkflow.run, ACCOUNTS[1], id=trial.workflow_id, task_queue=trial.task_queue
        )
        clients.append(asyncio.create_task(use(handle, trial)))
        return handle

    def arguments(trial: Trial) -> dict[str, Any]:
        trial.folder.mkdir(parents=True, exist_ok=True)
        outboxes[trial.workflow_id] = Outbox(trial.folder)
        return {"outbox": outboxes[trial.workflow_id], "task_queue": trial.task_queue}

    takeovers = await die_at_every_event(timelapse, WORKER, arguments=arguments, start=start, folder=tmp_path / "runs")
    await asyncio.gather(*clients)
    for takeover in takeovers:
        assert takeover.result["balance_cents"] == 3249, takeover.describe()
        mails = outboxes[takeover.trial.workflow_id].mails()
        assert mails == [("B-1", "joerg@example.org", 3249)], takeover.describe()
    assert survivors(takeovers) == []
