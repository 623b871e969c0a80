"""Der Prüfstand: Worker mit dem Code der Übung, in eigenen Prozessen, beobachtet über den echten Server.

Der Prüfer lädt den Code nie selbst. Er startet Workflows, liest Ergebnisse und Event Histories und besitzt, worauf
die Activities wirken.
"""

import asyncio
import itertools
import json
import math
import os
import re
import sys
import tomllib
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import temporalio.converter
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType, PendingActivityState
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle, WorkflowHistory
from temporalio.exceptions import FailureError
from temporalio.service import RPCError
from temporalio.worker import Worker

from dauerlauf import worker_process
from dauerlauf.errors import DauerlaufError
from dauerlauf.exercises.child import THREADS, Target, WorkerOrder, answer_calls, unpack
from dauerlauf.exercises.definition import ANSWERS
from dauerlauf.faults import ActivityAction, FaultInjector, FaultPlan, Journal
from dauerlauf.history import event_name
from dauerlauf.history import load as load_history
from dauerlauf.timelapse import Timelapse, last_task_failure, result, worker_client
from dauerlauf.worker_process import ShortTasks, WorkerProcess, rescue, spawn

LIMIT = 30.0
"""So viele Sekunden Echtzeit hat ein Workflow; im Zeitraffer reicht das für Wochen."""

LOAD_LIMIT = 15.0
"""So viele Sekunden hat der Code, um zu laden oder einen Aufruf zu beantworten."""

LOOK = 0.4
"""So oft sieht der Prüfstand nach, ob ein Workflow überhaupt noch fertig werden kann."""

IDLE = 2.0
"""Nach so vielen Sekunden ohne offene Arbeit gilt ein Workflow als vergessen."""

BLOCKED = 12.0
"""Nach so vielen Sekunden gilt ein Workflow-Task als verloren; die Bremse des SDK greift nach 2 s."""

HOPELESS_ATTEMPT = 20
"""Nach so vielen gescheiterten Versuchen gilt eine Activity als hoffnungslos, sofern sie keine Grenze hat."""

_ACTIVITY = """\
import asyncio, importlib, inspect, json, sys
from temporalio.testing import ActivityEnvironment
(target, *own), *arguments = json.loads(sys.argv[1])
module, path = target.split(":")
name, method = path.split(".")
desk = getattr(importlib.import_module(module), name)(*own)
outcome = ActivityEnvironment().run(getattr(desk, method), *arguments)
if inspect.isawaitable(outcome):
    asyncio.run(asyncio.wait_for(outcome, None))
"""

FORM = (
    "Schreiben Sie eine ganze Zahl als 40, eine andere mit Punkt als 0.5, beide ohne Einheit; einen Text in "
    'Anführungszeichen, eine Liste als ["a", "b"].'
)
"""Wie eine Antwort in `antwort.toml` zu schreiben ist."""

_TOML_LINE = re.compile(r"at line (\d+)")
T = TypeVar("T")

worker_process.PRELOAD.append("dauerlauf.exercises.child")


class Failed(Exception):  # noqa: N818 - eine Rückmeldung, kein Fehler des Programms
    """Eine Prüfung ist nicht bestanden: wo es liegt, warum es so ist, wie es weitergeht."""

    def __init__(self, *, wo: str, warum: str, weiter: str) -> None:
        super().__init__(f"{wo}: {warum}")
        self.wo = wo
        self.warum = warum
        self.weiter = weiter

    @property
    def parts(self) -> list[tuple[str, str]]:
        """Die drei Teile mit den Wörtern, unter denen sie überall erscheinen."""
        return [("Wo", self.wo), ("Warum", self.warum), ("Weiter", self.weiter)]


class _Suspected(Failed):
    """Ein Verdacht, der auch vorübergehen kann; er gilt erst nach `patience` Sekunden."""

    def __init__(self, *, wo: str, warum: str, weiter: str, patience: float = IDLE) -> None:
        super().__init__(wo=wo, warum=warum, weiter=weiter)
        self.patience = patience


def expect(condition: object, *, wo: str, warum: str, weiter: str) -> None:
    """Wirft `Failed` mit den drei Teilen, wenn `condition` nicht gilt."""
    if not condition:
        raise Failed(wo=wo, warum=warum, weiter=weiter)


@dataclass(frozen=True)
class Run:
    """Ein beendeter Lauf: Status (etwa `"COMPLETED"`), Ergebnis oder Fehler, Event History."""

    id: str
    status: str
    result: Any
    error: BaseException | None
    history: WorkflowHistory = field(repr=False)

    @property
    def reason(self) -> str:
        """Woran der Lauf scheiterte, von außen nach innen; leer, wenn er gelang."""
        parts, error = [], self.error
        while error is not None:
            parts.append(error.message if isinstance(error, FailureError) else str(error))
            error = error.__cause__
        return ": ".join(dict.fromkeys(parts))

    @property
    def events(self) -> list[str]:
        """Die Namen aller Events in ihrer Reihenfolge, etwa `ActivityTaskScheduled`."""
        return [event_name(event) for event in self.history.events]

    @property
    def activities(self) -> list[str]:
        """Die Typen der geplanten Activities in ihrer Reihenfolge; Wiederholungen eines Versuchs zählen nicht."""
        return [
            event.activity_task_scheduled_event_attributes.activity_type.name
            for event in self.history.events
            if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
        ]

    def count(self, event: str) -> int:
        """Wie oft ein Event in der History steht."""
        return Counter(self.events)[event]

    def attempts(self, activity: str) -> list[int]:
        """Der Versuch, mit dem jeder Aufruf dieser Activity endete, so wie er im Started-Event steht."""
        scheduled = {
            event.event_id
            for event in self.history.events
            if event.activity_task_scheduled_event_attributes.activity_type.name == activity
        }
        started = (event.activity_task_started_event_attributes for event in self.history.events)
        return [one.attempt for one in started if one.scheduled_event_id in scheduled]


class Running:
    """Ein laufender Worker mit dem Code der Übung; so gibt ihn `Bench.worker` heraus."""

    def __init__(self, bench: "Bench", client: Client, order: WorkerOrder, plan: FaultPlan) -> None:
        """Nicht direkt verwenden; siehe `Bench.worker`."""
        self.client = client
        self.task_queue = order.task_queue
        self._bench = bench
        self._order = order
        self._plan = plan
        self._journal = bench.folder / f"stoerungen-{uuid.uuid4()}.jsonl"
        self._process: WorkerProcess | None = None
        self._handles: list[WorkflowHandle[Any, Any]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._crashed: int | None = None
        self.deaths = 0

    @property
    def fired(self) -> list[str]:
        """Die Störungen, die im Prozess des Workers eingetreten sind, im Wortlaut."""
        return Journal(self._journal).texts()

    async def start(self, workflow: str, *args: Any, id: str | None = None, **options: Any) -> WorkflowHandle[Any, Any]:
        """Startet einen Workflow nach seinem Namen, ohne `id` unter einer neuen ID.

        `options` gehen an `Client.start_workflow`.
        """
        workflow_id = id or f"uebung-{uuid.uuid4()}"
        handle: WorkflowHandle[Any, Any] = await self.client.start_workflow(
            workflow, args=args, id=workflow_id, task_queue=self.task_queue, **options
        )
        self._handles.append(handle)
        return handle

    async def execute(self, workflow: str, *args: Any, limit: float = LIMIT, **options: Any) -> Run:
        """Startet einen Workflow und wartet, bis er gelingt; scheitert oder hängt er, wirft das `Failed`."""
        return await self.finish(await self.start(workflow, *args, **options), limit)

    async def attempt(self, workflow: str, *args: Any, limit: float = LIMIT, **options: Any) -> Run:
        """Wie `execute`, aber der Lauf darf auch scheitern; nur wenn er hängt, wirft das `Failed`."""
        return await self.end(await self.start(workflow, *args, **options), limit)

    async def finish(self, handle: WorkflowHandle[Any, Any], limit: float = LIMIT) -> Run:
        """Wartet, bis ein gestarteter Workflow gelingt; sonst `Failed`."""
        run = await self.end(handle, limit)
        if run.status != "COMPLETED":
            raise Failed(
                wo=f"Ergebnis des Workflows, {_where(self._bench.source, run.error) or 'letztes Event der History'}",
                warum=f"Er soll gelingen, endet aber {run.status}: {run.reason}",
                weiter="Suchen Sie die Stelle, die diesen Fehler wirft oder durchlässt.",
            )
        return run

    async def end(self, handle: WorkflowHandle[Any, Any], limit: float = LIMIT) -> Run:
        """Wartet, bis ein gestarteter Workflow endet, gleich wie; hängt er, wirft das `Failed`."""
        error: BaseException | None = None
        outcome = None
        try:
            outcome = await self._watched(handle, limit)
        except WorkflowFailureError as failure:
            error = failure.cause
        description = await handle.describe()
        assert description.status is not None
        return Run(handle.id, description.status.name, outcome, error, await handle.fetch_history())

    async def _watched(self, handle: WorkflowHandle[Any, Any], limit: float) -> Any:
        waiting = asyncio.create_task(result(handle, math.inf))
        suspicious = 0
        try:
            # Gezählt wird, wie oft nachgesehen wurde: Auf einer überlasteten Maschine dauert auch das länger.
            for look in itertools.count(1):
                if (await asyncio.wait({waiting}, timeout=LOOK))[0]:
                    break
                if self._crashed is not None:
                    raise _crashed(self._crashed)
                final = look * LOOK >= limit
                failed = await self._bench.diagnose(handle, final=final)
                if failed is not None and final:
                    raise failed
                # Von mehreren Workflows kann einer auf das Signal eines anderen warten, der noch arbeitet.
                if failed is None or (isinstance(failed, _Suspected) and len(self._handles) > 1):
                    suspicious = 0
                    continue
                suspicious += 1
                if not isinstance(failed, _Suspected) or suspicious * LOOK > failed.patience:
                    raise failed
            return waiting.result()
        finally:
            waiting.cancel()

    async def query(self, handle: WorkflowHandle[Any, Any], name: str, *args: Any) -> Any:
        """Das Ergebnis einer Query; antwortet der Workflow nicht, wirft das `Failed`."""
        return await self._answer(handle, f"Query „{name}“", handle.query(name, args=args))

    async def update(self, handle: WorkflowHandle[Any, Any], name: str, *args: Any) -> Any:
        """Das Ergebnis eines Updates; nimmt der Workflow es nicht an, wirft das `Failed`."""
        return await self._answer(handle, f"Update „{name}“", handle.execute_update(name, args=args))

    async def _answer(self, handle: WorkflowHandle[Any, Any], what: str, asking: Awaitable[T]) -> T:
        try:
            return await asyncio.wait_for(asking, LIMIT)
        except Exception as error:
            if (failed := await self._bench.diagnose(handle, final=False)) is not None and not isinstance(
                failed, _Suspected
            ):
                raise failed from None
            cause = error.__cause__ or error
            text = cause.message if isinstance(cause, FailureError | RPCError) else str(cause) or type(cause).__name__
            if "already completed" in text:
                raise Failed(
                    wo=what,
                    warum=f"Der Workflow ist schon zu Ende ({text}).",
                    weiter="Sehen Sie nach, warum `run` zurückkehrt. Soll nur eine neue History beginnen, braucht es "
                    "`workflow.continue_as_new`.",
                ) from None
            raise Failed(
                wo=what,
                warum="Vom Workflow kommt keine Antwort: "
                + (f"Nach {LIMIT:g} s wartet der Fragende noch." if isinstance(error, TimeoutError) else text),
                weiter="Prüfen Sie, ob die Methode ihren Decorator trägt und genau so heißt."
                + " Ein `await` in ihr hält auch den auf, der fragt." * isinstance(error, TimeoutError),
            ) from None

    async def reached(self, handle: WorkflowHandle[Any, Any], event: str, times: int = 1) -> None:
        """Kehrt zurück, sobald `event` `times`-mal in der History steht; `Failed`, wenn der Workflow vorher endet."""

        async def watch() -> bool:
            left = times
            async for one in handle.fetch_history_events(wait_new_event=True):
                left -= event_name(one) == event
                if not left:
                    return True
            return False

        try:
            there = await asyncio.wait_for(watch(), LIMIT)
        except TimeoutError:
            if (failed := await self._bench.diagnose(handle, final=True)) is not None:
                raise failed from None
            there = False
        expect(
            there,
            wo="Event History",
            warum=f"Der Workflow endet, ohne dass „{event}“ {times}-mal in seiner History steht.",
            weiter="Lesen Sie im Aufgabentext nach, worauf der Workflow an dieser Stelle warten soll.",
        )

    def kill(self) -> None:
        """Tötet den Worker mit SIGKILL."""
        assert self._process is not None
        for task in self._tasks:
            task.cancel()
        self._process.kill()

    async def open(self, identity: str = "worker-1") -> None:
        """Startet den Prozess; wirft `Failed`, wenn sich der Code nicht laden lässt."""
        first = identity == "worker-1"
        starting = WorkerProcess.start(
            "dauerlauf.exercises.child:create_worker",
            self.client,
            arguments={"order": self._order},
            identity=identity,
            plan=self._plan if first else FaultPlan(),
            journal=self._journal,
        )
        try:
            self._process = await asyncio.wait_for(starting, LOAD_LIMIT)
        except TimeoutError:
            raise _endless("beim Laden Ihrer Dateien") from None
        except DauerlaufError as error:
            raise _load_failure(str(error)) from None
        self._tasks.append(asyncio.create_task(self._watch(self._process, replace=first and self._plan.deadly)))

    async def _watch(self, process: WorkerProcess, *, replace: bool) -> None:
        code = await process.died()
        if not replace or code != -9:
            self._crashed = code
            return
        self.deaths += 1
        await self.open("worker-2")
        for handle in self._handles:
            self._tasks.append(asyncio.create_task(rescue(self.client, handle, process.identity)))

    async def close(self) -> None:
        """Beendet den Worker und alles, was noch läuft."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._process is not None:
            await asyncio.to_thread(self._process.kill)
        for handle in self._handles:
            # Was schon beendet ist, lässt sich nicht mehr beenden: der Normalfall.
            with suppress(RPCError):
                await handle.terminate("Prüfung beendet")


class Reader:
    """Ein Prozess, der Funktionen der Übung aufruft; so gibt ihn `Bench.process` heraus."""

    def __init__(self, process: WorkerProcess, connection: Any) -> None:
        """Nicht direkt verwenden; siehe `Bench.process`."""
        self._process = process
        self._connection = connection
        self._turn = asyncio.Lock()

    async def call(self, target: Target, *args: Any) -> Any:
        """Ruft `"datei:funktion"` oder `("datei:Klasse.methode", *argumente_der_klasse)` auf, auch `async`.

        Argumente und Ergebnis sind einfache Werte (Zahlen, Texte, Bytes, Listen, Dicts). Ein Fehler des Codes wirft
        `Failed`.
        """
        answer = await self.ask("call", target, *args)
        if isinstance(answer, _Raised):
            raise Failed(
                wo=answer.place or str(target),
                warum=f"Der Aufruf scheitert: {answer.kind}: {answer.text}",
                weiter="Rufen Sie die Funktion selbst mit denselben Werten auf und sehen Sie sich die Zeile an.",
            )
        return answer

    async def raises(self, target: Target, *args: Any) -> str | None:
        """Ruft auf und gibt den Namen der Ausnahme zurück, die der Code wirft, oder `None`."""
        answer = await self.ask("call", target, *args)
        return answer.kind if isinstance(answer, _Raised) else None

    async def ask(self, verb: str, target: Any, *args: Any) -> Any:
        """Eine Anfrage an den Prozess; siehe `dauerlauf.exercises.child`."""
        async with self._turn:
            try:
                self._connection.send((verb, target, args))
                answer = await asyncio.wait_for(asyncio.to_thread(self._connection.recv_bytes), LOAD_LIMIT)
            except TimeoutError:
                self._process.kill()
                raise _endless(f"beim Aufruf von {target}") from None
            except (EOFError, OSError):
                raise _crashed(await self._process.died()) from None
        kind, value = unpack(answer)
        if kind == "load":
            raise _load_failure(value)
        return _Raised(*value) if kind == "raised" else value


@dataclass(frozen=True)
class _Raised:
    kind: str
    text: str
    place: str


class _RemoteCodec(temporalio.converter.PayloadCodec):
    """Der Payload-Codec der Übung, ausgeführt in ihrem Prozess."""

    def __init__(self, reader: Reader, converter: str) -> None:
        self._reader = reader
        self._converter = converter

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return await self._through("encode", payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return await self._through("decode", payloads)

    async def _through(self, direction: str, payloads: Sequence[Payload]) -> list[Payload]:
        raw = [one.SerializeToString() for one in payloads]
        answer = await self._reader.ask("codec", self._converter, direction, raw)
        if isinstance(answer, _Raised):
            raise Failed(
                wo=answer.place or self._converter,
                warum=f"`{direction}` scheitert: {answer.kind}: {answer.text}",
                weiter="Ein Codec bekommt eine Folge von Payloads und gibt eine Liste von Payloads zurück.",
            )
        return [Payload.FromString(one) for one in answer]


class Bench:
    """Der Prüfstand einer Prüfung.

    `source` ist eine Kopie der Dateien, um die es geht, `folder` ein leerer Ordner für Bücher und Datenbanken,
    `exercise` der Ordner der Übung selbst, `timelapse` der Server im Zeitraffer.
    """

    def __init__(self, timelapse: Timelapse, exercise: Path, source: Path, folder: Path) -> None:
        """Nicht direkt verwenden; der Prüfer baut den Prüfstand auf."""
        self.timelapse = timelapse
        self.exercise = exercise
        self.source = source
        self.folder = folder

    @property
    def output(self) -> Path:
        """Die Datei mit allem, was der Code gedruckt hat."""
        return self.folder / "ausgabe.txt"

    def task_queue(self) -> str:
        """Ein neuer Name für eine Task Queue."""
        return self.timelapse.task_queue()

    def answers(self) -> dict[str, Any]:
        """Was in `antwort.toml` steht; `Failed`, wenn die Datei fehlt oder nicht zu lesen ist."""
        file = self.source / ANSWERS
        if not file.is_file():
            raise Failed(wo=ANSWERS, warum="Die Datei fehlt.", weiter="Setzen Sie die Übung mit `--neu` zurück.")
        try:
            return tomllib.loads(file.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            line = _TOML_LINE.search(str(error))
            raise Failed(
                wo=f"{ANSWERS}, Zeile {line[1]}" if line else ANSWERS,
                warum="Diese Zeile ist kein gültiges TOML: Hinter das Gleichheitszeichen gehört ein einzelner Wert.",
                weiter=FORM,
            ) from None

    @asynccontextmanager
    async def worker(
        self,
        *workflows: str,
        activities: Sequence[Target] = (),
        given: Sequence[Callable[..., Any]] = (),
        plan: FaultPlan | None = None,
        factory: str | None = None,
        arguments: Mapping[str, Any] | None = None,
        converter: str | None = None,
        source: Path | None = None,
        task_queue: str | None = None,
        **options: Any,
    ) -> AsyncIterator[Running]:
        """Betreibt einen Worker mit dem Code der Übung in einem eigenen Prozess, auf einer neuen Task Queue.

        `workflows` nennt Klassen als `"datei:Klasse"`, `activities` Funktionen ebenso oder Klassen mit Argumenten
        (`("datei:Klasse", arg)`). Oder `factory="worker:create_worker"`: eine Funktion der Übung, aufgerufen als
        `create_worker(client, task_queue, **arguments)`. `given` sind Activities des Prüfers; sie laufen bei ihm, auf
        derselben Task Queue. `plan` stört beide Seiten; tötet er den Worker, übernimmt ein zweiter Prozess ohne
        Störungen. `converter="datei:name"` nennt einen `DataConverter` der Übung für Worker und Client. `source` lädt
        andere Dateien (etwa einen alten Stand), `task_queue` teilt die Queue mit einem anderen Worker. `options`
        gehen an `temporalio.worker.Worker`.
        """
        plan = plan or FaultPlan()
        queue = task_queue or self.task_queue()
        order = WorkerOrder(
            source or self.source,
            self.output,
            queue,
            workflows,
            activities,
            factory,
            arguments,
            converter,
            options,
        )
        async with self._client(converter, plan) as client, self._serving(client, given, queue, plan):
            running = Running(self, client, order, plan)
            try:
                await running.open()
                yield running
            finally:
                await running.close()

    @asynccontextmanager
    async def _client(self, converter: str | None, plan: FaultPlan) -> AsyncIterator[Client]:
        # Kürzer als die 2 s, nach denen das SDK eine Endlosschleife meldet, darf ein Task nur sein, wenn jemand stirbt.
        client = self.timelapse.client_for("pruefung", *([ShortTasks()] if plan.deadly else []))
        if converter is None:
            yield client
            return
        async with self.process() as reader:
            config = client.config()
            config["data_converter"] = temporalio.converter.DataConverter(payload_codec=_RemoteCodec(reader, converter))
            yield Client(**config)

    @asynccontextmanager
    async def _serving(
        self, client: Client, given: Sequence[Callable[..., Any]], queue: str, plan: FaultPlan
    ) -> AsyncIterator[None]:
        if not given:
            yield
            return
        # Was einen Prozess tötet, gilt nur dem Worker der Übung.
        own = FaultPlan(
            activities=tuple(
                one
                for one in plan.activities
                if one.action not in (ActivityAction.KILL_BEFORE, ActivityAction.KILL_AFTER)
            )
        )
        injector = FaultInjector(own, patience=timedelta(0))
        with ThreadPoolExecutor(THREADS) as executor:
            async with Worker(
                worker_client(client, "pruefung", plugins=[injector]),
                task_queue=queue,
                activities=given,
                activity_executor=executor,
                max_concurrent_activities=THREADS,
            ):
                yield

    @asynccontextmanager
    async def process(self, source: Path | None = None) -> AsyncIterator[Reader]:
        """Ein Prozess, in dem sich Funktionen der Übung aufrufen lassen; ohne Server."""
        process, identity, connection = await asyncio.to_thread(
            spawn, answer_calls, (source or self.source, self.output), "aufrufe"
        )
        reader = WorkerProcess(process, identity, connection)
        try:
            yield Reader(reader, connection)
        finally:
            await asyncio.to_thread(reader.kill)
            connection.close()

    async def call(self, target: Target, *args: Any) -> Any:
        """Ein einzelner Aufruf in einem eigenen Prozess; siehe `Reader.call`."""
        async with self.process() as reader:
            return await reader.call(target, *args)

    async def activity_in_new_processes(self, target: tuple[str, ...], *args: Any) -> None:
        """Führt `("datei:Klasse.activity", *argumente_der_klasse)` in zwei neuen Python-Prozessen aus.

        Was die Activity wirft, bleibt unbeachtet.

        Die übrigen Prozesse der Prüfung stammen von einem ab und rechnen `hash` gleich; diese beiden tun das nicht.
        """
        for seed in ("1", "2"):
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-B", "-c", _ACTIVITY, json.dumps([target, *args])),
                cwd=self.source,
                env={**os.environ, "PYTHONPATH": str(self.source), "PYTHONHASHSEED": seed},
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )
            try:
                await process.wait()
            finally:
                if process.returncode is None:
                    process.kill()

    async def replay(
        self, *workflows: str, history: WorkflowHistory | Path, converter: str | None = None, source: Path | None = None
    ) -> str | None:
        """Spielt eine History mit den Workflow-Klassen der Übung ab; gibt den Fehler zurück oder `None`."""
        found = load_history(history) if isinstance(history, Path) else history
        async with self.process(source) as reader:
            answer = await reader.ask("replay", workflows, found.workflow_id, found.to_json(), converter)
        if isinstance(answer, _Raised):
            raise Failed(
                wo=answer.place or "Replay",
                warum=f"Das Replay lässt sich nicht ausführen: {answer.kind}: {answer.text}",
                weiter="Berichtigen Sie zuerst diesen Fehler.",
            )
        return str(answer) if answer is not None else None

    async def diagnose(self, handle: WorkflowHandle[Any, Any], *, final: bool) -> Failed | None:
        """Woran ein Workflow hängt; `None`, wenn er fertig ist, und ohne `final`, solange er es noch werden kann."""
        description = await handle.describe()
        raw = description.raw_description
        if description.status != WorkflowExecutionStatus.RUNNING:
            return None
        history = await handle.fetch_history()
        task_failure = last_task_failure(history.events)
        open_waits = 0
        for event in history.events:
            match event.event_type:
                case (
                    EventType.EVENT_TYPE_TIMER_STARTED
                    | EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED
                    | EventType.EVENT_TYPE_NEXUS_OPERATION_SCHEDULED
                ):
                    open_waits += 1
                case EventType.EVENT_TYPE_TIMER_FIRED | EventType.EVENT_TYPE_TIMER_CANCELED:
                    open_waits -= 1
        if task_failure is not None and raw.HasField("pending_workflow_task"):
            return _task_failed(task_failure, self.source)
        queue = raw.execution_config.task_queue.name
        for pending in raw.pending_activities:
            unlimited = pending.maximum_attempts == 0
            missing = "is not registered" in pending.last_failure.message
            # Auch mit einer Grenze: Der Workflow kann danach immer neue Aufrufe beginnen.
            slip = (
                pending.last_failure.application_failure_info.type in _SLIPS
                and _place(self.source, pending.last_failure.stack_trace) != ""
                and pending.attempt > 1
            )
            if pending.HasField("last_failure") and (
                final or missing or slip or (unlimited and pending.attempt > HOPELESS_ATTEMPT)
            ):
                return _activity_fails(pending, self.source)
            elsewhere = pending.activity_options.task_queue.name != queue
            waiting = pending.state == PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED
            if waiting and (elsewhere or final):
                return _Suspected(
                    wo=f"Activity „{pending.activity_type.name}“",
                    warum=f"Kein Worker nimmt sie an. Sie liegt in der Task Queue "
                    f"„{pending.activity_options.task_queue.name}“, der Worker hört auf „{queue}“.",
                    weiter="Lassen Sie `task_queue` beim Aufruf weg, oder nennen Sie eine, auf der ein Worker hört.",
                )
            if final:
                return Failed(
                    wo=f"Activity „{pending.activity_type.name}“",
                    warum="Sie läuft noch immer. Eine Endlosschleife, ein blockierender Aufruf in `async def` oder ein "
                    "Warten ohne Ende hält sie fest.",
                    weiter="Prüfen Sie, ob jede Schleife in der Activity endet.",
                )
        if raw.HasField("pending_workflow_task"):
            return _Suspected(
                wo="Workflow-Task",
                warum="Kein Worker nimmt ihn an, oder er kommt nicht zurück: Der Code des Workflows blockiert oder "
                "beendet sich mit `sys.exit` (SystemExit).",
                weiter="Im Workflow wartet man nur mit `await`, und man beendet ihn mit `return` oder einem "
                "`ApplicationError`.",
                patience=BLOCKED,
            )
        if not raw.pending_activities and not raw.pending_children and open_waits <= 0:
            return _Suspected(
                wo="Letztes `await` im Workflow",
                warum="Der Workflow wartet auf ein Signal, ein Update oder eine Bedingung, die nie eintritt; kein "
                "Timer und keine Activity ist offen.",
                weiter="Sehen Sie nach, worauf das letzte `await` wartet und wer es beendet. Ein vergessenes `await` "
                "vor einer Activity gehört auch dazu.",
            )
        if not final:
            return None
        return Failed(
            wo="Event History, letztes Event",
            warum=f"Der Workflow ist auch nach {LIMIT:g} s Rechenzeit nicht fertig; er wartet noch auf einen Timer "
            "oder beginnt immer neue Arbeit.",
            weiter="Prüfen Sie, ob die Schleife im Workflow eine Bedingung hat, die eintritt.",
        )


_FRAME = re.compile(r'File "([^"]+)", line (\d+)')


def _place(source: Path, stack: str) -> str:
    """Die letzte Zeile aus den Dateien der Übung in einem Stack-Trace, etwa `workflow.py, Zeile 12`."""
    inside = [(Path(name).name, line) for name, line in _FRAME.findall(stack) if Path(name).parent == source]
    return f"{inside[-1][0]}, Zeile {inside[-1][1]}" if inside else ""


def _where(source: Path, error: BaseException | None) -> str:
    found = ""
    while error is not None:
        if isinstance(error, FailureError) and error.failure is not None:
            found = _place(source, error.failure.stack_trace) or found
        error = error.__cause__
    return found


_SLIPS = frozenset({"AttributeError", "ImportError", "IndexError", "KeyError", "NameError", "TypeError"})
"""Fehler, die fast immer ein Versehen im Code sind und nie die Absicht, zu scheitern."""

_ADVICE = (
    (
        "must have start_to_close_timeout",
        "Hier fehlt das Timeout. Für den einzelnen Versuch heißt es `start_to_close_timeout` und ist ein `timedelta`.",
    ),
    ("Expected a timedelta", "Nennen Sie die Dauer als `timedelta`, zum Beispiel `timedelta(seconds=10)`."),
    (
        "Activity must be a string or callable",
        "Nennen Sie die Activity ohne Klammern, und geben Sie ihr Argument als zweites an.",
    ),
    ("() takes from 1 to 2 positional arguments", "Mehrere Argumente einer Activity stehen zusammen in `args=[…]`."),
    (
        "object has no attribute '_",
        "Legen Sie das Attribut in `__init__` an. Im Workflow kann ein Signal noch vor der ersten Zeile von `run` "
        "eintreffen.",
    ),
    (
        "from an update handler",
        "Der Handler ändert nur den Zustand; `run` wartet darauf und ruft dann `workflow.continue_as_new` auf.",
    ),
    (
        "__init__() missing",
        "Das Argument des Workflows bekommt nur ein `__init__` mit `@workflow.init`; ohne diese Zeile darf es keins "
        "verlangen.",
    ),
    (
        "Failed decoding arguments",
        "Ein Wert passt nicht zu dem Typ, den die Signatur nennt. Vergleichen Sie, was übergeben und was zurückgegeben "
        "wird, mit den Typen der Activity.",
    ),
    (
        "Not in workflow event loop",
        "Die Funktionen aus `temporalio.workflow` gelten nur im Workflow. In einer Activity hilft `activity.info()`.",
    ),
)
"""Was das SDK sagt und was dagegen zu tun ist."""


def _known_advice(message: str) -> str | None:
    return next((advice for part, advice in _ADVICE if part in message), None)


def _task_failed(failure: Any, source: Path) -> Failed:
    message, wo = failure.message, _place(source, failure.stack_trace) or "Workflow-Code"
    if "TMPRL1100" in message or "ondeterminism" in message:
        left_out = "Ein Schritt, der in der History steht, fehlt im Code. " * ("No command scheduled" in message)
        return Failed(
            wo="Replay der Event History",
            warum=f"{left_out}Der Code verlangt etwas anderes, als in der History steht: {message}",
            weiter="Laufende Workflows brauchen dieselben Befehle in derselben Reihenfolge. Nur Neues gehört hinter "
            "ein `if workflow.patched(…)`; was von Lauf zu Lauf anders ausfällt, nehmen Sie heraus.",
        )
    if "TMPRL1101" in message or "eadlock" in message:
        return Failed(
            wo=wo,
            warum="Der Workflow gibt länger als 2 s nicht ab: eine Endlosschleife ohne `await` oder ein blockierender "
            f"Aufruf wie `time.sleep`. ({message})",
            weiter="Warten Sie mit `workflow.sleep`, und verlegen Sie Arbeit, die dauert, in eine Activity.",
        )
    if failure.application_failure_info.type == "RestrictedWorkflowAccessError" or "from inside a workflow" in message:
        return Failed(
            wo=wo,
            # Dahinter rät das SDK zu `imports_passed_through`; bei einem verbotenen Aufruf führt das in die Irre.
            warum=f"Die Sandbox verbietet den Aufruf im Workflow: {message.partition(' If this is code')[0]}",
            weiter="Für Zeit, Zufall und Kennungen hat Temporal eigene Funktionen (`workflow.now()`, "
            "`workflow.random()`, `workflow.uuid4()`). Dateien, Netz und alles andere gehören in eine Activity.",
        )
    if failure.application_failure_info.type == "NotImplementedError" and not message:
        return Failed(
            wo=wo,
            warum="Der Workflow ruft eine vorgegebene Activity wie eine gewöhnliche Funktion auf "
            "(NotImplementedError). So läuft sie im Workflow statt beim Worker.",
            weiter="Bitten Sie Temporal darum: mit `await workflow.execute_activity(…)` und einem Timeout.",
        )
    if failure.application_failure_info.type == "NotImplementedError":
        return Failed(
            wo=wo,
            warum=f"An dieser Stelle ist noch eine Lücke: {message}. Der Workflow kommt darüber nicht hinaus.",
            weiter="Füllen Sie die Lücke; was dort geschehen soll, steht im Kommentar und in aufgabe.md.",
        )
    if "coroutine" in message:
        return Failed(
            wo=wo,
            warum="Das Ergebnis des Workflows oder ein Argument ist eine Coroutine statt eines Werts "
            f"({message}). Ein Aufruf ohne `await` beginnt nie.",
            weiter="Setzen Sie `await` vor den Aufruf, dessen Ergebnis Sie brauchen.",
        )
    if message.startswith("Activity function"):
        return Failed(
            wo=wo,
            warum=f"Der Worker des Workflows führt diese Activity nicht aus: {message}",
            weiter="Eine lokale Activity läuft beim Worker des Workflows. Nehmen Sie `workflow.execute_activity`; "
            "damit erreichen Sie jeden Worker der Task Queue.",
        )
    if "is not registered on this worker" in message:
        return Failed(
            wo="Name des Workflows",
            warum=f"Der Worker kennt ihn nicht: {message}",
            weiter="Die Klasse muss heißen wie vorgegeben und mit `@workflow.defn` ohne anderen Namen markiert sein.",
        )
    kind = failure.application_failure_info.type
    fix = "Berichtigen Sie die Zeile." + (
        "" if kind in _SLIPS else " Soll der Workflow scheitern, werfen Sie einen `ApplicationError`."
    )
    return Failed(
        wo=wo,
        warum=f"Der Code des Workflows wirft einen gewöhnlichen Fehler: {kind}: {message.rstrip('.')}. "
        "Damit scheitert nicht der Workflow, sondern der Workflow-Task; der Server versucht ihn immer wieder, "
        "und der Lauf steht.",
        weiter=_known_advice(message) or fix,
    )


def _activity_fails(pending: Any, source: Path) -> Failed:
    name, failure = pending.activity_type.name, pending.last_failure
    if "is not registered" in failure.message:
        return Failed(
            wo=f"Activity „{name}“",
            warum=f"Kein Worker dieser Task Queue kennt sie: {failure.message}",
            weiter="Vergleichen Sie den Namen im Aufruf mit dem Namen der Funktion hinter `@activity.defn`.",
        )
    where, kind, message = _place(source, failure.stack_trace), failure.application_failure_info.type, failure.message
    wo = f"Activity „{name}“" + (f", {where}" if where else "")
    if kind == "NotImplementedError" and message:
        return Failed(
            wo=wo,
            warum=f"An dieser Stelle ist noch eine Lücke: {message.rstrip('.')}. Die Activity scheitert daran in jedem "
            "Versuch.",
            weiter="Füllen Sie die Lücke; was dort geschehen soll, steht im Kommentar und in aufgabe.md.",
        )
    fix = "Berichtigen Sie die Activity oder ihre Argumente" + (
        "."
        if kind in _SLIPS
        else "; ist der Fehler endgültig, braucht sie eine Grenze oder einen Fehler mit `non_retryable=True`."
    )
    return Failed(
        wo=wo,
        warum=f"Sie scheitert immer wieder, zuletzt im Versuch {pending.attempt - 1}: "
        f"{f'{kind}: ' * (kind in _SLIPS)}{message.rstrip('.')}. "
        + (
            f"Nach {pending.maximum_attempts} Versuchen gibt Temporal auf, und der Workflow entscheidet."
            if pending.maximum_attempts
            else "Ohne Grenze wiederholt Temporal sie ohne Ende."
        ),
        weiter=_known_advice(message) or fix,
    )


def _endless(when: str) -> Failed:
    return Failed(
        wo=f"Ihr Code, {when}",
        warum=f"Er ist nach {LOAD_LIMIT:g} s nicht fertig: eine Endlosschleife oder ein Warten ohne Ende.",
        weiter="Auf oberster Ebene einer Datei stehen nur Importe und Definitionen; Schleifen brauchen ein Ende.",
    )


def _crashed(code: int) -> Failed:
    return Failed(
        wo="Prozess Ihres Workers",
        warum=f"Er hat sich mitten in der Arbeit beendet (Exit-Code {code}). So wirken `os._exit`, `sys.exit` oder ein "
        "Absturz des Interpreters.",
        weiter="Entfernen Sie den Aufruf; ein Workflow endet mit `return` oder mit einem `ApplicationError`.",
    )


def _load_failure(message: str) -> Failed:
    """Liest die drei Teile, die `LoadFailureError` verschickt; sie stehen am Ende der Meldung in JSON."""
    _, brace, rest = message.partition("{")
    with suppress(ValueError, TypeError, KeyError):
        parts = json.loads(brace + rest)
        return Failed(wo=parts["wo"], warum=parts["warum"], weiter=parts["weiter"])
    return Failed(
        wo="Start Ihres Workers",
        warum=message,
        weiter="Sehen Sie nach, was Ihre Dateien beim Laden tun; der Prozess ist dabei zu Ende gegangen.",
    )
