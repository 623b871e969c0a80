"""``::: aufgabe``: eine Übung mit Befehl, drei Tipps und der Lösung zum Aufklappen; ohne Skript."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement

from dauerlauf.book.listing import code_html
from dauerlauf.book.page import PageContext
from dauerlauf.book.terminal import shown_command
from dauerlauf.exercises.checks import load_checks
from dauerlauf.exercises.definition import RUNGS, exercises, find

if TYPE_CHECKING:
    from dauerlauf.book.directives import Directive


def build(context: PageContext, directive: Directive) -> Element:
    """Baut den Kasten; DauerlaufError, wenn es die Übung nicht gibt oder ihr Prüfungen fehlen."""
    directive.allow(words=range(1, 2))
    exercise = find(directive.words[0], exercises(sorted(context.root.glob("examples/kapitel*/"))))
    box = Element("div", {"class": "admonition aufgabe", "id": f"aufgabe-{exercise.number.replace('.', '-')}"})
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
