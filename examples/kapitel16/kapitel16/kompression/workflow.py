"""Eine Preisliste einlesen. Der Workflow sieht die Liste ausgepackt."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from kapitel16.kompression.activities import fetch_prices
    from kapitel16.kompression.models import PriceList, PriceListRequest, Summary


# --8<-- [start:workflow]
@workflow.defn
class PriceListWorkflow:
    """Holt eine Preisliste und fasst sie zusammen."""

    @workflow.run
    async def run(self, request: PriceListRequest) -> Summary:
        """Der Ablauf; nach drei vergeblichen Versuchen scheitert er."""
        prices: PriceList = await workflow.execute_activity(
            fetch_prices,
            request,
            start_to_close_timeout=timedelta(seconds=30),
            retry_policy=RetryPolicy(maximum_attempts=3),
        )
        cents = [int(line.rpartition(";")[2]) for line in prices.csv.splitlines()]
        return Summary(len(cents), max(cents))


# --8<-- [end:workflow]
