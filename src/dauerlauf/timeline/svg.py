"""Die Schritte als SVG."""

from __future__ import annotations

import hashlib
import html as html_module
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dauerlauf.history import Step
from dauerlauf.timeline.rows import ENDINGS, GAP, Captions, Look, Row, clock_text, rows, summary


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

    Die Zeit läuft nach unten. Links stehen die Spuren (wer handelt), rechts steht, was geschieht. Alles, was zur
    Zeile ``n`` von :func:`rows` gehört (ab 0 gezählt), steht in Gruppen mit ``data-zeile="n"``.

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


class _Layer:
    """Eine Lage des Bildes; sie sammelt je Zeile, was zu ihr gehört."""

    def __init__(self) -> None:
        self.row = 0
        self._parts: dict[int, list[str]] = {}

    def append(self, part: str) -> None:
        self._parts.setdefault(self.row, []).append(part)

    def __str__(self) -> str:
        return "".join(f'<g data-zeile="{row}">{"".join(parts)}</g>' for row, parts in self._parts.items())


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
        self._arms, self._nodes, self._texts = _Layer(), _Layer(), _Layer()
        self._bands: list[tuple[float, float]] = []
        self._holes: list[tuple[float, float]] = []
        self._centers: list[float] = []
        self._head = 66.0 if layout.slanted else 34.0

    def paint(self) -> str:
        y = self._head + 8
        shown = ""
        for index, row in enumerate(self._rows):
            self._select(index)
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
            f'<title id="{self._id}-t">{escape(self._title)}</title>'
            f'<desc id="{self._id}-d">{escape(self._description)}</desc>'
            f"<style>{_STYLE}</style>"
            f'<defs><pattern id="{self._id}-h" width="5" height="5" patternUnits="userSpaceOnUse" '
            f'patternTransform="rotate(45)"><path d="M0 0V5" stroke="var(--dl-comp)" stroke-width="4"/>'
            f"</pattern></defs>"
            f"{self._lanes(y)}{self._arms}{self._nodes}"
            f'<g font-size="{self._layout.size:g}">{self._texts}</g></svg>'
        )

    def _select(self, index: int) -> None:
        for layer in (self._arms, self._nodes, self._texts):
            layer.row = index

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
                f'font-size="{small:g}">{escape(row.look.value)}</text></g>'
            )
            line += size * _LINE
        heavy = row.look in ENDINGS or row.look is Look.START or row.lane in ("gap", "activity") or self._is_wait(row)
        colour = f" dl-{tone}" if tone and (row.look in ENDINGS or row.failed) else ""
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
        return f'<text{name} x="{x:g}" y="{y:g}"{font}>{escape(text)}</text>'

    def _clock(self, label: str, y: float) -> None:
        parts = label.split(" ")
        lines = [label] if len(label) <= 8 else [" ".join(parts[:2]), " ".join(parts[2:])]
        for index, text in enumerate(filter(None, lines)):
            self._texts.append(
                f'<text class="dl-m" x="{self._layout.clock}" y="{y + 13 + index * 13:g}" text-anchor="end" '
                f'font-size="{self._layout.small - 1:g}">{escape(text)}</text>'
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
        ends = [self._centers[i] for i, row in enumerate(self._rows) if row.look in ENDINGS]
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
            self._select(index)
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
        elif row.look in ENDINGS:
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


def escape(text: str) -> str:
    return html_module.escape("".join(char if char.isprintable() else " " for char in text), quote=True)
