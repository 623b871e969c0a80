"""Hilfen der Saga-Tests: der Laden mit Diensten und Worker, und was sich aus einer History ablesen lässt."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle, WorkflowHistory
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from dauerlauf.faults import Plans
from dauerlauf.testing import RunningWorker, open_worker
from dauerlauf.timelapse import Timelapse, result, worker_client
from hilfen import count, scheduled
from kapitel07.saga.audit import Account, audit
from kapitel07.saga.models import Order, OrderResult, PlaceOrder, SagaOptions
from kapitel07.saga.scenarios import addresses, order
from kapitel07.saga.services import Nordlicht, nordlicht
from kapitel07.saga.worker import create_worker
from kapitel07.saga.workflow import OrderWorkflow

STEPS = ("reserve_stock", "charge_payment", "register_parcel", "write_invoice")
COMPENSATIONS = ("release_stock", "refund_payment", "cancel_parcel", "cancel_invoice")
Handle = WorkflowHandle[OrderWorkflow, OrderResult]


@dataclass(frozen=True)
class Outcome:
    """Das Ende eines Laufs: Status, Fehlertyp der Ursache und was in der History steht."""

    status: str
    cause: str
    history: WorkflowHistory

    @property
    def scheduled(self) -> list[str]:
        """Die Activities in der Reihenfolge, in der der Workflow sie geplant hat."""
        return scheduled(self.history)

    @property
    def compensations(self) -> list[str]:
        """Die Kompensationen in der Reihenfolge, in der der Workflow sie geplant hat."""
        return [name for name in self.scheduled if name in COMPENSATIONS]

    @property
    def orderly(self) -> bool:
        """Ob jeder Schritt geendet hatte, bevor die erste Kompensation geplant wurde."""
        open_steps: set[int] = set()
        for event in self.history.events:
            if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
                name = event.activity_task_scheduled_event_attributes.activity_type.name
                if name in STEPS:
                    open_steps.add(event.event_id)
                elif name in COMPENSATIONS and open_steps:
                    return False
            for attributes in (
                event.activity_task_completed_event_attributes,
                event.activity_task_failed_event_attributes,
                event.activity_task_timed_out_event_attributes,
                event.activity_task_canceled_event_attributes,
            ):
                open_steps.discard(attributes.scheduled_event_id)
        return True

    def count(self, name: str) -> int:
        """Wie oft ein Event wie `TIMER_STARTED` vorkommt."""
        return count(self.history, name)

    def attempts(self, activity: str) -> int:
        """Der wievielte Versuch einer Activity zuletzt begann."""
        ids = {
            event.event_id
            for event in self.history.events
            if event.activity_task_scheduled_event_attributes.activity_type.name == activity
        }
        starts = [event.activity_task_started_event_attributes for event in self.history.events]
        return max(start.attempt for start in starts if start.scheduled_event_id in ids)


async def outcome(handle: WorkflowHandle[Any, Any], timeout: float = 15) -> Outcome:
    """Wartet auf das Ende eines Laufs, höchstens `timeout` Sekunden."""
    cause = ""
    try:
        await result(handle, timeout)
    except WorkflowFailureError as error:
        inner = getattr(error.cause, "cause", None) or error.cause
        cause = (inner.type or "") if isinstance(inner, ApplicationError) else type(inner).__name__
    status = (await handle.describe()).status
    assert status is not None
    return Outcome(status.name, cause, await handle.fetch_history())


async def history_holds(handle: WorkflowHandle[Any, Any], name: str, count: int = 1) -> None:
    """Wartet, bis ein Event wie `ACTIVITY_TASK_SCHEDULED` `count`-mal in der History steht."""
    wanted = EventType.Value(f"EVENT_TYPE_{name}")
    async with asyncio.timeout(30):
        async for event in handle.fetch_history_events(wait_new_event=True):
            count -= event.event_type == wanted
            if not count:
                return
    raise AssertionError(f"Der Workflow endete ohne {name}.")


@dataclass
class Shop:
    """Ein laufender Laden: Dienste, Worker und Bücher unter einem Dach."""

    world: Nordlicht
    worker: RunningWorker
    start_options: dict[str, Any] = field(default_factory=dict)

    async def place(self, placed: Order | None = None, **options: Any) -> Handle:
        """Gibt einen Auftrag auf; ohne Angabe einen, der gelingt."""
        placed = placed or new_order()
        arg = PlaceOrder(placed, SagaOptions(**options))
        return await self.worker.start(OrderWorkflow.run, arg, id=f"auftrag-{placed.number}", **self.start_options)

    def account(self, handle: WorkflowHandle[Any, Any]) -> Account:
        """Die Bücher zu einem Lauf."""
        return audit(self.world.folder).account(handle.id.removeprefix("auftrag-"))

    @property
    def findings(self) -> list[str]:
        """Alle Befunde der Revision."""
        return audit(self.world.folder).findings


def new_order(**changes: str) -> Order:
    """Ein Auftrag mit frischer Nummer, der bis auf `changes` gelingt."""
    return order(f"T-{uuid4()}", **changes)


@asynccontextmanager
async def open_shop(
    timelapse: Timelapse, folder: Path, *, plan: Plans | None = None, stock: int = 1000, **settings: Any
) -> AsyncIterator[Shop]:
    """Startet Dienste und Worker auf einer eigenen Task Queue; `settings` gehen an den Worker."""
    with nordlicht(folder, stock=stock) as world:

        def create(client: Client, task_queue: str) -> Worker:
            client = worker_client(client, "worker-1", **settings)
            return create_worker(client, addresses(world), task_queue=task_queue)

        async with open_worker(timelapse, create=create, plan=plan) as worker:
            yield Shop(world, worker)
