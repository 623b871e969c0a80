"""Falscher Code: Wo Verbindungen nicht hingehören. Die Tests zeigen den Schaden."""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any

from temporalio import activity, workflow
from temporalio.client import Client

with workflow.unsafe.imports_passed_through():
    from kapitel02.abhaengigkeiten_injizieren.activities import (
        Order,
        OutOfStockError,
        Pickup,
        Shipping,
        Stock,
    )
    from kapitel02.abhaengigkeiten_injizieren.worker import create_worker

TIMEOUT = timedelta(seconds=10)


# --8<-- [start:eine-verbindung]
class OneConnectionStock:
    """Eine Verbindung, geöffnet beim Start, benutzt von allen Threads."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path)  # (!)

    def reserve(self, order: Order) -> int:
        """Reserviert – sofern der richtige Thread fragt."""
        return reserve(self._db, order)


# --8<-- [end:eine-verbindung]


# --8<-- [start:ohne-pruefung]
class UncheckedStock:
    """Dieselbe Verbindung, die Prüfung des Threads abgeschaltet."""

    def __init__(
        self, path: Path, check: Callable[[Order], None] = lambda order: None
    ) -> None:
        self._db = sqlite3.connect(path, check_same_thread=False)  # (!)
        self._check = check

    def reserve(self, order: Order) -> int:
        """Reserviert – in einer Transaktion, die allen Threads gemeinsam gehört."""
        return reserve(self._db, order, self._check)


# --8<-- [end:ohne-pruefung]


def reserve(
    db: sqlite3.Connection,
    order: Order,
    check: Callable[[Order], None] = lambda order: None,
) -> int:
    """Reserviert wie `StockDatabase.reserve`; `check` prüft vor dem Abschluss."""
    with db:
        insert = "INSERT OR IGNORE INTO reserved VALUES (?, ?, ?)"
        db.execute(insert, (order.order_id, order.article, order.quantity))
        check(order)
        query = (
            "SELECT quantity - (SELECT coalesce(sum(quantity), 0) FROM reserved"
            " WHERE article = ?1) FROM stock WHERE article = ?1"
        )
        left = int(db.execute(query, (order.article,)).fetchone()[0])
        if left < 0:
            raise OutOfStockError(order.article)
    return left


# --8<-- [start:global]
STOCK: Stock | None = None


def configure(stock: Stock) -> None:
    """Merkt sich das Lager für alle Activities dieses Prozesses."""
    global STOCK
    STOCK = stock  # (!)


@activity.defn(name="reserve_stock")
def reserve_from_global(order: Order) -> int:
    """Reserviert in dem Lager, das zuletzt eingestellt wurde."""
    assert STOCK is not None
    return STOCK.reserve(order)


# --8<-- [end:global]


# --8<-- [start:closure]
def build_activities(shipping: Shipping) -> list[Callable[..., Any]]:
    """Baut Activities, die sich ihre Abhängigkeiten aus der Umgebung holen."""

    @activity.defn
    def book_pickup(order: Order) -> Pickup:
        return shipping.book_pickup(order)

    return [book_pickup]


@workflow.defn
class BookByName:
    """Kennt nur den Namen; die Funktion gibt es erst im Worker."""

    @workflow.run
    async def run(self, order: Order) -> str:
        pickup = await workflow.execute_activity(
            "book_pickup", order, start_to_close_timeout=TIMEOUT
        )
        return type(pickup).__name__  # (!)


# --8<-- [end:closure]


# --8<-- [start:zu-frueh]
async def run_closing_first(
    client: Client,
    opened: AbstractContextManager[Shipping],
    task_queue: str,
    stop: asyncio.Event,
) -> None:
    """Schließt die Verbindungen, während der Worker noch arbeitet."""
    with opened as shipping:
        worker = create_worker(client, shipping, task_queue=task_queue)
        running = asyncio.create_task(worker.run())
        await stop.wait()
    await worker.shutdown()  # (!)
    await running


# --8<-- [end:zu-frueh]
