"""``::: notebook``: das ausgeführte Notebook, von nbconvert als Markdown abgelegt, wird Teil der Seite."""

from __future__ import annotations

import re

from markdown import Markdown
from markdown.preprocessors import Preprocessor

from dauerlauf.book.page import PageContext, slug

DIRECTIVE = re.compile(r"^::: *notebook(?: +(?P<rest>.*))?$")
NAME = re.compile(r"[a-z][a-z0-9_]*")
HEADING = re.compile(r"^(?P<level>#{1,5}) +(?P<text>.+?)(?: *\{ *#[^}]*\})? *$")
FENCE = re.compile(r"^ *(`{3,}|~{3,})")


class NotebookPages(Preprocessor):
    """Setzt das Markdown des Notebooks an die Stelle der Direktive.

    Das muss vor allen anderen Schritten geschehen, damit Code-Zäune und HTML-Ausgaben des Notebooks denselben Weg
    gehen wie die der Seite.
    """

    def __init__(self, md: Markdown, context: PageContext) -> None:
        super().__init__(md)
        self.context = context

    def run(self, lines: list[str]) -> list[str]:
        result: list[str] = []
        fence: str | None = None
        for line in lines:
            mark = FENCE.match(line)
            if mark and fence is None:
                fence = mark[1]
            elif mark and fence is not None and mark[1].startswith(fence):
                fence = None
            directive = DIRECTIVE.match(line) if fence is None else None
            if directive:
                result.extend(self._content(line, (directive["rest"] or "").strip()))
            else:
                result.append(line)
        return result

    def _content(self, line: str, name: str) -> list[str]:
        number = self.context.line_of(line)
        if not NAME.fullmatch(name):
            raise self.context.error(number, f"„{name}“ ist kein Notebook-Name; die Form ist ::: notebook kapitel07.")
        file = self.context.root / ".notebooks" / f"{name}.md"
        if not file.is_file():
            raise self.context.error(
                number, f"Das Notebook {name} ist noch nicht ausgeführt; starten Sie „uv run dauerlauf notebooks“."
            )
        return ["", *_anchored(file.read_text(encoding="utf-8").splitlines()), ""]


def _anchored(lines: list[str]) -> list[str]:
    """Überschriften eine Ebene tiefer (die Seite hat schon eine erste) und mit ASCII-Anker."""
    result: list[str] = []
    fence: str | None = None
    used: set[str] = set()
    for line in lines:
        mark = FENCE.match(line)
        if mark:
            fence = mark[1] if fence is None else None if mark[1].startswith(fence) else fence
        heading = HEADING.match(line) if fence is None else None
        if not heading:
            result.append(line)
            continue
        anchor = base = f"notebook-{slug(heading['text'])}"
        copy = 1
        while anchor in used:
            copy += 1
            anchor = f"{base}-{copy}"
        used.add(anchor)
        result.append(f"#{heading['level']} {heading['text']} {{ #{anchor} }}")
    return result
