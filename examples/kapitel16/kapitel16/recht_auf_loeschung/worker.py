"""Der Worker des Musters. Start: `python -m kapitel16.recht_auf_loeschung.worker`."""

import asyncio
import atexit
import contextlib
import logging
import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

from temporalio.client import Client
from temporalio.envconfig import ClientConfig
from temporalio.worker import Worker

from kapitel16.recht_auf_loeschung.activities import (
    ErasureActivities,
    OrderActivities,
    folder_from_environment,
)
from kapitel16.recht_auf_loeschung.codec import with_person_keys
from kapitel16.recht_auf_loeschung.guard import ErasedGuard
from kapitel16.recht_auf_loeschung.key_store import KeyCache, KeyStore
from kapitel16.recht_auf_loeschung.workflow import (
    KEY_LIFETIME,
    ErasureWorkflow,
    InvoiceWorkflow,
    OrderWorkflow,
    ParcelWorkflow,
)

TASK_QUEUE = "kundschaft"
THREADS = 16
WORKFLOWS = [OrderWorkflow, ParcelWorkflow, InvoiceWorkflow, ErasureWorkflow]

log = logging.getLogger("nordlicht.worker")


# --8<-- [start:worker]
def create_worker(
    client: Client,
    folder: Path,
    *,
    task_queue: str = TASK_QUEUE,
    keys: KeyCache | None = None,
    patience: float = 5,
) -> Worker:
    """Baut den Worker. In `folder` liegen Stammdaten und Schlüsselspeicher."""
    keys = keys or KeyCache(KeyStore(folder), KEY_LIFETIME.total_seconds())
    client = with_person_keys(client, keys, strict=False)
    return Worker(
        client,
        task_queue=task_queue,
        workflows=WORKFLOWS,
        interceptors=[ErasedGuard()],
        activities=[
            *OrderActivities(folder).all(),
            *ErasureActivities(folder, client, patience).all(),
        ],
        activity_executor=ThreadPoolExecutor(THREADS, thread_name_prefix="activity"),
        max_concurrent_activities=THREADS,
        graceful_shutdown_timeout=timedelta(seconds=10),
    )


# --8<-- [end:worker]


async def run(folder: Path, task_queue: str) -> None:
    """Verbindet sich mit dem konfigurierten Server und arbeitet bis SIGTERM oder
    Strg-C.

    Laufende Activities bekommen danach noch 10 s. Wirft `ConnectionError`, wenn der
    Server nicht antwortet.
    """
    config = ClientConfig.load_client_connect_config()
    config.setdefault("target_host", "localhost:7233")
    try:
        client = await Client.connect(**config)
    except RuntimeError as error:
        raise ConnectionError(
            f"Der Temporal Server {config['target_host']} antwortet nicht."
        ) from error
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        # Windows kennt keine Signal-Handler in asyncio.
        with contextlib.suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with create_worker(client, folder, task_queue=task_queue):
        log.info(
            "Worker bereit: Server %s, Task Queue „%s“.",
            config["target_host"],
            task_queue,
        )
        await stop.wait()
    log.info("Worker beendet.")


def main() -> int:
    """Startet den Worker; gibt 0 nach ordentlichem Ende zurück, 2 bei fehlender
    Konfiguration oder fehlendem Server.
    """
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    log.setLevel(logging.INFO)
    try:
        asyncio.run(
            run(
                folder_from_environment(),
                os.environ.get("NORDLICHT_TASK_QUEUE", TASK_QUEUE),
            )
        )
    except KeyError as error:
        print(
            f"Die Umgebungsvariable {error.args[0]} fehlt; siehe README.md.",
            file=sys.stderr,
        )
        return 2
    except ConnectionError as error:
        print(f"{error} Läuft er, und stimmt TEMPORAL_ADDRESS?", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    # Ohne diese Pause stirbt der Prozess beim Beenden manchmal mit SIGABRT
    # (temporalio/sdk-python#300).
    atexit.register(time.sleep, 0.1)
    sys.exit(main())
