"""Text im Bild: Breite schätzen und umbrechen."""

from __future__ import annotations

import html as html_module
from collections.abc import Iterator

_NARROW_CHARS = set("iljtfrI.,:;'|!()[]·„“ ")
_BROAD_CHARS = set("mwMWÄÖÜ@%→←×")


def text_width(text: str, size: float) -> float:
    """Geschätzte Breite; eher zu groß, weil die Schrift von der Seite kommt."""
    units = sum(
        0.37 if char in _NARROW_CHARS else 0.95 if char in _BROAD_CHARS or char > "⿿" else 0.61 for char in text
    )
    return units * size


def wrap(text: str, width: float, size: float, limit: int) -> list[str]:
    """Bricht Text um, auch lange Bezeichner (hinter ``_``, ``.``, ``-``), auf höchstens ``limit`` Zeilen."""
    lines: list[str] = []
    line = ""
    for word in _pieces(text[: 80 * limit], width, size):
        if line and text_width(line + word.rstrip(), size) > width:
            lines.append(line.rstrip())
            line = ""
            if len(lines) == limit:
                break
        line += word
    else:
        if line.strip():
            lines.append(line.rstrip())
        if len(text) <= 80 * limit:
            return lines
    last = lines[-1]
    while last and text_width(last + "…", size) > width:
        last = last[:-1]
    return [*lines[:-1], last.rstrip() + "…"]


def _pieces(text: str, width: float, size: float) -> Iterator[str]:
    for word in text.split(" "):
        if text_width(word, size) <= width:
            yield word + " "
            continue
        piece = ""
        for char in word:
            if piece and text_width(piece + char, size) > width:
                yield piece
                piece = ""
            piece += char
            if char in "_.-/":
                yield piece
                piece = ""
        yield piece + " "


def escape(text: str) -> str:
    """Der Text für HTML und SVG; was nicht druckbar ist, wird ein Leerzeichen."""
    return html_module.escape("".join(char if char.isprintable() else " " for char in text), quote=True)
