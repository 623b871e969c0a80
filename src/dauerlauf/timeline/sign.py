"""Das Zeichen einer Zeile für sich allein, neben Text."""

from __future__ import annotations

from dauerlauf.timeline.rows import ENDINGS, STARTS, Look, Row
from dauerlauf.timeline.style import ICONS, LOOK_CLASS, LOOK_ICON

_WORK = ("activity", "child", "nexus")


def sign(row: Row) -> str:
    """Das Zeichen einer Zeile, wie es im Bild steht, als kleines SVG; stumm für Vorleseprogramme.

    Die Farben brauchen :data:`dauerlauf.timeline.style.STYLE` auf der Seite und ein Element mit der Klasse ``dl-bild``
    darum.
    """
    done = row.lane in _WORK and row.part in ("whole", "end")
    undone = row.look is Look.COMPENSATION
    tone, icon = LOOK_CLASS.get(row.look, "ok" if row.lane in _WORK else "wf"), LOOK_ICON.get(row.look)
    if row.failed:
        tone, icon = "bad", "cross"
    elif row.canceled:
        tone, icon = "wait", "stop"
    elif done and not undone:
        tone, icon = "ok", "check"
    shape, hollow = '<circle class="dl-bar dl-open" r="4.5"/>', True
    if done:
        hollow = undone or row.attempts > 1
        css, dash = ("dl-bar dl-open", ' stroke-dasharray="3 2"') if hollow else ("dl-bar", "")
        shape = f'<rect class="{css}" x="-8" y="-8" width="16" height="16" rx="4"{dash}/>'
    elif icon:
        hollow = row.look not in ENDINGS | STARTS | {Look.CRASH}
        shape = f'<circle class="dl-bar{" dl-open" if hollow else ""}" r="8.5"/>'
    stroke = "dl-icon" if hollow else "dl-icon dl-on"
    path = f'<path class="{stroke}" d="{ICONS[icon]}" transform="scale(.85)"/>' if icon else ""
    return (
        f'<svg class="dl-zeichen dl-{tone}" viewBox="-10 -10 20 20" width="20" height="20" aria-hidden="true">'
        f"{shape}{path}</svg>"
    )
