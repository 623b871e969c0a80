"""Welche Seite gerade entsteht: Datei, Zeile, Kopf, Zähler. Das Einzige, was die Bau-Werkzeuge unterscheidet."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from os import path as ospath
from pathlib import Path
from typing import Any

import yaml
from markdown import Markdown

from dauerlauf.errors import DauerlaufError

FRONT_MATTER = re.compile(r"\A---\n(.*?\n)---\n", re.DOTALL)
SLUG = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})


class PageError(DauerlaufError):
    """Ein Fehler in einer Buchseite; die Meldung beginnt mit Datei und Zeile."""


def slug(text: str) -> str:
    """Macht aus einem Text einen ASCII-Anker: ``Größe & Maß`` wird ``groesse-mass``."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower().translate(SLUG)).strip("-")


def front_matter(path: Path) -> dict[str, Any]:
    """Liest den YAML-Kopf einer Seite; ohne Kopf ein leeres Wörterbuch. Ungültiges YAML: PageError."""
    return dict(_front_matter(path, path.stat().st_mtime_ns))


def rank(head: Mapping[str, Any]) -> int:
    """Die Stelle einer Seite in ihrem Ordner laut Kopf (``rang``); ohne Angabe hinter allen mit Angabe."""
    return int(head.get("rang", 1000))


@lru_cache(maxsize=1024)
def _front_matter(path: Path, _changed: int) -> dict[str, Any]:
    match = FRONT_MATTER.match(path.read_text(encoding="utf-8"))
    if not match:
        return {}
    try:
        return dict(yaml.safe_load(match[1]) or {})
    except (yaml.YAMLError, ValueError, TypeError) as error:
        raise PageError(f"{path}:1: Der Kopf der Seite ist kein gültiges YAML: {error}") from error


class PageContext:
    """Was die Bausteine über die Seite wissen, die gerade umgewandelt wird.

    MkDocs und Zensical sagen einer Erweiterung nicht auf demselben Weg, an welcher Seite sie arbeitet: MkDocs hängt
    seinen Verweis-Prüfer ``relpath`` ein, Zensical einen Vorverarbeiter ``rendering_context``. Mehr als diese
    beiden Stellen weiß der Rest des Codes nicht vom Werkzeug.
    """

    def __init__(self, md: Markdown, root: str, source_url: str) -> None:
        self.md = md
        self.source_url = source_url
        self._root = Path(root).resolve() if root else None
        self.reset()

    def reset(self) -> None:
        """Beginnt eine neue Seite: alle Zähler auf null."""
        self.labels: dict[str, str] = {}
        self._counts: dict[str, int] = {}
        self._seen: dict[str, int] = {}
        self.tooltips = True
        self._done: set[str] = set()

    @property
    def root(self) -> Path:
        """Das Projektverzeichnis: das nächste Verzeichnis mit mkdocs.yml, vom Arbeitsverzeichnis aufwärts."""
        if self._root is None:
            here = Path.cwd()
            for folder in (here, *here.parents):
                if (folder / "mkdocs.yml").is_file():
                    self._root = folder
                    break
            else:
                raise DauerlaufError(f"Über {here} liegt keine mkdocs.yml; bauen Sie im Projektverzeichnis.")
        return self._root

    @property
    def book(self) -> Path:
        """Das Verzeichnis der Seiten."""
        return self.root / "book"

    @property
    def path(self) -> Path | None:
        """Die Datei der Seite; None, wenn Markdown ohne Bau-Werkzeug umgewandelt wird (in Tests)."""
        if "relpath" in self.md.treeprocessors:
            return Path(self.md.treeprocessors["relpath"].file.abs_src_path)  # type: ignore[attr-defined]
        if "rendering_context" in self.md.preprocessors:
            page: str = self.md.preprocessors["rendering_context"].page.path  # type: ignore[attr-defined]
            return self.book / page
        return None

    @property
    def name(self) -> str:
        """Der Dateiname der Seite für Meldungen, vom Projektverzeichnis aus."""
        path = self.path
        if path is None:
            return "Seite"
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else str(path)

    def first(self, what: str) -> bool:
        """Ob die Seite das zum ersten Mal braucht, etwa das CSS der Bilder."""
        known = what in self._done
        self._done.add(what)
        return not known

    def link(self, target: str) -> str:
        """Der Verweis von dieser Seite auf ``target`` (von ``book/`` aus, etwa ``glossar.md#saga``)."""
        folder = self.path.parent if self.path else self.book
        name, _, anchor = target.partition("#")
        relative = Path(ospath.relpath(self.book / name, folder)).as_posix()
        return f"{relative}#{anchor}" if anchor else relative

    def line_of(self, line: str) -> int:
        """Die Zeilennummer der nächsten noch nicht gemeldeten Zeile mit diesem Inhalt in der Seitendatei (ab 1)."""
        wanted = line.strip()
        nth = self._seen[wanted] = self._seen.get(wanted, 0) + 1
        for number, text in self._lines():
            if text.strip() == wanted:
                nth -= 1
                if nth == 0:
                    return number
        return 0

    def _lines(self) -> Iterator[tuple[int, str]]:
        if self.path and self.path.is_file():
            yield from enumerate(self.path.read_text(encoding="utf-8").splitlines(), start=1)

    def error(self, line: int, message: str) -> PageError:
        """Ein Fehler dieser Seite, fertig zum Auslösen."""
        return PageError(f"{self.name}:{line}: {message}")

    def label(self, kind: str, anchor: str) -> tuple[str, str]:
        """Nächste Nummer einer Sorte (Listing, Bild) und ein auf der Seite freier Anker: ("Listing 3", "listing-x")."""
        self._counts[kind] = self._counts.get(kind, 0) + 1
        free, copy = anchor, 1
        while free in self.labels:
            copy += 1
            free = f"{anchor}-{copy}"
        self.labels[free] = f"{kind} {self._counts[kind]}"
        return self.labels[free], free
