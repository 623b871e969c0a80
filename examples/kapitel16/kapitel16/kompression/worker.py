"""Der Worker des Musters. Start: `python -m kapitel16.kompression.worker`."""

import asyncio
import atexit
import contextlib
import dataclasses
import logging
import os
import signal
import sys
import time
from datetime import timedelta

from temporalio.client import Client
from temporalio.converter import DataConverter, PayloadCodec
from temporalio.worker import Worker

from kapitel16.kompression.activities import fetch_prices
from kapitel16.kompression.codec import CompressionCodec
from kapitel16.kompression.workflow import PriceListWorkflow
from kapitel16.verschluesselung.worker import connect

TASK_QUEUE = "preislisten"

log = logging.getLogger("nordlicht.worker")


def with_codec(client: Client, codec: PayloadCodec) -> Client:
    """Derselbe Client, dessen Payloads durch den Codec gehen.

    Mit Verschlüsselung in der Kette gehört `encrypted` aus dem Muster
    `verschluesselung` an diese Stelle: Sonst bleiben Fehlertexte offen.
    """
    config = client.config()
    config["data_converter"] = dataclasses.replace(
        DataConverter.default, payload_codec=codec
    )
    return Client(**config)


# --8<-- [start:worker]
def create_worker(client: Client, *, task_queue: str = TASK_QUEUE) -> Worker:
    """Baut den Worker; wie Payloads aussehen, bestimmt der Client."""
    return Worker(
        client,
        task_queue=task_queue,
        workflows=[PriceListWorkflow],
        activities=[fetch_prices],
        graceful_shutdown_timeout=timedelta(seconds=10),
    )


def create_compressing_worker(client: Client, *, task_queue: str) -> Worker:
    """Der Worker für den Betrieb: mit Kompression."""
    return create_worker(with_codec(client, CompressionCodec()), task_queue=task_queue)


# --8<-- [end:worker]


async def run(task_queue: str) -> None:
    """Arbeitet bis SIGTERM oder Strg-C; wirft `ConnectionError` ohne Server."""
    client = await connect()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        # Windows kennt keine Signal-Handler in asyncio.
        with contextlib.suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with create_compressing_worker(client, task_queue=task_queue):
        log.info("Worker bereit: Task Queue „%s“.", task_queue)
        await stop.wait()
    log.info("Worker beendet.")


def main() -> int:
    """Startet den Worker; gibt 0 nach ordentlichem Ende zurück, 2 ohne Server."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    log.setLevel(logging.INFO)
    try:
        asyncio.run(run(os.environ.get("NORDLICHT_TASK_QUEUE", TASK_QUEUE)))
    except ConnectionError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    # Ohne diese Pause stirbt der Prozess beim Beenden manchmal mit SIGABRT
    # (temporalio/sdk-python#300).
    atexit.register(time.sleep, 0.1)
    sys.exit(main())
