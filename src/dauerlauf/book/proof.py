"""``::: beweis``: eine Aussage, der Test, der sie belegt, und der Befehl, mit dem man ihn ausführt."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement

from dauerlauf.book.listing import code_html
from dauerlauf.book.page import PageContext
from dauerlauf.errors import DauerlaufError

if TYPE_CHECKING:
    from dauerlauf.book.directives import Directive

COMMAND = "uv run --group test pytest"


def build(context: PageContext, directive: Directive) -> Element:
    """Baut den Call-out; DauerlaufError, wenn Datei oder Testfunktion fehlen."""
    directive.allow(words=range(1, 2), text=True)
    identifier = directive.words[0]
    source = find_test(context.root, identifier)
    box = Element("div", {"class": "admonition beweis"})
    title = SubElement(box, "p", {"class": "admonition-title"})
    title.text = "Beweis"
    SubElement(box, "p").text = directive.text
    details = SubElement(box, "details", {"class": "quelltext"})
    summary = SubElement(details, "summary")
    summary.text = "Test "
    name = SubElement(summary, "code")
    name.text = identifier.rpartition("::")[2]
    name.tail = " lesen und ausführen"
    SubElement(details, "p").text = context.md.htmlStash.store(
        f'<div class="befehl"><pre><code>{COMMAND} {identifier}</code></pre></div>'
    )
    SubElement(details, "p").text = context.md.htmlStash.store(code_html(source, "test.py"))
    return box


def find_test(root: Path, identifier: str) -> str:
    """Der Quelltext eines Tests samt Dekoratoren, links bündig. ``identifier`` wie bei pytest, ohne Parameter."""
    path, *names = identifier.split("::")
    file = root / path
    if not path.startswith("tests/") or ".." in path or not file.is_file():
        raise DauerlaufError(f"Die Testdatei {path} gibt es nicht.")
    if not names or not names[-1].startswith("test_"):
        raise DauerlaufError(f"„{identifier}“ nennt keinen Test; die Form ist tests/datei.py::test_name.")
    tests = _functions(file, file.stat().st_mtime_ns)
    for number, name in enumerate(names, start=1):
        if "::".join(names[:number]) not in tests:
            raise DauerlaufError(f"In {path} gibt es keinen Test „{name}“.")
    return tests["::".join(names)]


@cache
def _functions(file: Path, changed: int) -> dict[str, str]:
    """Alle Klassen (ohne Text) und Funktionen einer Testdatei; je Stand nur einmal gelesen, ein Buch fragt 800-mal."""
    text = file.read_text(encoding="utf-8")
    lines = text.splitlines()
    found: dict[str, str] = {}

    def visit(scope: list[ast.stmt], prefix: str) -> None:
        for node in scope:
            if isinstance(node, ast.ClassDef):
                found[prefix + node.name] = ""
                visit(node.body, f"{prefix}{node.name}::")
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
                body = lines[first - 1 : node.end_lineno]
                found[prefix + node.name] = "\n".join(line[node.col_offset :] for line in body) + "\n"

    visit(ast.parse(text).body, "")
    return found
