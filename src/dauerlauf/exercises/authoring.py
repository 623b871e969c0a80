"""Für alle, die Übungen schreiben: was einer fehlt, und das Gerüst einer neuen."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from dauerlauf.errors import DauerlaufError
from dauerlauf.exercises.checks import load_checks
from dauerlauf.exercises.definition import ANSWERS, HINTS, RUNGS, Exercise, exercises

_NUMBER = re.compile(r"(\d{1,2})\.(\d{1,2})")
_ASCII = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})
_OPEN = "NOCH ZU SCHREIBEN"
LEAST_WRONG, MOST_WRONG = 2, 5


def missing(known: Iterable[Exercise], patterns: Iterable[str]) -> Iterator[tuple[Exercise, str]]:
    """Was den Übungen zur Vollständigkeit fehlt, je Mangel ein deutscher Satz."""
    names = set(patterns)
    expected: dict[int, int] = {}
    for exercise in known:
        wanted = expected.get(exercise.chapter, 0) + 1
        if exercise.order != wanted:
            yield exercise, f"In der Zählung fehlt {exercise.chapter}.{wanted}."
        expected[exercise.chapter] = exercise.order
        for sentence in _missing(exercise, names):
            yield exercise, sentence


def _missing(exercise: Exercise, patterns: set[str]) -> Iterator[str]:
    for what, text in (
        ("der Titel (titel)", exercise.title),
        ("das Lernziel (lernziel)", exercise.objective),
        ("das Ziel (ziel)", exercise.goal),
        ("der Aufgabentext", exercise.text),
        ("die Erklärung (## Warum)", exercise.why),
    ):
        if not text or _OPEN in text:
            yield f"In aufgabe.md fehlt {what}."
    for section in exercise.unknown:
        yield f"Der Abschnitt „## {section}“ erscheint nirgends; es gibt Tipp 1 bis Tipp {HINTS} und Warum."
    if exercise.rung not in RUNGS:
        yield f"Die Stufe „{exercise.rung}“ gibt es nicht; es gibt {', '.join(RUNGS)}."
    if exercise.pattern and exercise.pattern not in patterns:
        yield f"Das Muster „{exercise.pattern}“ gibt es nicht."
    if len(exercise.hints) != HINTS or any(not hint or _OPEN in hint for hint in exercise.hints):
        yield f"Es fehlen Tipps: Jede Übung hat genau {HINTS}."
    if exercise.rung == "vorhersagen" and ANSWERS not in exercise.files:
        yield f"Zu einer Vorhersage gehört start/{ANSWERS}."
    try:
        checks = load_checks(exercise)
    except DauerlaufError as error:
        yield str(error)
        return
    if unknown := sorted(set(checks.given) - set(exercise.files)):
        yield f"GIVEN nennt {unknown[0]}, aber start/{unknown[0]} fehlt."
    start, solution = _contents(exercise.start), _contents(exercise.solution)
    own = {name: content for name, content in start.items() if name not in checks.given}
    if not own or set(own) != set(solution):
        yield "In loesung liegen nicht genau die Dateien aus start, die zu ändern sind (GIVEN liegt nur in start)."
    elif own == solution:
        yield "Der Startzustand gleicht der Lösung."
    if not LEAST_WRONG <= len(checks.wrong) <= MOST_WRONG:
        yield f"Sie hat {len(checks.wrong)} falsche Antworten; verlangt sind {LEAST_WRONG} bis {MOST_WRONG}."
    if not all(wrong.expected for wrong in checks.wrong):
        yield "Eine falsche Antwort nennt nicht, was sie zu hören bekommt (expected)."
    if not checks.start_fails:
        yield "Es fehlt START_FAILS: woran der Startzustand scheitert."


def _contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.glob("*") if file.is_file()}


def create(root: Path, number: str, title: str, rung: str) -> Path:
    """Legt das Gerüst einer Übung im Projekt `root` an und gibt ihren Ordner zurück.

    Wirft `DauerlaufError`, wenn Nummer oder Stufe nicht passen, das Kapitel fehlt oder die Nummer vergeben ist.
    """
    match = _NUMBER.fullmatch(number)
    if match is None or int(match[2]) == 0:
        raise DauerlaufError(f"„{number}“ ist keine Nummer einer Übung; schreiben Sie Kapitel und Stelle, etwa 7.5.")
    if rung not in RUNGS:
        raise DauerlaufError(f"Die Stufe „{rung}“ gibt es nicht; es gibt {', '.join(RUNGS)}.")
    chapter = root / "examples" / f"kapitel{int(match[1]):02d}"
    if not chapter.is_dir():
        raise DauerlaufError(f"Das Kapitel {int(match[1])} gibt es noch nicht: {chapter} fehlt.")
    name = re.sub(r"[^a-z0-9]+", "_", title.lower().translate(_ASCII)).strip("_")
    if not name:
        raise DauerlaufError("Der Titel braucht mindestens einen Buchstaben.")
    taken = next((one for one in exercises([chapter]) if one.order == int(match[2])), None)
    if taken is not None:
        raise DauerlaufError(f"Die Nummer {taken.number} ist vergeben: „{taken.title}“ in {taken.folder}.")
    folder = chapter / "aufgaben" / f"{int(match[2]):02d}_{name}"
    prediction = rung == "vorhersagen"
    files = {
        "aufgabe.md": _DESCRIPTION.format(title=title, rung=rung, open=_OPEN),
        "pruefung.py": (_PREDICTION if prediction else _CHECKS).format(title=title),
    }
    if prediction:
        files |= {f"start/{ANSWERS}": _ANSWERS_START, f"loesung/{ANSWERS}": _ANSWERS_START}
    else:
        files |= {"start/workflow.py": _WORKFLOW, "loesung/workflow.py": _WORKFLOW}
    for path, text in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return folder


_DESCRIPTION = """\
---
titel: {title}
stufe: {rung}
muster:
lernziel: {open}
ziel: {open}
---
{open}

## Tipp 1
{open}

## Tipp 2
{open}

## Tipp 3
{open}

## Warum
{open}
"""

_WORKFLOW = '''\
"""Der Workflow der Übung."""

from temporalio import workflow


@workflow.defn
class OrderWorkflow:
    """Was der Workflow tun soll, in einem Satz."""

    @workflow.run
    async def run(self, number: str) -> str:
        # Lücke: Was fehlt hier?
        raise NotImplementedError("Hier fehlt der Rumpf")
'''

_CHECKS = '''\
"""Prüfungen zu „{title}“."""

from dauerlauf.exercises import Bench, Wrong, expect


async def ergebnis(bench: Bench) -> None:
    """Der Workflow gibt die Nummer der Bestellung zurück."""
    async with bench.worker("workflow:OrderWorkflow") as worker:
        run = await worker.execute("OrderWorkflow", "NL-1")
    expect(
        run.result == "NL-1",
        wo="Ergebnis des Workflows",
        warum=f"Es ist {{run.result!r}}, erwartet ist 'NL-1'.",
        weiter="Sagen Sie hier, was als Nächstes zu tun ist.",
    )


CHECKS = (ergebnis,)
START_FAILS = "Hier fehlt der Rumpf"
WRONG: tuple[Wrong, ...] = ()
'''

_ANSWERS_START = """\
# Die Frage, so wie sie im Aufgabentext steht. -1 heißt: noch keine Antwort.
versuche = -1
"""

_PREDICTION = '''\
"""Prüfungen zu „{title}“."""

from collections.abc import Mapping
from typing import Any

from dauerlauf.exercises import Bench, Question, Wrong


async def truth(bench: Bench) -> Mapping[str, Any]:
    """Die richtigen Antworten, berechnet aus einem wirklichen Lauf."""
    raise NotImplementedError


def _attempts(answer: int, truth: Mapping[str, Any]) -> tuple[str, str]:
    return f"Sie nennen {{answer}} …", "Sagen Sie hier, wie es weitergeht."


QUESTIONS = (Question("versuche", "Wie viele Versuche sind es?", int, _attempts),)
START_FAILS = "ausgefuellt"
WRONG: tuple[Wrong, ...] = ()
'''
