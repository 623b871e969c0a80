"""Zwei Worker in einem Programm, von denen einer ausfällt: `python ein_worker_faellt_aus.py MODUL ADRESSE`."""

import asyncio
import importlib
import sys
import uuid

from temporalio import activity
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.worker import Worker


@activity.defn
async def nothing() -> None:
    """Damit der Worker etwas anzubieten hat."""


class Failing(Worker):
    """Ein Worker, dessen Namespace es nicht gibt; er beginnt, wenn der gesunde Aufgaben annimmt."""

    healthy: Worker

    async def run(self) -> None:
        """Scheitert mit der Meldung des Servers."""
        request = DescribeTaskQueueRequest(
            namespace=self.healthy.client.namespace,
            task_queue=TaskQueue(name=self.healthy.task_queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
        )
        while not (await self.healthy.client.workflow_service.describe_task_queue(request)).pollers:
            await asyncio.sleep(0.02)
        await super().run()


async def healthy_and_failing(address: str) -> tuple[Worker, Worker]:
    """Beide, noch nicht gestartet."""
    healthy = Worker(await Client.connect(address), task_queue=f"gesund-{uuid.uuid4()}", activities=[nothing])
    missing = await Client.connect(address, namespace="gibt-es-nicht")
    failing = Failing(missing, task_queue="egal", activities=[nothing])
    failing.healthy = healthy
    return healthy, failing


async def main(module: str, address: str) -> None:
    """Betreibt beide mit `run_workers` aus dem genannten Modul."""
    workers = await healthy_and_failing(address)
    try:
        await importlib.import_module(module).run_workers(*workers)
    finally:
        print("Ein Worker ist ausgefallen.", flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
