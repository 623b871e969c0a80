"""Falscher Code: was beim ersten Workflow gern schiefgeht; Tests beweisen es."""

from pathlib import Path
from uuid import uuid4

from temporalio import activity, workflow

with workflow.unsafe.imports_passed_through():
    from kapitel01.hallo.activities import Mailroom, Order


# --8<-- [start:timeout]
@workflow.defn
class ConfirmWithoutTimeout:
    """Falsch: Dem Aufruf fehlt das Timeout, das SDK weist ihn ab."""

    @workflow.run
    async def run(self, order: Order) -> str:
        return await workflow.execute_activity_method(
            Mailroom.confirm_order,
            order,
        )


# --8<-- [end:timeout]


# --8<-- [start:zufall]
class ForgetfulMailroom(Mailroom):
    """Falsch: Jeder Versuch wählt einen neuen Dateinamen."""

    def __init__(self, outbox: Path) -> None:
        super().__init__(outbox)
        self._folder = outbox

    @activity.defn
    def confirm_order(self, order: Order) -> str:
        """Schreibt die Bestätigung – bei jedem Versuch noch eine."""
        letter = self._folder / f"{uuid4()}.txt"
        text = f"Guten Tag {order.customer}, Ihre Bestellung ist da.\n"
        letter.write_text(text, encoding="utf-8")
        return letter.name


# --8<-- [end:zufall]
