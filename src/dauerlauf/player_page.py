"""Der Laufspieler als HTML: auf einer Buchseite und als Ausgabe in einem Notebook.

Ohne Skript ist das Bild des Laufs mit seiner Tabelle zu sehen, sonst nichts. ``spieler.js`` macht daraus Schritte; seine
Daten stehen als JSON im Element. Größe und erster Stand stehen schon im Markup, damit beim Laden nichts springt.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pygments import highlight  # type: ignore[import-untyped]
from pygments.formatters import HtmlFormatter  # type: ignore[import-untyped]
from pygments.lexers import get_lexer_for_filename  # type: ignore[import-untyped]

from dauerlauf import timeline

if TYPE_CHECKING:
    from dauerlauf.player import Document, PlayedRun, Source
    from dauerlauf.scenario import Scenario
    from dauerlauf.timeline import Captions

ASSETS = Path(__file__).parents[2] / "book" / "assets"
SCRIPT = "js/spieler.js"
STYLE = "css/spieler.css"

_ICONS = {
    "anfang": ("Zum ersten Schritt", "M6 5v14M18 6v12l-8-6z"),
    "zurueck": ("Einen Schritt zurück", "M16 5v14L6 12z"),
    "spielen": ("Abspielen", "M8 5v14l11-7z"),
    "weiter": ("Einen Schritt weiter", "M8 5v14l10-7z"),
    "ende": ("Zum letzten Schritt", "M18 5v14M6 6v12l8-6z"),
}
_PAUSE = "M8 5v14M16 5v14"
_BOLT = "M13.5 3 5.5 13.5h6L10 21l8.5-11h-6z"
_KEYS = (
    "<kbd>←</kbd> <kbd>→</kbd> Schritt, <kbd>Pos 1</kbd> Anfang, <kbd>Ende</kbd> Ende, <kbd>Leertaste</kbd> abspielen"
)


def html(document: Document, legend: Captions | None = None, *, title: str, uid: str = "") -> str:
    """Ein Lauf zum Durchgehen: Quelltext, Bild, Variablen und Event History, dazu die aufgezeichneten Abstürze.

    Args:
        document: Was zu zeigen ist, aus :func:`dauerlauf.player.document`.
        legend: Kompensationen und fremde Systeme, für die Bilder.
        title: Bildunterschrift; sie steht als ``<figcaption>…</figcaption>`` im Ergebnis.
        uid: Unterscheidet die IDs, wenn derselbe Lauf mehrmals auf einer Seite steht.

    Returns:
        Ein ``<lauf-spieler>``-Element; es braucht ``spieler.css`` und ``spieler.js`` neben sich.
    """
    smooth, crashes = document.smooth, document.crashes
    runs = [smooth, *(crash.run for crash in crashes)]
    frames = [frame for run in runs for frame in run.frames]
    first = smooth.frames[0]
    name = f"spieler-{uid}{document.pattern}-{document.scenario}"
    hint = f"aufgezeichnet: {crashes[0].label}" if crashes else "Kein Absturz aufgezeichnet"
    workflow = _sources(document.sources, {frame.source for frame in frames}, first.source, first.line)
    activity = _sources(document.sources, {frame.also[0] for frame in frames if frame.also}, -1, 0)
    pictures = "".join(
        f"<template>{timeline.svg(crash.run.steps, legend, title=f'{title}: {crash.run.title}', uid=name)}</template>"
        for crash in crashes
    )
    return (
        f'<lauf-spieler data-phase="{first.phase}"><div class="sp-rahmen">'
        f"{_controls(len(smooth.frames), name, hint, enabled=bool(crashes))}"
        f'<div class="sp-satz" data-laengster="{escape(max((frame.text for frame in frames), key=len))}">'
        f'<span class="sp-stand">1 von {len(smooth.frames)}</span><span class="sp-phase"></span><p role="status" aria-live="polite">{escape(first.text)}</p></div>'
        f'<div class="sp-code"><p class="sp-kopf"><b class="sp-worker">{escape(first.worker) or "Worker"}</b>'
        f'<span class="sp-ort"></span></p>{workflow}</div>'
        f'<div class="sp-activity"><p class="sp-kopf"><b>Activity</b><span class="sp-ort"></span></p>{activity}</div>'
        f'<div class="sp-variablen"><p class="sp-kopf"><b>Speicher</b><span class="sp-ort">Variablen des Workflows'
        f'</span></p><div class="sp-roll" tabindex="0" role="group" aria-label="Variablen des Workflows">'
        f'<table class="sp-tabelle"><tbody></tbody></table></div></div>'
        f"{timeline.html(smooth.steps, legend, title=title, uid=name)}"
        f'<div class="sp-absturzbild" hidden></div>'
        f'<div class="sp-events"><p class="sp-kopf"><b>Event History</b><span class="sp-ort">auf dem Server</span></p>'
        f'<ol class="sp-roll" aria-label="Event History"></ol></div>'
        f'<p class="sp-hilfe">{_KEYS}</p>'
        f'</div><script type="application/json">{_data(document)}</script>{pictures}</lauf-spieler>'
    )


def _controls(count: int, name: str, hint: str, *, enabled: bool) -> str:
    buttons = "".join(
        f'<button type="button" data-tut="{action}" aria-label="{label}" title="{label}">{_icon(path)}'
        f"{_icon(_PAUSE) if action == 'spielen' else ''}</button>"
        for action, (label, path) in _ICONS.items()
    )
    disabled = "" if enabled else " disabled"
    return (
        f'<div class="sp-leiste"><div class="sp-knoepfe" role="group" aria-label="Lauf abspielen">{buttons}</div>'
        f'<div class="sp-weg"><input type="range" min="1" max="{count}" value="1" aria-label="Schritt">'
        f'<div class="sp-strecke" aria-hidden="true"></div></div>'
        f'<div class="sp-sturz"><button type="button" data-tut="sturz" aria-pressed="false" '
        f'aria-describedby="{name}-hinweis"{disabled}>{_icon(_BOLT)}Worker stürzt hier ab</button>'
        f'<span class="sp-hinweis" id="{name}-hinweis">{escape(hint)}</span></div></div>'
    )


def _icon(path: str) -> str:
    return f'<svg viewBox="0 0 24 24" aria-hidden="true"><path d="{path}"/></svg>'


def _sources(sources: Sequence[Source], wanted: set[int], shown: int, line: int) -> str:
    """Die Dateien einer Ansicht; sichtbar ist ``shown`` (sonst die erste) mit der Zeile ``line``."""
    indexes = sorted(index for index in wanted if index >= 0)
    visible = shown if shown in indexes else min(indexes, default=-1)
    return "".join(
        _source(sources[index], index, line if index == shown else 0, hidden=index != visible) for index in indexes
    )


def _source(source: Source, index: int, line: int, *, hidden: bool) -> str:
    code = "\n".join(source.lines) + "\n"
    lexer = get_lexer_for_filename(source.file, stripnl=False)
    lines = highlight(code, lexer, HtmlFormatter(nowrap=True)).split("\n")
    body = "".join(
        f'<span class="sp-zeile{" sp-an" if number == line else ""}" data-nr="{number}" '
        f'style="--e:{len(text) - len(text.lstrip())}">{coloured}\n</span>'
        for number, (text, coloured) in enumerate(zip(source.lines, lines, strict=False), source.first)
    )
    return (
        f'<div class="sp-roll sp-quelle highlight" data-quelle="{index}" data-datei="{escape(source.file)}" tabindex="0" '
        f'role="group" aria-label="Quelltext {escape(source.file)}"{" hidden" if hidden else ""}><code>{body}</code></div>'
    )


def _data(document: Document) -> str:
    """Die Läufe als JSON; ``</`` ist entschärft, damit der Text das Skript-Element nicht beendet."""
    crashes = [{"event": crash.event, "label": crash.label, "run": _run(crash.run)} for crash in document.crashes]
    data = {"smooth": _run(document.smooth), "crashes": crashes}
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")


def _run(run: PlayedRun) -> dict[str, Any]:
    return {"entries": [asdict(entry) for entry in run.entries], "frames": [asdict(frame) for frame in run.frames]}


@dataclass(frozen=True)
class Player:
    """Ein Szenario zum Durchgehen im Notebook: ``Player(pattern.find("glatt"))`` als letzte Zeile einer Zelle.

    Spieler und Bild stammen aus der Aufzeichnung; es läuft kein Server. Liegt das Buch nicht neben der Werkbank
    (in einem fremden Projekt), fehlen Skript und Stylesheet; dann erscheint das Bild allein.
    """

    scenario: Scenario

    def _repr_html_(self) -> str:
        """Der Spieler mit allem, was er braucht, in einer Ausgabe. DauerlaufError wie ``player.document``."""
        from dauerlauf.player import document

        shown, legend = document(self.scenario), self.scenario.pattern.legend
        script, style = ASSETS / SCRIPT, ASSETS / STYLE
        if not (script.is_file() and style.is_file()):
            return timeline.html(shown.smooth.steps, legend, title=self.scenario.title)
        return (
            f"<div><style>{style.read_text(encoding='utf-8')}</style>"
            f"{html(shown, legend, title=self.scenario.title, uid='notebook-')}"
            f"<script>{script.read_text(encoding='utf-8')}</script></div>"
        )
