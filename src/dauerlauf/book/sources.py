"""Benannte Abschnitte getesteter Dateien: finden, von Marken befreien, einrücken."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from dauerlauf.errors import DauerlaufError

FOLDERS = ("examples", "notebooks", "src", "tests")
CHAPTER = re.compile(r"kapitel\d\d")
MARKER = re.compile(r"^(?P<indent>\s*)(?:#|//|--|<!--)\s*--8<--\s*\[(?P<edge>start|end):(?P<name>[^\]]*)\]")
NAME = re.compile(r"[a-z][-_0-9a-z]*")
TOKEN = re.compile(r"\s*(?:#|//)\s*\((?:(?P<number>\d+)|!(?P<mark>[-_a-z0-9]*))\)\s*$")
LEADER = {".sql": "--", ".ts": "//", ".js": "//"}


@dataclass(frozen=True)
class Line:
    """Eine gezeigte Zeile und ihre Marken: ``marks`` enthält "" für ``# (!)`` und den Namen für ``# (!name)``."""

    text: str
    marks: frozenset[str] = frozenset()
    number: int | None = None


@dataclass(frozen=True)
class Excerpt:
    """Ein Ausschnitt: ``file`` vom Projektverzeichnis aus, ``shown`` wie auf der Seite, ``lines`` ohne Marken."""

    file: PurePosixPath
    shown: str
    section: str | None
    lines: tuple[Line, ...]


def locate(root: Path, path: str) -> Path:
    """Findet die Datei zu einem Pfad der Seiten: ab dem Kapitelpaket oder ab dem Projektverzeichnis.

    DauerlaufError, wenn es sie nicht gibt oder sie außerhalb der gezeigten Verzeichnisse liegt.
    """
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or len(pure.parts) < 2:
        raise DauerlaufError(f"„{path}“ ist kein Pfad im Projekt.")
    first = pure.parts[0]
    if CHAPTER.fullmatch(first):
        file = root / "examples" / first / pure
    elif first in FOLDERS:
        file = root / pure
    else:
        raise DauerlaufError(f"„{path}“ beginnt weder mit einem Kapitel noch mit {', '.join(FOLDERS)}.")
    if not file.is_file():
        raise DauerlaufError(f"Die Datei {file.relative_to(root)} gibt es nicht.")
    return file


def excerpt(root: Path, reference: str) -> Excerpt:
    """Liest ``pfad#abschnitt`` (oder ``pfad`` für die ganze Datei), gemeinsam nach links gerückt.

    DauerlaufError bei fehlender Datei, fehlendem, leerem oder nicht geschlossenem Abschnitt.
    """
    path, _, section = reference.partition("#")
    file = locate(root, path)
    parts = _parts(file, section or None)
    parts = [trimmed for part in parts if (trimmed := _trim(part))]
    if not parts:
        raise DauerlaufError(f"In {path} ist der Abschnitt „{section}“ leer." if section else f"{path} ist leer.")
    leader = LEADER.get(file.suffix, "#")
    joined: list[str] = []
    for part in parts:
        if joined:
            joined.append(f"{_indent(part[0])}{leader} …")
        joined.extend(part)
    margin = min(len(_indent(line)) for line in joined if line.strip())
    shown = path if not path.startswith("examples/") else path.partition("/")[2]
    return Excerpt(
        PurePosixPath(file.relative_to(root).as_posix()),
        shown,
        section or None,
        tuple(_line(text[margin:]) for text in joined),
    )


def _parts(file: Path, section: str | None) -> list[list[str]]:
    """Die Teile eines Abschnitts in der Reihenfolge der Datei, ohne Marken-Zeilen."""
    if section is not None and not NAME.fullmatch(section):
        raise DauerlaufError(f"„{section}“ ist kein Abschnittsname: nur a-z, 0-9, - und _.")
    parts: list[list[str]] = [[]] if section is None else []
    open_sections: list[str] = []
    for text in file.read_text(encoding="utf-8").splitlines():
        marker = MARKER.match(text)
        if marker is None:
            if section is None or section in open_sections:
                parts[-1].append(text)
        elif marker["edge"] == "start":
            if marker["name"] in open_sections:
                raise DauerlaufError(f"In {file.name} beginnt „{marker['name']}“, ehe es zu Ende ist.")
            open_sections.append(marker["name"])
            if marker["name"] == section:
                parts.append([])
        elif marker["name"] in open_sections:
            open_sections.remove(marker["name"])
        else:
            raise DauerlaufError(f"In {file.name} endet der Abschnitt „{marker['name']}“, ohne zu beginnen.")
    if open_sections:
        raise DauerlaufError(f"In {file.name} endet der Abschnitt „{open_sections[-1]}“ nicht.")
    if not parts:
        raise DauerlaufError(f"In {file.name} gibt es keinen Abschnitt „{section}“.")
    return parts


def _trim(lines: list[str]) -> list[str]:
    """Ohne Leerzeilen am Anfang und am Ende."""
    full = [number for number, text in enumerate(lines) if text.strip()]
    return lines[full[0] : full[-1] + 1] if full else []


def _indent(text: str) -> str:
    return text[: len(text) - len(text.lstrip())]


def _line(text: str) -> Line:
    marks: set[str] = set()
    number: int | None = None
    while match := TOKEN.search(text):
        if match["number"]:
            number = int(match["number"])
        else:
            marks.add(match["mark"])
        text = text[: match.start()]
    return Line(text.rstrip(), frozenset(marks), number)
