"""Gibt eine Bestellung auf und wartet auf die Bestätigung.

Start: `python -m kapitel01.hallo.starter`.
"""

import asyncio
import atexit
import time

from kapitel01.connection import connect
from kapitel01.hallo.activities import Order
from kapitel01.hallo.worker import TASK_QUEUE
from kapitel01.hallo.workflow import ConfirmOrder


async def main() -> None:
    """Startet den Workflow auf dem konfigurierten Server (sonst `localhost:7233`)."""
    client = await connect()
    # --8<-- [start:start]
    letter = await client.execute_workflow(
        ConfirmOrder.run,
        Order("B-1001", "Jörg Weiß", 2490),
        id="bestaetigung-B-1001",
        task_queue=TASK_QUEUE,
    )
    print(f"Im Postausgang liegt {letter}.")
    # --8<-- [end:start]


if __name__ == "__main__":
    # Ohne diese Pause stirbt der Prozess beim Beenden manchmal mit SIGABRT:
    # temporalio/sdk-python#300.
    atexit.register(time.sleep, 0.1)
    asyncio.run(main())
