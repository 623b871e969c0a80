"""Call-outs tragen ihre Art als Wort: „Irrtum“ steht auch dann da, wenn der Titel eine Behauptung ist."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from markdown.treeprocessors import Treeprocessor

KINDS = {
    "tipp": "Tipp",
    "hinweis": "Hinweis",
    "achtung": "Achtung",
    "lernziel": "Lernziel",
    "irrtum": "Irrtum",
    "beweis": "Beweis",
}


class CalloutLabels(Treeprocessor):
    """Setzt vor eigene Titel die Art des Call-outs (auch Vorlesehilfen und Ausdrucke brauchen sie)."""

    def run(self, root: Element) -> None:
        for element in root.iter():
            if element.tag not in {"div", "details"} or not len(element):
                continue
            title = element[0]
            if title.tag != "summary" and title.get("class") != "admonition-title":
                continue
            kind = next((KINDS[name] for name in element.get("class", "").split() if name in KINDS), None)
            if kind is None or (title.text == kind and not len(title)):
                continue
            label = Element("span", {"class": "art"})
            label.text = kind
            label.tail = f" {title.text or ''}"
            title.text = ""
            title.insert(0, label)
