"""Der Worker, in der Stufe seiner Wahl.

`python -m kapitel08.patching.worker` startet ihn gegen den Server aus Temporals
eigener Konfiguration.
"""

import asyncio
import atexit
import contextlib
import logging
import os
import signal
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from temporalio.client import Client
from temporalio.envconfig import ClientConfig
from temporalio.worker import Worker

from kapitel08.patching.activities import OrderActivities
from kapitel08.patching.stages import STAGES

TASK_QUEUE = "auftraege"
THREADS = 8

log = logging.getLogger("nordlicht.worker")


# --8<-- [start:worker]
def create_worker(
    client: Client,
    folder: Path,
    *,
    task_queue: str = TASK_QUEUE,
    stage: int = 2,
    activate: bool = True,
) -> Worker:
    """Baut den Worker mit dem Code einer Stufe.

    Ohne `activate` kennt er den Patch, wählt bei neuen Läufen aber noch den alten Weg.
    """
    return Worker(
        client,
        task_queue=task_queue,
        workflows=[STAGES[stage]],
        activities=OrderActivities(folder).all(),
        activity_executor=ThreadPoolExecutor(THREADS, thread_name_prefix="activity"),
        max_concurrent_activities=THREADS,
        patch_activation_callback=lambda patch: activate,  # (!)
    )


# --8<-- [end:worker]


async def connect() -> Client:
    """Verbindet sich mit dem konfigurierten Server.

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


async def run(folder: Path, stage: int) -> None:
    """Verbindet sich und arbeitet bis SIGTERM oder Strg-C.

    Wirft `ConnectionError` wie `connect`.
    """
    client = await connect()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        # Windows kennt keine Signal-Handler in asyncio.
        with contextlib.suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with create_worker(client, folder, stage=stage):
        log.info("Worker bereit: Task Queue „%s“, Stufe %d.", TASK_QUEUE, stage)
        await stop.wait()
    log.info("Worker beendet.")


def main() -> int:
    """Startet den Worker; gibt 0 nach ordentlichem Ende zurück, 2 bei falscher
    Konfiguration oder fehlendem Server.
    """
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    log.setLevel(logging.INFO)
    stage = os.environ.get("NORDLICHT_STUFE", "2")
    if stage not in map(str, STAGES):
        print("NORDLICHT_STUFE muss 1, 2, 3 oder 4 sein.", file=sys.stderr)
        return 2
    folder = Path(os.environ.get("NORDLICHT_ORDNER", tempfile.gettempdir()))
    try:
        asyncio.run(run(folder, int(stage)))
    except ConnectionError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    # Ohne diese Pause stirbt der Prozess beim Beenden manchmal mit SIGABRT
    # (temporalio/sdk-python#300).
    atexit.register(time.sleep, 0.1)
    sys.exit(main())
