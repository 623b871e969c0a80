"""Misst, wie viele Ausführungen bei einem Anteil auf der neuen Version beginnen.

`python -m kapitel08.worker_versionierung.measure` läuft gegen den Server aus Temporals
eigener Konfiguration und braucht dort ein eigenes Deployment, das es selbst anlegt.
"""

import asyncio
import atexit
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from contextlib import AsyncExitStack
from itertools import pairwise
from pathlib import Path

from temporalio.client import Client
from temporalio.envconfig import ClientConfig

from kapitel08.worker_versionierung.models import Inventory
from kapitel08.worker_versionierung.rollout import Rollout
from kapitel08.worker_versionierung.version1 import InventoryWorkflow
from kapitel08.worker_versionierung.worker import create_worker

AT_ONCE = 20


async def started_on(client: Client, task_queue: str, workflow_id: str) -> str:
    """Startet eine leere Inventur und sagt, welche Version sie bekam."""
    empty = Inventory(workflow_id, total=0, per_run=1, upgrade=False)
    handle = await client.start_workflow(
        InventoryWorkflow.run, empty, id=workflow_id, task_queue=task_queue
    )
    await handle.result()
    described = (await handle.describe()).raw_description.workflow_execution_info
    return described.versioning_info.deployment_version.build_id


async def moved(client: Client, task_queue: str, ids: Sequence[str]) -> set[str]:
    """Welche dieser Ausführungen auf 2.0 beginnen."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(workflow_id: str) -> str:
        async with slots:
            return await started_on(client, task_queue, workflow_id)

    builds = await asyncio.gather(*map(one, ids))
    return {
        workflow_id
        for workflow_id, build_id in zip(ids, builds, strict=True)
        if build_id == "2.0"
    }


async def measure(
    client: Client, percentages: Sequence[float], count: int
) -> dict[float, set[str]]:
    """Je Anteil die Ausführungen, die von `count` auf 2.0 begannen; dieselben IDs."""
    queue = f"anteil-{uuid.uuid4()}"
    ids = [f"anteil-{number:03}" for number in range(count)]
    rollout = Rollout(client, queue)
    shares: dict[float, set[str]] = {}
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for build_id in ("1.0", "2.0"):
            worker = create_worker(
                client, folder, build_id, task_queue=queue, deployment=queue
            )
            await stack.enter_async_context(worker)
        await rollout.make_current("1.0")
        for percentage in percentages:
            await rollout.ramp("2.0", percentage)
            shares[percentage] = await moved(client, queue, ids)
    return shares


async def run() -> None:
    """Druckt je Anteil eine Zeile."""
    config = ClientConfig.load_client_connect_config()
    config.setdefault("target_host", "localhost:7233")
    client = await Client.connect(**config)
    shares = await measure(client, (10, 30, 60), 200)
    for percentage, ids in shares.items():
        print(f"{percentage:3} % eingestellt: {len(ids):3} von 200 auf 2.0")
    grows = all(one < other for one, other in pairwise(shares.values()))
    print(f"Wer schon auf 2.0 begann, beginnt dort wieder: {'ja' if grows else 'nein'}")


def main() -> int:
    """Gibt 0 zurück, ohne Server 2."""
    try:
        asyncio.run(run())
    except RuntimeError as error:
        print(f"Der Temporal Server antwortet nicht: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    # Ohne diese Pause stirbt der Prozess beim Beenden manchmal mit SIGABRT
    # (temporalio/sdk-python#300).
    atexit.register(time.sleep, 0.1)
    sys.exit(main())
