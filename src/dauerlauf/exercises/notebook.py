"""`pruefe("7.2")` in einem Notebook: dieselbe Prüfung wie `dauerlauf uebe`, der Befund als Kasten."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from dauerlauf.exercises.definition import exercises, find
from dauerlauf.exercises.runner import Outcome, check
from dauerlauf.exercises.workspace import Workspace
from dauerlauf.timelapse import timelapse

_COLOURS = {True: "#2b7a4b", False: "#b3261e"}


@dataclass(frozen=True)
class Report:
    """Der Befund zum Ansehen: im Notebook als Kasten, sonst als Text."""

    outcome: Outcome
    folder: Path

    @property
    def solved(self) -> bool:
        """Ob die Übung gelöst ist."""
        return self.outcome.solved

    def _lines(self) -> list[tuple[str, str]]:
        one = self.outcome
        lines = [("bestanden", title) for title in one.passed]
        if one.failure is None:
            return [*lines, ("Gelöst", one.exercise.why.replace("\n", " "))]
        lines.append(("noch nicht", one.failed_title))
        return [*lines, *one.failure.parts]

    def __repr__(self) -> str:
        title = f"Übung {self.outcome.exercise.number}: {self.outcome.exercise.title}"
        return "\n".join([title, *(f"{name}: {text}" for name, text in self._lines()), f"Dateien: {self.folder}"])

    def _repr_html_(self) -> str:
        exercise, colour = self.outcome.exercise, _COLOURS[self.solved]
        rows = "".join(
            f"<dt><strong>{escape(name)}</strong></dt><dd>{escape(text)}</dd>" for name, text in self._lines()
        )
        return (
            f'<div style="border-left:3px solid {colour};padding:0.1em 0 0.1em 1em">'
            f"<p><strong>Übung {exercise.number}: {escape(exercise.title)}</strong></p>"
            f"<dl>{rows}</dl><p>Dateien: <code>{escape(str(self.folder))}</code></p></div>"
        )


def pruefe(number: str, folder: str | Path = "uebungen") -> Report:
    """Prüft die Übung `number` und gibt den Befund zurück; auch in einer Zelle, deren Event-Loop läuft.

    Beim ersten Mal legt der Aufruf die Dateien unter `folder` an; ändern lassen sie sich mit `%%writefile`. Eine
    falsche Antwort wirft nichts. `DauerlaufError` gibt es nur, wenn die Nummer oder der Ordner nicht stimmt.
    """
    exercise = find(number, exercises())
    workspace = Workspace(Path(folder))
    workspace.prepare(exercise)

    async def once() -> Outcome:
        async with timelapse() as env:
            return await check(exercise, workspace.place(exercise), env)

    outcome = _run_apart(once())
    workspace.record(exercise, solved=outcome.solved)
    return Report(outcome, workspace.place(exercise))


def _run_apart(work: Coroutine[Any, Any, Outcome]) -> Outcome:
    """Führt `work` in einem eigenen Thread aus: Die Zelle hat schon eine laufende Event-Loop."""
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(asyncio.run, work).result()
