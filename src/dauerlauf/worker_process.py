"""Worker in eigenen Prozessen, die wirklich sterben.

`WorkerProcess` startet einen Worker so billig wie möglich: Ein Vermittlerprozess (multiprocessing „forkserver“) hat
das Temporal-SDK schon geladen und verzweigt sich für jeden Worker. Er selbst öffnet keine Verbindung und startet
keinen Thread; die Laufzeit des SDK entsteht erst im Kind.
"""

import asyncio
import importlib
import multiprocessing
import os
import signal
import sys
import threading
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Self

import temporalio.client
import temporalio.worker
from temporalio import activity
from temporalio.api.enums.v1 import EventType, PendingActivityState
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle, WorkflowHistory
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Worker

from dauerlauf import faults
from dauerlauf.errors import DauerlaufError
from dauerlauf.faults import (
    ActivityAction,
    ActivityFault,
    FaultInjector,
    FaultPlan,
    Journal,
    Moment,
    WorkflowAction,
    WorkflowFault,
)
from dauerlauf.history import event_name
from dauerlauf.processes import die_with_parent
from dauerlauf.server import runtime
from dauerlauf.timelapse import Timelapse, WorkerSettings, WorkflowStuckError, result
from dauerlauf.together import together

STICKY = timedelta(seconds=0.2)
"""Nach dieser Zeit gibt der Server die Workflow-Tasks eines toten Workers an einen anderen."""

TASK_TIMEOUT = timedelta(seconds=1)
"""Nach dieser Zeit wiederholt der Server einen Workflow-Task, dessen Worker mittendrin starb."""


_TURN = threading.Lock()
"""Nur ein Thread fragt zugleich nach dem Ende von Prozessen, und auch jeder Start fragt nach allen. Sonst liest einer
den Exit-Code aus der Pipe, und `multiprocessing` meldet dem anderen 255 statt -9."""

PRELOAD = ["dauerlauf.worker_process"]
"""Module, die der Vermittler schon geladen hat; wer hier vor dem ersten Worker eines ergänzt, spart es jedem Kind."""

_PROCESS = "dauerlauf-worker"
_UNGUARDED = 99
"""Exit-Code eines Kindes, das beim Laden des Skripts selbst einen Worker starten wollte."""


@dataclass(frozen=True)
class _Order:
    """Was das Kind wissen muss; wird als Pickle übergeben."""

    factory: str
    arguments: dict[str, Any]
    address: str
    namespace: str
    identity: str
    plan: str
    journal: Path | None
    executions: Path | None
    sticky: timedelta
    reserve: bool


class WorkerProcess:
    """Ein Worker in einem eigenen Prozess.

    Der Prozess endet spätestens mit dem, der ihn gestartet hat.
    """

    def __init__(self, process: Any, identity: str, connection: Connection) -> None:
        """Nicht direkt verwenden; siehe `start`."""
        self._process = process
        self._connection = connection
        self.identity = identity

    @classmethod
    async def start(
        cls,
        factory: str,
        client: Client,
        *,
        arguments: Mapping[str, Any] | None = None,
        identity: str = "worker-1",
        plan: FaultPlan | None = None,
        journal: Path | None = None,
        executions: Path | None = None,
        sticky: timedelta = STICKY,
        reserve: bool = False,
    ) -> Self:
        """Startet den Worker und kehrt zurück, sobald er Aufgaben annimmt; mit `reserve` erst nach `take_over`.

        `factory` nennt eine Funktion als `"paket.modul:funktion"`; der Kindprozess ruft sie als
        `funktion(client, **arguments)` auf und betreibt den Worker, den sie zurückgibt. `client` zeigt, mit welchem
        Server und Namespace sich das Kind verbindet (ohne TLS, wie beim eingebetteten Server). `journal` ist die Datei,
        in der Störungen stehen; mehrere Worker teilen sie. In `executions` schreibt jede Activity, die wirklich läuft,
        eine Zeile mit ihrer ID. Wirft `DauerlaufError`, wenn der Worker nicht startet.

        Das Kind lädt das Skript des Elternprozesses noch einmal. In einem Skript gehört der Aufruf deshalb unter
        `if __name__ == "__main__":`.
        """
        order = _Order(
            factory,
            dict(arguments or {}),
            client.service_client.config.target_host,
            client.namespace,
            identity,
            (plan or FaultPlan()).to_json(),
            journal,
            executions,
            sticky,
            reserve,
        )
        worker = cls(*await asyncio.to_thread(spawn, _child, order, order.identity))
        await worker._ready(factory)
        return worker

    async def take_over(self) -> None:
        """Lässt einen Worker, der mit `reserve` gestartet ist, Aufgaben annehmen."""
        self._connection.send(None)
        await self._ready(self.identity)

    async def _ready(self, name: str) -> None:
        try:
            problem = await asyncio.to_thread(self._connection.recv)
        except EOFError:
            code = await self.died()
            if code == _UNGUARDED:
                raise DauerlaufError(
                    "Der neue Prozess lädt Ihr Skript und startet dabei selbst Worker; "
                    'rufen Sie `asyncio.run(…)` nur unter `if __name__ == "__main__":` auf.'
                ) from None
            problem = f"der Prozess endete mit Code {code}"
        except BaseException:
            self.kill()
            raise
        if problem is not None:
            self.kill()
            raise DauerlaufError(f"Der Worker „{name}“ ist nicht gestartet: {problem}")

    @property
    def pid(self) -> int:
        """Die Prozessnummer."""
        pid: int = self._process.pid
        return pid

    @property
    def alive(self) -> bool:
        """Ob der Prozess lebt."""
        with _TURN:
            alive: bool = self._process.is_alive()
        return alive

    def kill(self) -> None:
        """Tötet den Prozess mit SIGKILL und wartet, bis er weg ist; mehrfacher Aufruf schadet nicht."""
        with _TURN:
            self._process.kill()
            self._process.join()

    async def died(self) -> int:
        """Wartet, bis der Prozess endet; gibt den Exit-Code zurück (-9 nach SIGKILL)."""
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        loop.add_reader(self._process.sentinel, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(self._process.sentinel)
        return await asyncio.to_thread(self._exit_code)

    def _exit_code(self) -> int:
        with _TURN:
            self._process.join()
        code: int = self._process.exitcode
        return code

    async def stop(self, timeout: float = 5.0) -> None:
        """Beendet den Worker geordnet (SIGTERM), nach `timeout` Sekunden mit SIGKILL."""
        if self.alive:
            self._process.terminate()
            try:
                await asyncio.wait_for(self.died(), timeout)
            except TimeoutError:
                self.kill()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()


def spawn(target: Callable[[Any, Connection], None], order: Any, identity: str) -> tuple[Any, str, Connection]:
    """Startet `target(order, verbindung)` in einem eigenen Prozess des Vermittlers.

    Gibt den Prozess, `identity` und das hiesige Ende der Verbindung zurück. `target` ruft zuerst `settle` auf.
    """
    if sys.platform == "win32":
        raise DauerlaufError("WorkerProcess braucht Linux oder macOS; Windows kennt kein SIGKILL.")
    if multiprocessing.current_process().name == _PROCESS and not faults.mortal:
        # Ein Kind, das noch nicht in `_child` ist, lädt gerade das Skript. Ohne dieses Ende druckte es einen Traceback.
        os._exit(_UNGUARDED)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    ours, theirs = context.Pipe()
    process = context.Process(target=target, args=(order, theirs), daemon=True, name=_PROCESS)
    with _TURN:
        process.start()
    theirs.close()
    return process, identity, ours


def settle() -> None:
    """Richtet einen Kindprozess ein: Er endet mit dem, der ihn wollte, überhört Strg-C und darf sterben."""
    # Der Elternprozess im Sinne des Kerns ist der Vermittler; der Wächter achtet auf den, der uns wirklich wollte.
    die_with_parent()
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_die_after, args=(parent.sentinel,), daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    faults.mortal = True


def _child(order: _Order, ready: Connection) -> None:
    settle()
    asyncio.run(_serve(order, ready))


def _die_after(sentinel: int) -> None:
    wait([sentinel])
    os.kill(os.getpid(), signal.SIGKILL)


async def _serve(order: _Order, ready: Connection) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    injector = FaultInjector(FaultPlan.from_json(order.plan), journal=Journal(order.journal))
    try:
        client = await Client.connect(
            order.address,
            namespace=order.namespace,
            runtime=runtime(),
            plugins=[injector, WorkerSettings(order.identity, order.sticky)],
            interceptors=[_Counting(order.executions)] if order.executions else [],
        )
        worker = _load(order.factory)(client, **order.arguments)
        if order.reserve:
            ready.send(None)
            await asyncio.to_thread(ready.recv)
        async with worker:
            ready.send(None)
            await stop.wait()
    except Exception as error:
        # Der Elternprozess kann inzwischen beendet sein; dann hört niemand mehr zu.
        with suppress(OSError):
            ready.send(f"{type(error).__name__}: {error}")


class _Counting(temporalio.client.Interceptor, temporalio.worker.Interceptor):
    """Schreibt zu jeder Activity, deren Funktion läuft, ihre ID in eine Datei."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _CountedActivity(next, self._file)


class _CountedActivity(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, file: Path) -> None:
        super().__init__(next)
        self._file = file

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        # Wie beim Journal: vollständig auch dann, wenn der Prozess gleich danach stirbt.
        with self._file.open("ab", buffering=0) as file:
            file.write(f"{activity.info().activity_id}\n".encode())
        return await self.next.execute_activity(input)


def _load(name: str) -> Callable[..., Worker]:
    module, _, function = name.partition(":")
    loaded: Callable[..., Worker] = getattr(importlib.import_module(module), function)
    return loaded


@dataclass(frozen=True)
class Death:
    """Ein Todeszeitpunkt: das Event, bei dem der Worker stirbt, und der Plan, der das bewirkt."""

    event: int
    name: str
    plan: FaultPlan


def deaths(history: WorkflowHistory) -> list[Death]:
    """Für jedes Event einer History der Plan, unter dem der Worker genau dort stirbt.

    * `WorkflowTaskStarted`: der Task ist angenommen, der Code läuft noch nicht.
    * `WorkflowTaskCompleted`: der Code lief, die Meldung an den Server unterbleibt.
    * `ActivityTaskStarted`: die Activity ist angenommen, ihre Funktion läuft noch nicht.
    * `ActivityTaskCompleted` und `-Failed`: die Funktion lief, die Meldung unterbleibt.
    * alle anderen: der Worker stirbt, sobald er das Event in der History sieht.
    """
    scheduled: dict[int, tuple[str, int]] = {}
    attempts: dict[int, int] = {}
    points = []
    for event in history.events:
        match event.event_type:
            case EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
                name = event.activity_task_scheduled_event_attributes.activity_type.name
                scheduled[event.event_id] = (name, 1 + sum(other == name for other, _ in scheduled.values()))
            case EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED:
                started = event.activity_task_started_event_attributes
                attempts[started.scheduled_event_id] = started.attempt
        points.append(Death(event.event_id, event_name(event), _death(event, scheduled, attempts)))
    return points


def _death(event: Any, scheduled: Mapping[int, tuple[str, int]], attempts: Mapping[int, int]) -> FaultPlan:
    def activity(scheduled_event: int, action: ActivityAction) -> FaultPlan:
        name, occurrence = scheduled[scheduled_event]
        fault = ActivityFault(name, action, occurrence=occurrence, attempts=(attempts[scheduled_event],))
        return FaultPlan(activities=(fault,))

    def workflow(number: int, moment: Moment) -> FaultPlan:
        return FaultPlan(workflow=(WorkflowFault(WorkflowAction.KILL, event=number, moment=moment),))

    match event.event_type:
        case EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED:
            return workflow(event.event_id, Moment.BEGIN)
        case EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            started = event.workflow_task_completed_event_attributes.started_event_id
            return workflow(started, Moment.END)
        case EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED:
            number = event.activity_task_started_event_attributes.scheduled_event_id
            return activity(number, ActivityAction.KILL_BEFORE)
        case EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
            number = event.activity_task_completed_event_attributes.scheduled_event_id
            return activity(number, ActivityAction.KILL_AFTER)
        case EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED:
            number = event.activity_task_failed_event_attributes.scheduled_event_id
            return activity(number, ActivityAction.KILL_AFTER)
    return workflow(event.event_id, Moment.SEEN)


@dataclass(frozen=True)
class Trial:
    """Ein Lauf mit eigenem Namen, eigener Task Queue und eigenem Ordner."""

    workflow_id: str
    task_queue: str
    folder: Path


@dataclass(frozen=True)
class Takeover:
    """Wie ein Lauf ausging, in dem ein Worker starb und ein anderer übernahm.

    `exit_code` ist der des ersten Workers (-9: wirklich getötet, `None`: er überlebte den Lauf). `result` ist das
    Ergebnis des Workflows oder, wenn er scheiterte, der Fehler.
    """

    trial: Trial
    death: Death | None
    exit_code: int | None
    status: WorkflowExecutionStatus
    result: Any
    history: WorkflowHistory = field(repr=False)

    def describe(self) -> str:
        """Der Todeszeitpunkt in einem deutschen Satzteil."""
        return "ohne Störung" if self.death is None else f"Tod bei Event {self.death.event} ({self.death.name})"


def survivors(takeovers: Sequence[Takeover]) -> list[str]:
    """Die Läufe aus `die_at_every_event`, deren Worker hätte sterben müssen und lebt; im besten Fall keine.

    Kommt unter Last ein Update oder eine Antwort zu anderer Zeit an, nimmt ein Lauf einen anderen Weg als der
    ungestörte. Fehlt in seiner History deshalb der Todeszeitpunkt, zählt er nicht. Wirft `DauerlaufError`, wenn das
    mehr als jeden vierten trifft: Dann bewiesen die übrigen zu wenig.
    """
    _, *others = takeovers
    alive = [takeover for takeover in others if takeover.exit_code != -9]
    if len(alive) > len(others) / 4:
        raise DauerlaufError(f"Von {len(others)} Workern starben nur {len(others) - len(alive)}.")
    return [
        takeover.describe()
        for takeover in alive
        if takeover.death and takeover.death.plan in [death.plan for death in deaths(takeover.history)]
    ]


async def die_at_every_event(
    env: Timelapse,
    factory: str,
    *,
    arguments: Callable[[Trial], Mapping[str, Any]],
    start: Callable[[Client, Trial], Awaitable[WorkflowHandle[Any, Any]]],
    folder: Path,
    events: Iterable[int] | None = None,
    concurrency: int = 6,
    timeout: float = 30.0,
) -> list[Takeover]:
    """Lässt einen Workflow einmal ungestört laufen und dann je Event noch einmal, mit Tod des Workers genau dort.

    `factory` und `arguments(trial)` bauen den Worker (siehe `WorkerProcess.start`), `start(client, trial)` startet den
    Workflow unter `trial.workflow_id` auf `trial.task_queue`. Jeder Lauf hat einen Ordner unter `folder` für sich.
    `events` wählt Event-Nummern aus (Standard: alle), höchstens `concurrency` Läufe sind gleichzeitig unterwegs.
    Das erste Ergebnis ist der ungestörte Lauf. Wirft `DauerlaufError` mit dem Grund,
    wenn ein Workflow `timeout` Sekunden lang hängt.
    """
    run = _Deaths(env, factory, arguments, start, folder, timeout)
    reference = await run.trial(None)
    wanted = None if events is None else set(events)
    slots = asyncio.Semaphore(concurrency)

    async def one(death: Death) -> Takeover:
        async with slots:
            return await run.trial(death)

    points = [death for death in deaths(reference.history) if wanted is None or death.event in wanted]
    return [reference, *await together(*map(one, points))]


class _Deaths:
    def __init__(
        self,
        env: Timelapse,
        factory: str,
        arguments: Callable[[Trial], Mapping[str, Any]],
        start: Callable[[Client, Trial], Awaitable[WorkflowHandle[Any, Any]]],
        folder: Path,
        timeout: float,
    ) -> None:
        self._client = env.client_for("starter", ShortTasks())
        self._factory = factory
        self._arguments = arguments
        self._start = start
        self._folder = folder
        self._timeout = timeout

    async def trial(self, death: Death | None) -> Takeover:
        name = f"event-{death.event if death else 0}"
        trial = Trial(f"{name}-{uuid.uuid4()}", f"tq-{uuid.uuid4()}", self._folder / name)
        trial.folder.mkdir(parents=True)
        try:
            return await self._run(trial, death)
        except WorkflowStuckError as stuck:
            raise DauerlaufError(f"{death.plan.describe() if death else 'Ohne Störung'}\n{stuck}") from None

    async def _run(self, trial: Trial, death: Death | None) -> Takeover:
        async with self._worker(trial, "worker-1", death.plan if death else FaultPlan()) as first:
            handle = await self._start(self._client, trial)
            # Stirbt der Worker am letzten Event, endet der Workflow einen Augenblick vor ihm.
            exit_code = await self._outcome(handle, first, patience=5 if death else 0)
            if exit_code is None:
                return await self._report(trial, death, None, handle)
            async with self._worker(trial, "worker-2", FaultPlan()):
                helper = asyncio.create_task(rescue(self._client, handle, first.identity))
                try:
                    return await self._report(trial, death, exit_code, handle)
                finally:
                    helper.cancel()

    @asynccontextmanager
    async def _worker(self, trial: Trial, identity: str, plan: FaultPlan) -> AsyncIterator[WorkerProcess]:
        worker = await WorkerProcess.start(
            self._factory,
            self._client,
            arguments=self._arguments(trial),
            identity=identity,
            plan=plan,
            journal=_journal(trial),
        )
        try:
            yield worker
        finally:
            # Der Lauf ist zu Ende; ein geordneter Abschied brächte nichts und kostete Zeit.
            worker.kill()

    async def _outcome(self, handle: WorkflowHandle[Any, Any], worker: WorkerProcess, patience: float) -> int | None:
        """Der Exit-Code des Workers oder `None`, wenn der Workflow endet und der Worker noch lebt."""
        died = asyncio.create_task(worker.died())
        ended = asyncio.create_task(self._ended(handle))
        try:
            await asyncio.wait((died, ended), return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                ended.result()
            await asyncio.wait((died,), timeout=patience)
            return died.result() if died.done() else None
        finally:
            died.cancel()
            ended.cancel()

    async def _ended(self, handle: WorkflowHandle[Any, Any]) -> None:
        with suppress(WorkflowFailureError):
            await result(handle, self._timeout)

    async def _report(
        self, trial: Trial, death: Death | None, exit_code: int | None, handle: WorkflowHandle[Any, Any]
    ) -> Takeover:
        outcome: Any
        try:
            outcome = await result(handle, self._timeout)
        except WorkflowFailureError as error:
            outcome = error
        status = (await handle.describe()).status
        assert status is not None
        return Takeover(trial, death, exit_code, status, outcome, await handle.fetch_history())


def _journal(trial: Trial) -> Path:
    return trial.folder / "stoerungen.jsonl"


async def rescue(client: Client, handle: WorkflowHandle[Any, Any], dead: str) -> None:
    """Lässt den Server die Versuche sofort aufgeben, die beim toten Worker namens `dead` liegen geblieben sind.

    Läuft, bis die Aufgabe abgebrochen wird: Der Server kann einem toten Worker noch kurz nach dessen Ende eine
    Activity zuteilen.
    """
    while True:
        for pending in (await handle.describe()).raw_description.pending_activities:
            started = pending.state == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
            if started and pending.last_worker_identity == dead:
                await faults.give_up_attempt(client, handle.id, pending.activity_id)
            elif not started and pending.activity_options.task_queue.name == faults.PARKING:
                await faults.restore_options(client, handle.id, pending.activity_id)
        await asyncio.sleep(0.1)


class ShortTasks(temporalio.client.Interceptor):
    """Gibt jedem Workflow, den ein Client startet, ein kurzes Workflow-Task-Timeout (`TASK_TIMEOUT`)."""

    def intercept_client(self, next: temporalio.client.OutboundInterceptor) -> temporalio.client.OutboundInterceptor:
        return _ShortTaskStarts(next)


class _ShortTaskStarts(temporalio.client.OutboundInterceptor):
    async def start_workflow(self, input: temporalio.client.StartWorkflowInput) -> WorkflowHandle[Any, Any]:
        input.task_timeout = input.task_timeout or TASK_TIMEOUT
        return await super().start_workflow(input)
