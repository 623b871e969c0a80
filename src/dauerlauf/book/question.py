"""``::: frage`` und ``::: wiederholung``: Fragen mit Rückmeldung; ohne Skript Frage und aufklappbare Antwort."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement

from markdown.util import AtomicString
from pygments import highlight  # type: ignore[import-untyped]
from pygments.formatters import HtmlFormatter  # type: ignore[import-untyped]
from pygments.lexers import PythonLexer  # type: ignore[import-untyped]

from dauerlauf.book import questions
from dauerlauf.book.page import PageContext
from dauerlauf.book.questions import Question
from dauerlauf.errors import DauerlaufError

if TYPE_CHECKING:
    from dauerlauf.book.directives import Directive

SCRIPT = "js/fragen.js"
STYLE = "css/fragen.css"
CHAPTER = re.compile(r"kapitel(\d\d)")
ROLES = {"ordnen": "Reihenfolge", "zeilen": "Fundstelle"}
HOW = {
    "mehrere": "Mehrere Antworten können stimmen.",
    "ordnen": "Bringen Sie die Schritte in die richtige Reihenfolge. Was nicht dazugehört, kommt unter den Strich.",
}


def build(context: PageContext, directive: Directive) -> Element:
    """Baut eine Frage; DauerlaufError, wenn es sie nicht gibt oder sie schon auf der Seite steht."""
    directive.allow(words=range(1, 2))
    found = questions.find(context.root, directive.words[0])
    box = Element("div")
    _assets(context, box)
    _question(context, box, found, ROLES.get(found.kind, "Vorhersage"))
    return box


def build_review(context: PageContext, directive: Directive) -> Element:
    """Baut drei Fragen aus früheren Kapiteln; DauerlaufError auf Seiten, die zu keinem Kapitel gehören."""
    directive.allow(words=range(1))
    chapter = CHAPTER.fullmatch(context.path.parent.name) if context.path else None
    if chapter is None:
        raise DauerlaufError("„::: wiederholung“ gehört auf die Seite eines Kapitels.")
    box = Element("div")
    _assets(context, box)
    for drawn in questions.draw(context.root, int(chapter[1])):
        _question(context, box, drawn, f"Aus Kapitel {drawn.chapter}")
    return box


def _assets(context: PageContext, box: Element) -> None:
    """Stylesheet und Skript, einmal je Seite und nur auf Seiten mit Fragen; warum so, steht beim Spieler."""
    if context.first("fragen"):
        SubElement(box, "p").text = context.md.htmlStash.store(
            f'<div><link rel="stylesheet" href="{context.asset(STYLE)}">'
            f'<script src="{context.asset(SCRIPT)}" defer></script></div>'
        )


def _question(context: PageContext, box: Element, question: Question, role: str) -> None:
    name = f"frage-{question.id}"
    if not context.first(name):
        raise DauerlaufError(f"Die Frage „{question.id}“ steht schon auf dieser Seite.")
    right = " ".join(str(number) for number, option in enumerate(question.options, start=1) if option.right)
    form = SubElement(box, "form", {"class": "dl-frage", "id": name, "data-art": question.kind, "data-richtig": right})
    if question.kind == "zahl":
        form.set("data-zahl", question.options[0].text)
    fieldset = SubElement(form, "fieldset")
    legend = SubElement(fieldset, "legend")
    SubElement(legend, "span", {"class": "dl-rolle"}).text = role
    SubElement(legend, "span", {"class": "dl-text"}).text = question.text
    if question.kind in HOW:
        SubElement(fieldset, "p", {"class": "dl-wie", "data-search-exclude": ""}).text = HOW[question.kind]
    control = SubElement(fieldset, "div", {"class": f"dl-{question.kind}", "data-search-exclude": ""})
    if question.kind == "zahl":
        _number(control, name, question)
    elif question.kind == "ordnen":
        _order(control, question)
    elif question.kind == "zeilen":
        control.set("class", "dl-zeilen highlight")  # „highlight“ färbt den Code wie in den Listings
        _lines(context, control, name, question)
    else:
        _choices(control, name, question)
    actions = SubElement(form, "p", {"class": "dl-tun", "hidden": "hidden"})
    # Ausgeschaltet, damit ohne Skript auch die Eingabetaste nichts abschickt.
    SubElement(actions, "button", {"type": "submit", "disabled": "disabled"}).text = "Prüfen"
    SubElement(form, "div", {"class": "dl-urteil", "role": "status"})
    _answer(context, form, question)


def _choices(control: Element, name: str, question: Question) -> None:
    kind = "radio" if question.kind == "eine" else "checkbox"
    for number, option in enumerate(question.options, start=1):
        label = SubElement(control, "label", {"class": "dl-wahl"})
        SubElement(label, "input", {"type": kind, "name": name, "value": str(number)})
        SubElement(label, "span").text = option.text


def _number(control: Element, name: str, question: Question) -> None:
    label = SubElement(control, "label", {"class": "dl-wahl"})
    SubElement(label, "span", {"class": "nur-vorgelesen"}).text = "Ihre Zahl"
    SubElement(label, "input", {"type": "number", "name": name, "step": "any", "inputmode": "decimal"})
    SubElement(label, "span").text = question.unit


def _order(control: Element, question: Question) -> None:
    # Auch ohne Skript und auf Papier lesbar: die Schritte gemischt, der Strich am Ende.
    steps = SubElement(control, "ol")
    for number, option in _shuffled(question):
        item = SubElement(steps, "li", {"data-nr": str(number)})
        SubElement(item, "span").text = option.text
    SubElement(steps, "li", {"class": "dl-strich"}).text = "Unter diesem Strich: gehört nicht dazu"


def _lines(context: PageContext, control: Element, name: str, question: Question) -> None:
    several = sum(option.right for option in question.options) > 1
    code = "\n".join(option.text for option in question.options) + "\n"
    coloured = highlight(code, PythonLexer(stripnl=False), HtmlFormatter(nowrap=True)).split("\n")
    for number in range(1, len(question.options) + 1):
        row = SubElement(control, "label", {"class": "dl-zeile"})
        kind = "checkbox" if several else "radio"
        SubElement(row, "input", {"type": kind, "name": name, "value": str(number)})
        line = context.md.htmlStash.store(f"<code>{coloured[number - 1]}</code>")
        SubElement(row, "span").text = line


def _shuffled(question: Question) -> list[tuple[int, questions.Option]]:
    """Die Schritte gemischt: bei jedem Bau gleich, nie schon in der richtigen Reihenfolge."""
    numbered = list(enumerate(question.options, start=1))
    mixed = sorted(numbered, key=lambda pair: hashlib.sha256(f"{question.id}/{pair[0]}".encode()).digest())
    places = [number for number, option in mixed if option.right]
    return mixed if places != sorted(places) else mixed[::-1]


def _answer(context: PageContext, form: Element, question: Question) -> None:
    """Antwort, Begründung und die Rückmeldungen; das Skript holt sie von hier."""
    details = SubElement(form, "details", {"class": "quelltext", "data-search-exclude": ""})
    SubElement(details, "summary").text = "Antwort und Begründung"
    if question.kind == "ordnen":
        steps = SubElement(details, "ol")
        for option in question.options:
            if option.right:
                SubElement(steps, "li").text = option.text
    else:
        _right(details, question)
    SubElement(details, "p").text = question.explanation
    items = SubElement(details, "ul", {"class": "dl-rueckmeldungen"})
    for number, option in enumerate(question.options, start=1):
        if not option.feedback:
            continue
        item = SubElement(items, "li", {"data-zu": str(number)})
        if question.kind == "zahl":
            item.set("data-zahl", option.text)
        if question.kind == "zeilen":
            SubElement(item, "code").text = AtomicString(option.text.strip())
        else:
            SubElement(item, "em").text = _written(question, option).removesuffix(question.unit).strip()
        SubElement(item, "span").text = option.feedback
    if question.otherwise:
        item = SubElement(items, "li", {"data-zu": "sonst"})
        SubElement(item, "em").text = "Sonst"
        SubElement(item, "span").text = question.otherwise
    source = SubElement(details, "p", {"class": "dl-quelle"})
    source.text = "Zum Nachlesen: "
    link = SubElement(source, "a", {"href": context.link(question.see)})
    link.text = questions.heading(context.root, question.see)
    before, code = _origin(question)
    link.tail = f". Die Antwort stammt aus {before} "
    proof = SubElement(source, "code")
    proof.text = AtomicString(code)
    proof.tail = "."


def _right(details: Element, question: Question) -> None:
    right = [option for option in question.options if option.right]
    box = SubElement(details, "p")
    for number, option in enumerate(right):
        if number:
            box[-1].tail = ", "
        if question.kind == "zeilen":
            SubElement(box, "code").text = AtomicString(option.text.strip())
        else:
            SubElement(box, "strong").text = _written(question, option)


def _written(question: Question, option: questions.Option) -> str:
    """Eine Antwort, wie sie in der Begründung steht: Zahlen mit Punkt nach den Tausendern, dazu die Einheit."""
    if question.kind != "zahl":
        return option.text
    number = f"{int(option.text):,}".replace(",", ".") if option.text.isdigit() else option.text.replace(".", ",")
    return f"{number} {question.unit}".strip()


def _origin(question: Question) -> tuple[str, str]:
    """Woher die Antwort kommt: die Aufzeichnung, der Befehl, die Datei oder der Test."""
    if "lauf" in question.source:
        return "der Aufzeichnung", question.source["lauf"]
    if "ausgabe" in question.source:
        return "der Ausgabe von", question.source["ausgabe"]
    if question.proof:
        return "dem Test", question.proof.rpartition("::")[2]
    return "der Datei", question.source["datei"].partition("#")[0]
