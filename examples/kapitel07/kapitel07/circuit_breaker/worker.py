"""Der Worker, mit dem Schalter seiner Wahl.

`python -m kapitel07.circuit_breaker.worker` startet ihn gegen den Server aus Temporals
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
from enum import StrEnum

from temporalio.client import Client
from temporalio.envconfig import ClientConfig
from temporalio.worker import Worker

from kapitel07.circuit_breaker.activities import Addresses, OrderActivities
from kapitel07.circuit_breaker.breaker import BreakerSettings
from kapitel07.circuit_breaker.interceptor import (
    BreakerInterceptor,
    Clock,
    Guard,
    ProcessBreaker,
    SharedBreaker,
)
from kapitel07.circuit_breaker.workflow import BreakerWorkflow, OrderWorkflow

TASK_QUEUE = "versand"
THREADS = 16

log = logging.getLogger("nordlicht.worker")


class Form(StrEnum):
    """Wo der Schalter wohnt."""

    NONE = "ohne"
    PROCESS = "prozess"
    SHARED = "gemeinsam"


# --8<-- [start:worker]
def create_worker(
    client: Client,
    addresses: Addresses,
    *,
    task_queue: str = TASK_QUEUE,
    form: Form = Form.SHARED,
    settings: BreakerSettings | None = None,
    spread: float = 5.0,
    clock: Clock = time.monotonic,
    patience: timedelta = timedelta(seconds=5),
    threads: int = THREADS,
) -> Worker:
    """Baut den Worker; der Schalter steht vor `register_parcel` und sonst nirgends."""
    settings = settings or BreakerSettings()
    guards: dict[Form, Guard] = {
        Form.PROCESS: ProcessBreaker(settings, clock),
        Form.SHARED: SharedBreaker(
            client,
            breaker_id(task_queue),
            task_queue,
            settings,
            clock=clock,
            patience=patience,
        ),
    }
    types = frozenset({"register_parcel"})
    guard = guards.get(form)
    return Worker(
        client,
        task_queue=task_queue,
        workflows=[OrderWorkflow, BreakerWorkflow],
        activities=OrderActivities(addresses).all(),
        interceptors=[BreakerInterceptor(guard, types, spread)] if guard else [],
        activity_executor=ThreadPoolExecutor(threads, thread_name_prefix="activity"),
        max_concurrent_activities=threads,
        # Stirbt der Worker, der den Schalter im Speicher hält, fragt der Server nach
        # dieser Zeit einen anderen; der Standard sind 10 s.
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=2),
        graceful_shutdown_timeout=timedelta(seconds=10),
    )


# --8<-- [end:worker]


def breaker_id(task_queue: str) -> str:
    """Die Workflow-ID des gemeinsamen Schalters: ein Schalter je Task Queue."""
    return f"schalter-{task_queue}"


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


async def run(addresses: Addresses, task_queue: str, form: Form) -> None:
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
    async with create_worker(client, addresses, task_queue=task_queue, form=form):
        log.info("Worker bereit: Task Queue „%s“, Schalter: %s.", task_queue, form)
        await stop.wait()
    log.info("Worker beendet.")


def main() -> int:
    """Startet den Worker; gibt 0 nach ordentlichem Ende zurück, 2 bei fehlender
    Konfiguration oder fehlendem Server.
    """
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    log.setLevel(logging.INFO)
    try:
        addresses = Addresses.from_environment()
        form = Form(os.environ.get("NORDLICHT_SCHALTER", Form.SHARED))
        queue = os.environ.get("NORDLICHT_TASK_QUEUE", TASK_QUEUE)
        asyncio.run(run(addresses, queue, form))
    except KeyError as error:
        print(f"Die Umgebungsvariable {error.args[0]} fehlt.", file=sys.stderr)
        return 2
    except ValueError:
        known = ", ".join(Form)
        print(f"NORDLICHT_SCHALTER muss eines sein von: {known}.", file=sys.stderr)
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
