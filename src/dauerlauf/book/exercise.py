"""``::: aufgabe``: eine Übung mit Befehl, Tipps und Lösung zum Aufklappen; ``::: aufgaben``: alle in einer Tabelle."""

from __future__ import annotations

import re
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement

from dauerlauf.book.listing import code_html
from dauerlauf.book.page import PageContext
from dauerlauf.book.terminal import shown_command
from dauerlauf.errors import DauerlaufError
from dauerlauf.exercises.checks import load_checks
from dauerlauf.exercises.definition import RUNGS, Exercise, find, project_exercises

if TYPE_CHECKING:
    from dauerlauf.book.directives import Directive

# Was das Skript ``katalog.js`` wissen muss, wie beim Katalog der Muster.
FILTER = {
    "data-filter": "stufe kapitel",
    "data-mehrzahl": "Übungen",
    "data-leer": "Keine Übung passt zu dieser Auswahl.",
}
COLUMNS = ("Nummer", "Übung", "Stufe", "Ziel")
_PLACE = re.compile(r"^::: aufgabe (\S+)$", re.MULTILINE)


def build(context: PageContext, directive: Directive) -> Element:
    """Baut den Kasten; DauerlaufError, wenn es die Übung nicht gibt oder ihr Prüfungen fehlen."""
    directive.allow(words=range(1, 2))
    exercise = find(directive.words[0], project_exercises(context.root))
    box = Element("div", {"class": "admonition aufgabe", "id": _anchor(exercise)})
    title = SubElement(box, "p", {"class": "admonition-title"})
    kind = SubElement(title, "span", {"class": "art"})
    kind.text = f"Übung {exercise.number}"
    kind.tail = f" {exercise.title} "
    SubElement(title, "span", {"class": "sprosse"}).text = RUNGS.get(exercise.rung, exercise.rung)
    goal = SubElement(box, "p")
    SubElement(goal, "strong").text = "Ziel:"
    goal[0].tail = f" {exercise.goal}"
    context.md.parser.parseChunk(box, exercise.text)
    command = escape(shown_command(f"dauerlauf uebe {exercise.number}"))
    terminal = f'<div class="terminal"><div class="befehl"><pre><code>{command}</code></pre></div></div>'
    SubElement(box, "p").text = context.md.htmlStash.store(terminal)
    for number, hint in enumerate(exercise.hints, start=1):
        context.md.parser.parseChunk(_folded(box, f"Tipp {number}"), hint)
    solution = _folded(box, "Lösung")
    given = load_checks(exercise).given
    for name in exercise.files:
        if name not in given:
            path = SubElement(SubElement(solution, "p", {"class": "dateiname"}), "code")
            path.text = name
            code = (exercise.solution / name).read_text(encoding="utf-8")
            SubElement(solution, "p").text = context.md.htmlStash.store(code_html(code, name))
    context.md.parser.parseChunk(solution, exercise.why)
    return box


def _folded(box: Element, summary: str) -> Element:
    details = SubElement(box, "details", {"class": "quelltext"})
    SubElement(details, "summary").text = summary
    return details


def build_list(context: PageContext, directive: Directive) -> Element:
    """Baut die Tabelle aller Übungen; DauerlaufError, wenn eine auf keiner Seite steht."""
    directive.allow(words=range(1))
    pages = places(context.root)
    found = project_exercises(context.root)
    box = Element("div", {"class": "katalog", "id": "uebungen-verzeichnis", **FILTER})
    table = SubElement(box, "table")
    SubElement(table, "caption").text = f"{len(found)} Übungen"
    head = SubElement(SubElement(table, "thead"), "tr")
    for column in COLUMNS:
        SubElement(head, "th", {"scope": "col"}).text = column
    body = SubElement(table, "tbody")
    for exercise in found:
        if exercise.number not in pages:
            raise DauerlaufError(f"Die Übung {exercise.number} steht auf keiner Seite.")
        rung = RUNGS[exercise.rung]
        row = SubElement(body, "tr", {"data-stufe": rung, "data-kapitel": str(exercise.chapter)})
        SubElement(row, "td", {"data-spalte": "Nummer"}).text = exercise.number
        title = SubElement(row, "th", {"scope": "row"})
        target = f"{pages[exercise.number]}#{_anchor(exercise)}"
        SubElement(title, "a", {"href": context.link(target)}).text = exercise.title
        SubElement(row, "td", {"data-spalte": "Stufe"}).text = rung
        SubElement(row, "td", {"data-spalte": "Ziel"}).text = exercise.goal
    return box


def places(root: Path) -> dict[str, str]:
    """Zu jeder Nummer die Seite, von ``book/`` aus, auf der ``::: aufgabe`` sie zeigt."""
    book = root / "book"
    return {
        number: page.relative_to(book).as_posix()
        for page in sorted(book.rglob("*.md"))
        for number in _PLACE.findall(page.read_text(encoding="utf-8"))
    }


def _anchor(exercise: Exercise) -> str:
    return f"aufgabe-{exercise.number.replace('.', '-')}"
