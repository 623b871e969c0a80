"""Farben, Formen und CSS des Bildes."""

from __future__ import annotations

from collections.abc import Mapping

from dauerlauf.timeline.rows import Look

LIGHT = {
    "fg": "#1b2733",
    "muted": "#53606c",
    "rail": "#848f9a",
    "wf": "#1f5f8b",
    "ok": "#1d6b4f",
    "comp": "#7a3e9d",
    "bad": "#b3261e",
    "wait": "#8a5a00",
    "paper": "#fff",
}
DARK = {
    "fg": "#e4e9ee",
    "muted": "#a9b4bf",
    "rail": "#6b7682",
    "wf": "#7fbdea",
    "ok": "#6fcfa5",
    "comp": "#cf9bec",
    "bad": "#ff9a90",
    "wait": "#e8b95b",
    "paper": "#1a1f26",
}


def _palette(colours: Mapping[str, str]) -> str:
    return ";".join(f"--dl-{name}:{colour}" for name, colour in colours.items())


# Allein geöffnet ist das Bild die Wurzel: Dann bringt es Schrift und Papier selbst mit. Gedruckt wird immer hell.
STYLE = (
    f".dl-bild{{{_palette(LIGHT)};color:var(--dl-fg);font-family:inherit;max-width:100%;height:auto;display:block}}"
    f"@media (prefers-color-scheme:dark){{.dl-bild{{{_palette(DARK)}}}}}"
    f'[data-md-color-scheme="default"] .dl-bild,[data-jp-theme-light="true"] .dl-bild{{{_palette(LIGHT)}}}'
    f'[data-md-color-scheme="slate"] .dl-bild,[data-jp-theme-light="false"] .dl-bild{{{_palette(DARK)}}}'
    f"@media print{{.dl-bild.dl-bild.dl-bild{{{_palette(LIGHT)};print-color-adjust:exact}}}}"
    ".dl-bild:root{font-family:system-ui,'Segoe UI',Roboto,'Noto Sans','DejaVu Sans',sans-serif;"
    "background:var(--dl-paper);margin:0 auto}"
    ".dl-bild text{fill:var(--dl-fg);stroke:none}"
    ".dl-bild .dl-m{fill:var(--dl-muted);font-weight:400}"
    ".dl-bild .dl-b{font-weight:600}"
    ".dl-bild .dl-rail{stroke:var(--dl-rail);stroke-width:.75;fill:none}"
    ".dl-bild .dl-life{stroke:var(--dl-wf);stroke-width:3;fill:none}"
    ".dl-bild .dl-hole{stroke-dasharray:1 5;stroke-linecap:round}"
    ".dl-bild .dl-arm{stroke:currentColor;stroke-width:1.5;fill:none}"
    ".dl-bild .dl-dash{stroke-dasharray:4 3}"
    ".dl-bild .dl-bar{fill:currentColor;stroke:currentColor;stroke-width:1.5}"
    ".dl-bild .dl-open{fill:var(--dl-paper)}"
    ".dl-bild .dl-icon{stroke:currentColor;stroke-width:1.7;fill:none;stroke-linecap:round;stroke-linejoin:round}"
    ".dl-bild .dl-on{stroke:var(--dl-paper)}"
    ".dl-bild .dl-wf{color:var(--dl-wf)}.dl-bild .dl-ok{color:var(--dl-ok)}.dl-bild .dl-comp{color:var(--dl-comp)}"
    ".dl-bild .dl-bad{color:var(--dl-bad)}.dl-bild .dl-wait{color:var(--dl-wait)}"
    ".dl-bild :is(text,tspan):is(.dl-wf,.dl-ok,.dl-comp,.dl-bad,.dl-wait){fill:currentColor}"
    ".dl-bild .dl-code{font-family:var(--md-code-font,ui-monospace),ui-monospace,monospace}"
)

ICONS = {
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
    "question": "M-2.4 -1.8A2.4 2.4 0 1 1 .7 .5Q0 .8 0 1.7M0 4.2V4.3",
}
LOOK_ICON = {
    Look.DONE: "check",
    Look.FAILED: "cross",
    Look.CANCELED: "stop",
    Look.RENEWED: "retry",
    Look.CONTINUED: "retry",
    Look.COMPENSATION: "undo",
    Look.TIMER: "clock",
    Look.CRASH: "bolt",
    Look.TAKEOVER: "takeover",
    Look.CANCEL_REQUEST: "stop",
    Look.QUERY: "question",
    Look.START: "play",
}
LOOK_CLASS = {
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
