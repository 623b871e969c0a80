"""Die Vollständigkeit des Buchs: was fehlt einem Muster, einer Seite, einem Notebook?"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dauerlauf.errors import DauerlaufError
from dauerlauf.exercises import authoring
from dauerlauf.exercises.definition import project_exercises
from dauerlauf.recorder import crash_files, orphans
from dauerlauf.scenario import Pattern

_HEADING = re.compile(r"^#{1,6} .*$", re.MULTILINE)
_ANCHOR = re.compile(r"\{[^}]*#[a-z0-9][a-z0-9-]*[^}]*\}\s*$")
_TYPED_CODE = re.compile(r"^\s*(?:```|~~~)+\s*\{?\.?(?:python|py)\b", re.MULTILINE)
_FENCED = re.compile(r"^ *(```+|~~~+)[^\n]*\n.*?^ *\1\s*$", re.MULTILINE | re.DOTALL)
_WORKBENCH_IMPORT = re.compile(r"^\s*(?:from|import)\s+dauerlauf\b", re.MULTILINE)
_WITH_WORKBENCH = "scenarios.py"


@dataclass(frozen=True)
class Finding:
    """Ein Mangel: wo er liegt und was fehlt."""

    place: str
    text: str


def project_root(start: Path) -> Path:
    """Der Projektordner, gesucht von `start` aufwärts; wirft `DauerlaufError`, wenn keiner darüber liegt."""
    for folder in (start, *start.parents):
        if (folder / "mkdocs.yml").is_file() and (folder / "src" / "dauerlauf").is_dir():
            return folder
    raise DauerlaufError("Hier liegt kein Dauerlauf-Projekt; wechseln Sie in den Ordner mit der Datei mkdocs.yml.")


def check(root: Path, patterns: Iterable[Pattern]) -> Iterator[Finding]:
    """Alle Mängel im Projekt `root`: unvollständige Muster, getippte Listings, Notebooks, Anker, Fragen."""
    known = list(patterns)
    for pattern in known:
        yield from _pattern(root, pattern)
    for file in orphans(known):
        yield Finding(str(file.relative_to(root)), "Zu dieser History gibt es kein Szenario mehr.")
    for exercise, text in authoring.missing(project_exercises(root), (pattern.name for pattern in known)):
        yield Finding(f"Übung {exercise.number}", text)
    for page in sorted(root.glob("book/**/*.md")):
        yield from _page(page, str(page.relative_to(root)))
    for notebook in sorted(root.glob("notebooks/*.ipynb")):
        for cell in _cells(notebook):
            if cell.get("outputs") or cell.get("execution_count"):
                yield Finding(str(notebook.relative_to(root)), "Das Notebook enthält gespeicherte Ausgaben.")
                break
    for place, text in _questions(root):
        yield Finding(place, text)
    for code in sorted(root.glob("examples/*/kapitel*/**/*.py")):
        if code.name != _WITH_WORKBENCH and _WORKBENCH_IMPORT.search(code.read_text(encoding="utf-8")):
            yield Finding(str(code.relative_to(root)), "Code eines Kapitels importiert die Werkbank.")


def _questions(root: Path) -> Iterable[tuple[str, str]]:
    try:
        from dauerlauf.book import truth
    except ImportError as error:
        raise DauerlaufError(
            "Die Werkzeuge des Buchs fehlen; `uv run --group book dauerlauf pruefe` holt sie."
        ) from error
    return truth.findings(root)


def _pattern(root: Path, pattern: Pattern) -> Iterator[Finding]:
    chapter = f"kapitel{pattern.chapter:02d}"
    place = f"Muster {pattern.name}"
    if not pattern.scenarios:
        yield Finding(place, "Es fehlt ein Szenario.")
        return
    for name, scenario in pattern.scenarios.items():
        if not pattern.history_file(name).is_file():
            yield Finding(place, f"Zum Szenario „{name}“ fehlt die History; `dauerlauf zeichne-auf {pattern.name}`.")
            continue
        for file, point in crash_files(scenario).items():
            if not file.is_file():
                text = f"Zum Szenario „{name}“ fehlt der Absturz „{point.label}“"
                yield Finding(place, f"{text}; `dauerlauf zeichne-auf {pattern.name}`.")
    test = root / "tests" / chapter / f"test_{pattern.name}.py"
    if not test.is_file():
        yield Finding(place, f"Es fehlt der Test {test.relative_to(root)}.")
    page_name = f"{pattern.name.replace('_', '-')}.md"
    page = next(root.glob(f"book/teil*/{chapter}/{page_name}"), None)
    if page is None:
        yield Finding(place, f"Es fehlt die Seite book/teil…/{chapter}/{page_name}.")
    elif f"::: spieler {pattern.name}/" not in page.read_text(encoding="utf-8"):
        yield Finding(place, "Seiner Seite fehlt ein Lauf zum Durchgehen (`::: spieler`).")
    notebook = root / "notebooks" / f"{chapter}.ipynb"
    sections = [tag for cell in _cells(notebook) for tag in cell.get("metadata", {}).get("tags", [])]
    if pattern.name not in sections:
        yield Finding(place, f"Es fehlt ein Abschnitt mit dem Tag „{pattern.name}“ in notebooks/{chapter}.ipynb.")


def _cells(notebook: Path) -> list[dict[str, Any]]:
    if not notebook.is_file():
        return []
    cells: list[dict[str, Any]] = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return cells


def _page(page: Path, place: str) -> Iterator[Finding]:
    text = page.read_text(encoding="utf-8")
    if _TYPED_CODE.search(text):
        yield Finding(place, "Ein Python-Listing ist getippt statt aus einer getesteten Datei eingefügt.")
    headings = _HEADING.findall(_FENCED.sub("", text))
    if not headings:
        yield Finding(place, "Die Seite hat keine Überschrift mit Anker.")
    for heading in headings:
        if not _ANCHOR.search(heading):
            yield Finding(place, f"Die Überschrift „{heading.lstrip('# ')}“ hat keinen Anker {{ #… }}.")
