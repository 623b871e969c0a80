"""Der Worker: Er hat den Schlüsselbund und liest, was der Server nicht lesen kann.

`python -m kapitel16.codec_server.worker` startet ihn gegen den Server aus Temporals
eigener Konfiguration.
"""

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

from kapitel16.codec_server.activities import RefundActivities
from kapitel16.codec_server.workflow import RefundWorkflow
from kapitel16.verschluesselung.codec import EncryptionCodec, data_converter
from kapitel16.verschluesselung.keys import KeyRing, KeyRingError

TASK_QUEUE = "erstattung"
THREADS = 8

log = logging.getLogger("nordlicht.worker")


# --8<-- [start:worker]
def encrypting(client: Client, ring: KeyRing) -> Client:
    """Derselbe Client, der jeden Payload mit `ring` verschlüsselt."""
    config = client.config()
    config["data_converter"] = data_converter(EncryptionCodec(ring))
    return Client(**config)


def create_worker(
    client: Client, ring_file: Path, folder: Path, *, task_queue: str = TASK_QUEUE
) -> Worker:
    """Baut den Worker mit dem Schlüsselbund aus `ring_file`; Bücher in `folder`."""
    return Worker(
        encrypting(client, KeyRing.load(ring_file)),
        task_queue=task_queue,
        workflows=[RefundWorkflow],
        activities=RefundActivities(folder).all(),
        activity_executor=ThreadPoolExecutor(THREADS, thread_name_prefix="activity"),
        max_concurrent_activities=THREADS,
        graceful_shutdown_timeout=timedelta(seconds=10),
    )


# --8<-- [end:worker]


async def run(ring_file: Path, folder: Path, task_queue: str) -> None:
    """Verbindet sich mit dem konfigurierten Server und arbeitet bis SIGTERM oder
    Strg-C.

    Laufende Activities bekommen danach noch 10 s. Wirft `ConnectionError`, wenn der
    Server nicht antwortet, und `KeyRingError`, wenn der Schlüsselbund unbrauchbar ist.
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
    async with create_worker(client, ring_file, folder, task_queue=task_queue):
        log.info("Worker bereit: Task Queue „%s“.", task_queue)
        await stop.wait()
    log.info("Worker beendet.")


def main() -> int:
    """Startet den Worker; gibt 0 nach ordentlichem Ende zurück, 2 bei fehlender
    Konfiguration, unbrauchbarem Schlüsselbund oder fehlendem Server.
    """
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    log.setLevel(logging.INFO)
    try:
        ring_file = Path(os.environ["NORDLICHT_SCHLUESSEL"])
        folder = Path(os.environ["NORDLICHT_ORDNER"])
        queue = os.environ.get("NORDLICHT_TASK_QUEUE", TASK_QUEUE)
        asyncio.run(run(ring_file, folder, queue))
    except KeyError as error:
        print(f"Die Umgebungsvariable {error.args[0]} fehlt.", file=sys.stderr)
        return 2
    except KeyRingError as error:
        print(error, file=sys.stderr)
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
