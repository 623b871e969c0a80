"""Woher die beiden Läufe kommen: gespielt, aufgezeichnet oder aus einer Datei."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dauerlauf.compare.align import Comparison, Side, compare
from dauerlauf.errors import DauerlaufError
from dauerlauf.history import Step, load, steps
from dauerlauf.scenario import Run, Scenario


def _side(scenario: Scenario, run: Sequence[Step]) -> Side:
    return Side(scenario.name, run, scenario.pattern.legend, scenario.title)


def compare_runs(left: Run, right: Run) -> Comparison:
    """Vergleicht zwei gespielte Läufe aus :func:`dauerlauf.scenario.play`."""
    return compare(*(_side(run.scenario, steps(run.history)) for run in (left, right)))


def compare_recorded(left: Scenario, right: Scenario) -> Comparison:
    """Vergleicht die Aufzeichnungen zweier Szenarien, auch verschiedener Muster.

    Raises:
        DauerlaufError: Es ist zweimal dasselbe Szenario, oder eine Aufzeichnung fehlt.
    """
    if (left.pattern.name, left.name) == (right.pattern.name, right.name):
        raise DauerlaufError(f"Es ist zweimal der Lauf „{left.name}“; nennen Sie zwei verschiedene.")
    return compare(*(_side(scenario, steps(load(recording(scenario)))) for scenario in (left, right)))


def compare_files(left: Path, right: Path) -> Comparison:
    """Vergleicht zwei Exporte aus ``temporal workflow show -o json`` oder der Web UI.

    Raises:
        DauerlaufError: Es ist zweimal dieselbe Datei, oder eine enthält keine Event History.
    """
    if left.resolve() == right.resolve():
        raise DauerlaufError(f"Es ist zweimal die Datei „{left}“; nennen Sie zwei verschiedene.")
    same = left.stem == right.stem
    return compare(*(Side(str(file) if same else file.stem, steps(load(file))) for file in (left, right)))


def recording(scenario: Scenario) -> Path:
    """Die Datei mit der Aufzeichnung eines Szenarios; DauerlaufError, wenn sie fehlt."""
    file = scenario.pattern.history_file(scenario.name)
    if not file.is_file():
        command = f"uv run dauerlauf zeichne-auf {scenario.pattern.name}"
        raise DauerlaufError(f"Das Szenario „{scenario.name}“ ist nicht aufgezeichnet; starten Sie „{command}“.")
    return file
