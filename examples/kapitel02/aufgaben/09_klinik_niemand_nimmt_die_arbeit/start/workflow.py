"""Ein Paket: Etikett drucken, Kundschaft benachrichtigen."""

from dataclasses import dataclass
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    import drucker


@dataclass
class Order:
    """Ein Auftrag und das Lager, aus dem er kommt."""

    number: str
    site: str


@workflow.defn
class ShipOrder:
    """Druckt am Standort und benachrichtigt aus der Zentrale."""

    @workflow.run
    async def run(self, order: Order) -> str:
        label = await workflow.execute_activity(
            drucker.print_label,
            order.number,
            task_queue=f"etiketten-{order.site}",
            start_to_close_timeout=timedelta(seconds=10),
        )
        message: str = await workflow.execute_activity(
            "notify_customer",
            args=[order.number, label],
            start_to_close_timeout=timedelta(seconds=10),
            retry_policy=RetryPolicy(initial_interval=timedelta(minutes=1)),
        )
        return message
