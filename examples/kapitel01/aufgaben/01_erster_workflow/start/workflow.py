"""Der Workflow: Er lässt eine Bestellung bestätigen."""

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from postausgang import Order, confirm_order


@workflow.defn
class ConfirmOrder:
    """Bestätigt eine Bestellung und meldet, welches Schreiben bereitliegt."""

    @workflow.run
    async def run(self, order: Order) -> str:
        # Lücke: Rufen Sie die Activity `confirm_order` mit der Bestellung auf,
        # höchstens 10 s je Versuch, und geben Sie ihr Ergebnis zurück.
        raise NotImplementedError("Hier fehlt der Aufruf der Activity")
