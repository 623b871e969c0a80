"""Falscher Code: Versionierung, die einleuchtet und trotzdem Ausführungen zerreißt. Die
Tests beweisen den Schaden, die Seite zeigt ihn.
"""

from temporalio import workflow
from temporalio.common import VersioningBehavior

with workflow.unsafe.imports_passed_through():
    from kapitel08.worker_versionierung import version1
    from kapitel08.worker_versionierung.activities import WarehouseActivities
    from kapitel08.worker_versionierung.models import (
        Order,
        Refunded,
        ReturnRequest,
        Shipped,
        Task,
    )
    from kapitel08.worker_versionierung.version1 import TIMEOUT


# --8<-- [start:unpatched]
@workflow.defn(
    name="ReturnWorkflow", versioning_behavior=VersioningBehavior.AUTO_UPGRADE
)
class UnpatchedReturnWorkflow(version1.ReturnWorkflow):
    """Falsch: wechselt von selbst zu neuem Code, der zum alten Verlauf nicht passt."""

    @workflow.run
    async def run(self, request: ReturnRequest) -> Refunded:
        """Falsch: Der neue Schritt steht vor einem, den es schon gab."""
        for action in (
            WarehouseActivities.announce_return,  # ohne workflow.patched
            WarehouseActivities.send_label,
        ):
            await workflow.execute_activity_method(
                action, Task(request.number), start_to_close_timeout=TIMEOUT
            )
        # --8<-- [end:unpatched]
        await workflow.wait_condition(lambda: self._arrived)
        await workflow.execute_activity_method(
            WarehouseActivities.refund,
            Task(request.number),
            start_to_close_timeout=TIMEOUT,
        )
        return Refunded(request.number)


# --8<-- [start:silent]
@workflow.defn(name="OrderWorkflow")
class SilentOrderWorkflow(version1.OrderWorkflow):
    """Falsch: sagt nicht, ob die Ausführung bleiben oder umziehen soll."""

    @workflow.run
    async def run(self, order: Order) -> Shipped:
        """Ein versionierter Worker nimmt diese Klasse nicht an."""
        return await super().run(order)


# --8<-- [end:silent]
