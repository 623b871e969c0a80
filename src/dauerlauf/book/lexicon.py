"""``::: fehlerlexikon`` und ``::: meldung``: Verzeichnis und Wortlaut der Fehlermeldungen, aus den Seitenköpfen.

Der Wortlaut steht genau einmal, im Kopf der Seite; der Test, den ``reproduziert`` nennt, vergleicht ihn mit dem, was
Temporal wirklich meldet. Ein ``…`` darin steht für Text, der von Lauf zu Lauf wechselt.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element, SubElement

from markdown.util import AtomicString

from dauerlauf.book.catalogue import tested_with
from dauerlauf.book.page import PageContext, PageError, front_matter, rank
from dauerlauf.book.proof import find_test
from dauerlauf.errors import DauerlaufError

if TYPE_CHECKING:
    from dauerlauf.book.directives import Directive

FOLDER = "fehler"
FIELDS = ("title", "meldungen", "ursache", "reproduziert", "repariert")
FILTER = {"data-mehrzahl": "Meldungen", "data-leer": "Keine Meldung enthält alle diese Wörter."}
COLUMNS = ("Meldung", "Eintrag", "Ursache")


@dataclass(frozen=True)
class Message:
    """Eine Meldung im Wortlaut und die Orte, an denen sie steht."""

    text: str
    places: str

    def matches(self, actual: str) -> bool:
        """Ob `actual` diese Meldung ist; ``…`` passt auf beliebigen Text."""
        return re.fullmatch(".*".join(map(re.escape, self.text.split("…"))), actual, re.DOTALL) is not None


@dataclass(frozen=True)
class ErrorEntry:
    """Ein Eintrag des Lexikons; ``page`` ist die Seite von ``book/`` aus."""

    page: str
    title: str
    messages: tuple[Message, ...]
    cause: str
    reproduced_by: str
    repaired_by: str
    rank: int

    @property
    def slug(self) -> str:
        """Der Name der Seite ohne Endung."""
        return Path(self.page).stem


def entries(root: Path) -> list[ErrorEntry]:
    """Alle Einträge unter ``book/fehler/`` nach Rang. PageError bei einem unvollständigen Kopf."""
    pages = [page for page in sorted((root / "book" / FOLDER).glob("*.md")) if page.name != "index.md"]
    return sorted((_entry(root, page) for page in pages), key=lambda entry: (entry.rank, entry.title.casefold()))


def _entry(root: Path, page: Path) -> ErrorEntry:
    where = f"{page.relative_to(root)}:1"
    head = front_matter(page)
    if missing := [name for name in FIELDS if not head.get(name)]:
        raise PageError(f"{where}: Im Kopf des Eintrags fehlt „{missing[0]}“.")
    for field in ("reproduziert", "repariert"):
        try:
            find_test(root, str(head[field]))
        except DauerlaufError as error:
            raise PageError(f"{where}: {error}") from error
    return ErrorEntry(
        page=page.relative_to(root / "book").as_posix(),
        title=str(head["title"]),
        messages=_messages(where, head["meldungen"]),
        cause=str(head["ursache"]),
        reproduced_by=str(head["reproduziert"]),
        repaired_by=str(head["repariert"]),
        rank=rank(head),
    )


def _messages(where: str, raw: Any) -> tuple[Message, ...]:
    listed = raw if isinstance(raw, list) else [raw]
    if not all(isinstance(one, dict) and one.get("text") and one.get("ort") for one in listed):
        raise PageError(f"{where}: „meldungen“ ist eine Liste, jede Meldung mit „text“ und „ort“.")
    return tuple(Message(str(one["text"]).strip(), str(one["ort"])) for one in listed)


def build(context: PageContext, directive: Directive) -> Element:
    """Baut das Verzeichnis: eine Zeile je Meldung; das Skript ``katalog.js`` setzt die Suche davor."""
    directive.allow(words=range(1))
    found = entries(context.root)
    box = Element("div", {"class": "katalog", "id": "fehler-verzeichnis", **FILTER})
    table = SubElement(box, "table")
    count = sum(len(entry.messages) for entry in found)
    SubElement(table, "caption").text = f"{count} Meldungen in {len(found)} Einträgen, geprüft mit {tested_with()}"
    head = SubElement(SubElement(table, "thead"), "tr")
    for column in COLUMNS:
        SubElement(head, "th", {"scope": "col"}).text = column
    body = SubElement(table, "tbody")
    for entry in found:
        for message in entry.messages:
            row = SubElement(body, "tr")
            wording = SubElement(row, "td", {"data-spalte": "Meldung"})
            SubElement(wording, "samp").text = AtomicString(message.text)
            title = SubElement(row, "th", {"scope": "row"})
            SubElement(title, "a", {"href": context.link(entry.page)}).text = entry.title
            SubElement(row, "td", {"data-spalte": "Ursache"}).text = entry.cause
    return box


def build_message(context: PageContext, directive: Directive) -> Element:
    """Zeigt die Meldungen eines Eintrags im Wortlaut, jede mit dem Ort, an dem sie steht."""
    directive.allow(words=range(1, 2))
    [name] = directive.words
    known = {entry.slug: entry for entry in entries(context.root)}
    if name not in known:
        raise DauerlaufError(f"Den Eintrag „{name}“ gibt es im Fehlerlexikon nicht; es gibt {', '.join(known)}.")
    box = Element("div", {"class": "meldungen"})
    for message in known[name].messages:
        figure = SubElement(box, "figure", {"class": "meldung"})
        SubElement(figure, "figcaption").text = message.places
        SubElement(SubElement(figure, "div"), "samp").text = AtomicString(message.text)
    return box
