"""Schritte einer Historie zeigen: als Tabelle im Terminal, als SVG auf einer Seite, als Bild im Notebook.

Alle drei Ausgaben beruhen auf denselben Zeilen: Auftrag und Ergebnis einer Activity stehen zusammen, solange
nichts dazwischen geschieht; Wartezeiten sind eigene Zeilen; lange Wiederholungen sind gezählt statt gezeigt.
"""

from __future__ import annotations

import hashlib
import html as html_module
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from typing import Protocol

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from dauerlauf.history import SourceLine, Step, StepKind, duration_text, shorten

GAP = timedelta(seconds=1)
"""Ab dieser Wartezeit zeigt das Bild einen Bruch."""
MAX_ROWS = 120
"""Mehr Zeilen zeigt kein Bild; der Rest wird gezählt."""


class Captions(Protocol):
    """Was ein Bild über die Historie hinaus wissen muss (erfüllt von ``dauerlauf.scenario.Legend``)."""

    @property
    def compensations(self) -> frozenset[str]:
        """Activity-Typen, die etwas zurücknehmen."""

    @property
    def services(self) -> Mapping[str, str]:
        """Activity-Typ → Name des fremden Systems, das sie berührt."""


@dataclass(frozen=True)
class _NoCaptions:
    compensations: frozenset[str] = frozenset()
    services: Mapping[str, str] = field(default_factory=dict)


# ---------------------------------------------------------------------------------------------------------
# Zeilen: was alle Ausgaben gemeinsam haben


class Look(StrEnum):
    """Gestalt einer Zeile; der Wert ist das Wort, das neben dem Zeichen steht."""

    PLAIN = ""
    START = "Start"
    DONE = "Fertig"
    FAILED = "Gescheitert"
    CANCELED = "Abgebrochen"
    RENEWED = "Neuer Lauf"
    COMPENSATION = "Kompensation"
    RETRY = "Retry"
    TIMER = "Timer"
    GAP = "Wartezeit"
    SKIP = "Zeitsprung"
    CRASH = "Absturz"
    TAKEOVER = "Übernahme"
    SIGNAL = "Signal"
    UPDATE = "Update"
    CANCEL_REQUEST = "Abbruch verlangt"
    FOLD = "Gekürzt"


_SIGNS = {
    Look.PLAIN: "·",
    Look.START: "▶",
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


@dataclass(frozen=True, slots=True)
class Row:
    """Eine Zeile des Bildes.

    ``part`` sagt, ob ein Vorgang hier ganz steht (``whole``), beginnt (``begin``) oder endet (``end``);
    ``operation`` ist die Event-ID, die ihn eröffnet hat.
    """

    look: Look
    time: timedelta
    end: timedelta
    lane: str
    title: str
    detail: str = ""
    part: str = "whole"
    operation: int | None = None
    failed: bool = False
    attempts: int = 1
    service: str = ""
    source: SourceLine | None = None
    count: int = 1
    actor: str = ""


_OPENERS = {
    StepKind.ACTIVITY_SCHEDULED: "activity",
    StepKind.TIMER_STARTED: "workflow",
    StepKind.CHILD_INITIATED: "other",
    StepKind.NEXUS_SCHEDULED: "other",
    StepKind.UPDATE_ACCEPTED: "client",
}
_CLOSERS = {
    StepKind.ACTIVITY_COMPLETED,
    StepKind.ACTIVITY_FAILED,
    StepKind.ACTIVITY_TIMED_OUT,
    StepKind.ACTIVITY_CANCELED,
    StepKind.TIMER_FIRED,
    StepKind.TIMER_CANCELED,
    StepKind.CHILD_COMPLETED,
    StepKind.CHILD_FAILED,
    StepKind.NEXUS_COMPLETED,
    StepKind.NEXUS_FAILED,
    StepKind.UPDATE_COMPLETED,
}
_BAD = {
    StepKind.ACTIVITY_FAILED,
    StepKind.ACTIVITY_TIMED_OUT,
    StepKind.CHILD_FAILED,
    StepKind.NEXUS_FAILED,
    StepKind.WORKFLOW_TASK_FAILED,
    StepKind.UPDATE_REJECTED,
}
_INSIDE = {
    StepKind.ACTIVITY_STARTED,
    StepKind.CHILD_STARTED,
    StepKind.NEXUS_STARTED,
    StepKind.SIGNAL_DELIVERED,
}
_LOOKS = {
    StepKind.STARTED: Look.START,
    StepKind.COMPLETED: Look.DONE,
    StepKind.FAILED: Look.FAILED,
    StepKind.TIMED_OUT: Look.FAILED,
    StepKind.TERMINATED: Look.FAILED,
    StepKind.CANCELED: Look.CANCELED,
    StepKind.CONTINUED_AS_NEW: Look.RENEWED,
    StepKind.SIGNAL: Look.SIGNAL,
    StepKind.CANCEL_REQUESTED: Look.CANCEL_REQUEST,
    StepKind.CRASH: Look.CRASH,
    StepKind.TAKEOVER: Look.TAKEOVER,
    StepKind.TIMER_STARTED: Look.TIMER,
    StepKind.TIMER_FIRED: Look.TIMER,
    StepKind.TIMER_CANCELED: Look.TIMER,
    StepKind.UPDATE_ACCEPTED: Look.UPDATE,
    StepKind.UPDATE_COMPLETED: Look.UPDATE,
}
_ENDINGS = {Look.DONE, Look.FAILED, Look.CANCELED, Look.RENEWED}
_LANES = {"client": "client", "child": "other", "nexus": "other"}


def rows(steps: Sequence[Step], legend: Captions | None = None, *, fold: bool = True) -> list[Row]:
    """Fasst Schritte zu den Zeilen zusammen, die Tabelle und Bild zeigen.

    Args:
        steps: Die Schritte aus :func:`dauerlauf.history.steps`.
        legend: Kompensationen und fremde Systeme.
        fold: Gleiche Folgen zählen statt wiederholen; höchstens :data:`MAX_ROWS` Zeilen.

    Returns:
        Die Zeilen in zeitlicher Folge, mit eigenen Zeilen für Wartezeiten ab :data:`GAP`.
    """
    found = list(_with_gaps(_operations(steps, legend or _NoCaptions()), steps))
    return _folded(found) if fold else found


def _operations(steps: Sequence[Step], legend: Captions) -> Iterator[tuple[Row, int]]:
    visible = [step for step in steps if not step.internal and step.kind not in _INSIDE]
    started = {step.caused_by: step for step in steps if step.kind is StepKind.ACTIVITY_STARTED}
    opened = {step.number: step for step in visible if step.kind in _OPENERS}
    closing = {step.caused_by: step for step in visible if step.kind in _CLOSERS}
    index = 0
    while index < len(visible):
        step = visible[index]
        following = visible[index + 1] if index + 1 < len(visible) else None
        if step.kind in _OPENERS:
            close = closing.get(step.number)
            timer = step.kind is StepKind.TIMER_STARTED
            together = close is not None and close is following and (timer or close.time - step.time < GAP)
            if close is not None and together:
                yield _row(step, close, "whole", legend, started), close.number
                index += 2
                continue
            yield _row(step, close, "begin", legend, started), step.number
        elif step.kind in _CLOSERS and step.caused_by in opened:
            opener = opened[step.caused_by]
            yield _row(opener, step, "end", legend, started), step.number
        else:
            yield _single(step, legend), step.number
        index += 1


def _row(step: Step, close: Step | None, part: str, legend: Captions, started: Mapping[int | None, Step]) -> Row:
    start = started.get(step.number)
    attempts = max((close and close.attempt) or 1, (start and start.attempt) or 1)
    compensation = step.kind is StepKind.ACTIVITY_SCHEDULED and step.name in legend.compensations
    failed = (close is not None and close.kind in _BAD | {StepKind.ACTIVITY_CANCELED}) or bool(close and close.failure)
    look = _LOOKS.get(step.kind, Look.PLAIN)
    if compensation:
        look = Look.COMPENSATION
    elif attempts > 1 and part != "begin":
        look = Look.RETRY
    title, detail = _wording(step, close, part)
    if attempts > 1 and part != "begin" and start is not None and start.failure and not (close and close.failure):
        detail = "; ".join(filter(None, (detail, f"vorher: {start.failure}")))
    moment = close if part == "end" and close is not None else step
    return Row(
        look=look,
        time=moment.time,
        end=close.time if close is not None and part != "begin" else step.time,
        lane=_OPENERS[step.kind],
        title=title,
        detail=detail,
        part=part,
        operation=step.number,
        failed=failed and part != "begin",
        attempts=attempts if part != "begin" else 1,
        service=legend.services.get(step.name, "") if step.kind is StepKind.ACTIVITY_SCHEDULED else "",
        source=step.source if part != "end" else None,
        actor=step.actor,
    )


def _wording(step: Step, close: Step | None, part: str) -> tuple[str, str]:
    """Titel und Einzelheit eines Vorgangs."""
    result = (close.detail if close is not None else "") if part != "begin" else ""
    arrow = f"→ {result}" if result and close is not None and not close.failure else result
    if step.kind is StepKind.TIMER_STARTED:
        if part == "begin":
            return step.title, ""
        if part == "whole" and close is not None and close.kind is StepKind.TIMER_FIRED:
            return f"Timer: {duration_text(step.duration or timedelta(0))} warten", ""
        return (close.title if close is not None else step.title), ""
    if step.kind is StepKind.UPDATE_ACCEPTED:
        if part == "begin":
            return step.title, step.detail
        title = close.title if close is not None else step.title
        return title, " ".join(filter(None, (step.detail if part == "whole" else "", arrow)))
    name = step.name if step.kind is StepKind.ACTIVITY_SCHEDULED else step.title.removesuffix(" beauftragt")
    if part == "begin" or close is None:
        return name, "beginnt" if close is not None else "läuft noch"
    ending = close.title.removeprefix(name).strip()
    if part == "whole" and close.kind not in _BAD and not close.failure:
        ending = "" if arrow else ending
    return name, f"{ending}: {result}" if result and close.failure else f"{ending} {arrow}".strip()


def _single(step: Step, legend: Captions) -> Row:
    local = step.kind is StepKind.LOCAL_ACTIVITY
    lane = "activity" if local else _LANES.get(step.actor, "workflow")
    attempts = step.attempt or 1
    look = _LOOKS.get(step.kind, Look.PLAIN)
    if local and step.name in legend.compensations:
        look = Look.COMPENSATION
    title, detail = step.title, step.detail
    if local and step.name:
        arrow = "gescheitert: " if step.failure else "→ " if detail else "erledigt"
        title, detail = step.name, f"Local Activity, {arrow}{detail}"
    return Row(
        look=look,
        time=step.time,
        end=step.time,
        lane=lane,
        title=title,
        detail=detail,
        operation=step.number,
        failed=step.kind in _BAD or bool(step.failure and lane == "activity"),
        attempts=attempts if local else 1,
        service=legend.services.get(step.name, "") if local else "",
        source=step.source,
        actor=step.actor,
    )


def _with_gaps(found: Iterable[tuple[Row, int]], steps: Sequence[Step]) -> Iterator[Row]:
    skips = [step.number for step in steps if step.kind is StepKind.TIME_SKIP]
    clock, last, position = timedelta(0), 0, 0
    for row, end in found:
        wait = row.time - clock
        position = _advance(skips, position, last)
        skipped = position < len(skips) and skips[position] < end
        if row.look is Look.TIMER and row.part == "whole" and row.end - row.time >= GAP:
            row = replace(row, detail=Look.SKIP.value if skipped else "")
        elif wait >= GAP:
            look = Look.SKIP if skipped else Look.GAP
            yield Row(look, clock, row.time, "gap", f"{duration_text(wait)} später", look.value, count=0)
        yield row
        clock, last = max(clock, row.end), max(last, end)


def _advance(skips: Sequence[int], position: int, last: int) -> int:
    while position < len(skips) and skips[position] < last:
        position += 1
    return position


def _folded(found: list[Row]) -> list[Row]:
    signs = [(row.look, row.title, row.lane, row.part, row.failed) for row in found]
    result: list[Row] = []
    index = 0
    while index < len(found):
        for period in range(1, 7):
            repeats = 1
            pattern = signs[index : index + period]
            while signs[index + repeats * period : index + (repeats + 1) * period] == pattern:
                repeats += 1
            if repeats >= 5 and repeats * period >= 8:
                result += found[index : index + period]
                hidden = found[index + period : index + (repeats - 1) * period]
                result.append(_fold_row(hidden, repeats - 2, period))
                result += found[index + (repeats - 1) * period : index + repeats * period]
                index += repeats * period
                break
        else:
            result.append(found[index])
            index += 1
    if len(result) > MAX_ROWS:
        head, tail = MAX_ROWS * 2 // 3, MAX_ROWS // 3
        hidden = result[head:-tail]
        count = sum(row.count for row in hidden)
        marker = Row(Look.FOLD, hidden[0].time, hidden[-1].end, "gap", f"{count} weitere Schritte", count=count)
        result = [*result[:head], marker, *result[-tail:]]
    return result


def _fold_row(hidden: Sequence[Row], repeats: int, period: int) -> Row:
    count = sum(row.count for row in hidden)
    kinds = sum(1 for row in hidden[:period] if row.count)
    title = f"{repeats} × dieselben {kinds} Schritte" if kinds > 1 else f"{count} gleiche Schritte"
    span = hidden[-1].end - hidden[0].time
    detail = f"in {duration_text(span)}" if span >= GAP else ""
    return Row(Look.FOLD, hidden[0].time, hidden[-1].end, "gap", title, detail, count=count)


def clock_text(time: timedelta) -> str:
    """Zeit seit dem Start, wie sie in Tabelle und Bild steht: ``0 s``, ``+2 h``, ``+3 Tage``."""
    return "0 s" if time < GAP else f"+{duration_text(timedelta(seconds=int(time.total_seconds())))}"


# ---------------------------------------------------------------------------------------------------------
# Terminal

_WHO = {"client": "Client", "workflow": "Workflow", "activity": "Activity", "other": "Extern", "gap": ""}


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
            row.service or _WHO[row.lane],
            _what(row),
            _particulars(row if limit is None else replace(row, detail=shorten(row.detail, limit))),
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
    text = Text(f"{clock:>12}  {row.service or _WHO[row.lane]:<14}  ")
    text.append_text(_what(row))
    particulars = _particulars(row if limit is None else replace(row, detail=shorten(row.detail, limit)))
    return text.append("  ").append_text(particulars) if particulars else text


def _what(row: Row) -> Text:
    sign = "✗" if row.failed else _SIGNS[row.look]
    style = "red" if row.failed else _STYLES.get(row.look, "")
    if row.look is Look.PLAIN and row.lane == "activity" and row.part != "begin" and not row.failed:
        sign, style = "✓", "green"
    text = Text(f"{sign} ", style=style)
    text.append(row.title, style=_STYLES.get(row.look, "") if row.look in _MARKED else "")
    return text


_MARKED = {*_ENDINGS, Look.COMPENSATION, Look.CRASH, Look.TAKEOVER, Look.SKIP, Look.GAP, Look.FOLD}
_SPOKEN = {Look.COMPENSATION, Look.CRASH, Look.TAKEOVER}


def _particulars(row: Row) -> Text:
    text = Text()
    words = [row.look.value] if row.look in _SPOKEN else []
    if row.attempts > 1:
        words.append(f"Versuch {row.attempts} ↺")
    for word in words:
        text.append(word, style=_STYLES.get(row.look, "yellow"))
        text.append(" · " if row.detail or word is not words[-1] else "")
    text.append(row.detail, style="red" if row.failed or row.look is Look.FAILED else "")
    return text


# ---------------------------------------------------------------------------------------------------------
# SVG


@dataclass(frozen=True)
class _Layout:
    """Maße eines Bildes in SVG-Einheiten; schmal liest sich auf dem Telefon, breit auf der Seite."""

    width: int
    clock: int
    """Rechte Kante der Zeiten."""
    first: int
    """Mitte der ersten Spur."""
    spacing: int
    slot: int
    slots: int
    """So viele Activities stehen nebeneinander."""
    slanted: bool
    size: float = 13.0
    small: float = 11.5


_NARROW = _Layout(width=360, clock=50, first=64, spacing=24, slot=13, slots=4, slanted=True)
_WIDE = _Layout(width=760, clock=78, first=106, spacing=70, slot=14, slots=5, slanted=False, size=14.0, small=12.5)
_LANE_NAMES = {
    "client": "Client",
    "workflow": "Workflow",
    "activity": "Activities",
    "other": "Andere",
    "service": "Systeme",
}
_LINE = 1.32

_LIGHT = (
    "--dl-fg:#1b2733;--dl-muted:#53606c;--dl-rail:#c3ccd4;--dl-wf:#1f5f8b;--dl-ok:#1d6b4f;"
    "--dl-comp:#7a3e9d;--dl-bad:#b3261e;--dl-wait:#8a5a00;--dl-paper:#fff"
)
_DARK = (
    "--dl-fg:#e4e9ee;--dl-muted:#a9b4bf;--dl-rail:#4a5662;--dl-wf:#7fbdea;--dl-ok:#6fcfa5;"
    "--dl-comp:#cf9bec;--dl-bad:#ff9a90;--dl-wait:#e8b95b;--dl-paper:#1a1f26"
)
_STYLE = f"""
.dl-bild{{{_LIGHT};color:var(--dl-fg);font-family:inherit;max-width:100%;height:auto;display:block}}
@media (prefers-color-scheme:dark){{.dl-bild{{{_DARK}}}}}
[data-md-color-scheme="default"] .dl-bild,[data-jp-theme-light="true"] .dl-bild{{{_LIGHT}}}
[data-md-color-scheme="slate"] .dl-bild,[data-jp-theme-light="false"] .dl-bild{{{_DARK}}}
.dl-bild text{{fill:var(--dl-fg);stroke:none}}
.dl-bild .dl-m{{fill:var(--dl-muted)}}
.dl-bild .dl-b{{font-weight:600}}
.dl-bild .dl-rail{{stroke:var(--dl-rail);stroke-width:1.5;fill:none}}
.dl-bild .dl-life{{stroke:var(--dl-wf);stroke-width:3;fill:none}}
.dl-bild .dl-hole{{stroke-dasharray:1 5;stroke-linecap:round}}
.dl-bild .dl-arm{{stroke:currentColor;stroke-width:1.5;fill:none}}
.dl-bild .dl-dash{{stroke-dasharray:4 3}}
.dl-bild .dl-bar{{fill:currentColor;stroke:currentColor;stroke-width:1.5}}
.dl-bild .dl-open{{fill:var(--dl-paper)}}
.dl-bild .dl-icon{{stroke:currentColor;stroke-width:1.7;fill:none;stroke-linecap:round;stroke-linejoin:round}}
.dl-bild .dl-on{{stroke:var(--dl-paper)}}
.dl-bild .dl-wf{{color:var(--dl-wf)}}.dl-bild .dl-ok{{color:var(--dl-ok)}}.dl-bild .dl-comp{{color:var(--dl-comp)}}
.dl-bild .dl-bad{{color:var(--dl-bad)}}.dl-bild .dl-wait{{color:var(--dl-wait)}}.dl-bild .dl-fg{{color:var(--dl-fg)}}
.dl-bild text:is(.dl-wf,.dl-ok,.dl-comp,.dl-bad,.dl-wait){{fill:currentColor}}
.dl-bild .dl-code{{font-family:var(--md-code-font,ui-monospace),ui-monospace,monospace}}
"""

_ICONS = {
    "check": "M-4 0L-1.2 3L4 -3.2",
    "cross": "M-3.4 -3.4L3.4 3.4M3.4 -3.4L-3.4 3.4",
    "undo": "M4 4V1.5A3.5 3.5 0 0 0 .5 -2H-4M-1.4 -4.6L-4 -2L-1.4 .6",
    "retry": "M3.7 -1.6A4 4 0 1 0 4 1M4.3 -4.4V-1.3H1.2",
    "bolt": "M1.4 -5L-3 .8H.4L-1.2 5L3.2 -1H0Z",
    "clock": "M4.4 0A4.4 4.4 0 1 1 -4.4 0A4.4 4.4 0 1 1 4.4 0M0 -2.4V0L1.8 1.3",
    "takeover": "M-4 -3.4L-.6 0L-4 3.4M.6 -3.4L4 0L.6 3.4",
    "stop": "M-4 0H4",
    "play": "M-2.4 -4L3.6 0L-2.4 4Z",
    "dots": "M0 -3.5V-3.4M0 0V.1M0 3.5V3.6",
}
_LOOK_ICON = {
    Look.DONE: "check",
    Look.FAILED: "cross",
    Look.CANCELED: "stop",
    Look.RENEWED: "retry",
    Look.COMPENSATION: "undo",
    Look.RETRY: "retry",
    Look.TIMER: "clock",
    Look.GAP: "clock",
    Look.SKIP: "clock",
    Look.CRASH: "bolt",
    Look.TAKEOVER: "takeover",
    Look.CANCEL_REQUEST: "stop",
    Look.FOLD: "dots",
    Look.START: "play",
}
_LOOK_CLASS = {
    Look.DONE: "ok",
    Look.FAILED: "bad",
    Look.CANCELED: "wait",
    Look.RENEWED: "wf",
    Look.COMPENSATION: "comp",
    Look.RETRY: "wait",
    Look.TIMER: "wait",
    Look.GAP: "wait",
    Look.SKIP: "wait",
    Look.CRASH: "bad",
    Look.TAKEOVER: "wf",
    Look.CANCEL_REQUEST: "wait",
}


def svg(steps: Sequence[Step], legend: Captions | None = None, *, title: str, wide: bool = False, uid: str = "") -> str:
    """Die Schritte als SVG zum Einbetten in eine Seite; ohne JavaScript, hell und dunkel.

    Die Zeit läuft nach unten. Links stehen die Spuren (wer handelt), rechts steht, was geschieht.

    Args:
        steps: Die Schritte aus :func:`dauerlauf.history.steps`.
        legend: Kompensationen und fremde Systeme.
        title: Titel für Vorleseprogramme; er bestimmt mit dem Inhalt die IDs im Bild.
        wide: Das breite Bild (760 Einheiten) statt des schmalen für Telefone (360).
        uid: Unterscheidet die IDs, wenn dasselbe Bild mehrmals auf einer Seite steht.

    Returns:
        Ein ``<svg>``-Element; gleiche Eingabe, gleiche Bytes.
    """
    return _Painter(rows(steps, legend), steps, title, _WIDE if wide else _NARROW, uid).paint()


class _Painter:
    def __init__(self, found: Sequence[Row], steps: Sequence[Step], title: str, layout: _Layout, uid: str) -> None:
        self._rows = found
        self._title = title
        self._layout = layout
        self._description = summary(steps, found)
        digest = hashlib.sha256(repr((uid, title, layout.width, found)).encode("utf-8", "replace"))
        self._id = f"dl-{digest.hexdigest()[:10]}"
        self._slots, slot_count = _slots(found, layout.slots)
        used = {row.lane for row in found}
        lanes = ["client", "workflow"]
        lanes += [lane for lane in ("activity", "other") if lane in used]
        lanes += ["service"] if any(row.service for row in found) else []
        self._x: dict[str, float] = {}
        spacing = layout.spacing if len(lanes) < 5 or not layout.slanted else layout.spacing - 3
        x = float(layout.first)
        for lane in lanes:
            self._x[lane] = x
            x += spacing + (layout.slot * (slot_count - 1) if lane == "activity" else 0)
        labels = [_width(row.service, layout.small) for row in found] if not layout.slanted else []
        self._label_width = min(max(labels, default=0.0), 120.0)
        self._text_x = round(x - spacing + 18 + self._label_width)
        self._text_width = layout.width - self._text_x - 4
        self._arms: list[str] = []
        self._nodes: list[str] = []
        self._texts: list[str] = []
        self._bands: list[tuple[float, float]] = []
        self._holes: list[tuple[float, float]] = []
        self._centers: list[float] = []
        self._head = 66.0 if layout.slanted else 34.0

    def paint(self) -> str:
        y = self._head + 8
        shown = ""
        for row in self._rows:
            self._centers.append(y + 9)
            label = clock_text(row.time)
            if row.lane != "gap" and label != shown:
                self._clock(label, y)
                shown = label
            bottom = self._words(row, y)
            if row.lane == "gap" or self._is_wait(row):
                self._band(row, y - 4, bottom + 4)
                bottom += 8
            y = max(bottom + 9, y + 28)
        self._paint_marks()
        height = round(y + 4)
        width = self._layout.width
        return (
            f'<svg class="dl-bild" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
            f'height="{height}" role="img" aria-labelledby="{self._id}-t {self._id}-d">'
            f'<title id="{self._id}-t">{_escape(self._title)}</title>'
            f'<desc id="{self._id}-d">{_escape(self._description)}</desc>'
            f"<style>{_STYLE}</style>"
            f'<defs><pattern id="{self._id}-h" width="5" height="5" patternUnits="userSpaceOnUse" '
            f'patternTransform="rotate(45)"><path d="M0 0V5" stroke="var(--dl-comp)" stroke-width="4"/>'
            f"</pattern></defs>"
            f"{self._lanes(y)}{''.join(self._arms)}{''.join(self._nodes)}"
            f'<g font-size="{self._layout.size:g}">{"".join(self._texts)}</g></svg>'
        )

    @staticmethod
    def _is_wait(row: Row) -> bool:
        return row.look is Look.TIMER and row.part == "whole" and row.end - row.time >= GAP

    # -- Text rechts

    def _words(self, row: Row, y: float) -> float:
        size, small = self._layout.size, self._layout.small
        tone = "bad" if row.failed else _LOOK_CLASS.get(row.look, "")
        line = y + 13
        if row.look in _TAGGED:
            icon = _LOOK_ICON[row.look]
            self._texts.append(
                f'<g class="dl-{_LOOK_CLASS[row.look]}"><path class="dl-icon" d="{_ICONS[icon]}" '
                f'transform="translate({self._text_x + 6:g} {line - 4:g})"/>'
                f'<text class="dl-b dl-{_LOOK_CLASS[row.look]}" x="{self._text_x + 17:g}" y="{line:g}" '
                f'font-size="{small:g}">{_escape(row.look.value)}</text></g>'
            )
            line += size * _LINE
        heavy = row.look in _ENDINGS or row.look is Look.START or row.lane in ("gap", "activity") or self._is_wait(row)
        colour = f" dl-{tone}" if tone and (row.look in _ENDINGS or row.failed) else ""
        for text in _wrap(row.title, self._text_width, size * (1.1 if heavy else 1), 3):
            weight = "dl-b" if heavy else ""
            self._texts.append(self._text(text, self._text_x, line, f"{weight}{colour}"))
            line += size * _LINE
        if row.attempts > 1:
            line = self._chips(row, line)
        detail = row.detail
        if row.service and self._layout.slanted:
            detail = f"{row.service} · {detail}" if detail else row.service
        for text in _wrap(detail, self._text_width, small, 2 if row.look is Look.START else 4):
            self._texts.append(self._text(text, self._text_x, line - 1, "dl-m", small))
            line += small * _LINE
        if row.source is not None:
            source = _wrap(str(row.source), self._text_width, small * 1.1, 1)
            self._texts.append(self._text(source[0], self._text_x, line - 1, "dl-m dl-code", small - 1))
            line += small * _LINE
        return line - 9

    def _chips(self, row: Row, line: float) -> float:
        """Die Versuche einer Activity als Kästchen: gescheiterte mit Kreuz, der letzte mit seinem Ausgang."""
        fits = max(2, int(self._text_width // 34))
        numbers = list(range(1, row.attempts + 1))
        if len(numbers) > fits:
            numbers = [*numbers[: fits - 2], 0, numbers[-1]]
        x = self._text_x
        for number in numbers:
            if number == 0:
                self._texts.append(self._text("…", x + 8, line, "dl-m"))
                x += 28
                continue
            good = number == row.attempts and not row.failed
            tone, icon = ("ok", "check") if good else ("bad", "cross")
            digits = 7 * len(str(number))
            self._texts.append(
                f'<g class="dl-{tone}"><rect x="{x + 0.5:g}" y="{line - 11.5:g}" width="{digits + 20}" height="15" '
                f'rx="4" fill="none" stroke="currentColor"{"" if good else _DASHED}/>'
                + self._text(str(number), x + 5, line, f"dl-{tone}", self._layout.small)
                + f'<path class="dl-icon" d="{_ICONS[icon]}" '
                f'transform="translate({x + digits + 12:g} {line - 4:g}) scale(.8)"/></g>'
            )
            x += digits + 26
        return line + self._layout.size * _LINE + 2

    def _text(self, text: str, x: float, y: float, css: str = "", size: float | None = None) -> str:
        font = f' font-size="{size:g}"' if size else ""
        name = f' class="{css.strip()}"' if css.strip() else ""
        return f'<text{name} x="{x:g}" y="{y:g}"{font}>{_escape(text)}</text>'

    def _clock(self, label: str, y: float) -> None:
        parts = label.split(" ")
        lines = [label] if len(label) <= 8 else [" ".join(parts[:2]), " ".join(parts[2:])]
        for index, text in enumerate(filter(None, lines)):
            self._texts.append(
                f'<text class="dl-m" x="{self._layout.clock}" y="{y + 13 + index * 13:g}" text-anchor="end" '
                f'font-size="{self._layout.small - 1:g}">{_escape(text)}</text>'
            )

    # -- Spuren links

    def _lanes(self, bottom: float) -> str:
        parts: list[str] = []
        for lane, x in self._x.items():
            name = _LANE_NAMES[lane]
            place = (
                f'transform="translate({x + 2:g} {self._head - 6:g}) rotate(-48)"'
                if self._layout.slanted
                else f'x="{x:g}" y="{self._head - 14:g}" text-anchor="middle"'
            )
            strong = "dl-b dl-wf" if lane == "workflow" else "dl-m"
            parts.append(f'<text class="{strong}" font-size="{self._layout.small:g}" {place}>{name}</text>')
            if lane != "workflow":
                parts += self._line(x, self._head, bottom - 6, "dl-rail")
        ends = [self._centers[i] for i, row in enumerate(self._rows) if row.look in _ENDINGS]
        starts = [self._centers[i] for i, row in enumerate(self._rows) if row.look is Look.START]
        x = self._x["workflow"]
        parts += self._line(x, self._head, bottom - 6, "dl-rail")
        if self._centers:
            parts += self._line(
                x, starts[0] if starts else self._centers[0], ends[-1] if ends else bottom - 6, "dl-life"
            )
        return "".join(parts)

    def _line(self, x: float, top: float, bottom: float, css: str) -> Iterator[str]:
        """Eine senkrechte Linie, in Wartezeiten und nach einem Absturz nur gepunktet."""
        breaks = sorted(self._bands + (self._holes if css == "dl-life" else []))
        y = top
        for start, end in breaks:
            if end <= y or start >= bottom:
                continue
            if start > y:
                yield f'<path class="{css}" d="M{x:g} {y:g}V{start:g}"/>'
            yield f'<path class="{css} dl-hole" d="M{x:g} {max(start, y) + 3:g}V{min(end, bottom):g}"/>'
            y = min(end, bottom)
        if y < bottom:
            yield f'<path class="{css}" d="M{x:g} {y:g}V{bottom:g}"/>'

    def _band(self, row: Row, top: float, bottom: float) -> None:
        self._bands.append((top, bottom))
        left, right = self._layout.first - 10, self._text_x - 8
        if row.look is Look.FOLD:
            return
        for y in (top, bottom):
            waves = int((right - left) // 12)
            self._arms.append(f'<path class="dl-arm dl-wait" d="M{left:g} {y:g}{"q3 -4 6 0t6 0" * waves}"/>')

    def _paint_marks(self) -> None:
        ends = {row.operation: index for index, row in enumerate(self._rows) if row.part == "end"}
        crash: float | None = None
        for index, row in enumerate(self._rows):
            y = self._centers[index]
            if row.look is Look.CRASH:
                crash = y
            elif crash is not None and row.lane == "workflow":
                self._holes.append((crash, y))
                crash = None
            if row.lane == "gap":
                if row.look is Look.FOLD:
                    self._node("workflow", y, "dots", "wf", open_=True)
            elif row.lane in ("activity", "other") and row.operation in self._slots:
                self._operation(row, y, ends.get(row.operation))
            elif row.lane == "client":
                self._client(row, y)
            else:
                self._own(row, y)

    def _operation(self, row: Row, y: float, ending: int | None) -> None:
        end, last = (None, None) if ending is None else (self._centers[ending], self._rows[ending])
        x = self._x[row.lane] + self._slots[row.operation] * self._layout.slot
        tone = "comp" if row.look is Look.COMPENSATION else "ok"
        if row.failed:
            tone = "bad"
        home = self._x["workflow"]
        arm = f"dl-arm dl-{tone}{' dl-dash' if row.look is Look.COMPENSATION else ''}"
        if row.part == "end":
            self._arms.append(f'<path class="{arm}" d="M{x:g} {y:g}H{home + 6:g}m5 -3.5l-5 3.5l5 3.5"/>')
            return
        self._arms.append(f'<path class="{arm}" d="M{home:g} {y:g}H{x - 11:g}m-4 -3.5l4 3.5l-4 3.5"/>')
        if row.service and "service" in self._x:
            there = self._x["service"]
            self._arms.append(f'<path class="{arm}" d="M{x:g} {y:g}H{there:g}"/>')
            self._nodes.append(
                f'<rect class="dl-bar dl-{tone}" x="{there - 4:g}" y="{y - 4:g}" width="8" height="8" rx="1"/>'
            )
            if not self._layout.slanted:
                name = _wrap(row.service, self._label_width, self._layout.small, 1)[0]
                self._texts.append(self._text(name, there + 9, y + 4, "dl-m", self._layout.small))
        self._bar(row if last is None else last, row, x, y, end)

    def _bar(self, last: Row, first: Row, x: float, y: float, end: float | None) -> None:
        """Eine Activity: ein Kästchen, oder ein Balken, solange sie neben anderem läuft oder wartet."""
        failed, compensation = last.failed, first.look is Look.COMPENSATION
        tone = "bad" if failed else "comp" if compensation else "ok"
        icon = "cross" if failed else "undo" if compensation else "check"
        open_ = compensation or last.attempts > 1
        if first.part == "whole":
            dash = ' stroke-dasharray="3 2"' if open_ else ""
            box = (
                f'<rect class="dl-bar{" dl-open" if open_ else ""}" x="-8" y="-8" width="16" height="16" rx="4"{dash}/>'
            )
            self._nodes.append(self._iconed(x, y, icon, tone, box, 0.85, open_=open_))
            return
        fill = ""
        if compensation:
            fill = f' style="fill:url(#{self._id}-h)"'
        elif last.attempts > 1 or end is None:
            fill = ' style="fill:var(--dl-paper);stroke-dasharray:3 2.5"'
        height = end - y + 8 if end is not None else 18
        self._nodes.append(
            f'<rect class="dl-bar dl-{tone}" x="{x - 6:g}" y="{y - 8:g}" width="12" height="{height:g}" rx="3"{fill}/>'
        )
        if end is not None:
            self._badge(x, end, icon, tone, 7.5, open_=open_)

    def _badge(self, x: float, y: float, icon: str, tone: str, radius: float, *, open_: bool) -> None:
        circle = f'<circle class="dl-bar{" dl-open" if open_ else ""}" r="{radius:g}"/>'
        self._nodes.append(self._iconed(x, y, icon, tone, circle, round(radius / 8.5, 2), open_=open_))

    @staticmethod
    def _iconed(x: float, y: float, icon: str, tone: str, shape: str, scale: float, *, open_: bool) -> str:
        stroke = "dl-icon" if open_ else "dl-icon dl-on"
        return (
            f'<g class="dl-{tone}" transform="translate({x:g} {y:g})">{shape}'
            f'<path class="{stroke}" d="{_ICONS[icon]}" transform="scale({scale:g})"/></g>'
        )

    def _node(self, lane: str, y: float, icon: str, tone: str, *, open_: bool = False, radius: float = 8.5) -> None:
        self._badge(self._x[lane], y, icon, tone, radius, open_=open_)

    def _client(self, row: Row, y: float) -> None:
        here, home = self._x["client"], self._x["workflow"]
        tone = _LOOK_CLASS.get(row.look, "wf")
        back = row.part == "end"
        tip = (
            f"M{home:g} {y:g}H{here + 8:g}m4 -3.5l-4 3.5l4 3.5"
            if back
            else f"M{here:g} {y:g}H{home - 9:g}m-4 -3.5l4 3.5l-4 3.5"
        )
        self._arms.append(f'<path class="dl-arm dl-{tone}" d="{tip}"/>')
        self._nodes.append(f'<circle class="dl-bar dl-{tone}" cx="{here:g}" cy="{y:g}" r="4"/>')
        if row.look is Look.START:
            self._node("workflow", y, "play", "wf")
        else:
            self._nodes.append(f'<circle class="dl-bar dl-open dl-{tone}" cx="{home:g}" cy="{y:g}" r="4.5"/>')

    def _own(self, row: Row, y: float) -> None:
        tone = "bad" if row.failed else _LOOK_CLASS.get(row.look, "wf")
        icon = _LOOK_ICON.get(row.look)
        if icon is None:
            self._nodes.append(
                f'<circle class="dl-bar dl-open dl-{tone}" cx="{self._x["workflow"]:g}" cy="{y:g}" r="4.5"/>'
            )
        elif row.look in _ENDINGS:
            self._node("workflow", y, icon, tone, radius=10)
        else:
            self._node("workflow", y, icon, tone, open_=row.look is not Look.CRASH)


_TAGGED = {Look.COMPENSATION, Look.CRASH, Look.TAKEOVER}
_DASHED = ' stroke-dasharray="3 2"'


def _slots(found: Sequence[Row], limit: int) -> tuple[dict[int | None, int], int]:
    """Verteilt gleichzeitige Activities auf Plätze nebeneinander; was keinen Platz hat, teilt sich den letzten."""
    places: dict[int | None, int] = {}
    busy: list[int | None] = []
    most = 1
    ends = {row.operation for row in found if row.part == "end"}
    for row in found:
        if row.lane not in ("activity", "other") or row.operation is None:
            continue
        if row.part == "end":
            busy = [None if operation == row.operation else operation for operation in busy]
            continue
        free = next((place for place, operation in enumerate(busy) if operation is None), len(busy))
        if free >= limit:
            places[row.operation] = limit - 1
            continue
        places[row.operation] = free
        most = max(most, free + 1)
        if row.part == "begin" and row.operation in ends:
            if free == len(busy):
                busy.append(row.operation)
            else:
                busy[free] = row.operation
    return places, most


_NARROW_CHARS = set("iljtfrI.,:;'|!()[]·„“ ")
_BROAD_CHARS = set("mwMWÄÖÜ@%→←×")


def _width(text: str, size: float) -> float:
    """Geschätzte Breite; eher zu groß, weil die Schrift von der Seite kommt."""
    units = sum(
        0.37 if char in _NARROW_CHARS else 0.95 if char in _BROAD_CHARS or char > "⿿" else 0.61 for char in text
    )
    return units * size


def _wrap(text: str, width: float, size: float, limit: int) -> list[str]:
    """Bricht Text um, auch lange Bezeichner (hinter ``_``, ``.``, ``-``), auf höchstens ``limit`` Zeilen."""
    lines: list[str] = []
    line = ""
    for word in _pieces(text[: 80 * limit], width, size):
        if line and _width(line + word.rstrip(), size) > width:
            lines.append(line.rstrip())
            line = ""
            if len(lines) == limit:
                break
        line += word
    else:
        if line.strip():
            lines.append(line.rstrip())
        if len(text) <= 80 * limit:
            return lines
    last = lines[-1]
    while last and _width(last + "…", size) > width:
        last = last[:-1]
    return [*lines[:-1], last.rstrip() + "…"]


def _pieces(text: str, width: float, size: float) -> Iterator[str]:
    for word in text.split(" "):
        if _width(word, size) <= width:
            yield word + " "
            continue
        piece = ""
        for char in word:
            if piece and _width(piece + char, size) > width:
                yield piece
                piece = ""
            piece += char
            if char in "_.-/":
                yield piece
                piece = ""
        yield piece + " "


def _escape(text: str) -> str:
    return html_module.escape("".join(char if char.isprintable() else " " for char in text), quote=True)


def summary(steps: Sequence[Step], found: Sequence[Row]) -> str:
    """Ein Satz je Auffälligkeit: die Beschreibung des Bildes für Vorleseprogramme."""
    if not steps:
        return "Leere Historie."
    count = sum(row.count for row in found)
    parts = [f"{count} Schritte in {duration_text(steps[-1].time)}" if steps[-1].time >= GAP else f"{count} Schritte"]
    for look, one, many in (
        (Look.COMPENSATION, "eine Kompensation", "Kompensationen"),
        (Look.CRASH, "ein Absturz", "Abstürze"),
    ):
        number = sum(row.look is look and row.part != "end" for row in found)
        if number:
            parts.append(one if number == 1 else f"{number} {many}")
    retries = sum(row.attempts - 1 for row in found)
    if retries:
        parts.append("ein Retry" if retries == 1 else f"{retries} Retries")
    ending = next((row for row in reversed(found) if row.look in _ENDINGS), None)
    result = f"{ending.title}." if ending else "Der Workflow läuft noch."
    return f"{', '.join(parts)}. {result} Dieselben Angaben stehen in der Tabelle zum Bild."


# ---------------------------------------------------------------------------------------------------------
# HTML und Notebook

_FIGURE_STYLE = """
.dl-figur{container-type:inline-size;margin:1.5em 0}
.dl-figur .dl-breit{display:none}
@container (min-width:640px){.dl-figur .dl-breit{display:block}.dl-figur .dl-schmal{display:none}}
.dl-figur figcaption{font-size:.85em;margin:.6em 0;max-width:none;text-align:left;font-style:normal}
.dl-figur details{font-size:.85em}
.dl-figur .dl-tabelle{overflow-x:auto}
.dl-figur table{border-collapse:collapse;width:100%}
.dl-figur td:first-child,.dl-figur td:last-child{white-space:nowrap}
.dl-figur th,.dl-figur td{text-align:left;vertical-align:top;padding:.25em .75em .25em 0;border-bottom:1px solid #8884}
"""


def html(steps: Sequence[Step], legend: Captions | None = None, *, title: str, uid: str = "") -> str:
    """Eine Abbildung für eine Seite: das Bild (schmal und breit), die Unterschrift und die Tabelle dazu.

    Welches Bild zu sehen ist, entscheidet die Breite der Abbildung; das andere ist auch für Vorleseprogramme aus.

    Args:
        steps: Die Schritte aus :func:`dauerlauf.history.steps`.
        legend: Kompensationen und fremde Systeme.
        title: Bildunterschrift.
        uid: Unterscheidet die IDs, wenn dieselbe Abbildung mehrmals auf einer Seite steht.

    Returns:
        Ein ``<figure>``-Element ohne JavaScript; die Unterschrift steht als ``<figcaption>…</figcaption>`` darin.
    """
    found = rows(steps, legend)
    with_source = any(row.source for row in found)
    heads = ["Zeit", "Wer", "Was", "Einzelheit", *(["Quelle"] if with_source else [])]
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    body = "".join(
        "<tr>"
        + "".join(
            f"<td>{_escape(cell)}</td>"
            for cell in (
                "" if row.lane == "gap" else clock_text(row.time),
                row.service or _WHO[row.lane],
                _what(row).plain,
                _particulars(row).plain,
                *([str(row.source or "")] if with_source else []),
            )
        )
        + "</tr>"
        for row in found
    )
    caption = _escape(title)
    return (
        f'<figure class="dl-figur"><style>{_FIGURE_STYLE}</style>'
        f'<div class="dl-schmal">{svg(steps, legend, title=title, uid=uid)}</div>'
        f'<div class="dl-breit">{svg(steps, legend, title=title, wide=True, uid=uid)}</div>'
        f"<figcaption>{caption}</figcaption>"
        f'<details><summary>Als Tabelle lesen</summary><div class="dl-tabelle" role="group" tabindex="0" '
        f'aria-label="Tabelle: {caption}"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
        f"</div></details></figure>"
    )


@dataclass(frozen=True)
class Picture:
    """Ein Lauf, der sich selbst zeigt: als Bild im Notebook, als Tabelle im Terminal."""

    steps: Sequence[Step]
    legend: Captions | None = None
    title: str = "Lauf"

    def _repr_html_(self) -> str:
        return html(self.steps, self.legend, title=self.title)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Für ``rich.print``: die Tabelle."""
        yield table(self.steps, self.legend)
