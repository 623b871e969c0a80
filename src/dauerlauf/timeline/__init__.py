"""Schritte einer Historie zeigen: als Tabelle im Terminal, als SVG auf einer Seite, als Bild im Notebook.

Alle drei Ausgaben beruhen auf denselben Zeilen: Auftrag und Ergebnis einer Activity stehen zusammen, solange
nichts dazwischen geschieht; Wartezeiten sind eigene Zeilen; lange Wiederholungen sind gezählt statt gezeigt.
"""

from dauerlauf.timeline.page import Picture, html
from dauerlauf.timeline.rows import GAP, MAX_ROWS, Captions, Look, Row, clock_text, rows, summary
from dauerlauf.timeline.style import STYLE
from dauerlauf.timeline.svg import album, svg
from dauerlauf.timeline.terminal import table

__all__ = [
    "GAP",
    "MAX_ROWS",
    "STYLE",
    "Captions",
    "Look",
    "Picture",
    "Row",
    "album",
    "clock_text",
    "html",
    "rows",
    "summary",
    "svg",
    "table",
]
