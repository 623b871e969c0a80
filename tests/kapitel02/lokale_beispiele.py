"""Workflows der Tests: lokale Activities, wie sie das Muster nicht braucht."""

import asyncio
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.common import RetryPolicy

STEP_TIMEOUT = timedelta(seconds=30)


@activity.defn
async def third_time_lucky() -> int:
    """Scheitert zweimal."""
    attempt = activity.info().attempt
    if attempt < 3:
        raise RuntimeError("noch nicht")
    return attempt


@workflow.defn
class DefaultThreshold:
    """Wartet nach dem ersten Fehlschlag so viele Sekunden; die Schwelle für Timer setzt niemand."""

    @workflow.run
    async def run(self, seconds: float) -> int:
        return await workflow.execute_local_activity(
            third_time_lucky,
            start_to_close_timeout=STEP_TIMEOUT,
            retry_policy=RetryPolicy(initial_interval=timedelta(seconds=seconds)),
        )


class Waiter:
    """Eine Activity, die nur ein Abbruch beendet."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.cancelled = asyncio.Event()

    @activity.defn
    async def wait(self) -> None:
        self.started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


@workflow.defn
class WaitLocally:
    """Wartet in einer lokalen Activity."""

    @workflow.run
    async def run(self) -> None:
        await workflow.execute_local_activity_method(Waiter.wait, start_to_close_timeout=STEP_TIMEOUT)
