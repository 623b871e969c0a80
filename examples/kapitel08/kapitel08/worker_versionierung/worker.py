"""Der Worker einer Version; jede läuft in einem eigenen Prozess.

`python -m kapitel08.worker_versionierung.worker --build-id 1.0` startet ihn gegen den
Server aus Temporals eigener Konfiguration.
"""

import argparse
import asyncio
import atexit
import contextlib
import importlib
import logging
import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

from temporalio.client import Client
from temporalio.common import WorkerDeploymentVersion
from temporalio.envconfig import ClientConfig
from temporalio.worker import Worker, WorkerDeploymentConfig

from kapitel08.worker_versionierung.activities import WarehouseActivities

TASK_QUEUE = "lager"
DEPLOYMENT = "nordlicht-lager"
THREADS = 8
VERSIONS = {"1.0": "version1", "1.1": "version1_1", "2.0": "version2"}
"""Build-ID und Modul; in Ihrem Projekt ist die Build-ID der Commit des Images."""

log = logging.getLogger("nordlicht.worker")


def create_worker(
    client: Client,
    folder: Path,
    build_id: str,
    *,
    task_queue: str = TASK_QUEUE,
    deployment: str = DEPLOYMENT,
) -> Worker:
    """Baut den Worker einer Version; das Lagerbuch liegt in `folder`."""
    # --8<-- [start:worker]
    version = importlib.import_module(f"{__package__}.{VERSIONS[build_id]}")
    return Worker(
        client,
        task_queue=task_queue,
        workflows=version.WORKFLOWS,
        activities=WarehouseActivities(folder, build_id).all(),
        deployment_config=WorkerDeploymentConfig(
            version=WorkerDeploymentVersion(deployment, build_id),  # (!)
            use_worker_versioning=True,  # (!)
        ),
        activity_executor=ThreadPoolExecutor(THREADS, thread_name_prefix="activity"),
        max_concurrent_activities=THREADS,
        graceful_shutdown_timeout=timedelta(seconds=10),
    )

    # --8<-- [end:worker]


async def run(folder: Path, build_id: str) -> None:
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
    async with create_worker(client, folder, build_id):
        log.info("Worker bereit: Task Queue „%s“, Version %s.", TASK_QUEUE, build_id)
        await stop.wait()
    log.info("Worker beendet.")


def main() -> int:
    """Startet den Worker; gibt 0 nach ordentlichem Ende zurück, 2 bei fehlendem
    Server.
    """
    parser = argparse.ArgumentParser(description="Der Worker einer Version.")
    parser.add_argument(
        "--build-id",
        choices=VERSIONS,
        default=os.environ.get("NORDLICHT_BUILD_ID"),
        required="NORDLICHT_BUILD_ID" not in os.environ,
        help="die Version; sonst aus der Umgebungsvariablen NORDLICHT_BUILD_ID",
    )
    parser.add_argument("--ordner", type=Path, default=Path(), help="für das Lagerbuch")
    options = parser.parse_args()
    if options.build_id not in VERSIONS:  # argparse prüft die Umgebungsvariable nicht
        parser.error(f"Version „{options.build_id}“ kennt dieser Worker nicht.")
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    log.setLevel(logging.INFO)
    try:
        asyncio.run(run(options.ordner, options.build_id))
    except ConnectionError as error:
        print(f"{error} Läuft er, und stimmt TEMPORAL_ADDRESS?", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    # Ohne diese Pause stirbt der Prozess beim Beenden manchmal mit SIGABRT
    # (temporalio/sdk-python#300).
    atexit.register(time.sleep, 0.1)
    sys.exit(main())
