"""Ausgaben und Befehle als Terminal: der Befehl kopierbar, die Ausgabe darunter."""

from __future__ import annotations

import re
from html import escape

from markdown import Markdown
from markdown.preprocessors import Preprocessor

from dauerlauf.book.page import PageContext

OUTPUT = re.compile(r"^(?P<indent> *)<!-- ausgabe(?: \(\d+\))?: (?P<command>.+?) -->$")
FENCE = re.compile(r"^(?P<indent> *)(?P<fence>`{3,}|~{3,}) *(?P<language>[\w-]*)")
COMPLETE = ("uv ", ".uv/", "git ", "cd ")


def shown_command(command: str) -> str:
    """Der Befehl, wie man ihn tippt: ``dauerlauf zeige saga`` braucht davor ``uv run``."""
    return command if command.startswith(COMPLETE) else f"uv run {command}"


class Outputs(Preprocessor):
    """Macht aus ``<!-- ausgabe: befehl -->`` mit Zaun und aus ``console``-Zäunen ein Terminal."""

    def __init__(self, md: Markdown, context: PageContext) -> None:
        super().__init__(md)
        self.context = context

    def run(self, lines: list[str]) -> list[str]:
        result: list[str] = []
        index = 0
        while index < len(lines):
            line = lines[index]
            if comment := OUTPUT.match(line):
                opening = FENCE.match(lines[index + 1]) if index + 1 < len(lines) else None
                if opening is None or opening["language"] not in {"", "text"}:
                    raise self.context.error(
                        self.context.line_of(line), "Auf „<!-- ausgabe: ... -->“ muss direkt ein Zaun ```text folgen."
                    )
                body, index = _fenced(lines, index + 1, opening)
                html = _terminal(shown_command(comment["command"]), body)
                result += ["", comment["indent"] + self.md.htmlStash.store(html), ""]
            elif opening := FENCE.match(line):
                start = index
                body, index = _fenced(lines, index, opening)
                if opening["language"] == "console":
                    html = _terminal("\n".join(body), None)
                    result += ["", opening["indent"] + self.md.htmlStash.store(html), ""]
                else:
                    result += lines[start:index]
            else:
                result.append(line)
                index += 1
        return result


def _fenced(lines: list[str], start: int, opening: re.Match[str]) -> tuple[list[str], int]:
    """Der Inhalt eines Zauns ohne seine Einrückung und die Nummer der Zeile nach dem Zaun."""
    body: list[str] = []
    for index in range(start + 1, len(lines)):
        if lines[index].strip() == opening["fence"]:
            return body, index + 1
        body.append(lines[index].removeprefix(opening["indent"]))
    return body, len(lines)


def _terminal(command: str, output: list[str] | None) -> str:
    # Die Ausgabe steht in <samp>, nicht in <code>: Der Kopierknopf hängt an <code> und kopiert so nur den Befehl.
    parts = [f'<div class="befehl"><pre><code>{escape(command)}</code></pre></div>']
    if output is not None:
        text = escape("\n".join(output))
        parts.append(f'<pre class="ausgabe"><samp>{text}\n</samp></pre>')
    return f'<div class="terminal">{"".join(parts)}</div>'
