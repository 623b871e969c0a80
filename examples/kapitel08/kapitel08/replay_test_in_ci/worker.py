"""Der Worker des Musters. Start: `python -m kapitel08.replay_test_in_ci.worker`."""

import asyncio
import atexit
import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

from temporalio.client import Client
from temporalio.converter import DataConverter
from temporalio.envconfig import ClientConfig
from temporalio.worker import Worker

from kapitel08.replay_test_in_ci.activities import OrderActivities
from kapitel08.replay_test_in_ci.workflow import OrderWorkflow, ReturnWorkflow

TASK_QUEUE = "auftraege"
THREADS = 8

log = logging.getLogger("nordlicht.worker")

# --8<-- [start:project]
# Worker, Export und Prüfung lesen dieselben beiden Namen: Eine zweite Liste in der
# CI wäre bald veraltet.
WORKFLOWS: Sequence[type] = (OrderWorkflow, ReturnWorkflow)
CONVERTER = DataConverter.default
# --8<-- [end:project]


def create_worker(
    client: Client,
    folder: Path,
    *,
    task_queue: str = TASK_QUEUE,
    workflows: Sequence[type] = WORKFLOWS,
) -> Worker:
    """Baut den Worker. In `folder` liegt das Buch der Wirkungen."""
    return Worker(
        client,
        task_queue=task_queue,
        workflows=workflows,
        activities=OrderActivities(folder).all(),
        activity_executor=ThreadPoolExecutor(THREADS, thread_name_prefix="activity"),
        max_concurrent_activities=THREADS,
        graceful_shutdown_timeout=timedelta(seconds=10),
    )


async def connect() -> Client:
    """Verbindet mit dem Server aus Temporals Konfiguration (`TEMPORAL_ADDRESS` ...).

    Wirft `ConnectionError`, wenn er nicht antwortet.
    """
    config = ClientConfig.load_client_connect_config()
    config.setdefault("target_host", "localhost:7233")
    try:
        return await Client.connect(**config, data_converter=CONVERTER)
    except RuntimeError as error:
        raise ConnectionError(
            f"Der Temporal Server {config['target_host']} antwortet nicht. "
            "Läuft er, und stimmt TEMPORAL_ADDRESS?"
        ) from error


async def run(folder: Path) -> None:
    """Arbeitet bis SIGTERM oder Strg-C; wirft `ConnectionError` ohne Server."""
    client = await connect()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        # Windows kennt keine Signal-Handler in asyncio.
        with contextlib.suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with create_worker(client, folder):
        log.info("Worker bereit: Task Queue „%s“.", TASK_QUEUE)
        await stop.wait()


def main() -> int:
    """Startet den Worker; gibt 2 zurück, wenn der Server fehlt."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    log.setLevel(logging.INFO)
    try:
        asyncio.run(run(Path(os.environ.get("NORDLICHT_ORDNER", "nordlicht-daten"))))
    except ConnectionError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    # Ohne diese Pause stirbt der Prozess beim Beenden manchmal mit SIGABRT
    # (temporalio/sdk-python#300).
    atexit.register(time.sleep, 0.1)
    sys.exit(main())
