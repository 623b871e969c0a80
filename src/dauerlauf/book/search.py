"""Der Suchindex von MkDocs: Schreibweisen und Wortformen, nach denen man im Deutschen wirklich sucht.

Die Suche des Themas vergleicht Wortanfänge. Sie findet „Größe“ nicht unter „groesse“, „deterministisch“ nicht unter
„deterministische“ und „Retry“ nicht unter „Wiederholung“. Deshalb bekommt jeder Eintrag unsichtbar dazu:
die Umschrift seiner Wörter mit Umlaut, seine Bezeichner in einem Wort und alle Formen und Suchwörter der Begriffe aus
dem Glossar, die in ihm vorkommen. An den Seiten ändert sich nichts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import unescape
from typing import Any

from dauerlauf.book.glossary import Term

TAG = re.compile(r"<[^>]+>")
WORD = re.compile(r"\w[\w-]*")
CAMEL = re.compile(r"\b[A-Z]\w*[a-z][A-Z]\w*\b")
FOLD = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue"})
ENDINGS = ("e", "en", "er", "es", "em")
ADJECTIVE = re.compile(r"[a-zäöüß]{3,}(?:isch|lich|ig|bar|los|sam)$")


def extend(index: dict[str, Any], terms: Iterable[Term]) -> dict[str, Any]:
    """Ergänzt alle Einträge eines Index (``search_index.json``) und gibt ihn zurück."""
    known = list(terms)
    patterns = [(term, re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, term.forms))})(?!\w)")) for term in known]
    for entry in index["docs"]:
        text = f"{entry['title']} {unescape(TAG.sub(' ', entry['text']))}"
        present = {word.lower() for word in WORD.findall(text)}
        extra = {form for term, pattern in patterns if pattern.search(text) for form in (*term.forms, *term.search)}
        extra |= {word + ending for word in present if ADJECTIVE.match(word) for ending in ENDINGS}
        words = {word.lower() for form in extra for word in WORD.findall(form)} | present
        extra |= {folded for word in words if (folded := word.translate(FOLD)) != word}
        # Der Index trennt an Bindestrich, Leerzeichen und Großbuchstaben; hier steht dasselbe in einem Wort.
        whole = {name.lower() for name in CAMEL.findall(text)}
        whole |= {re.sub("[ -]", "", form).lower() for form in extra if re.search("[ -]", form)}
        missing = sorted(whole | ({form.lower() for form in extra} - present))
        if missing:
            entry["text"] += f"<p hidden>{' '.join(missing)}</p>"
    return index
