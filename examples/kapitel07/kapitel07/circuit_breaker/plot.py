"""Das Bild zur Messung: je Form eine Zeile, links die Aufrufe, rechts die Wartezeiten.

Das Bild ist reines SVG ohne Bibliothek. Seine Farben stehen auf hellem wie auf dunklem
Grund.
"""

from collections import Counter
from collections.abc import Sequence
from html import escape

from kapitel07.circuit_breaker.comparison import OUTAGE, Measured

WIDTH, ROW, TOP, GAP = 520, 118, 34, 38
PANEL = (WIDTH - 3 * GAP) / 2
PLOT = 70
SPAN = 11.0
BUCKET = 0.25
INK, BAR, DOT, SHADE = "#7d7d86", "#2f7fc1", "#c2571a", "#7d7d8633"


def svg(measured: Sequence[Measured]) -> str:
    """Das Bild als Text; alle Zeilen haben dieselben Maßstäbe."""
    counts = [Counter(int(at / BUCKET) for at, _ in one.calls) for one in measured]
    most = max((max(count.values(), default=1) for count in counts), default=1)
    slowest = max((took for one in measured for _, took in one.orders), default=1.0)
    height = TOP + ROW * len(measured) + 6
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'role="img" font-family="sans-serif" font-size="13" fill="{INK}">',
        f"<title>{escape(_summary(measured))}</title>",
        _text(GAP, 16, f"Aufrufe beim Dienst je {BUCKET:g} s".replace(".", ",")),
        _text(2 * GAP + PANEL, 16, "Wartezeit je Auftrag"),
    ]
    for row, (one, count) in enumerate(zip(measured, counts, strict=True)):
        top = TOP + row * ROW
        bottom = top + 16 + PLOT
        parts.append(_text(GAP, top + 10, f"{one.name}: {len(one.futile)} vergeblich"))
        for left, label in (
            (GAP, f"{most}"),
            (2 * GAP + PANEL, f"{slowest:.1f} s".replace(".", ",")),
        ):
            parts += _frame(left, top + 16, bottom, label)
        for bucket, number in sorted(count.items()):
            size = PLOT * number / most
            parts.append(
                f'<rect x="{_x(GAP, bucket * BUCKET):.1f}" y="{bottom - size:.1f}" '
                f'width="{PANEL * BUCKET / SPAN - 1:.1f}" height="{size:.1f}" '
                f'fill="{BAR}"/>'
            )
        for at, took in one.orders:
            y = bottom - PLOT * took / slowest
            parts.append(
                f'<circle cx="{_x(2 * GAP + PANEL, at):.1f}" cy="{y:.1f}" r="2" '
                f'fill="{DOT}"/>'
            )
    return "\n".join([*parts, "</svg>", ""])


def _summary(measured: Sequence[Measured]) -> str:
    lines = [f"{one.name}: {len(one.futile)} vergebliche Aufrufe" for one in measured]
    return "; ".join(lines)


def _frame(left: float, top: float, bottom: float, label: str) -> list[str]:
    begin, end = _x(left, OUTAGE[0]), _x(left, OUTAGE[1])
    return [
        f'<rect x="{begin:.1f}" y="{top}" width="{end - begin:.1f}" '
        f'height="{bottom - top}" fill="{SHADE}"/>',
        f'<path d="M{left} {bottom}h{PANEL}" stroke="{INK}"/>',
        _text(left - 4, top + 10, label, "end"),
        _text(left - 4, bottom, "0", "end"),
        _text(begin, bottom + 14, f"{OUTAGE[0]:g} s", "middle"),
        _text(end, bottom + 14, f"{OUTAGE[1]:g} s", "middle"),
    ]


def _x(left: float, at: float) -> float:
    return left + PANEL * min(at, SPAN) / SPAN


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
