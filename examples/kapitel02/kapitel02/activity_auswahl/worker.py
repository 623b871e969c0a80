"""Die Worker des Musters. Start: `python -m kapitel02.activity_auswahl.worker`."""

import argparse
import asyncio
import atexit
import contextlib
import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from temporalio.client import Client
from temporalio.worker import SharedStateManager, Worker

from kapitel02.activity_auswahl.activities import Carriers, LabelPrinter
from kapitel02.activity_auswahl.by_name import ShipByName
from kapitel02.activity_auswahl.services import letter_service, write_tariff
from kapitel02.activity_auswahl.workflow import ShipOrder, label_queue
from kapitel02.connection import connect

TASK_QUEUE = "activity-auswahl"
THREADS = 8
PROCESSES = 2


# --8<-- [start:worker]
def create_worker(
    client: Client, folder: Path, letter_port: int, *, task_queue: str = TASK_QUEUE
) -> Worker:
    """Für Workflows und alles, was wartet: Event-Loop und Threads."""
    carriers = Carriers(folder, letter_port)
    return Worker(
        client,
        task_queue=task_queue,
        workflows=[ShipOrder, ShipByName],
        activities=[
            carriers.book_letter,
            carriers.book_parcel,
            carriers.book_abroad,
            carriers.load_tariff,
            carriers.load_routes,
        ],
        activity_executor=ThreadPoolExecutor(THREADS),
        max_concurrent_activities=THREADS,
    )


# --8<-- [end:worker]


@dataclass(frozen=True)
class Pool:
    """Wo synchrone Activities laufen; Prozesse brauchen dazu `shared`."""

    executor: Executor
    slots: int
    shared: SharedStateManager | None = None


def warm_up() -> None:
    """Tut nichts; schon das Laden dieses Moduls lädt alles, was der Prozess braucht."""


# --8<-- [start:pool]
@contextlib.contextmanager
def process_pool(processes: int = PROCESSES) -> Iterator[Pool]:
    """Prozesse für Activities, die rechnen.

    „spawn“, denn ein abgezweigter Prozess erbt die Threads des SDK in totem Zustand.
    """
    context = multiprocessing.get_context("spawn")
    with (
        ProcessPoolExecutor(processes, mp_context=context) as executor,
        context.Manager() as manager,
    ):
        # Der erste Auftrag soll nicht auf den Start der Prozesse warten.
        wait([executor.submit(warm_up) for _ in range(processes)])
        shared = SharedStateManager.create_from_multiprocessing(manager)
        yield Pool(executor, processes, shared)


# --8<-- [end:pool]


# --8<-- [start:label-worker]
def create_label_worker(
    client: Client, folder: Path, pool: Pool, *, task_queue: str = TASK_QUEUE
) -> Worker:
    """Für alles, was rechnet: ein zweiter Worker mit eigener Task Queue."""
    return Worker(
        client,
        task_queue=label_queue(task_queue),
        activities=[LabelPrinter(folder).render_label],
        activity_executor=pool.executor,
        shared_state_manager=pool.shared,
        max_concurrent_activities=pool.slots,
    )


# --8<-- [end:label-worker]


# --8<-- [start:run]
async def run_workers(*workers: Worker) -> None:
    """Betreibt Worker bis zum Abbruch; fällt einer aus, hören alle auf."""
    async with asyncio.TaskGroup() as group:
        for worker in workers:
            group.create_task(worker.run())


# --8<-- [end:run]


async def main(folder: Path) -> None:
    """Verbindet sich mit dem konfigurierten Server (sonst `localhost:7233`)."""
    client = await connect()
    write_tariff(folder)
    with letter_service(folder) as port, process_pool() as pool:
        print("Worker bereit. Ende mit Strg-C.", flush=True)
        await run_workers(
            create_worker(client, folder, port),
            create_label_worker(client, folder, pool),
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Worker, die Sendungen verschicken.")
    parser.add_argument(
        "--daten", type=Path, default=Path("nordlicht-daten"), help="Ordner der Bücher"
    )
    arguments = parser.parse_args()
    # Ohne diese Pause stirbt der Prozess beim Beenden manchmal mit SIGABRT
    # (temporalio/sdk-python#300).
    atexit.register(time.sleep, 0.1)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(arguments.daten))
