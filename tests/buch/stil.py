"""Prüfung der Sprache: Was auf den Seiten steht, ohne Code; Regeln, Satzlängen, verbotene Schreibweisen."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dauerlauf.book.glossary import Term

FENCE = re.compile(r"^ *(`{3,}|~{3,})")
DIRECTIVE = re.compile(r"^ *::: *\w+")
CALLOUT = re.compile(r'^ *(?:!!!|\?\?\?\+?|===) *[\w ]*(?:"(?P<title>.*)")?\s*$')
HEADING = re.compile(r"^(#{1,6}) +(.*)$")
ITEM = re.compile(r"^ *(?:[-*+]|\d+\.|\[\^\w+\]:) +")
FOREIGN = re.compile(r"`+[^`]*`+|!?\[[^\]]*\]\(https?://[^)]*\)")  # Code, Titel fremder Seiten
EMPHASIS = re.compile(r"(?<![\w*_])([*_]{1,3})(?=\S)(.+?)(?<=\S)\1(?![\w*_])")
HIDDEN = re.compile(
    r"<!--.*?-->|</?[a-z][^>]*>"  # HTML
    r"|\{[^{}]*\}\s*$|\{ *[.#:][^{}]*\}"  # Attribute
    r"|(?<=\])\([^)]*\)|\[\^\w+\]|https?://\S+"  # Ziele von Verweisen
)
META = ("title", "description", "problem")


@dataclass(frozen=True)
class Passage:
    """Ein Stück Prosa: Zeile, Text ohne Auszeichnung, ob es eine Überschrift ist."""

    line: int
    text: str
    heading: bool = False


@dataclass(frozen=True)
class Finding:
    """Ein Verstoß gegen eine Regel."""

    line: int
    rule: str
    text: str


def passages(text: str) -> Iterator[Passage]:
    """Die Prosa einer Seite, absatzweise: ohne Kopf, Code, Kommentare, Ziele; mit Titeln und Bildunterschriften."""
    lines = text.splitlines()
    start = 0
    if lines and lines[0] == "---":
        start = lines.index("---", 1) + 1
        for number, line in enumerate(lines[1:start], start=2):
            key, _, value = line.partition(":")
            if key in META:
                yield Passage(number, value.strip(), heading=key == "title")
    paragraph: list[str] = []
    first = 0
    fence: str | None = None
    for number, line in enumerate([*lines[start:], ""], start=start + 1):
        mark = FENCE.match(line)
        if fence is not None:
            if mark and mark[1].startswith(fence):
                fence = None
            continue
        heading, callout = HEADING.match(line), CALLOUT.match(line)
        directive = DIRECTIVE.match(line)
        own = mark or heading or callout or directive or line.lstrip().startswith("|")
        if paragraph and (own or not line.strip() or ITEM.match(line)):
            yield Passage(first, _plain(" ".join(paragraph)))
            paragraph = []
        if mark:
            fence = mark[1]
        elif heading:
            yield Passage(number, _plain(heading[2]), heading=True)
        elif callout:
            if callout["title"]:
                yield Passage(number, _plain(callout["title"]), heading=True)
        elif directive:
            for caption in re.findall(r'(?<!=)"((?:[^"\\]|\\.)*)"', line):
                yield Passage(number, _plain(caption))
        elif line.lstrip().startswith("|"):
            for cell in line.strip().strip("|").split("|"):
                if cell.strip(" -:"):
                    yield Passage(number, _plain(cell), heading=True)
        elif line.strip():
            if not paragraph:
                first = number
            paragraph.append(ITEM.sub("", line).strip())


def _plain(text: str) -> str:
    """Ohne Auszeichnung; Code und fremde Titel werden zu einem Platzhalter, der ein Wort bleibt."""
    text = FOREIGN.sub("⟦⟧", text).replace("![", "[")  # Ein Bild; sein Text zählt wie jeder andere.
    text = HIDDEN.sub("", text)
    text = EMPHASIS.sub(r"\2", EMPHASIS.sub(r"\2", text))
    return re.sub(r"\[(?!⟦)|(?<!⟧)\]", "", text).strip()


TEMPORAL = "Workflow|Activity|Worker|Saga|Retry|Timer|Event|Query|Update|Signal|Replay"
GERMAN = "Ausführung|Code|Definition|Klasse|Typ|Name|Aufruf|Funktion|Methode|Prozess|Muster|Test|Fehler|Task|Policy|ID"

RULES: dict[str, str] = {
    "Anrede: Sie, nicht du": r"\b(?:[Dd]u|[Dd]ich|[Dd]ir|[Dd]ein(?:e[mnrs]?)?|[Ee]uch|[Ee]uer|[Ee]ure[mnrs]?)\b",
    "Anführungszeichen „…“ und ‚…‘": r"[\"”]|“(?=\w)|(?<!\w)'|'(?!\w)",
    "Abkürzung mit U+202F": r"\b(?:z\.[ \u00a0]?B|d\.[ \u00a0]?h|u\.[ \u00a0]?a|o\.[ \u00a0]?ä|s\.[ \u00a0]?[ou])\.",
    "Gedankenstrich –": r"\s(?:-|--|—)\s|—",
    "Dezimalkomma": r"(?<![\d.])\d+\.\d+(?=[ \u00a0\u202f]?(?:s|ms|min|h|%|Euro|€|MiB|KiB|MB|kB)\b)",
    "doppeltes Wort": r"\b(?!(?:die|der|das|den|dem|sie|Sie) )(\w+) \1\b",
    "Zusammensetzung ohne Leerzeichen": rf"\b(?:{TEMPORAL}) (?:{GERMAN})\w*",
    "Auslassungspunkte …": r"\.\.\.",
    "Emoji": r"[\U0001F300-\U0001FAFF\u2705\u274C\u26A0]",
    "Zeichen im Wort": r"\w[*:_]innen\b|[a-zäöüß]Innen\b",
    "Ausrufezeichen": r"!",
}
HEADING_RULES: dict[str, str] = {"Überschrift ohne Satzzeichen am Ende": r"[.:;!]$", "Überschrift ohne Code": "⟦⟧"}
COMPILED = {name: re.compile(rule) for name, rule in RULES.items()}
COMPILED_HEADINGS = {name: re.compile(rule) for name, rule in HEADING_RULES.items()}


def lint(text: str, terms: Iterable[Term] = ()) -> Iterator[Finding]:
    """Alle Verstöße einer Seite gegen die Regeln und gegen die verbotenen Schreibweisen des Glossars."""
    forbidden = {
        f"„{term.name}“ statt „{word}“": re.compile(rf"(?<![\w-]){re.escape(word)}(?![\w-])")
        for term in terms
        for word in term.forbidden
    }
    headings = {number for number, line in enumerate(text.splitlines(), start=1) if HEADING.match(line)}
    for passage in passages(text):
        rules = {**COMPILED, **forbidden}
        if passage.line in headings and passage.heading:
            rules |= COMPILED_HEADINGS
        for rule, pattern in rules.items():
            if match := pattern.search(passage.text):
                yield Finding(passage.line, rule, match[0])


def sentence_lengths(text: str) -> list[int]:
    """Die Wortzahl jedes ganzen Satzes der Fließtexte (Überschriften, Titel und Tabellen zählen nicht)."""
    result = []
    for passage in passages(text):
        if passage.heading:
            continue
        for sentence in re.split(r"(?<=[.!?:…])[“‘)]*\s+(?=[„‚(]?[A-ZÄÖÜ⟦])", passage.text):
            words = re.findall(r"[\w⟦⟧](?:[\w⟦⟧’.-]*[\w⟦⟧])?", sentence)
            if len(words) >= 3 and sentence.rstrip("“‘)").endswith((".", "!", "?", ":")):
                result.append(len(words))
    return result


def too_long(lengths: list[int], *, median: int = 15, ninth: int = 28) -> str | None:
    """Sagt, ob die Sätze zu lang sind: Median höchstens `median`, 90 % höchstens `ninth` Wörter."""
    if len(lengths) < 20:
        return None
    middle = statistics.median(lengths)
    upper = statistics.quantiles(lengths, n=10)[-1]
    if middle > median or upper > ninth:
        return f"Median {middle:g} (höchstens {median}), 90 % bis {upper:g} Wörter (höchstens {ninth})"
    return None


def prose(files: Iterable[Path]) -> str:
    """Die Prosa vieler Seiten für die Rechtschreibprüfung: ein Absatz je Zeile."""
    return "\n".join(
        re.sub(r"-?[⟦⟧]+-?", " ", passage.text).replace("\u202f", " ")
        for file in files
        for passage in passages(file.read_text(encoding="utf-8"))
    )
