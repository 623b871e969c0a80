"""Der Worker. Start: `python -m kapitel02.idempotenz_schluessel.worker`."""

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

from kapitel02.connection import connect
from kapitel02.idempotenz_schluessel.activities import ReturnSteps
from kapitel02.idempotenz_schluessel.services import (
    bank,
    claims,
    loyalty_account,
    pickup_service,
)
from kapitel02.idempotenz_schluessel.workflow import SettleReturn

TASK_QUEUE = "idempotenz-schluessel"
THREADS = 8


def open_steps(folder: Path, kind: type[ReturnSteps] = ReturnSteps) -> ReturnSteps:
    """Die Schritte mit den Büchern in `folder`."""
    return kind(
        bank(folder), pickup_service(folder), loyalty_account(folder), claims(folder)
    )


# --8<-- [start:worker]
def create_worker(
    client: Client,
    folder: Path,
    *,
    task_queue: str = TASK_QUEUE,
    steps: ReturnSteps | None = None,
) -> Worker:
    """Baut den Worker. In `folder` liegen die Bücher aller Systeme."""
    steps = steps or open_steps(folder)
    return Worker(
        client,
        task_queue=task_queue,
        workflows=[SettleReturn],
        activities=[steps.refund_payment, steps.order_pickup, steps.deduct_points],
        activity_executor=ThreadPoolExecutor(THREADS),
        max_concurrent_activities=THREADS,
    )


# --8<-- [end:worker]


async def main(folder: Path) -> None:
    """Verbindet sich mit dem Server (sonst `localhost:7233`), arbeitet bis Strg-C."""
    client = await connect()
    print(f"Worker bereit, Prozess {os.getpid()}. Ende mit Strg-C.", flush=True)
    await create_worker(client, folder).run()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Worker für Retouren.")
    parser.add_argument("--daten", type=Path, default=Path("nordlicht-daten"))
    arguments = parser.parse_args()
    # Sonst stirbt der Prozess beim Beenden manchmal mit SIGABRT
    # (temporalio/sdk-python#300).
    atexit.register(time.sleep, 0.1)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(arguments.daten))
