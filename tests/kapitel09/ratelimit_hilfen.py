"""Hilfen der Tests zum Rate Limit: ein Etikettendienst, mehrere Worker an einer Task Queue, ein Kontingent."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Worker

from dauerlauf.faults import Plans
from dauerlauf.testing import RunningWorker, open_worker
from dauerlauf.timelapse import Timelapse, result, worker_client
from kapitel09.rate_limit.models import LabelOrder, PrintLabels, Route
from kapitel09.rate_limit.quota import PermitBook, Quota
from kapitel09.rate_limit.scenarios import CUSTOMER, Entity, Labels, calm_zone
from kapitel09.rate_limit.services import LabelService, label_service
from kapitel09.rate_limit.worker import create_worker
from kapitel09.rate_limit.workflow import LabelWorkflow, QuotaWorkflow

ALMOST_NEVER = 0.001
"""Eine Rate, bei der nach dem Vorrat im Test nichts mehr kommt: So zählen Tests, statt Zeit zu messen."""


@dataclass
class Shop:
    """Der Etikettendienst und ein Worker für die Workflows; Anfragen können eine eigene Task Queue haben."""

    service: LabelService
    worker: RunningWorker
    timelapse: Timelapse
    stack: AsyncExitStack

    @property
    def calls_queue(self) -> str:
        """Die Task Queue der Anfragen."""
        return f"{self.worker.task_queue}-etiketten"

    async def add_workers(self, number: int, queue: str | None = None, **options: Any) -> None:
        """Weitere Worker, jeder mit eigener Verbindung, ohne Angabe an der Task Queue der Anfragen."""
        for place in range(number):
            # Zwei Worker an einer Task Queue vertragen sich im selben Prozess nur mit zwei Verbindungen.
            assert self.timelapse.server is not None
            client = worker_client(await self.timelapse.server.connect(), f"etiketten-{place}")
            worker = create_worker(client, self.service.url, task_queue=queue or self.calls_queue, **options)
            await self.stack.enter_async_context(worker)

    async def place(self, number: int = 1, *, customer: str = CUSTOMER, skipped: bool = True, **route: Any) -> Labels:
        """Gibt Etiketten in Auftrag; ohne `skipped` läuft die Uhr des Workflows in Echtzeit."""
        orders = [LabelOrder(f"N-{uuid4()}", customer) for _ in range(number)]
        arg = PrintLabels(orders, Route(**route))
        if skipped:
            return await self.worker.start(LabelWorkflow.run, arg)
        with self.timelapse.unskipped():
            return await self.worker.start(LabelWorkflow.run, arg)

    async def errands(self, number: int = 3) -> None:
        """Ein anderer Auftrag an einer eigenen Task Queue: Inzwischen hätte auch der gebremste etwas bekommen."""
        queue = f"{self.worker.task_queue}-andere"
        await self.add_workers(1, queue)
        for _ in range(number):
            await result(await self.place(customer="andere", queue=queue), 20)

    def arrived(self, customer: str = CUSTOMER) -> int:
        """Wie viele Anfragen dieses Händlers den Dienst erreicht haben."""
        return sum(call.customer == customer for call in self.service.calls)

    async def entity(self, quota: Quota) -> Entity:
        """Ein neues Kontingent; seine Uhr läuft in Echtzeit, bis jemand sie vorstellt."""
        return await self.worker.start(QuotaWorkflow.run, PermitBook(quota), id=f"kontingent-{uuid4()}")


@asynccontextmanager
async def open_shop(
    timelapse: Timelapse,
    *,
    limit: int | None = None,
    window: float = 60.0,
    plan: Plans | None = None,
    **options: Any,
) -> AsyncIterator[Shop]:
    """Startet den Etikettendienst und einen Worker auf einer eigenen Task Queue."""
    with label_service(limit, window) as service:

        def create(client: Client, task_queue: str) -> Worker:
            return create_worker(client, service.url, task_queue=task_queue, spread=0, **options)

        async with open_worker(timelapse, create=create, plan=plan) as running, AsyncExitStack() as stack:
            yield Shop(service, running, timelapse, stack)


async def attempts(handle: WorkflowHandle[Any, Any]) -> list[int]:
    """Der wievielte Versuch jeder wartenden Activity ansteht."""
    pending = (await handle.describe()).raw_description.pending_activities
    return [one.attempt for one in pending]


def small(**changes: Any) -> Quota:
    """Ein kleines Kontingent: zwei in einer Minute, fünf am Tag."""
    return replace(Quota(per_window=2, window=60, per_day=5, tolerance=2), **changes)


def calm(**changes: Any) -> Quota:
    """Ein kleines Kontingent für die wirkliche Uhr: Während des Tests beginnt kein neuer Tag."""
    return small(zone=calm_zone(datetime.now(UTC)), **changes)
