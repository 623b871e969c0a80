"""Das Bild eines Laufs als SVG."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import pairwise

from dauerlauf.history import Step
from dauerlauf.timeline.lanes import NARROW, WIDE, Layout, arrange
from dauerlauf.timeline.rows import ENDINGS, STARTS, Captions, Look, Row, clock_text, is_wait, rows, summary
from dauerlauf.timeline.style import ICONS, LOOK_CLASS, LOOK_ICON, STYLE
from dauerlauf.timeline.words import escape, text_width, wrap

_LINE = 1.32
_TAGGED = {Look.COMPENSATION, Look.CRASH, Look.TAKEOVER}
_DASHED = ' stroke-dasharray="3 2"'
_INLINE = 24
"""So kurze Einzelheiten stehen in der Zeile des Titels."""
_SEGMENT = 11.0
"""So hoch ist ein Versuch mindestens."""
_CHIPS = 5
_WORKFLOW = ("workflow", "")


def svg(
    steps: Sequence[Step],
    legend: Captions | None = None,
    *,
    title: str,
    wide: bool = False,
    uid: str = "",
    style: bool = True,
) -> str:
    """Die Schritte als SVG zum Einbetten in eine Seite oder als eigene Datei; ohne JavaScript, hell und dunkel.

    Die Zeit läuft nach unten. Links stehen die Spuren (wer handelt), rechts steht, was geschieht. Alles, was zur
    Zeile ``n`` von :func:`rows` gehört (ab 0 gezählt), steht in Gruppen mit ``data-zeile="n"``.

    Args:
        steps: Die Schritte aus :func:`dauerlauf.history.steps`.
        legend: Kompensationen und fremde Systeme.
        title: Titel für Vorleseprogramme; er bestimmt mit dem Inhalt die IDs im Bild.
        wide: Das breite Bild (760 Einheiten, jeder Activity-Typ in seiner Spur) statt des schmalen für Telefone (360).
        uid: Unterscheidet die IDs, wenn dasselbe Bild mehrmals auf einer Seite steht.
        style: Ob das Bild sein CSS mitbringt; ohne muss es die Seite aus :data:`STYLE` nehmen.

    Returns:
        Ein ``<svg>``-Element; gleiche Eingabe, gleiche Bytes.
    """
    found = rows(steps, legend)
    return _Painter(found, title, summary(steps, found), WIDE if wide else NARROW, uid).paint(style=style)


def album(pictures: Sequence[tuple[str, str]]) -> str:
    """Mehrere Bilder untereinander in einem SVG, für eine einzige Datei.

    Args:
        pictures: Überschrift und breites Bild aus :func:`svg`.

    Returns:
        Ein ``<svg>``-Element; bei nur einem Bild dieses selbst.
    """
    if len(pictures) == 1:
        return pictures[0][1]
    parts, y = [], 0
    for heading, picture in pictures:
        height = int(picture.partition(' height="')[2].partition('"')[0])
        lines = wrap(heading, WIDE.width - 40, WIDE.size * 1.2, 2)
        for line in lines:
            y += 24
            parts.append(f'<text class="dl-b" x="20" y="{y}" font-size="{WIDE.size * 1.1:g}">{escape(line)}</text>')
        y += 12
        parts.append(picture.replace("<svg ", f'<svg y="{y}" ', 1))
        y += height + 24
    return (
        f'<svg class="dl-bild" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDE.width} {y}" width="{WIDE.width}" '
        f'height="{y}"><style>{STYLE}</style>{"".join(parts)}</svg>'
    )


class _Layer:
    """Eine Lage des Bildes; sie sammelt je Zeile, was zu ihr gehört."""

    def __init__(self) -> None:
        self.row = 0
        self._parts: dict[int, list[str]] = {}

    def append(self, part: str) -> None:
        self._parts.setdefault(self.row, []).append(part)

    def __str__(self) -> str:
        return "".join(f'<g data-zeile="{row}">{"".join(parts)}</g>' for row, parts in sorted(self._parts.items()))


class _Painter:
    def __init__(self, found: Sequence[Row], title: str, description: str, layout: Layout, uid: str) -> None:
        self._rows = found
        self._title = title
        self._description = description
        self._layout = layout
        digest = hashlib.sha256(repr((uid, title, layout.width, found)).encode("utf-8", "replace"))
        self._id = f"dl-{digest.hexdigest()[:10]}"
        self._lanes = arrange(found, layout)
        self._text_x = self._lanes.text_x
        self._text_width = layout.width - self._text_x - 4
        self._home = self._lanes.x[_WORKFLOW]
        self._left, self._right = layout.first - 10, self._text_x - 10
        self._arms, self._nodes, self._texts = _Layer(), _Layer(), _Layer()
        self._bands: list[tuple[float, float]] = []
        self._holes: list[tuple[float, float]] = []
        self._centers: list[float] = []
        self._clock_at: list[tuple[float, float]] = []
        """Stützpunkte der Uhr: Zeit in Sekunden und Höhe im Bild."""
        self._hatched = False

    def paint(self, *, style: bool) -> str:
        y = self._lanes.head + 8
        shown = ""
        for index, row in enumerate(self._rows):
            self._select(index)
            if row.look is Look.CONTINUED:
                self._seam(y + 6)
                y += 22
            self._centers.append(y + 9)
            label = clock_text(row.time)
            if row.lane != "gap" and label != shown:
                self._clock(label, y)
                shown = label
            bottom = self._words(row, y)
            if row.lane == "gap" or is_wait(row):
                bottom = max(bottom, y + 14, y + self._retries_across(index) * _SEGMENT * 1.2 - 8)
                self._band(row, y - 4, bottom + 4)
                bottom += 8
            elif row.lane != "gap":
                self._clock_at.append((row.time.total_seconds(), y + 9))
            if row.look is Look.RENEWED:
                bottom = max(bottom, y + 20) + 14
                self._seam(bottom - 2)
            y = max(bottom + 8, y + 27)
        self._paint_marks()
        height = round(y + 4)
        width = self._layout.width
        hatch = (
            f'<defs><pattern id="{self._id}-h" width="5" height="5" patternUnits="userSpaceOnUse" '
            f'patternTransform="rotate(45)"><path d="M0 0V5" stroke="var(--dl-comp)" stroke-width="4"/>'
            f"</pattern></defs>"
        )
        return (
            f'<svg class="dl-bild" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
            f'height="{height}" role="img" aria-labelledby="{self._id}-t {self._id}-d">'
            f'<title id="{self._id}-t">{escape(self._title)}</title>'
            f'<desc id="{self._id}-d">{escape(self._description)}</desc>'
            f"{f'<style>{STYLE}</style>' if style else ''}{hatch if self._hatched else ''}"
            f"{self._rails(y)}{self._arms}{self._nodes}"
            f'<g font-size="{self._layout.size:g}">{self._texts}</g></svg>'
        )

    def _retries_across(self, index: int) -> int:
        """Wie viele Versuche in eine Wartezeit passen sollen: so viele, wie eine Activity darüber hinweg braucht."""
        before = {row.operation for row in self._rows[:index] if row.part == "begin"}
        ends = (row for row in self._rows[index:] if row.part == "end" and row.operation in before)
        return min(max((row.attempts for row in ends if row.attempts > 2), default=0), _CHIPS)

    def _select(self, index: int) -> None:
        for layer in (self._arms, self._nodes, self._texts):
            layer.row = index

    # -- Text rechts

    def _words(self, row: Row, y: float) -> float:
        size, small, width = self._layout.size, self._layout.small, self._text_width
        tone = "bad" if row.failed else LOOK_CLASS.get(row.look, "")
        line = y + 13
        heavy = row.look in ENDINGS | STARTS or row.lane in ("gap", "activity", "child", "nexus") or is_wait(row)
        colour = f" dl-{tone}" if tone and (row.look in ENDINGS or row.failed) else ""
        css = f"{'dl-b' if heavy else ''}{colour}"
        used = size * (1.1 if heavy else 1)
        source = str(row.source or "")
        source_width = text_width(source, small * 1.1) + 12 if source else 0.0
        title = wrap(row.title, width, used, 3)
        detail = row.detail
        if row.service and ("service", row.service) not in self._lanes.x:
            detail = f"{row.service} · {detail}" if detail else row.service
        # Was hinter den Titel passt, steht dort; das hält das Bild niedrig.
        tag = row.look.value if row.look in _TAGGED else ""
        tag_css = f"dl-b dl-{LOOK_CLASS.get(row.look, '')}"
        first = text_width(title[0], used) if title else 0.0
        beside = bool(source) and len(title) == 1 and first + source_width <= width
        spare = width - first - (source_width if beside else 0.0) if len(title) == 1 else 0.0
        tag_width = text_width(tag, small * 1.1) + 8 if tag else 0.0
        short = bool(detail) and len(detail) <= _INLINE and row.attempts == 1
        extra = ""
        if short and tag_width + text_width(detail, small) + 8 <= spare:
            extra = f'<tspan class="dl-m" dx="7" font-size="{small:g}">{escape(detail)}</tspan>'
            detail = ""
        if tag and tag_width <= spare and (not short or not detail):
            extra = f'<tspan class="{tag_css}" dx="7" font-size="{small:g}">{tag}</tspan>{extra}'
            tag = ""
        if beside:
            self._source(source, line)
        for text in title:
            self._texts.append(self._text(text, self._text_x, line, css, more=extra))
            extra = ""
            line += size * _LINE
        if row.attempts > 1:
            line = self._chips(row, line)
        particulars = f"{tag} · {detail}" if tag and detail else tag or detail
        lines = wrap(particulars, width, small, 2 if row.look in STARTS else 4)
        for text in lines:
            marked = f'<tspan class="{tag_css}">{tag}</tspan>' if tag else ""
            rest = escape(text[len(tag) :])
            self._texts.append(
                f'<text class="dl-m" x="{self._text_x:g}" y="{line - 1:g}" font-size="{small:g}">{marked}{rest}</text>'
            )
            tag = ""
            line += small * _LINE
        if source and not beside:
            if not lines or not self._layout.split or text_width(lines[-1], small) + source_width > width:
                line += small * _LINE
            self._source(wrap(source, width, small * 1.1, 1)[0], line - small * _LINE - 1, left=not self._layout.split)
        return line - 9

    def _source(self, source: str, line: float, *, left: bool = False) -> None:
        place = f'x="{self._text_x:g}"' if left else f'x="{self._layout.width - 4}" text-anchor="end"'
        self._texts.append(
            f'<text class="dl-m dl-code" {place} y="{line:g}" font-size="{self._layout.small - 1:g}">'
            f"{escape(source)}</text>"
        )

    def _chips(self, row: Row, line: float) -> float:
        """Die Versuche einer Activity als Kästchen: gescheiterte mit Kreuz, der letzte mit seinem Ausgang."""
        small = self._layout.small
        x = self._text_x
        fits = min(_CHIPS, int(self._text_width // 34))
        numbers: Sequence[int] = range(1, row.attempts + 1)
        if row.attempts > fits:
            text = f"{row.attempts} Versuche"
            self._texts.append(self._text(text, x, line, "dl-b dl-wait", small))
            x += text_width(text, small * 1.1) + 4
            numbers = numbers[-1:]
        for number in numbers:
            good = number == row.attempts and not row.failed and not row.canceled
            stopped = number == row.attempts and row.canceled
            tone, icon = ("ok", "check") if good else ("wait", "stop") if stopped else ("bad", "cross")
            digits = 7 * len(str(number))
            self._texts.append(
                f'<g class="dl-{tone}"><rect x="{x + 0.5:g}" y="{line - 11.5:g}" width="{digits + 20}" height="15" '
                f'rx="4" fill="none" stroke="currentColor"{"" if good else _DASHED}/>'
                + self._text(str(number), x + 5, line, f"dl-{tone}", small)
                + f'<path class="dl-icon" d="{ICONS[icon]}" '
                f'transform="translate({x + digits + 12:g} {line - 4:g}) scale(.8)"/></g>'
            )
            x += digits + 26
        return line + self._layout.size * _LINE + 2

    def _text(self, text: str, x: float, y: float, css: str = "", size: float | None = None, more: str = "") -> str:
        font = f' font-size="{size:g}"' if size else ""
        name = f' class="{css.strip()}"' if css.strip() else ""
        return f'<text{name} x="{x:g}" y="{y:g}"{font}>{escape(text)}{more}</text>'

    def _clock(self, label: str, y: float) -> None:
        parts = label.split(" ")
        lines = [label] if len(label) <= 8 else [" ".join(parts[:2]), " ".join(parts[2:])]
        for index, text in enumerate(filter(None, lines)):
            self._texts.append(
                f'<text class="dl-m" x="{self._layout.clock}" y="{y + 13 + index * 13:g}" text-anchor="end" '
                f'font-size="{self._layout.small - 1:g}">{escape(text)}</text>'
            )

    # -- Spuren links

    def _rails(self, bottom: float) -> str:
        head, small = self._lanes.head, self._layout.small
        parts: list[str] = []
        for key, x in self._lanes.x.items():
            css = "dl-b dl-wf" if key == _WORKFLOW else "dl-m"
            lines = self._lanes.headings[key]
            for index, text in enumerate(lines):
                place = (
                    f'transform="translate({x + 2:g} {head - 6:g}) rotate(-48)"'
                    if self._lanes.slanted
                    else f'x="{x:g}" y="{head - 8 - (len(lines) - 1 - index) * small * 1.2:g}" text-anchor="middle"'
                )
                parts.append(f'<text class="{css}" font-size="{small:g}" {place}>{escape(text)}</text>')
            parts += self._line(x, head, bottom - 6, "dl-rail")
        ends = [self._centers[i] for i, row in enumerate(self._rows) if row.look in ENDINGS]
        starts = [self._centers[i] for i, row in enumerate(self._rows) if row.look in STARTS]
        if self._centers:
            first = starts[0] if starts else self._centers[0]
            last = ends[-1] if ends else bottom - 6
            if self._rows[0].look is Look.CONTINUED:
                parts.append(self._dotted(self._home, head, first))
            parts += self._line(self._home, first, last, "dl-life")
            if self._rows[-1].look is Look.RENEWED:
                parts.append(self._dotted(self._home, last, bottom - 6))
        return "".join(parts)

    @staticmethod
    def _dotted(x: float, top: float, bottom: float) -> str:
        return f'<path class="dl-life dl-hole" d="M{x:g} {top + 3:g}V{bottom:g}"/>'

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
        self._clock_at += [(row.time.total_seconds(), top), (row.end.total_seconds(), bottom)]
        if row.look is Look.FOLD:
            return
        waves = int((self._right - self._left) // 12)
        for y in (top, bottom):
            self._arms.append(f'<path class="dl-arm dl-wait" d="M{self._left:g} {y:g}{"q3 -4 6 0t6 0" * waves}"/>')

    def _seam(self, y: float) -> None:
        """Die Naht zwischen zwei Läufen: eine Zickzacklinie durch alle Spuren."""
        teeth = int((self._right - self._left) // 10)
        self._arms.append(f'<path class="dl-arm dl-wf" d="M{self._left:g} {y:g}{"l5 -4l5 4" * teeth}"/>')

    def _paint_marks(self) -> None:
        ends = {row.operation: index for index, row in enumerate(self._rows) if row.part == "end"}
        begins = {row.operation: index for index, row in enumerate(self._rows) if row.part == "begin"}
        crash: float | None = None
        for index, row in enumerate(self._rows):
            self._select(index)
            y = self._centers[index]
            if row.look is Look.CRASH:
                crash = y
            elif crash is not None and row.lane == "workflow":
                self._holes.append((crash, y))
                crash = None
            key = self._lanes.key(row.lane, row.track)
            if row.lane == "gap":
                if row.look is Look.FOLD:
                    self._badge(self._home, y, "dots", "wf", open_=True)
            elif row.lane in ("client", "external") and key is not None:
                self._message(row, self._lanes.x[key], y)
            elif key is None or key == _WORKFLOW or row.operation not in self._lanes.slots:
                self._own(row, y)
            else:
                x = self._lanes.x[key] + self._lanes.slots[row.operation] * self._layout.slot
                self._operation(row, x, y, begins.get(row.operation), ends.get(row.operation))

    # -- Vorgänge: Activities, Timer, Child Workflows, Nexus-Operationen

    @staticmethod
    def _outcome(row: Row) -> tuple[str, str]:
        """Farbe und Zeichen eines Vorgangs."""
        if row.failed:
            return "bad", "cross"
        if row.canceled or row.look is Look.CANCEL_REQUEST:
            return "wait", "stop"
        if row.look is Look.SIGNAL:
            return "wf", "check"
        if row.look is Look.COMPENSATION:
            return "comp", "undo"
        return ("wait", "clock") if row.look is Look.TIMER else ("ok", "check")

    def _operation(self, row: Row, x: float, y: float, begin: int | None, ending: int | None) -> None:
        tone, icon = self._outcome(row)
        dashed = " dl-dash" if row.look is Look.COMPENSATION else ""
        if row.part == "end":
            self._arrow(x, y, self._home + 6, f"dl-{tone}{dashed}")
            if begin is None:
                self._box(x, y, icon, tone)
            else:
                self._badge(x, y, icon, tone, 7.5, open_=row.look is Look.COMPENSATION)
            return
        self._arrow(self._home, y, x - 9, f"dl-{tone}{dashed}")
        if row.part == "during":
            if row.look is Look.CANCEL_REQUEST:
                self._badge(x, y, icon, tone, 6.5, open_=True)
            else:
                self._dot(x, y, tone)
            return
        there = self._lanes.key("service", row.service) if row.service else None
        if there is not None:
            end = self._lanes.x[there]
            self._arms.append(f'<path class="dl-arm dl-{tone}{dashed}" d="M{x:g} {y:g}H{end:g}"/>')
            self._nodes.append(
                f'<rect class="dl-bar dl-{tone}" x="{end - 4:g}" y="{y - 4:g}" width="8" height="8" rx="1"/>'
            )
        if row.part == "begin":
            self._bar(row, x, y, ending)
        elif row.attempts > 1 and not row.local:
            bottom = y + min(row.attempts - 1, 2) * _SEGMENT + 6
            self._attempts(row, x, y - 8, bottom)
            self._badge(x, bottom, icon, tone, 7.5, open_=row.look is Look.COMPENSATION)
        else:
            open_ = row.look is Look.COMPENSATION or row.attempts > 1
            self._box(x, y, icon, tone, radius=8 if row.local else 4, open_=open_)

    def _bar(self, row: Row, x: float, y: float, ending: int | None) -> None:
        """Ein Vorgang, der läuft, während anderes geschieht oder gewartet wird: ein Balken bis zu seinem Ende."""
        if ending is None:
            during = [self._centers[i] for i, other in enumerate(self._rows) if other.operation == row.operation]
            self._rect(x, y - 8, during[-1] - y + 18, self._outcome(row)[0], "dash")
            return
        last, bottom = self._rows[ending], self._centers[ending]
        tone, _ = self._outcome(last)
        if last.attempts > 1:
            self._attempts(last, x, y - 8, bottom)
        elif row.look is Look.COMPENSATION and not last.failed:
            self._rect(x, y - 8, bottom - y + 8, tone, "hatch")
        else:
            plain = row.lane == "timer" or last.canceled
            self._rect(x, y - 8, bottom - y + 8, tone, "plain" if plain else "full")

    def _attempts(self, row: Row, x: float, top: float, bottom: float) -> None:
        """Die Versuche als Abschnitte eines Balkens, gescheiterte gestrichelt mit Kreuz.

        Der Beginn des letzten steht in der History, die der anderen ergeben sich oft aus der Retry Policy; sonst haben
        sie gleiche Abstände. Haben nicht alle Platz, bleibt vor dem letzten eine Lücke.
        """
        shown = min(row.attempts, max(2, int((bottom - top) // _SEGMENT)))
        edges = [top + (bottom - top) * i / shown for i in range(shown)]
        if row.begun is not None and shown > 1:
            # Der letzte Versuch steht mit seinem Beginn in der History.
            last = min(max(self._height_of(row.begun), edges[0] + _SEGMENT * (shown - 1)), bottom - 6)
            edges = [*(top + (last - top) * i / (shown - 1) for i in range(shown - 1)), last]
        if shown == row.attempts and row.starts:
            for i in range(1, shown - 1):
                edges[i] = max(self._height_of(row.starts[i]), edges[i - 1] + _SEGMENT)
            for i in range(shown - 2, 0, -1):
                edges[i] = min(edges[i], edges[i + 1] - _SEGMENT)
        edges.append(bottom)
        tone, _ = self._outcome(row)
        for i, (start, end) in enumerate(pairwise(edges)):
            if i == shown - 1:
                self._rect(x, start + 1, end - start, tone, "hatch" if tone == "comp" else "full")
            elif i == shown - 2 and shown < row.attempts:
                self._nodes.append(
                    f'<path class="dl-arm dl-bad dl-hole" d="M{x:g} {start + 3:g}V{end - 1:g}" stroke-width="3"/>'
                )
            else:
                self._rect(x, start, end - start - 1, "bad", "dash")
                middle = start + min((end - start) / 2, 8)
                self._nodes.append(
                    f'<path class="dl-icon dl-bad" d="{ICONS["cross"]}" '
                    f'transform="translate({x:g} {middle:g}) scale(.7)"/>'
                )

    def _height_of(self, time: timedelta) -> float:
        """Wo eine Zeit im Bild liegt; dazwischen wird gerade gerechnet."""
        seconds = time.total_seconds()
        before, after = self._clock_at[0], self._clock_at[-1]
        for point in self._clock_at:
            if point[0] > seconds:
                after = point
                break
            before = after = point
        if after[0] <= before[0]:
            return before[1]
        return before[1] + (after[1] - before[1]) * (seconds - before[0]) / (after[0] - before[0])

    def _rect(self, x: float, top: float, height: float, tone: str, fill: str) -> None:
        css, more = "dl-bar", ""
        if fill == "hatch":
            self._hatched = True
            more = f' style="fill:url(#{self._id}-h)"'
        elif fill != "full":
            css = "dl-bar dl-open"
            more = "" if fill == "plain" else _DASHED
        self._nodes.append(
            f'<rect class="{css} dl-{tone}" x="{x - 6:g}" y="{top:g}" width="12" height="{max(height, 1):g}" '
            f'rx="3"{more}/>'
        )

    # -- Zeichen

    def _arrow(self, start: float, y: float, end: float, css: str) -> None:
        """Ein Pfeil von `start` nach `end`."""
        back = 4 if start < end else -4
        self._arms.append(
            f'<path class="dl-arm {css}" d="M{start:g} {y:g}H{end:g}m{-back} -3.5l{back} 3.5l{-back} 3.5"/>'
        )

    def _box(self, x: float, y: float, icon: str, tone: str, *, radius: int = 4, open_: bool = False) -> None:
        shape = f'x="-8" y="-8" width="16" height="16" rx="{radius}"{_DASHED if open_ else ""}'
        self._iconed(x, y, icon, tone, f'<rect class="dl-bar{" dl-open" if open_ else ""}" {shape}/>', 0.85, open_)

    def _badge(self, x: float, y: float, icon: str, tone: str, radius: float = 8.5, *, open_: bool) -> None:
        circle = f'<circle class="dl-bar{" dl-open" if open_ else ""}" r="{radius:g}"/>'
        self._iconed(x, y, icon, tone, circle, round(radius / 8.5, 2), open_)

    def _iconed(self, x: float, y: float, icon: str, tone: str, shape: str, scale: float, open_: bool) -> None:
        stroke = "dl-icon" if open_ else "dl-icon dl-on"
        size = f' transform="scale({scale:g})"' if scale != 1 else ""
        self._nodes.append(
            f'<g class="dl-{tone}" transform="translate({x:g} {y:g})">{shape}'
            f'<path class="{stroke}" d="{ICONS[icon]}"{size}/></g>'
        )

    def _dot(self, x: float, y: float, tone: str, *, open_: bool = True, radius: float = 4.5) -> None:
        self._nodes.append(
            f'<circle class="dl-bar{" dl-open" if open_ else ""} dl-{tone}" cx="{x:g}" cy="{y:g}" r="{radius:g}"/>'
        )

    def _message(self, row: Row, x: float, y: float) -> None:
        """Eine Nachricht zwischen dem Workflow und einem Client oder einem anderen Workflow."""
        tone = "bad" if row.failed else LOOK_CLASS.get(row.look, "wf")
        gap = 3.5 if row.direction == "both" else 0.0
        if row.direction in ("in", "both"):
            self._arrow(x, y - gap, self._home - 9, f"dl-{tone if row.look is not Look.FAILED else 'bad'}")
        if row.direction in ("out", "both"):
            answer = row.look in (Look.UPDATE, Look.QUERY)
            self._arrow(self._home, y + gap, x + 8, f"dl-{tone}{' dl-dash' if answer else ''}")
        self._dot(x, y, tone, open_=row.direction == "out" and row.lane == "external", radius=4)
        icon = "cross" if row.failed else LOOK_ICON.get(row.look)
        if row.look in ENDINGS:
            self._badge(self._home, y, icon or "cross", tone, 10, open_=False)
        elif icon:
            self._badge(self._home, y, icon, tone, open_=row.look not in STARTS)
        else:
            self._dot(self._home, y, tone)

    def _own(self, row: Row, y: float) -> None:
        tone = "bad" if row.failed else LOOK_CLASS.get(row.look, "wf")
        icon = "cross" if row.failed and row.look is Look.PLAIN else LOOK_ICON.get(row.look)
        if row.lane == "timer" and row.canceled:
            icon = "stop"
        if row.look in (Look.PATCH, Look.MARKER):
            open_ = " dl-open" if row.look is Look.MARKER else ""
            self._nodes.append(
                f'<path class="dl-bar{open_} dl-{tone}" d="M{self._home:g} {y - 6.5:g}l6.5 6.5l-6.5 6.5l-6.5 -6.5z"/>'
            )
        elif icon is None:
            self._dot(self._home, y, tone)
        elif row.look in ENDINGS:
            self._badge(self._home, y, icon, tone, 10, open_=False)
        else:
            self._badge(self._home, y, icon, tone, open_=row.look not in STARTS | {Look.CRASH})
