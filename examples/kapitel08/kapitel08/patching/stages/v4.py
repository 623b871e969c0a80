"""Stufe 4: der Auftrag, als wäre er immer so gewesen."""

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from kapitel08.patching.activities import OrderActivities
    from kapitel08.patching.models import PlaceOrder, Shipped
    from kapitel08.patching.settings import SUSPICIOUS, TIMEOUT


@workflow.defn
class OrderWorkflow:
    """Stufe 4: Geprüft wird immer, ohne jede Spur des Patches."""

    # --8<-- [start:run]
    @workflow.run
    async def run(self, placed: PlaceOrder) -> Shipped:
        """Bestätigt, wartet auf die Ware, prüft, bucht ab, wartet auf den Fahrer."""
        await workflow.execute_activity_method(
            OrderActivities.confirm_order, placed.order, start_to_close_timeout=TIMEOUT
        )
        await workflow.sleep(placed.stock)
        # --8<-- [start:clean]
        await self._check(placed)
        # --8<-- [end:clean]
        await workflow.execute_activity_method(
            OrderActivities.charge_payment, placed.order, start_to_close_timeout=TIMEOUT
        )
        await workflow.sleep(placed.pickup)
        parcel = await workflow.execute_activity_method(
            OrderActivities.ship_parcel, placed.order, start_to_close_timeout=TIMEOUT
        )
        return Shipped(parcel)

    # --8<-- [end:run]

    # --8<-- [start:check]
    async def _check(self, placed: PlaceOrder) -> None:
        """Endet FAILED, bevor Geld fließt, wenn der Auftrag verdächtig ist."""
        harmless = await workflow.execute_activity_method(
            OrderActivities.check_fraud, placed.order, start_to_close_timeout=TIMEOUT
        )
        if not harmless:
            raise ApplicationError("Verdacht auf Betrug", type=SUSPICIOUS)

    # --8<-- [end:check]
