"""Alte Läufe des Kundenkontos, wirklich mit dem Code von damals erzeugt.

`python tests/kapitel08/konto_hilfen.py` legt sie neben dem Code ab; ein Test zeichnet sie neu auf und vergleicht.
"""

import asyncio
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowHandle, WorkflowHistory

from dauerlauf.history import dump, normalise
from dauerlauf.timelapse import Timelapse, timelapse
from kapitel08.zustand_migrieren.activities import Outbox
from kapitel08.zustand_migrieren.scenarios import ACCOUNTS, OLD, PATTERN, old_worker, settled
from kapitel08.zustand_migrieren.schema import Payload
from kapitel08.zustand_migrieren.versions import v1
from kapitel08.zustand_migrieren.workflow import AccountWorkflow

Handle = WorkflowHandle[Any, Any]

BOOKINGS: Mapping[int, Payload] = {
    1: {"number": "B-1", "amount": 19.99},
    2: {"schema": 2, "number": "B-1", "amount": 19.99},
    3: {"schema": 3, "number": "B-1", "amount_cents": 1999},
    4: {"schema": 4, "number": "B-1", "amount_cents": 1999},
}
NAMES: Mapping[int, Payload] = {
    1: {"name": "Jörg Groß"},
    2: {"schema": 2, "name": "Jörg Groß"},
    3: {"schema": 3, "first_name": "Jörg", "last_name": "Groß"},
    4: {"schema": 4, "first_name": "Jörg", "last_name": "Groß"},
}
"""Dieselbe Buchung und derselbe neue Name, wie die Clients der vier Versionen sie schicken."""


def file_of(version: int) -> Path:
    """Der aufgezeichnete Lauf einer Version; ihr Konto ist noch offen."""
    return Path(v1.__file__).parent / f"v{version}.json"


async def start(env: Timelapse, queue: str, version: int) -> Handle:
    """Eröffnet das Konto in der Form dieser Version."""
    handle: Handle = await env.client.start_workflow(
        AccountWorkflow.run, ACCOUNTS[version], id=f"konto-{queue}", task_queue=queue
    )
    return handle


async def use(env: Timelapse, version: int, folder: Path) -> tuple[Handle, str]:
    """Ein Konto mit einer Buchung und einem neuen Namen, ganz vom Code dieser Version geführt."""
    queue, outbox = env.task_queue(), Outbox(folder)
    client = env.client_for("worker-1")
    async with old_worker(version, client, outbox, queue):
        handle = await start(env, queue, version)
        await settled(handle, 0, outbox)
        await handle.signal("book", BOOKINGS[version])
        await settled(handle, 1, outbox)
        assert await handle.execute_update("rename", NAMES[version], id="umbenennen") == "Jörg Groß"
    return handle, queue


async def record(env: Timelapse, version: int) -> WorkflowHistory:
    """Zeichnet einen solchen Lauf auf."""
    with tempfile.TemporaryDirectory() as folder:
        handle, _ = await use(env, version, Path(folder))
        history = normalise(await handle.fetch_history())
        await handle.terminate()
    return history


async def main() -> None:
    async with timelapse(search_attributes=PATTERN.search_attributes) as env:
        for version in OLD:
            file_of(version).write_text(dump(await record(env, version)), "utf-8")


if __name__ == "__main__":
    asyncio.run(main())
