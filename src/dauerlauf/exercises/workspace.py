"""Der Ordner, in dem geübt wird: eigene Dateien je Übung und der Fortschritt als lesbarer Text."""

import os
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from dauerlauf.errors import DauerlaufError
from dauerlauf.exercises.checks import load_checks
from dauerlauf.exercises.definition import Exercise

DEFAULT = Path("uebungen")
PROGRESS = "fortschritt.txt"
BACKUPS = "alt"
_HEAD = """\
# Ihr Fortschritt. Sie dürfen diese Datei ändern und Notizen hinter # ergänzen. Eine Zeile sieht so aus:
# 7.1 gelöst, 1 Tipp, 4 Versuche, Lösung gesehen
"""
_ENTRY = re.compile(r"(\d+\.\d+)\s*:?\s+(gelöst|offen)\s*(?:,(.*))?")
_CURRENT = re.compile(r"aktuell\s*:?\s+(\d+\.\d+)")


@dataclass(frozen=True)
class Progress:
    """Der Stand einer Übung."""

    solved: bool = False
    hints: int = 0
    attempts: int = 0
    saw_solution: bool = False

    def line(self, number: str) -> str:
        """Die Zeile in der Fortschrittsdatei."""
        parts = [f"{number} {'gelöst' if self.solved else 'offen'}", _count(self.hints, "Tipp", "Tipps")]
        parts.append(_count(self.attempts, "Versuch", "Versuche"))
        return ", ".join([*parts, *(["Lösung gesehen"] if self.saw_solution else [])])


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


class Workspace:
    """Der Ordner einer Person, sonst `./uebungen`. Wirft `DauerlaufError`, wenn dort eine Datei liegt."""

    def __init__(self, folder: Path) -> None:
        if folder.exists() and not folder.is_dir():
            raise DauerlaufError(f"„{folder}“ ist kein Ordner; nennen Sie mit --ordner einen anderen.")
        self.folder = folder

    @property
    def _file(self) -> Path:
        return self.folder / PROGRESS

    def _lines(self) -> list[str]:
        if not self._file.is_file():
            return []
        try:
            return self._file.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            raise DauerlaufError(
                f"{self._file} ist kein Text in UTF-8; speichern Sie die Datei so, oder benennen Sie sie um und "
                "beginnen Sie neu."
            ) from None

    def _read(self) -> tuple[dict[str, Progress], str | None]:
        found: dict[str, Progress] = {}
        current = None
        for number, line in enumerate(self._lines(), start=1):
            text = line.partition("#")[0].strip()
            if not text:
                continue
            if match := _CURRENT.fullmatch(text):
                current = match[1]
                continue
            match = _ENTRY.fullmatch(text)
            state = _parse(match[2], match[3] or "") if match else None
            if match is None or state is None:
                raise DauerlaufError(
                    f"{self._file}, Zeile {number}: „{text}“ ist nicht zu verstehen. Eine Zeile sieht so aus: "
                    "7.1 gelöst, 1 Tipp, 4 Versuche. Berichtigen Sie die Zeile, oder setzen Sie # davor."
                )
            if match[1] in found:
                raise DauerlaufError(
                    f"{self._file}, Zeile {number}: Die Übung {match[1]} steht zweimal da; streichen Sie eine Zeile."
                )
            found[match[1]] = state
        return found, current

    def progress(self) -> dict[str, Progress]:
        """Der Stand aller begonnenen Übungen; `DauerlaufError` mit der Zeile, wenn die Datei nicht zu lesen ist."""
        return self._read()[0]

    def current(self, known: Sequence[Exercise]) -> Exercise | None:
        """Die nächste offene Übung: die zuletzt bearbeitete, sonst die erste offene hinter ihr, dann von vorn."""
        states, current = self._read()
        place = next((index for index, one in enumerate(known) if one.number == current), 0)
        order = [*known[place:], *known[:place]]
        return next((one for one in order if not states.get(one.number, Progress()).solved), None)

    def update(self, exercise: Exercise, change: Callable[[Progress], Progress]) -> Progress:
        """Ändert den Stand einer Übung und merkt sie als die aktuelle; alles andere in der Datei bleibt stehen."""
        states, current = self._read()
        old = states.get(exercise.number)
        new = change(old or Progress())
        lines = self._lines() or _HEAD.splitlines()
        self._put(lines, old is not None, rf"{re.escape(exercise.number)}\b", new.line(exercise.number))
        self._put(lines, current is not None, r"aktuell\b", f"aktuell: {exercise.number}")
        self._write("\n".join(lines) + "\n")
        return new

    def record(self, exercise: Exercise, *, solved: bool) -> None:
        """Zählt einen Versuch; einmal gelöst bleibt gelöst."""
        self.update(exercise, lambda state: replace(state, attempts=state.attempts + 1, solved=state.solved or solved))

    @staticmethod
    def _put(lines: list[str], known: bool, start: str, text: str) -> None:
        """Ersetzt die Zeile, die mit `start` beginnt, oder hängt sie an; eine Notiz hinter # bleibt."""
        if not known:
            lines.append(text)
            return
        index = next(i for i, line in enumerate(lines) if re.match(rf"\s*{start}", line))
        _, sign, note = lines[index].partition("#")
        lines[index] = f"{text}  #{note}" if sign else text

    def _write(self, text: str) -> None:
        """Schreibt erst daneben und tauscht dann: Ein Abbruch lässt den alten Stand stehen."""
        beside = self._file.with_name(f".{PROGRESS}.{os.getpid()}")
        with beside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._file)

    def place(self, exercise: Exercise) -> Path:
        """Der Ordner einer Übung; auch unter einem alten Namen, solange er mit der Nummer beginnt."""
        named = self.folder / exercise.name
        older = sorted(self.folder.glob(f"{exercise.number}-*/"))
        return older[0] if older and not named.is_dir() else named

    def prepare(self, exercise: Exercise) -> bool:
        """Legt den Ordner der Übung an; `False`, wenn es ihn schon gibt."""
        target = self.place(exercise)
        if target.is_dir():
            return False
        target.mkdir(parents=True)
        for file in exercise.start.glob("*"):
            if file.is_file():
                shutil.copyfile(file, target / file.name)
        (target / "aufgabe.md").write_text(description(exercise), encoding="utf-8")
        return True

    def reset(self, exercise: Exercise) -> Path | None:
        """Beginnt die Übung von vorn; gibt den Ordner zurück, in dem die bisherigen Dateien jetzt liegen."""
        place = self.place(exercise)
        backup = None
        if place.is_dir():
            backups = self.folder / BACKUPS
            backups.mkdir(exist_ok=True)
            free = (backups / f"{exercise.name}-{number}" for number in count(1))
            backup = next(path for path in free if not path.exists())
            place.rename(backup)
        self.prepare(exercise)
        self.update(exercise, lambda state: replace(state, solved=False))
        return backup

    def own_files(self, exercise: Exercise) -> list[Path]:
        """Die Dateien, die zu ändern sind: ohne die vorgegebenen."""
        given = load_checks(exercise).given
        return [self.place(exercise) / name for name in exercise.files if name not in given]


def _parse(state: str, rest: str) -> Progress | None:
    found = Progress(solved=state == "gelöst")
    for part in filter(None, (one.strip() for one in rest.split(","))):
        if match := re.fullmatch(r"(\d+) Tipps?", part):
            found = replace(found, hints=int(match[1]))
        elif match := re.fullmatch(r"(\d+) Versuche?", part):
            found = replace(found, attempts=int(match[1]))
        elif part == "Lösung gesehen":
            found = replace(found, saw_solution=True)
        else:
            return None
    return found


def description(exercise: Exercise) -> str:
    """Die Aufgabe als Text, ohne Tipps."""
    return f"# {exercise.number} {exercise.title}\n\nZiel: {exercise.goal}\n\n{exercise.text}\n"
