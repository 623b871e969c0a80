"""Zeilen: was alle Ausgaben gemeinsam haben."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from typing import Protocol

from dauerlauf.history import SourceLine, Step, StepKind, duration_text

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


class Look(StrEnum):
    """Gestalt einer Zeile; der Wert ist das Wort, das neben dem Zeichen steht."""

    PLAIN = ""
    START = "Start"
    CONTINUED = "Fortsetzung"
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
    QUERY = "Query"
    PATCH = "Patch"
    MARKER = "Vermerk"
    CANCEL_REQUEST = "Abbruch verlangt"
    FOLD = "Gekürzt"


@dataclass(frozen=True, slots=True)
class Row:
    """Eine Zeile des Bildes.

    ``lane`` ist die Spur: ``client``, ``external`` (ein anderer Workflow), ``workflow``, ``activity``, ``timer``,
    ``child``, ``nexus`` oder ``gap`` (niemand); ``track`` unterscheidet darin die Typen von Activities, Child Workflows
    und Nexus-Operationen. ``direction`` gilt für Nachrichten: ``in`` zum Workflow, ``out`` von ihm, ``both`` für
    Anfrage und Antwort.

    ``part`` sagt, ob ein Vorgang hier ganz steht (``whole``), beginnt (``begin``), endet (``end``) oder noch läuft
    (``during``); ``operation`` ist die Event-ID, die ihn eröffnet hat. ``begun`` ist der Beginn des letzten
    Versuchs einer Activity, ``starts`` sind die Anfänge aller, wenn sie sich aus der Retry Policy ergeben.
    ``events`` sind die IDs aller Events, für die die Zeile steht; eine gekürzte Zeile zählt auch die der Mechanik
    dazwischen.
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
    events: tuple[int, ...] = ()
    track: str = ""
    direction: str = ""
    begun: timedelta | None = None
    starts: tuple[timedelta, ...] = ()
    canceled: bool = False
    local: bool = False


_OPENERS = {
    StepKind.ACTIVITY_SCHEDULED: "activity",
    StepKind.TIMER_STARTED: "timer",
    StepKind.CHILD_INITIATED: "child",
    StepKind.NEXUS_SCHEDULED: "nexus",
    StepKind.UPDATE_ACCEPTED: "client",
}
_CANCELED = {
    StepKind.ACTIVITY_CANCELED,
    StepKind.TIMER_CANCELED,
    StepKind.CHILD_CANCELED,
    StepKind.NEXUS_CANCELED,
}
_CLOSERS = _CANCELED | {
    StepKind.ACTIVITY_COMPLETED,
    StepKind.ACTIVITY_FAILED,
    StepKind.ACTIVITY_TIMED_OUT,
    StepKind.TIMER_FIRED,
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
    StepKind.SIGNAL_FAILED,
    StepKind.CANCEL_FAILED,
}
_INSIDE = {
    StepKind.ACTIVITY_STARTED,
    StepKind.CHILD_STARTED,
    StepKind.NEXUS_STARTED,
    StepKind.SIGNAL_DELIVERED,
    StepKind.CANCEL_DELIVERED,
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
    StepKind.SIGNAL_SENT: Look.SIGNAL,
    StepKind.SIGNAL_FAILED: Look.SIGNAL,
    StepKind.QUERY: Look.QUERY,
    StepKind.PATCH: Look.PATCH,
    StepKind.MARKER: Look.MARKER,
    StepKind.CANCEL_SENT: Look.CANCEL_REQUEST,
    StepKind.CANCEL_FAILED: Look.CANCEL_REQUEST,
    StepKind.ACTIVITY_CANCEL_REQUESTED: Look.CANCEL_REQUEST,
    StepKind.NEXUS_CANCEL_REQUESTED: Look.CANCEL_REQUEST,
    StepKind.CANCEL_REQUESTED: Look.CANCEL_REQUEST,
    StepKind.CRASH: Look.CRASH,
    StepKind.TAKEOVER: Look.TAKEOVER,
    StepKind.TIMER_STARTED: Look.TIMER,
    StepKind.TIMER_FIRED: Look.TIMER,
    StepKind.TIMER_CANCELED: Look.TIMER,
    StepKind.UPDATE_ADMITTED: Look.UPDATE,
    StepKind.UPDATE_REJECTED: Look.UPDATE,
    StepKind.UPDATE_ACCEPTED: Look.UPDATE,
    StepKind.UPDATE_COMPLETED: Look.UPDATE,
}
ENDINGS = {Look.DONE, Look.FAILED, Look.CANCELED, Look.RENEWED}
STARTS = {Look.START, Look.CONTINUED}
_LANES = {
    StepKind.ACTIVITY_CANCEL_REQUESTED: "activity",
    StepKind.NEXUS_CANCEL_REQUESTED: "nexus",
    StepKind.LOCAL_ACTIVITY: "activity",
    StepKind.UPDATE_REJECTED: "client",
    StepKind.UPDATE_COMPLETED: "client",
    StepKind.SIGNAL_SENT: "external",
    StepKind.SIGNAL_FAILED: "external",
    StepKind.CANCEL_SENT: "external",
    StepKind.CANCEL_FAILED: "external",
}
_DIRECTIONS = {
    StepKind.STARTED: "in",
    StepKind.SIGNAL: "in",
    StepKind.CANCEL_REQUESTED: "in",
    StepKind.TERMINATED: "in",
    StepKind.UPDATE_ADMITTED: "in",
    StepKind.UPDATE_COMPLETED: "out",
    StepKind.UPDATE_REJECTED: "both",
    StepKind.QUERY: "both",
    StepKind.SIGNAL_SENT: "out",
    StepKind.SIGNAL_FAILED: "in",
    StepKind.CANCEL_SENT: "out",
    StepKind.CANCEL_FAILED: "in",
}
_TO_CHILDREN = {StepKind.SIGNAL_SENT, StepKind.CANCEL_SENT}
_UPDATE_DIRECTIONS = {"begin": "in", "end": "out", "whole": "both"}
_LANED = {"client", "external", "child", "nexus"}


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
    return _claimed(_folded(found), steps) if fold else found


def _operations(steps: Sequence[Step], legend: Captions) -> Iterator[tuple[Row, int]]:
    visible = [step for step in steps if not step.internal and step.kind not in _INSIDE]
    started = {step.caused_by: step for step in steps if step.kind is StepKind.ACTIVITY_STARTED}
    inside: dict[int | None, list[int]] = {}
    for step in steps:
        if step.kind in _INSIDE:
            inside.setdefault(step.caused_by, []).append(step.number)
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
                events = (step.number, *inside.get(step.number, ()), close.number)
                yield replace(_row(step, close, "whole", legend, started), events=events), close.number
                index += 2
                continue
            # Den Beginn einer Activity schreibt der Server erst mit ihrem Ende auf.
            late = close is not None and step.kind is StepKind.ACTIVITY_SCHEDULED
            events = (step.number, *(() if late else inside.get(step.number, ())))
            yield replace(_row(step, close, "begin", legend, started), events=events), step.number
        elif step.kind in _CLOSERS and step.caused_by in opened:
            opener = opened[step.caused_by]
            early = inside.get(step.caused_by, ()) if opener.kind is StepKind.ACTIVITY_SCHEDULED else ()
            yield replace(_row(opener, step, "end", legend, started), events=(*early, step.number)), step.number
        else:
            # Eine Query ist kein Event; ihre Nummer ist die des Events davor.
            events = () if step.kind is StepKind.QUERY else (step.number, *inside.get(step.number, ()))
            row = replace(_single(step, legend), events=events)
            child = opened.get(step.caused_by or 0) if step.kind in _TO_CHILDREN else None
            if child is not None:
                row = replace(row, lane="child", track=child.name, part="during", operation=child.number, direction="")
            yield row, step.number
        index += 1


def _row(step: Step, close: Step | None, part: str, legend: Captions, started: Mapping[int | None, Step]) -> Row:
    start = started.get(step.number)
    attempts = max((close and close.attempt) or 1, (start and start.attempt) or 1)
    activity = step.kind is StepKind.ACTIVITY_SCHEDULED
    compensation = activity and step.name in legend.compensations
    canceled = close is not None and close.kind in _CANCELED and part != "begin"
    failed = close is not None and not canceled and (close.kind in _BAD or bool(close.failure))
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
        service=legend.services.get(step.name, "") if activity else "",
        source=step.source if part != "end" else None,
        actor=step.actor,
        track="" if step.kind in (StepKind.TIMER_STARTED, StepKind.UPDATE_ACCEPTED) else step.name,
        direction=_UPDATE_DIRECTIONS[part] if step.kind is StepKind.UPDATE_ACCEPTED else "",
        begun=start.time if start is not None and part != "begin" else None,
        starts=start.attempts if start is not None and part != "begin" else (),
        canceled=canceled,
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
    lane = _LANES.get(step.kind) or (step.actor if step.actor in _LANED else "workflow")
    if step.continued:
        lane = "workflow"
    during = step.kind in (StepKind.ACTIVITY_CANCEL_REQUESTED, StepKind.NEXUS_CANCEL_REQUESTED)
    attempts = step.attempt or 1
    look = Look.CONTINUED if step.continued else _LOOKS.get(step.kind, Look.PLAIN)
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
        part="during" if during else "whole",
        operation=step.caused_by if during else step.number,
        failed=step.kind in _BAD or bool(step.failure and lane in ("activity", "client")),
        attempts=attempts if local else 1,
        service=legend.services.get(step.name, "") if local else "",
        source=step.source,
        actor=step.actor,
        track=step.name if lane in ("activity", "child", "nexus") else "",
        direction=_DIRECTIONS.get(step.kind, "") if lane in ("client", "external") else "",
        canceled=step.kind in _CANCELED,
        local=local,
    )


def _with_gaps(found: Iterable[tuple[Row, int]], steps: Sequence[Step]) -> Iterator[Row]:
    skips = [step.number for step in steps if step.kind is StepKind.TIME_SKIP]
    clock, last = timedelta(0), 0
    for row, end in found:
        wait = row.time - clock
        skipped = tuple(skips[bisect.bisect(skips, last) : bisect.bisect(skips, end)])
        if is_wait(row):
            row = replace(row, detail=Look.SKIP.value if skipped else "", events=tuple(sorted((*row.events, *skipped))))
        elif wait >= GAP:
            look = Look.SKIP if skipped else Look.GAP
            title = f"{duration_text(wait)} später"
            yield Row(look, clock, row.time, "gap", title, look.value, count=0, events=skipped)
        yield row
        clock, last = max(clock, row.end), max(last, end)


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
        title = f"{count} weitere Schritte"
        marker = Row(Look.FOLD, hidden[0].time, hidden[-1].end, "gap", title, count=count, events=_events(hidden))
        result = [*result[:head], marker, *result[-tail:]]
    return result


def _fold_row(hidden: Sequence[Row], repeats: int, period: int) -> Row:
    count = sum(row.count for row in hidden)
    kinds = sum(1 for row in hidden[:period] if row.count)
    title = f"{repeats} × dieselben {kinds} Schritte" if kinds > 1 else f"{count} gleiche Schritte"
    span = hidden[-1].end - hidden[0].time
    detail = f"in {duration_text(span)}" if span >= GAP else ""
    return Row(Look.FOLD, hidden[0].time, hidden[-1].end, "gap", title, detail, count=count, events=_events(hidden))


def _events(hidden: Sequence[Row]) -> tuple[int, ...]:
    return tuple(sorted({event for row in hidden for event in row.events}))


def _claimed(found: list[Row], steps: Sequence[Step]) -> list[Row]:
    """Gibt den gekürzten Zeilen auch die Events der Mechanik, die zwischen ihren Schritten liegen."""
    claimed = {event for row in found for event in row.events}
    free = [step.number for step in steps if step.number not in claimed]
    result = []
    for row in found:
        if row.look is Look.FOLD and row.events:
            between = free[bisect.bisect(free, row.events[0]) : bisect.bisect(free, row.events[-1])]
            row = replace(row, events=tuple(sorted((*row.events, *between))))
        result.append(row)
    return result


def is_wait(row: Row) -> bool:
    """Ob die Zeile selbst eine Wartezeit ist: ein Timer, während dem nichts geschieht."""
    return row.look is Look.TIMER and row.part == "whole" and row.end - row.time >= GAP


def clock_text(time: timedelta) -> str:
    """Zeit seit dem Start, wie sie in Tabelle und Bild steht: ``0 s``, ``+2 h``, ``+3 Tage``."""
    return "0 s" if time < GAP else f"+{duration_text(timedelta(seconds=int(time.total_seconds())))}"


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
    ending = next((row for row in reversed(found) if row.look in ENDINGS), None)
    result = f"{ending.title}." if ending else "Der Workflow läuft noch."
    return f"{', '.join(parts)}. {result} Dieselben Angaben stehen in der Tabelle zum Bild."
