"""Der Worker. Start: `python -m kapitel02.abhaengigkeiten_injizieren.worker`."""

import asyncio
import atexit
import contextlib
import logging
import os
import signal
import sqlite3
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta
from pathlib import Path

from temporalio.client import Client
from temporalio.worker import Worker

from kapitel02.abhaengigkeiten_injizieren.activities import Clock, Shipping
from kapitel02.abhaengigkeiten_injizieren.connections import (
    CarrierClient,
    Config,
    StockDatabase,
    SystemClock,
)
from kapitel02.abhaengigkeiten_injizieren.workflow import ShipOrder
from kapitel02.connection import connect

TASK_QUEUE = "abhaengigkeiten-injizieren"
THREADS = 4

log = logging.getLogger("nordlicht.worker")


# --8<-- [start:oeffnen]
@contextmanager
def open_shipping(config: Config, clock: Clock | None = None) -> Iterator[Shipping]:
    """Öffnet alles, was die Activities brauchen, und schließt es am Ende des Blocks.

    Wirft `sqlite3.OperationalError`, wenn sich die Datenbank nicht öffnen lässt.
    """
    with ExitStack() as stack:
        stock = stack.enter_context(closing(StockDatabase(config.database)))
        service = CarrierClient(config.carrier_url, config.carrier_timeout)
        carrier = stack.enter_context(closing(service))
        yield Shipping(stock, carrier, clock or SystemClock(), config.cutoff)
        log.info("Verbindungen werden geschlossen.")


# --8<-- [end:oeffnen]


# --8<-- [start:worker]
def create_worker(
    client: Client, shipping: Shipping, *, task_queue: str = TASK_QUEUE
) -> Worker:
    """Baut den Worker um ein fertiges Exemplar herum; er selbst öffnet nichts."""
    return Worker(
        client,
        task_queue=task_queue,
        workflows=[ShipOrder],
        activities=[shipping.reserve_stock, shipping.book_pickup],  # (!)
        activity_executor=ThreadPoolExecutor(THREADS),
        max_concurrent_activities=THREADS,
        graceful_shutdown_timeout=timedelta(seconds=10),
    )


# --8<-- [end:worker]


# --8<-- [start:lauf]
async def run(client: Client, config: Config) -> None:
    """Arbeitet bis SIGTERM oder Strg-C; laufende Activities haben danach noch 10 s."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        # Windows kennt keine Signal-Handler in asyncio.
        with contextlib.suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with open_shipping(config) as shipping:  # (!)
        async with create_worker(client, shipping):  # (!)
            log.info("Worker bereit.")
            await stop.wait()
            log.info("Worker fährt herunter.")
    log.info("Worker beendet.")


# --8<-- [end:lauf]


async def connect_and_run(config: Config) -> None:
    """Verbindet sich mit dem konfigurierten Server (sonst `localhost:7233`)."""
    await run(await connect(), config)


def main() -> int:
    """Startet den Worker; 0 nach ordentlichem Ende, 2, wenn etwas zum Start fehlt.

    Die Umgebungsvariablen NORDLICHT_LAGER (Datei) und NORDLICHT_VERSAND (URL) sagen,
    womit er sich verbindet.
    """
    try:
        database = Path(os.environ["NORDLICHT_LAGER"])
        config = Config(database, os.environ["NORDLICHT_VERSAND"])
        asyncio.run(connect_and_run(config))
    except KeyError as error:
        print(f"Die Umgebungsvariable {error.args[0]} fehlt.", file=sys.stderr)
    except sqlite3.OperationalError as error:
        print(f"Das Lager lässt sich nicht öffnen: {error}.", file=sys.stderr)
    else:
        return 0
    return 2


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    # Sonst stirbt der Prozess beim Beenden manchmal mit SIGABRT
    # (temporalio/sdk-python#300).
    atexit.register(time.sleep, 0.1)
    sys.exit(main())
