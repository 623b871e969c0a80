"""Zwei Läufe nebeneinander: was gleich ist, was anders, was nur einer tut.

Verglichen werden die Zeilen des Bildes (:func:`dauerlauf.timeline.rows`), gepaart nach dem, was geschieht; siehe
:func:`compare`. Ein :class:`Comparison` zeigt sich als Abbildung einer Seite, im Notebook und im Terminal.
"""

from dauerlauf.compare.align import Aspect, Comparison, Difference, Pair, Side, Verdict, compare
from dauerlauf.compare.page import html
from dauerlauf.compare.sides import compare_files, compare_named, compare_recorded, compare_runs, recording
from dauerlauf.compare.terminal import table
from dauerlauf.compare.words import summary

__all__ = [
    "Aspect",
    "Comparison",
    "Difference",
    "Pair",
    "Side",
    "Verdict",
    "compare",
    "compare_files",
    "compare_named",
    "compare_recorded",
    "compare_runs",
    "html",
    "recording",
    "summary",
    "table",
]
