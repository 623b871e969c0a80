"""Ein Worker, so gestartet, wie es über seiner Datei steht: `python -m …`."""

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
def program(module: str, timelapse: Timelapse, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Startet `module` in `folder` gegen den Server; am Ende ist der Prozess tot."""
    assert timelapse.server is not None
    clean = {key: value for key, value in os.environ.items() if not key.startswith("TEMPORAL_")}
    started = subprocess.Popen(
        [sys.executable, "-m", module],
        cwd=folder,
        env=clean | {"TEMPORAL_CONFIG_FILE": os.devnull, "TEMPORAL_ADDRESS": timelapse.server.address},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield started
    finally:
        started.kill()
        started.communicate()


async def ready(started: subprocess.Popen[str]) -> None:
    """Wartet, bis der Worker Arbeit annimmt."""
    assert started.stdout is not None
    line = await asyncio.wait_for(asyncio.to_thread(started.stdout.readline), 30)
    assert line == "Worker bereit. Ende mit Strg-C.\n"


async def interrupt(started: subprocess.Popen[str]) -> None:
    """Beendet den Worker mit Strg-C; er muss ohne Fehler gehen."""
    started.send_signal(signal.SIGINT)
    assert await asyncio.to_thread(started.wait, 30) == 0
