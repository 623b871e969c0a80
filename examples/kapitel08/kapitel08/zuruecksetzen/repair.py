"""Betroffene Läufe finden und zurücksetzen.

Start: `python -m kapitel08.zuruecksetzen.repair --help`. Den Server nennt Temporals
eigene Konfiguration.
"""

import asyncio
import atexit
import sys
import time
import uuid
from collections.abc import Collection, Coroutine, Sequence
from typing import Annotated, Any, TypeAlias

import typer
from temporalio.api.batch.v1 import BatchOperationReset
from temporalio.api.common.v1 import ResetOptions
from temporalio.api.common.v1 import WorkflowExecution as Run
from temporalio.api.enums.v1 import ResetReapplyExcludeType
from temporalio.api.workflowservice.v1 import (
    ResetWorkflowExecutionRequest,
    StartBatchOperationRequest,
)
from temporalio.client import (
    Client,
    WorkflowExecutionStatus,
    WorkflowHandle,
    WorkflowHistory,
)
from temporalio.service import RPCError

from kapitel08.zuruecksetzen.worker import TASK_QUEUE, connect

ExcludeType: TypeAlias = ResetReapplyExcludeType.ValueType
SIGNALS = ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_SIGNAL
UPDATES = ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_UPDATE
REPAIRABLE = (WorkflowExecutionStatus.RUNNING, WorkflowExecutionStatus.COMPLETED)


class NoSuchStepError(Exception):
    """Dieser Lauf hat die genannte Activity nie geplant."""


class NotLatestError(Exception):
    """Dieser Lauf hat schon einen Nachfolger."""


# --8<-- [start:point]
def point_before(history: WorkflowHistory, activity: str) -> int:
    """Das Event, an dem der Workflow-Task endete, der `activity` zuerst plante."""
    for event in history.events:
        scheduled = event.activity_task_scheduled_event_attributes
        if scheduled.activity_type.name == activity:
            return scheduled.workflow_task_completed_event_id  # (!)
    raise NoSuchStepError(f"{history.workflow_id} hat {activity} nie geplant.")


# --8<-- [end:point]


async def reset(
    client: Client,
    run: Run,
    event_id: int,
    reason: str,
    *,
    exclude: Collection[ExcludeType] = (),
) -> str:
    """Setzt einen Lauf zurück und gibt die Run-ID seines Nachfolgers zurück.

    `exclude` nennt, was nach dem Punkt geschah und nicht wieder angewendet werden soll.
    Wirft `NotLatestError`, wenn der Lauf schon einen Nachfolger hat.
    """
    # --8<-- [start:reset]
    latest = await client.get_workflow_handle(run.workflow_id).describe()
    if latest.run_id != run.run_id:  # (1)
        raise NotLatestError(f"{run.workflow_id} läuft schon als {latest.run_id}.")
    answer = await client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=run,  # (2)
            workflow_task_finish_event_id=event_id,  # (3)
            reset_reapply_exclude_types=exclude,
            request_id=str(uuid.uuid4()),
            reason=reason,
        )
    )
    return answer.run_id
    # --8<-- [end:reset]


# --8<-- [start:find]
async def find_affected(client: Client, build: str, task_queue: str) -> list[Run]:
    """Läufe, in denen diese Version mindestens einen Workflow-Task erledigt hat."""
    query = f'BuildIds = "unversioned:{build}" AND TaskQueue = "{task_queue}"'
    found = []
    async for execution in client.list_workflows(query):
        latest = await client.get_workflow_handle(execution.id).describe()
        if latest.run_id == execution.run_id and latest.status in REPAIRABLE:  # (!)
            found.append(Run(workflow_id=execution.id, run_id=execution.run_id))
    return sorted(found, key=lambda run: run.workflow_id)


# --8<-- [end:find]


# --8<-- [start:batch]
async def reset_batch(
    client: Client, runs: Sequence[Run], build: str, reason: str, per_second: float
) -> str:
    """Setzt alle vor den ersten Workflow-Task dieser Version; nennt den Auftrag."""
    job = f"zuruecksetzen-{uuid.uuid4()}"
    await client.workflow_service.start_batch_operation(
        StartBatchOperationRequest(
            namespace=client.namespace,
            job_id=job,
            reason=reason,
            executions=runs,
            max_operations_per_second=per_second,
            reset_operation=BatchOperationReset(
                options=ResetOptions(build_id=build, current_run_only=True)  # (!)
            ),
        )
    )
    return job


# --8<-- [end:batch]


async def stuck(handle: WorkflowHandle[Any, Any]) -> bool:
    """Ob der Workflow-Task eines Laufs immer wieder scheitert."""
    return (await handle.describe()).raw_description.pending_workflow_task.attempt > 1


app = typer.Typer(add_completion=False, rich_markup_mode=None)

Build = Annotated[str, typer.Option(help="die Version, die den Fehler hatte")]
Queue = Annotated[str, typer.Option(help="Task Queue der Aufträge")]


@app.command("finde")
def find_command(version: Build, task_queue: Queue = TASK_QUEUE) -> None:
    """Zeigt die betroffenen Läufe und ändert nichts."""

    async def work() -> None:
        for run in await find_affected(await connect(), version, task_queue):
            typer.echo(f"{run.workflow_id}  {run.run_id}")

    _run(work())


@app.command("setze-zurueck")
def reset_command(
    version: Build,
    grund: Annotated[str, typer.Option(help="steht in jeder Event History")],
    task_queue: Queue = TASK_QUEUE,
    je_sekunde: Annotated[float, typer.Option(min=0.1, help="höchstens")] = 5,
) -> None:
    """Setzt die betroffenen Läufe in einem Batch zurück."""

    async def work() -> None:
        client = await connect()
        runs = await find_affected(client, version, task_queue)
        if runs:
            job = await reset_batch(client, runs, version, grund, je_sekunde)
            typer.echo(f"Zurückgesetzt: {len(runs)} (Auftrag {job})")
        else:
            typer.echo("Nichts zu tun.")

    _run(work())


def _run(work: Coroutine[Any, Any, None]) -> None:
    try:
        asyncio.run(work)
    except (ConnectionError, RPCError) as error:
        typer.echo(f"Fehler: {error}", err=True)
        raise typer.Exit(2) from None


if __name__ == "__main__":
    # Ohne diese Pause stirbt der Prozess beim Beenden manchmal mit SIGABRT
    # (temporalio/sdk-python#300).
    atexit.register(time.sleep, 0.1)
    sys.exit(app())
