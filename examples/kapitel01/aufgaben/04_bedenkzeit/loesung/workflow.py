"""Der Workflow: eine Bestellung mit Bedenkzeit."""

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from dienste import Order, charge_payment, refund_payment, ship_parcel

STEP = timedelta(seconds=10)
COOLING_OFF = timedelta(minutes=30)


@workflow.defn
class ProcessOrder:
    """Zahlt, wartet die Bedenkzeit ab und versendet oder erstattet."""

    def __init__(self) -> None:
        self._cancelled = False

    @workflow.signal
    def cancel_order(self) -> None:
        """Die Kundin storniert; gilt nur, solange nicht versandt wird."""
        self._cancelled = True

    @workflow.run
    async def run(self, order: Order) -> str:
        payment = await workflow.execute_activity(
            charge_payment, order, start_to_close_timeout=STEP
        )
        try:
            await workflow.wait_condition(lambda: self._cancelled, timeout=COOLING_OFF)
        except TimeoutError:
            await workflow.execute_activity(
                ship_parcel, order, start_to_close_timeout=STEP
            )
            return "versandt"
        await workflow.execute_activity(
            refund_payment, payment, start_to_close_timeout=STEP
        )
        return "storniert"
