"""Der Worker des Musters `hallo`. Start: `python -m kapitel01.hallo.worker`."""

import asyncio
import atexit
import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from temporalio.client import Client
from temporalio.worker import Worker

from kapitel01.connection import connect
from kapitel01.hallo.activities import Mailroom
from kapitel01.hallo.workflow import ConfirmOrder

TASK_QUEUE = "hallo"
THREADS = 8


# --8<-- [start:worker]
def create_worker(
    client: Client,
    outbox: Path,
    *,
    task_queue: str = TASK_QUEUE,
) -> Worker:
    """Baut den Worker: welche Task Queue, welcher Workflow, welche Activity.

    `outbox` ist der Ordner der Schreiben; er wird angelegt, wenn er fehlt.
    """
    outbox.mkdir(parents=True, exist_ok=True)
    return Worker(
        client,
        task_queue=task_queue,
        workflows=[ConfirmOrder],
        activities=[Mailroom(outbox).confirm_order],
        activity_executor=ThreadPoolExecutor(THREADS),
        max_concurrent_activities=THREADS,
    )


# --8<-- [end:worker]


async def main() -> None:
    """Verbindet sich (ohne Konfiguration mit `localhost:7233`), arbeitet bis Strg-C."""
    client = await connect()
    print(f"Worker bereit, Task Queue „{TASK_QUEUE}“. Ende mit Strg-C.", flush=True)
    await create_worker(client, Path("nordlicht-daten/postausgang")).run()


if __name__ == "__main__":
    # Ohne diese Pause stirbt der Prozess beim Beenden manchmal mit SIGABRT:
    # temporalio/sdk-python#300.
    atexit.register(time.sleep, 0.1)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
