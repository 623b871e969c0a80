"""Was jede Abbildung einer Seite braucht: eine Nummer, einen Anker und einen Kasten, den die Suche auslässt."""

from __future__ import annotations

from html import escape
from xml.etree.ElementTree import Element, SubElement

from dauerlauf.book.page import PageContext
from dauerlauf.errors import DauerlaufError


def figure(context: PageContext, css: str, anchor: str, caption: str, picture: str) -> Element:
    """Legt ein fertiges ``<figure>`` als „Bild N“ in die Seite.

    Args:
        context: Die Seite.
        css: Klasse des Kastens.
        anchor: Der gewünschte Anker.
        caption: Die Bildunterschrift, die auch in ``picture`` steht.
        picture: Das Bild als HTML mit ``<figcaption>…</figcaption>``.

    Raises:
        DauerlaufError: Die Unterschrift steht nicht im Bild.
    """
    label, free = context.label("Bild", anchor)
    text = escape(caption)
    plain = f"<figcaption>{text}</figcaption>"
    if plain not in picture:
        raise DauerlaufError("Das Bild trägt seine Unterschrift nicht; die Nummer findet keinen Platz.")
    numbered = f'<figcaption><a class="nummer" href="#{free}">{label}</a>{text}</figcaption>'
    # Die Suche soll die Sätze der Seite finden, nicht jede Beschriftung im Bild.
    box = Element("div", {"class": css, "id": free, "data-search-exclude": ""})
    SubElement(box, "p").text = context.md.htmlStash.store(picture.replace(plain, numbered))
    return box
