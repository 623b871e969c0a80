"""Eine Übung prüfen: Dateien auf den Prüfstand kopieren, Prüfungen der Reihe nach ausführen, Befund zurückgeben."""

import asyncio
import inspect
import re
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from dauerlauf.exercises.bench import FORM, Bench, Failed
from dauerlauf.exercises.checks import Checks, Question, load_checks
from dauerlauf.exercises.definition import ANSWERS, Exercise
from dauerlauf.timelapse import Timelapse

CHECK_LIMIT = 90.0
"""So viele Sekunden Echtzeit hat eine einzelne Prüfung."""

LAST_LINES = 8
_FORGOTTEN = re.compile(r"coroutine '([^']+)' was never awaited")
_SDK_WARNING = re.compile(
    r"^.*coroutine '_WorkflowInstanceImpl.*\n .*\n|^RuntimeWarning: Enable tracemalloc.*\n", re.MULTILINE
)
"""Was Python über Coroutinen des SDK sagt, wenn ein Workflow-Task scheitert, und ein Rat, der hier nicht hilft."""
_KINDS = {int: "eine ganze Zahl", float: "eine Zahl", str: "ein Text", bool: "true oder false", list: "eine Liste"}


@dataclass(frozen=True)
class Outcome:
    """Der Befund: die bestandenen Prüfungen und, wenn eine nicht bestanden ist, deren Name, Titel und drei Teile.

    `output` sind die letzten Zeilen, die der geprüfte Code gedruckt hat.
    """

    exercise: Exercise
    passed: tuple[str, ...]
    failed_check: str | None = None
    failed_title: str = ""
    failure: Failed | None = None
    output: tuple[str, ...] = ()

    @property
    def solved(self) -> bool:
        """Ob alles bestanden ist."""
        return self.failure is None

    @property
    def message(self) -> str:
        """Die drei Teile der Meldung in einem Text; leer, wenn alles bestanden ist."""
        one = self.failure
        return "" if one is None else f"{one.wo}\n{one.warum}\n{one.weiter}"

    def answers_to(self, expected: str) -> bool:
        """Ob der Befund der erwartete ist: der Name der gescheiterten Prüfung oder ein Stück ihrer Meldung."""
        return not self.solved and bool(expected) and (expected == self.failed_check or expected in self.message)


@dataclass(frozen=True)
class _Step:
    name: str
    title: str
    run: Callable[[Bench], Awaitable[None]]


async def check(exercise: Exercise, source: Path, timelapse: Timelapse) -> Outcome:
    """Prüft die Dateien in `source` als Antwort auf die Übung; bricht bei der ersten gescheiterten Prüfung ab.

    Wirft `DauerlaufError` nur, wenn die Übung selbst unvollständig ist.
    """
    checks = load_checks(exercise)
    # `unskipped` gilt dann nur für diese Prüfung, nicht für eine, die nebenan läuft.
    own = await timelapse.apart()
    with tempfile.TemporaryDirectory(prefix="dauerlauf-uebung-", ignore_cleanup_errors=True) as place:
        root = Path(place).resolve()
        passed: list[str] = []
        for step in _steps(checks):
            folder = root / step.name
            folder.mkdir()
            # Jede Prüfung bekommt eine frische Kopie; der Code könnte die vorige verändert haben.
            copy = root / f"{step.name}-dateien"
            _copy(exercise, checks, source, copy)
            bench = Bench(own, exercise.folder, copy, folder)
            failure = await _attempt(step, bench)
            if failure is not None:
                lines = _tail(bench.output)
                if forgotten := _FORGOTTEN.search("\n".join(lines)):
                    failure.weiter += (
                        f" Python warnt außerdem: Auf `{forgotten[1]}` hat niemand gewartet. Steht davor ein `await`?"
                    )
                return Outcome(exercise, tuple(passed), step.name, step.title, failure, lines)
            passed.append(step.title)
        return Outcome(exercise, tuple(passed))


def _copy(exercise: Exercise, checks: Checks, source: Path, target: Path) -> None:
    """Kopiert, was geprüft wird; vorgegebene Dateien kommen immer aus der Übung, nie aus `source`."""
    target.mkdir()
    for file in source.glob("*"):
        if file.is_file() and file.suffix != ".md":
            shutil.copyfile(file, target / file.name)
    for name in checks.given:
        shutil.copyfile(exercise.start / name, target / name)


def _steps(checks: Checks) -> Sequence[_Step]:
    if checks.truth is None:
        return [_Step(f.__name__, _title(f), f) for f in checks.functions]
    known: dict[str, Any] = {}

    async def compute(bench: Bench) -> None:
        answers = bench.answers()
        known["answers"] = answers
        for question in checks.questions:
            _validate(question, answers)
        assert checks.truth is not None
        known["truth"] = await checks.truth(bench)

    async def compare(question: Question, bench: Bench) -> None:
        _compare(question, known["answers"][question.name], known["truth"])

    steps = [_Step("ausgefuellt", "Jede Frage hat eine Antwort.", compute)]
    return [*steps, *(_Step(one.name, one.title, partial(compare, one)) for one in checks.questions)]


def _title(function: Callable[..., Any]) -> str:
    return (inspect.getdoc(function) or function.__name__).splitlines()[0]


async def _attempt(step: _Step, bench: Bench) -> Failed | None:
    try:
        await asyncio.wait_for(step.run(bench), CHECK_LIMIT)
    except Failed as failure:
        return failure
    except TimeoutError:
        return Failed(
            wo=step.title,
            warum=f"Die Prüfung ist nach {CHECK_LIMIT:g} s nicht zu Ende.",
            weiter="Meist wartet der Workflow auf etwas, das nie eintritt; sehen Sie sich sein letztes `await` an.",
        )
    except Exception as error:
        # Der Code darf liefern, was er will; die Prüfung rechnet nicht mit allem.
        return Failed(
            wo=step.title,
            warum=f"Ihr Code liefert etwas, womit die Prüfung nichts anfangen kann ({type(error).__name__}: {error}).",
            weiter="Vergleichen Sie Typ und Form der Ergebnisse mit dem Aufgabentext.",
        )
    return None


def _validate(question: Question, answers: Mapping[str, Any]) -> None:
    place = f"{ANSWERS}, Feld „{question.name}“"
    value = answers.get(question.name)
    if value is None or value in ("", []) or (question.kind in (int, float) and value == -1):
        raise Failed(
            wo=place,
            warum="Hier steht noch keine Antwort.",
            weiter=f"Frage: {question.title} Erwartet ist {_KINDS[question.kind]}.",
        )
    fits = isinstance(value, int | float) if question.kind is float else isinstance(value, question.kind)
    if not fits or (isinstance(value, bool) and question.kind is not bool):
        raise Failed(
            wo=place,
            warum=f"Dort steht „{value}“, erwartet ist {_KINDS[question.kind]}.",
            weiter=FORM,
        )
    named = value if isinstance(value, list) else [value]
    if question.choices and (unknown := [one for one in named if one not in question.choices]):
        raise Failed(
            wo=place,
            warum=f"„{unknown[0]}“ steht nicht zur Wahl.",
            weiter=f"Möglich sind: {', '.join(question.choices)}.",
        )


def _compare(question: Question, answer: Any, truth: Mapping[str, Any]) -> None:
    expected = truth[question.name]
    if answer == expected:
        return
    if not question.ordered and sorted(answer, key=repr) == sorted(expected, key=repr):
        return
    warum, weiter = question.explain(answer, truth)
    raise Failed(wo=f"{ANSWERS}, Feld „{question.name}“", warum=warum, weiter=weiter)


def _tail(output: Path) -> tuple[str, ...]:
    if not output.is_file():
        return ()
    lines = _SDK_WARNING.sub("", output.read_bytes()[-4000:].decode(errors="replace")).split("\n")
    return tuple([text for line in lines if (text := "".join(filter(str.isprintable, line)).rstrip())][-LAST_LINES:])
