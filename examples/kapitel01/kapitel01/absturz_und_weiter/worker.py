"""Der Worker des Musters. Start: `python -m kapitel01.absturz_und_weiter.worker`."""

import argparse
import asyncio
import atexit
import contextlib
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from temporalio.client import Client
from temporalio.worker import Worker

from kapitel01.absturz_und_weiter.activities import Steps
from kapitel01.absturz_und_weiter.services import payment_ledger, shipping_ledger
from kapitel01.absturz_und_weiter.workflow import ProcessOrder
from kapitel01.connection import connect

TASK_QUEUE = "absturz-und-weiter"
THREADS = 8


# --8<-- [start:worker]
def create_worker(
    client: Client,
    folder: Path,
    *,
    task_queue: str = TASK_QUEUE,
) -> Worker:
    """Baut den Worker. In `folder` liegen die Bücher der fremden Dienste."""
    steps = Steps(payment_ledger(folder), shipping_ledger(folder))
    return Worker(
        client,
        task_queue=task_queue,
        workflows=[ProcessOrder],
        activities=[steps.charge_payment, steps.ship_parcel],
        activity_executor=ThreadPoolExecutor(THREADS),
        max_concurrent_activities=THREADS,
    )


# --8<-- [end:worker]


async def main(folder: Path) -> None:
    """Verbindet sich (ohne Konfiguration mit `localhost:7233`), arbeitet bis Strg-C."""
    client = await connect()
    print(f"Worker bereit, Prozess {os.getpid()}. Ende mit Strg-C.", flush=True)
    await create_worker(client, folder).run()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description="Worker für Bestellungen; zum Ausprobieren von Abstürzen."
    )
    parser.add_argument(
        "--daten", type=Path, default=Path("nordlicht-daten"), help="Ordner der Bücher"
    )
    arguments = parser.parse_args()
    # Ohne diese Pause stirbt der Prozess beim Beenden manchmal mit SIGABRT:
    # temporalio/sdk-python#300.
    atexit.register(time.sleep, 0.1)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(arguments.daten))
