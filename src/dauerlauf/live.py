"""Einer Ausführung zusehen, während sie läuft: auf dem Terminal als wachsende Tabelle, in einer Pipe Zeile für Zeile.

Die Events kommen aus der Event History (Long Polling). Was dort noch nicht steht – laufende Versuche, Heartbeats,
hängende Workflow-Tasks –, sagt die Beschreibung der Ausführung.
"""

import asyncio
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol, Self

from google.protobuf.message import Message
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.segment import Segment, SegmentLines
from rich.text import Text
from temporalio.api.enums.v1 import EventType, PendingActivityState, PendingWorkflowTaskState, TimeoutType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionResponse
from temporalio.client import Client, WorkflowHandle, WorkflowHistory
from temporalio.envconfig import ClientConnectConfig
from temporalio.service import RPCError, RPCStatusCode

from dauerlauf import timeline
from dauerlauf.errors import DauerlaufError
from dauerlauf.history import Step, arguments, duration_text, failure_text, shorten, steps
from dauerlauf.scenario import Run, Scenario, play
from dauerlauf.server import Connection, ServerUnreachableError, connect_configured, explicit_configuration
from dauerlauf.timelapse import Timelapse

if TYPE_CHECKING:
    from dauerlauf.codec import RemoteCodec

LOCAL_ADDRESS = "127.0.0.1:7233"
LOOK_INTERVAL = 0.5
"""So viele Sekunden liegen zwischen zwei Blicken auf das, was nicht in der History steht."""
MAX_PENDING = 6
DRAWING_SHARE = 4
"""Nach jeder Zeichnung vergeht das Vierfache ihrer Dauer: Auch bei langen Histories kostet sie höchstens ein Fünftel
der Zeit."""


@dataclass(frozen=True)
class Pending:
    """Etwas, das gerade geschieht und noch nicht in der History steht.

    `key` bleibt gleich, solange sich nichts Neues ergibt; der Text ändert sich auch, weil Zeit vergeht.
    """

    key: tuple[object, ...]
    text: str
    bad: bool = False


@dataclass
class _State:
    """Was über einen Lauf bekannt ist."""

    events: list[HistoryEvent] = field(default_factory=list)
    pending: Sequence[Pending] = ()
    quiet: bool = False
    """Ob sich zwischen zwei Blicken nichts getan hat."""
    codec_problem: str = ""
    complete: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class _View(Protocol):
    """Wohin gezeichnet wird."""

    def __enter__(self) -> Self:
        """Beginnt einen Lauf."""

    def __exit__(self, *_: object) -> None:
        """Lässt stehen, was zuletzt zu sehen war."""

    def draw(self, found: Sequence[Step], state: _State) -> None:
        """Zeigt den Stand; bei gleich vielen Schritten hat sich nur das Vorläufige geändert."""

    def finish(self, found: Sequence[Step], *, keep: bool) -> None:
        """Der Lauf ist zu Ende; mit `keep` bleibt seine ganze Tabelle stehen."""


class _Screen:
    """Ein Terminal: die Tabelle wächst; zu sehen ist, was in das Fenster passt."""

    def __init__(self, out: Console, title: str, hint: str, legend: timeline.Captions | None, limit: int | None):
        self._out = out
        self._title = Text(title, style="bold cyan")
        self._hint = hint
        self._legend = legend
        self._limit = limit
        self._live = Live(console=out, auto_refresh=False)
        self._drawn: tuple[int, int] | None = None
        self._table: list[list[Segment]] = []

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def draw(self, found: Sequence[Step], state: _State) -> None:
        if self._drawn != (len(found), self._out.width):
            self._drawn = (len(found), self._out.width)
            self._table = self._lines(self._whole(found))
        below: list[RenderableType] = [
            Text(f"… {pending.text}", style="bold red" if pending.bad else "italic yellow")
            for pending in state.pending[:MAX_PENDING]
        ]
        if len(state.pending) > MAX_PENDING:
            below.append(Text(f"… und {len(state.pending) - MAX_PENDING} weitere", style="italic yellow"))
        if state.codec_problem:
            below.append(Text(state.codec_problem, style="bold red"))
        below.append(Text(f"{len(found)} Events{self._hint}", style="dim"))
        footer = self._lines(Group(*below))
        header = self._lines(self._title)
        # Die letzte Zeile des Fensters gehört dem Cursor.
        room = max(self._out.height - 1 - len(header) - len(footer), 2)
        self._live.update(SegmentLines([*header, *self._tail(room), *footer], new_lines=True), refresh=True)

    def finish(self, found: Sequence[Step], *, keep: bool) -> None:
        self._live.transient = not keep
        self._live.update(Group(self._title, self._whole(found)))

    def _whole(self, found: Sequence[Step]) -> RenderableType:
        return timeline.table(found, self._legend, limit=self._limit)

    def _lines(self, renderable: RenderableType) -> list[list[Segment]]:
        return self._out.render_lines(renderable, pad=False)

    def _tail(self, room: int) -> list[list[Segment]]:
        if len(self._table) <= room:
            return self._table
        hidden = len(self._table) - room + 1
        [marker] = self._lines(Text(f"⋮ {hidden} Zeilen darüber", style="dim", no_wrap=True, overflow="ellipsis"))
        return [self._table[0], marker, *self._table[hidden + 1 :]]


class _Log:
    """Eine Datei oder Pipe: Jede Zeile steht einmal da, sobald sie sich nicht mehr ändert.

    Vorläufiges steht dazwischen, mit „…“ am Anfang.
    """

    def __init__(self, out: Console, title: str, legend: timeline.Captions | None, limit: int | None) -> None:
        self._out = out
        self._title = title
        self._legend = legend
        self._limit = limit
        self._printed = 0
        self._told: set[tuple[object, ...]] = set()

    def __enter__(self) -> Self:
        self._print(Text(self._title))
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def draw(self, found: Sequence[Step], state: _State) -> None:
        rows = timeline.rows(found, self._legend, fold=False)
        settled = settled_rows(rows, complete=state.complete)
        for row in settled[self._printed :]:
            self._print(timeline.line(row, limit=self._limit))
        self._printed = len(settled)
        # Von laufenden Activities und Child Workflows weiß die Beschreibung mehr als ihre offene Zeile.
        if state.quiet and len(settled) < len(rows) and rows[-1].lane not in ("activity", "child", "nexus"):
            self._tell(Pending(("row", rows[-1].operation), rows[-1].title))
        for pending in state.pending:
            self._tell(pending)
        if state.codec_problem:
            self._tell(Pending(("codec", state.codec_problem), state.codec_problem))

    def _tell(self, pending: Pending) -> None:
        if pending.key not in self._told:
            self._told.add(pending.key)
            self._print(Text(f"{'…':>12}  {pending.text}"))

    def finish(self, found: Sequence[Step], *, keep: bool) -> None:
        """Alles steht schon da."""

    def _print(self, text: Text) -> None:
        self._out.print(text, soft_wrap=True)


def settled_rows(rows: Sequence[timeline.Row], *, complete: bool) -> Sequence[timeline.Row]:
    """Die Zeilen aus `timeline.rows(..., fold=False)`, an denen weitere Events nichts mehr ändern.

    Offen ist nur die letzte: Ein Vorgang, der dort beginnt, kann mit seinem Ende noch zu einer Zeile verschmelzen.
    """
    return rows[:-1] if rows and rows[-1].part == "begin" and not complete else rows


@dataclass(frozen=True)
class Outcome:
    """Wie eine Ausführung ausging (etwa `"COMPLETED"`) und, falls es so war, woran der Codec-Server scheiterte."""

    status: str
    codec_problem: str = ""


async def watch(
    client: Client,
    workflow_id: str,
    run_id: str | None = None,
    *,
    out: Console,
    title: str = "",
    hint: str = "",
    codec: "RemoteCodec | None" = None,
    legend: timeline.Captions | None = None,
    limit: int | None = None,
    pace: float = 0.0,
    keep: bool = True,
) -> Outcome:
    """Zeigt eine Ausführung auf `out`, bis sie zu Ende ist, und geht dabei zu Folgeläufen über.

    `run_id` nennt den Lauf, mit dem es beginnt, sonst ist es der jüngste. `pace` hält auf dem Terminal nach jedem
    Schritt so viele Sekunden inne, ohne die Ausführung aufzuhalten. Ohne `keep` verschwindet die Tabelle des letzten
    Laufs am Ende. Versagt der Codec-Server, bleiben Payloads verschlüsselt. Wirft `DauerlaufError`, wenn es die
    Ausführung nicht gibt oder der Server nicht mehr antwortet.
    """
    problem = ""
    while True:
        with _explained(client, workflow_id, run_id):
            description = await client.get_workflow_handle(workflow_id, run_id=run_id).describe()
        run_id = description.run_id
        handle = client.get_workflow_handle(workflow_id, run_id=run_id)
        heading = title or f"{workflow_id}: {description.workflow_type}, Lauf {run_id}"
        state = _State()
        view: _View = (
            _Screen(out, heading, hint, legend, limit) if out.is_terminal else _Log(out, heading, legend, limit)
        )
        with _explained(client, workflow_id, run_id):
            await _watch_run(handle, state, view, codec, pace if out.is_terminal else 0.0, keep=keep)
            problem = problem or state.codec_problem
            following = await _next_run(handle, state.events[-1])
        if following is None:
            with _explained(client, workflow_id, run_id):
                status = (await handle.describe()).status
            return Outcome(status.name if status else "UNKNOWN", problem)
        run_id = following


async def _watch_run(
    handle: WorkflowHandle[Any, Any],
    state: _State,
    view: _View,
    codec: "RemoteCodec | None",
    pace: float,
    *,
    keep: bool,
) -> None:
    tasks = [asyncio.ensure_future(_collect(handle, state, codec)), asyncio.ensure_future(_look(handle, state, codec))]
    try:
        with view:
            found: list[Step] = []
            shown = 0
            while True:
                for task in tasks:
                    if task.done():
                        task.result()
                state.changed.clear()
                began = time.perf_counter()
                if len(found) != len(state.events):
                    found = steps(WorkflowHistory(handle.id, state.events))
                shown = _next_stop(found, shown) if pace else len(found)
                view.draw(found[:shown], state)
                if state.complete and shown == len(found):
                    break
                if shown < len(found):
                    await asyncio.sleep(pace)
                else:
                    await asyncio.sleep((time.perf_counter() - began) * DRAWING_SHARE)
                    await state.changed.wait()
            following = _successor(state.events[-1])
            view.finish(found, keep=keep or following is not None)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _next_stop(found: Sequence[Step], shown: int) -> int:
    """Wie viele Schritte zu zeigen sind, damit einer mehr davon sichtbar ist."""
    for index in range(shown, len(found)):
        if not found[index].internal:
            return index + 1
    return len(found)


async def _collect(handle: WorkflowHandle[Any, Any], state: _State, codec: "RemoteCodec | None") -> None:
    """Holt die Events des Laufs, bis er zu Ende ist."""
    pages = handle.fetch_history_events(wait_new_event=True)
    try:
        while not state.complete:
            await pages.fetch_next_page()
            new = list(pages.current_page or ())
            await _decode(codec, new, state)
            state.events += new
            state.complete = pages.next_page_token is None
            if state.complete:
                state.pending = ()
            if new or state.complete:
                state.changed.set()
    finally:
        state.changed.set()


async def _look(handle: WorkflowHandle[Any, Any], state: _State, codec: "RemoteCodec | None") -> None:
    """Sieht regelmäßig nach, was noch nicht in der History steht.

    Es gilt erst, was zweimal nacheinander so war: Sonst flackerte bei flinken Activities jede einmal auf.
    """
    before: set[tuple[object, ...]] = set()
    try:
        while not state.complete:
            known = len(state.events)
            await asyncio.sleep(LOOK_INTERVAL)
            raw = (await handle.describe()).raw_description
            await _decode(codec, [raw], state)
            now = pending_work(raw, state.events)
            pending = [] if state.complete else [one for one in now if one.key in before]
            before = {one.key for one in now}
            quiet = known == len(state.events)
            if (pending, quiet) != (state.pending, state.quiet):
                state.pending, state.quiet = pending, quiet
                state.changed.set()
    finally:
        state.changed.set()


async def _decode(codec: "RemoteCodec | None", messages: Sequence[Message], state: _State) -> None:
    """Entschlüsselt, was geht; versagt der Codec-Server, bleibt der Rest verschlüsselt, und der Lauf ist zu sehen."""
    if codec is None:
        return
    try:
        await codec.decode(messages)
    except DauerlaufError as problem:
        state.codec_problem = str(problem)


def pending_work(raw: DescribeWorkflowExecutionResponse, events: Sequence[HistoryEvent]) -> list[Pending]:
    """Was eine Ausführung gerade tut oder woran sie hängt; das Schlimmste zuerst."""
    found = [*_workflow_task(raw, events), *(_activity(activity) for activity in raw.pending_activities)]
    for nexus in raw.pending_nexus_operations:
        failure = failure_text(nexus.last_attempt_failure) if nexus.HasField("last_attempt_failure") else ""
        found.append(
            Pending(
                ("nexus", nexus.scheduled_event_id, nexus.attempt, failure),
                f"Nexus-Operation {nexus.service}.{nexus.operation}: {_attempt(nexus.attempt)}{_last(failure)}",
                bool(failure),
            )
        )
    for child in raw.pending_children:
        found.append(Pending(("child", child.initiated_id), f"Child Workflow {child.workflow_id} läuft"))
    return sorted(found, key=lambda pending: not pending.bad)


def _workflow_task(raw: DescribeWorkflowExecutionResponse, events: Sequence[HistoryEvent]) -> Iterator[Pending]:
    if not raw.HasField("pending_workflow_task"):
        return
    task = raw.pending_workflow_task
    failure = _task_failure(events)
    if failure and task.attempt > 1:
        yield Pending(
            ("workflow", failure), f"Workflow hängt: {failure} (Workflow-Task, {_attempt(task.attempt)})", True
        )
    elif task.state == PendingWorkflowTaskState.PENDING_WORKFLOW_TASK_STATE_SCHEDULED:
        queue = raw.execution_config.task_queue.name
        yield Pending(
            ("workflow", task.scheduled_time.ToNanoseconds()),
            f"Kein Worker holt den Workflow-Task aus der Task Queue „{queue}“ ab",
            True,
        )


def _task_failure(events: Sequence[HistoryEvent]) -> str:
    """Woran der letzte Workflow-Task scheiterte; leer, wenn er gelang."""
    for event in reversed(events):
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            return ""
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
            return failure_text(event.workflow_task_failed_event_attributes.failure)
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT:
            timeout = event.workflow_task_timed_out_event_attributes.timeout_type
            return "Der Worker antwortet nicht" if timeout == TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE else ""
    return ""


def _activity(activity: PendingActivityInfo) -> Pending:
    failure = failure_text(activity.last_failure) if activity.HasField("last_failure") else ""
    attempt = _attempt(activity.attempt, activity.maximum_attempts)
    state = activity.state
    if activity.paused or state == PendingActivityState.PENDING_ACTIVITY_STATE_PAUSED:
        doing = f"angehalten vor {attempt}"
    elif state == PendingActivityState.PENDING_ACTIVITY_STATE_CANCEL_REQUESTED:
        doing = f"{attempt} soll abbrechen"
    elif state == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED:
        doing = f"{attempt} läuft{f' auf {activity.last_worker_identity}' if activity.last_worker_identity else ''}"
    elif (wait := activity.next_attempt_schedule_time.ToDatetime(tzinfo=UTC) - datetime.now(UTC)) > timedelta(0):
        doing = f"{attempt} in {duration_text(timedelta(seconds=math.ceil(wait.total_seconds())))}"
    else:
        doing = f"{attempt} wartet auf einen Worker"
    if activity.HasField("heartbeat_details") and (details := arguments(activity.heartbeat_details)):
        doing += f", Heartbeat: {shorten(details, 80)}"
    return Pending(
        ("activity", activity.activity_id, activity.attempt, failure),
        f"{activity.activity_type.name}: {doing}{_last(failure)}",
        bool(failure),
    )


def _attempt(number: int, most: int = 0) -> str:
    return f"Versuch {max(number, 1)}" + (f" von {most}" if most else "")


def _last(failure: str) -> str:
    return f"; zuletzt: {failure}" if failure else ""


def _successor(event: HistoryEvent) -> str | None:
    """Der Lauf, der auf diesen folgt: nach Continue-As-New, einem Retry des Workflows oder dem Takt eines Cron."""
    attributes = getattr(event, event.WhichOneof("attributes") or "", None)
    return getattr(attributes, "new_execution_run_id", "") or None


async def _next_run(handle: WorkflowHandle[Any, Any], last: HistoryEvent) -> str | None:
    """Der Lauf nach diesem, auch der nach einem Reset."""
    if last.event_type != EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED:
        return _successor(last)
    description = await handle.describe()
    return description.raw_description.workflow_extended_info.reset_run_id or None


@contextmanager
def _explained(client: Client, workflow_id: str, run_id: str | None) -> Iterator[None]:
    """Macht aus Fehlern des Servers einen Satz."""
    address = client.service_client.config.target_host
    try:
        yield
    except RPCError as error:
        known = error.status in (RPCStatusCode.NOT_FOUND, RPCStatusCode.INVALID_ARGUMENT)
        if known and run_id is not None:
            raise DauerlaufError(
                f"Den Lauf „{run_id}“ des Workflows „{workflow_id}“ gibt es im Namespace „{client.namespace}“ auf "
                f"{address} nicht; ohne --lauf gilt der jüngste."
            ) from error
        if known:
            raise DauerlaufError(
                f"Den Workflow „{workflow_id}“ gibt es im Namespace „{client.namespace}“ auf {address} nicht; "
                "`temporal workflow list` nennt alle."
            ) from error
        if error.status == RPCStatusCode.UNAVAILABLE:
            raise DauerlaufError(
                f"Die Verbindung zu {address} ist abgerissen ({error.message}); rufen Sie den Befehl noch einmal auf, "
                "sobald der Server wieder antwortet."
            ) from error
        raise DauerlaufError(f"{address} antwortet mit einem Fehler: {error.message}.") from error


async def play_live(
    scenario: Scenario, target: Timelapse | Connection, out: Console, *, pace: float, limit: int | None
) -> Run:
    """Spielt ein Szenario wie `dauerlauf.scenario.play` und zeichnet es dabei auf `out`; siehe `watch`."""
    watching: asyncio.Future[Outcome] | None = None

    def on_start(handle: WorkflowHandle[Any, Any]) -> None:
        nonlocal watching
        watching = asyncio.ensure_future(
            watch(
                target.client,
                handle.id,
                handle.first_execution_run_id,
                out=out,
                title=f"{scenario.name}: {scenario.title}",
                legend=scenario.pattern.legend,
                limit=limit,
                pace=pace,
                keep=False,
            )
        )

    try:
        run = await play(scenario, target, on_start=on_start)
        if watching is not None:
            await watching
        return run
    finally:
        if watching is not None:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)


async def observe(
    out: Console,
    workflow_id: str,
    run_id: str | None,
    *,
    namespace: str | None,
    codec: str | None,
    codec_auth: str | None,
    limit: int | None,
) -> None:
    """Zeigt eine Ausführung auf dem konfigurierten Server, sonst auf dem lokalen; siehe `watch`.

    Startet nie einen Server. Wirft `DauerlaufError` wie `watch`, dazu bei fehlender Verbindung, falschem Namespace
    und, nach dem Ende der Ausführung, wenn der Codec-Server versagt hat.
    """
    client = await _connect(namespace)
    async with AsyncExitStack() as stack:
        decoder = None
        if codec is not None:
            from dauerlauf.codec import RemoteCodec

            decoder = await stack.enter_async_context(RemoteCodec(codec, client.namespace, codec_auth))
        hint = "; Strg-C beendet das Zusehen, nicht den Workflow"
        outcome = await watch(client, workflow_id, run_id, out=out, hint=hint, codec=decoder, limit=limit)
    out.print(f"Ausgang  {outcome.status}")
    if outcome.codec_problem:
        raise DauerlaufError(outcome.codec_problem)


async def _connect(namespace: str | None) -> Client:
    configured = explicit_configuration()
    config: ClientConnectConfig = {"target_host": LOCAL_ADDRESS, **(configured or {})}
    if namespace is not None:
        config["namespace"] = namespace
    source = "--namespace" if namespace is not None else "TEMPORAL_NAMESPACE oder das Profil"
    try:
        return await connect_configured(config, namespace_from=source)
    except ServerUnreachableError as error:
        if configured is None:
            raise DauerlaufError(
                f"Auf {error.address} antwortet kein Temporal Server; starten Sie einen, etwa mit `dauerlauf server`, "
                "oder nennen Sie Ihren in TEMPORAL_ADDRESS."
            ) from error
        raise DauerlaufError(
            f"Der Temporal Server {error.address} aus Ihrer Konfiguration antwortet nicht ({error.reason}); prüfen Sie "
            "Adresse, Zertifikate und TEMPORAL_TLS."
        ) from error
