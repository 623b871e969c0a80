"""Welche Läufe der Export holt: aus jeder Gruppe ein paar, über die Zeit verteilt."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from temporalio.client import (
    Client,
    WorkflowExecution,
    WorkflowExecutionStatus,
)
from temporalio.common import SearchAttributeKey

CHANGES = SearchAttributeKey.for_keyword_list("TemporalChangeVersion")
VERSION = SearchAttributeKey.for_keyword("TemporalWorkerDeploymentVersion")
BUILDS = SearchAttributeKey.for_keyword_list("BuildIds")

Group = tuple[str, bool, str, frozenset[str]]


# --8<-- [start:query]
def query(closed_for: timedelta, extra: str = "") -> str:
    """Alle offenen Läufe und die, die in der letzten Zeit zu Ende gingen."""
    since = (datetime.now(UTC) - closed_for).strftime("%Y-%m-%dT%H:%M:%SZ")
    recent = f'(ExecutionStatus = "Running" OR CloseTime > "{since}")'
    return f"{recent} AND ({extra})" if extra else recent


# --8<-- [end:query]


# --8<-- [start:group]
def group(execution: WorkflowExecution) -> Group:
    """Läufe derselben Gruppe gingen vermutlich denselben Weg durch den Code."""
    attributes = execution.typed_search_attributes
    version = attributes.get(VERSION) or " ".join(sorted(attributes.get(BUILDS) or ()))
    return (
        execution.workflow_type,
        execution.status is WorkflowExecutionStatus.RUNNING,
        version,
        frozenset(attributes.get(CHANGES) or ()),  # die Patches
    )


def sample(
    executions: Iterable[WorkflowExecution], per_group: int
) -> list[WorkflowExecution]:
    """Aus jeder Gruppe höchstens `per_group`, vom ältesten bis zum jüngsten."""
    groups: dict[Group, list[WorkflowExecution]] = defaultdict(list)
    for execution in sorted(executions, key=lambda one: one.start_time):
        groups[group(execution)].append(execution)
    return [one for runs in groups.values() for one in spread(runs, per_group)]


# --8<-- [end:group]


def spread(
    runs: Sequence[WorkflowExecution], count: int
) -> Sequence[WorkflowExecution]:
    """`count` gleichmäßig verteilte, darunter der erste und der letzte."""
    if len(runs) <= count:
        return runs
    if count == 1:
        return runs[:1]
    return [runs[i * (len(runs) - 1) // (count - 1)] for i in range(count)]


async def select(
    client: Client, wanted: str, per_group: int
) -> list[WorkflowExecution]:
    """Fragt den Server; wirft `RPCError` bei einer ungültigen Abfrage."""
    return sample([one async for one in client.list_workflows(wanted)], per_group)
