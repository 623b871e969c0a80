"""Zwei Workflows, die beim Zoll anmelden. Diese Datei ist vorgegeben."""

from datetime import timedelta

from temporalio import workflow

PER_HOUR = 4
PAUSE = timedelta(hours=1) / PER_HOUR


async def declare(task_queue: str, number: int) -> None:
    await workflow.execute_activity(
        "declare",
        number,
        task_queue=task_queue,
        start_to_close_timeout=timedelta(seconds=10),
    )


@workflow.defn
class DeclareWorkflow:
    """Meldet an; auf das Limit achtet der Worker."""

    @workflow.run
    async def run(self, task_queue: str, parcels: int) -> None:
        for number in range(parcels):
            await declare(task_queue, number)


@workflow.defn
class BucketWorkflow:
    """Meldet an und führt dabei einen Vorrat von vier Anfragen."""

    @workflow.run
    async def run(self, task_queue: str, parcels: int) -> None:
        tokens, filled = float(PER_HOUR), workflow.now()
        for number in range(parcels):
            now = workflow.now()
            tokens, filled = min(tokens + (now - filled) / PAUSE, PER_HOUR), now
            if tokens < 1:
                await workflow.sleep(PAUSE * (1 - tokens))
                tokens, filled = 1.0, workflow.now()
            tokens -= 1
            await declare(task_queue, number)
