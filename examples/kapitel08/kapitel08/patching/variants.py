"""Zwei Abwandlungen von Stufe 2: eine zweite Änderung, und eine Entscheidung für den
ganzen Lauf.
"""

from collections.abc import Callable

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from kapitel08.patching.activities import OrderActivities
    from kapitel08.patching.models import Order, PlaceOrder, Shipped
    from kapitel08.patching.settings import (
        ADDRESS_CHECK,
        FRAUD_CHECK,
        SUSPICIOUS,
        TIMEOUT,
    )

Check = Callable[[OrderActivities, Order], bool]


async def demand(check: Check, order: Order) -> None:
    """Beendet den Lauf als FAILED, wenn die Prüfung Nein sagt."""
    passed = await workflow.execute_activity_method(
        check, order, start_to_close_timeout=TIMEOUT
    )
    if not passed:
        raise ApplicationError("Prüfung nicht bestanden", type=SUSPICIOUS)


async def confirm_and_wait(placed: PlaceOrder) -> None:
    """Was vor der Änderung geschieht; in allen Ständen gleich."""
    await workflow.execute_activity_method(
        OrderActivities.confirm_order, placed.order, start_to_close_timeout=TIMEOUT
    )
    await workflow.sleep(placed.stock)


async def charge_and_ship(placed: PlaceOrder) -> Shipped:
    """Was danach geschieht; in allen Ständen gleich."""
    await workflow.execute_activity_method(
        OrderActivities.charge_payment, placed.order, start_to_close_timeout=TIMEOUT
    )
    await workflow.sleep(placed.pickup)
    parcel = await workflow.execute_activity_method(
        OrderActivities.ship_parcel, placed.order, start_to_close_timeout=TIMEOUT
    )
    return Shipped(parcel)


@workflow.defn(name="OrderWorkflow")
class TwoPatchesWorkflow:
    """Drei Wege, der neueste zuerst."""

    @workflow.run
    async def run(self, placed: PlaceOrder) -> Shipped:
        """Neu: Vor der Betrugsprüfung wird die Anschrift geprüft."""
        await confirm_and_wait(placed)
        # --8<-- [start:newest-first]
        if workflow.patched(ADDRESS_CHECK):  # (!)
            await demand(OrderActivities.check_address, placed.order)
            await demand(OrderActivities.check_fraud, placed.order)
        elif workflow.patched(FRAUD_CHECK):
            await demand(OrderActivities.check_fraud, placed.order)
        # --8<-- [end:newest-first]
        return await charge_and_ship(placed)


@workflow.defn(name="OrderWorkflow")
class DecidedAtStartWorkflow:
    """Geprüft werden nur Läufe, die unter diesem Code begonnen haben."""

    # --8<-- [start:at-start]
    @workflow.run
    async def run(self, placed: PlaceOrder) -> Shipped:
        """Die erste Zeile entscheidet; die Stelle der Änderung liegt weiter unten."""
        with_check = workflow.patched(FRAUD_CHECK)  # (!)
        await confirm_and_wait(placed)
        if with_check:
            await demand(OrderActivities.check_fraud, placed.order)
        return await charge_and_ship(placed)

    # --8<-- [end:at-start]
