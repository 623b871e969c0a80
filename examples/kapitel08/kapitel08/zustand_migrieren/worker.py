"""Der Worker von Version 4.

`python -m kapitel08.zustand_migrieren.worker` startet ihn gegen den Server aus
Temporals eigener Konfiguration.
"""

import asyncio
import atexit
import contextlib
import logging
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from temporalio.client import Client
from temporalio.envconfig import ClientConfig
from temporalio.worker import Worker

from kapitel08.zustand_migrieren.activities import AccountActivities, Outbox
from kapitel08.zustand_migrieren.workflow import AccountWorkflow

TASK_QUEUE = "konten"
THREADS = 8

log = logging.getLogger("nordlicht.worker")


def create_worker(
    client: Client, outbox: Outbox, *, task_queue: str = TASK_QUEUE
) -> Worker:
    """Baut den Worker; er kennt nur noch Version 4."""
    return Worker(
        client,
        task_queue=task_queue,
        workflows=[AccountWorkflow],
        activities=[AccountActivities(outbox).confirm_booking],
        activity_executor=ThreadPoolExecutor(THREADS),
        max_concurrent_activities=THREADS,
        graceful_shutdown_timeout=timedelta(seconds=10),
    )


async def connect() -> Client:
    """Verbindet sich mit dem konfigurierten Server; wirft `ConnectionError`, wenn er
    nicht antwortet.
    """
    config = ClientConfig.load_client_connect_config()
    config.setdefault("target_host", "localhost:7233")
    try:
        return await Client.connect(**config)
    except RuntimeError as error:
        raise ConnectionError(
            f"Der Temporal Server {config['target_host']} antwortet nicht. "
            "Läuft er, und stimmt TEMPORAL_ADDRESS?"
        ) from error


async def run(outbox: Outbox) -> None:
    """Arbeitet bis SIGTERM oder Strg-C; laufende Activities bekommen danach 10 s."""
    client = await connect()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        # Windows kennt keine Signal-Handler in asyncio.
        with contextlib.suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with create_worker(client, outbox):
        log.info("Worker bereit: Task Queue „%s“.", TASK_QUEUE)
        await stop.wait()
    log.info("Worker beendet.")


def main() -> int:
    """Startet den Worker; gibt 0 nach ordentlichem Ende zurück, 2 bei fehlender
    Konfiguration oder fehlendem Server.
    """
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    log.setLevel(logging.INFO)
    try:
        asyncio.run(run(Outbox.from_environment()))
    except KeyError as error:
        print(f"Die Umgebungsvariable {error.args[0]} fehlt.", file=sys.stderr)
        return 2
    except ConnectionError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    # Ohne diese Pause stirbt der Prozess beim Beenden manchmal mit SIGABRT
    # (temporalio/sdk-python#300).
    atexit.register(time.sleep, 0.1)
    sys.exit(main())
