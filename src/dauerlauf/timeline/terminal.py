"""Die Schritte als Tabelle für das Terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rich.table import Table
from rich.text import Text

from dauerlauf.history import Step, shorten
from dauerlauf.timeline.rows import ENDINGS, Captions, Look, Row, clock_text, rows

_SIGNS = {
    Look.PLAIN: "·",
    Look.START: "▶",
    Look.CONTINUED: "↻",
    Look.DONE: "✓",
    Look.FAILED: "✗",
    Look.CANCELED: "⊘",
    Look.RENEWED: "↻",
    Look.COMPENSATION: "↩",
    Look.RETRY: "↺",
    Look.TIMER: "◷",
    Look.GAP: "≈",
    Look.SKIP: "»",
    Look.CRASH: "↯",
    Look.TAKEOVER: "⇄",
    Look.SIGNAL: "→",
    Look.UPDATE: "⇢",
    Look.QUERY: "?",
    Look.PATCH: "◆",
    Look.MARKER: "◇",
    Look.CANCEL_REQUEST: "⊘",
    Look.FOLD: "⋮",
}
_STYLES = {
    Look.DONE: "bold green",
    Look.FAILED: "bold red",
    Look.CANCELED: "bold yellow",
    Look.COMPENSATION: "magenta",
    Look.RETRY: "yellow",
    Look.TIMER: "cyan",
    Look.GAP: "cyan",
    Look.SKIP: "cyan",
    Look.CRASH: "bold red",
    Look.TAKEOVER: "bold blue",
    Look.FOLD: "dim",
}
WHO = {
    "client": "Client",
    "external": "Anderer Workflow",
    "workflow": "Workflow",
    "activity": "Activity",
    "timer": "Timer",
    "child": "Child Workflow",
    "nexus": "Nexus",
    "gap": "",
}


def table(steps: Sequence[Step], legend: Captions | None = None, *, limit: int | None = None) -> Table:
    """Die Schritte als Tabelle für das Terminal.

    Args:
        steps: Die Schritte aus :func:`dauerlauf.history.steps`.
        legend: Kompensationen und fremde Systeme.
        limit: Nach so vielen Zeichen endet eine Einzelheit mit „…“; ohne Angabe steht sie ganz da.

    Returns:
        Eine rich-Tabelle mit Zeit, Wer, Was, Einzelheit und Quelle (wenn es Quellzeilen gibt).
    """
    found = rows(steps, legend)
    result = Table(box=None, pad_edge=False, show_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    result.add_column("Zeit", justify="right", no_wrap=True)
    result.add_column("Wer", overflow="fold")
    result.add_column("Was", overflow="fold", ratio=3)
    result.add_column("Einzelheit", overflow="fold", ratio=4)
    with_source = any(row.source for row in found)
    if with_source:
        result.add_column("Quelle", overflow="fold", style="dim", ratio=2)
    for row in found:
        cells: list[str | Text] = [
            "" if row.look in (Look.GAP, Look.SKIP, Look.FOLD) else clock_text(row.time),
            row.service or WHO[row.lane],
            what(row),
            particulars(row if limit is None else replace(row, detail=shorten(row.detail, limit))),
        ]
        if with_source:
            cells.append(str(row.source) if row.source else "")
        result.add_row(*cells)
    return result


def line(row: Row, *, limit: int | None = None) -> Text:
    """Eine Zeile allein, für eine Ausgabe, die nur wächst: dieselben Angaben wie in :func:`table`, außer der Quelle.

    Args:
        row: Die Zeile aus :func:`rows`.
        limit: Nach so vielen Zeichen endet die Einzelheit mit „…“.

    Returns:
        Der Text ohne Zeilenende.
    """
    clock = "" if row.look in (Look.GAP, Look.SKIP, Look.FOLD) else clock_text(row.time)
    text = Text(f"{clock:>12}  {row.service or WHO[row.lane]:<14}  ")
    text.append_text(what(row))
    details = particulars(row if limit is None else replace(row, detail=shorten(row.detail, limit)))
    return text.append("  ").append_text(details) if details else text


def what(row: Row) -> Text:
    """Was in der Zeile geschieht: Zeichen und Titel, für das Terminal gefärbt."""
    sign = "✗" if row.failed else "⊘" if row.canceled else _SIGNS[row.look]
    style = "red" if row.failed else "yellow" if row.canceled else _STYLES.get(row.look, "")
    finished = row.lane in ("activity", "child", "nexus") and row.part in ("whole", "end")
    if row.look is Look.PLAIN and finished and not row.failed and not row.canceled:
        sign, style = "✓", "green"
    text = Text(f"{sign} ", style=style)
    text.append(row.title, style=_STYLES.get(row.look, "") if row.look in _MARKED else "")
    return text


MOST_TIMES = 5
_MARKED = {*ENDINGS, Look.COMPENSATION, Look.CRASH, Look.TAKEOVER, Look.SKIP, Look.GAP, Look.FOLD}
_SPOKEN = {Look.COMPENSATION, Look.CRASH, Look.TAKEOVER}


def attempts_text(row: Row) -> str:
    """„3 Versuche ↺ (0 s, +1 s, +3 s)“; die Zeiten nur, wenn sie sich aus der Retry Policy ergeben."""
    times = [clock_text(start) for start in row.starts]
    if len(times) > MOST_TIMES:
        times = [*times[: MOST_TIMES - 1], "…", times[-1]]
    return f"{row.attempts} Versuche ↺" + (f" ({', '.join(times)})" if times else "")


def particulars(row: Row) -> Text:
    """Die Einzelheit einer Zeile, mit dem Wort zu ihrer Gestalt und der Zahl der Versuche davor."""
    text = Text()
    words = [row.look.value] if row.look in _SPOKEN else []
    if row.attempts > 1:
        words.append(attempts_text(row))
    for word in words:
        text.append(word, style=_STYLES.get(row.look, "yellow"))
        text.append(" · " if row.detail or word is not words[-1] else "")
    text.append(row.detail, style="red" if row.failed or row.look is Look.FAILED else "")
    return text
