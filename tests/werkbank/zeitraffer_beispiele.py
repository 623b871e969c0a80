"""Kleine Workflows für die Tests des Zeitraffers."""

from datetime import timedelta

from temporalio import activity, workflow


@activity.defn
async def answer() -> int:
    return 42


@activity.defn
async def always_fails() -> None:
    raise RuntimeError("Lager zu")


@workflow.defn
class HoursWorkflow:
    @workflow.run
    async def run(self, hours: int) -> None:
        for _ in range(hours):
            await workflow.sleep(timedelta(hours=1))


@workflow.defn
class DayThenActivityWorkflow:
    @workflow.run
    async def run(self) -> int:
        await workflow.sleep(timedelta(days=1))
        return await workflow.execute_activity(answer, start_to_close_timeout=timedelta(seconds=5))


@workflow.defn
class RetryingWorkflow:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(always_fails, start_to_close_timeout=timedelta(seconds=5))


@workflow.defn
class BrokenWorkflow:
    @workflow.run
    async def run(self) -> None:
        raise ValueError("Preis fehlt")


@workflow.defn
class SignalWorkflow:
    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: False)
