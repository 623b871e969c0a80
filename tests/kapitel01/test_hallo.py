"""Das Muster `hallo`: ein Schritt, eine Wirkung – auch dann, wenn die Activity zweimal läuft."""

from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowExecutionStatus
from temporalio.worker import Worker

from dauerlauf.faults import ActivityAction, ActivityFault, FaultInjector, FaultPlan
from dauerlauf.history import load
from dauerlauf.scenario import play
from dauerlauf.timelapse import Timelapse, WorkflowStuckError, result
from hilfen import count
from kapitel01.hallo.activities import Order
from kapitel01.hallo.scenarios import PATTERN
from kapitel01.hallo.worker import create_worker
from kapitel01.hallo.workflow import ConfirmOrder
from kapitel01.hallo.wrong import ConfirmWithoutTimeout, ForgetfulMailroom

ORDER = Order("B-1002", "Änne Groß", 1205)
LETTER = "Guten Tag Änne Groß,\nIhre Bestellung über 12,05 € ist da.\n"


async def test_ein_schreiben_liegt_im_postausgang(timelapse: Timelapse, tmp_path: Path) -> None:
    run = await play(PATTERN.find("bestaetigung"), timelapse, folder=tmp_path)
    assert run.status == "COMPLETED"
    assert [file.name for file in tmp_path.iterdir()] == ["B-1001.txt"]
    assert run.notes == ["Postausgang: 1 Schreiben (B-1001.txt)"]


async def test_activity_laeuft_zweimal_und_wirkt_einmal(timelapse: Timelapse, tmp_path: Path) -> None:
    lost = FaultPlan(activities=(ActivityFault("confirm_order", ActivityAction.LOSE_COMPLETION),))
    injector = FaultInjector(lost)
    queue = timelapse.task_queue()
    client = timelapse.client_for("worker-1", plugins=[injector])
    async with create_worker(client, tmp_path, task_queue=queue):
        handle = await timelapse.client.start_workflow(ConfirmOrder.run, ORDER, id=queue, task_queue=queue)
        assert await result(handle) == "B-1002.txt"
    assert len(injector.journal.texts()) == 1, "Die Meldung ging nicht verloren; der Test prüfte nichts."
    assert [file.read_text("utf-8") for file in tmp_path.iterdir()] == [LETTER]


async def test_zwei_versuche_geben_ein_started_event(timelapse: Timelapse) -> None:
    run = await play(PATTERN.find("meldung-verloren"), timelapse)
    started = [e for e in run.history.events if e.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED]
    assert [event.activity_task_started_event_attributes.attempt for event in started] == [2]
    assert count(run.history, "ACTIVITY_TASK_TIMED_OUT") == 0


@pytest.mark.parametrize("name", PATTERN.scenarios)
async def test_aufgezeichneter_lauf_passt_zum_code(name: str, replay: Callable[..., Awaitable[int]]) -> None:
    assert await replay(PATTERN.history_file(name), workflows=[ConfirmOrder]) == 1


def test_kosten_der_bestaetigung() -> None:
    history = load(PATTERN.history_file("bestaetigung"))
    assert len(history.events) == 11
    assert count(history, "WORKFLOW_TASK_COMPLETED") == 2


async def test_ohne_timeout_bleibt_der_workflow_stehen(timelapse: Timelapse, tmp_path: Path) -> None:
    queue = timelapse.task_queue()
    async with Worker(timelapse.client, task_queue=queue, workflows=[ConfirmWithoutTimeout]):
        handle = await timelapse.client.start_workflow(ConfirmWithoutTimeout.run, ORDER, id=queue, task_queue=queue)
        with pytest.raises(WorkflowStuckError, match="must have start_to_close_timeout"):
            await result(handle, timeout=1)
        history = await handle.fetch_history()
        assert (await handle.describe()).status == WorkflowExecutionStatus.RUNNING
        assert count(history, "ACTIVITY_TASK_SCHEDULED") == 0
        await handle.terminate()


async def test_zufaelliger_dateiname_gibt_zwei_schreiben(timelapse: Timelapse, tmp_path: Path) -> None:
    queue = timelapse.task_queue()
    lost = FaultPlan(activities=(ActivityFault("confirm_order", ActivityAction.LOSE_COMPLETION),))
    async with Worker(
        timelapse.client_for("worker-1", plugins=[FaultInjector(lost)]),
        task_queue=queue,
        workflows=[ConfirmOrder],
        activities=[ForgetfulMailroom(tmp_path).confirm_order],
        activity_executor=ThreadPoolExecutor(1),
        max_concurrent_activities=1,
    ):
        handle = await timelapse.client.start_workflow(ConfirmOrder.run, ORDER, id=queue, task_queue=queue)
        await result(handle)
    assert len(list(tmp_path.iterdir())) == 2


async def test_der_auftrag_wartet_auf_einen_worker(timelapse: Timelapse, tmp_path: Path) -> None:
    queue = timelapse.task_queue()
    handle = await timelapse.client.start_workflow(ConfirmOrder.run, ORDER, id=queue, task_queue=queue)
    with pytest.raises(WorkflowStuckError, match="Kein Worker nimmt den Workflow-Task"):
        await result(handle, timeout=0.3)
    async with create_worker(timelapse.client, tmp_path, task_queue=queue):
        assert await result(handle) == "B-1002.txt"
