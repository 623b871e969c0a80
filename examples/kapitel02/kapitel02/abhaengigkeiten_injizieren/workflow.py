"""Der Workflow: reservieren, Abholung buchen."""

from dataclasses import dataclass
from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from kapitel02.abhaengigkeiten_injizieren.activities import Order, Pickup, Shipping

STEP_TIMEOUT = timedelta(seconds=10)


@dataclass(frozen=True)
class Shipment:
    """Ergebnis: Restbestand des Artikels und die Abholung."""

    left: int
    pickup: Pickup


# --8<-- [start:workflow]
@workflow.defn
class ShipOrder:
    """Kennt die Klasse, nie ein Exemplar davon."""

    @workflow.run
    async def run(self, order: Order) -> Shipment:
        left = await workflow.execute_activity_method(
            Shipping.reserve_stock,  # (!)
            order,
            start_to_close_timeout=STEP_TIMEOUT,
        )
        pickup = await workflow.execute_activity_method(
            Shipping.book_pickup,
            order,
            start_to_close_timeout=STEP_TIMEOUT,
        )
        return Shipment(left, pickup)


# --8<-- [end:workflow]
