"""Die Verschlüsselung unter Störungen: sterbende Worker, verlorene Meldungen, ein fehlender Schlüssel über Minuten."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from verschluesselung_hilfen import open_office, secret_forms

from dauerlauf.faults import FaultPlan
from dauerlauf.testing import FaultPlans, open_worker
from dauerlauf.timelapse import Timelapse, result
from dauerlauf.worker_process import Trial, die_at_every_event
from kapitel16.verschluesselung.bank import Bank
from kapitel16.verschluesselung.codec import EncryptionCodec, encrypted
from kapitel16.verschluesselung.models import Refund
from kapitel16.verschluesselung.scenarios import APPROVAL, BOTH, GOOD, HOLDER, NEW, OLD, PATTERN, WORKER, task_failures
from kapitel16.verschluesselung.worker import create_worker
from kapitel16.verschluesselung.workflow import RefundWorkflow


@pytest.mark.gruendlich
@pytest.mark.timeout(300)
@pytest.mark.prozess
async def test_worker_dies_at_every_event(timelapse: Timelapse, tmp_path: Path) -> None:
    async def start(client: Client, trial: Trial) -> WorkflowHandle[Any, Any]:
        # Jeder zweite Lauf ist mit dem neuen Schlüssel geschrieben.
        ring = NEW if trial.workflow_id.partition("-")[2].startswith(("1", "3", "5", "7", "9")) else BOTH
        refund = Refund(trial.workflow_id, GOOD, 100, "Kulanz")
        return await encrypted(client, EncryptionCodec(ring)).start_workflow(
            RefundWorkflow.run, refund, id=trial.workflow_id, task_queue=trial.task_queue
        )

    reference, *others = await die_at_every_event(
        timelapse,
        WORKER,
        arguments=lambda trial: {"folder": tmp_path, "ring": BOTH, "task_queue": trial.task_queue},
        start=start,
        folder=tmp_path / "runs",
    )
    booked = [key for key, _, _ in Bank(tmp_path).transfers()]
    assert len(others) == len(reference.history.events)
    for takeover in [reference, *others]:
        ended = (takeover.status.name, booked.count(f"{takeover.trial.workflow_id}-0"))
        assert ended == ("COMPLETED", 1), takeover.describe()
        content = b"".join(event.SerializeToString() for event in takeover.history.events)
        assert not any(form in content for form in secret_forms(HOLDER)), takeover.describe()


@pytest.mark.timeout(300)
@pytest.mark.fault_plans(["check_account", "transfer_money"], number=10)
async def test_random_faults(fault_plans: FaultPlans, timelapse: Timelapse, tmp_path: Path) -> None:
    plans = {f"erstattung-{plan.seed}-{timelapse.task_queue()}": plan for plan in fault_plans}
    ids = dict(zip((plan.seed for plan in fault_plans), plans, strict=True))

    async with open_worker(
        timelapse, create=lambda client, queue: create_worker(client, tmp_path, OLD, task_queue=queue), plan=plans
    ) as worker:
        worker.client = encrypted(worker.client, EncryptionCodec(OLD))

        async def run(plan: FaultPlan) -> None:
            number = ids[plan.seed]
            handle = await worker.start(RefundWorkflow.run, Refund(number, GOOD, 100, "Kulanz"), id=number)
            with suppress(WorkflowFailureError):
                await result(handle, 60)
            status = (await handle.describe()).status
            booked = [key for key, _, _ in Bank(tmp_path).transfers()].count(f"{number}-0")
            assert status is not None
            assert booked <= 1
            assert status.name != "COMPLETED" or booked == 1

        await fault_plans.check(run, concurrency=10)


@pytest.mark.gruendlich
async def test_after_the_key_arrives_the_next_attempt_succeeds(timelapse: Timelapse, tmp_path: Path) -> None:
    async with open_office(timelapse, tmp_path) as office:
        async with office.worker(OLD):
            handle = await office.waiting(office.client(OLD))
            newer = office.client(NEW).get_workflow_handle_for(RefundWorkflow.run, handle.id)
            await newer.signal(RefundWorkflow.approve, APPROVAL)
            await task_failures(handle, PATTERN.data_converter)
        # Nichts zu tun, außer den Worker mit dem Schlüssel zu starten; die Pause des Servers beträgt bis dahin 10 s.
        async with office.worker(BOTH, "worker-2"):
            assert await result(newer, 40) == "SEPA-R-1-0"
