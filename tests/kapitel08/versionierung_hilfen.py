"""Für die Tests des Musters `worker_versionierung`: eine Flotte je Test und die Kommandozeile von Temporal."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

from temporalio.client import Client, WorkflowHandle
from temporalio.common import WorkerDeploymentVersion
from temporalio.worker import Worker, WorkerDeploymentConfig

from dauerlauf.scenario import Stage
from dauerlauf.server import find_binary
from dauerlauf.timelapse import Timelapse
from kapitel08.worker_versionierung import scenarios
from kapitel08.worker_versionierung.activities import WarehouseActivities
from kapitel08.worker_versionierung.models import Order, ReturnRequest
from kapitel08.worker_versionierung.scenarios import STUCK_TASK, Fleet
from kapitel08.worker_versionierung.version1 import OrderWorkflow, ReturnWorkflow

Handle = WorkflowHandle[Any, Any]


class OwnFleet(Fleet):
    """Die Flotte der Szenarien mit Abkürzungen; jede hat ihr eigenes Deployment."""

    @property
    def client(self) -> Client:
        return self.stage.client

    async def order(self, number: str, country: str = "DE", **options: Any) -> Handle:
        """Eine Bestellung; ihr gescheiterter Workflow-Task ist nach 1 s wieder frei."""
        return await self.client.start_workflow(
            OrderWorkflow.run,
            Order(number, country),
            id=f"{number}-{self.deployment}",
            task_queue=self.deployment,
            task_timeout=STUCK_TASK,
            **options,
        )

    async def waiting_order(self, number: str, country: str = "DE") -> Handle:
        """Eine Bestellung, die auf die Zahlung wartet."""
        handle = await self.order(number, country)
        await self.reached(number, "reserve_stock")
        await scenarios.quiet(handle)
        return handle

    async def paid_order(self, number: str) -> Handle:
        """Eine Bestellung, die sofort durchläuft."""
        return await self.order(number, start_signal="paid")

    async def waiting_return(self, number: str) -> Handle:
        """Eine Retoure, die auf das Paket wartet."""
        handle = await self.client.start_workflow(
            ReturnWorkflow.run,
            ReturnRequest(number),
            id=f"{number}-{self.deployment}",
            task_queue=self.deployment,
            task_timeout=STUCK_TASK,
        )
        await self.reached(number, "send_label")
        await scenarios.quiet(handle)
        return handle

    async def cli(self, *arguments: str) -> str:
        """Ruft `temporal` auf; die Ausgabe. Scheitert der Befehl, ein `AssertionError` mit ihr."""
        code, output = await cli(self.client, *arguments)
        assert code == 0, output
        return output

    async def deployment_cli(self, command: str, *arguments: str) -> str:
        """Ein Befehl aus `temporal worker deployment` für dieses Deployment."""
        flag = "--name" if command == "describe" else "--deployment-name"
        return await self.cli("worker", "deployment", command, flag, self.deployment, *arguments)


def fleet(timelapse: Timelapse, folder: Path) -> OwnFleet:
    """Eine Flotte ohne Worker auf neuer Task Queue."""
    made = scenarios.fleet(Stage(timelapse.client, timelapse, folder, timelapse.task_queue()))
    return OwnFleet(made.stage, made.rollout, made.book)


async def build_of(handle: Handle) -> str:
    """Die Version, auf der eine Ausführung zuletzt lief."""
    raw = (await handle.describe()).raw_description
    return raw.workflow_execution_info.versioning_info.deployment_version.build_id


async def cli(client: Client, *arguments: str) -> tuple[int, str]:
    """Ruft `temporal` gegen den Server von `client` auf; Exit-Code und Ausgabe."""
    process = await asyncio.create_subprocess_exec(
        str(await find_binary()),
        *arguments,
        "--address",
        client.service_client.config.target_host,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 30)
    return process.returncode or 0, output.decode()


def other_worker(one: OwnFleet, build_id: str, workflows: Sequence[type]) -> Worker:
    """Ein Worker mit anderen Klassen unter einer eigenen Version, in diesem Prozess."""
    return Worker(
        one.stage.worker_client(f"worker-{build_id}"),
        task_queue=one.deployment,
        workflows=workflows,
        activities=WarehouseActivities(one.stage.folder, build_id).all(),
        activity_executor=ThreadPoolExecutor(4),
        max_concurrent_activities=4,
        deployment_config=WorkerDeploymentConfig(
            version=WorkerDeploymentVersion(one.deployment, build_id), use_worker_versioning=True
        ),
        graceful_shutdown_timeout=timedelta(0),
    )


async def until_failed(handle: Handle, text: str) -> str:
    """Wartet, bis ein Workflow-Task mit dieser Meldung gescheitert ist; die ganze Meldung."""
    found = ""

    async def failed() -> bool:
        nonlocal found
        async for event in handle.fetch_history_events():
            message = event.workflow_task_failed_event_attributes.failure.message
            if text in message:
                found = message
        return bool(found)

    await scenarios.until(failed)
    return found
