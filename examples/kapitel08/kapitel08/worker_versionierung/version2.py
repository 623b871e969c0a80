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
        Refunded,
        ReturnRequest,
        Shipped,
        Task,
    )
    from kapitel08.worker_versionierung.version1 import TIMEOUT


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

    # --8<-- [start:order-run]
    @workflow.run
    async def run(self, order: Order) -> Shipped:
        """Prüft zuerst die Anschrift: Das passt zu keiner Event History von 1.0."""
        await workflow.execute_activity_method(  # (!)
            WarehouseActivities.check_address,
            Task(order.number),
            start_to_close_timeout=TIMEOUT,
        )
        await workflow.execute_activity_method(
            WarehouseActivities.reserve_stock,
            Task(order.number),
            start_to_close_timeout=TIMEOUT,
        )
        await workflow.wait_condition(lambda: self._paid)
        carrier = self.carriers[order.country]
        await workflow.execute_activity_method(
            WarehouseActivities.ship_parcel,
            Task(order.number, carrier),
            start_to_close_timeout=TIMEOUT,
        )
        return Shipped(order.number, carrier)

    # --8<-- [end:order-run]


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
    async def run(self, request: ReturnRequest) -> Refunded:
        """Wer auf 1.0 begonnen hat, läuft am neuen Schritt vorbei."""
        if workflow.patched("retoure-ankuendigen"):  # (!)
            await workflow.execute_activity_method(
                WarehouseActivities.announce_return,
                Task(request.number),
                start_to_close_timeout=TIMEOUT,
            )
        await workflow.execute_activity_method(
            WarehouseActivities.send_label,
            Task(request.number),
            start_to_close_timeout=TIMEOUT,
        )
        await workflow.wait_condition(lambda: self._arrived)
        await workflow.execute_activity_method(
            WarehouseActivities.refund,
            Task(request.number),
            start_to_close_timeout=TIMEOUT,
        )
        return Refunded(request.number)

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
        await workflow.execute_activity_method(
            WarehouseActivities.report_shelf,
            Task(number, shelf),
            start_to_close_timeout=TIMEOUT,
        )


WORKFLOWS = [OrderWorkflow, ReturnWorkflow, InventoryWorkflow]
