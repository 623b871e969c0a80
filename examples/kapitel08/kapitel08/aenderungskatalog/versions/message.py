"""Änderungen an Signalen, Updates, Queries und an der Eingabe."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from kapitel08.aenderungskatalog.gates import Gates
    from kapitel08.aenderungskatalog.models import (
        Order,
        OrderWithCurrency,
        OrderWithCustomer,
    )


@workflow.defn(name="Message")
class Message(Gates):
    """Version 1: wartet auf ein Signal und ein Update."""

    def __init__(self) -> None:
        """Beginnt ohne Notiz."""
        super().__init__()
        self._notes: list[str] = []

    @workflow.signal
    def note(self, text: str) -> None:
        """Merkt sich eine Notiz."""
        self._notes.append(text)

    @workflow.update
    def correct(self, text: str) -> int:
        """Merkt sich eine Berichtigung."""
        self._notes.append(text)
        return len(self._notes)

    @workflow.run
    async def run(self, order: Order) -> int:
        """Wartet zwischen den Toren auf zwei Nachrichten."""
        await self.before()
        await workflow.wait_condition(lambda: len(self._notes) == 2)
        await self.after()
        return len(self._notes)


@workflow.defn(name="Message")
class MoreHandlers(Gates):
    """Query-, Signal- und Update-Handler ergänzt"""

    def __init__(self) -> None:
        """Beginnt ohne Notiz."""
        super().__init__()
        self._notes: list[str] = []

    @workflow.signal
    def note(self, text: str) -> None:
        """Merkt sich eine Notiz."""
        self._notes.append(text)

    @workflow.signal
    def hurry(self) -> None:
        """Drängt; neu."""
        self._notes.append("eilt")

    @workflow.update
    def correct(self, text: str) -> int:
        """Merkt sich eine Berichtigung."""
        self._notes.append(text)
        return len(self._notes)

    @workflow.update
    def clear(self) -> None:
        """Vergisst alles; neu."""
        self._notes.clear()

    @workflow.query
    def notes(self) -> list[str]:
        """Die Notizen; neu."""
        return self._notes

    @workflow.run
    async def run(self, order: Order) -> int:
        """Wartet zwischen den Toren auf zwei Nachrichten."""
        await self.before()
        await workflow.wait_condition(lambda: len(self._notes) == 2)
        await self.after()
        return len(self._notes)


@workflow.defn(name="Message")
class SignalHandlerRemoved(Gates):
    """Signal-Handler entfernt"""

    def __init__(self) -> None:
        """Beginnt ohne Notiz."""
        super().__init__()
        self._notes: list[str] = []

    @workflow.update
    def correct(self, text: str) -> int:
        """Merkt sich eine Berichtigung."""
        self._notes.append(text)
        return len(self._notes)

    @workflow.run
    async def run(self, order: Order) -> int:
        """Wartet auf zwei Nachrichten; das alte Signal zählt nicht mehr."""
        await self.before()
        await workflow.wait_condition(lambda: len(self._notes) == 2)
        await self.after()
        return len(self._notes)


@workflow.defn(name="Message")
class UpdateHandlerRemoved(Gates):
    """Update-Handler entfernt"""

    def __init__(self) -> None:
        """Beginnt ohne Notiz."""
        super().__init__()
        self._notes: list[str] = []

    @workflow.signal
    def note(self, text: str) -> None:
        """Merkt sich eine Notiz."""
        self._notes.append(text)

    @workflow.run
    async def run(self, order: Order) -> int:
        """Wartet auf zwei Nachrichten; das alte Update zählt nicht mehr."""
        await self.before()
        await workflow.wait_condition(lambda: len(self._notes) == 2)
        await self.after()
        return len(self._notes)


@workflow.defn(name="Message")
class StricterValidator(Gates):
    """Validator eines Updates verschärft"""

    def __init__(self) -> None:
        """Beginnt ohne Notiz."""
        super().__init__()
        self._notes: list[str] = []

    @workflow.signal
    def note(self, text: str) -> None:
        """Merkt sich eine Notiz."""
        self._notes.append(text)

    @workflow.update
    def correct(self, text: str) -> int:
        """Merkt sich eine Berichtigung."""
        self._notes.append(text)
        return len(self._notes)

    @correct.validator
    def _refuse(self, text: str) -> None:
        raise ValueError("Berichtigungen nehmen wir nicht mehr an.")

    @workflow.run
    async def run(self, order: Order) -> int:
        """Wartet zwischen den Toren auf zwei Nachrichten."""
        await self.before()
        await workflow.wait_condition(lambda: len(self._notes) == 2)
        await self.after()
        return len(self._notes)


@workflow.defn(name="Plain")
class Plain(Gates):
    """Version 1: nichts zwischen den Toren."""

    @workflow.run
    async def run(self, order: Order) -> str:
        """Geht durch beide Tore."""
        await self.before()
        await self.after()
        return order.number


@workflow.defn(name="Plain")
class Result(Gates):
    """Ergebnis des Workflows geändert"""

    @workflow.run
    async def run(self, order: Order) -> dict[str, int]:
        """Gibt jetzt den Betrag zurück."""
        await self.before()
        await self.after()
        return {order.number: order.cents}


@workflow.defn(name="Plain")
class InputDefault(Gates):
    """Eingabe: neues Feld mit Standardwert"""

    @workflow.run
    async def run(self, order: OrderWithCurrency) -> str:
        """Kennt jetzt eine Währung."""
        await self.before()
        await self.after()
        return order.number + order.currency


@workflow.defn(name="Plain")
class InputRequired(Gates):
    """Eingabe: neues Pflichtfeld"""

    @workflow.run
    async def run(self, order: OrderWithCustomer) -> str:
        """Verlangt jetzt eine Kundin."""
        await self.before()
        await self.after()
        return order.customer
