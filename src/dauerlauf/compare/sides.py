"""Woher die beiden Läufe kommen: gespielt, aufgezeichnet oder aus einer Datei."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dauerlauf.compare.align import Comparison, Side, compare
from dauerlauf.errors import DauerlaufError
from dauerlauf.history import Step, load, load_queries, steps
from dauerlauf.scenario import Run, Scenario, find_pattern


def _side(scenario: Scenario, run: Sequence[Step]) -> Side:
    return Side(scenario.name, run, scenario.pattern.legend, scenario.title)


def _steps(file: Path) -> list[Step]:
    return steps(load(file), queries=load_queries(file))


def compare_runs(left: Run, right: Run) -> Comparison:
    """Vergleicht zwei gespielte Läufe aus :func:`dauerlauf.scenario.play`, auch zwei desselben Szenarios."""
    one, other = (_side(run.scenario, steps(run.history, queries=run.queries)) for run in (left, right))
    if one.name == other.name:
        one, other = replace(one, name="erster Lauf"), replace(other, name="zweiter Lauf")
    return compare(one, other)


def compare_recorded(left: Scenario, right: Scenario) -> Comparison:
    """Vergleicht die Aufzeichnungen zweier Szenarien, auch verschiedener Muster.

    Raises:
        DauerlaufError: Es ist zweimal dasselbe Szenario, oder eine Aufzeichnung fehlt.
    """
    if (left.pattern.name, left.name) == (right.pattern.name, right.name):
        raise DauerlaufError(f"Es ist zweimal der Lauf „{left.name}“; nennen Sie zwei verschiedene.")
    one, other = (_side(scenario, _steps(recording(scenario))) for scenario in (left, right))
    if one.name == other.name:
        one, other = (replace(side, name=f"{s.pattern.name}/{s.name}") for side, s in ((one, left), (other, right)))
    return compare(one, other)


def compare_named(names: Sequence[str]) -> Comparison:
    """Vergleicht die Aufzeichnungen zweier Läufe, die so heißen, wie man sie tippt.

    Args:
        names: ``saga glatt versand-scheitert`` oder, auch über Muster hinweg, ``saga/glatt hallo/bestaetigung``.

    Raises:
        DauerlaufError: Es sind nicht zwei Läufe, oder wie :func:`compare_recorded`.
    """
    if not any("/" in name for name in names):
        pattern = find_pattern(names[0])
        if len(names) != 3:
            raise DauerlaufError(
                f"Nennen Sie nach „{names[0]}“ genau zwei Szenarien; es gibt: {', '.join(pattern.scenarios)}."
            )
        return compare_recorded(*(pattern.find(name) for name in names[1:]))
    if len(names) != 2 or not all("/" in name for name in names):
        raise DauerlaufError("Nennen Sie zwei Läufe als „muster/szenario muster/szenario“.")
    left, right = (name.partition("/") for name in names)
    return compare_recorded(find_pattern(left[0]).find(left[2]), find_pattern(right[0]).find(right[2]))


def compare_files(left: Path, right: Path) -> Comparison:
    """Vergleicht zwei Exporte aus ``temporal workflow show -o json`` oder der Web UI.

    Raises:
        DauerlaufError: Es ist zweimal dieselbe Datei, oder eine enthält keine Event History.
    """
    if left.resolve() == right.resolve():
        raise DauerlaufError(f"Es ist zweimal die Datei „{left}“; nennen Sie zwei verschiedene.")
    same = left.stem == right.stem
    return compare(*(Side(str(file) if same else file.stem, _steps(file)) for file in (left, right)))


def recording(scenario: Scenario) -> Path:
    """Die Datei mit der Aufzeichnung eines Szenarios; DauerlaufError, wenn sie fehlt."""
    file = scenario.pattern.history_file(scenario.name)
    if not file.is_file():
        command = f"uv run dauerlauf zeichne-auf {scenario.pattern.name}"
        raise DauerlaufError(f"Das Szenario „{scenario.name}“ ist nicht aufgezeichnet; starten Sie „{command}“.")
    return file
