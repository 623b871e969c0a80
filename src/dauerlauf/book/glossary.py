"""Das Glossar: eine Quelle für Seite, Erklärung beim ersten Vorkommen und die Prüfung verbotener Schreibweisen."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement

import yaml
from markdown import Markdown
from markdown.treeprocessors import Treeprocessor
from markdown.util import AtomicString

from dauerlauf.book.page import PageContext, slug
from dauerlauf.errors import DauerlaufError

if TYPE_CHECKING:
    from dauerlauf.book.directives import Directive

FIELDS = {"begriff", "artikel", "mehrzahl", "api", "bedeutung", "formen", "suche", "verboten", "erklaeren"}
# In diesen Elementen bleibt der Text, wie er ist: Überschriften, Code, Verweise, Bilder, Titel von Call-outs.
SKIPPED = {"h1", "h2", "h3", "h4", "h5", "h6", "code", "pre", "a", "figure", "summary", "kbd", "samp", "th", "abbr"}
SKIPPED_CLASSES = {"admonition-title", "kein-glossar", "katalog", "dl-frage"}


@dataclass(frozen=True)
class Term:
    """Ein Eintrag; ``forms`` gelten auf den Seiten als dieser Begriff, ``search`` führt nur in der Suche zu ihm."""

    name: str
    article: str
    plural: str
    api: str
    meaning: str
    forms: tuple[str, ...]
    search: tuple[str, ...]
    forbidden: tuple[str, ...]
    explained: bool

    @property
    def anchor(self) -> str:
        """Der Anker auf der Glossarseite."""
        return slug(self.name)


def load(file: Path) -> list[Term]:
    """Liest ``book/glossar.yml``, alphabetisch. DauerlaufError bei fehlenden oder unbekannten Feldern."""
    return list(_load(file, file.stat().st_mtime_ns))


@lru_cache(maxsize=8)
def _load(file: Path, _changed: int) -> tuple[Term, ...]:
    try:
        raw = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise DauerlaufError(f"{file.name} ist kein gültiges YAML: {error}") from error
    terms = [_term(file, entry) for entry in raw]
    names = [term.name for term in terms]
    if doubled := {name for name in names if names.count(name) > 1}:
        raise DauerlaufError(f"{file.name}: „{min(doubled)}“ steht doppelt da.")
    return tuple(sorted(terms, key=lambda term: slug(term.name)))


def _term(file: Path, entry: dict[str, object]) -> Term:
    name = str(entry.get("begriff", "?"))
    if unknown := sorted(set(entry) - FIELDS):
        raise DauerlaufError(f"{file.name}: „{name}“ hat das unbekannte Feld „{unknown[0]}“.")
    if missing := [field for field in ("begriff", "artikel", "bedeutung") if not entry.get(field)]:
        raise DauerlaufError(f"{file.name}: „{name}“ fehlt das Feld „{missing[0]}“.")
    plural = str(entry.get("mehrzahl") or "")
    forms = (name, *([plural] if plural else []), *_texts(entry, "formen"))
    return Term(
        name=name,
        article=str(entry["artikel"]),
        plural=plural,
        api=str(entry.get("api") or ""),
        meaning=str(entry["bedeutung"]).strip(),
        forms=tuple(dict.fromkeys(forms)),
        search=tuple(_texts(entry, "suche")),
        forbidden=tuple(_texts(entry, "verboten")),
        explained=bool(entry.get("erklaeren", True)),
    )


def _texts(entry: dict[str, object], field: str) -> list[str]:
    value = entry.get(field) or []
    if not isinstance(value, list):
        raise DauerlaufError(f"Im Glossar muss „{field}“ bei „{entry.get('begriff')}“ eine Liste sein.")
    return [str(item) for item in value]


def build(context: PageContext, directive: Directive) -> Element:
    """Baut die Glossarseite; auf ihr gibt es keine Erklärungen beim ersten Vorkommen."""
    directive.allow(words=range(1))
    context.tooltips = False
    box = Element("div", {"class": "glossar"})
    for term in load(context.book / "glossar.yml"):
        # Eine Überschrift je Begriff: So führt die Suche zum Eintrag und nicht nur zur Seite.
        SubElement(box, "h2", {"id": term.anchor}).text = AtomicString(term.name)
        grammar = SubElement(box, "p", {"class": "grammatik"})
        grammar.text = AtomicString(term.article + (f", Mehrzahl: {term.plural}" if term.plural else ""))
        for number, name in enumerate(part.strip() for part in term.api.split(",") if part):
            before = ", " if number else "; in der API: "
            if number:
                grammar[-1].tail = before
            else:
                grammar.text = AtomicString(grammar.text + before)
            SubElement(grammar, "code").text = AtomicString(name)
        SubElement(box, "p").text = AtomicString(term.meaning)
        if term.forbidden:
            words = ", ".join(f"„{word}“" for word in term.forbidden)
            SubElement(box, "p", {"class": "verboten"}).text = AtomicString(f"Wir schreiben nicht {words}.")
    return box


class FirstUse(Treeprocessor):
    """Macht das erste Vorkommen jedes Begriffs zu einem Verweis ins Glossar, der seine Bedeutung im Titel trägt."""

    def __init__(self, md: Markdown, context: PageContext) -> None:
        super().__init__(md)
        self.context = context

    def run(self, root: Element) -> None:
        file = self.context.book / "glossar.yml"
        if not self.context.tooltips or not file.is_file():
            return
        by_form = {form: term for term in load(file) if term.explained for form in term.forms}
        if not by_form:
            return
        self._left = set(by_form.values())
        self._by_form = by_form
        longest_first = sorted(by_form, key=len, reverse=True)
        # Kein Bindestrich daneben: „Saga-Muster“ ist ein anderes Wort als „Saga“.
        self._pattern = re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, longest_first))})(?![\w-])")
        self._walk(root)

    def _walk(self, element: Element) -> None:
        if element.tag in SKIPPED or SKIPPED_CLASSES & set(element.get("class", "").split()):
            return
        self._replace(element, 0, element.text, before=None)
        # Von vorn nach hinten, damit wirklich das erste Vorkommen der Seite den Verweis trägt; die Liste wächst dabei.
        index = 0
        while index < len(element):
            child = element[index]
            if child.get("class") != "begriff":
                self._walk(child)
            self._replace(element, index + 1, child.tail, before=child)
            index += 1

    def _replace(self, parent: Element, position: int, text: str | None, before: Element | None) -> None:
        if not text or isinstance(text, AtomicString):
            return
        for match in self._pattern.finditer(text):
            term = self._by_form[match[0]]
            if term not in self._left:
                continue
            self._left.discard(term)
            link = Element(
                "a",
                {
                    "class": "begriff",
                    "href": self.context.link(f"glossar.md#{term.anchor}"),
                    "title": f"{term.article} {term.name}: {term.meaning}",
                },
            )
            link.text = match[0]
            link.tail = text[match.end() :]
            if before is None:
                parent.text = text[: match.start()]
            else:
                before.tail = text[: match.start()]
            parent.insert(position, link)
            return
