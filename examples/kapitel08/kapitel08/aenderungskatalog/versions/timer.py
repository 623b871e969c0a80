"""Änderungen an Timern und am Warten."""

import asyncio
from contextlib import suppress
from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from kapitel08.aenderungskatalog.activities import check
    from kapitel08.aenderungskatalog.gates import Gates
    from kapitel08.aenderungskatalog.models import Order


# --8<-- [start:timer]
@workflow.defn(name="Wait")
class Wait(Gates):
    """Version 1: eine Stunde warten."""

    @workflow.run
    async def run(self, order: Order) -> None:
        """Wartet zwischen den Toren."""
        await self.before()
        await workflow.sleep(timedelta(hours=1))
        await self.after()


# --8<-- [end:timer]
@workflow.defn(name="Wait")
class Longer(Gates):
    """Dauer eines Timers geändert"""

    @workflow.run
    async def run(self, order: Order) -> None:
        """Wartet drei Stunden."""
        await self.before()
        await workflow.sleep(timedelta(hours=3))
        await self.after()


@workflow.defn(name="Wait")
class Sleep(Gates):
    """`workflow.sleep` wird `asyncio.sleep`"""

    @workflow.run
    async def run(self, order: Order) -> None:
        """Wartet eine Stunde, anders geschrieben."""
        await self.before()
        await asyncio.sleep(3600)
        await self.after()


@workflow.defn(name="Wait")
class Condition(Gates):
    """Timer wird `wait_condition` mit Frist"""

    @workflow.run
    async def run(self, order: Order) -> None:
        """Wartet eine Stunde oder auf das nächste Signal."""
        await self.before()
        with suppress(asyncio.TimeoutError):
            await workflow.wait_condition(
                lambda: self._passes >= 2, timeout=timedelta(hours=1)
            )
        await self.after()


@workflow.defn(name="Wait")
class TimerRemoved(Gates):
    """Timer entfernt"""

    @workflow.run
    async def run(self, order: Order) -> None:
        """Wartet gar nicht."""
        await self.before()
        await self.after()


@workflow.defn(name="Wait")
class TimerAdded(Gates):
    """Zweiter Timer dahinter"""

    @workflow.run
    async def run(self, order: Order) -> None:
        """Wartet zweimal."""
        await self.before()
        await workflow.sleep(timedelta(hours=1))
        await workflow.sleep(timedelta(hours=1))
        await self.after()


@workflow.defn(name="Approval")
class Approval(Gates):
    """Version 1: ohne Frist auf eine Freigabe warten."""

    def __init__(self) -> None:
        """Beginnt ohne Freigabe."""
        super().__init__()
        self._approved = False

    @workflow.signal
    def approve(self) -> None:
        """Gibt frei."""
        self._approved = True

    @workflow.signal
    async def ask(self) -> None:
        """Lässt den Auftrag noch einmal prüfen, während er wartet."""
        await workflow.execute_activity(
            check, "N-1001", start_to_close_timeout=timedelta(seconds=30)
        )

    @workflow.run
    async def run(self, order: Order) -> bool:
        """Wartet zwischen den Toren auf die Freigabe."""
        await self.before()
        await workflow.wait_condition(lambda: self._approved)
        await self.after()
        return self._approved


@workflow.defn(name="Approval")
class WithDeadline(Gates):
    """`wait_condition` bekommt eine Frist"""

    def __init__(self) -> None:
        """Beginnt ohne Freigabe."""
        super().__init__()
        self._approved = False

    @workflow.signal
    def approve(self) -> None:
        """Gibt frei."""
        self._approved = True

    @workflow.signal
    async def ask(self) -> None:
        """Lässt den Auftrag noch einmal prüfen, während er wartet."""
        await workflow.execute_activity(
            check, "N-1001", start_to_close_timeout=timedelta(seconds=30)
        )

    @workflow.run
    async def run(self, order: Order) -> bool:
        """Wartet höchstens einen Tag auf die Freigabe."""
        await self.before()
        with suppress(asyncio.TimeoutError):
            await workflow.wait_condition(
                lambda: self._approved, timeout=timedelta(days=1)
            )
        await self.after()
        return self._approved
