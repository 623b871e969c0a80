"""Zu jedem Event die Zeile im Workflow-Code finden, die es ausgelöst hat, und was die Variablen dabei enthielten."""

from __future__ import annotations

import asyncio
import inspect
import linecache
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any, NamedTuple, cast

import temporalio.converter
from temporalio import workflow
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner, WorkflowInstance, WorkflowInstanceDetails

from dauerlauf.errors import DauerlaufError
from dauerlauf.history._normalise import package_path
from dauerlauf.history._steps import CLOSING, SourceLine
from dauerlauf.history._text import marker_data, one_line
from dauerlauf.history._variables import Variables, frame_variables
from dauerlauf.server import runtime


@dataclass(frozen=True, slots=True)
class Spot:
    """Eine Stelle im Workflow-Code und die Variablen, die dort zu sehen sind."""

    source: SourceLine
    variables: Variables


@dataclass(frozen=True, slots=True)
class Trace:
    """Was der Workflow-Code tat, Event für Event.

    ``sources`` ist das Ergebnis von :func:`source_lines`. ``spots`` kennt dieselben Stellen samt Variablen, soweit
    dort Code des Workflows lief. ``waiting`` nennt je Event die Stelle, an der der Workflow wartete, als es eintrat;
    gehört das Event zu einem Vorgang, dann die des Teils, der diesen Vorgang beauftragt hat.
    """

    sources: Mapping[int, SourceLine]
    spots: Mapping[int, Spot]
    waiting: Mapping[int, Spot]


async def source_lines(
    history: WorkflowHistory,
    workflows: Sequence[type],
    *,
    data_converter: temporalio.converter.DataConverter = temporalio.converter.DataConverter.default,
) -> dict[int, SourceLine]:
    """Findet zu jedem Event die Zeile im Workflow-Code, die es ausgelöst hat.

    Die Zeilen sind gemessen: Der Replayer spielt die Historie ohne Sandbox ab, und bei jedem Befehl, den der
    Workflow gibt, merken wir uns die aufrufende Zeile im Paket der Workflow-Klassen. Ein Server ist nicht nötig.
    Start, Signale und Updates verweisen auf die Methode, die sie entgegennimmt, das Ende auf die letzte
    ausgeführte Zeile der Methode mit ``@workflow.run``. Was der Server allein tut, hat keine Quelle.

    Args:
        history: Eine Historie, die zum heutigen Code passt, vereinheitlicht oder nicht.
        workflows: Die Workflow-Klassen, deren Code lief.
        data_converter: Der Konverter, mit dem der Lauf aufgezeichnet wurde.

    Returns:
        Event-ID → Quellzeile.

    Raises:
        DauerlaufError: Die Historie passt nicht zum Code.
    """
    recorder = _SourceRecorder(workflows, variables=False)
    await _replay(history, workflows, recorder, data_converter)
    return {number: _source_line(stop.place) for number, stop in _matched(history.events, recorder).items()}


async def trace(
    history: WorkflowHistory,
    workflows: Sequence[type],
    *,
    data_converter: temporalio.converter.DataConverter = temporalio.converter.DataConverter.default,
) -> Trace:
    """Wie :func:`source_lines`, dazu die Variablen und die Stellen, an denen der Workflow wartete.

    Args, Raises: wie bei :func:`source_lines`.

    Returns:
        Die Spur des Replays; sie ist in jedem Prozess dieselbe.
    """
    recorder = _SourceRecorder(workflows, variables=True)
    await _replay(history, workflows, recorder, data_converter)
    stops = _matched(history.events, recorder)
    return Trace(
        sources={number: _source_line(stop.place) for number, stop in stops.items()},
        spots={number: _spot(stop) for number, stop in stops.items()},
        waiting={number: _spot(stop) for number, stop in _waiting(history.events, stops, recorder)},
    )


async def _replay(
    history: WorkflowHistory,
    workflows: Sequence[type],
    recorder: _SourceRecorder,
    data_converter: temporalio.converter.DataConverter,
) -> None:
    replayer = Replayer(
        workflows=workflows,
        workflow_runner=recorder,
        unsandboxed_workflow_runner=recorder,
        data_converter=data_converter,
        runtime=runtime(),
        build_id="dauerlauf",  # sonst rechnet das SDK eine Prüfsumme über alle geladenen Module, 0,5 s lang
    )
    try:
        result = await replayer.replay_workflow(history, raise_on_replay_failure=False)
    except (RuntimeError, ValueError) as error:
        raise DauerlaufError(f"Die Historie lässt sich nicht abspielen: {one_line(str(error))}") from error
    if result.replay_failure is not None:
        # Der SDK-Kern meldet den Fehler als Auszug seiner Datenstruktur; lesbar ist daran die erste Meldung.
        text = one_line(str(result.replay_failure))
        message = re.search(r'message: "((?:[^"\\]|\\.)*)"', text)
        reason = message[1] if message else text
        raise DauerlaufError(f"Die Historie passt nicht zum Code, zeichnen Sie sie neu auf ({reason}).")


class _Place(NamedTuple):
    """Dateiname, Zeile, Funktion."""

    file: str
    line: int
    function: str


class _Stop(NamedTuple):
    """Ein Halt: die Stelle, die Variablen und die Nummer der Task des Workflows (0: die mit ``@workflow.run``)."""

    place: _Place
    variables: Variables = ()
    task: int = 0


class _SourceRecorder(UnsandboxedWorkflowRunner):
    """Führt Workflows ohne Sandbox aus und merkt sich zu jedem Befehl die Zeile, von der er kommt.

    Mit ``variables`` auch die Variablen und, wo jede Task am Ende einer Aktivierung wartet.
    """

    def __init__(self, workflows: Sequence[type], *, variables: bool) -> None:
        self.stops: dict[tuple[str, str], list[_Stop | None]] = {}
        self.waiting: dict[int, dict[int, _Stop]] = {}
        """WorkflowTaskStarted → Nummer der Task → wo sie danach wartet."""
        self.last_run: _Stop | None = None
        self.definitions: dict[str, workflow._Definition] = {}
        self._variables = variables
        self._roots: set[str] = set()
        for cls in workflows:
            definition = workflow._Definition.must_from_class(cls)
            if definition.name:
                self.definitions[definition.name] = definition
            file = inspect.getsourcefile(inspect.unwrap(definition.run_fn)) or ""
            relative = package_path(file)
            # Ohne Paket (eine einzelne Datei, eine Notebook-Zelle) zählt nur diese Datei.
            self._roots.add(file if "/" not in relative else file[: -len(relative)] + relative.split("/")[0] + "/")

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        instance: Any = super().create_instance(det)
        activate, add_command = instance.activate, instance._add_command
        pending: list[tuple[Any, _Stop | None]] = []
        run_code = inspect.unwrap(det.defn.run_fn).__code__
        numbers: dict[Any, int] = {}

        def number(task: Any) -> int:
            return 0 if task is instance._primary_task else numbers.setdefault(task, len(numbers) + 1)

        def remember_run(frame: FrameType, event: str, argument: object) -> None:
            if event == "return" and frame.f_code is run_code:
                self.last_run = _Stop(_place(frame), self._seen(instance, [frame]))

        def recording_add_command() -> Any:
            command = add_command()
            pending.append((command, self._caller(instance, number)))
            return command

        def recording_activate(activation: Any) -> Any:
            # Was ein Befehl ist, steht erst nach der Aktivierung in ihm; deshalb zwei Schritte. Die Herkunft
            # von Koroutinen braucht, wer etwa `asyncio.gather(workflow.execute_activity(...))` schreibt.
            depth, profile = sys.get_coroutine_origin_tracking_depth(), sys.getprofile()
            sys.set_coroutine_origin_tracking_depth(16)
            sys.setprofile(remember_run)
            try:
                return activate(activation)
            finally:
                sys.setprofile(profile)
                sys.set_coroutine_origin_tracking_depth(depth)
                for command, stop in pending:
                    if key := _command_key(command):
                        self.stops.setdefault(key, []).append(stop)
                pending.clear()
                if self._variables:
                    stops = {number(task): self._suspended(instance, task) for task in instance._tasks}
                    self.waiting[activation.history_length] = {n: stop for n, stop in stops.items() if stop}

        instance._add_command, instance.activate = recording_add_command, recording_activate
        return cast(WorkflowInstance, instance)

    def _caller(self, instance: Any, number: Callable[[Any], int]) -> _Stop | None:
        task = asyncio.current_task(instance)
        stack: list[FrameType] = []
        frame: FrameType | None = sys._getframe(2)
        while frame is not None:
            if self._own(frame.f_code.co_filename):
                stack.insert(0, frame)
            frame = frame.f_back
        if stack:
            return _Stop(_place(stack[-1]), self._seen(instance, stack, task), number(task))
        origin = getattr(task.get_coro(), "cr_origin", None) if task is not None else None
        place = next((_Place(*place) for place in origin or () if self._own(place[0])), None)
        return _Stop(place, self._seen(instance, [], task), number(task)) if place else None

    def _suspended(self, instance: Any, task: Any) -> _Stop | None:
        """Wo eine Task wartet, die gerade nicht läuft; ``None``, wenn dort kein eigener Code liegt."""
        frames = self._awaiting(task)
        return _Stop(_place(frames[-1]), self._seen(instance, frames, task)) if frames else None

    def _awaiting(self, task: Any) -> list[FrameType]:
        found = []
        awaited = task.get_coro()
        while awaited is not None:
            frame = getattr(awaited, "cr_frame", None) or getattr(awaited, "gi_frame", None)
            if frame is not None and self._own(frame.f_code.co_filename):
                found.append(frame)
            awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "gi_yieldfrom", None)
        return found

    def _seen(self, instance: Any, frames: Sequence[FrameType], task: Any = None) -> Variables:
        """Die Variablen des Workflow-Objekts und der Funktionen, in denen er gerade steckt, von außen nach innen."""
        if not self._variables:
            return ()
        primary = instance._primary_task
        outer = self._awaiting(primary) if task is not None and task is not primary else []
        return frame_variables(instance._object, [*outer, *frames], self._own)

    def _own(self, filename: str) -> bool:
        return any(filename == root or (root.endswith("/") and filename.startswith(root)) for root in self._roots)


def _place(frame: FrameType) -> _Place:
    return _Place(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_qualname)


def _command_key(command: Any) -> tuple[str, str] | None:
    """Woran sich ein Befehl im Event wiedererkennen lässt: Art und Kennung."""
    kind = command.WhichOneof("variant") or ""
    value: Any = getattr(command, kind, None)
    if kind == "schedule_activity":
        return "activity", value.activity_id or str(value.seq)
    if kind in ("schedule_local_activity", "start_timer", "cancel_timer", "request_cancel_activity"):
        return kind, str(value.seq)
    if kind == "start_child_workflow_execution":
        return "child", value.workflow_id
    if kind == "set_patch_marker":
        return "patch", value.patch_id
    if kind == "update_response":
        return None
    return kind, ""


_COMMAND_OF = {
    "request_cancel_external_workflow_execution_initiated": "request_cancel_external_workflow_execution",
    "signal_external_workflow_execution_initiated": "signal_external_workflow_execution",
    "upsert_workflow_search_attributes": "upsert_workflow_search_attributes",
    "workflow_properties_modified": "modify_workflow_properties",
    "nexus_operation_scheduled": "schedule_nexus_operation",
    "nexus_operation_cancel_requested": "request_cancel_nexus_operation",
}


def _event_key(event: HistoryEvent, by_id: Mapping[int, HistoryEvent]) -> tuple[str, str] | None:
    kind: str = event.WhichOneof("attributes") or ""
    attributes: Any = getattr(event, kind, None)
    kind = kind.removesuffix("_event_attributes")
    match kind:
        case "activity_task_scheduled":
            return "activity", attributes.activity_id
        case "activity_task_cancel_requested":
            opener = by_id.get(attributes.scheduled_event_id)
            return (
                ("request_cancel_activity", opener.activity_task_scheduled_event_attributes.activity_id)
                if opener
                else None
            )
        case "timer_started":
            return "start_timer", attributes.timer_id
        case "timer_canceled":
            return "cancel_timer", attributes.timer_id
        case "start_child_workflow_execution_initiated":
            return "child", attributes.workflow_id
        case "marker_recorded":
            data = marker_data(attributes)
            if attributes.marker_name == "core_local_activity":
                return "schedule_local_activity", str(data.get("seq", ""))
            return ("patch", str(data.get("id", ""))) if attributes.marker_name == "core_patch" else None
        case "upsert_workflow_search_attributes":
            # Diesen Eintrag fügt das SDK jedem Patch hinzu; der Workflow hat ihn nicht verlangt.
            if list(attributes.search_attributes.indexed_fields) == ["TemporalChangeVersion"]:
                return None
    return (_COMMAND_OF[kind], "") if kind in _COMMAND_OF else None


def _matched(events: Sequence[HistoryEvent], recorder: _SourceRecorder) -> dict[int, _Stop]:
    by_id = {event.event_id: event for event in events}
    stops = {key: list(reversed(found)) for key, found in recorder.stops.items()}
    started = events[0].workflow_execution_started_event_attributes if events else None
    definition = recorder.definitions.get(started.workflow_type.name) if started is not None else None
    result: dict[int, _Stop] = {}
    for event in events:
        kind = event.WhichOneof("attributes") or ""
        stop: _Stop | None = None
        if kind == "workflow_execution_started_event_attributes" and definition is not None:
            stop = _definition_place(definition.run_fn)
        elif kind in CLOSING and hasattr(getattr(event, kind), "workflow_task_completed_event_id"):
            stop = recorder.last_run
        elif kind == "workflow_execution_signaled_event_attributes" and definition is not None:
            signal = definition.signals.get(event.workflow_execution_signaled_event_attributes.signal_name)
            stop = _definition_place(signal.fn) if signal is not None else None
        elif kind == "workflow_execution_update_accepted_event_attributes" and definition is not None:
            accepted = event.workflow_execution_update_accepted_event_attributes.accepted_request
            update = definition.updates.get(accepted.input.name)
            stop = _definition_place(update.fn) if update is not None else None
        elif key := _event_key(event, by_id):
            issued = stops.get(key)
            stop = issued.pop() if issued else None
        if stop is not None:
            result[event.event_id] = stop
    return result


def _waiting(
    events: Sequence[HistoryEvent], stops: Mapping[int, _Stop], recorder: _SourceRecorder
) -> Iterator[tuple[int, _Stop]]:
    current: Mapping[int, _Stop] = {}
    # Die Task, die den letzten Befehl gegeben hat; die mit `@workflow.run` wartet oft nur auf sie.
    busy = 0
    for event in events:
        kind = event.WhichOneof("attributes") or ""
        attributes: Any = getattr(event, kind, None)
        if event.HasField("workflow_task_completed_event_attributes"):
            current = recorder.waiting.get(attributes.started_event_id, current)
        # Bei einem Workflow-Task verweisen sie auf Events ohne Halt.
        opener = stops.get(getattr(attributes, "scheduled_event_id", 0) or getattr(attributes, "started_event_id", 0))
        stop = current.get(opener.task) if opener is not None else None
        if stop is None and opener is not None and 0 in current:
            # Die Task hat keinen eigenen Code, etwa in `asyncio.gather(workflow.execute_activity(...))`.
            stop = opener._replace(variables=current[0].variables)
        stop = stop or current.get(busy) or current.get(0)
        if stop is not None:
            yield event.event_id, stop
        if event.event_id in stops and stops[event.event_id].variables:
            busy = stops[event.event_id].task


def _definition_place(function: Callable[..., Any]) -> _Stop:
    """Die Zeile mit ``def``, nicht die des ersten Dekorators."""
    function = inspect.unwrap(function)
    code = function.__code__
    try:
        lines, first = inspect.getsourcelines(function)
    except (OSError, TypeError):
        return _Stop(_Place(code.co_filename, code.co_firstlineno, code.co_qualname))
    offset = next((i for i, line in enumerate(lines) if re.match(r"\s*(async\s+)?def\s", line)), 0)
    return _Stop(_Place(code.co_filename, first + offset, code.co_qualname))


def _source_line(place: _Place) -> SourceLine:
    file, line, function = place
    text = linecache.getline(file, line).strip()
    return SourceLine(file=package_path(file), line=line, text=text, function=function.rpartition(".<locals>.")[2])


def _spot(stop: _Stop) -> Spot:
    return Spot(_source_line(stop.place), stop.variables)
