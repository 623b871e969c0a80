"""Muster und Szenarien: die eine Quelle für Läufe, Bilder, Tests, Seiten und Notebooks.

Ein Muster ist ein Ordner eines Kapitels. Seine Szenarien sind benannte Läufe; `play` führt einen davon gegen einen
echten Server aus.
"""

import asyncio
import difflib
import importlib
import inspect
import pkgutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import temporalio.api.operatorservice.v1 as operatorservice
import temporalio.client
import temporalio.converter
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.client import Client, WorkflowHandle, WorkflowHistory
from temporalio.service import RPCError, RPCStatusCode

from dauerlauf.errors import DauerlaufError
from dauerlauf.history import Query
from dauerlauf.query_log import QueryLog
from dauerlauf.server import Connection
from dauerlauf.timelapse import Timelapse, diagnosis, listening_client, worker_client

CHAPTERS = "dauerlauf.kapitel"
TIME_LIMIT = 60.0


@dataclass(frozen=True)
class Legend:
    """Was ein Bild über die History hinaus wissen muss.

    `compensations` nennt die Activity-Typen, die etwas zurücknehmen; `services` ordnet einem Activity-Typ den Namen
    des fremden Systems zu, auf das er wirkt.
    """

    compensations: frozenset[str] = frozenset()
    services: Mapping[str, str] = field(default_factory=dict)


class Stage:
    """Die Bühne eines Szenarios: Server, Task Queue, Ordner für Datenbanken und die Notizen zum Befund."""

    def __init__(
        self,
        client: Client,
        timelapse: Timelapse | None,
        folder: Path,
        task_queue: str,
        on_start: "StartListener | None" = None,
    ) -> None:
        """Nicht direkt verwenden; `play` baut die Bühne auf."""
        self.client = client
        self.timelapse = timelapse
        self.folder = folder
        self.task_queue = task_queue
        self.notes: list[str] = []
        self.handle: WorkflowHandle[Any, Any] | None = None
        self.history: WorkflowHistory | None = None
        self._on_start = on_start

    def worker_client(
        self, identity: str = "worker-1", *interceptors: temporalio.client.Interceptor, **settings: Any
    ) -> Client:
        """Ein Client für einen Worker namens `identity`; siehe `dauerlauf.timelapse.worker_client`."""
        return worker_client(self.client, identity, *interceptors, **settings)

    async def start(self, workflow: Any, arg: Any, *, id: str, **options: Any) -> WorkflowHandle[Any, Any]:
        """Startet einen Workflow auf der Task Queue der Bühne.

        Der erste so gestartete Workflow ist der, dessen History das Szenario zeigt. `options` gehen an
        `Client.start_workflow`.
        """
        handle: WorkflowHandle[Any, Any] = await self.client.start_workflow(
            workflow, arg, id=id, task_queue=self.task_queue, **options
        )
        if self.handle is None:
            self.handle = handle
            if self._on_start is not None:
                self._on_start(handle)
        return handle

    def show(self, history: WorkflowHistory) -> None:
        """Zeigt diese History statt der gespeicherten, etwa so, wie jemand sie entschlüsselt sieht."""
        self.history = history

    def note(self, text: str) -> None:
        """Hält einen Satz zum Befund fest, etwa den Stand einer Datenbank; er steht unter dem Bild des Laufs."""
        self.notes.append(text)


ScenarioFunction = Callable[[Stage], Awaitable[None]]
StartListener = Callable[[WorkflowHandle[Any, Any]], None]


@dataclass(frozen=True)
class Standstill:
    """Ein Worker, der mitten in einer Activity stehen bleibt, bis ihn jemand tötet.

    `factory` und `arguments` wie bei `CrashStage`; `reached(handle)` kehrt zurück, sobald er dort angekommen ist.
    """

    factory: str
    arguments: Mapping[str, Any]
    reached: Callable[[WorkflowHandle[Any, Any]], Awaitable[None]]


@dataclass(frozen=True)
class CrashStage:
    """Wie sich ein Szenario mit Workern spielen lässt, die als Prozess laufen und sterben.

    `factory` nennt die Funktion, die den Worker baut, und `arguments`, was sie bekommt (siehe `WorkerProcess.start`);
    `start` startet denselben Workflow wie das Szenario. Ohne `standstill` stirbt ein Worker, der in einer Activity
    sterben soll, gleich nach ihrer Wirkung.
    """

    factory: str
    arguments: Mapping[str, Any]
    start: Callable[[], Awaitable[WorkflowHandle[Any, Any]]]
    standstill: Standstill | None = None


CrashStageFunction = Callable[[Stage], AbstractAsyncContextManager[CrashStage]]


@dataclass(frozen=True)
class Scenario:
    """Ein benannter Lauf eines Musters."""

    pattern: "Pattern"
    name: str
    title: str
    function: ScenarioFunction
    own_workflows: tuple[type, ...] = ()

    @property
    def workflows(self) -> tuple[type, ...]:
        """Die Klassen, mit denen sich die History dieses Szenarios abspielen lässt: eigene, sonst die des Musters."""
        return self.own_workflows or self.pattern.workflows


class Pattern:
    """Ein Muster: sein Name, sein Problem in einer Zeile und seine Szenarien.

    `workflows` sind die Klassen, mit denen sich die Histories der Szenarien wieder abspielen lassen, soweit ein
    Szenario keine eigenen nennt; `search_attributes` nennt Suchattribute, die der Server kennen muss, mit ihrem Typ
    (etwa `"Keyword"`).
    `data_converter` liest beim Abspielen die Payloads der Aufzeichnungen; die Clients der Szenarien betrifft er nicht.
    """

    def __init__(
        self,
        name: str,
        *,
        chapter: int,
        title: str,
        problem: str,
        workflows: Sequence[type],
        legend: Legend | None = None,
        search_attributes: Mapping[str, str] | None = None,
        data_converter: temporalio.converter.DataConverter = temporalio.converter.DataConverter.default,
    ) -> None:
        self.name = name
        self.chapter = chapter
        self.title = title
        self.problem = problem
        self.workflows = tuple(workflows)
        self.legend = legend or Legend()
        self.search_attributes = dict(search_attributes or {})
        self.data_converter = data_converter
        self.scenarios: dict[str, Scenario] = {}
        self.crash_stages: dict[str, CrashStageFunction] = {}

    def scenario(
        self, name: str, title: str, *, workflows: Sequence[type] = ()
    ) -> Callable[[ScenarioFunction], ScenarioFunction]:
        """Meldet eine Funktion als Szenario `name` an; `title` sagt in einem Satz, was darin geschieht.

        `workflows` nennt andere Klassen als die des Musters, wenn das Szenario einen anderen Stand des Codes spielt.
        """

        def register(function: ScenarioFunction) -> ScenarioFunction:
            self.scenarios[name] = Scenario(self, name, title, function, tuple(workflows))
            return function

        return register

    def crash_stage(self, name: str) -> Callable[[CrashStageFunction], CrashStageFunction]:
        """Meldet an, wie das Szenario `name` mit sterbenden Workern läuft; danach zeichnet der Recorder Abstürze auf.

        Die Funktion ist ein asynchroner Context-Manager: Sie öffnet, was ein Absturz nicht berührt (Dienste, Bücher),
        und gibt eine `CrashStage` heraus.
        """

        def register(function: CrashStageFunction) -> CrashStageFunction:
            self.crash_stages[name] = function
            return function

        return register

    def find(self, name: str) -> Scenario:
        """Das Szenario `name`; wirft `DauerlaufError`, wenn das Muster keines dieses Namens hat."""
        if name not in self.scenarios:
            raise DauerlaufError(
                f"Das Muster „{self.name}“ hat kein Szenario „{name}“; es gibt: {', '.join(self.scenarios)}."
            )
        return self.scenarios[name]

    @property
    def folder(self) -> Path:
        """Der Ordner, in dem der Code des Musters liegt."""
        first = next(iter(self.scenarios.values()))
        return Path(inspect.getfile(first.function)).parent

    @property
    def histories(self) -> Path:
        """Der Ordner der aufgezeichneten Histories."""
        return self.folder / "histories"

    def history_file(self, scenario: str) -> Path:
        """Die Datei mit der aufgezeichneten History eines Szenarios."""
        return self.histories / f"{scenario}.json"

    def crash_file(self, scenario: str, event: int) -> Path:
        """Die Datei mit dem Lauf, in dem der Worker nach `event` des ungestörten Laufs stirbt."""
        return self.histories / "abstuerze" / f"{scenario}-{event}.json"

    def main(self) -> None:
        """Das Skript im Projekt des Kapitels: `uv run saga [szenario]` ist `dauerlauf starte saga [szenario]`."""
        from dauerlauf.cli import run_pattern_script

        run_pattern_script(self)


@dataclass(frozen=True)
class Run:
    """Ein gespieltes Szenario: die History, der Status des Workflows (etwa `"FAILED"`), die Notizen und die Queries."""

    scenario: Scenario
    history: WorkflowHistory
    status: str
    notes: Sequence[str]
    queries: Sequence[Query] = ()


async def play(
    scenario: Scenario,
    target: Timelapse | Connection,
    *,
    folder: Path | None = None,
    task_queue: str | None = None,
    on_start: StartListener | None = None,
) -> Run:
    """Spielt ein Szenario gegen einen laufenden Server.

    Auf einem `Timelapse` überspringt der Server Wartezeiten; auf der `Connection` zu einem fremden Server laufen sie in
    Echtzeit. `folder` nimmt die Datenbanken des Szenarios auf (sonst ein Ordner, der danach gelöscht wird). Ein
    Workflow, der am Ende noch läuft, wird beendet. `on_start` erfährt, sobald der Workflow gestartet ist, dessen
    History das Szenario zeigt. Wirft `DauerlaufError` nach 60 s.
    """
    timelapse = target if isinstance(target, Timelapse) else None
    await ensure_search_attributes(target.client, scenario.pattern.search_attributes)
    async with _folder(folder) as place:
        # Eine eigene Task Queue je Lauf: Worker gleichzeitiger Läufe nehmen sich sonst gegenseitig die Arbeit weg.
        queue = task_queue or f"{scenario.pattern.name}-{uuid.uuid4()}"
        queries = QueryLog(target.client)
        stage = Stage(listening_client(target.client, queries), timelapse, place, queue, on_start)
        try:
            await asyncio.wait_for(scenario.function(stage), TIME_LIMIT)
            if stage.handle is None:
                raise DauerlaufError(f"Das Szenario „{scenario.name}“ hat keinen Workflow gestartet.")
            status = (await stage.handle.describe()).status
            history = stage.history or await stage.handle.fetch_history()
        except TimeoutError:
            reason = await diagnosis(stage.handle) if stage.handle else "Es hat keinen Workflow gestartet."
            raise DauerlaufError(
                f"Das Szenario „{scenario.name}“ ist nach {TIME_LIMIT:.0f} s nicht zu Ende. {reason}"
            ) from None
        finally:
            if stage.handle is not None:
                # Ein beendeter Workflow lässt sich nicht mehr beenden; das ist hier der Normalfall.
                with suppress(RPCError):
                    await stage.handle.terminate("Szenario beendet")
        asked = queries.of(stage.handle.id, history.run_id)
        return Run(scenario, history, status.name if status else "UNKNOWN", stage.notes, asked)


@asynccontextmanager
async def _folder(folder: Path | None) -> AsyncIterator[Path]:
    if folder is not None:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="dauerlauf-", ignore_cleanup_errors=True) as temporary:
        yield Path(temporary)


async def ensure_search_attributes(client: Client, wanted: Mapping[str, str]) -> None:
    """Legt fehlende Suchattribute auf dem Server an; vorhandene bleiben.

    `wanted` ordnet jedem Namen einen Typ wie `"Keyword"` zu. Wirft `DauerlaufError` mit dem nötigen Befehl, wenn der
    Server das Anlegen verweigert (so Temporal Cloud).
    """
    if not wanted:
        return
    listing = operatorservice.ListSearchAttributesRequest(namespace=client.namespace)
    try:
        known = (await client.operator_service.list_search_attributes(listing)).custom_attributes
        missing = {
            name: IndexedValueType.Value(f"INDEXED_VALUE_TYPE_{kind.upper()}")
            for name, kind in wanted.items()
            if name not in known
        }
        if missing:
            await client.operator_service.add_search_attributes(
                operatorservice.AddSearchAttributesRequest(namespace=client.namespace, search_attributes=missing)
            )
    except RPCError as error:
        if error.status == RPCStatusCode.ALREADY_EXISTS:
            return
        commands = "; ".join(
            f"temporal operator search-attribute create --name {name} --type {kind}" for name, kind in wanted.items()
        )
        raise DauerlaufError(
            f"Der Server nimmt das Suchattribut nicht an ({error.message}); legen Sie es vorher an: {commands}"
        ) from error


@cache
def patterns() -> dict[str, Pattern]:
    """Alle Muster der installierten Kapitel, nach Kapitel und Name geordnet.

    Ein Kapitel meldet sein Paket im Eintrag `dauerlauf.kapitel` seiner `pyproject.toml` an.
    """
    found = []
    for entry in entry_points(group=CHAPTERS):
        package = importlib.import_module(entry.value)
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            if module.ispkg and (Path(package.__path__[0]) / module.name.rpartition(".")[2] / "scenarios.py").is_file():
                found.append(importlib.import_module(f"{module.name}.scenarios").PATTERN)
    return {pattern.name: pattern for pattern in sorted(found, key=lambda p: (p.chapter, p.name))}


def search_attributes(chosen: Iterable[Pattern]) -> dict[str, str]:
    """Die Suchattribute, die diese Muster zusammen brauchen, mit ihrem Typ."""
    return {name: kind for pattern in chosen for name, kind in pattern.search_attributes.items()}


def find_pattern(name: str) -> Pattern:
    """Das Muster `name`, auch in der Schreibweise der Adressen (`dead-letter-queue`).

    Wirft `DauerlaufError`, wenn es keines dieses Namens gibt.
    """
    known = patterns()
    key = name.replace("-", "_")
    if key not in known:
        similar = difflib.get_close_matches(key, known, n=3, cutoff=0.5)
        meant = f"meinten Sie {' oder '.join(f'„{one}“' for one in similar)}? " if similar else ""
        raise DauerlaufError(f"Das Muster „{name}“ gibt es nicht; {meant}`dauerlauf liste` zeigt alle.")
    return known[key]
