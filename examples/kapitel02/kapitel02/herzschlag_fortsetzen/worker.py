"""Der Worker. Start: `python -m kapitel02.herzschlag_fortsetzen.worker`."""

import argparse
import asyncio
import atexit
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

from temporalio.client import Client
from temporalio.worker import Worker

from kapitel02.connection import connect
from kapitel02.herzschlag_fortsetzen.activities import ParcelSteps
from kapitel02.herzschlag_fortsetzen.services import Carrier, carrier_file
from kapitel02.herzschlag_fortsetzen.workflow import CloseDay

TASK_QUEUE = "herzschlag-fortsetzen"
THREADS = 4


# --8<-- [start:worker]
def create_worker(
    client: Client,
    folder: Path,
    *,
    task_queue: str = TASK_QUEUE,
    steps: ParcelSteps | None = None,
    heartbeat_pace: timedelta = timedelta(seconds=60),
) -> Worker:
    """Baut den Worker. In `folder` liegt das Buch des Frachtführers.

    `heartbeat_pace`: Spätestens nach dieser Zeit geht ein Heartbeat hinaus.
    """
    steps = steps or ParcelSteps(Carrier(carrier_file(folder)))
    return Worker(
        client,
        task_queue=task_queue,
        workflows=[CloseDay],
        activities=[steps.announce_parcels],
        activity_executor=ThreadPoolExecutor(THREADS),
        max_concurrent_activities=THREADS,
        max_heartbeat_throttle_interval=heartbeat_pace,
        graceful_shutdown_timeout=timedelta(seconds=10),
    )


# --8<-- [end:worker]


async def main(folder: Path, seconds: float) -> None:
    """Verbindet sich mit dem Server (sonst `localhost:7233`).

    Arbeitet bis Strg-C oder SIGTERM; die laufende Activity gibt ihre Position ab.
    `seconds`: So lange braucht der Frachtführer je Paket.
    """
    client = await connect()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    steps = ParcelSteps(Carrier(carrier_file(folder), seconds=seconds))
    async with create_worker(client, folder, steps=steps):
        print(f"Worker bereit, Prozess {os.getpid()}. Ende mit Strg-C.", flush=True)
        await stop.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Worker für Tagesabschlüsse.")
    parser.add_argument("--daten", type=Path, default=Path("nordlicht-daten"))
    parser.add_argument("--dauer", type=float, default=0.1, help="Sekunden je Paket")
    arguments = parser.parse_args()
    # Sonst stirbt der Prozess beim Beenden manchmal mit SIGABRT
    # (temporalio/sdk-python#300).
    atexit.register(time.sleep, 0.1)
    asyncio.run(main(arguments.daten, arguments.dauer))
