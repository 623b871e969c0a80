"""Version 1.0 der Workflows.

In Ihrem Projekt gäbe es diese Datei neben `version2.py` nicht: Jede Version ist ein
eigenes Image aus einem eigenen Commit. Hier liegen sie nebeneinander, damit Sie sie
vergleichen können; ein Prozess bietet immer nur eine an.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import ClassVar

from temporalio import workflow
from temporalio.common import VersioningBehavior
from temporalio.workflow import ContinueAsNewVersioningBehavior

with workflow.unsafe.imports_passed_through():
    from kapitel08.worker_versionierung.activities import WarehouseActivities
    from kapitel08.worker_versionierung.models import (
        Inventory,
        Order,
        Refunded,
        ReturnRequest,
        Shipped,
        Task,
    )


TIMEOUT = timedelta(seconds=10)


# --8<-- [start:order-run]
@workflow.defn(versioning_behavior=VersioningBehavior.PINNED)  # (!)
class OrderWorkflow:
    """Eine Bestellung; sie endet auf der Version, auf der sie begann."""

    # --8<-- [end:order-run]

    carriers: ClassVar[Mapping[str, str]] = {"DE": "Nordkurier", "DK": "Fjordpost"}

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
        """Reserviert, wartet auf die Zahlung, verschickt."""
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


@workflow.defn(versioning_behavior=VersioningBehavior.AUTO_UPGRADE)  # (!)
class ReturnWorkflow:
    """Eine Retoure; sie wechselt mit jedem Workflow-Task zur aktuellen Version."""

    def __init__(self) -> None:
        """Noch unterwegs."""
        self._arrived = False

    @workflow.signal
    def arrived(self) -> None:
        """Das Paket ist zurück im Lager."""
        self._arrived = True

    @workflow.run
    async def run(self, request: ReturnRequest) -> Refunded:
        """Schickt das Etikett, wartet auf das Paket, erstattet."""
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


@workflow.defn(versioning_behavior=VersioningBehavior.PINNED)
class InventoryWorkflow:
    """Eine Inventur über viele Wochen, mit vielen Event Histories."""

    @workflow.init
    def __init__(self, inventory: Inventory) -> None:
        """Beginnt mit den Regalen, die noch zu zählen sind."""
        self._pending = list(inventory.pending)

    @workflow.signal
    def shelf_ready(self, shelf: str) -> None:
        """Ein Regal ist bereit zum Zählen."""
        self._pending.append(shelf)

    async def count(self, number: str, shelf: str) -> None:
        """Was mit einem Regal geschieht; hier unterscheiden sich die Versionen."""
        await workflow.execute_activity_method(
            WarehouseActivities.count_shelf,
            Task(number, shelf),
            start_to_close_timeout=TIMEOUT,
        )

    # --8<-- [start:inventory]
    @workflow.run
    async def run(self, inventory: Inventory) -> int:
        """Zählt Regale; nach `per_run` beginnt eine neue Event History."""
        counted = 0
        while inventory.counted + counted < inventory.total:
            if counted >= inventory.per_run or self._should_move(inventory):
                self._continue(inventory, counted)
            await workflow.wait_condition(lambda: bool(self._pending))
            await self.count(inventory.number, self._pending.pop(0))
            counted += 1
        return inventory.total

    def _should_move(self, inventory: Inventory) -> bool:
        changed = workflow.info().is_target_worker_deployment_version_changed()
        return inventory.upgrade and changed

    # --8<-- [end:inventory]

    # --8<-- [start:continue]
    def _continue(self, inventory: Inventory, counted: int) -> None:
        behavior = ContinueAsNewVersioningBehavior
        workflow.continue_as_new(
            Inventory(
                inventory.number,
                inventory.total,
                inventory.per_run,
                inventory.upgrade,
                inventory.counted + counted,
                tuple(self._pending),
            ),
            initial_versioning_behavior=behavior.AUTO_UPGRADE  # (!)
            if inventory.upgrade
            else behavior.UNSPECIFIED,
        )

    # --8<-- [end:continue]


WORKFLOWS = [OrderWorkflow, ReturnWorkflow, InventoryWorkflow]
