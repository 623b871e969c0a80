"""Die Spuren eines Bildes: welche es gibt, wo sie stehen und wie sie heißen."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dauerlauf.timeline.rows import Row
from dauerlauf.timeline.words import text_width, wrap

Key = tuple[str, str]
"""Spur und darin der Typ; ein leerer Typ steht für alle Typen der Spur."""

_ORDER = ("external", "client", "workflow", "activity", "timer", "child", "nexus", "service")
_HEADINGS = {
    "external": "Andere Workflows",
    "client": "Client",
    "workflow": "Workflow",
    "activity": "Activities",
    "timer": "Timer",
    "child": "Child Workflows",
    "nexus": "Nexus",
    "service": "Systeme",
}
_OPERATIONS = {"activity", "timer", "child", "nexus"}
# Von der ausführlichsten Aufteilung zur sparsamsten: Die erste, die Platz hat, gilt.
_SPLITS = (
    frozenset({"activity", "child", "nexus", "service"}),
    frozenset({"activity", "child", "nexus"}),
    frozenset({"activity"}),
    frozenset[str](),
)
_ANGLE = 48
_HEADING_WIDTH = 142
_UPRIGHT_SPACING = 64
_MOST_SPACING = 96.0
_MESSAGES = 10
"""So viel mehr Platz haben die Pfeile der Nachrichten."""


@dataclass(frozen=True)
class Layout:
    """Maße eines Bildes in SVG-Einheiten; schmal liest sich auf dem Telefon, breit auf der Seite."""

    width: int
    clock: int
    """Rechte Kante der Zeiten."""
    first: int
    """Mitte der ersten Spur."""
    spacing: tuple[int, int]
    """Kleinster und größter Abstand zweier Spuren mit schrägen Überschriften."""
    slot: int
    slots: int
    """So viele gleichzeitige Vorgänge stehen in einer Spur nebeneinander."""
    text: int
    """So breit bleibt der Text rechts mindestens."""
    split: bool
    """Ob jeder Typ seine Spur bekommt; sonst teilen sich alle Activities eine, und Timer gehören zum Workflow."""
    size: float
    small: float


NARROW = Layout(
    width=360, clock=50, first=64, spacing=(20, 24), slot=13, slots=4, text=150, split=False, size=13, small=11.5
)
WIDE = Layout(
    width=760, clock=78, first=104, spacing=(23, 36), slot=13, slots=5, text=300, split=True, size=14, small=12.5
)


@dataclass(frozen=True)
class Lanes:
    """Die fertige Aufteilung: die Mitte jeder Spur, ihre Überschrift und der Platz jedes Vorgangs darin."""

    x: Mapping[Key, float]
    headings: Mapping[Key, Sequence[str]]
    slots: Mapping[int | None, int]
    slanted: bool
    head: float
    text_x: float

    def key(self, lane: str, track: str) -> Key | None:
        """Die Spur, in der etwas steht; `None`, wenn das Bild sie nicht hat."""
        return next((key for key in ((lane, track), (lane, "")) if key in self.x), None)


def arrange(found: Sequence[Row], layout: Layout) -> Lanes:
    """Verteilt die Zeilen auf so viele Spuren, wie Platz haben."""
    for split in _SPLITS if layout.split else _SPLITS[-1:]:
        keys = _keys(found, split, timers=layout.split)
        slots, most = _slots(found, keys, layout.slots)
        extra = sum(_extra(key, most, layout) for key in keys)
        room = layout.width - layout.text - layout.first - extra - 22
        spacing = room / max(len(keys) - 1, 1)
        if spacing >= layout.spacing[0]:
            break
    upright, headings = _upright(keys, spacing, layout)
    if not upright:
        spacing = max(min(spacing, layout.spacing[1]), layout.spacing[0])
        headings = {key: wrap(_heading(key), _HEADING_WIDTH, layout.small, 1) for key in keys}
        longest = max(text_width(lines[0], layout.small) for lines in headings.values())
        head = longest * math.sin(math.radians(_ANGLE)) + 16
    else:
        spacing = min(spacing, _MOST_SPACING)
        head = 20 + max(map(len, headings.values())) * layout.small * 1.2
    places: dict[Key, float] = {}
    x = float(layout.first)
    for key in keys:
        places[key] = round(x, 1)
        x += spacing + _extra(key, most, layout)
    return Lanes(places, headings, slots, not upright, round(head, 1), round(x - spacing + 22, 1))


def _extra(key: Key, most: Mapping[Key, int], layout: Layout) -> int:
    wider = _MESSAGES if layout.split and key[0] in ("client", "external") else 0
    return wider + (most.get(key, 1) - 1) * layout.slot


def _heading(key: Key) -> str:
    lane, track = key
    return track.strip() or _HEADINGS[lane]


def _upright(keys: Sequence[Key], spacing: float, layout: Layout) -> tuple[bool, dict[Key, list[str]]]:
    """Ob die Überschriften waagrecht in höchstens zwei Zeilen passen."""
    spacing = min(spacing, _MOST_SPACING)
    headings = {key: wrap(_heading(key), spacing - 8, layout.small, 2) for key in keys}
    fits = all(
        _heading(key) == " ".join(lines)
        or (_heading(key) == "".join(lines) and all(line[-1] in "_.-/" for line in lines[:-1]))
        for key, lines in headings.items()
    )
    return layout.split and spacing >= _UPRIGHT_SPACING and fits, headings


def _keys(found: Iterable[Row], split: frozenset[str], *, timers: bool) -> list[Key]:
    keys: dict[Key, None] = {("client", ""): None, ("workflow", ""): None}
    for row in found:
        if row.lane != "gap" and (timers or row.lane != "timer"):
            keys[row.lane, row.track if row.lane in split else ""] = None
        if row.service:
            keys["service", row.service if "service" in split else ""] = None
    return sorted(keys, key=lambda key: _ORDER.index(key[0]))


def _slots(found: Sequence[Row], keys: Sequence[Key], limit: int) -> tuple[dict[int | None, int], dict[Key, int]]:
    """Verteilt gleichzeitige Vorgänge auf Plätze nebeneinander; was keinen Platz hat, teilt sich den letzten."""
    places: dict[int | None, int] = {}
    busy: dict[Key, list[int | None]] = {}
    most: dict[Key, int] = {}
    ends = {row.operation for row in found if row.part == "end"}
    for row in found:
        if row.lane not in _OPERATIONS or row.operation is None or row.part == "during":
            continue
        key = (row.lane, row.track) if (row.lane, row.track) in keys else (row.lane, "")
        taken = busy.setdefault(key, [])
        if row.part == "end":
            busy[key] = [None if operation == row.operation else operation for operation in taken]
            continue
        free = next((place for place, operation in enumerate(taken) if operation is None), len(taken))
        if free >= limit:
            places[row.operation] = limit - 1
            continue
        places[row.operation] = free
        most[key] = max(most.get(key, 1), free + 1)
        if row.part == "begin" and row.operation in ends:
            if free == len(taken):
                taken.append(row.operation)
            else:
                taken[free] = row.operation
    return places, most
