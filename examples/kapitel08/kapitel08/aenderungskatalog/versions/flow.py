"""Änderungen am Ablauf: Bedingungen, Continue-As-New, Fehler, Patches."""

from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from kapitel08.aenderungskatalog.activities import charge, check
    from kapitel08.aenderungskatalog.gates import Gates
    from kapitel08.aenderungskatalog.models import Order, Payment, Receipt

LIMIT = timedelta(seconds=30)


# --8<-- [start:branch]
@workflow.defn(name="Branch")
class Branch(Gates):
    """Version 1: über 100 € prüfen; der Auftrag hat 249 €."""

    @workflow.run
    async def run(self, order: Order) -> str:
        """Prüft nur große Aufträge."""
        await self.before()
        if order.cents > 100_00:
            await workflow.execute_activity(
                check, order.number, start_to_close_timeout=LIMIT
            )
        await self.after()
        return order.number


# --8<-- [end:branch]
@workflow.defn(name="Branch")
class BranchElsewhere(Gates):
    """Grenze geändert, der Lauf bleibt auf seiner Seite"""

    @workflow.run
    async def run(self, order: Order) -> str:
        """Prüft ab 200 €."""
        await self.before()
        if order.cents > 200_00:
            await workflow.execute_activity(
                check, order.number, start_to_close_timeout=LIMIT
            )
        await self.after()
        return order.number


@workflow.defn(name="Branch")
class BranchFlipped(Gates):
    """Grenze geändert, der Lauf wechselt die Seite"""

    @workflow.run
    async def run(self, order: Order) -> str:
        """Prüft erst ab 500 €."""
        await self.before()
        if order.cents > 500_00:
            await workflow.execute_activity(
                check, order.number, start_to_close_timeout=LIMIT
            )
        await self.after()
        return order.number


@workflow.defn(name="Branch")
class Fails(Gates):
    """Workflow scheitert jetzt an dieser Stelle"""

    @workflow.run
    async def run(self, order: Order) -> str:
        """Lehnt große Aufträge ab."""
        await self.before()
        if order.cents > 100_00:
            raise ApplicationError("Zu teuer.", type="ZuTeuer")
        await self.after()
        return order.number


@workflow.defn(name="Rounds")
class Rounds(Gates):
    """Version 1: nach einer Runde Continue-As-New."""

    @workflow.run
    async def run(self, order: Order) -> None:
        """Prüft einmal je Lauf."""
        await self.before()
        await workflow.execute_activity(
            check, order.number, start_to_close_timeout=LIMIT
        )
        await self.after()
        workflow.continue_as_new(order)


@workflow.defn(name="Rounds")
class MoreRounds(Gates):
    """Continue-As-New kommt später"""

    @workflow.run
    async def run(self, order: Order) -> None:
        """Prüft zweimal je Lauf, mit einem dritten Signal dazwischen."""
        await self.before()
        await workflow.execute_activity(
            check, order.number, start_to_close_timeout=LIMIT
        )
        await self.after()
        await workflow.wait_condition(lambda: self._passes >= 3)
        workflow.continue_as_new(order)


@workflow.defn(name="Rounds")
class FewerRounds(Gates):
    """Continue-As-New kommt früher"""

    @workflow.run
    async def run(self, order: Order) -> None:
        """Beginnt sofort den nächsten Lauf."""
        await self.before()
        workflow.continue_as_new(order)


@workflow.defn(name="Unpatched")
class Unpatched(Gates):
    """Version 1: abbuchen, ohne Patch."""

    @workflow.run
    async def run(self, order: Order) -> Receipt:
        """Bucht zwischen den Toren ab."""
        await self.before()
        receipt = await workflow.execute_activity(
            charge, Payment(order.number, order.cents), start_to_close_timeout=LIMIT
        )
        await self.after()
        return receipt


# --8<-- [start:patched]
@workflow.defn(name="Unpatched")
class PatchAdded(Gates):
    """Activity davor, hinter `workflow.patched`"""

    @workflow.run
    async def run(self, order: Order) -> Receipt:
        """Prüft nur, wer hier noch nicht war."""
        await self.before()
        if workflow.patched("betrugspruefung"):  # (!)
            await workflow.execute_activity(
                check, order.number, start_to_close_timeout=LIMIT
            )
        receipt = await workflow.execute_activity(
            charge, Payment(order.number, order.cents), start_to_close_timeout=LIMIT
        )
        await self.after()
        return receipt


# --8<-- [end:patched]
@workflow.defn(name="Patched")
class Patched(Gates):
    """Version 1: mit Patch."""

    @workflow.run
    async def run(self, order: Order) -> Receipt:
        """Prüft hinter einem Patch."""
        await self.before()
        if workflow.patched("betrugspruefung"):
            await workflow.execute_activity(
                check, order.number, start_to_close_timeout=LIMIT
            )
        receipt = await workflow.execute_activity(
            charge, Payment(order.number, order.cents), start_to_close_timeout=LIMIT
        )
        await self.after()
        return receipt


@workflow.defn(name="Patched")
class Deprecated(Gates):
    """`patched` wird `deprecate_patch`"""

    @workflow.run
    async def run(self, order: Order) -> Receipt:
        """Prüft immer, der Marker bleibt."""
        await self.before()
        workflow.deprecate_patch("betrugspruefung")
        await workflow.execute_activity(
            check, order.number, start_to_close_timeout=LIMIT
        )
        receipt = await workflow.execute_activity(
            charge, Payment(order.number, order.cents), start_to_close_timeout=LIMIT
        )
        await self.after()
        return receipt


@workflow.defn(name="Patched")
class PatchRemoved(Gates):
    """Patch samt Marker entfernt, neuer Weg bleibt"""

    @workflow.run
    async def run(self, order: Order) -> Receipt:
        """Prüft immer, ohne Marker."""
        await self.before()
        await workflow.execute_activity(
            check, order.number, start_to_close_timeout=LIMIT
        )
        receipt = await workflow.execute_activity(
            charge, Payment(order.number, order.cents), start_to_close_timeout=LIMIT
        )
        await self.after()
        return receipt
