"""Direktiven erkennen, zerlegen, an ihr Modul geben; danach Verweise und Anmerkungen der Bilder vollenden."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

from markdown import Markdown
from markdown.blockparser import BlockParser
from markdown.blockprocessors import BlockProcessor
from markdown.treeprocessors import Treeprocessor

from dauerlauf.book import catalogue, comparison, exercise, glossary, lexicon, listing, player, proof, question, run
from dauerlauf.book.page import PageContext, PageError
from dauerlauf.errors import DauerlaufError

LINE = re.compile(r"^::: *(?P<rest>.*)$", re.MULTILINE)
TOKEN = re.compile(r'\s*(?:(?P<key>[a-z]+)=)?(?:"(?P<text>(?:[^"\\]|\\.)*)"|(?P<word>[^\s"=]+))(?=\s|$)')


@dataclass(frozen=True)
class Directive:
    """Eine zerlegte Direktive: ``::: name wort wort "Text" schlüssel="Wert"``."""

    name: str
    words: tuple[str, ...] = ()
    text: str | None = None
    options: dict[str, str] = field(default_factory=dict)
    line: int = 0

    def allow(self, *, words: range, text: bool = False, options: frozenset[str] = frozenset()) -> None:
        """Prüft die Form; DauerlaufError, wenn etwas fehlt, zu viel ist oder unbekannt."""
        if len(self.words) not in words:
            raise DauerlaufError(f"„::: {self.name}“ hat {len(self.words)} Ziele oder Schalter: {self.words}.")
        if text and not self.text:
            raise DauerlaufError(f"„::: {self.name}“ braucht einen Text in Anführungszeichen.")
        if not text and self.text is not None:
            raise DauerlaufError(f"„::: {self.name}“ nimmt keinen Text.")
        if unknown := sorted(set(self.options) - options):
            raise DauerlaufError(f"„::: {self.name}“ kennt die Option „{unknown[0]}“ nicht.")


def parse(line: str, number: int = 0) -> Directive:
    """Zerlegt eine Zeile, die mit ``:::`` beginnt. DauerlaufError bei falscher Form."""
    rest = line.strip().removeprefix(":::").strip()
    name, _, rest = rest.partition(" ")
    words: list[str] = []
    texts: list[str] = []
    options: dict[str, str] = {}
    position = 0
    while rest[position:].strip():
        match = TOKEN.match(rest, position)
        if not match:
            raise DauerlaufError(f"Die Direktive ist ab „{rest[position:].strip()}“ nicht lesbar.")
        position = match.end()
        value = match["word"] if match["text"] is None else re.sub(r"\\(.)", r"\1", match["text"])
        if match["key"]:
            if match["key"] in options:
                raise DauerlaufError(f"Die Option „{match['key']}“ steht doppelt da.")
            options[match["key"]] = value
        elif match["text"] is None:
            words.append(value)
        else:
            texts.append(value)
    if len(texts) > 1:
        raise DauerlaufError("Eine Direktive hat höchstens einen Text ohne Schlüssel.")
    return Directive(name, tuple(words), texts[0] if texts else None, options, number)


Builder = Callable[[PageContext, Directive], Element]

BUILDERS: dict[str, Builder] = {
    "aufgabe": exercise.build,
    "aufgaben": exercise.build_list,
    "listing": listing.build,
    "lauf": run.build,
    "spieler": player.build,
    "kosten": run.costs,
    "beweis": proof.build,
    "katalog": catalogue.build,
    "fehlerlexikon": lexicon.build,
    "frage": question.build,
    "glossar": glossary.build,
    "meldung": lexicon.build_message,
    "vergleich": comparison.build,
    "wiederholung": question.build_review,
}


class DirectiveBlocks(BlockProcessor):
    """Ersetzt jede Zeile ``::: ...`` durch das Element, das ihr Modul baut."""

    def __init__(self, parser: BlockParser, context: PageContext) -> None:
        super().__init__(parser)
        self.context = context

    def test(self, parent: Element, block: str) -> bool:
        return LINE.search(block) is not None

    def run(self, parent: Element, blocks: list[str]) -> None:
        block = blocks.pop(0)
        match = LINE.search(block)
        assert match is not None
        if before := block[: match.start()].rstrip("\n"):
            self.parser.parseBlocks(parent, [before])
        parent.append(self._build(match[0]))
        if after := block[match.end() :].lstrip("\n"):
            blocks.insert(0, after)

    def _build(self, line: str) -> Element:
        number = self.context.line_of(line)
        try:
            directive = parse(line, number)
            if directive.name not in BUILDERS:
                known = ", ".join(sorted([*BUILDERS, "notebook"]))
                raise DauerlaufError(f"Die Direktive „{directive.name}“ gibt es nicht; es gibt {known}.")
            return BUILDERS[directive.name](self.context, directive)
        except PageError:
            raise
        except DauerlaufError as error:
            raise self.context.error(number, str(error)) from error


class Figures(Treeprocessor):
    """Füllt leere Verweise auf Listings und Bilder und prüft die Liste hinter einem Listing mit Anmerkungen."""

    def __init__(self, md: Markdown, context: PageContext) -> None:
        super().__init__(md)
        self.context = context

    def run(self, root: Element) -> None:
        for link in root.iter("a"):
            target = link.get("href", "").removeprefix("#")
            if link.get("href", "").startswith(("#listing-", "#lauf-", "#vergleich-")) and not (link.text or len(link)):
                if target not in self.context.labels:
                    raise self.context.error(0, f"Der Verweis „#{target}“ führt zu keinem Listing oder Bild der Seite.")
                link.text = self.context.labels[target]
        for parent in root.iter():
            for index, element in enumerate(parent):
                expected = element.attrib.pop("data-anmerkungen", None) if element.tag == "figure" else None
                if expected is None:
                    continue
                count, line = (int(part) for part in expected.split("@"))
                following = parent[index + 1] if index + 1 < len(parent) else None
                if following is None or following.tag != "ol" or len(following) != count:
                    raise self.context.error(
                        line,
                        f"Nach einem Listing mit „anmerkungen“ muss eine nummerierte Liste mit {count} Punkten stehen.",
                    )
                following.set("class", "anmerkungen")
