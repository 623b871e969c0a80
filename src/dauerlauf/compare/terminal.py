"""Ein Vergleich als Tabelle für das Terminal."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from dauerlauf.compare.align import Comparison, Pair, Verdict
from dauerlauf.compare.words import Stretch, actor, cell, heading, shortened, stretches
from dauerlauf.timeline import GAP, Row, clock_text, particulars, what

LIMIT = 100
_STYLES = {
    Verdict.EQUAL: "dim",
    Verdict.DIFFERENT: "bold yellow",
    Verdict.LEFT: "bold blue",
    Verdict.RIGHT: "bold blue",
}


def table(comparison: Comparison, *, full: bool = False) -> Table:
    """Der Vergleich als Tabelle: links der eine Lauf, rechts der andere, dazwischen das Urteil.

    Args:
        comparison: Der Vergleich.
        full: Jeden Schritt zeigen und keine Einzelheit kürzen.

    Returns:
        Eine rich-Tabelle mit den Namen der Läufe als Überschriften.
    """
    result = Table(box=None, pad_edge=False, show_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    result.add_column(comparison.left.name, overflow="fold", ratio=2)
    result.add_column("Urteil", overflow="fold", ratio=1)
    result.add_column(comparison.right.name, overflow="fold", ratio=2)
    found = [Stretch([pair]) for pair in comparison.pairs] if full else list(stretches(comparison.pairs))
    shown, hidden = (found, 0) if full else shortened(found)
    for stretch in shown:
        pair = stretch.pairs[0]
        verdict = Text(heading(pair), style=_STYLES[pair.verdict])
        if stretch.title:
            count, _, names = stretch.title.partition(": ")
            result.add_row(Text(f"⋮ {count}", style="dim"), verdict, Text(names, style="dim"))
            continue
        result.add_row(_cell(pair, lambda p: p.left, full), verdict, _cell(pair, lambda p: p.right, full))
    if hidden:
        result.add_row(Text(f"⋮ {hidden} weitere Schritte", style="dim"), "", Text("--voll zeigt sie", style="dim"))
    return result


def _cell(pair: Pair, choose: Callable[[Pair], Row | None], full: bool) -> RenderableType:
    found = cell(pair, choose, None if full else LIMIT)
    if found is None:
        return Text("–", style="dim")
    row, extra = found
    title = what(row)
    if row.lane != "gap" and row.time >= GAP:
        title.append(f"  {clock_text(row.time)}", style="dim")
    lines = (Text(actor(row), style="dim"), particulars(row), *map(Text, extra))
    return Group(title, *(Padding(line, (0, 0, 0, 2)) for line in lines if line))
