"""Störungen, die ein dauerhafter Ablauf aushalten muss: als Daten beschrieben, von außen zugefügt.

Ein `FaultPlan` sagt, was wann schiefgeht; ein `FaultInjector` fügt es einem Worker zu, ohne dass Workflow und
Activities davon wissen. Beides geht mit jedem Code, auch mit fremdem.

Woran sich ein Plan hält:

* **Activities** heißen nach ihrem Typ, dem wievielten Aufruf dieses Typs im Workflow und dem Versuch. Alle drei
  kennt der Server. Ein Plan trifft deshalb immer dieselbe Stelle, auch nach einem Worker-Wechsel und auch dann,
  wenn ein Worker hundert Workflows bedient.
* **Workflow-Tasks** heißen nach ihrer Nummer oder nach dem Event, das die History erreicht hat. Beim Replay
  geschieht nichts, und kein Befehl des Workflows ändert sich: die History bleibt die eines ungestörten Workflows.
* **Verlorene Meldungen** sind echt: die Funktion lief, ihr Ergebnis geht nie an den Server, und der wiederholt
  den Versuch nach dem Start-To-Close-Timeout. Diese Frist läuft auch im Zeitraffer in Echtzeit. Der Injektor
  verkürzt sie darum am Server für den verlorenen Versuch, so wie es `temporal activity update-options` tut; siehe
  `FaultInjector`.
"""

import asyncio
import json
import os
import random
import signal
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Self, TypeVar

import temporalio.worker
from temporalio import activity
from temporalio.api.enums.v1 import EventType, PendingActivityState
from temporalio.api.workflowservice.v1 import UpdateActivityExecutionOptionsRequest
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.client import Client, WorkflowHandle
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory, WorkflowAlreadyStartedError
from temporalio.plugin import SimplePlugin
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import (
    ActivityInboundInterceptor,
    ActivityOutboundInterceptor,
    ExecuteActivityInput,
    Worker,
    WorkerConfig,
    WorkflowInstance,
    WorkflowInstanceDetails,
    WorkflowRunner,
)

from dauerlauf.errors import DauerlaufError
from dauerlauf.server import EmbeddedServer

PATIENCE = timedelta(seconds=1)
"""So lange wartet der Server auf die verlorene Meldung eines Versuchs, wenn der Plan für alle Workflows gilt."""

FOREVER = timedelta.max
"""Als `patience`: nichts verkürzen."""

CANCEL_DELIVERY = 10.0
"""So viele Sekunden wartet ein Abbruch höchstens darauf, dass der Workflow ihn zur Kenntnis nimmt."""

INJECTED = "InjectedFault"
"""Fehlertyp eines zugefügten Fehlers, sofern der Plan keinen anderen nennt."""


class ActivityAction(StrEnum):
    """Was einer Activity zustößt. `BEFORE` heißt: bevor ihre Funktion läuft; `AFTER`: nachdem sie lief."""

    FAIL_BEFORE = "fail_before"
    FAIL_AFTER = "fail_after"
    REJECT = "reject"
    LOSE_COMPLETION = "lose_completion"
    DELAY = "delay"
    DUPLICATE = "duplicate"
    DUPLICATE_CONCURRENTLY = "duplicate_concurrently"
    CANCEL_BEFORE = "cancel_before"
    CANCEL_AFTER = "cancel_after"
    TERMINATE_BEFORE = "terminate_before"
    TERMINATE_AFTER = "terminate_after"
    KILL_BEFORE = "kill_before"
    KILL_AFTER = "kill_after"


class WorkflowAction(StrEnum):
    """Was einem Workflow oder seinem Worker zustößt."""

    CANCEL = "cancel"
    TERMINATE = "terminate"
    KILL = "kill"


class Moment(StrEnum):
    """Wann innerhalb eines Workflow-Tasks: bevor der Code läuft; nachdem er lief, vor der Meldung an den Server;
    oder unabhängig von Tasks, sobald der Server das Event zeigt."""

    BEGIN = "begin"
    END = "end"
    SEEN = "seen"


_ACTIVITY_TEXTS = {
    ActivityAction.FAIL_BEFORE: "scheitert vor der Wirkung",
    ActivityAction.FAIL_AFTER: "scheitert nach der Wirkung",
    ActivityAction.REJECT: "lehnt endgültig ab",
    ActivityAction.LOSE_COMPLETION: "wirkt, aber die Meldung geht verloren",
    ActivityAction.DELAY: "beginnt verspätet",
    ActivityAction.DUPLICATE: "läuft zweimal nacheinander",
    ActivityAction.DUPLICATE_CONCURRENTLY: "läuft zweimal gleichzeitig",
    ActivityAction.CANCEL_BEFORE: "vor der Wirkung wird der Workflow abgebrochen",
    ActivityAction.CANCEL_AFTER: "nach der Wirkung wird der Workflow abgebrochen",
    ActivityAction.TERMINATE_BEFORE: "vor der Wirkung wird der Workflow beendet",
    ActivityAction.TERMINATE_AFTER: "nach der Wirkung wird der Workflow beendet",
    ActivityAction.KILL_BEFORE: "vor der Wirkung stirbt der Worker",
    ActivityAction.KILL_AFTER: "nach der Wirkung, vor der Meldung stirbt der Worker",
}
_WORKFLOW_TEXTS = {
    WorkflowAction.CANCEL: "wird der Workflow abgebrochen",
    WorkflowAction.TERMINATE: "wird der Workflow beendet",
    WorkflowAction.KILL: "stirbt der Worker",
}
_MOMENT_TEXTS = {
    Moment.BEGIN: "Zu Beginn des Workflow-Tasks",
    Moment.END: "Vor der Meldung des Workflow-Tasks",
}


@dataclass(frozen=True)
class ActivityFault:
    """Eine Störung an einer Activity.

    `activity` ist der Activity-Typ. `occurrence` zählt die Aufrufe dieses Typs in einem Workflow-Lauf ab 1 (in der
    Reihenfolge der History), `None` trifft jeden. `attempts` nennt die Versuche ab 1, `None` trifft jeden: eine
    solche Störung hört nie auf. `seconds` gilt für `DELAY`, `error_type` für die Aktionen, die einen Fehler werfen.
    Wirft `DauerlaufError` bei unmöglichen Angaben.
    """

    activity: str
    action: ActivityAction
    occurrence: int | None = 1
    attempts: tuple[int, ...] | None = (1,)
    seconds: float = 0.1
    error_type: str = INJECTED

    def __post_init__(self) -> None:
        """Prüft die Angaben."""
        if self.occurrence is not None and self.occurrence < 1:
            raise DauerlaufError(f"Aufrufe zählen ab 1; {self.occurrence} gibt es nicht.")
        if self.attempts is not None and (not self.attempts or min(self.attempts) < 1):
            raise DauerlaufError("Versuche zählen ab 1; nennen Sie mindestens einen oder `None` für jeden.")
        if self.seconds < 0:
            raise DauerlaufError("Eine Verspätung kann nicht negativ sein.")

    def describe(self) -> str:
        """Die Störung in einem deutschen Satz."""
        call = "jeder Aufruf" if self.occurrence is None else f"{self.occurrence}. Aufruf"
        if self.attempts is None:
            tries = "jeder Versuch"
        elif len(self.attempts) == 1:
            tries = f"Versuch {self.attempts[0]}"
        else:
            tries = f"Versuche {', '.join(map(str, self.attempts))}"
        text = _ACTIVITY_TEXTS[self.action]
        if self.action == ActivityAction.DELAY:
            text += f" ({_decimal(self.seconds)} s)"
        if self.error_type != INJECTED:
            text += f" ({self.error_type})"
        return f"Activity „{self.activity}“, {call}, {tries}: {text}."


@dataclass(frozen=True)
class WorkflowFault:
    """Eine Störung an einem Workflow, einmal je Workflow-ID.

    Genau eines von `task` (die Nummer des Workflow-Tasks ab 1) und `event` (die Störung trifft den ersten Workflow
    Task, dessen History dieses Event enthält) ist gesetzt. Mit `moment=Moment.SEEN` gilt nur `event`. Wirft
    `DauerlaufError` bei unmöglichen Angaben.
    """

    action: WorkflowAction
    task: int | None = None
    event: int | None = None
    moment: Moment = Moment.BEGIN

    def __post_init__(self) -> None:
        """Prüft die Angaben."""
        if (self.task is None) == (self.event is None):
            raise DauerlaufError("Eine Störung am Workflow braucht entweder `task` oder `event`.")
        if self.moment == Moment.SEEN and self.event is None:
            raise DauerlaufError("`Moment.SEEN` braucht die Nummer eines Events.")
        if min(n for n in (self.task, self.event) if n is not None) < 1:
            raise DauerlaufError("Workflow-Tasks und Events zählen ab 1.")

    def describe(self) -> str:
        """Die Störung in einem deutschen Satz."""
        if self.moment == Moment.SEEN:
            return f"Sobald Event {self.event} in der History steht, {_WORKFLOW_TEXTS[self.action]}."
        place = f"Nr. {self.task}" if self.task is not None else f"ab Event {self.event}"
        return f"{_MOMENT_TEXTS[self.moment]} {place} {_WORKFLOW_TEXTS[self.action]}."


Fault = ActivityFault | WorkflowFault


@dataclass(frozen=True)
class FaultPlan:
    """Alles, was in einem Lauf schiefgeht.

    `server` nennt Event-Nummern: Sobald die History das Event enthält, stirbt der Server mit SIGKILL und startet auf
    seiner Datenbankdatei neu (siehe `disturb`). `starts` gibt an, wie oft der Workflow gleichzeitig gestartet wird
    (siehe `start`). `seed` ist gesetzt, wenn der Plan aus `random` stammt.
    """

    activities: tuple[ActivityFault, ...] = ()
    workflow: tuple[WorkflowFault, ...] = ()
    server: tuple[int, ...] = ()
    starts: int = 1
    seed: int | None = None

    @property
    def deadly(self) -> bool:
        """Ob der Plan einen Worker-Prozess tötet; ein solcher Plan braucht `WorkerProcess`."""
        return any(f.action in _KILLS for f in self.activities) or any(
            f.action == WorkflowAction.KILL for f in self.workflow
        )

    def describe(self) -> str:
        """Der Plan als deutscher Text, eine Zeile je Störung."""
        head = "Störplan" if self.seed is None else f"Störplan {self.seed}"
        faults: list[Fault] = [*self.activities, *self.workflow]
        lines = [fault.describe() for fault in faults]
        lines += [f"Sobald Event {n} in der History steht, stirbt der Server und startet neu." for n in self.server]
        if self.starts > 1:
            lines.append(f"Der Workflow wird {self.starts}-mal gleichzeitig gestartet.")
        return "\n".join([f"{head}:", *(f"  – {line}" for line in lines or ["Nichts geht schief."])])

    def to_json(self) -> str:
        """Der Plan als JSON; `from_json` liest ihn wieder."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Liest einen Plan, den `to_json` geschrieben hat. Wirft `DauerlaufError`, wenn der Text keiner ist."""
        try:
            data = json.loads(text)
            return cls(
                activities=tuple(_activity_fault(entry) for entry in data.pop("activities")),
                workflow=tuple(_workflow_fault(entry) for entry in data.pop("workflow")),
                server=tuple(data.pop("server")),
                **data,
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DauerlaufError(f"Das ist kein Störplan in JSON: {error}") from error

    @classmethod
    def random(
        cls,
        seed: int,
        activities: Sequence[str],
        *,
        most: int = 3,
        rejectable: Sequence[str] = (),
        cancels: bool = True,
        deaths: bool = False,
        duplicate_starts: bool = True,
    ) -> Self:
        """Ein zufälliger Plan; derselbe `seed` gibt mit denselben Argumenten immer denselben Plan.

        Höchstens `most` Störungen an `activities` (bei `rejectable` auch endgültige Ablehnungen) und, wenn
        `cancels`, höchstens ein Abbruch. `deaths` tötet dazu Worker-Prozesse, `duplicate_starts` startet manchmal
        doppelt. Kein Plan stört mehr als zwei Versuche desselben Aufrufs und keiner beendet den Workflow gewaltsam:
        Ein Programm, das jede Activity bis zu dreimal versucht und bei Abbruch aufräumt, kommt an sein Ende.
        """
        if not activities:
            raise DauerlaufError("Ein zufälliger Störplan braucht mindestens einen Activity-Typ.")
        dice = random.Random(f"dauerlauf-{seed}")
        faults: dict[tuple[str, int], ActivityFault] = {}
        for _ in range(dice.randint(1, most)):
            name = dice.choice(list(activities))
            actions = [*_RETRYABLE, *((ActivityAction.REJECT,) if name in rejectable else ())]
            action = dice.choice([*actions, *_KILLS] if deaths else actions)
            attempts = (1,) if action in _KILLS else dice.choice(((1,), (1,), (2,), (1, 2)))
            fault = ActivityFault(name, action, attempts=attempts, seconds=dice.choice((0.01, 0.05, 0.1)))
            # Zwei Störungen am selben Versuch verdecken einander; die erste bleibt.
            if not any((name, attempt) in faults for attempt in attempts):
                faults.update({(name, attempt): fault for attempt in attempts})
        workflow: list[WorkflowFault] = []
        if cancels and dice.random() < 0.4:
            if dice.random() < 0.5:
                moment = dice.choice((Moment.BEGIN, Moment.END))
                workflow.append(WorkflowFault(WorkflowAction.CANCEL, task=dice.randint(1, 8), moment=moment))
            else:
                name = dice.choice(list(activities))
                action = dice.choice((ActivityAction.CANCEL_BEFORE, ActivityAction.CANCEL_AFTER))
                faults[name, 0] = ActivityFault(name, action)
        if deaths and dice.random() < 0.5:
            moment = dice.choice((Moment.BEGIN, Moment.END))
            workflow.append(WorkflowFault(WorkflowAction.KILL, task=dice.randint(1, 8), moment=moment))
        starts = dice.choice((1, 1, 1, 2)) if duplicate_starts else 1
        return cls(tuple(dict.fromkeys(faults.values())), tuple(workflow), starts=starts, seed=seed)

    async def start(
        self, client: Client, workflow: Any, *args: Any, id: str, **options: Any
    ) -> WorkflowHandle[Any, Any]:
        """Startet den Workflow `starts`-mal gleichzeitig unter derselben ID und gibt ihn zurück.

        Der Server nimmt genau einen Start an; nimmt er mehr an, scheitert das mit `AssertionError`. Nimmt er keinen an,
        lief unter der ID schon etwas: `WorkflowAlreadyStartedError`. `options` gehen an `Client.start_workflow`.
        """
        outcomes = await asyncio.gather(
            *(client.start_workflow(workflow, args=args, id=id, **options) for _ in range(self.starts)),
            return_exceptions=True,
        )
        accepted = [outcome for outcome in outcomes if isinstance(outcome, WorkflowHandle)]
        for outcome in outcomes:
            rejected = isinstance(outcome, WorkflowAlreadyStartedError)
            if isinstance(outcome, BaseException) and not (rejected and accepted):
                raise outcome
        if len(accepted) != 1:
            raise AssertionError(f"Von {self.starts} Starts wurden {len(accepted)} angenommen statt eines einzigen.")
        return accepted[0]

    async def disturb(self, handle: WorkflowHandle[Any, Any], server: EmbeddedServer) -> None:
        """Tötet den Server an jedem Event aus `server` und startet ihn wieder; kehrt danach zurück.

        Der Server braucht eine Datenbankdatei, sonst ist nach dem Neustart alles vergessen.
        """
        for number in sorted(self.server):
            if not await event_reached(handle, number):
                return
            server.kill()
            await server.restart()


_KILLS = (ActivityAction.KILL_BEFORE, ActivityAction.KILL_AFTER)
_AFTERWARDS = (
    ActivityAction.FAIL_AFTER,
    ActivityAction.LOSE_COMPLETION,
    ActivityAction.CANCEL_AFTER,
    ActivityAction.TERMINATE_AFTER,
    ActivityAction.KILL_AFTER,
)
_RETRYABLE = (
    ActivityAction.FAIL_BEFORE,
    ActivityAction.FAIL_AFTER,
    ActivityAction.LOSE_COMPLETION,
    ActivityAction.DELAY,
    ActivityAction.DUPLICATE,
    ActivityAction.DUPLICATE_CONCURRENTLY,
)


def _decimal(number: float) -> str:
    return f"{number:g}".replace(".", ",")


def _activity_fault(entry: dict[str, Any]) -> ActivityFault:
    attempts = entry.pop("attempts")
    action = ActivityAction(entry.pop("action"))
    return ActivityFault(action=action, attempts=None if attempts is None else tuple(attempts), **entry)


def _workflow_fault(entry: dict[str, Any]) -> WorkflowFault:
    return WorkflowFault(WorkflowAction(entry.pop("action")), moment=Moment(entry.pop("moment")), **entry)


@dataclass(frozen=True)
class Fired:
    """Eine Störung, die eingetreten ist: wo und in welchem Wortlaut."""

    workflow_id: str
    text: str
    activity_id: str = ""
    attempt: int = 0
    event: int = 0


@dataclass
class Journal:
    """Welche Störungen eingetreten sind.

    Mit `path` steht das Journal in einer Datei, die mehrere Worker-Prozesse teilen: Was ein getöteter Prozess noch
    eingetragen hat, weiß sein Nachfolger.
    """

    path: Path | None = None
    _entries: list[Fired] = field(default_factory=list)

    def add(self, entry: Fired) -> None:
        """Trägt eine Störung ein, bevor sie eintritt."""
        if self.path is None:
            self._entries.append(entry)
            return
        # Ein einzelnes write() im Anhängemodus ist auch dann vollständig, wenn der Prozess gleich danach stirbt.
        with self.path.open("ab", buffering=0) as file:
            file.write(json.dumps(asdict(entry), ensure_ascii=False).encode() + b"\n")

    def add_shortened(self, workflow_id: str, activity_id: str, attempt: int) -> None:
        """Merkt vor, dass der nächste Versuch der Activity ihre Frist wiederherstellen muss."""
        self.add(Fired(workflow_id, _SHORTENED, activity_id, attempt))

    def shortened(self, workflow_id: str, activity_id: str) -> bool:
        """Ob die Frist der Activity verkürzt worden ist."""
        place = (workflow_id, activity_id, _SHORTENED)
        return any((e.workflow_id, e.activity_id, e.text) == place for e in self.entries())

    def entries(self) -> list[Fired]:
        """Alle Einträge in der Reihenfolge, in der sie geschrieben wurden."""
        if self.path is None:
            return list(self._entries)
        if not self.path.exists():
            return []
        return [Fired(**json.loads(line)) for line in self.path.read_text("utf-8").splitlines()]

    def texts(self, workflow_id: str | None = None) -> list[str]:
        """Die Wortlaute der eingetretenen Störungen, wahlweise nur die eines Workflows."""
        return [e.text for e in self.entries() if workflow_id in (None, e.workflow_id) and e.text != _SHORTENED]


_SHORTENED = "Frist verkürzt"

PARKING = "dauerlauf-parkplatz"
"""Task Queue, an der kein Worker hört; siehe `give_up_attempt`."""

T = TypeVar("T")

Plans = FaultPlan | Mapping[str, FaultPlan]

mortal = False
"""Ob dieser Prozess sterben darf; nur `WorkerProcess` setzt das in seinem Kindprozess."""


class FaultInjector(SimplePlugin):
    """Fügt einem Worker die Störungen eines Plans zu.

    `Worker(client, ..., plugins=[FaultInjector(plan)])`, oder am Client, wenn der Worker-Code unverändert bleiben
    soll: `timelapse.client_for("worker-1", plugins=[FaultInjector(plan)])`.

    `plans` ist ein Plan für alle Workflows des Workers oder ein Plan je Workflow-ID. `journal` hält fest, was
    eingetreten ist. `patience` sagt, wie lange der Server auf eine verlorene Meldung wartet:

    * eine Dauer (mit einem Plan für alle Workflows: `PATIENCE`): Der nächste Versuch stellt die volle Frist wieder her.
      Die History gleicht der nach dem vollen Timeout, samt dessen Grund. Beginnt der nächste Versuch aber auf einem
      überlasteten Rechner später als `patience`, läuft auch er ab.
    * `timedelta(0)` (mit einem Plan je Workflow-ID der Standard): Der Server gibt sofort auf, auch unter Last ohne
      zusätzlichen Versuch; der nächste Versuch nennt in der History dann keinen Grund (siehe `give_up_attempt`).
    * `FOREVER`: Es bleibt beim Timeout, das der Workflow gesetzt hat.

    Wirft `DauerlaufError`, wenn ein Plan den Worker tötet und dieser Prozess kein `WorkerProcess` ist.
    """

    def __init__(self, plans: Plans, *, journal: Journal | None = None, patience: timedelta | None = None) -> None:
        super().__init__("dauerlauf.FaultInjector")
        many = isinstance(plans, Mapping)
        every = plans.values() if isinstance(plans, Mapping) else [plans]
        if not mortal and any(plan.deadly for plan in every):
            raise DauerlaufError(
                "Dieser Störplan tötet den Worker-Prozess; starten Sie den Worker mit WorkerProcess in einem eigenen."
            )
        self._plans = plans
        self._loop: asyncio.AbstractEventLoop | None = None
        self._watchers: set[asyncio.Task[None]] = set()
        self._rescues: set[asyncio.Task[None]] = set()
        self.journal = journal or Journal()
        self.patience = (timedelta(0) if many else PATIENCE) if patience is None else patience

    def plan_for(self, workflow_id: str) -> FaultPlan:
        """Der Plan, der für einen Workflow gilt."""
        return self._plans.get(workflow_id, FaultPlan()) if isinstance(self._plans, Mapping) else self._plans

    def configure_worker(self, config: WorkerConfig) -> WorkerConfig:
        """Hängt sich in die Activities und in die Workflow-Tasks des Workers ein."""
        config = super().configure_worker(config)
        client = config["client"]
        config["interceptors"] = [*config.get("interceptors", []), _Interceptor(self, client)]
        config["workflow_runner"] = _Runner(config["workflow_runner"], self, client)
        config["unsandboxed_workflow_runner"] = _Runner(config["unsandboxed_workflow_runner"], self, client)
        return config

    async def run_worker(self, worker: Worker, next: Callable[[Worker], Awaitable[None]]) -> None:
        """Merkt sich die Event-Loop des Workers und räumt am Schluss auf."""
        self._loop = asyncio.get_running_loop()
        try:
            await next(worker)
        finally:
            for watcher in self._watchers:
                watcher.cancel()
            # Ein Versuch auf dem Parkplatz muss zurück, sonst fände ihn kein anderer Worker.
            if self._rescues:
                await asyncio.wait(self._rescues, timeout=5)

    def block_on(self, work: Coroutine[Any, Any, None]) -> None:
        """Führt `work` auf der Event-Loop des Workers aus und wartet im Thread des Workflow-Tasks darauf."""
        assert self._loop is not None
        # Kürzer als die 2 s, nach denen das SDK einen Workflow-Task für verklemmt hält.
        asyncio.run_coroutine_threadsafe(work, self._loop).result(1.5)

    def watch(self, work: Coroutine[Any, Any, None]) -> None:
        """Startet aus dem Thread eines Workflow-Tasks `work` nebenher; es endet spätestens mit dem Worker."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._begin, work, self._watchers)

    def rescue(self, work: Coroutine[Any, Any, None]) -> None:
        """Startet `work` nebenher; der Worker wartet am Schluss darauf."""
        self._begin(work, self._rescues)

    def _begin(self, work: Coroutine[Any, Any, None], group: set[asyncio.Task[None]]) -> None:
        task = asyncio.create_task(work)
        group.add(task)
        task.add_done_callback(group.discard)


def die() -> None:
    """Beendet den eigenen Prozess mit SIGKILL: kein `finally`, kein Abmelden, keine letzte Meldung."""
    os.kill(os.getpid(), signal.SIGKILL)


async def event_reached(handle: WorkflowHandle[Any, Any], number: int) -> bool:
    """Wartet, bis die History das Event `number` enthält; `False`, wenn der Workflow vorher endet."""
    async for event in handle.fetch_history_events(wait_new_event=True):
        if event.event_id >= number:
            return True
    return False


async def shorten_timeout(
    client: Client,
    workflow_id: str,
    activity_id: str,
    run_id: str | None,
    timeout: timedelta,
    *,
    heartbeat: bool = False,
) -> None:
    """Verkürzt am Server das Start-To-Close-Timeout einer Activity, auch für den Versuch, der gerade läuft.

    Mit `heartbeat` stattdessen ihr Heartbeat-Timeout.

    Läuft sie nicht mehr, geschieht nichts; kennt der Server den Aufruf nicht, bleibt es beim vollen Timeout.
    """
    request = _options_request(client, workflow_id, activity_id, run_id)
    name = "heartbeat_timeout" if heartbeat else "start_to_close_timeout"
    getattr(request.activity_options, name).FromTimedelta(timeout)
    request.update_mask.paths.append(name)
    with suppress(RPCError):
        await client.workflow_service.update_activity_execution_options(request)


async def restore_options(client: Client, workflow_id: str, activity_id: str, run_id: str | None = None) -> None:
    """Gibt einer Activity die Fristen und die Task Queue zurück, mit denen der Workflow sie geplant hat."""
    request = _options_request(client, workflow_id, activity_id, run_id)
    request.restore_original = True
    with suppress(RPCError):
        await _insist(lambda: client.workflow_service.update_activity_execution_options(request))


async def give_up_attempt(client: Client, workflow_id: str, activity_id: str, run_id: str | None = None) -> None:
    """Lässt den Server einen laufenden, aber verlorenen Versuch sofort aufgeben.

    Der Versuch endet wirklich am Start-To-Close-Timeout. Damit der nächste nicht unter derselben kurzen Frist beginnt,
    wartet er auf der Task Queue `PARKING`, bis alles wiederhergestellt ist; dann erst kehrt die Funktion zurück. Mit
    dem Wiederherstellen vergisst der Server den Grund, aus dem es einen nächsten Versuch gibt
    (`RegenerateActivityRetryTask` in service/history/workflow/mutable_state_impl.go, Server 1.32).
    """
    request = _options_request(client, workflow_id, activity_id, run_id)
    request.activity_options.start_to_close_timeout.FromTimedelta(timedelta(milliseconds=1))
    request.activity_options.task_queue.name = PARKING
    request.update_mask.paths.extend(["start_to_close_timeout", "task_queue.name"])
    handle: WorkflowHandle[Any, Any] = client.get_workflow_handle(workflow_id, run_id=run_id)
    with suppress(RPCError):
        await client.workflow_service.update_activity_execution_options(request)
        while (await _state(handle, activity_id)) in _BUSY:
            await asyncio.sleep(0.01)
        await restore_options(client, workflow_id, activity_id, run_id)


def _options_request(
    client: Client, workflow_id: str, activity_id: str, run_id: str | None
) -> UpdateActivityExecutionOptionsRequest:
    return UpdateActivityExecutionOptionsRequest(
        namespace=client.namespace, workflow_id=workflow_id, run_id=run_id or "", activity_id=activity_id
    )


async def _state(handle: WorkflowHandle[Any, Any], activity_id: str) -> PendingActivityState.ValueType | None:
    """Der Zustand einer Activity oder `None`, wenn sie keinen Versuch mehr hat."""
    description = await _insist(handle.describe)
    pending = description.raw_description.pending_activities
    return next((one.state for one in pending if one.activity_id == activity_id), None)


_BUSY = (
    PendingActivityState.PENDING_ACTIVITY_STATE_STARTED,
    PendingActivityState.PENDING_ACTIVITY_STATE_CANCEL_REQUESTED,
)


async def _insist(call: Callable[[], Awaitable[T]]) -> T:
    """Wiederholt einen Aufruf, solange der Server nicht erreichbar ist: auch er darf gerade neu starten."""
    while True:
        try:
            return await call()
        except RPCError as error:
            if error.status != RPCStatusCode.UNAVAILABLE:
                raise
            await asyncio.sleep(0.1)


class _Interceptor(temporalio.worker.Interceptor):
    def __init__(self, injector: FaultInjector, client: Client) -> None:
        self._injector = injector
        self._client = client

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _ActivityFaults(next, self._injector, self._client)


class _ActivityFaults(ActivityInboundInterceptor):
    """Stört einen Versuch einer Activity."""

    def __init__(self, next: ActivityInboundInterceptor, injector: FaultInjector, client: Client) -> None:
        super().__init__(next)
        self._injector = injector
        self._client = client

    def init(self, outbound: ActivityOutboundInterceptor) -> None:
        self._outbound = outbound
        super().init(outbound)

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        info = activity.info()
        if info.workflow_id is None:
            return await self.next.execute_activity(input)
        await self._restore(info)
        faults = [fault async for fault in self._applicable(info)]
        for fault in faults:
            await self._before(fault, info)
        try:
            return await self._run(input, {fault.action for fault in faults})
        finally:
            # Auch ein Fehler der Funktion ist eine Meldung, die verloren gehen kann.
            for fault in faults:
                await self._after(fault, info)

    async def _applicable(self, info: activity.Info) -> Any:
        for fault in self._injector.plan_for(str(info.workflow_id)).activities:
            if fault.activity != info.activity_type:
                continue
            if fault.attempts is not None and info.attempt not in fault.attempts:
                continue
            if fault.occurrence is None or fault.occurrence == await _occurrence(self._client, info):
                yield fault

    def _note(self, fault: ActivityFault, info: activity.Info) -> None:
        entry = Fired(str(info.workflow_id), fault.describe(), info.activity_id, info.attempt)
        self._injector.journal.add(entry)

    async def _before(self, fault: ActivityFault, info: activity.Info) -> None:
        if fault.action in _AFTERWARDS:
            return
        self._note(fault, info)
        match fault.action:
            case ActivityAction.FAIL_BEFORE:
                raise _failure("gescheitert vor der Wirkung", fault)
            case ActivityAction.REJECT:
                raise _failure("abgelehnt", fault, non_retryable=True)
            case ActivityAction.DELAY:
                await _idle(fault.seconds, info)
            case ActivityAction.CANCEL_BEFORE:
                await _cancel(_handle(self._client, info))
            case ActivityAction.TERMINATE_BEFORE:
                await _terminate(_handle(self._client, info))
            case ActivityAction.KILL_BEFORE:
                die()

    async def _run(self, input: ExecuteActivityInput, actions: set[ActivityAction]) -> Any:
        if ActivityAction.DUPLICATE_CONCURRENTLY in actions:
            first, _ = await asyncio.gather(self._once(input), self._once(input))
            return first
        result = await self.next.execute_activity(input)
        if ActivityAction.DUPLICATE in actions:
            await self._once(input)
        return result

    async def _once(self, input: ExecuteActivityInput) -> Any:
        # Jeder Lauf einer synchronen Funktion hüllt den Heartbeat neu ein; ohne frischen Anfang hinge der zweite
        # in der Hülle des ersten.
        self.next.init(self._outbound)
        return await self.next.execute_activity(input)

    async def _after(self, fault: ActivityFault, info: activity.Info) -> None:
        if fault.action not in _AFTERWARDS:
            return
        if fault.action == ActivityAction.LOSE_COMPLETION and info.is_local:
            raise ApplicationError(
                "Eine lokale Activity meldet sich nicht selbst beim Server; ihre Meldung kann nicht verloren gehen.",
                non_retryable=True,
            )
        self._note(fault, info)
        match fault.action:
            case ActivityAction.FAIL_AFTER:
                raise _failure("gescheitert nach der Wirkung", fault)
            case ActivityAction.LOSE_COMPLETION:
                await self._lose(info)
            case ActivityAction.CANCEL_AFTER:
                await _cancel(_handle(self._client, info))
            case ActivityAction.TERMINATE_AFTER:
                await _terminate(_handle(self._client, info))
            case ActivityAction.KILL_AFTER:
                die()

    async def _lose(self, info: activity.Info) -> None:
        await self._shorten(info)
        # So meldet sich eine Activity ab, die später von anderswo abgeschlossen wird. Hier schließt sie niemand ab.
        activity.raise_complete_async()

    async def _shorten(self, info: activity.Info) -> None:
        place = (str(info.workflow_id), info.activity_id, info.workflow_run_id)
        patience = self._injector.patience
        if patience == timedelta(0):
            self._injector.rescue(give_up_attempt(self._client, *place))
        elif info.start_to_close_timeout is None or patience < info.start_to_close_timeout:
            self._injector.journal.add_shortened(*place[:2], info.attempt)
            await shorten_timeout(self._client, *place, patience)

    async def _restore(self, info: activity.Info) -> None:
        workflow_id = str(info.workflow_id)
        if info.attempt > 1 and self._injector.journal.shortened(workflow_id, info.activity_id):
            await restore_options(self._client, workflow_id, info.activity_id, info.workflow_run_id)


def _failure(text: str, fault: ActivityFault, *, non_retryable: bool = False) -> ApplicationError:
    # „Benign“ ändert nichts am Ablauf; das SDK schreibt nur keinen Traceback ins Log.
    return ApplicationError(
        f"Störung: {text}",
        type=fault.error_type,
        non_retryable=non_retryable,
        category=ApplicationErrorCategory.BENIGN,
    )


def _handle(client: Client, info: activity.Info) -> WorkflowHandle[Any, Any]:
    return client.get_workflow_handle(str(info.workflow_id), run_id=info.workflow_run_id)


async def _occurrence(client: Client, info: activity.Info) -> int:
    """Der wievielte Aufruf ihres Typs diese Activity im Lauf ist, laut History."""
    count = 0
    async for event in _handle(client, info).fetch_history_events():
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            scheduled = event.activity_task_scheduled_event_attributes
            count += scheduled.activity_type.name == info.activity_type
            if scheduled.activity_id == info.activity_id:
                return count
    # Eine lokale Activity steht erst nach ihrem Ende als Marker in der History; sie gilt als erster Aufruf.
    return 1


async def _idle(seconds: float, info: activity.Info) -> None:
    """Wartet und hält den Versuch dabei am Leben: mit den Heartbeat-Details, die schon da waren."""
    if info.heartbeat_timeout is None:
        await asyncio.sleep(seconds)
        return
    pulse = info.heartbeat_timeout.total_seconds() / 3
    while seconds > 0:
        activity.heartbeat(*info.heartbeat_details)
        await asyncio.sleep(min(pulse, seconds))
        seconds -= pulse


async def _cancel(handle: WorkflowHandle[Any, Any]) -> None:
    """Bricht den Workflow ab und wartet, bis sein Code den Abbruch gesehen hat."""
    with suppress(RPCError):
        await handle.cancel()
    try:
        await asyncio.wait_for(_cancel_seen(handle), CANCEL_DELIVERY)
    except TimeoutError:
        raise ApplicationError(
            f"Der Workflow hat den Abbruch nach {CANCEL_DELIVERY:.0f} s nicht zur Kenntnis genommen.",
            non_retryable=True,
        ) from None


async def _cancel_seen(handle: WorkflowHandle[Any, Any]) -> None:
    requested = False
    async for event in handle.fetch_history_events(wait_new_event=True):
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED:
            requested = True
        elif requested and event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            return


async def _terminate(handle: WorkflowHandle[Any, Any]) -> None:
    with suppress(RPCError):
        await handle.terminate("Störung: beendet")


class _Runner(WorkflowRunner):
    """Umhüllt den Runner des Workers, innen bleibt die Sandbox."""

    def __init__(self, inner: WorkflowRunner, injector: FaultInjector, client: Client) -> None:
        self._inner = inner
        self._injector = injector
        self._client = client

    def prepare_workflow(self, defn: Any) -> None:
        self._inner.prepare_workflow(defn)

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        return _Instance(self._inner.create_instance(det), self._injector, self._client)

    def set_worker_level_failure_exception_types(self, types: Sequence[type[BaseException]]) -> None:
        self._inner.set_worker_level_failure_exception_types(types)


class _Instance(WorkflowInstance):
    """Ein Workflow-Lauf im Speicher eines Workers; sieht jeden Workflow-Task vor und nach dem Code."""

    def __init__(self, inner: WorkflowInstance, injector: FaultInjector, client: Client) -> None:
        self._inner = inner
        self._injector = injector
        info = inner.get_info()
        self._handle: WorkflowHandle[Any, Any] = client.get_workflow_handle(info.workflow_id, run_id=info.run_id)
        self._task = 0
        self._events = 0
        self._watching = False

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        # Eine Query und die zweite Hälfte eines Tasks (nach einer lokalen Activity) sind kein neuer Workflow-Task.
        new_task = act.history_length > self._events and not all(job.HasField("query_workflow") for job in act.jobs)
        if new_task:
            self._task += 1
            self._events = act.history_length
        live = new_task and not act.is_replaying
        if live:
            self._watch()
            self._fire(Moment.BEGIN)
        completion = self._inner.activate(act)
        if live:
            self._fire(Moment.END)
        return completion

    def _due(self, moment: Moment) -> Iterator[WorkflowFault]:
        workflow_id = self._handle.id
        for fault in self._injector.plan_for(workflow_id).workflow:
            reached = fault.task == self._task or (fault.event is not None and self._events >= fault.event)
            due = fault.moment == moment and (reached or moment == Moment.SEEN)
            if due and fault.describe() not in self._injector.journal.texts(workflow_id):
                yield fault

    def _note(self, fault: WorkflowFault) -> None:
        self._injector.journal.add(Fired(self._handle.id, fault.describe(), event=self._events))

    def _fire(self, moment: Moment) -> None:
        for fault in self._due(moment):
            self._note(fault)
            if fault.action == WorkflowAction.KILL:
                die()
            self._injector.block_on(self._end(fault.action))

    def _watch(self) -> None:
        if not self._watching:
            self._watching = True
            for fault in self._due(Moment.SEEN):
                self._injector.watch(self._fire_when_seen(fault))

    async def _fire_when_seen(self, fault: WorkflowFault) -> None:
        if not await event_reached(self._handle, fault.event or 1):
            return
        self._note(fault)
        if fault.action == WorkflowAction.KILL:
            die()
        await self._end(fault.action)

    async def _end(self, action: WorkflowAction) -> None:
        if action == WorkflowAction.CANCEL:
            with suppress(RPCError):
                await self._handle.cancel()
        else:
            await _terminate(self._handle)

    def get_serialization_context(self, command_info: Any) -> Any:
        return self._inner.get_serialization_context(command_info)

    def get_external_store_context(self, command_info: Any) -> Any:
        return self._inner.get_external_store_context(command_info)

    def get_info(self) -> temporalio.workflow.Info:
        return self._inner.get_info()

    def get_thread_id(self) -> int | None:
        return self._inner.get_thread_id()
