"""Der Workflow, dessen Lauf die Übung voraussagen lässt."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy


@workflow.defn
class PrintLabel:
    """Druckt ein Etikett; klemmt der Drucker, versucht Temporal es wieder."""

    @workflow.run
    async def run(self, number: str) -> str:
        return await workflow.execute_activity(
            "print_label",
            number,
            result_type=str,
            start_to_close_timeout=timedelta(seconds=10),
            retry_policy=RetryPolicy(
                initial_interval=timedelta(seconds=10), backoff_coefficient=3.0
            ),
        )
