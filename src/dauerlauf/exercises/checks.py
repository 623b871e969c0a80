"""Was `pruefung.py` über eine Übung sagt: Prüfungen, Fragen, typische falsche Antworten."""

import importlib.util
import json
import sys
import tomllib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dauerlauf.errors import DauerlaufError
from dauerlauf.exercises.bench import Bench
from dauerlauf.exercises.definition import ANSWERS, Exercise

CheckFunction = Callable[[Bench], Awaitable[None]]
Explain = Callable[[Any, Mapping[str, Any]], tuple[str, str]]


@dataclass(frozen=True)
class Wrong:
    """Eine typische falsche Antwort und was sie zu hören bekommt.

    `changes` sind Ersetzungen an der Lösung (`alt`, `neu`); jedes `alt` kommt in ihren Dateien genau einmal vor. Bei
    einer Vorhersage ändert `answers` stattdessen Felder der richtigen Antwort. `expected` ist der Name der Prüfung,
    die scheitern muss, oder ein Stück ihrer Meldung.
    """

    name: str
    changes: Sequence[tuple[str, str]] = ()
    answers: Mapping[str, Any] = field(default_factory=dict)
    expected: str = ""

    def write(self, solution: Path, target: Path) -> None:
        """Schreibt die falsche Antwort nach `target`; `DauerlaufError`, wenn ein `alt` nicht genau einmal passt."""
        texts = {file.name: file.read_text(encoding="utf-8") for file in sorted(solution.glob("*")) if file.is_file()}
        for old, new in self.changes:
            hits = [name for name, text in texts.items() for _ in range(text.count(old))]
            if len(hits) != 1:
                raise DauerlaufError(f"„{self.name}“: Der Text kommt {len(hits)}-mal statt einmal vor: {old!r}")
            texts[hits[0]] = texts[hits[0]].replace(old, new)
        if self.answers:
            texts[ANSWERS] = _with_answers(texts[ANSWERS], self.answers)
        for name, text in texts.items():
            (target / name).write_text(text, encoding="utf-8")


def _with_answers(text: str, answers: Mapping[str, Any]) -> str:
    values = tomllib.loads(text)
    if unknown := sorted(set(answers) - set(values)):
        raise DauerlaufError(f"Das Feld „{unknown[0]}“ gibt es in {ANSWERS} nicht.")
    # JSON ist für Zahlen, Texte, Wahrheitswerte und Listen davon zugleich TOML.
    return "".join(
        f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in {**values, **answers}.items()
    )


@dataclass(frozen=True)
class Question:
    """Ein Feld in `antwort.toml`.

    `kind` ist der Typ der Antwort (`int`, `float`, `str`, `bool`, `list`); `choices` nennt bei Auswahlfragen, was
    erlaubt ist. `explain(antwort, wahrheit)` bekommt die falsche Antwort und alle berechneten Werte und gibt (warum,
    weiter) zurück. Bei `ordered=False` zählt die Reihenfolge einer Liste nicht.
    """

    name: str
    title: str
    kind: type
    explain: Explain
    choices: Sequence[str] = ()
    ordered: bool = True


@dataclass(frozen=True)
class Checks:
    """Der Inhalt von `pruefung.py`."""

    functions: tuple[CheckFunction, ...]
    questions: tuple[Question, ...]
    truth: Callable[[Bench], Awaitable[Mapping[str, Any]]] | None
    wrong: tuple[Wrong, ...]
    start_fails: str
    given: tuple[str, ...]


def load_checks(exercise: Exercise) -> Checks:
    """Lädt `pruefung.py`; wirft `DauerlaufError`, wenn sie fehlt oder unvollständig ist."""
    file = exercise.folder / "pruefung.py"
    if not file.is_file():
        raise DauerlaufError(f"Der Übung {exercise.number} fehlt die Datei {file}.")
    name = f"dauerlauf_pruefung_{exercise.chapter}_{exercise.order}_{exercise.slug.replace('-', '_')}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses und Temporal suchen das Modul einer Klasse unter ihrem Namen.
    sys.modules[name] = module
    spec.loader.exec_module(module)
    checks = Checks(
        functions=tuple(getattr(module, "CHECKS", ())),
        questions=tuple(getattr(module, "QUESTIONS", ())),
        truth=getattr(module, "truth", None),
        wrong=tuple(getattr(module, "WRONG", ())),
        start_fails=getattr(module, "START_FAILS", ""),
        given=tuple(getattr(module, "GIVEN", ())),
    )
    if not checks.functions and not checks.questions:
        raise DauerlaufError(f"{file} nennt weder CHECKS noch QUESTIONS.")
    if bool(checks.questions) != (checks.truth is not None):
        raise DauerlaufError(f"{file}: Zu QUESTIONS gehört genau eine Funktion `truth`.")
    return checks
