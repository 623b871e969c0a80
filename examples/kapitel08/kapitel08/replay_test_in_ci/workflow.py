"""Zwei Workflows, wie sie in Produktion offen sind: Aufträge und Retouren."""

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from kapitel08.replay_test_in_ci.activities import OrderActivities
    from kapitel08.replay_test_in_ci.models import Fulfilled, Order, Payment, Return

CREDIT_CHECK_FROM = 50_000
TERM = timedelta(days=14)
STEP = workflow.ActivityConfig(start_to_close_timeout=timedelta(seconds=10))


@workflow.defn
class OrderWorkflow:
    """Ein Auftrag von der Reservierung bis zum Paket."""

    def __init__(self) -> None:
        self._paid = False

    # --8<-- [start:run]
    @workflow.run
    async def run(self, order: Order) -> Fulfilled:
        """Verzweigt nach Lager, Betrag, Land und Zahlungsart."""
        step = workflow.execute_activity_method
        stock = await step(OrderActivities.reserve_stock, order, **STEP)
        if not stock.available:  # (!)
            return Fulfilled(order.number, "")
        if order.amount >= CREDIT_CHECK_FROM:  # (!)
            await step(OrderActivities.check_credit, order, **STEP)
        if order.address.country != "DE":  # (!)
            await step(OrderActivities.declare_customs, order, **STEP)
        if order.payment is Payment.INVOICE:  # (!)
            await workflow.wait_condition(lambda: self._paid)
        else:
            await step(OrderActivities.charge, order, **STEP)
        return await step(OrderActivities.ship, order, **STEP)

    # --8<-- [end:run]

    @workflow.signal
    def paid(self, payer: str) -> None:
        """Die Bank meldet den Eingang des Geldes von `payer`."""
        self._paid = True


@workflow.defn
class ReturnWorkflow:
    """Eine Retoure: auf die Ware warten, erstatten; nach 14 Tagen verfällt sie."""

    def __init__(self) -> None:
        self._arrived = False

    @workflow.run
    async def run(self, item: Return) -> bool:
        """Gibt zurück, ob erstattet wurde."""
        try:
            await workflow.wait_condition(lambda: self._arrived, timeout=TERM)
        except TimeoutError:
            return False
        await workflow.execute_activity_method(OrderActivities.refund, item, **STEP)
        return True

    @workflow.signal
    def arrived(self) -> None:
        """Die Ware liegt im Lager."""
        self._arrived = True
