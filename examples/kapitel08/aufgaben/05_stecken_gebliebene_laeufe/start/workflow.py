"""Ein Auftrag, mit dem berichtigten Code. Diese Datei ist vorgegeben."""

from datetime import timedelta
from typing import Any

from temporalio import workflow

STEP: dict[str, Any] = {"start_to_close_timeout": timedelta(seconds=10)}


@workflow.defn
class OrderWorkflow:
    """Reserviert jeden Artikel, bucht ab, druckt das Etikett, wartet auf das Packen."""

    def __init__(self) -> None:
        self._packed = False

    @workflow.run
    async def run(self, order_id: str, items: int) -> str:
        for item in range(items):
            await workflow.execute_activity(
                "reserve_item", args=[order_id, item], **STEP
            )
        await workflow.execute_activity("charge_payment", order_id, **STEP)
        await workflow.execute_activity("print_label", order_id, **STEP)
        await workflow.wait_condition(lambda: self._packed)
        return f"{order_id} gepackt"

    @workflow.signal
    def packed(self) -> None:
        """Das Paket ist fertig."""
        self._packed = True
