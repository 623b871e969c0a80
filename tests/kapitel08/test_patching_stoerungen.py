"""Ein Auftrag mit Patch unter zufälligen und tödlichen Störungen: geprüft, einmal bezahlt, einmal versandt."""

import asyncio
import json
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from patching_hilfen import new_order, open_shop
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle

from dauerlauf import server
from dauerlauf.faults import FaultPlan
from dauerlauf.testing import FaultPlans, open_worker
from dauerlauf.timelapse import Timelapse, result
from dauerlauf.timelapse import timelapse as timelapse_server
from dauerlauf.worker_process import Trial, die_at_every_event, survivors
from hilfen import kinds, scheduled, until
from kapitel08.patching import rollout
from kapitel08.patching.books import entries
from kapitel08.patching.models import Order, PlaceOrder
from kapitel08.patching.scenarios import WORKER
from kapitel08.patching.stages import STAGES
from kapitel08.patching.worker import create_worker

STEPS = ["confirm_order", "check_fraud", "charge_payment", "ship_parcel"]
# Vom Ende des ersten Timers bis zum Ergebnis der Zahlung; die übrigen Abschnitte haben andere Muster auch.
AROUND_THE_PATCH = range(13, 28)
EVERYTHING = {"Bestätigungen": 1, "Prüfungen": 1, "Zahlungen": 1, "Pakete": 1}


@pytest.mark.timeout(300)
@pytest.mark.fault_plans(STEPS, number=10)
async def test_random_faults(fault_plans: FaultPlans, timelapse: Timelapse, tmp_path: Path) -> None:
    orders = {plan.seed: new_order() for plan in fault_plans}
    plans = {f"auftrag-{orders[plan.seed].order.number}": plan for plan in fault_plans}

    def create(client: Client, task_queue: str) -> Any:
        return create_worker(client, tmp_path, task_queue=task_queue)

    async with open_worker(timelapse, create=create, plan=plans) as worker:

        async def run(plan: FaultPlan) -> None:
            placed = orders[plan.seed]
            handle = await worker.start("OrderWorkflow", placed, id=f"auftrag-{placed.order.number}")
            with suppress(WorkflowFailureError):
                await result(handle, 60)
            status = (await handle.describe()).status
            booked = entries(tmp_path, placed.order.number)
            assert status is not None
            # Nie zweimal, nie bezahlt ohne Prüfung, nie versandt ohne Zahlung.
            assert set(booked.values()) <= {1}
            assert booked["Prüfungen"] >= booked["Zahlungen"] >= booked["Pakete"]
            assert status.name != "COMPLETED" or dict(booked) == EVERYTHING

        await fault_plans.check(run)
        assert len(worker.fired) > len(plans) // 2


@pytest.mark.gruendlich
@pytest.mark.timeout(300)
@pytest.mark.prozess
async def test_worker_dies_at_every_event_around_the_patch(timelapse: Timelapse, tmp_path: Path) -> None:
    async def start(client: Client, trial: Trial) -> WorkflowHandle[Any, Any]:
        placed = PlaceOrder(Order(trial.workflow_id, "Jörg Weiß", 4_990))
        return await client.start_workflow("OrderWorkflow", placed, id=trial.workflow_id, task_queue=trial.task_queue)

    takeovers = await die_at_every_event(
        timelapse,
        WORKER,
        arguments=lambda trial: {"folder": tmp_path, "task_queue": trial.task_queue},
        start=start,
        folder=tmp_path / "runs",
        events=AROUND_THE_PATCH,
    )
    _, *others = takeovers
    assert len(others) == len(AROUND_THE_PATCH)
    for takeover in others:
        ended = (takeover.status.name, dict(entries(tmp_path, takeover.trial.workflow_id)))
        assert ended == ("COMPLETED", EVERYTHING), f"{takeover.describe()}: {takeover.result}"
    assert survivors(takeovers) == []


@pytest.mark.gruendlich
async def test_stuck_runs_are_found_and_freed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Der Server zählt: Ab zwei gescheiterten Anläufen (Standard: fünf) nennt er den Lauf im Suchattribut."""
    key = "system.numConsecutiveWorkflowTaskProblemsToTriggerSearchAttribute"
    monkeypatch.setattr(server, "DYNAMIC_CONFIG", {**server.DYNAMIC_CONFIG, key: "2"})
    async with timelapse_server() as own, open_shop(own, tmp_path) as shop:
        stuck, healthy = new_order(), new_order()
        handles = [await shop.start(placed) for placed in (stuck, healthy)]
        async with shop.code(STAGES[1]):
            await shop.paid(handles[0])
            await shop.waiting(handles[1], 1)
        async with shop.code(STAGES[3]):
            ahead = [asyncio.create_task(shop.timelapse.fast_forward(handle)) for handle in handles]

            async def found() -> bool:
                return await rollout.found(own.client, rollout.STUCK) == [handles[0].id]

            await until(found)
            assert await listed(own, rollout.STUCK) == [handles[0].id]
            assert await listed(own, "TemporalReportedProblems IS NOT NULL") == [handles[0].id]
            problems = (await handles[0].describe()).search_attributes["TemporalReportedProblems"]
            assert list(problems) == [
                "category=WorkflowTaskFailed",
                "cause=WorkflowTaskFailedCauseNonDeterministicError",
            ]
            assert entries(tmp_path, stuck.order.number)["Pakete"] == 0
            # Der andere hatte die Stelle noch vor sich; ihn stört Stufe 3 nicht.
            await result(handles[1], 30)
        async with shop.code(STAGES[2]):
            await result(handles[0], 30)
            await asyncio.gather(*ahead)
        history = await handles[0].fetch_history()
        assert scheduled(history) == ["confirm_order", "charge_payment", "ship_parcel"]
        assert kinds(history).count("WORKFLOW_TASK_FAILED") == 1
        assert dict(entries(tmp_path, stuck.order.number)) == {"Bestätigungen": 1, "Zahlungen": 1, "Pakete": 1}

        async def cleared() -> bool:
            return "TemporalReportedProblems" not in (await handles[0].describe()).search_attributes

        await until(cleared)


async def listed(own: Timelapse, query: str) -> list[str]:
    """Was `temporal workflow list --query …` nennt."""
    address = own.client.service_client.config.target_host
    command = [await server.find_binary(), "workflow", "list", "--address", address, "--query", query, "-o", "json"]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
    return [found["execution"]["workflowId"] for found in json.loads(done.stdout)]
