"""Der Worker; sein Limit und das seiner Task Queue kommen aus der Umgebung.

`python -m kapitel09.rate_limit.worker` startet ihn gegen den Server aus Temporals
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

from temporalio.client import Client
from temporalio.envconfig import ClientConfig
from temporalio.worker import Worker

from kapitel09.rate_limit.activities import (
    LabelActivities,
    PermitActivities,
    service_url,
)
from kapitel09.rate_limit.workflow import LabelWorkflow, QuotaWorkflow

TASK_QUEUE = "versand"
THREADS = 16

log = logging.getLogger("nordlicht.worker")


def create_worker(
    client: Client,
    url: str,
    *,
    task_queue: str = TASK_QUEUE,
    per_worker: float | None = None,
    per_queue: float | None = None,
    threads: int = THREADS,
    spread: float = 1.0,
) -> Worker:
    """Baut den Worker; beide Limits in Activities je Sekunde, `None` ist keines."""
    return Worker(
        client,
        task_queue=task_queue,
        workflows=[LabelWorkflow, QuotaWorkflow],
        activities=[
            LabelActivities(url, spread).print_label,
            PermitActivities(client).request_permit,
        ],
        activity_executor=ThreadPoolExecutor(threads, thread_name_prefix="activity"),
        # --8<-- [start:limits]
        max_concurrent_activities=threads,  # (!)
        max_activities_per_second=per_worker,  # (!)
        max_task_queue_activities_per_second=per_queue,  # (!)
        # --8<-- [end:limits]
        # Stirbt der Worker, der das Kontingent im Speicher hält, fragt der Server nach
        # dieser Zeit einen anderen; der Standard sind 10 s.
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=2),
        graceful_shutdown_timeout=timedelta(seconds=10),
    )


async def connect() -> Client:
    """Verbindet sich mit dem konfigurierten Server, sonst mit `localhost:7233`.

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


async def run(url: str, task_queue: str, per_queue: float | None) -> None:
    """Verbindet sich mit dem konfigurierten Server und arbeitet bis SIGTERM oder
    Strg-C.

    Laufende Activities bekommen danach noch 10 s. Wirft `ConnectionError`, wenn der
    Server nicht antwortet.
    """
    client = await connect()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        # Windows kennt keine Signal-Handler in asyncio.
        with contextlib.suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with create_worker(client, url, task_queue=task_queue, per_queue=per_queue):
        log.info("Worker bereit: Task Queue „%s“, Limit: %s.", task_queue, per_queue)
        await stop.wait()
    log.info("Worker beendet.")


def main() -> int:
    """Startet den Worker; gibt 0 nach ordentlichem Ende zurück, 2 bei fehlender
    Konfiguration oder fehlendem Server.
    """
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    log.setLevel(logging.INFO)
    try:
        limit = os.environ.get("NORDLICHT_JE_SEKUNDE")
        per_queue = float(limit) if limit else None
        queue = os.environ.get("NORDLICHT_TASK_QUEUE", TASK_QUEUE)
        asyncio.run(run(service_url(), queue, per_queue))
    except KeyError as error:
        print(f"Die Umgebungsvariable {error.args[0]} fehlt.", file=sys.stderr)
        return 2
    except ValueError:
        print("NORDLICHT_JE_SEKUNDE muss eine Zahl sein.", file=sys.stderr)
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
