"""Histories gegen den Code dieses Checkouts abspielen und sagen, was nicht passt."""

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import cache

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory
from temporalio.converter import DataConverter
from temporalio.runtime import (
    LoggingConfig,
    Runtime,
    TelemetryConfig,
    TelemetryFilter,
)
from temporalio.worker import Replayer

MESSAGE = re.compile(r'message: "((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class Finding:
    """Woran das Replay scheitert: am wievielten Event, was dort steht, was fehlt."""

    event: int
    recorded: str
    message: str


def replayable(history: WorkflowHistory) -> bool:
    """Ohne abgeschlossenen Workflow-Task ist noch keine Entscheidung aufgezeichnet."""
    wanted = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    return any(event.event_type == wanted for event in history.events)


def workflow_type(history: WorkflowHistory) -> str:
    """Der Workflow-Typ aus dem ersten Event."""
    started = history.events[0].workflow_execution_started_event_attributes
    return started.workflow_type.name


class Checkout:
    """Der Code dieses Checkouts, bereit zum Replay."""

    def __init__(self, workflows: Sequence[type], converter: DataConverter) -> None:
        self._replayer = Replayer(
            workflows=workflows,
            data_converter=converter,
            runtime=_quiet_runtime(),
            build_id="replay",  # erspart die Prüfsumme über alle geladenen Module
        )

    # --8<-- [start:replay]
    async def check(
        self, histories: Sequence[WorkflowHistory]
    ) -> list[tuple[WorkflowHistory, Finding | None]]:
        """Spielt alle ab, auch nach dem ersten Fehler, und nennt je Lauf den Befund."""

        async def each() -> AsyncIterator[WorkflowHistory]:
            for history in histories:
                yield history

        found = []
        async with self._replayer.workflow_replay_iterator(each()) as results:
            async for result in results:
                found.append((result.history, result.replay_failure))
        return [
            (history, await self._locate(history, failure) if failure else None)
            for history, failure in found
        ]

    # --8<-- [end:replay]

    # --8<-- [start:locate]
    async def _locate(self, history: WorkflowHistory, failure: Exception) -> Finding:
        """Das erste Event, mit dem das Replay scheitert: durch Halbieren gesucht."""
        passes, fails = 1, len(history.events)
        while fails - passes > 1:
            middle = (passes + fails) // 2
            part = WorkflowHistory(history.workflow_id, history.events[:middle])
            result = await self._replayer.replay_workflow(
                part, raise_on_replay_failure=False
            )
            if result.replay_failure:
                fails = middle
            else:
                passes = middle
        event = history.events[fails - 1]
        return Finding(event.event_id, _describe(event), _message(failure))

    # --8<-- [end:locate]


def _describe(event: HistoryEvent) -> str:
    """Etwa `ActivityTaskScheduled reserve_stock`."""
    name = EventType.Name(event.event_type).removeprefix("EVENT_TYPE_")
    words = name.title().replace("_", "")
    activity = event.activity_task_scheduled_event_attributes.activity_type.name
    return f"{words} {activity}".strip()


def _message(failure: Exception) -> str:
    """Der Satz des SDK, ohne die Verpackung darum."""
    found = MESSAGE.search(str(failure))
    text = found.group(1) if found else str(failure)
    return text.replace("\\'", "'").replace('\\"', '"').split("\\n")[0]


@cache
def _quiet_runtime() -> Runtime:
    """Eine Runtime, die nicht selbst ins Protokoll der CI schreibt."""
    log = LoggingConfig(filter=TelemetryFilter(core_level="OFF", other_level="OFF"))
    return Runtime(telemetry=TelemetryConfig(logging=log))
