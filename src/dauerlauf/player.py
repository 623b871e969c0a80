"""Die Daten des Laufspielers: ein aufgezeichneter Lauf, Schritt für Schritt, mit Quelltext und Variablen.

Nichts davon ist getippt: Die Schritte stammen aus der aufgezeichneten History, Zeilen und Variablen aus ihrem Replay.
"""

import asyncio
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from temporalio import activity
from temporalio.client import WorkflowHistory

from dauerlauf import timeline
from dauerlauf.book.sources import MARKER, TOKEN
from dauerlauf.errors import DauerlaufError
from dauerlauf.history import SourceLine, Spot, Step, StepKind, Trace, load, package_path, steps, trace
from dauerlauf.player_texts import replayed_text, step_text
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
    hat den Befehl gegeben oder wartet auf ihn; -1 und 0, solange kein Workflow-Code im Speicher ist. `also` zeigt auf
    die Activity, die gerade läuft. Eine Variable ist Name, Text und ob sie sich seit dem vorigen Halt geändert hat.
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
        raise DauerlaufError(
            f"„{scenario.name}“ ist nicht aufgezeichnet; `dauerlauf zeichne-auf {scenario.pattern.name}`."
        )
    return asyncio.run(_document(scenario, load(file)))


async def _document(scenario: Scenario, history: WorkflowHistory) -> Document:
    library = _Library(scenario)
    smooth = await _play(scenario, history, scenario.title, library)
    return Document(scenario.title, scenario.pattern.name, scenario.name, library.sources(), smooth, crashes=())


async def _play(scenario: Scenario, history: WorkflowHistory, title: str, library: "_Library") -> PlayedRun:
    traced = await trace(history, scenario.pattern.workflows)
    found = steps(history, sources=traced.sources)
    rows = timeline.rows(found, scenario.pattern.legend)
    row_of = {event: number for number, row in enumerate(rows) for event in row.events}
    entries = tuple(
        Entry(step.number, step.event, timeline.clock_text(step.time), step.title, step.internal) for step in found
    )
    return PlayedRun(title, found, entries, tuple(_with_changes(_frames(found, traced, row_of, library))))


def _frames(
    found: Sequence[Step], traced: Trace, row_of: Mapping[int, int], library: "_Library"
) -> Iterator[tuple[Frame, Spot | None]]:
    """Die Halte eines Laufs, noch ohne Variablen, dazu die Stelle, an der sie zu sehen sind."""
    workers = _workers(found)

    def frame(step: Step, phase: str, worker: str, spot: Spot | None, text: str) -> tuple[Frame, Spot | None]:
        place = library.place(spot.source) if spot is not None else (-1, 0)
        return Frame(step.number, row_of.get(step.number, -1), phase, worker, *place, None, (), text), spot

    for step in found:
        if step.kind is StepKind.CRASH:
            yield frame(step, "crash", step.identity, None, step_text(step))
        elif step.kind is StepKind.TAKEOVER:
            yield frame(step, "takeover", step.identity, None, step_text(step))
            for earlier in found[: found.index(step)]:
                if not earlier.internal and earlier.number in traced.spots:
                    text = replayed_text(earlier, found[: found.index(step)], step.identity)
                    yield frame(earlier, "replay", step.identity, traced.spots[earlier.number], text)
        elif not step.internal or (step.kind is StepKind.TIME_SKIP and step.duration):
            spot = traced.spots.get(step.number) or traced.waiting.get(step.number)
            shown, spot = frame(step, "live", workers.get(step.number, ""), spot, step_text(step))
            if step.kind in (StepKind.ACTIVITY_STARTED, StepKind.LOCAL_ACTIVITY):
                shown = replace(shown, also=library.activity(step.name))
            yield shown, spot


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
        for module in self._modules():
            for function in _functions(module):
                definition = activity._Definition.from_callable(function)
                if definition is not None and definition.name == name:
                    code = inspect.unwrap(function).__code__
                    lines, first = inspect.getsourcelines(code)
                    offset = next(i for i, line in enumerate(lines) if "def " in line)
                    return self.place(SourceLine(package_path(code.co_filename), first + offset, "", name))
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
