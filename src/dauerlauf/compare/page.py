"""Ein Vergleich als Abbildung für Seiten und Notebooks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dauerlauf.compare.align import Comparison, Pair, Verdict
from dauerlauf.compare.words import Stretch, actor, cell, heading, shortened, stretches, summary
from dauerlauf.timeline import GAP, STYLE, Row, clock_text, escape, particulars, sign

LIMIT = 160
"""Nach so vielen Zeichen endet eine Einzelheit mit „…“."""

_MARKS = {
    Verdict.EQUAL: ("gleich", "M-3.5 -1.8H3.5M-3.5 1.8H3.5"),
    Verdict.DIFFERENT: ("anders", "M-3.5 -1.8H3.5M-3.5 1.8H3.5M2.2 -4.6L-2.2 4.6"),
    Verdict.LEFT: ("nur", "M4 0H-4M-1 -3L-4 0L-1 3"),
    Verdict.RIGHT: ("nur", "M-4 0H4M1 -3L4 0L1 3"),
}

_COMPARISON_STYLE = """
.dl-vergleich{container-type:inline-size;margin:1.5em 0;line-height:1.4}
.dl-vergleich figcaption{font-size:.92em;margin:.8em 0 0;max-width:none;text-align:left;font-style:normal}
.dl-vergleich .dl-satz{margin:0 0 .8em;max-width:38em}
.dl-vergleich.dl-vergleich.dl-bild :is(ol,li){list-style:none;margin:0;padding:0}
.dl-vergleich .dl-laeufe,.dl-vergleich .dl-paar{
display:grid;grid-template-columns:minmax(0,1fr) minmax(0,1fr);gap:.25em .6em}
.dl-vergleich .dl-laeufe{border-bottom:2px solid var(--dl-wf);padding-bottom:.3em;font-weight:600}
.dl-vergleich .dl-laeufe span{overflow-wrap:anywhere}
.dl-vergleich.dl-vergleich.dl-bild .dl-paar{padding:.6em 0;border-bottom:1px solid var(--dl-rail)}
.dl-vergleich .dl-urteil{
grid-column:1/-1;display:flex;align-items:center;gap:.4em;margin:0;font-size:.8em;line-height:1.25;
color:var(--dl-muted)}
.dl-vergleich .dl-marke{flex:none;width:1.5em;height:1.5em}
.dl-vergleich .dl-marke circle,.dl-vergleich .dl-marke rect{fill:none;stroke:currentColor;stroke-width:1.4}
.dl-vergleich .dl-anders .dl-urteil{color:var(--dl-wait);font-weight:600}
.dl-vergleich .dl-nur .dl-urteil{color:var(--dl-wf);font-weight:600}
.dl-vergleich .dl-anders .dl-marke rect,.dl-vergleich .dl-nur .dl-marke rect{fill:currentColor}
.dl-vergleich .dl-seite{min-width:0;display:grid;grid-template-columns:1.45em minmax(0,1fr);align-content:start}
.dl-vergleich .dl-zeichen{width:1.2em;height:1.2em;margin-top:.1em}
.dl-vergleich .dl-titel{font-weight:600;overflow-wrap:anywhere;hyphens:none}
.dl-vergleich .dl-zeit{font-weight:400;color:var(--dl-muted);font-size:.85em;white-space:nowrap;margin-left:.4em}
.dl-vergleich .dl-einzel{
grid-column:2;font-size:.85em;color:var(--dl-muted);overflow-wrap:anywhere;hyphens:auto}
.dl-vergleich .dl-neu{color:var(--dl-fg)}
.dl-vergleich .dl-nichts{
border-radius:4px;min-height:1.4em;
background:repeating-linear-gradient(
-45deg,transparent 0 6px,color-mix(in srgb,var(--dl-rail) 40%,transparent) 6px 7px)}
.dl-vergleich .dl-wort{
position:absolute;width:1px;height:1px;margin:-1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
.dl-vergleich .dl-falte{border-bottom:1px solid var(--dl-rail)}
.dl-vergleich .dl-falte details{margin:0;padding:0;border:0;font-size:1em}
.dl-vergleich.dl-vergleich.dl-bild .dl-falte details>summary{
padding:.6em 1.6em .6em 0;color:var(--dl-wf);font-weight:400;cursor:pointer;font-size:.9em;overflow-wrap:anywhere}
.dl-vergleich.dl-vergleich.dl-bild .dl-falte details>summary::before{content:none}
.dl-vergleich.dl-vergleich.dl-bild .dl-falte details>summary::after{top:.85em}
.dl-vergleich.dl-vergleich.dl-bild .dl-falte ol{
margin:0 0 .5em;padding:0 .6em;background:color-mix(in srgb,var(--dl-rail) 18%,transparent);border-radius:4px}
.dl-vergleich.dl-vergleich.dl-bild .dl-falte .dl-paar:last-child{border-bottom:0}
.dl-vergleich .dl-rest{padding:.5em 0;color:var(--dl-muted)}
@container (min-width:560px){
.dl-vergleich .dl-laeufe,.dl-vergleich .dl-paar{grid-template-columns:minmax(0,1fr) 6.5em minmax(0,1fr);gap:0 1em}
.dl-vergleich .dl-laeufe span:last-child{grid-column:3}
.dl-vergleich .dl-urteil{grid-area:1/2;flex-direction:column;gap:.2em;text-align:center;justify-content:flex-start}
.dl-vergleich .dl-links{grid-area:1/1}.dl-vergleich .dl-rechts{grid-area:1/3}}
@media print{.dl-vergleich .dl-paar,.dl-vergleich .dl-falte{break-inside:avoid}}
"""


def html(comparison: Comparison, *, title: str) -> str:
    """Eine Abbildung: der zusammenfassende Satz, darunter beide Läufe nebeneinander; ohne JavaScript.

    Jedes Paar ist ein Punkt einer Liste und nennt sein Urteil als Wort, dann die linke und die rechte Seite mit Namen.
    Gleiche Strecken sind zugeklappt. Auf dem Telefon steht das Urteil über den Seiten statt dazwischen.

    Args:
        comparison: Der Vergleich.
        title: Bildunterschrift.

    Returns:
        Ein ``<figure>``-Element; die Unterschrift steht als ``<figcaption>…</figcaption>`` darin.
    """
    names = (comparison.left.name, comparison.right.name)
    shown, hidden = shortened(list(stretches(comparison.pairs)))
    items = "".join(_stretch(stretch, names) for stretch in shown)
    if hidden:
        items += f'<li class="dl-rest">… und {hidden} weitere Schritte</li>'
    heads = "".join(f"<span>{escape(name)}</span>" for name in names)
    return (
        f'<figure class="dl-vergleich dl-bild"><style>{STYLE}{_COMPARISON_STYLE}</style>'
        f'<p class="dl-satz">{escape(summary(comparison))}</p>'
        f'<div class="dl-laeufe" aria-hidden="true">{heads}</div><ol role="list">{items}</ol>'
        f"<figcaption>{escape(title)}</figcaption></figure>"
    )


def _stretch(stretch: Stretch, names: Sequence[str]) -> str:
    if not stretch.title:
        return _pair(stretch.pairs[0], names)
    items = "".join(_pair(pair, names) for pair in stretch.pairs)
    return (
        f'<li class="dl-falte"><details><summary>{escape(stretch.title)}</summary>'
        f'<ol role="list">{items}</ol></details></li>'
    )


def _pair(pair: Pair, names: Sequence[str]) -> str:
    css, path = _MARKS[pair.verdict]
    frame = '<rect x="-7" y="-7" width="14" height="14" rx="2" transform="rotate(45) scale(.86)"/>'
    mark = (
        '<svg class="dl-marke" viewBox="-10 -10 20 20" aria-hidden="true">'
        + (frame if pair.verdict is Verdict.DIFFERENT else "")
        + ('<rect x="-8" y="-8" width="16" height="16" rx="4"/>' if css == "nur" else "")
        + ('<circle r="8.5"/>' if css == "gleich" else "")
        + f'<path class="dl-icon{"" if css == "gleich" else " dl-on"}" d="{path}"/></svg>'
    )
    return (
        f'<li class="dl-paar dl-{css}"><p class="dl-urteil">{mark}<span>{escape(heading(pair))}</span></p>'
        f"{_side(pair, lambda p: p.left, names[0], 'links')}{_side(pair, lambda p: p.right, names[1], 'rechts')}</li>"
    )


def _side(pair: Pair, choose: Callable[[Pair], Row | None], name: str, place: str) -> str:
    found = cell(pair, choose, LIMIT)
    if found is None:
        return f'<div class="dl-{place} dl-nichts" aria-hidden="true"></div>'
    row, extra = found
    clock = f'<span class="dl-zeit">{clock_text(row.time)}</span>' if row.lane != "gap" and row.time >= GAP else ""
    lines = [
        f'<span class="dl-einzel">{escape(line)}</span>' for line in filter(None, (actor(row), particulars(row).plain))
    ]
    lines += [f'<span class="dl-einzel dl-neu">{escape(line)}</span>' for line in extra]
    title = escape(row.title).replace("_", "_<wbr>")
    return (
        f'<div class="dl-seite dl-{place}">{sign(row)}<span class="dl-titel">'
        f'<span class="dl-wort">{escape(name)}: </span>{title}{clock}</span>{"".join(lines)}</div>'
    )
