"""Vier Stände desselben Workflows, in der Reihenfolge ihrer Auslieferung."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from schritte import STEP, check_fraud, pay_and_ship, until_stock

FRAUD_CHECK = "2026-11-betrugspruefung"


@workflow.defn(name="OrderWorkflow")
class Original:
    """Stufe 1, läuft seit Jahren: ohne Prüfung. Hier ist nichts zu ändern."""

    @workflow.run
    async def run(self, order_id: str) -> str:
        await until_stock(order_id)
        return await pay_and_ship(order_id)


@workflow.defn(name="OrderWorkflow")
class Patched:
    """Stufe 2: Wer die Stelle noch vor sich hat, wird geprüft."""

    @workflow.run
    async def run(self, order_id: str) -> str:
        await until_stock(order_id)
        # Lücke: Was steht hier in Stufe 2?
        return await pay_and_ship(order_id)


@workflow.defn(name="OrderWorkflow")
class Deprecated:
    """Stufe 3: Der alte Weg ist weg, die Marken der Stufe 2 sind noch erlaubt."""

    @workflow.run
    async def run(self, order_id: str) -> str:
        await until_stock(order_id)
        # Lücke: Was steht hier in Stufe 3?
        return await pay_and_ship(order_id)


@workflow.defn(name="OrderWorkflow")
class Clean:
    """Stufe 4: Als wäre es immer so gewesen."""

    @workflow.run
    async def run(self, order_id: str) -> str:
        await until_stock(order_id)
        # Lücke: Was steht hier in Stufe 4?
        return await pay_and_ship(order_id)
