"""``::: spieler``: ein aufgezeichneter Lauf zum Durchgehen, mit seinen Abstürzen; ohne Skript sein Bild."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element

from dauerlauf.book import run
from dauerlauf.book.figure import figure
from dauerlauf.book.page import PageContext, slug

if TYPE_CHECKING:
    from dauerlauf.book.directives import Directive


def build(context: PageContext, directive: Directive) -> Element:
    """Baut den Spieler; DauerlaufError, wenn Muster, Szenario oder Aufzeichnung fehlen oder nicht zum Code passen."""
    from dauerlauf import player_page
    from dauerlauf.player import document

    directive.allow(words=range(1, 2), text=True)
    scenario, _ = run.recorded_scenario(directive)
    caption = directive.text or ""
    markup = player_page.html(
        document(scenario),
        scenario.pattern.legend,
        title=caption,
        uid=f"{len(context.labels)}-",
        style=context.first(run.STYLE),
    )
    assets = _assets(context, player_page.STYLE, player_page.SCRIPT)
    # Ein <div>, weil Python-Markdown um alles, was es nicht als Block kennt, einen Absatz legt.
    markup = f"<div>{assets}{markup}</div>"
    return figure(context, "lauf mit-spieler", f"lauf-{slug(scenario.name)}", caption, markup)


def _assets(context: PageContext, style: str, script: str) -> str:
    """Stylesheet und Skript, einmal je Seite und nur auf Seiten mit Spieler.

    Über mkdocs.yml kämen sie auf jede Seite. Ein ``<link>`` hält hier die Darstellung des Folgenden auf, bis er geladen
    ist: Der Spieler erscheint nie ungestaltet.
    """
    if not context.first("spieler"):
        return ""
    return f'<link rel="stylesheet" href="{context.asset(style)}"><script src="{context.asset(script)}" defer></script>'
