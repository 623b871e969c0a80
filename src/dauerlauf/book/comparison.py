"""``::: vergleich``: zwei aufgezeichnete Läufe nebeneinander."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element

from dauerlauf.book.figure import figure
from dauerlauf.book.page import PageContext, slug

if TYPE_CHECKING:
    from dauerlauf.book.directives import Directive


def build(context: PageContext, directive: Directive) -> Element:
    """Baut den Vergleich; DauerlaufError, wenn Muster, Szenario oder Aufzeichnung fehlen oder beide gleich sind."""
    # Erst hier: Seiten ohne Vergleich sollen nicht auf den Import des Temporal-SDK warten.
    from dauerlauf import compare

    directive.allow(words=range(2, 3), text=True)
    found = compare.compare_named(directive.words)
    caption = directive.text or ""
    names = "-".join(slug(word.partition("/")[2]) for word in directive.words)
    return figure(context, "lauf", f"vergleich-{names}", caption, compare.html(found, title=caption))
