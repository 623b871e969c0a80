"""Programme der Kapitel, so gestartet, wie es auf den Seiten steht: `python -m …` in einem eigenen Ordner."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dauerlauf.timelapse import Timelapse


@contextmanager
def program(
    module: str, *arguments: str, folder: Path, timelapse: Timelapse | None = None, **environment: str
) -> Iterator[subprocess.Popen[str]]:
    """Startet `module` in `folder`, mit `timelapse` gegen dessen Server; am Ende ist der Prozess tot."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("TEMPORAL_")}
    clean["TEMPORAL_CONFIG_FILE"] = os.devnull
    if timelapse is not None:
        assert timelapse.server is not None
        clean["TEMPORAL_ADDRESS"] = timelapse.server.address
    started = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=folder,
        env=clean | environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield started
    finally:
        started.kill()
        started.communicate()


async def line(started: subprocess.Popen[str]) -> str:
    """Die nächste Zeile, die der Prozess ausgibt; höchstens 30 s."""
    assert started.stdout is not None
    return (await asyncio.wait_for(asyncio.to_thread(started.stdout.readline), 30)).rstrip("\n")


async def rest(started: subprocess.Popen[str]) -> list[str]:
    """Alle weiteren Zeilen bis zum Ende des Prozesses; höchstens 30 s. Er muss ohne Fehler enden."""
    # Nicht communicate(): Es überginge, was readline() schon in den Puffer gelesen hat.
    assert started.stdout is not None
    output = await asyncio.wait_for(asyncio.to_thread(started.stdout.read), 30)
    assert await asyncio.to_thread(started.wait, 30) == 0
    return output.splitlines()


async def end(started: subprocess.Popen[str], how: signal.Signals = signal.SIGINT) -> None:
    """Beendet den Prozess mit Strg-C oder `how`; er muss ohne Fehler gehen."""
    started.send_signal(how)
    assert await asyncio.to_thread(started.wait, 30) == 0


async def output(module: str, *arguments: str, folder: Path) -> list[str]:
    """Die Ausgabe von `module`, Zeile für Zeile."""
    with program(module, *arguments, folder=folder) as started:
        return await rest(started)
