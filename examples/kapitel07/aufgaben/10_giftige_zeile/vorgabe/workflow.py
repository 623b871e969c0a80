"""Der Import, dessen Läufe die Übung voraussagen lässt."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError


@workflow.defn
class ImportReturns:
    """Bucht Zeile für Zeile; gibt die Nummern der abgelegten Zeilen zurück."""

    @workflow.run
    async def run(
        self, form: str, rows: int, maximum_attempts: int, park: bool
    ) -> list[int]:
        """`park`: Eine Zeile, die scheitert, wird abgelegt statt alles zu beenden."""
        parked = []
        for row in range(1, rows + 1):
            try:
                await workflow.execute_activity(
                    "book_return",
                    args=[form, row],
                    start_to_close_timeout=timedelta(seconds=10),
                    retry_policy=RetryPolicy(
                        initial_interval=timedelta(minutes=1),
                        backoff_coefficient=2.0,
                        maximum_interval=timedelta(hours=4),
                        maximum_attempts=maximum_attempts,
                    ),
                )
            except ActivityError:
                if not park:
                    raise
                parked.append(row)
        return parked
