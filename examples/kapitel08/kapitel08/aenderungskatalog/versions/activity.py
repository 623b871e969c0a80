"""Änderungen am Aufruf einer Activity."""

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from kapitel08.aenderungskatalog.activities import charge, check, debit
    from kapitel08.aenderungskatalog.gates import Gates
    from kapitel08.aenderungskatalog.models import (
        Order,
        Payment,
        Receipt,
        ReceiptWithCurrency,
        ReceiptWithDate,
    )

LIMIT = timedelta(seconds=30)


# --8<-- [start:charge]
@workflow.defn(name="Charge")
class Charge(Gates):
    """Version 1: eine Abbuchung."""

    @workflow.run
    async def run(self, order: Order) -> Receipt:
        """Bucht zwischen den Toren ab."""
        await self.before()
        payment = Payment(order.number, order.cents)
        receipt = await workflow.execute_activity(
            charge, payment, start_to_close_timeout=LIMIT
        )
        await self.after()
        return receipt


# --8<-- [end:charge]
# --8<-- [start:argument]
@workflow.defn(name="Charge")
class Argument(Gates):
    """Argument einer Activity geändert"""

    @workflow.run
    async def run(self, order: Order) -> Receipt:
        """Bucht die Versandkosten mit ab."""
        await self.before()
        payment = Payment(order.number, order.cents + 495)  # (!)
        receipt = await workflow.execute_activity(
            charge, payment, start_to_close_timeout=LIMIT
        )
        await self.after()
        return receipt


# --8<-- [end:argument]
@workflow.defn(name="Charge")
class Options(Gates):
    """Timeouts und Retry-Policy geändert"""

    @workflow.run
    async def run(self, order: Order) -> Receipt:
        """Gibt der Abbuchung mehr Zeit und weniger Versuche."""
        await self.before()
        receipt = await workflow.execute_activity(
            charge,
            Payment(order.number, order.cents),
            start_to_close_timeout=timedelta(minutes=5),
            schedule_to_close_timeout=timedelta(hours=1),
            retry_policy=RetryPolicy(maximum_attempts=3),
        )
        await self.after()
        return receipt


@workflow.defn(name="Charge")
class Queue(Gates):
    """Task Queue einer Activity geändert"""

    @workflow.run
    async def run(self, order: Order) -> Receipt:
        """Bucht auf einer eigenen Task Queue ab."""
        await self.before()
        receipt = await workflow.execute_activity(
            charge,
            Payment(order.number, order.cents),
            task_queue="zahlungen",
            start_to_close_timeout=LIMIT,
        )
        await self.after()
        return receipt


@workflow.defn(name="Charge")
class ResultDefault(Gates):
    """Ergebnistyp: neues Feld mit Standardwert"""

    @workflow.run
    async def run(self, order: Order) -> ReceiptWithCurrency:
        """Erwartet eine Quittung mit Währung."""
        await self.before()
        receipt: ReceiptWithCurrency = await workflow.execute_activity(
            "charge",
            Payment(order.number, order.cents),
            result_type=ReceiptWithCurrency,
            start_to_close_timeout=LIMIT,
        )
        await self.after()
        return receipt


@workflow.defn(name="Charge")
class ResultRequired(Gates):
    """Ergebnistyp: neues Pflichtfeld"""

    @workflow.run
    async def run(self, order: Order) -> ReceiptWithDate:
        """Erwartet eine Quittung mit Datum."""
        await self.before()
        receipt: ReceiptWithDate = await workflow.execute_activity(
            "charge",
            Payment(order.number, order.cents),
            result_type=ReceiptWithDate,
            start_to_close_timeout=LIMIT,
        )
        await self.after()
        return receipt


@workflow.defn(name="Charge")
class Renamed(Gates):
    """Activity umbenannt"""

    @workflow.run
    async def run(self, order: Order) -> Receipt:
        """Ruft dieselbe Wirkung unter neuem Namen."""
        await self.before()
        payment = Payment(order.number, order.cents)
        receipt = await workflow.execute_activity(
            debit, payment, start_to_close_timeout=LIMIT
        )
        await self.after()
        return receipt


@workflow.defn(name="Charge")
class AddedBefore(Gates):
    """Activity davor eingefügt"""

    @workflow.run
    async def run(self, order: Order) -> Receipt:
        """Prüft vor der Abbuchung auf Betrug."""
        await self.before()
        await workflow.execute_activity(
            check, order.number, start_to_close_timeout=LIMIT
        )
        payment = Payment(order.number, order.cents)
        receipt = await workflow.execute_activity(
            charge, payment, start_to_close_timeout=LIMIT
        )
        await self.after()
        return receipt


# --8<-- [start:added-after]
@workflow.defn(name="Charge")
class AddedAfter(Gates):
    """Activity dahinter eingefügt"""

    @workflow.run
    async def run(self, order: Order) -> Receipt:
        """Prüft nach der Abbuchung auf Betrug."""
        await self.before()
        payment = Payment(order.number, order.cents)
        receipt = await workflow.execute_activity(
            charge, payment, start_to_close_timeout=LIMIT
        )
        await workflow.execute_activity(  # (!)
            check, order.number, start_to_close_timeout=LIMIT
        )
        await self.after()
        return receipt


# --8<-- [end:added-after]
@workflow.defn(name="Charge")
class Removed(Gates):
    """Activity entfernt"""

    @workflow.run
    async def run(self, order: Order) -> Receipt:
        """Bucht nicht mehr ab."""
        await self.before()
        await self.after()
        return Receipt("entfällt")


@workflow.defn(name="Charge")
class Local(Gates):
    """Activity wird lokale Activity"""

    @workflow.run
    async def run(self, order: Order) -> Receipt:
        """Führt die Abbuchung im Workflow-Task aus."""
        await self.before()
        payment = Payment(order.number, order.cents)
        receipt = await workflow.execute_local_activity(
            charge, payment, start_to_close_timeout=LIMIT
        )
        await self.after()
        return receipt


@workflow.defn(name="CheckAndCharge")
class CheckAndCharge(Gates):
    """Version 1: prüfen, dann abbuchen."""

    @workflow.run
    async def run(self, order: Order) -> Receipt:
        """Prüft und bucht nacheinander."""
        await self.before()
        await workflow.execute_activity(
            check, order.number, start_to_close_timeout=LIMIT
        )
        receipt = await workflow.execute_activity(
            charge,
            Payment(order.number, order.cents),
            start_to_close_timeout=LIMIT,
        )
        await self.after()
        return receipt


@workflow.defn(name="CheckAndCharge")
class Swapped(Gates):
    """Zwei Activities vertauscht"""

    @workflow.run
    async def run(self, order: Order) -> Receipt:
        """Bucht zuerst, prüft danach."""
        await self.before()
        receipt = await workflow.execute_activity(
            charge,
            Payment(order.number, order.cents),
            start_to_close_timeout=LIMIT,
        )
        await workflow.execute_activity(
            check, order.number, start_to_close_timeout=LIMIT
        )
        await self.after()
        return receipt


@workflow.defn(name="CheckAndCharge")
class Parallel(Gates):
    """Nacheinander wird gleichzeitig (`gather`)"""

    @workflow.run
    async def run(self, order: Order) -> Receipt:
        """Prüft und bucht zugleich."""
        await self.before()
        _, receipt = await asyncio.gather(
            workflow.execute_activity(
                check, order.number, start_to_close_timeout=LIMIT
            ),
            workflow.execute_activity(
                charge,
                Payment(order.number, order.cents),
                start_to_close_timeout=LIMIT,
            ),
        )
        await self.after()
        return receipt


# --8<-- [start:two]
@workflow.defn(name="TwoCharges")
class TwoCharges(Gates):
    """Version 1: zwei Abbuchungen zugleich."""

    @workflow.run
    async def run(self, order: Order) -> list[Receipt]:
        """Bucht Ware und Versand ab, in dieser Reihenfolge."""
        await self.before()
        goods, delivery = await asyncio.gather(
            _charge(f"{order.number}-Ware", order.cents),
            _charge(f"{order.number}-Versand", 495),
        )
        await self.after()
        return [goods, delivery]


# --8<-- [end:two]
# --8<-- [start:two-swapped]
@workflow.defn(name="TwoCharges")
class TwoSwapped(Gates):
    """Zwei gleiche Activities in `gather` vertauscht"""

    @workflow.run
    async def run(self, order: Order) -> list[Receipt]:
        """Bucht dieselben Beträge in anderer Reihenfolge ab."""
        await self.before()
        delivery, goods = await asyncio.gather(  # (!)
            _charge(f"{order.number}-Versand", 495),
            _charge(f"{order.number}-Ware", order.cents),
        )
        await self.after()
        return [goods, delivery]


# --8<-- [end:two-swapped]
def _charge(key: str, cents: int) -> workflow.ActivityHandle[Receipt]:
    return workflow.start_activity(
        charge, Payment(key, cents), start_to_close_timeout=LIMIT
    )
