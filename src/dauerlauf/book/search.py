"""Der Suchindex von MkDocs: Schreibweisen und Wortformen, nach denen man im Deutschen wirklich sucht.

Die Suche des Themas vergleicht Wortanfänge. Sie findet „Größe“ nicht unter „groesse“, „deterministisch“ nicht unter
„deterministische“ und „Retry“ nicht unter „Wiederholung“. Deshalb bekommt jeder Eintrag unsichtbar dazu:
die Umschrift seiner Wörter mit Umlaut, seine Bezeichner in einem Wort und alle Formen und Suchwörter der Begriffe aus
dem Glossar, die in ihm vorkommen. An den Seiten ändert sich nichts.

Ein Treffer im Titel zählt dort tausendmal so viel wie einer im Text. Damit eine Erklärung nicht hinter allen Seiten
steht, deren Überschrift zufällig dasselbe Wort enthält („Arten von Activities“ vor „Activity“), gibt es für die
Formen und Namen eines Begriffs und den Wortlaut einer Fehlermeldung ein eigenes Feld. Angezeigt wird es nicht.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import unescape
from typing import Any

from dauerlauf.book.glossary import Term
from dauerlauf.book.lexicon import ErrorEntry

TAG = re.compile(r"<[^>]+>")
WORD = re.compile(r"\w[\w-]*")
CAMEL = re.compile(r"\b[A-Z]\w*[a-z][A-Z]\w*\b")
FOLD = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue"})
ENDINGS = ("e", "en", "er", "es", "em")
GLOSSARY = "glossar/#"
NAMES = "names"
NAMES_BOOST = 100  # text: 1, title: 1000
ADJECTIVE = re.compile(r"[a-zäöüß]{3,}(?:isch|lich|ig|bar|los|sam)$")


def extend(index: dict[str, Any], terms: Iterable[Term], errors: Iterable[ErrorEntry]) -> dict[str, Any]:
    """Ergänzt alle Einträge eines Index (``search_index.json``) und gibt ihn zurück."""
    known = list(terms)
    names = {GLOSSARY + term.anchor: _spellings(term) for term in known}
    names |= {f"{error.page.removesuffix('.md')}/": [message.text for message in error.messages] for error in errors}
    index["config"]["fields"][NAMES] = {"boost": NAMES_BOOST}
    patterns = [(term, re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, term.forms))})(?!\w)")) for term in known]
    for entry in index["docs"]:
        if found := names.get(entry["location"]):
            entry[NAMES] = " ".join(found)
        text = f"{entry['title']} {unescape(TAG.sub(' ', entry['text']))}"
        present = {word.lower() for word in WORD.findall(text)}
        extra = {form for term, pattern in patterns if pattern.search(text) for form in (*term.forms, *term.search)}
        extra |= {word + ending for word in present if ADJECTIVE.match(word) for ending in ENDINGS}
        words = {word.lower() for form in extra for word in WORD.findall(form)} | present
        extra |= _folded(words)
        # Der Index trennt an Bindestrich, Leerzeichen und Großbuchstaben; hier steht dasselbe in einem Wort.
        whole = {name.lower() for name in CAMEL.findall(text)}
        whole |= _joined(extra)
        missing = sorted(whole | ({form.lower() for form in extra} - present))
        if missing:
            entry["text"] += f"<p hidden>{' '.join(missing)}</p>"
    return index


def _spellings(term: Term) -> list[str]:
    """Alle Formen und Suchwörter eines Begriffs, auch ohne Umlaut und in einem Wort, und seine Namen in der API."""
    forms = {*term.forms, *term.search}
    return sorted(forms | _folded(forms) | _joined(forms) | {term.api})


def _folded(words: Iterable[str]) -> set[str]:
    """Die Umschrift der Wörter, die einen Umlaut oder ein ß enthalten."""
    return {folded for word in words if (folded := word.translate(FOLD)) != word}


def _joined(forms: Iterable[str]) -> set[str]:
    """Formen aus mehreren Teilen in einem Wort; der Index trennt sie an Bindestrich und Leerzeichen."""
    return {re.sub("[ -]", "", form).lower() for form in forms if re.search("[ -]", form)}
