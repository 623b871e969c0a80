"""Version 1.1: Version 1.0 mit einer Korrektur, die zu deren Event Histories passt."""

from collections.abc import Mapping
from typing import ClassVar

from temporalio import workflow
from temporalio.common import VersioningBehavior

with workflow.unsafe.imports_passed_through():
    from kapitel08.worker_versionierung import version1
    from kapitel08.worker_versionierung.models import Order, Shipped


# --8<-- [start:fix]
@workflow.defn(versioning_behavior=VersioningBehavior.PINNED)
class OrderWorkflow(version1.OrderWorkflow):
    """Wie 1.0, nur fehlt die Schweiz nicht mehr."""

    carriers: ClassVar[Mapping[str, str]] = {
        **version1.OrderWorkflow.carriers,
        "CH": "Alpenpost",
    }

    @workflow.run
    async def run(self, order: Order) -> Shipped:
        """Dieselben Schritte in derselben Reihenfolge."""
        return await super().run(order)


# --8<-- [end:fix]

WORKFLOWS = [OrderWorkflow, version1.ReturnWorkflow, version1.InventoryWorkflow]
