"""Ein Programm an einem Pseudo-Terminal, und was darauf zu sehen ist."""

import asyncio
import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_TOKEN = re.compile(r"\x1b\[([?0-9;]*)([A-Za-z])|\r|\n|[^\x1b\r\n]")


@dataclass
class Session:
    """Ein beendetes Programm: sein Code und alles, was es auf das Terminal schrieb."""

    code: int
    written: str

    def screen(self) -> list[str]:
        """Die Zeilen, die am Ende zu sehen sind, mit allem, was nach oben hinausgelaufen ist."""
        return screen(self.written)


def screen(written: str) -> list[str]:
    """Führt aus, was `rich` an Steuerzeichen benutzt: Zeilenanfang, Zeile löschen, Zeilen nach oben."""
    lines: list[list[str]] = [[]]
    row = column = 0
    for token in _TOKEN.finditer(written):
        text = token[0]
        if text == "\r":
            column = 0
        elif text == "\n":
            row += 1
            lines += [[] for _ in range(row + 1 - len(lines))]
        elif token[2] == "A":
            row = max(0, row - int(token[1] or 1))
        elif token[2] == "K":
            lines[row] = []
        elif len(text) == 1:
            lines[row] += [" "] * (column + 1 - len(lines[row]))
            lines[row][column] = text
            column += 1
    return ["".join(line).rstrip() for line in lines]


async def in_terminal(
    command: list[str | Path],
    environment: dict[str, str],
    *,
    rows: int,
    columns: int,
    when: tuple[str, Callable[[int], None]] | None = None,
) -> Session:
    """Führt `command` an einem Terminal dieser Größe aus.

    `when` nennt einen Text und was mit der Prozessnummer geschehen soll, sobald er auf dem Bildschirm steht.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    environment = {**environment, "TERM": "xterm-256color"}
    environment.pop("COLUMNS", None)
    process = subprocess.Popen(  # noqa: ASYNC220 - kehrt sofort zurück; gelesen wird in einem Thread
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
    )
    os.close(theirs)

    def read() -> str:
        nonlocal when
        written = b""
        while True:
            try:
                data = os.read(ours, 65536)
            except OSError:  # so endet ein Pseudo-Terminal unter Linux
                break
            if not data:
                break
            written += data
            if when is not None and when[0] in "\n".join(screen(written.decode(errors="replace"))):
                when[1](process.pid)
                when = None
        return written.decode()

    try:
        written = await asyncio.wait_for(asyncio.to_thread(read), 60)
        return Session(process.wait(10), written)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
