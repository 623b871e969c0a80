"""Welche Ausnahme was bewirkt: die Tabellen der Eröffnung von Kapitel 7, Zeile für Zeile."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
import temporalio.exceptions
from fehlerarten_beispiele import (
    SEEN,
    WORKFLOWS,
    AbandonedWorkflow,
    ActivityErrorWorkflow,
    CancelWatcher,
    DeadlineWorkflow,
    DeclaredErrorWorkflow,
    DeliberateErrorWorkflow,
    ImpatientWorkflow,
    PlainErrorWorkflow,
    RaisesCancelledWorkflow,
    RepairedWorkflow,
    SleepWorkflow,
    stumble,
    wait_until_cancelled,
)
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    CancelledError,
    FailureError,
    RetryState,
)
from temporalio.worker import Worker

from dauerlauf.timelapse import Timelapse, WorkflowStuckError, result


@asynccontextmanager
async def running(
    timelapse: Timelapse, workflow: Any, *args: Any, queue: str
) -> AsyncIterator[WorkflowHandle[Any, Any]]:
    """Startet `workflow` auf einem Worker, der alle Beispiele kennt."""
    async with Worker(
        timelapse.client_for("worker-1"),
        task_queue=queue,
        workflows=WORKFLOWS,
        activities=[stumble, wait_until_cancelled],
    ):
        # Den zweiten gescheiterten Versuch meldet der Worker nicht mehr; der Server wartet dann diese Frist ab.
        yield await timelapse.client.start_workflow(
            workflow, args=args, id=queue, task_queue=queue, task_timeout=timedelta(seconds=1)
        )


async def failure(timelapse: Timelapse, workflow: Any, *args: Any) -> tuple[BaseException, list[int], str]:
    """Lässt `workflow` scheitern; gibt Ursache, Arten der Events und Workflow-ID zurück."""
    queue = timelapse.task_queue()
    async with running(timelapse, workflow, *args, queue=queue) as handle:
        with pytest.raises(WorkflowFailureError) as caught:
            await result(handle)
        assert (await handle.describe()).status == WorkflowExecutionStatus.FAILED
        kinds = [int(event.event_type) async for event in handle.fetch_history_events()]
    return caught.value.cause, kinds, queue


async def test_gewoehnliche_ausnahme_laesst_den_workflow_haengen(timelapse: Timelapse) -> None:
    queue = timelapse.task_queue()
    async with running(timelapse, PlainErrorWorkflow.run, "Buddelschiff", queue=queue) as handle:
        with pytest.raises(WorkflowStuckError, match="Buddelschiff"):
            await result(handle, 1)
        description = await handle.describe()
        kinds = [event.event_type async for event in handle.fetch_history_events()]
        await handle.terminate()
    assert description.status == WorkflowExecutionStatus.RUNNING
    assert description.raw_description.pending_workflow_task.attempt >= 2
    # Nur der erste gescheiterte Workflow-Task steht in der History; die weiteren Versuche hinterlassen nichts.
    assert kinds.count(EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED) == 1


async def test_nach_der_reparatur_laeuft_der_haengende_workflow_weiter(timelapse: Timelapse) -> None:
    queue = timelapse.task_queue()
    async with running(timelapse, PlainErrorWorkflow.run, "Buddelschiff", queue=queue) as handle:
        with pytest.raises(WorkflowStuckError):
            await result(handle, 0.5)
    async with Worker(timelapse.client_for("worker-2"), task_queue=queue, workflows=[RepairedWorkflow]):
        assert await result(handle, 20) == 3990


async def test_application_error_laesst_den_workflow_scheitern(timelapse: Timelapse) -> None:
    cause, kinds, _ = await failure(timelapse, DeliberateErrorWorkflow.run, "Buddelschiff")
    assert isinstance(cause, ApplicationError)
    assert cause.type == "PreisFehlt"
    assert EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED not in kinds


async def test_erklaerte_ausnahme_laesst_den_workflow_scheitern(timelapse: Timelapse) -> None:
    cause, kinds, _ = await failure(timelapse, DeclaredErrorWorkflow.run)
    assert isinstance(cause, ApplicationError)
    assert cause.type == "KeyError"
    assert EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED not in kinds


async def test_ungefangener_activity_error_laesst_den_workflow_scheitern(timelapse: Timelapse) -> None:
    cause, _, _ = await failure(timelapse, ActivityErrorWorkflow.run, "endgültig")
    assert isinstance(cause, ActivityError)


async def test_abgelaufenes_wait_condition_laesst_den_workflow_scheitern(timelapse: Timelapse) -> None:
    cause, kinds, _ = await failure(timelapse, ImpatientWorkflow.run)
    assert isinstance(cause, FailureError)
    assert EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED not in kinds


async def test_abbruch_endet_als_canceled(timelapse: Timelapse) -> None:
    queue = timelapse.task_queue()
    with timelapse.unskipped():
        async with running(timelapse, SleepWorkflow.run, queue=queue) as handle:
            await handle.cancel()
            with pytest.raises(WorkflowFailureError) as caught:
                await result(handle)
    assert isinstance(caught.value.cause, CancelledError)
    assert (await handle.describe()).status == WorkflowExecutionStatus.CANCELED


async def test_cancelled_error_ohne_abbruch_laesst_den_workflow_scheitern(timelapse: Timelapse) -> None:
    cause, _, _ = await failure(timelapse, RaisesCancelledWorkflow.run)
    assert isinstance(cause, CancelledError)


async def test_fehlerkette_vom_client_bis_zur_activity(timelapse: Timelapse) -> None:
    cause, _, _ = await failure(timelapse, ActivityErrorWorkflow.run, "endgültig")
    assert isinstance(cause, ActivityError)
    assert str(cause) == "Activity task failed"
    assert cause.retry_state == RetryState.NON_RETRYABLE_FAILURE
    root = cause.cause
    assert isinstance(root, ApplicationError)
    assert (root.type, root.message) == ("KarteAbgelehnt", "Die Karte ist gesperrt.")


async def test_wartezeiten_der_standard_policy(timelapse: Timelapse) -> None:
    cause, kinds, workflow_id = await failure(timelapse, ActivityErrorWorkflow.run, "gewöhnlich")
    assert isinstance(cause, ActivityError)
    assert cause.retry_state == RetryState.MAXIMUM_ATTEMPTS_REACHED
    times = SEEN.scheduled[workflow_id]
    waits = [round((after - before).total_seconds()) for before, after in pairwise(times)]
    assert waits == [1, 2, 4, 8, 16, 32, 64, 100, 100]
    # Zehn Versuche, aber nur ein Auftrag und ein Beginn in der History.
    assert kinds.count(EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED) == 1
    assert kinds.count(EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED) == 1


async def test_klassenname_als_nicht_wiederholbar(timelapse: Timelapse) -> None:
    cause, _, workflow_id = await failure(timelapse, ActivityErrorWorkflow.run, "Wert")
    assert isinstance(cause, ActivityError)
    assert isinstance(cause.cause, ApplicationError)
    assert cause.cause.type == "ValueError"
    assert len(SEEN.scheduled[workflow_id]) == 1


async def test_frist_beendet_die_versuche(timelapse: Timelapse) -> None:
    cause, _, workflow_id = await failure(timelapse, DeadlineWorkflow.run)
    assert isinstance(cause, ActivityError)
    times = SEEN.scheduled[workflow_id]
    assert times[-1] - times[0] < timedelta(hours=1)
    # 8 Versuche mit wachsenden Pausen (127 s), danach alle 100 s einer.
    assert len(times) == 42


async def test_frist_laeuft_auch_ohne_worker(timelapse: Timelapse) -> None:
    cause, kinds, workflow_id = await failure(timelapse, AbandonedWorkflow.run)
    assert isinstance(cause, ActivityError)
    assert isinstance(cause.cause, temporalio.exceptions.TimeoutError)
    assert EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED not in kinds
    assert workflow_id not in SEEN.scheduled


@pytest.mark.parametrize(
    ("where", "seen"),
    [
        ("Workflow", ["BaseException", "CancelledError", "True"]),
        ("Activity", ["Exception", "ActivityError", "CancelledError"]),
    ],
)
async def test_abbruch_hat_zwei_gesichter(timelapse: Timelapse, where: str, seen: list[str]) -> None:
    queue = timelapse.task_queue()
    with timelapse.unskipped():
        async with running(timelapse, CancelWatcher.run, where, queue=queue) as handle:
            if where == "Activity":
                await asyncio.wait_for(SEEN.waiting.wait(), 30)
            await handle.cancel()
            assert await result(handle) == seen
    # Wer den Abbruch fängt und zurückkehrt, verschluckt ihn.
    assert (await handle.describe()).status == WorkflowExecutionStatus.COMPLETED
