"""Das Bild zur Messung: je Form eine Zeile, die Ankünfte gegen das Limit.

Das Bild ist reines SVG ohne Bibliothek. Seine Farben stehen auf hellem wie auf dunklem
Grund.
"""

from collections import Counter
from collections.abc import Sequence
from html import escape

from kapitel09.rate_limit.comparison import SMALL, Measured, busiest

WIDTH, ROW, TOP, LEFT, RIGHT = 520, 104, 30, 42, 14
PLOT = 62
INK, LARGE, LITTLE, REFUSED, LINE = (
    "#7d7d86",
    "#2f7fc1",
    "#7fb2dd",
    "#c2571a",
    "#c23b3b",
)


def svg(measured: Sequence[Measured]) -> str:
    """Das Bild als Text.

    Die Balken zählen Anfragen je Sekunde. Die Linie ist die Zahl der Anfragen im
    gleitenden Fenster, das gerade endet; die gestrichelte ist das Limit.
    """
    longest = max(at for one in measured for at, _, _ in one.arrivals)
    tallest = max(
        max(Counter(int(at) for at, _, _ in one.arrivals).values()) for one in measured
    )
    height = TOP + ROW * len(measured) + 4
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'role="img" font-family="sans-serif" font-size="12" fill="{INK}">',
        f"<title>{escape(_summary(measured))}</title>",
        *_legend(),
    ]
    for row, one in enumerate(measured):
        parts += _row(one, TOP + row * ROW, longest + 1, tallest)
    return "\n".join([*parts, "</svg>", ""])


def _summary(measured: Sequence[Measured]) -> str:
    return "; ".join(f"{m.name}: höchstens {m.busiest} je Fenster" for m in measured)


def _legend() -> list[str]:
    entries = ((LARGE, "großer Händler"), (LITTLE, "kleine"), (REFUSED, "429"))
    parts, x = [], float(LEFT)
    for color, text in entries:
        parts.append(f'<rect x="{x}" y="7" width="10" height="10" fill="{color}"/>')
        parts.append(_text(x + 14, 16, text))
        x += 24 + 7 * len(text)
    parts.append(f'<path d="M{x} 12h16" stroke="{LINE}" stroke-width="1.5"/>')
    parts.append(_text(x + 20, 16, "im Fenster; gestrichelt das Limit"))
    return parts


def _row(one: Measured, top: float, span: float, tallest: int) -> list[str]:
    bottom, width = top + 22 + PLOT, WIDTH - LEFT - RIGHT
    step = width / span
    title = f"{one.name}: höchstens {one.busiest} im Fenster, {one.refused}-mal 429"
    parts = [_text(LEFT, top + 12, title)]
    bars = Counter((int(at), _color(who, status)) for at, who, status in one.arrivals)
    for second in range(int(span) + 1):
        base = bottom
        for color in (LARGE, LITTLE, REFUSED):
            size = PLOT * bars[second, color] / tallest
            if size:
                base -= size
                parts.append(
                    f'<rect x="{LEFT + second * step:.1f}" y="{base:.1f}" '
                    f'width="{step - 1:.1f}" height="{size:.1f}" fill="{color}"/>'
                )
    return [*parts, *_window(one, bottom, step, width)]


def _window(one: Measured, bottom: float, step: float, width: float) -> list[str]:
    """Die Kurve des gleitenden Fensters; das Limit liegt auf zwei Dritteln Höhe."""
    load = one.load
    scale = PLOT / (1.5 * load.limit)
    times = [at for at, _, _ in one.arrivals]
    points = []
    for tenth in range(int(max(times) * 10) + 2):
        end = tenth / 10
        inside = [at for at in times if end - load.window < at <= end]
        y = bottom - scale * busiest(inside, load.window)
        points.append(f"{LEFT + end * step:.1f},{y:.1f}")
    limit = bottom - scale * load.limit
    return [
        f'<path d="M{LEFT} {bottom}h{width}" stroke="{INK}"/>',
        f'<path d="M{LEFT} {limit:.1f}h{width}" stroke="{LINE}" '
        'stroke-dasharray="4 3"/>',
        f'<polyline points="{" ".join(points)}" fill="none" stroke="{LINE}" '
        'stroke-width="1.5"/>',
        _text(LEFT - 4, limit + 4, f"{load.limit}", "end"),
        _text(LEFT - 4, bottom, "0", "end"),
        _text(LEFT + load.window * step, bottom + 13, f"{load.window:g} s", "middle"),
    ]


def _color(customer: str, status: int) -> str:
    if status == 429:
        return REFUSED
    return LITTLE if customer in SMALL else LARGE


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
