"""Version 2.0 der Workflows: zu den Event Histories von 1.0 passt nur die Retoure."""

from collections.abc import Mapping
from typing import ClassVar

from temporalio import workflow
from temporalio.common import VersioningBehavior

with workflow.unsafe.imports_passed_through():
    from kapitel08.worker_versionierung import version1, version1_1
    from kapitel08.worker_versionierung.activities import WarehouseActivities
    from kapitel08.worker_versionierung.models import (
        Inventory,
        Order,
        ReturnRequest,
        Shipped,
    )
    from kapitel08.worker_versionierung.version1 import step


# --8<-- [start:order]
@workflow.defn(versioning_behavior=VersioningBehavior.PINNED)
class OrderWorkflow:
    """Eine Bestellung; jetzt mit geprüfter Anschrift."""

    carriers: ClassVar[Mapping[str, str]] = version1_1.OrderWorkflow.carriers

    def __init__(self) -> None:
        """Noch nicht bezahlt."""
        self._paid = False

    @workflow.signal
    def paid(self) -> None:
        """Die Zahlung ist eingegangen."""
        self._paid = True

    @workflow.run
    async def run(self, order: Order) -> Shipped:
        """Prüft zuerst die Anschrift: Das passt zu keiner Event History von 1.0."""
        await step(WarehouseActivities.check_address, order.number)  # (!)
        await step(WarehouseActivities.reserve_stock, order.number)
        await workflow.wait_condition(lambda: self._paid)
        carrier = self.carriers[order.country]
        await step(WarehouseActivities.ship_parcel, order.number, carrier)
        return Shipped(order.number, carrier)


# --8<-- [end:order]


@workflow.defn(versioning_behavior=VersioningBehavior.AUTO_UPGRADE)
class ReturnWorkflow:
    """Eine Retoure; das Lager erfährt vorher davon."""

    def __init__(self) -> None:
        """Noch unterwegs."""
        self._arrived = False

    @workflow.signal
    def arrived(self) -> None:
        """Das Paket ist zurück im Lager."""
        self._arrived = True

    # --8<-- [start:return]
    @workflow.run
    async def run(self, request: ReturnRequest) -> None:
        """Wer auf 1.0 begonnen hat, läuft am neuen Schritt vorbei."""
        if workflow.patched("retoure-ankuendigen"):  # (!)
            await step(WarehouseActivities.announce_return, request.number)
        await step(WarehouseActivities.send_label, request.number)
        await workflow.wait_condition(lambda: self._arrived)
        await step(WarehouseActivities.refund, request.number)

    # --8<-- [end:return]


@workflow.defn(versioning_behavior=VersioningBehavior.PINNED)
class InventoryWorkflow(version1.InventoryWorkflow):
    """Eine Inventur, die jedes gezählte Regal der Buchhaltung meldet."""

    @workflow.run
    async def run(self, inventory: Inventory) -> int:
        """Derselbe Ablauf, je Regal ein Schritt mehr."""
        return await super().run(inventory)

    async def count(self, number: str, shelf: str) -> None:
        """Zählt und meldet."""
        await super().count(number, shelf)
        await step(WarehouseActivities.report_shelf, number, shelf)


WORKFLOWS = [OrderWorkflow, ReturnWorkflow, InventoryWorkflow]
