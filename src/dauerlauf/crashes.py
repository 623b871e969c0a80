"""Abstürze eines aufgezeichneten Laufs: wo ein Worker sterben kann, und der Lauf, in dem er dort wirklich stirbt."""

import asyncio
import signal
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from temporalio.api.enums.v1 import PendingActivityState
from temporalio.client import WorkflowFailureError, WorkflowHandle, WorkflowHistory

from dauerlauf.errors import DauerlaufError
from dauerlauf.faults import (
    PATIENCE,
    ActivityAction,
    ActivityFault,
    FaultPlan,
    Journal,
    Moment,
    WorkflowAction,
    WorkflowFault,
    event_reached,
    shorten_timeout,
)
from dauerlauf.history import Step, StepKind, steps
from dauerlauf.scenario import CrashStage, Scenario, Stage, Standstill
from dauerlauf.timelapse import Timelapse, result
from dauerlauf.worker_process import ShortTasks, WorkerProcess

MOST_POINTS = 8
"""Mehr Abstürze zeichnen wir je Szenario nicht auf."""
MOST_AFTER = 5
"""Davon höchstens so viele nach einem Schritt; die übrigen geschehen, während etwas läuft."""

FIRST, SECOND = "worker-1", "worker-2"
_TIME_LIMIT = 30.0


class CrashKind(StrEnum):
    """Wann der Worker stirbt: bevor er ein Ergebnis verarbeitet, während eine Activity oder ein Timer läuft oder in
    dem Workflow-Task, der auf eine lokale Activity wartet."""

    AFTER = "after"
    DURING = "during"
    WAITING = "waiting"
    LOCAL = "local"


@dataclass(frozen=True)
class CrashPoint:
    """Ein Augenblick, in dem der Worker stirbt.

    `event` ist das Event des ungestörten Laufs, nach dem es geschieht, `label` nennt ihn in Worten. `last` ist das
    letzte Event, das der Tote noch in der History sah; bis dahin gleichen sich beide Läufe. `activity` ist der Typ
    der Activity, in der er stirbt oder deren Ergebnis er nicht mehr verarbeitet.
    """

    event: int
    label: str
    kind: CrashKind
    last: int
    plan: FaultPlan
    activity: str = ""

    @property
    def unnoticed(self) -> bool:
        """Ob die History den Tod nicht vermerkt, weil gerade kein Workflow-Task lief."""
        return self.kind in (CrashKind.DURING, CrashKind.WAITING)


_RESULTS = {
    StepKind.ACTIVITY_COMPLETED,
    StepKind.ACTIVITY_FAILED,
    StepKind.ACTIVITY_TIMED_OUT,
    StepKind.ACTIVITY_CANCELED,
    StepKind.TIMER_FIRED,
    StepKind.SIGNAL,
    StepKind.CHILD_COMPLETED,
    StepKind.CHILD_FAILED,
}


def points(history: WorkflowHistory) -> list[CrashPoint]:
    """Die Abstürze, die zu einem ungestörten Lauf aufgezeichnet werden, in der Reihenfolge der Events.

    Nach jedem Ergebnis stirbt der Worker, ehe der Workflow es sieht; dazu, solange Platz ist, während einer Activity,
    die er ausführt, und während ein Timer läuft. Sind es zu viele, bleiben gleichmäßig verteilte Ergebnisse und von den
    übrigen die frühesten.
    """
    found = steps(history)
    after = _thinned(list(_after(found)), MOST_AFTER)
    elsewhere = _elsewhere(history)
    during = [point for point in _during(found) if point.last not in elsewhere][: MOST_POINTS - len(after)]
    return sorted([*after, *during], key=lambda point: point.event)


def _elsewhere(history: WorkflowHistory) -> set[int]:
    """Activities auf einer anderen Task Queue: Sie laufen nicht in dem Worker, der stirbt."""
    home = history.events[0].workflow_execution_started_event_attributes.task_queue.name
    return {
        event.event_id
        for event in history.events
        if event.HasField("activity_task_scheduled_event_attributes")
        and event.activity_task_scheduled_event_attributes.task_queue.name != home
    }


def _after(found: Sequence[Step]) -> Iterator[CrashPoint]:
    pending: Step | None = None
    names: list[str] = []
    for step in found:
        if step.kind in _RESULTS:
            pending = step
            names.append(step.name)
        elif pending is not None and step.event == "WorkflowTaskStarted":
            fault = WorkflowFault(WorkflowAction.KILL, event=step.number, moment=Moment.BEGIN)
            label = f"nach {_what(pending, names.count(pending.name))}"
            plan, activity = (
                FaultPlan(workflow=(fault,)),
                pending.name if pending.event.startswith("ActivityTask") else "",
            )
            yield CrashPoint(pending.number, label, CrashKind.AFTER, step.number, plan, activity)
            pending = None


def _during(found: Sequence[Step]) -> Iterator[CrashPoint]:
    names: list[str] = []
    for step in found:
        if step.kind is StepKind.ACTIVITY_STARTED and step.caused_by is not None:
            names.append(step.name)
            number = names.count(step.name)
            plan = _killed(step.name, number)
            label = f"während {_what(step, number)}"
            yield CrashPoint(step.number, label, CrashKind.DURING, step.caused_by, plan, step.name)
        elif step.kind is StepKind.TIMER_STARTED:
            label = f"während {_what(step, 1)}"
            yield CrashPoint(step.number, label, CrashKind.WAITING, step.number, FaultPlan())
        elif step.kind is StepKind.LOCAL_ACTIVITY and step.name not in names:
            names.append(step.name)
            task = max(other.number for other in found[: step.number] if other.event == "WorkflowTaskStarted")
            plan, label = _killed(step.name, 1), f"nach {_what(step, 1)}"
            yield CrashPoint(step.number, label, CrashKind.LOCAL, task, plan, step.name)


def _killed(activity: str, number: int) -> FaultPlan:
    return FaultPlan((ActivityFault(activity, ActivityAction.KILL_AFTER, occurrence=number),))


def _what(step: Step, number: int) -> str:
    match step.kind:
        case StepKind.TIMER_STARTED:
            return "der Timer läuft"
        case StepKind.TIMER_FIRED:
            return "dem Timer"
        case StepKind.SIGNAL:
            return f"dem Signal {step.name}"
    name = f"{step.name} (Nr. {number})" if number > 1 else step.name
    return f"{name} läuft" if step.kind is StepKind.ACTIVITY_STARTED else name


def _thinned(found: list[CrashPoint], most: int) -> list[CrashPoint]:
    if len(found) <= most:
        return found
    return [found[round(index * (len(found) - 1) / (most - 1))] for index in range(most)]


@dataclass(frozen=True)
class CrashRun:
    """Ein Lauf mit Absturz: seine History und wie oft jede Activity (nach ihrer ID) wirklich lief."""

    point: CrashPoint
    history: WorkflowHistory
    exit_code: int
    executions: dict[str, int]

    def check(self) -> None:
        """Wirft `DauerlaufError`, wenn der Worker nicht durch SIGKILL starb oder etwas unnötig noch einmal lief."""
        if self.exit_code != -signal.SIGKILL:
            raise DauerlaufError(f"„{self.point.label}“: Der Worker endete mit Code {self.exit_code}.")
        known = [event for event in self.history.events if event.event_id <= self.point.last]
        scheduled = {event.event_id: event.activity_task_scheduled_event_attributes.activity_id for event in known}
        for event in known:
            done = scheduled.get(event.activity_task_completed_event_attributes.scheduled_event_id)
            if done and self.executions.get(done, 0) > 1:
                raise DauerlaufError(
                    f"„{self.point.label}“: Activity {done} lief {self.executions[done]}-mal, "
                    "obwohl ihr Ergebnis schon in der History stand."
                )


async def crash(scenario: Scenario, point: CrashPoint, timelapse: Timelapse) -> CrashRun:
    """Spielt ein Szenario mit einem Worker-Prozess, der an `point` mit SIGKILL stirbt; ein zweiter übernimmt.

    Wirft `DauerlaufError`, wenn der Worker nicht stirbt oder der Workflow nicht fertig wird.
    """
    open_stage = scenario.pattern.crash_stages[scenario.name]
    # `unskipped` gälte sonst auch für Läufe, die gleichzeitig starten.
    own = await timelapse.apart()
    with tempfile.TemporaryDirectory(prefix="dauerlauf-", ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary)
        queue = f"{scenario.pattern.name}-{uuid.uuid4()}"
        stage = Stage(own.client_for("starter", ShortTasks()), own, folder, queue)
        async with open_stage(stage) as worked:
            return await _Crash(worked, point, own, stage).run()


class _Crash:
    def __init__(self, worked: CrashStage, point: CrashPoint, timelapse: Timelapse, stage: Stage) -> None:
        self._worked = worked
        self._point = point
        self._timelapse = timelapse
        self._stage = stage
        self._journal = Journal(stage.folder / "stoerungen.jsonl")
        self._executions = stage.folder / "ausfuehrungen.txt"

    async def run(self) -> CrashRun:
        waiting = self._point.kind is CrashKind.WAITING
        # Der zweite Worker steht bereit, bevor der erste stirbt: Wie lange sein Prozess zum Starten braucht, gehört
        # nicht in die Aufzeichnung.
        async with self._first() as first, self._second() as second:
            # Der Zeitraffer spränge sonst über den Timer, ehe der Worker sterben kann.
            with self._timelapse.unskipped() if waiting else nullcontext():
                handle = await self._worked.start()
            try:
                exit_code = await asyncio.wait_for(self._death(first, handle), _TIME_LIMIT)
            except TimeoutError:
                raise DauerlaufError(f"Der Worker hat „{self._point.label}“ überlebt.") from None
            await second.take_over()
            helper = asyncio.create_task(self._give_up_lost_attempts(handle))
            try:
                if waiting:
                    await self._timelapse.fast_forward(handle)
                with suppress(WorkflowFailureError):  # auch ein gescheiterter Workflow ist zu Ende
                    await result(handle, _TIME_LIMIT)
            finally:
                helper.cancel()
        names = self._executions.read_text("utf-8").splitlines()
        counts = {name: names.count(name) for name in names}
        return CrashRun(self._point, await handle.fetch_history(), exit_code, counts)

    def _first(self) -> AbstractAsyncContextManager[WorkerProcess]:
        worked, standstill = self._worked, self._standstill
        if standstill is not None:
            return self._worker(FIRST, standstill.factory, standstill.arguments)
        return self._worker(FIRST, worked.factory, worked.arguments, plan=self._point.plan)

    def _second(self) -> AbstractAsyncContextManager[WorkerProcess]:
        return self._worker(SECOND, self._worked.factory, self._worked.arguments, reserve=True)

    @property
    def _standstill(self) -> Standstill | None:
        return self._worked.standstill if self._point.kind is CrashKind.DURING else None

    @asynccontextmanager
    async def _worker(
        self, identity: str, factory: str, arguments: Mapping[str, Any], **options: Any
    ) -> AsyncIterator[WorkerProcess]:
        worker = await WorkerProcess.start(
            factory,
            self._stage.client,
            arguments=arguments,
            identity=identity,
            journal=self._journal.path,
            executions=self._executions,
            **options,
        )
        try:
            yield worker
        finally:
            # Der Lauf ist zu Ende; ein geordneter Abschied brächte nichts und kostete Zeit.
            worker.kill()

    async def _death(self, worker: WorkerProcess, handle: WorkflowHandle[Any, Any]) -> int:
        if self._standstill is not None:
            await self._standstill.reached(handle)
            worker.kill()
        elif self._point.kind is CrashKind.WAITING:
            await event_reached(handle, self._point.last)
            worker.kill()
        return await worker.died()

    async def _give_up_lost_attempts(self, handle: WorkflowHandle[Any, Any]) -> None:
        """Verkürzt die Frist der Versuche, die mit dem Worker gestorben sind; der nächste stellt sie wieder her."""
        given_up: set[str] = set()
        while True:
            for pending in (await handle.describe()).raw_description.pending_activities:
                started = pending.state == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
                lost = started and pending.last_worker_identity == FIRST
                if lost and pending.activity_id not in given_up:
                    given_up.add(pending.activity_id)
                    self._journal.add_shortened(handle.id, pending.activity_id, pending.attempt)
                    beating = pending.activity_options.heartbeat_timeout.ToTimedelta() > timedelta(0)
                    place = (self._stage.client, handle.id, pending.activity_id, None)
                    await shorten_timeout(*place, PATIENCE, heartbeat=beating)
            await asyncio.sleep(0.05)
