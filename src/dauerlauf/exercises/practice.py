"""Was `dauerlauf uebe` und `dauerlauf neue-uebung` tun; geladen erst, wenn einer davon läuft."""

import asyncio
import re
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.markdown import Markdown
from rich.panel import Panel
from rich.syntax import Syntax
from rich.text import Text

from dauerlauf.check import project_root
from dauerlauf.commands import console, run_async
from dauerlauf.errors import DauerlaufError
from dauerlauf.exercises import authoring
from dauerlauf.exercises.definition import HINTS, RUNGS, Exercise, exercises, find
from dauerlauf.exercises.runner import Outcome, check
from dauerlauf.exercises.workspace import Progress, Workspace
from dauerlauf.timelapse import Timelapse, timelapse
from dauerlauf.together import together

_PAGE_LINK = re.compile(r"\[([^\]]+)\]\((?!https?:)[^)]+\)")
PARALLEL = 3
SETTLE = 60
"""So viele Millisekunden wartet der Beobachter, ob zu einer gespeicherten Datei noch eine kommt."""


def new_exercise(number: str, title: str, rung: str) -> None:
    """Legt das Gerüst einer Übung an und sagt, was daran zu tun bleibt."""
    folder = authoring.create(project_root(Path.cwd()), number, title, rung)
    print(f"Angelegt: {folder}")
    print("Füllen Sie aufgabe.md, start/, loesung/ und pruefung.py; `dauerlauf pruefe` nennt, was noch fehlt.")
    print(f'Ihre Tests: pytest tests/aufgaben --gruendlich -k "{number}-"')


class Practice:
    """Ein Aufruf von `dauerlauf uebe`: welche Übung, in welchem Ordner, wohin mit der Ausgabe."""

    def __init__(self, folder: Path, *, yes: bool) -> None:
        self._out = console()
        self._yes = yes
        self._known = exercises()
        self._workspace = Workspace(folder)

    def choose(self, number: str | None) -> Exercise | None:
        """Die genannte Übung, sonst die nächste offene; `None`, wenn keine mehr offen ist."""
        return find(number, self._known) if number else self._workspace.current(self._known)

    def check(self, exercise: Exercise) -> int:
        """Zeigt beim ersten Mal die Aufgabe und prüft, was im Ordner liegt; 0, wenn sie gelöst ist."""
        shown = self._begin(exercise)
        if shown:
            self._print("So steht es:")

        async def once() -> Outcome:
            async with timelapse() as env:
                return await check(exercise, self._workspace.place(exercise), env)

        return self._report(run_async(once()), heading=not shown)

    def watch(self, exercise: Exercise) -> int:
        """Prüft nach jedem Speichern, bis Strg-C; 0, wenn die Übung am Ende gelöst ist."""
        self._begin(exercise, always=True)
        self._out.print("Ich prüfe nach jedem Speichern. Ende mit Strg-C.\n", style="dim")
        last = [1]
        try:
            asyncio.run(self._watch(exercise, last))
        except KeyboardInterrupt:
            self._out.print("\nBeendet.", style="dim")
        return last[0]

    async def _watch(self, exercise: Exercise, last: list[int]) -> None:
        from watchfiles import awatch

        place = self._workspace.place(exercise).resolve()

        def ours(_: object, path: str) -> bool:
            changed = Path(path)
            return changed.parent == place and changed.suffix in (".py", ".toml", ".json")

        async with timelapse() as env:
            # Der Ordner darüber: Manche Editoren ersetzen die Datei, manche Leute löschen den Ordner.
            changes = awatch(place.parent, watch_filter=ours, debounce=SETTLE * 4, step=SETTLE)
            while True:
                # Wer speichert, während geprüft wird, soll nicht warten müssen, bis er noch einmal speichert.
                following = asyncio.ensure_future(anext(changes))
                await asyncio.sleep(0)
                last[0] = await self._watched_check(exercise, env)
                await following
                self._out.rule(style="dim")

    async def _watched_check(self, exercise: Exercise, env: Timelapse) -> int:
        return self._report(await check(exercise, self._workspace.place(exercise), env))

    def check_all(self) -> int:
        """Prüft alles, was schon begonnen ist; 0, wenn es gelöst ist."""
        begun = [one for one in self._known if self._workspace.place(one).is_dir()]
        if not begun:
            raise DauerlaufError("Sie haben noch keine Übung begonnen; `dauerlauf uebe` legt die erste an.")

        async def every() -> list[Outcome]:
            gate = asyncio.Semaphore(PARALLEL)

            async def one(exercise: Exercise, env: Timelapse) -> Outcome:
                async with gate:
                    return await check(exercise, self._workspace.place(exercise), env)

            async with timelapse() as env:
                return await together(*(one(exercise, env) for exercise in begun))

        outcomes = run_async(every())
        for outcome in outcomes:
            exercise = outcome.exercise
            self._workspace.record(exercise, solved=outcome.solved)
            self._line(exercise, "gelöst" if outcome.solved else "offen", outcome.failed_title)
        solved = sum(outcome.solved for outcome in outcomes)
        rest = len(self._known) - len(begun)
        self._print(f"\n{solved} von {len(outcomes)} begonnenen Übungen gelöst; {rest} noch nicht begonnen.")
        return int(solved < len(outcomes))

    def hint(self, exercise: Exercise) -> int:
        """Zeigt den nächsten Tipp und zählt ihn."""
        used = self._workspace.progress().get(exercise.number, Progress()).hints
        self._workspace.prepare(exercise)
        state = self._workspace.update(exercise, lambda state: replace(state, hints=min(used + 1, HINTS)))
        self._heading(exercise)
        self._panel(f"Tipp {state.hints} von {HINTS}", _markdown(exercise.hints[state.hints - 1], self._out))
        following = (
            f"dauerlauf uebe {exercise.number} --tipp    der nächste Tipp"
            if state.hints < HINTS
            else f"dauerlauf uebe {exercise.number} --loesung    eine Lösung"
        )
        self._out.print(following, style="dim", markup=False)
        return 0

    def solution(self, exercise: Exercise) -> int:
        """Zeigt die Lösung; vor dem ersten Erfolg erst nach Rückfrage."""
        self._workspace.prepare(exercise)
        if not self._workspace.progress().get(exercise.number, Progress()).solved:
            self._confirm(f"Die Übung {exercise.number} ist noch nicht gelöst. Die Lösung trotzdem zeigen?")
        self._workspace.update(exercise, lambda state: replace(state, saw_solution=True))
        self._heading(exercise)
        for file in self._workspace.own_files(exercise):
            text = (exercise.solution / file.name).read_text(encoding="utf-8")
            shown = Syntax(text, "toml" if file.suffix == ".toml" else "python", background_color="default")
            self._panel(file.name, shown if self._out.is_terminal else Text(text))
        self._panel("Warum", _markdown(exercise.why, self._out))
        return 0

    def reset(self, exercise: Exercise) -> int:
        """Legt die Dateien einer Übung neu an; die bisherigen bleiben als Kopie."""
        place = self._workspace.place(exercise)
        if place.is_dir():
            self._confirm(f"Die Übung {exercise.number} von vorn beginnen? Ihre Dateien werden verschoben.")
        backup = self._workspace.reset(exercise)
        self._print(f"Neu angelegt: {self._workspace.place(exercise)}")
        if backup is not None:
            self._print(f"Ihre bisherigen Dateien: {backup}")
        return 0

    def show_list(self) -> int:
        """Druckt alle Übungen nach Kapiteln mit ihrem Stand."""
        states = self._workspace.progress()
        chapter = None
        for exercise in self._known:
            if exercise.chapter != chapter:
                chapter = exercise.chapter
                self._out.print(f"\nKapitel {chapter}", style="bold")
            state = states.get(exercise.number)
            word = "neu" if state is None else "gelöst" if state.solved else "offen"
            about = f"{RUNGS.get(exercise.rung, exercise.rung)}, {exercise.pattern}".rstrip(", ")
            self._line(exercise, word, about)
        solved = sum(one.number in states and states[one.number].solved for one in self._known)
        self._print(f"\n{solved} von {len(self._known)} Übungen gelöst.")
        return 0

    def all_done(self) -> int:
        """Nichts ist mehr offen."""
        self._print(f"Alle {len(self._known)} Übungen sind gelöst. `dauerlauf uebe --alle` prüft sie noch einmal.")
        return 0

    def _begin(self, exercise: Exercise, *, always: bool = False) -> bool:
        """Legt die Dateien an, wenn sie fehlen; gibt zurück, ob die Aufgabe auf dem Bildschirm steht."""
        new = self._workspace.prepare(exercise)
        if new or always:
            self._heading(exercise)
            self._print(f"Ziel: {exercise.goal}\n")
            self._out.print(_markdown(exercise.text, self._out), soft_wrap=not self._out.is_terminal)
            self._print("\nIhre Dateien:")
            for file in self._workspace.own_files(exercise):
                self._print(f"  {file}")
            self._print("")
        self._workspace.update(exercise, lambda state: state)
        return new or always

    def _report(self, outcome: Outcome, *, heading: bool = True) -> int:
        self._workspace.record(outcome.exercise, solved=outcome.solved)
        if heading:
            self._heading(outcome.exercise)
        for title in outcome.passed:
            self._out.print(Text.assemble(("  bestanden   ", "green"), title), soft_wrap=True)
        if outcome.failure is None:
            self._success(outcome.exercise)
            return 0
        self._out.print(Text.assemble(("  noch nicht  ", "bold red"), outcome.failed_title), soft_wrap=True)
        self._panel("", Group(*failure_lines(outcome)), style="red")
        if outcome.output:
            self._panel("Ihr Code druckte", Text("\n".join(outcome.output)))
        self._out.print(f"dauerlauf uebe {outcome.exercise.number} --tipp    ein Tipp", style="dim", markup=False)
        return 1

    def _success(self, exercise: Exercise) -> None:
        self._panel("Gelöst", _markdown(exercise.why, self._out), style="green")
        following = self._workspace.current(self._known)
        if following is None:
            self.all_done()
        else:
            self._print(f"Als Nächstes: {following.number} {following.title} (dauerlauf uebe)")

    def _confirm(self, question: str) -> None:
        if self._yes:
            return
        if not sys.stdin.isatty():
            raise DauerlaufError(f"{question} Ohne Terminal bestätigen Sie mit --ja.")
        try:
            answer = input(f"{question} [j/N] ")
        except EOFError:
            answer = ""
        if answer.strip().lower() not in ("j", "ja"):
            raise DauerlaufError("Abgebrochen; es bleibt alles, wie es ist.")

    def _heading(self, exercise: Exercise) -> None:
        self._out.print(
            Text(f"Übung {exercise.number}: {exercise.title} ({RUNGS.get(exercise.rung, '')})", style="bold cyan")
        )

    def _line(self, exercise: Exercise, state: str, rest: str) -> None:
        style = {"gelöst": "green", "offen": "yellow"}.get(state, "dim")
        line = Text.assemble((f"  {exercise.number:<5}", "bold"), (f"{state:<8}", style), exercise.title)
        self._out.print(line if not rest else Text.assemble(line, (f"  – {rest}", "dim")))

    def _panel(self, title: str, content: RenderableType, style: str = "cyan") -> None:
        if self._out.is_terminal:
            self._out.print(Panel(content, title=title or None, title_align="left", border_style=style))
            return
        if title:
            self._print(f"\n{title}")
        self._out.print(content, soft_wrap=True)
        self._print("")

    def _print(self, text: str) -> None:
        self._out.print(text, markup=False, soft_wrap=True)


def failure_lines(outcome: Outcome) -> Iterable[Text]:
    """Die drei Teile der Meldung als Zeilen: Wo, Warum, Weiter."""
    assert outcome.failure is not None
    for name, text in outcome.failure.parts:
        yield Text.assemble((f"{name}: ", "bold"), text)


def _markdown(text: str, out: Console) -> RenderableType:
    # Die Links führen zu Seiten des Buchs; im Terminal zählt nur, wie der Abschnitt heißt.
    text = _PAGE_LINK.sub(r"„\1“", text)
    return Markdown(text) if out.is_terminal else Text(text)


def run(number: str | None, folder: Path, *, action: str | None, yes: bool) -> int:
    """Führt einen Aufruf von `dauerlauf uebe` aus und gibt den Exit-Code zurück.

    `action` ist der Name eines der Schalter ohne Striche, `None` prüft. Wirft `DauerlaufError`, wenn Angaben nicht
    zusammenpassen oder der Ordner sich nicht beschreiben lässt.
    """
    try:
        practice = Practice(folder, yes=yes)
        if action in ("alle", "liste"):
            if number:
                raise DauerlaufError(f"--{action} gilt für alle Übungen; lassen Sie „{number}“ weg.")
            return practice.check_all() if action == "alle" else practice.show_list()
        exercise = practice.choose(number)
        if exercise is None:
            return practice.all_done()
        actions = {
            None: practice.check,
            "tipp": practice.hint,
            "loesung": practice.solution,
            "neu": practice.reset,
            "beobachte": practice.watch,
        }
        return actions[action](exercise)
    except OSError as error:
        raise DauerlaufError(f"„{error.filename or folder}“ lässt sich nicht benutzen: {error.strerror}.") from error
