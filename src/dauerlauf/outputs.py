"""Ausgaben auf den Seiten: aus wirklichen Läufen einsetzen und vergleichen.

Eine Seite nennt den Befehl in einem Kommentar, die Ausgabe steht im Codeblock darunter:

    <!-- ausgabe: dauerlauf zeige saga glatt -->
    ```text
    ...
    ```

Der Befehl ist `dauerlauf …` oder ein Modul eines Kapitels: `python -m kapitel08.patching.matrix`. Druckt ein Kapitel
eine Tabelle in Markdown, steht sie ohne Zaun nach einer Leerzeile und erscheint als Tabelle:

    <!-- tabelle: python -m kapitel08.aenderungskatalog timer -->

    | Änderung | … |

Endet der Befehl absichtlich mit einem Fehler, steht sein Code dahinter: `<!-- ausgabe (2): dauerlauf zeige sago -->`.
"""

import os
import re
import shlex
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from dauerlauf.errors import DauerlaufError

TIME_LIMIT = 120
_BLOCK = re.compile(
    r"^(?P<indent> *)<!-- ausgabe(?: \((?P<code>\d+)\))?: (?P<command>[^\n]+?) -->\n"
    r"\s*(?P<fence>```+)text[^\n]*\n(?P<text>.*?)^ *(?P=fence)$",
    re.MULTILINE | re.DOTALL,
)
# Dieselben Gruppen wie oben; eine Tabelle ist nie eingerückt und hat keinen Zaun.
_TABLE = re.compile(
    r"^(?P<indent>)<!-- tabelle(?P<code>): (?P<command>[^\n]+?) -->\n\n(?P<text>(?:\|[^\n]*\n)*)(?P<fence>)",
    re.MULTILINE,
)
_PATTERNS = (_BLOCK, _TABLE)


@dataclass(frozen=True)
class Output:
    """Eine Ausgabe auf einer Seite und was der Befehl wirklich ausgibt."""

    page: Path
    command: str
    shown: str
    actual: str

    @property
    def changed(self) -> bool:
        """Ob die Seite etwas anderes zeigt, als der Befehl ausgibt."""
        return self.shown != self.actual


def pages(root: Path) -> list[Path]:
    """Alle Seiten mit Ausgaben: das Buch und die README-Dateien."""
    return sorted([*root.glob("*.md"), *root.glob("book/**/*.md"), *root.glob("examples/*/README.md")])


def shown(root: Path, command: str) -> str | None:
    """Die Ausgabe von `command`, wie sie auf einer Seite steht; None, wenn keine Seite sie zeigt.

    Ausgeführt wird nichts: Dass sie stimmt, stellt `compare` fest.
    """
    for page in pages(root):
        for pattern in _PATTERNS:
            for match in pattern.finditer(page.read_text(encoding="utf-8")):
                if match["command"] == command:
                    return match["text"]
    return None


def _execute(command: str, code: int) -> str:
    program = _program(command)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TEMPORAL_")}
    with tempfile.NamedTemporaryFile(suffix=".toml") as empty_configuration:
        environment |= {"COLUMNS": "80", "NO_COLOR": "1", "TEMPORAL_CONFIG_FILE": empty_configuration.name}
        done = subprocess.run(
            program,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=TIME_LIMIT,
            env=environment,
            check=False,
        )
    text = done.stdout.decode()
    if done.returncode != code:
        raise DauerlaufError(f"`{command}` endet mit Code {done.returncode} statt {code}: {text.strip()[-400:]}")
    return "".join(f"{line.rstrip()}\n" for line in text.strip("\n").split("\n"))


def _program(command: str) -> list[str]:
    words = shlex.split(command)
    if words[0] == "dauerlauf":
        return [str(Path(sysconfig.get_path("scripts")) / "dauerlauf"), *words[1:]]
    if re.match(r"python -m kapitel\d\d\.", command):
        return [sys.executable, *words[1:]]
    raise DauerlaufError(f"Ausgaben kommen nur von `dauerlauf` und den Kapiteln, nicht von „{command}“.")


def compare(root: Path, only: Path | None = None) -> Iterator[Output]:
    """Führt die Befehle aller Seiten unter `root` aus und gibt jede Ausgabe mit ihrem wirklichen Wortlaut zurück.

    `only` beschränkt das auf eine Seite. Ausgeführt wird mit 80 Spalten, ohne Farbe und ohne fremde
    Temporal-Konfiguration. Wirft `DauerlaufError`, wenn ein Befehl anders endet als angegeben oder `only` keine Seite
    mit Ausgaben ist.
    """
    chosen = pages(root) if only is None else [_page(root, only)]
    found = [
        (page, match)
        for page in chosen
        for pattern in _PATTERNS
        for match in pattern.finditer(page.read_text(encoding="utf-8"))
    ]
    if only is not None and not found:
        raise DauerlaufError(f"Auf der Seite „{only}“ steht keine Ausgabe; sie beginnt mit `<!-- ausgabe: … -->`.")
    commands = sorted({(m["command"], int(m["code"] or 0)) for _, m in found})
    with ThreadPoolExecutor(2) as pool:
        actual = dict(zip(commands, pool.map(lambda c: _execute(*c), commands), strict=True))
    for page, match in found:
        shown = "".join(f"{line.removeprefix(match['indent'])}\n" for line in match["text"].split("\n")[:-1])
        yield Output(page, match["command"], shown, actual[match["command"], int(match["code"] or 0)])


def _page(root: Path, file: Path) -> Path:
    if not file.is_file():
        raise DauerlaufError(f"Die Seite „{file}“ gibt es nicht; gemeint ist ein Pfad wie `book/index.md`.")
    for page in pages(root):
        if page.samefile(file):
            return page
    raise DauerlaufError(f"„{file}“ ist keine Seite; Ausgaben stehen unter `book/` und in den README-Dateien.")


def insert(outputs: list[Output]) -> None:
    """Setzt die wirklichen Ausgaben in die Seiten ein."""
    actual = {(output.page, output.command): output.actual for output in outputs}
    for page in {output.page for output in outputs if output.changed}:

        def replacement(match: re.Match[str], page: Path = page) -> str:
            indent = match["indent"]
            lines = actual[page, match["command"]].splitlines()
            body = "".join(f"{indent}{line}\n" if line else "\n" for line in lines)
            head = match[0][: match.start("text") - match.start()]
            return f"{head}{body}{indent}{match['fence']}"

        text = page.read_text(encoding="utf-8")
        for pattern in _PATTERNS:
            text = pattern.sub(replacement, text)
        page.write_text(text, encoding="utf-8")
