"""Stufe 1: der Auftrag vor der Änderung."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from kapitel08.patching.activities import OrderActivities
    from kapitel08.patching.models import PlaceOrder, Shipped
    from kapitel08.patching.settings import TIMEOUT


@workflow.defn
class OrderWorkflow:
    """Stufe 1: Abgebucht wird ohne Prüfung."""

    # --8<-- [start:run]
    @workflow.run
    async def run(self, placed: PlaceOrder) -> Shipped:
        """Bestätigt, wartet auf die Ware, bucht ab, wartet auf den Fahrer."""
        await workflow.execute_activity_method(
            OrderActivities.confirm_order, placed.order, start_to_close_timeout=TIMEOUT
        )
        await workflow.sleep(placed.stock)
        await workflow.execute_activity_method(
            OrderActivities.charge_payment, placed.order, start_to_close_timeout=TIMEOUT
        )
        await workflow.sleep(placed.pickup)
        parcel = await workflow.execute_activity_method(
            OrderActivities.ship_parcel, placed.order, start_to_close_timeout=TIMEOUT
        )
        return Shipped(parcel)

    # --8<-- [end:run]
