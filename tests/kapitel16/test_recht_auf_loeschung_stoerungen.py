"""Die Löschung unter zufälligen und tödlichen Störungen: Sie wird fertig, und sie wirkt einmal."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from loeschung_hilfen import new_stage
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle

from dauerlauf.scenario import Stage
from dauerlauf.testing import FaultPlans, open_worker
from dauerlauf.timelapse import Timelapse
from dauerlauf.worker_process import Trial, die_at_every_event, survivors
from kapitel16.recht_auf_loeschung.key_store import KeyCache
from kapitel16.recht_auf_loeschung.scenarios import WORKER, Office, open_shop, reached
from kapitel16.recht_auf_loeschung.worker import create_worker

# Sechs Events je Schritt; diese Auswahl trifft jede Stelle eines Schritts mehrmals.
EVENTS = [event for event in range(1, 100) if event % 5 in (0, 2)]
STEPS = ["close_account", "end_running", "terminate_running", "destroy_keys", "prove_erasure", "record_erasure"]


@pytest.mark.gruendlich
@pytest.mark.timeout(200)
@pytest.mark.fault_plans(STEPS, number=4)
async def test_random_faults(fault_plans: FaultPlans, timelapse: Timelapse, tmp_path: Path) -> None:
    stages: dict[int, tuple[Stage, Office]] = {}
    for plan in fault_plans:
        folder = tmp_path / str(plan.seed)
        folder.mkdir()
        stage = new_stage(timelapse, folder)
        stages[plan.seed] = (stage, Office(stage))

    async def run(plan: Any) -> None:
        stage, office = stages[plan.seed]
        keys = KeyCache(office.keys, 0)
        async with open_worker(
            timelapse,
            create=lambda client, _: create_worker(client, stage.folder, task_queue=stage.task_queue, keys=keys),
            plan=plan,
        ):
            order = await office.order(office.meike, "N-1")
            await reached(order, "wartet auf Zahlung")
            with suppress(WorkflowFailureError):
                await office.erase(office.meike)
        # Ein Störplan darf auch abbrechen; der nächste Antrag macht weiter oder bestätigt.
        async with open_shop(stage, "worker-2"):
            record = await office.erase(office.meike)
        assert (record.proof.readable, record.terminated) == (0, 0)
        assert record.proof.sealed == 6
        assert {entry.destroyed_at for entry in office.register.records()} == {record.destroyed_at}
        assert office.register.stock() == {"N-1": "freigegeben"}

    await fault_plans.check(run, concurrency=4)


@pytest.mark.gruendlich
@pytest.mark.timeout(300)
@pytest.mark.prozess
async def test_worker_dies_all_along_the_erasure(timelapse: Timelapse, tmp_path: Path) -> None:
    offices: dict[str, Office] = {}

    async def start(client: Client, trial: Trial) -> WorkflowHandle[Any, Any]:
        stage = Stage(client, timelapse, trial.folder, trial.task_queue)
        office = offices[trial.task_queue] = Office(stage)
        return await office.request(office.meike)

    takeovers = await die_at_every_event(
        timelapse,
        WORKER,
        arguments=lambda trial: {"folder": trial.folder, "task_queue": trial.task_queue},
        start=start,
        folder=tmp_path / "runs",
        events=EVENTS,
    )
    reference, *others = takeovers
    assert {takeover.death.event for takeover in others if takeover.death} == {
        event for event in EVENTS if event <= len(reference.history.events)
    }
    assert len(others) > 20
    for takeover in takeovers:
        office = offices[takeover.trial.task_queue]
        key_id = f"{office.meike.number}.auftrag"
        assert takeover.status.name == "COMPLETED", takeover.describe()
        assert len(office.register.records()) == 1, takeover.describe()
        assert key_id not in office.keys.living(), takeover.describe()
        assert f"{office.anke.number}.auftrag" in office.keys.living()
    assert survivors(takeovers) == []
