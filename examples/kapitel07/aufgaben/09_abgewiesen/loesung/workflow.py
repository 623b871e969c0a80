"""Der Auftrag: Er wartet, bis sein Paket angemeldet ist, höchstens drei Tage."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from activities import ParcelDesk


@workflow.defn
class OrderWorkflow:
    """Meldet das Paket eines Auftrags an."""

    @workflow.run
    async def run(self, order_id: str) -> str:
        return await workflow.execute_activity_method(
            ParcelDesk.register_parcel,
            order_id,
            start_to_close_timeout=timedelta(seconds=30),
            schedule_to_close_timeout=timedelta(days=3),
            retry_policy=RetryPolicy(initial_interval=timedelta(minutes=1)),
        )
