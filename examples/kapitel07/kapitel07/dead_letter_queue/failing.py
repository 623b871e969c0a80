"""Form 1: Die gescheiterte Ausführung selbst ist der tote Brief."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from kapitel07.dead_letter_queue.activities import ReturnActivities
    from kapitel07.dead_letter_queue.models import (
        DEAD_LETTER,
        BookRequest,
        ProcessReturn,
        Receipt,
        Trouble,
    )


@workflow.defn
class FailingReturnWorkflow:
    """Bucht einen Posten oder scheitert, und zwar so, dass man ihn wiederfindet."""

    # --8<-- [start:run]
    @workflow.run
    async def run(self, arg: ProcessReturn) -> Receipt:
        """Endet COMPLETED mit der Quittung oder FAILED mit dem Fehler der Buchung."""
        try:
            return await workflow.execute_activity_method(
                ReturnActivities.book_return,
                BookRequest(arg.row),
                start_to_close_timeout=timedelta(seconds=arg.options.attempt_timeout),
                retry_policy=RetryPolicy(maximum_attempts=arg.options.attempts),
            )
        except ActivityError as error:
            if not is_cancelled_exception(error):
                dead = DEAD_LETTER.value_set(f"gescheitert/{Trouble.of(error).kind}")
                workflow.upsert_search_attributes([dead])  # (!)
            raise

    # --8<-- [end:run]
