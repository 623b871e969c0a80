"""Der Workflow: ein Etikett je Auftrag."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from activities import LabelDesk


@workflow.defn
class LabelWorkflow:
    """Druckt ein Etikett; endet FAILED, wenn es bis zur Frist keines gibt."""

    @workflow.run
    async def run(self, number: str) -> str:
        return await workflow.execute_activity_method(
            LabelDesk.print_label,
            number,
            start_to_close_timeout=timedelta(seconds=10),
            # Lücke: Was wird hier begrenzt?
            retry_policy=RetryPolicy(maximum_attempts=5),
        )
