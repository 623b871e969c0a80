"""Tabellen: ein Kasten, in dem sie sich seitwärts schieben lassen, und keine leeren Kopfzellen."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from markdown.treeprocessors import Treeprocessor


class TableBoxes(Treeprocessor):
    """Legt jede Tabelle aus Markdown in ``<div class="tabelle">``.

    Die Klasse an der Tabelle hält zugleich das Thema davon ab, sie per JavaScript in einen eigenen Kasten zu legen,
    der sich mit der Tastatur nicht schieben lässt.
    """

    def run(self, root: Element) -> None:
        for parent in list(root.iter()):
            if parent.get("class") in {"tabelle", "katalog"}:
                continue
            for index, child in enumerate(list(parent)):
                if child.tag == "table" and not child.get("class"):
                    child.set("class", "daten")
                    for cell in child.iter("th"):
                        if not (cell.text or len(cell)):
                            cell.tag = "td"  # die leere Ecke ist keine Überschrift
                    box = Element("div", {"class": "tabelle"})
                    box.tail, child.tail = child.tail, None
                    box.append(child)
                    parent[index] = box
