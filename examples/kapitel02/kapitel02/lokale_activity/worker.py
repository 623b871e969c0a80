"""Der Worker des Musters. Start: `python -m kapitel02.lokale_activity.worker`."""

import argparse
import asyncio
import atexit
import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from temporalio.client import Client
from temporalio.worker import Worker

from kapitel02.connection import connect
from kapitel02.lokale_activity.activities import Desk
from kapitel02.lokale_activity.comparison import WriteInvoiceRemotely
from kapitel02.lokale_activity.services import Register
from kapitel02.lokale_activity.workflow import WriteInvoice

TASK_QUEUE = "lokale-activity"
THREADS = 8


def create_worker(
    client: Client, folder: Path, *, task_queue: str = TASK_QUEUE
) -> Worker:
    """Baut den Worker. In `folder` liegt das Register."""
    return worker_with(Desk(Register(folder)), client, task_queue)


# --8<-- [start:worker]
def worker_with(desk: Desk, client: Client, task_queue: str) -> Worker:
    """Workflow und Activities im selben Worker: Anders geht es lokal nicht."""
    return Worker(
        client,
        task_queue=task_queue,
        workflows=[WriteInvoice, WriteInvoiceRemotely],
        activities=[desk.look_up_price, desk.draw_number],
        activity_executor=ThreadPoolExecutor(THREADS),
        max_concurrent_activities=THREADS,
        max_concurrent_local_activities=THREADS,
    )


# --8<-- [end:worker]


async def main(folder: Path) -> None:
    """Verbindet sich mit dem konfigurierten Server (sonst `localhost:7233`)."""
    client = await connect()
    print("Worker bereit. Ende mit Strg-C.", flush=True)
    await create_worker(client, folder).run()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Worker, der Rechnungen schreibt.")
    parser.add_argument(
        "--daten",
        type=Path,
        default=Path("nordlicht-daten"),
        help="Ordner des Registers",
    )
    arguments = parser.parse_args()
    # Ohne diese Pause stirbt der Prozess beim Beenden manchmal mit SIGABRT
    # (temporalio/sdk-python#300).
    atexit.register(time.sleep, 0.1)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(arguments.daten))
