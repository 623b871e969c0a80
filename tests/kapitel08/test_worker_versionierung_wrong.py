"""Falsche Versionierung: was Deployments nicht abnehmen."""

from pathlib import Path

import pytest
from temporalio.worker import WorkerDeploymentConfig
from versionierung_hilfen import fleet, other_worker, until_failed

from dauerlauf.testing import open_worker
from dauerlauf.timelapse import Timelapse, result
from kapitel08.worker_versionierung import version1
from kapitel08.worker_versionierung.activities import WarehouseActivities
from kapitel08.worker_versionierung.models import Order
from kapitel08.worker_versionierung.scenarios import STUCK_TASK, until
from kapitel08.worker_versionierung.version1 import ReturnWorkflow
from kapitel08.worker_versionierung.wrong import SilentOrderWorkflow, UnpatchedReturnWorkflow


@pytest.mark.gruendlich
async def test_wrong_auto_upgrade_without_patch_tears_a_running_return(timelapse: Timelapse, tmp_path: Path) -> None:
    one = fleet(timelapse, tmp_path)
    async with one.worker("1.0"), other_worker(one, "2.0-falsch", [UnpatchedReturnWorkflow]):
        await one.rollout.make_current("1.0")
        back = await one.waiting_return("R-1")
        await one.rollout.make_current("2.0-falsch")
        await back.signal(ReturnWorkflow.arrived)
        assert "announce_return" in await until_failed(back, "TMPRL1100")
        assert one.book.entries("R-1") == [("send_label", "1.0")]
        # Der Rückweg steht offen: 1.0 kennt den Verlauf.
        await one.rollout.make_current("1.0")
        await result(back, 30)
        assert one.book.entries("R-1") == [("send_label", "1.0"), ("refund", "1.0")]


async def test_wrong_workflow_without_behavior_is_refused(timelapse: Timelapse, tmp_path: Path) -> None:
    one = fleet(timelapse, tmp_path)
    with pytest.raises(ValueError, match="must specify a versioning behavior"):
        other_worker(one, "2.0", [SilentOrderWorkflow])


def test_wrong_config_without_version_object_is_refused() -> None:
    with pytest.raises(TypeError, match="deployment_name"):
        WorkerDeploymentConfig(deployment_name="nordlicht-lager", build_id="2.0")  # type: ignore[call-arg]


@pytest.mark.gruendlich
async def test_wrong_behavior_on_a_worker_without_version_never_completes_a_task(
    timelapse: Timelapse, tmp_path: Path
) -> None:
    one = fleet(timelapse, tmp_path)
    activities = WarehouseActivities(tmp_path, "ohne").all()
    async with open_worker(timelapse, workflows=[version1.OrderWorkflow], activities=activities) as unversioned:
        order = await unversioned.start(
            version1.OrderWorkflow.run, Order("N-1"), start_signal="paid", task_timeout=STUCK_TASK
        )

        async def tried_again() -> bool:
            return (await order.describe()).raw_description.pending_workflow_task.attempt >= 2

        # Der Server nimmt das Ergebnis nicht an; in der Event History steht davon kein Wort.
        await until(tried_again)
        kinds = [event.WhichOneof("attributes") async for event in order.fetch_history_events()]
        assert not [kind for kind in kinds if "failed" in kind or "task_completed" in kind]
        assert one.book.entries("N-1") == []
