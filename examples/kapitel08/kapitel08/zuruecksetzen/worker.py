"""Der Worker des Musters. Start: `python -m kapitel08.zuruecksetzen.worker`."""

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
from temporalio.common import WorkerDeploymentVersion
from temporalio.envconfig import ClientConfig
from temporalio.worker import Worker, WorkerDeploymentConfig

from kapitel08.zuruecksetzen.activities import DISCOUNT_PERCENT, OrderActivities
from kapitel08.zuruecksetzen.workflow import OrderWorkflow

TASK_QUEUE = "auftraege"
THREADS = 8

log = logging.getLogger("nordlicht.worker")


def create_worker(
    client: Client,
    folder: Path,
    *,
    task_queue: str = TASK_QUEUE,
    build: str = "v1",
    discount: int = DISCOUNT_PERCENT,
    workflows: Sequence[type] = (OrderWorkflow,),
) -> Worker:
    """Baut den Worker. `build` steht in jedem Workflow-Task, den er erledigt."""
    # --8<-- [start:worker]
    version = WorkerDeploymentVersion(deployment_name="auftraege", build_id=build)
    return Worker(
        client,
        task_queue=task_queue,
        workflows=workflows,
        activities=OrderActivities(folder, discount).all(),
        deployment_config=WorkerDeploymentConfig(  # (!)
            version=version, use_worker_versioning=False
        ),
        activity_executor=ThreadPoolExecutor(THREADS, thread_name_prefix="activity"),
        max_concurrent_activities=THREADS,
        graceful_shutdown_timeout=timedelta(seconds=10),
    )
    # --8<-- [end:worker]


async def connect() -> Client:
    """Verbindet mit dem Server aus Temporals Konfiguration (`TEMPORAL_ADDRESS` ...).

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


async def run(folder: Path) -> None:
    """Arbeitet bis SIGTERM oder Strg-C; wirft `ConnectionError` ohne Server."""
    client = await connect()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        # Windows kennt keine Signal-Handler in asyncio.
        with contextlib.suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    build = os.environ.get("NORDLICHT_VERSION", "v1")
    # Version 2 vergisst den Rabatt; so lässt sich das schlechte Release nachspielen.
    discount = 0 if build == "v2" else DISCOUNT_PERCENT
    async with create_worker(client, folder, build=build, discount=discount):
        log.info("Worker %s bereit: Task Queue „%s“.", build, TASK_QUEUE)
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
