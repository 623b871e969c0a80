"""Der Laufspieler als HTML: auf einer Buchseite und als Ausgabe in einem Notebook.

Ohne Skript ist das Bild des Laufs mit seiner Tabelle zu sehen, sonst nichts. ``spieler.js`` macht daraus Schritte;
seine Daten stehen als JSON im Element. Größe und erster Stand stehen schon im Markup, damit beim Laden nichts springt.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from pygments import highlight  # type: ignore[import-untyped]
from pygments.formatters import HtmlFormatter  # type: ignore[import-untyped]
from pygments.lexers import get_lexer_for_filename  # type: ignore[import-untyped]

from dauerlauf import timeline

if TYPE_CHECKING:
    from dauerlauf.player import Document, Frame, PlayedRun, Source
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
    "<kbd>←</kbd> <kbd>→</kbd> Schritt, <kbd>Pos 1</kbd> <kbd>Ende</kbd> Anfang und Schluss, "
    "<kbd>Leertaste</kbd> abspielen"
)


def html(document: Document, legend: Captions | None = None, *, title: str, uid: str = "", style: bool = True) -> str:
    """Ein Lauf zum Durchgehen: Quelltext, Bild, Variablen und Event History, dazu die aufgezeichneten Abstürze.

    Args:
        document: Was zu zeigen ist, aus :func:`dauerlauf.player.document`.
        legend: Kompensationen und fremde Systeme, für die Bilder.
        title: Bildunterschrift; sie steht als ``<figcaption>…</figcaption>`` im Ergebnis.
        uid: Unterscheidet die IDs, wenn derselbe Lauf mehrmals auf einer Seite steht.
        style: Ob das CSS der Bilder dabei ist; siehe :func:`dauerlauf.timeline.html`.

    Returns:
        Ein ``<lauf-spieler>``-Element; es braucht ``spieler.css`` und ``spieler.js`` neben sich.
    """
    smooth, crashes = document.smooth, document.crashes
    frames = [frame for run in (smooth, *(crash.run for crash in crashes)) for frame in run.frames]
    first = smooth.frames[0]
    name = f"spieler-{uid}{document.pattern}-{document.scenario}"
    workflow = _sources(document.sources, {frame.source for frame in frames}, first.source, first.line)
    activity = _sources(document.sources, {frame.also[0] for frame in frames if frame.also}, -1, 0)
    worker = f'<b class="sp-worker">{escape(first.worker or "Worker")}</b>'
    variables = '<table class="sp-tabelle"><tbody></tbody></table>'
    pictures = "".join(
        f"<template>{timeline.svg(crash.run.steps, legend, title=crash.run.title, uid=name, style=False)}</template>"
        for crash in crashes
    )
    return (
        f'<lauf-spieler data-phase="{first.phase}"><div class="sp-rahmen">'
        f"{_controls(document, name)}{_sentence(smooth, frames)}"
        f'<div class="sp-code">{_head(worker)}{workflow}</div>'
        f'<div class="sp-activity">{_head("<b>Activity</b>")}{activity}</div>'
        f'<div class="sp-variablen">{_head("<b>Speicher</b>")}{_scrolling("Variablen des Workflows", variables)}</div>'
        f"{timeline.html(smooth.steps, legend, title=title, uid=name, style=style)}"
        f'<div class="sp-absturzbild" hidden></div>'
        f'<div class="sp-events">{_head("<b>Event History</b>", "auf dem Server")}'
        f'<ol class="sp-roll" aria-label="Event History"></ol></div>'
        f'<p class="sp-hilfe">{_KEYS}</p>'
        f'</div><script type="application/json">{_data(document)}</script>{pictures}</lauf-spieler>'
    )


def _controls(document: Document, name: str) -> str:
    buttons = "".join(
        f'<button type="button" data-tut="{action}" aria-label="{label}" title="{label}">{_icon(path)}'
        f"{_icon(_PAUSE) if action == 'spielen' else ''}</button>"
        for action, (label, path) in _ICONS.items()
    )
    crashes = document.crashes
    hint = crashes[0].label if crashes else "hier nicht aufgezeichnet"
    return (
        f'<div class="sp-leiste"><div class="sp-knoepfe" role="group" aria-label="Lauf abspielen">{buttons}</div>'
        f'<div class="sp-weg"><input type="range" min="1" max="{len(document.smooth.frames)}" value="1" '
        f'aria-label="Schritt"><div class="sp-strecke" aria-hidden="true"></div></div>'
        f'<div class="sp-sturz"><button type="button" data-tut="sturz" aria-pressed="false" '
        f'aria-describedby="{name}-hinweis"{"" if crashes else " disabled"}>{_icon(_BOLT)}'
        f"Worker stürzt hier ab</button>"
        f'<span class="sp-hinweis" id="{name}-hinweis">{escape(hint)}</span></div></div>'
    )


def _icon(path: str) -> str:
    return f'<svg viewBox="0 0 24 24" aria-hidden="true"><path d="{path}"/></svg>'


def _sentence(smooth: PlayedRun, frames: Sequence[Frame]) -> str:
    """Der Satz zum Schritt; der längste aller Läufe hält ihm den Platz frei."""
    longest = max((frame.text for frame in frames), key=len)
    return (
        f'<div class="sp-satz" data-laengster="{escape(longest)}"><span class="sp-stand">1 von {len(smooth.frames)}'
        f'</span><span class="sp-phase"></span><p role="status" aria-live="polite">{escape(smooth.frames[0].text)}</p>'
        f"</div>"
    )


def _head(title: str, place: str = "") -> str:
    return f'<p class="sp-kopf">{title}<span class="sp-ort">{place}</span></p>'


def _scrolling(label: str, content: str, css: str = "", more: str = "") -> str:
    return f'<div class="sp-roll {css}" tabindex="0" role="group" aria-label="{escape(label)}"{more}>{content}</div>'


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
    more = f' data-quelle="{index}" data-datei="{escape(source.file)}"{" hidden" if hidden else ""}'
    return _scrolling(f"Quelltext {source.file}", f"<code>{body}</code>", "sp-quelle highlight", more)


def _data(document: Document) -> str:
    """Die Läufe als JSON; ``</`` ist entschärft, damit der Text das Skript-Element nicht beendet."""
    from dauerlauf.player import packed

    return json.dumps(packed(document), ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")


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
