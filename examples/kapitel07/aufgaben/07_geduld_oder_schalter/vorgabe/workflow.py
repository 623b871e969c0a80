"""Der Workflow, dessen Läufe die Übung voraussagen lässt."""

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError


@workflow.defn
class Outage:
    """Meldet Aufträge zugleich an; für alle gilt dieselbe Uhr."""

    @workflow.run
    async def run(self, orders: list[str], maximum_attempts: int) -> int:
        """Gibt zurück, wie viele Aufträge scheitern."""
        outcomes = await asyncio.gather(
            *(
                workflow.execute_activity(
                    "register_parcel",
                    order,
                    start_to_close_timeout=timedelta(seconds=10),
                    retry_policy=RetryPolicy(
                        initial_interval=timedelta(minutes=1),
                        backoff_coefficient=2.0,
                        maximum_interval=timedelta(minutes=20),
                        maximum_attempts=maximum_attempts,
                    ),
                )
                for order in orders
            ),
            return_exceptions=True,
        )
        return sum(isinstance(outcome, ActivityError) for outcome in outcomes)
