"""Der Worker des Musters. Start: `python -m kapitel16.verschluesselung.worker`."""

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

from kapitel16.verschluesselung.activities import RefundActivities
from kapitel16.verschluesselung.codec import EncryptionCodec, encrypted
from kapitel16.verschluesselung.keys import KeyRing, KeyRingError
from kapitel16.verschluesselung.workflow import RefundWorkflow

TASK_QUEUE = "erstattungen"
THREADS = 8

log = logging.getLogger("nordlicht.worker")


# --8<-- [start:worker]
def create_worker(
    client: Client, folder: Path, ring: KeyRing, *, task_queue: str = TASK_QUEUE
) -> Worker:
    """Baut den Worker. In `folder` liegt das Buch der Bank."""
    return Worker(
        encrypted(client, EncryptionCodec(ring)),  # (!)
        task_queue=task_queue,
        workflows=[RefundWorkflow],
        activities=RefundActivities(folder).all(),
        activity_executor=ThreadPoolExecutor(THREADS, thread_name_prefix="activity"),
        max_concurrent_activities=THREADS,
        graceful_shutdown_timeout=timedelta(seconds=10),
    )


# --8<-- [end:worker]


async def connect() -> Client:
    """Verbindet mit dem konfigurierten Server, noch ohne Codec.

    Wirft `ConnectionError`, wenn er nicht antwortet.
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


async def run(folder: Path, ring: KeyRing, task_queue: str) -> None:
    """Arbeitet bis SIGTERM oder Strg-C; laufende Activities bekommen danach noch 10 s.

    Wirft `ConnectionError`, wenn der Server nicht antwortet.
    """
    client = await connect()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        # Windows kennt keine Signal-Handler in asyncio.
        with contextlib.suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with create_worker(client, folder, ring, task_queue=task_queue):
        log.info("Worker bereit: Task Queue „%s“, %s.", task_queue, ring)
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
                Path(os.environ["NORDLICHT_ORDNER"]),
                KeyRing.from_environment(),
                os.environ.get("NORDLICHT_TASK_QUEUE", TASK_QUEUE),
            )
        )
    except KeyError as error:
        print(
            f"Die Umgebungsvariable {error.args[0]} fehlt; siehe README.md.",
            file=sys.stderr,
        )
        return 2
    except (ConnectionError, KeyRingError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    # Ohne diese Pause stirbt der Prozess beim Beenden manchmal mit SIGABRT
    # (temporalio/sdk-python#300).
    atexit.register(time.sleep, 0.1)
    sys.exit(main())
