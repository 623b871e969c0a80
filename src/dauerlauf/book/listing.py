"""``::: listing``: ein Ausschnitt einer getesteten Datei mit Nummer, Dateiname, Bildunterschrift, Hervorhebung."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement

from pygments import highlight  # type: ignore[import-untyped]
from pygments.formatters import HtmlFormatter  # type: ignore[import-untyped]
from pygments.lexers import get_lexer_for_filename  # type: ignore[import-untyped]
from pygments.util import ClassNotFound  # type: ignore[import-untyped]

from dauerlauf.book.page import PageContext, slug
from dauerlauf.book.sources import Excerpt, excerpt
from dauerlauf.errors import DauerlaufError

if TYPE_CHECKING:
    from dauerlauf.book.directives import Directive

MAX_LINES = 25
SWITCHES = frozenset({"anmerkungen", "falsch"})


def build(context: PageContext, directive: Directive) -> Element:
    """Baut die Abbildung; DauerlaufError bei allem, was der Autor beheben muss."""
    directive.allow(words=range(1, 4), text=True, options=frozenset({"hervorheben"}))
    reference, *switches = directive.words
    if unknown := [switch for switch in switches if switch not in SWITCHES]:
        raise DauerlaufError(f"„::: listing“ kennt den Schalter „{unknown[0]}“ nicht; es gibt anmerkungen und falsch.")
    source = excerpt(context.root, reference)
    if len(source.lines) > MAX_LINES:
        raise DauerlaufError(f"Das Listing hat {len(source.lines)} Zeilen; höchstens {MAX_LINES} sind erlaubt.")
    marked = _marked(source, directive.options.get("hervorheben"))
    numbered = "anmerkungen" in switches
    notes = {index: line.number for index, line in enumerate(source.lines) if numbered and line.number}
    if numbered and (not notes or sorted(notes.values()) != list(range(1, len(notes) + 1))):
        raise DauerlaufError("„anmerkungen“ braucht im Abschnitt die Marken # (1), # (2) ... ohne Lücke.")

    label, anchor = context.label("Listing", f"listing-{slug(source.section or source.file.stem)}")
    figure = Element("figure", {"class": "listing", "id": anchor})
    caption = SubElement(figure, "figcaption")
    link = SubElement(caption, "a", {"class": "nummer", "href": f"#{anchor}"})
    link.text = label
    if "falsch" in switches:
        figure.set("class", "listing falsch")
        SubElement(caption, "strong", {"class": "urteil"}).text = "Falsch: so nicht"
    SubElement(caption, "span", {"class": "titel"}).text = directive.text
    if marked:
        lines = ", ".join(str(index + 1) for index in sorted(marked))
        SubElement(caption, "span", {"class": "nur-vorgelesen"}).text = f"Hervorgehobene Zeilen: {lines}."
    caption.append(file_name(context, source.file, source.shown))
    SubElement(figure, "p").text = context.md.htmlStash.store(_html(source, marked, notes))
    if numbered:
        figure.set("data-anmerkungen", f"{len(notes)}@{directive.line}")
    return figure


def file_name(context: PageContext, file: PurePosixPath, shown: str) -> Element:
    """Der Dateiname, als Verweis auf die Quelle, wenn deren Adresse eingestellt ist."""
    if context.source_url:
        element = Element("a", {"class": "datei", "href": f"{context.source_url.rstrip('/')}/{file}"})
    else:
        element = Element("span", {"class": "datei"})
    SubElement(element, "code").text = shown
    return element


def _marked(source: Excerpt, wanted: str | None) -> set[int]:
    if wanted == "nichts":
        return set()
    lines = {index for index, line in enumerate(source.lines) if (wanted or "") in line.marks}
    if wanted and not lines:
        raise DauerlaufError(f"Im Abschnitt trägt keine Zeile die Marke # (!{wanted}).")
    return lines


def code_html(code: str, filename: str, marked: Iterable[int] = ()) -> str:
    """Hebt die Syntax hervor; die Klassen sind die des Themas. Unbekannte Dateiarten bleiben einfarbig."""
    try:
        lexer = get_lexer_for_filename(filename, stripnl=False)
    except ClassNotFound:
        lexer = get_lexer_for_filename("x.txt", stripnl=False)
    formatter = HtmlFormatter(cssclass="highlight", wrapcode=True, hl_lines=[index + 1 for index in marked])
    return str(highlight(code, lexer, formatter))


def _html(source: Excerpt, marked: set[int], notes: dict[int, int]) -> str:
    code = "\n".join(line.text for line in source.lines) + "\n"
    lines = code_html(code, source.file.name, marked).split("\n")
    for index, number in notes.items():
        # Die Ziffer kommt aus dem Stylesheet: So wird sie weder kopiert noch mit dem Code verwechselt.
        lines[index] += f'<span class="marke" data-nr="{number}"></span>'
    return "\n".join(lines)
