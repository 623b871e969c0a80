"""Schritte einer Historie zeigen: als Tabelle im Terminal, als SVG auf einer Seite, als Bild im Notebook.

Alle drei Ausgaben beruhen auf denselben Zeilen: Auftrag und Ergebnis einer Activity stehen zusammen, solange
nichts dazwischen geschieht; Wartezeiten sind eigene Zeilen; lange Wiederholungen sind gezählt statt gezeigt.
"""

from dauerlauf.timeline.page import Picture, html
from dauerlauf.timeline.rows import (
    ENDINGS,
    GAP,
    MAX_ROWS,
    STARTS,
    Captions,
    Look,
    Row,
    clock_text,
    rows,
    summary,
)
from dauerlauf.timeline.sign import sign
from dauerlauf.timeline.style import STYLE
from dauerlauf.timeline.svg import album, svg
from dauerlauf.timeline.terminal import WHO, line, particulars, table, what
from dauerlauf.timeline.words import escape

__all__ = [
    "ENDINGS",
    "GAP",
    "MAX_ROWS",
    "STARTS",
    "STYLE",
    "WHO",
    "Captions",
    "Look",
    "Picture",
    "Row",
    "album",
    "clock_text",
    "escape",
    "html",
    "line",
    "particulars",
    "rows",
    "sign",
    "summary",
    "svg",
    "table",
    "what",
]
