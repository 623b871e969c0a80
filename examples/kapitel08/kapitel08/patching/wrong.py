"""Falscher Code: vier Patches, die nicht tun, was man von ihnen erwartet. Die Tests
beweisen den Schaden, die Seite zeigt ihn.
"""

from dataclasses import dataclass
from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from kapitel08.patching.activities import OrderActivities
    from kapitel08.patching.models import Order, PlaceOrder, Shipped
    from kapitel08.patching.settings import ADDRESS_CHECK, FRAUD_CHECK, TIMEOUT
    from kapitel08.patching.variants import charge_and_ship, confirm_and_wait, demand


@workflow.defn(name="OrderWorkflow")
class OldestFirstWorkflow:
    """Falsch: Der ältere Patch steht vorn, der neuere wird nie erreicht."""

    @workflow.run
    async def run(self, placed: PlaceOrder) -> Shipped:
        """Die Anschrift prüft dieser Code bei keinem neuen Auftrag."""
        await confirm_and_wait(placed)
        # --8<-- [start:oldest-first]
        if workflow.patched(FRAUD_CHECK):  # in jedem neuen Lauf wahr
            await demand(OrderActivities.check_fraud, placed.order)
        elif workflow.patched(ADDRESS_CHECK):
            await demand(OrderActivities.check_address, placed.order)
            await demand(OrderActivities.check_fraud, placed.order)
        # --8<-- [end:oldest-first]
        return await charge_and_ship(placed)


@workflow.defn(name="OrderWorkflow")
class SameIdWorkflow:
    """Falsch: Eine zweite Änderung kommt unter die alte Patch-ID."""

    @workflow.run
    async def run(self, placed: PlaceOrder) -> Shipped:
        """Wer die Marke schon trägt, hat die Anschrift nicht geprüft."""
        await confirm_and_wait(placed)
        # --8<-- [start:same-id]
        if workflow.patched(FRAUD_CHECK):
            await demand(OrderActivities.check_address, placed.order)  # neu
            await demand(OrderActivities.check_fraud, placed.order)
        # --8<-- [end:same-id]
        return await charge_and_ship(placed)


@dataclass(frozen=True)
class StandingOrder:
    """Ein Dauerauftrag: jeden Monat dieselbe Lieferung; nach `months` beginnt eine
    neue Event History, `years`-mal.
    """

    order: Order
    months: int = 3
    years: int = 1

    @property
    def next_year(self) -> "StandingOrder":
        """Die Eingabe des folgenden Laufs."""
        return StandingOrder(self.order, self.months, self.years - 1)


MONTH = timedelta(days=30)


async def deliver(order: Order) -> None:
    """Abbuchen und einen Monat warten."""
    await workflow.execute_activity_method(
        OrderActivities.charge_payment, order, start_to_close_timeout=TIMEOUT
    )
    await workflow.sleep(MONTH)


@workflow.defn(name="StandingOrderWorkflow")
class StandingOrderBefore:
    """Der Dauerauftrag vor der Änderung."""

    @workflow.run
    async def run(self, standing: StandingOrder) -> None:
        """Liefert jeden Monat."""
        for _ in range(standing.months):
            await deliver(standing.order)
        if standing.years > 1:
            workflow.continue_as_new(standing.next_year)


@workflow.defn(name="StandingOrderWorkflow")
class StandingOrderPatched:
    """Falsch: Der Patch soll ab dem nächsten Monat gelten und gilt doch nie."""

    # --8<-- [start:loop]
    @workflow.run
    async def run(self, standing: StandingOrder) -> None:
        """Liefert jeden Monat, vermeintlich bald mit Prüfung."""
        for _ in range(standing.months):
            if workflow.patched(FRAUD_CHECK):  # einmal beantwortet, für den ganzen Lauf
                await demand(OrderActivities.check_fraud, standing.order)
            await deliver(standing.order)
        if standing.years > 1:
            workflow.continue_as_new(standing.next_year)

    # --8<-- [end:loop]
