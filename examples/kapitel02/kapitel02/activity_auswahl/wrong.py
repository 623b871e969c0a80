"""Falscher Code: So geht es schief. Die Tests beweisen den Schaden."""

import asyncio
import os
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import Worker

with workflow.unsafe.imports_passed_through():
    from kapitel02.activity_auswahl.activities import Carriers, Parcel, Receipt
    from kapitel02.activity_auswahl.services import place

STEP_TIMEOUT = timedelta(seconds=5)
ITEMS = 12


# --8<-- [start:blocking]
class BlockingCarriers(Carriers):
    """Falsch: `async def` macht einen blockierenden Aufruf nicht asynchron."""

    @activity.defn
    async def book_parcel(self, parcel: Parcel) -> Receipt:  # type: ignore[override]
        """Blockiert die Event-Loop und damit den ganzen Worker."""
        number = self._ledger.book("Paket", parcel.parcel_id, place())  # (!)
        return Receipt("Paket", number)


# --8<-- [end:blocking]


class Inventory:
    """Die Zählung im Lager; merkt sich die längste Pause zwischen zwei Heartbeats."""

    def __init__(self) -> None:
        self.largest_gap = 0.0

    # --8<-- [start:count]
    @activity.defn
    async def count_stock(self) -> int:
        """Zählt alle 50 ms ein Fach und meldet sich dabei; daran ist nichts falsch."""
        last = time.monotonic()
        for shelf in range(ITEMS):
            activity.heartbeat(shelf)
            await asyncio.sleep(0.05)
            now = time.monotonic()
            self.largest_gap = max(self.largest_gap, now - last)
            last = now
        return ITEMS

    # --8<-- [end:count]


@workflow.defn
class ShipDuringInventory:
    """Zählt das Lager und bucht derweil eine Sendung."""

    @workflow.run
    async def run(self, parcel: Parcel) -> int:
        """Gibt die Zahl der gezählten Fächer zurück."""
        counting = workflow.start_activity_method(
            Inventory.count_stock,
            start_to_close_timeout=STEP_TIMEOUT,
            heartbeat_timeout=timedelta(seconds=0.5),
        )
        await workflow.execute_activity_method(
            Carriers.book_parcel, parcel, start_to_close_timeout=STEP_TIMEOUT
        )
        return await counting


def create_inventory_worker(
    client: Client, carriers: Carriers, inventory: Inventory, *, task_queue: str
) -> Worker:
    """Ein Worker, in dem Zählung und Buchung nebeneinander laufen."""
    return Worker(
        client,
        task_queue=task_queue,
        workflows=[ShipDuringInventory],
        activities=[inventory.count_stock, carriers.book_parcel],
        activity_executor=ThreadPoolExecutor(8),
        max_concurrent_activities=8,
    )


def blocking_carriers(folder: Path, slow: float) -> Carriers:
    """Die falschen Versanddienste, jeder Aufruf `slow` Sekunden lang."""
    return BlockingCarriers(folder, 0, slow)


# --8<-- [start:environment]
LETTER_GRAMS = int(os.environ.get("BRIEF_GRENZE", "1000"))  # (!replay)


@workflow.defn
class ShipByEnvironment:
    """Falsch: Die Grenze steht nicht in der History, sondern im Prozess."""

    @workflow.run
    async def run(self, parcel: Parcel) -> Receipt:
        light = parcel.grams <= LETTER_GRAMS  # (!)  # (!replay)
        name = "book_letter" if light else "book_parcel"
        receipt: Receipt = await workflow.execute_activity(
            name, parcel, result_type=Receipt, start_to_close_timeout=STEP_TIMEOUT
        )
        return receipt


# --8<-- [end:environment]


# --8<-- [start:untyped]
@workflow.defn
class ShipWithoutType:
    """Falsch: Zu einem bloßen Namen kennt niemand den Typ des Ergebnisses."""

    @workflow.run
    async def run(self, parcel: Parcel) -> int:
        receipt = await workflow.execute_activity(
            "book_parcel", parcel, start_to_close_timeout=STEP_TIMEOUT
        )
        return int(receipt.number)  # (!)


# --8<-- [end:untyped]


# --8<-- [start:value-error]
@workflow.defn
class ShipOrRaise:
    """Falsch: Ein gewöhnlicher Fehler hält den Workflow an, statt ihn zu beenden."""

    @workflow.run
    async def run(self, parcel: Parcel) -> Receipt:
        if parcel.country != "DE":
            raise ValueError(f"Kein Dienst für {parcel.country}")
        return await workflow.execute_activity_method(
            Carriers.book_parcel, parcel, start_to_close_timeout=STEP_TIMEOUT
        )


# --8<-- [end:value-error]


# --8<-- [start:gather]
async def run_workers(*workers: Worker) -> None:
    """Falsch: Fällt ein Worker aus, räumt niemand die anderen auf."""
    await asyncio.gather(*(worker.run() for worker in workers))  # (!)


# --8<-- [end:gather]
