"""Hilfen der Tests zum Circuit Breaker: ein Versanddienst, mehrere Worker, eine Uhr zum Vorstellen."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Worker

from dauerlauf.faults import Plans
from dauerlauf.testing import RunningWorker, open_worker
from dauerlauf.timelapse import Timelapse, worker_client
from kapitel07.circuit_breaker.activities import Addresses
from kapitel07.circuit_breaker.breaker import BreakerSettings
from kapitel07.circuit_breaker.interceptor import SharedBreaker
from kapitel07.circuit_breaker.models import Order, Patience, ShipOrder
from kapitel07.circuit_breaker.scenarios import Handle, World, order
from kapitel07.circuit_breaker.services import Carrier, carrier, confirmations
from kapitel07.circuit_breaker.worker import Form, breaker_id, create_worker
from kapitel07.circuit_breaker.workflow import BreakerWorkflow, OrderWorkflow

SETTINGS = BreakerSettings(failures_to_open=3, cooldown=30, probes=2)


@dataclass
class Fleet:
    """Mehrere Worker an einer Task Queue, vor ihnen ein Dienst, der ausfallen kann."""

    world: World
    worker: RunningWorker
    timelapse: Timelapse
    folder: Path
    orders: list[Order] = field(default_factory=list)

    @property
    def carrier(self) -> Carrier:
        """Der Versanddienst."""
        return self.world.carrier

    def guard(self, **options: Any) -> SharedBreaker:
        """Ein weiterer Frager desselben Schalters."""
        settings = options.pop("settings", SETTINGS)
        options.setdefault("clock", self.world.clock)
        return SharedBreaker(self.worker.client, self.world.breaker.id, self.worker.task_queue, settings, **options)

    async def place(self, number: int = 1, *, skipped: bool = True, **patience: Any) -> list[Handle]:
        """Gibt Aufträge auf; ohne `skipped` warten sie in Echtzeit."""
        placed = [order(f"N-{uuid4()}") for _ in range(number)]
        self.orders += placed

        async def start(one: Order) -> Handle:
            arg = ShipOrder(one, Patience(**patience))
            return await self.worker.start(OrderWorkflow.run, arg, id=f"versand-{one.number}")

        if skipped:
            return list(await asyncio.gather(*map(start, placed)))
        with self.timelapse.unskipped():
            return list(await asyncio.gather(*map(start, placed)))

    def every_order_exactly_once(self) -> bool:
        """Ob jeder Auftrag genau ein Paket und genau eine Bestätigung hat, und sonst keiner."""
        wanted = {one.number: 1 for one in self.orders}
        return dict(self.carrier.parcels()) == wanted and dict(confirmations(self.folder)) == wanted


@asynccontextmanager
async def open_fleet(
    timelapse: Timelapse,
    folder: Path,
    *,
    workers: int = 1,
    form: Form = Form.SHARED,
    settings: BreakerSettings = SETTINGS,
    plan: Plans | None = None,
    **options: Any,
) -> AsyncIterator[Fleet]:
    """Startet den Versanddienst und `workers` Worker auf einer eigenen Task Queue."""
    with carrier(folder) as service:
        worlds: list[World] = []

        def create(client: Client, task_queue: str) -> Worker:
            if not worlds:
                breaker: WorkflowHandle[BreakerWorkflow, None] = timelapse.client.get_workflow_handle_for(
                    BreakerWorkflow.run, breaker_id(task_queue)
                )
                worlds.append(World(service, timelapse.client, breaker, timelapse))
            return create_worker(
                client,
                Addresses(folder, service.url),
                task_queue=task_queue,
                form=form,
                settings=settings,
                spread=0,
                clock=worlds[0].clock,
                **options,
            )

        async with open_worker(timelapse, create=create, plan=plan) as running, AsyncExitStack() as others:
            for number in range(2, workers + 1):
                # Zwei Worker an einer Task Queue vertragen sich im selben Prozess nur mit zwei Verbindungen.
                assert timelapse.server is not None
                client = worker_client(await timelapse.server.connect(), f"worker-{number}")
                await others.enter_async_context(create(client, running.task_queue))
            yield Fleet(worlds[0], running, timelapse, folder)


async def events(handle: WorkflowHandle[Any, Any]) -> int:
    """Wie viele Events die History bis jetzt hat."""
    return len((await handle.fetch_history()).events)


async def attempts(handle: WorkflowHandle[Any, Any]) -> int:
    """Der wievielte Versuch der wartenden Activity ansteht."""
    pending = (await handle.describe()).raw_description.pending_activities
    return max((one.attempt for one in pending), default=0)
