"""Szenarien aufzeichnen: spielen, vereinheitlichen, als `histories/<szenario>.json` ablegen.

Hat das Szenario den Workflow gefragt, stehen die Queries daneben in `histories/<szenario>.queries.json`: Die History
verzeichnet sie nicht.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

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
        self.file.parent.mkdir(exist_ok=True)
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
    history = normalise(run.history)
    file = scenario.pattern.history_file(scenario.name)
    queries = dump_queries(normalise_queries(run.queries, run.history))
    changed = (
        not file.is_file() or not same_behaviour(load(file), history) or dump_queries(load_queries(file)) != queries
    )
    return Recording(scenario, file, dump(history), changed, queries)


def orphans(patterns: Sequence[Pattern]) -> list[Path]:
    """Abgelegte Histories und Queries, zu denen es kein Szenario mehr gibt."""
    return [
        file
        for pattern in patterns
        if pattern.scenarios
        for file in sorted(pattern.histories.glob("*.json"))
        if file.name.removesuffix(".json").removesuffix(".queries") not in pattern.scenarios
    ]
