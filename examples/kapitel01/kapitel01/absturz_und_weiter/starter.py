"""Gibt eine Bestellung auf und wartet.

Start: `python -m kapitel01.absturz_und_weiter.starter`.
"""

import argparse
import asyncio
import atexit
import time

from temporalio.common import WorkflowIDConflictPolicy

from kapitel01.absturz_und_weiter.activities import Order
from kapitel01.absturz_und_weiter.worker import TASK_QUEUE
from kapitel01.absturz_und_weiter.workflow import ProcessOrder
from kapitel01.connection import connect


async def main(order: Order) -> None:
    """Startet den Workflow zu `order`; läuft er schon, schließt sich der Aufruf an."""
    client = await connect()
    # --8<-- [start:start]
    handle = await client.start_workflow(
        ProcessOrder.run,
        order,
        id=f"bestellung-{order.order_id}",
        task_queue=TASK_QUEUE,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
    )
    hold = order.hold_seconds
    print(f"Gestartet: {handle.id}. Stornofrist: {hold} s.", flush=True)
    receipt = await handle.result()
    # --8<-- [end:start]
    print(f"Fertig: Zahlung {receipt.payment}, Paket {receipt.parcel}.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description="Gibt eine Bestellung auf und wartet auf den Versand."
    )
    parser.add_argument("bestellung", nargs="?", default="B-1002")
    parser.add_argument(
        "--frist", type=int, default=30, help="Stornofrist in Sekunden (30)"
    )
    arguments = parser.parse_args()
    # Ohne diese Pause stirbt der Prozess beim Beenden manchmal mit SIGABRT:
    # temporalio/sdk-python#300.
    atexit.register(time.sleep, 0.1)
    asyncio.run(main(Order(arguments.bestellung, 4990, arguments.frist)))
