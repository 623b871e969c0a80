"""Szenarien aufzeichnen: spielen, vereinheitlichen, als `histories/<szenario>.json` ablegen.

Abstürze eines Szenarios liegen daneben, als `histories/abstuerze/<szenario>-<event>.json`.

Hat das Szenario den Workflow gefragt, stehen die Queries daneben in `histories/<szenario>.queries.json`: Die History
verzeichnet sie nicht.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from temporalio.client import WorkflowHistory

from dauerlauf.crashes import CrashPoint, crash, points
from dauerlauf.history import (
    dump,
    dump_queries,
    load,
    load_queries,
    normalise,
    normalise_queries,
    queries_file,
    same_behaviour,
)
from dauerlauf.scenario import Pattern, Scenario, play
from dauerlauf.timelapse import Timelapse


@dataclass(frozen=True)
class Recording:
    """Eine Aufzeichnung: die Datei, ihr neuer Inhalt und ob sich das Verhalten gegenüber dem abgelegten änderte.

    `queries` ist der Inhalt der Datei mit den Queries, leer ohne Queries.
    """

    scenario: Scenario
    file: Path
    text: str
    changed: bool
    queries: str = ""

    def write(self) -> None:
        """Legt den Inhalt ab."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(self.text, encoding="utf-8")
        if self.queries:
            queries_file(self.file).write_text(self.queries, encoding="utf-8")
        else:
            queries_file(self.file).unlink(missing_ok=True)


async def record(scenario: Scenario, timelapse: Timelapse) -> Recording:
    """Spielt ein Szenario im Zeitraffer und vergleicht seine History mit der abgelegten.

    Geschrieben wird erst mit `Recording.write`. Wirft `DauerlaufError` wie `play`.
    """
    run = await play(scenario, timelapse)
    queries = dump_queries(normalise_queries(run.queries, run.history))
    return _recording(scenario, scenario.pattern.history_file(scenario.name), run.history, queries)


async def record_crashes(scenario: Scenario, timelapse: Timelapse) -> list[Recording]:
    """Spielt die Abstürze eines aufgezeichneten Szenarios; ohne angemeldete Bühne gibt es keine.

    Wirft `DauerlaufError`, wenn ein Worker überlebt oder eine Activity noch einmal läuft, deren Ergebnis vor dem
    Absturz in der History stand.
    """
    recorded = []
    # Nacheinander: Alle Läufe eines Szenarios haben dieselbe Workflow-ID.
    for file, point in crash_files(scenario).items():
        run = await crash(scenario, point, timelapse)
        run.check()
        recorded.append(_recording(scenario, file, run.history))
    return recorded


def crash_files(scenario: Scenario) -> dict[Path, CrashPoint]:
    """Welche Abstürze zu einem Szenario gehören, nach der Datei, in der sie liegen.

    Wirft `DauerlaufError`, wenn das Szenario selbst nicht aufgezeichnet ist.
    """
    pattern = scenario.pattern
    if scenario.name not in pattern.crash_stages:
        return {}
    return {
        pattern.crash_file(scenario.name, point.event): point
        for point in points(load(pattern.history_file(scenario.name)))
    }


def _recording(scenario: Scenario, file: Path, recorded: WorkflowHistory, queries: str = "") -> Recording:
    history = normalise(recorded)
    changed = (
        not file.is_file() or not same_behaviour(load(file), history) or dump_queries(load_queries(file)) != queries
    )
    return Recording(scenario, file, dump(history), changed, queries)


def orphans(patterns: Sequence[Pattern]) -> list[Path]:
    """Abgelegte Histories und Queries, zu denen es kein Szenario und keinen Absturz mehr gibt."""
    found = []
    for pattern in patterns:
        if pattern.scenarios:
            known = {name for scenario in pattern.scenarios for name in (scenario, f"{scenario}.queries")}
            files = [file for file in pattern.histories.glob("*.json") if file.stem not in known]
            crashes = set(pattern.histories.glob("abstuerze/*.json"))
            for scenario in pattern.scenarios.values():
                if pattern.history_file(scenario.name).is_file():
                    crashes -= set(crash_files(scenario))
                else:
                    # Ohne den ungestörten Lauf sagt niemand, welche Abstürze zu ihm gehören.
                    crashes -= set(pattern.histories.glob(f"abstuerze/{scenario.name}-*.json"))
            found += sorted([*files, *crashes])
    return found
