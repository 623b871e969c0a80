"""Die Daten des Laufspielers: ein aufgezeichneter Lauf, Schritt für Schritt, mit Quelltext und Variablen.

Nichts davon ist getippt: Die Schritte stammen aus der aufgezeichneten History, Zeilen und Variablen aus ihrem Replay.
"""

import asyncio
import importlib
import inspect
import json
import pkgutil
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from temporalio import activity

from dauerlauf import timeline
from dauerlauf.book.sources import MARKER, TOKEN
from dauerlauf.crashes import FIRST, CrashPoint
from dauerlauf.errors import DauerlaufError
from dauerlauf.history import (
    SourceLine,
    Spot,
    Step,
    StepKind,
    Trace,
    load,
    load_queries,
    package_path,
    steps,
    trace,
)
from dauerlauf.player_texts import crash_text, replayed_text, step_text, unanswered_text
from dauerlauf.recorder import crash_files
from dauerlauf.scenario import Scenario


@dataclass(frozen=True)
class Source:
    """Ein Stück Quelltext; `first` ist die Nummer seiner ersten Zeile in der Datei, ab 1."""

    file: str
    first: int
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Frame:
    """Ein Halt: worauf die Leserin steht.

    `event` ist ein Event dieses Laufs, `row` die Zeile des Bildes, die es enthält (-1: keine). `phase` ist `live`,
    `crash`, `takeover` oder `replay`, `worker` der Name dessen, der handelt. Die Zeile `line` von `sources[source]`
    hat den Befehl gegeben oder wartet auf ihn; -1 und 0, solange kein Worker den Workflow im Speicher hat. `also`
    zeigt auf die Activity, die gerade läuft. Eine Variable ist Name, Text und ob sie sich seit dem vorigen Halt
    geändert hat.

    Stirbt der Worker, während eine Activity oder ein Timer läuft, liegen zwischen `crash` und `takeover` noch Halte
    mit `live`: Der Server wartet weiter, und ein anderer Worker führt die Activity aus.
    """

    event: int
    row: int
    phase: str
    worker: str
    source: int
    line: int
    also: tuple[int, int] | None
    variables: tuple[tuple[str, str, bool], ...]
    text: str


@dataclass(frozen=True)
class Entry:
    """Eine Zeile der Event-Liste; `internal` sind Events, mit denen der Server nur sich selbst verwaltet."""

    event: int
    name: str
    time: str
    title: str
    internal: bool


@dataclass(frozen=True)
class PlayedRun:
    """Ein Lauf: seine Schritte für das Bild, seine Events und die Halte."""

    title: str
    steps: Sequence[Step]
    entries: tuple[Entry, ...]
    frames: tuple[Frame, ...]


@dataclass(frozen=True)
class Crash:
    """Derselbe Lauf, aber nach `event` des ungestörten Laufs stirbt der Worker."""

    event: int
    label: str
    run: PlayedRun


@dataclass(frozen=True)
class Document:
    """Alles, was der Laufspieler zu einem Szenario zeigt."""

    title: str
    pattern: str
    scenario: str
    sources: tuple[Source, ...]
    smooth: PlayedRun
    crashes: tuple[Crash, ...]


def document(scenario: Scenario) -> Document:
    """Liest die Aufzeichnungen eines Szenarios und spielt sie ab.

    Ein Server ist nicht nötig. Wirft `DauerlaufError`, wenn eine Aufzeichnung fehlt oder nicht zum Code passt.
    """
    file = scenario.pattern.history_file(scenario.name)
    if not file.is_file():
        raise _outdated(scenario, f"„{scenario.name}“ ist nicht aufgezeichnet")
    # In einem eigenen Thread: In einem Notebook läuft schon eine Event-Loop.
    with ThreadPoolExecutor(1) as apart:
        return apart.submit(asyncio.run, _document(scenario, file)).result()


def packed(document: Document) -> dict[str, Any]:
    """Die Läufe eines Dokuments für JSON, jedes Stück nur einmal.

    Ein Lauf mit acht Abstürzen wiederholt fast alles; gepackt ist er auf ein Fünftel kürzer. Unter `parts` stehen
    Events, Halte und Variablen, überall sonst ihre Nummern darin: in `entries` und `frames` eines Laufs und in den
    `variables` eines Halts. Quelltext und Schritte sind nicht enthalten.
    """
    parts: dict[str, int] = {}

    def number(part: Any) -> int:
        return parts.setdefault(json.dumps(part, ensure_ascii=False), len(parts))

    def run(played: PlayedRun) -> dict[str, Any]:
        entries = [number(asdict(entry)) for entry in played.entries]
        frames = [
            number(asdict(frame) | {"variables": [number(one) for one in frame.variables]}) for frame in played.frames
        ]
        return {"title": played.title, "entries": entries, "frames": frames}

    smooth = run(document.smooth)
    crashes = [{"event": crash.event, "label": crash.label, "run": run(crash.run)} for crash in document.crashes]
    return {"parts": [json.loads(part) for part in parts], "smooth": smooth, "crashes": crashes}


async def _document(scenario: Scenario, file: Path) -> Document:
    library = _Library(scenario)
    smooth = await _play(scenario, file, scenario.title, library)
    crashes = []
    for crash_file, point in crash_files(scenario).items():
        if not crash_file.is_file():
            raise _outdated(scenario, f"Der Absturz „{point.label}“ ist nicht aufgezeichnet")
        comma = "," if point.label.startswith("während") else ""
        run = await _play(scenario, crash_file, f"Der Worker stirbt{comma} {point.label}.", library, point)
        if _told(run, point.last) != _told(smooth, point.last) or not _dies(run, point):
            raise _outdated(scenario, f"Der Absturz „{point.label}“ passt nicht mehr zum ungestörten Lauf")
        crashes.append(Crash(point.event, point.label, run))
    name = scenario.pattern.name
    return Document(scenario.title, name, scenario.name, library.sources(), smooth, tuple(crashes))


def _outdated(scenario: Scenario, problem: str) -> DauerlaufError:
    return DauerlaufError(f"{problem}; `dauerlauf zeichne-auf {scenario.pattern.name}`.")


def _dies(run: PlayedRun, point: CrashPoint) -> bool:
    """Ob der Worker in diesem Lauf an `point` stirbt und ein anderer übernimmt."""
    phases = [frame.phase for frame in run.frames]
    if (phases.count("crash"), phases.count("takeover")) != (1, 1):
        return False
    crash, *later = run.frames[phases.index("crash") :]
    in_place = crash.event == (point.last if point.unnoticed else point.last + 1)
    return in_place and all(frame.worker != FIRST for frame in later)


def _told(run: PlayedRun, last: int) -> list[tuple[str, str]]:
    return [(step.title, step.detail) for step in run.steps if step.number <= last and not step.internal]


async def _play(
    scenario: Scenario, file: Path, title: str, library: "_Library", point: CrashPoint | None = None
) -> PlayedRun:
    history = load(file)
    pattern = scenario.pattern
    traced = await trace(history, pattern.workflows, data_converter=pattern.data_converter)
    found = steps(history, sources=traced.sources, queries=load_queries(file))
    entries = tuple(
        Entry(step.number, step.event, timeline.clock_text(step.time), step.title, step.internal)
        for step in found
        if step.kind is not StepKind.QUERY
    )
    frames = _Frames(found, traced, timeline.rows(found, pattern.legend), library, point).build()
    return PlayedRun(title, found, entries, tuple(_with_changes(frames)))


class _Frames:
    """Baut die Halte eines Laufs, noch ohne Variablen; daneben die Stelle, an der sie zu sehen sind."""

    def __init__(
        self,
        found: Sequence[Step],
        traced: Trace,
        rows: Sequence[timeline.Row],
        library: "_Library",
        point: CrashPoint | None,
    ) -> None:
        self._steps = found
        self._trace = traced
        self._row_of = {event: number for number, row in enumerate(rows) for event in row.events}
        self._query_rows = iter([number for number, row in enumerate(rows) if row.look is timeline.Look.QUERY])
        self._library = library
        self._point = point
        self._workers = _workers(found)

    def build(self) -> Iterator[tuple[Frame, Spot | None]]:
        """Die Halte in der Reihenfolge, in der sie geschehen sind."""
        dead = False
        for index, step in enumerate(self._steps):
            if step.kind is StepKind.CRASH:
                phase, text = ("live", unanswered_text(step)) if dead else ("crash", crash_text(step, self._point))
                yield self._frame(step, phase, "" if dead else step.identity, None, text)
                dead = True
            elif step.kind is StepKind.TAKEOVER:
                yield self._frame(step, "takeover", step.identity, None, step_text(step))
                yield from self._replay(self._steps[:index], step.identity)
                dead = False
            elif step.kind is StepKind.QUERY:
                yield self._query(step)
            elif not step.internal or (step.kind is StepKind.TIME_SKIP and step.duration):
                yield self._live(step, dead=dead)
            if self._point is not None and self._point.unnoticed and step.number == self._point.last:
                shown, spot = self._frame(step, "crash", FIRST, None, crash_text(step, self._point))
                yield replace(shown, also=self._also(step)), spot
                dead = True

    def _live(self, step: Step, *, dead: bool) -> tuple[Frame, Spot | None]:
        # Solange kein Worker den Workflow im Speicher hat, gibt es weder Zeile noch Variablen.
        spot = None if dead else self._trace.spots.get(step.number) or self._trace.waiting.get(step.number)
        shown, spot = self._frame(step, "live", self._workers.get(step.number, ""), spot, step_text(step))
        runs = step.kind in (StepKind.ACTIVITY_STARTED, StepKind.LOCAL_ACTIVITY)
        return replace(shown, also=self._also(step) if runs else None), spot

    def _query(self, step: Step) -> tuple[Frame, Spot | None]:
        # Eine Query ist kein Event: Ihre Zeile trägt keins, und nach einer Kürzung kann sie fehlen.
        shown, spot = self._frame(step, "live", "", self._trace.waiting.get(step.number), step_text(step))
        return replace(shown, row=next(self._query_rows, -1)), spot

    def _replay(self, known: Sequence[Step], worker: str) -> Iterator[tuple[Frame, Spot | None]]:
        for step in known:
            if not step.internal and step.kind is not StepKind.QUERY and step.number in self._trace.spots:
                text = replayed_text(step, known, worker)
                yield self._frame(step, "replay", worker, self._trace.spots[step.number], text)

    def _also(self, step: Step) -> tuple[int, int] | None:
        return self._library.activity(step.name) if step.name else None

    def _frame(self, step: Step, phase: str, worker: str, spot: Spot | None, text: str) -> tuple[Frame, Spot | None]:
        place = self._library.place(spot.source) if spot is not None else (-1, 0)
        return Frame(step.number, self._row_of.get(step.number, -1), phase, worker, *place, None, (), text), spot


def _workers(found: Sequence[Step]) -> dict[int, str]:
    """Welcher Worker hinter einem Event steht: der einer Activity oder der des Workflow-Tasks, der es erzeugt hat."""
    result: dict[int, str] = {}
    current = ""
    for step in found:
        if step.event == "WorkflowTaskCompleted":
            current = step.identity
        elif step.name and step.event.startswith("ActivityTask") and step.identity:
            result[step.number] = step.identity
        elif step.actor == "workflow" or step.kind is StepKind.LOCAL_ACTIVITY:
            result[step.number] = current
    return result


def _with_changes(frames: Iterator[tuple[Frame, Spot | None]]) -> Iterator[Frame]:
    before: dict[str, str] = {}
    for frame, spot in frames:
        now = dict(spot.variables) if spot is not None else {}
        yield replace(frame, variables=tuple((name, text, before.get(name) != text) for name, text in now.items()))
        before = now


class _Library:
    """Die Dateien, aus denen etwas gezeigt wird, und die Activities eines Musters."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._files: dict[str, int] = {}
        self._activities: dict[str, SourceLine | None] = {}

    def place(self, source: SourceLine) -> tuple[int, int]:
        """Nummer der Datei in `sources` und Zeile."""
        return self._files.setdefault(source.file, len(self._files)), source.line

    def sources(self) -> tuple[Source, ...]:
        """Die Dateien, die `place` und `activity` genannt haben."""
        return tuple(Source(file, 1, _lines(_locate(file))) for file in self._files)

    def activity(self, name: str) -> tuple[int, int] | None:
        """Die Zeile mit dem `def` einer Activity; `None`, wenn das Muster keine dieses Namens kennt.

        Gibt es mehrere, gilt die, die der Workflow nennt.
        """
        if name not in self._activities:
            self._activities[name] = self._definition(name)
        found = self._activities[name]
        return self.place(found) if found is not None else None

    def _definition(self, name: str) -> SourceLine | None:
        for module in self._modules():
            for function in _functions(module):
                definition = activity._Definition.from_callable(function)
                if definition is not None and definition.name == name:
                    code = inspect.unwrap(function).__code__
                    lines, first = inspect.getsourcelines(code)
                    offset = next(i for i, line in enumerate(lines) if "def " in line)
                    return SourceLine(package_path(code.co_filename), first + offset, "", name)
        return None

    def _modules(self) -> Iterator[ModuleType]:
        pattern = self._scenario.pattern
        yield from (sys.modules[cls.__module__] for cls in pattern.workflows)
        package = importlib.import_module(self._scenario.function.__module__.rpartition(".")[0])
        for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            yield importlib.import_module(found.name)


def _functions(module: ModuleType) -> Iterator[Callable[..., Any]]:
    for value in vars(module).values():
        if inspect.isclass(value):
            yield from (getattr(value, name) for name in dir(value) if inspect.isfunction(getattr(value, name, None)))
        elif inspect.isfunction(value):
            yield value


def _locate(file: str) -> Path:
    package = sys.modules[file.partition("/")[0]]
    return Path(package.__path__[0]).parent / file


def _lines(file: Path) -> tuple[str, ...]:
    """Die Zeilen der Datei ohne die Marken der Listings; ihre Nummern bleiben."""
    return tuple(
        "" if MARKER.match(line) else TOKEN.sub("", line) for line in file.read_text(encoding="utf-8").splitlines()
    )
