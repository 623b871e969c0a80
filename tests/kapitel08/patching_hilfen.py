"""Hilfen der Tests zum Patching: Aufträge auf Workern beliebiger Stände, deren Zeit der Test vorstellt."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from temporalio.client import WorkflowHandle, WorkflowHistory
from temporalio.worker import Worker

from dauerlauf.timelapse import Timelapse, result
from hilfen import kinds, own_timelapse, until
from kapitel08.patching.activities import OrderActivities
from kapitel08.patching.models import Order, PlaceOrder

TO_STOCK = timedelta(days=3, minutes=1)
TASK = timedelta(seconds=1)
_THREADS = ThreadPoolExecutor(8, thread_name_prefix="activity")


def new_order(amount: int = 4_990) -> PlaceOrder:
    """Ein Auftrag mit eigener Nummer."""
    return PlaceOrder(Order(f"N-{uuid4()}", "Jörg Weiß", amount))


@dataclass
class Shop:
    """Eine Task Queue, auf der nacheinander Worker verschiedener Stände arbeiten."""

    timelapse: Timelapse
    folder: Path
    task_queue: str
    handles: list[WorkflowHandle[Any, Any]] = field(default_factory=list)

    @asynccontextmanager
    async def code(self, *workflows: type, **options: Any) -> AsyncIterator[None]:
        """Ein Worker mit diesen Klassen; er bearbeitet den Rest jedes Laufs."""
        own = OrderActivities(self.folder)
        client = self.timelapse.client_for("worker-1")
        async with Worker(
            client,
            task_queue=self.task_queue,
            workflows=workflows,
            activities=own.all(),
            activity_executor=_THREADS,
            max_concurrent_activities=8,
            **options,
        ):
            yield

    async def start(self, arg: Any, *, workflow: str = "OrderWorkflow") -> WorkflowHandle[Any, Any]:
        """Startet einen Lauf, der in Echtzeit wartet, bis ihn der Test vorstellt."""
        with self.timelapse.unskipped():
            handle = await self.timelapse.client.start_workflow(
                workflow, arg, id=f"patching-{uuid4()}", task_queue=self.task_queue, task_timeout=TASK
            )
        self.handles.append(handle)
        return handle

    async def waiting(self, handle: WorkflowHandle[Any, Any], timers: int) -> None:
        """Wartet, bis der Lauf am Timer Nummer `timers` steht."""

        async def there() -> bool:
            return kinds(await handle.fetch_history()).count("TIMER_STARTED") >= timers

        await until(there)

    async def paid(self, handle: WorkflowHandle[Any, Any]) -> None:
        """Bringt einen Auftrag hinter die Stelle, an der geprüft wird."""
        await self.waiting(handle, 1)
        await self.timelapse.fast_forward(handle, TO_STOCK)
        await self.waiting(handle, 2)

    async def finish(self, handle: WorkflowHandle[Any, Any]) -> WorkflowHistory:
        """Lässt den Lauf zu Ende gehen und gibt seine Event History zurück."""
        # Ein klemmender Lauf erreicht sein Ende nie.
        async with asyncio.timeout(30):
            await self.timelapse.fast_forward(handle)
        await result(handle, 30)
        return await handle.fetch_history()


@asynccontextmanager
async def open_shop(timelapse: Timelapse, folder: Path) -> AsyncIterator[Shop]:
    """Eine Task Queue ohne Worker; am Ende läuft darauf nichts mehr."""
    own = await own_timelapse(timelapse)
    opened = Shop(own, folder, own.task_queue())
    try:
        yield opened
    finally:
        for handle in opened.handles:
            if (await handle.describe()).close_time is None:
                await handle.terminate("Test beendet")
