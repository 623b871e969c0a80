"""Ein Worker des Kapitels als eigener Prozess, so wie die Seiten ihn starten lassen."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path


@asynccontextmanager
async def worker_by_hand(
    module: str, address: str, folder: Path, *arguments: str
) -> AsyncIterator[subprocess.Popen[str]]:
    """Startet `python -m module` in `folder` gegen den Server `address`; am Ende ist der Prozess tot."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("TEMPORAL_")}
    started = await asyncio.to_thread(
        subprocess.Popen,
        [sys.executable, "-m", module, *arguments],
        cwd=folder,
        env=clean | {"TEMPORAL_CONFIG_FILE": os.devnull, "TEMPORAL_ADDRESS": address},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert started.stdout is not None
        line = await asyncio.wait_for(asyncio.to_thread(started.stdout.readline), 30)
        assert f"Prozess {started.pid}" in line
        yield started
    finally:
        started.kill()
        started.communicate()


async def report_by_hand(module: str, folder: Path, *arguments: str) -> Sequence[str]:
    """Die Ausgabe von `python -m module`, Zeile für Zeile."""
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", module, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return done.stdout.splitlines()
