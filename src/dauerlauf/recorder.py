"""Szenarien aufzeichnen: spielen, vereinheitlichen, als `histories/<szenario>.json` ablegen."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dauerlauf.history import dump, load, normalise, same_behaviour
from dauerlauf.scenario import Pattern, Scenario, play
from dauerlauf.timelapse import Timelapse


@dataclass(frozen=True)
class Recording:
    """Eine Aufzeichnung: die Datei, ihr neuer Inhalt und ob sich das Verhalten gegenüber dem abgelegten änderte."""

    scenario: Scenario
    file: Path
    text: str
    changed: bool

    def write(self) -> None:
        """Legt den Inhalt ab."""
        self.file.parent.mkdir(exist_ok=True)
        self.file.write_text(self.text, encoding="utf-8")


async def record(scenario: Scenario, timelapse: Timelapse) -> Recording:
    """Spielt ein Szenario im Zeitraffer und vergleicht seine History mit der abgelegten.

    Geschrieben wird erst mit `Recording.write`. Wirft `DauerlaufError` wie `play`.
    """
    run = await play(scenario, timelapse)
    history = normalise(run.history)
    file = scenario.pattern.history_file(scenario.name)
    changed = not file.is_file() or not same_behaviour(load(file), history)
    return Recording(scenario, file, dump(history), changed)


def orphans(patterns: Sequence[Pattern]) -> list[Path]:
    """Abgelegte Histories, zu denen es kein Szenario mehr gibt."""
    return [
        file
        for pattern in patterns
        if pattern.scenarios
        for file in sorted(pattern.histories.glob("*.json"))
        if file.stem not in pattern.scenarios
    ]
