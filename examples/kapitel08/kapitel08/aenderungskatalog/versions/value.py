"""Memo, Suchattribute, Log und alles, was ein Workflow selbst berechnet."""

from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.common import SearchAttributeKey

with workflow.unsafe.imports_passed_through():
    from kapitel08.aenderungskatalog.activities import charge
    from kapitel08.aenderungskatalog.gates import Gates
    from kapitel08.aenderungskatalog.models import Order, Payment, Receipt

LIMIT = timedelta(seconds=30)
KIND = SearchAttributeKey.for_keyword("Auftragsart")


@workflow.defn(name="Memo")
class Memo(Gates):
    """Version 1: ein Memo."""

    @workflow.run
    async def run(self, order: Order) -> str:
        """Schreibt zwischen den Toren ein Memo."""
        await self.before()
        workflow.upsert_memo({"Stand": "geprüft"})
        await self.after()
        return order.number


@workflow.defn(name="Memo")
class OtherMemo(Gates):
    """Wert eines Memos geändert"""

    @workflow.run
    async def run(self, order: Order) -> str:
        """Schreibt einen anderen Wert."""
        await self.before()
        workflow.upsert_memo({"Stand": "in Ordnung"})
        await self.after()
        return order.number


@workflow.defn(name="Memo")
class MemoRemoved(Gates):
    """Memo entfernt"""

    @workflow.run
    async def run(self, order: Order) -> str:
        """Schreibt kein Memo mehr."""
        await self.before()
        await self.after()
        return order.number


@workflow.defn(name="Memo")
class AttributeAdded(Gates):
    """Suchattribut ergänzt"""

    @workflow.run
    async def run(self, order: Order) -> str:
        """Setzt zusätzlich ein Suchattribut."""
        await self.before()
        workflow.upsert_memo({"Stand": "geprüft"})
        workflow.upsert_search_attributes([KIND.value_set("Versand")])
        await self.after()
        return order.number


@workflow.defn(name="Memo")
class Details(Gates):
    """Log-Zeile und `set_current_details` ergänzt"""

    @workflow.run
    async def run(self, order: Order) -> str:
        """Schreibt ins Log und beschreibt den Stand."""
        await self.before()
        workflow.upsert_memo({"Stand": "geprüft"})
        workflow.logger.debug("Auftrag %s geprüft", order.number)
        workflow.set_current_details("geprüft")
        await self.after()
        return order.number


# --8<-- [start:random]
@workflow.defn(name="Random")
class Random(Gates):
    """Version 1: ein Schlüssel aus `workflow.uuid4()`."""

    @workflow.run
    async def run(self, order: Order) -> Receipt:
        """Bucht unter einem zufälligen Schlüssel ab."""
        await self.before()
        payment = Payment(str(workflow.uuid4()), order.cents)
        receipt = await workflow.execute_activity(
            charge, payment, start_to_close_timeout=LIMIT
        )
        await self.after()
        return Receipt(f"{receipt.number} für {payment.key}")


# --8<-- [end:random]
# --8<-- [start:random-before]
@workflow.defn(name="Random")
class RandomBefore(Gates):
    """Zufallszahl vor `workflow.uuid4()` gezogen"""

    @workflow.run
    async def run(self, order: Order) -> Receipt:
        """Zieht vorher eine Zufallszahl; der Schlüssel wird ein anderer."""
        await self.before()
        lucky = workflow.random().random() < 0.01  # (!)
        payment = Payment(str(workflow.uuid4()), 0 if lucky else order.cents)
        receipt = await workflow.execute_activity(
            charge, payment, start_to_close_timeout=LIMIT
        )
        await self.after()
        return Receipt(f"{receipt.number} für {payment.key}")


# --8<-- [end:random-before]
@workflow.defn(name="Random")
class Now(Gates):
    """`workflow.now()` gelesen"""

    @workflow.run
    async def run(self, order: Order) -> Receipt:
        """Schreibt die Zeit in die Quittung."""
        await self.before()
        now = workflow.now()
        payment = Payment(str(workflow.uuid4()), order.cents)
        receipt = await workflow.execute_activity(
            charge, payment, start_to_close_timeout=LIMIT
        )
        await self.after()
        return Receipt(f"{receipt.number} vom {now}")


@workflow.defn(name="Random")
class WallClock(Gates):
    """`datetime.now()` gelesen"""

    @workflow.run
    async def run(self, order: Order) -> Receipt:
        """Liest die Uhr des Rechners; das verbietet die Sandbox."""
        await self.before()
        now = datetime.now()  # noqa: DTZ005
        payment = Payment(str(workflow.uuid4()), order.cents)
        receipt = await workflow.execute_activity(
            charge, payment, start_to_close_timeout=LIMIT
        )
        await self.after()
        return Receipt(f"{receipt.number} vom {now}")
