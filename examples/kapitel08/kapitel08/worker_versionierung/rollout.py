"""Was `temporal worker deployment …` tut, aus Python: für Pipelines und Tests.

Das SDK hat dafür keine eigenen Methoden; die Aufrufe gehen an den `workflow_service`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from temporalio.api.deployment.v1 import (
    WorkerDeploymentInfo,
    WorkerDeploymentVersion,
    WorkerDeploymentVersionInfo,
)
from temporalio.api.enums.v1 import (
    TaskQueueType,
    WorkerDeploymentVersionStatus,
)
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeTaskQueueRequest,
    DescribeWorkerDeploymentRequest,
    DescribeWorkerDeploymentVersionRequest,
    DescribeWorkerDeploymentVersionResponse,
    SetWorkerDeploymentCurrentVersionRequest,
    SetWorkerDeploymentRampingVersionRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

PAUSE = timedelta(seconds=0.02)
NEEDED = {
    TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
}


class Rollout:
    """Stellt ein, welche Version eines Deployments neue Arbeit bekommt."""

    def __init__(
        self,
        client: Client,
        deployment: str,
        *,
        patience: timedelta = timedelta(seconds=30),
    ) -> None:
        """Wartet je Schritt höchstens `patience`, danach `TimeoutError`."""
        self._service = client.workflow_service
        self._namespace = client.namespace
        self._deployment = deployment
        self._patience = patience

    # --8<-- [start:current]
    async def make_current(self, build_id: str) -> None:
        """Was neu beginnt, beginnt von nun an auf `build_id`."""
        await self.registered(build_id)
        await self._service.set_worker_deployment_current_version(
            SetWorkerDeploymentCurrentVersionRequest(
                namespace=self._namespace,
                deployment_name=self._deployment,
                build_id=build_id,
            )
        )
        await self.settled()  # (!)

    # --8<-- [end:current]

    async def ramp(self, build_id: str, percentage: float) -> None:
        """`percentage` Prozent von dem, was neu beginnt, gehen an `build_id`."""
        await self.registered(build_id)
        await self._service.set_worker_deployment_ramping_version(
            SetWorkerDeploymentRampingVersionRequest(
                namespace=self._namespace,
                deployment_name=self._deployment,
                build_id=build_id,
                percentage=percentage,
            )
        )
        await self.settled()

    async def settled(self) -> None:
        """Wartet, bis die Task Queues verteilen, was am Deployment eingestellt ist."""

        # `routing_config_update_state` taugt dafür nicht: Unter Last blieb es auf
        # IN_PROGRESS, obwohl alle Task Queues längst neu verteilten (Server 1.32).
        async def known() -> bool:
            wanted = (await self.describe()).routing_config
            build_id = wanted.current_deployment_version.build_id
            ramping = wanted.ramping_deployment_version.build_id
            expected = (build_id, ramping, wanted.ramping_version_percentage)
            queues = (await self._version(build_id or ramping)).version_task_queues
            return {await self._routing(q.name, q.type) for q in queues} == {expected}

        await self._until(known)

    async def _routing(
        self, name: str, kind: TaskQueueType.ValueType
    ) -> tuple[str, str, float]:
        answer = await self._service.describe_task_queue(
            DescribeTaskQueueRequest(
                namespace=self._namespace,
                task_queue=TaskQueue(name=name),
                task_queue_type=kind,
            )
        )
        info = answer.versioning_info
        return (
            info.current_deployment_version.build_id,
            info.ramping_deployment_version.build_id,
            info.ramping_version_percentage,
        )

    async def registered(self, build_id: str) -> None:
        """Wartet, bis ein Worker dieser Version sich mit beiden Arten von Task Queue
        gemeldet hat.
        """

        async def known() -> bool:
            try:
                described = await self._version(build_id)
            except RPCError as error:
                if error.status != RPCStatusCode.NOT_FOUND:
                    raise
                return False
            return {queue.type for queue in described.version_task_queues} >= NEEDED

        await self._until(known)

    async def status(self, build_id: str) -> str:
        """Der Zustand einer Version, etwa `CURRENT` oder `DRAINING`."""
        name = WorkerDeploymentVersionStatus.Name((await self.version(build_id)).status)
        return name.removeprefix("WORKER_DEPLOYMENT_VERSION_STATUS_")

    async def until_status(self, build_id: str, wanted: str) -> None:
        """Wartet, bis die Version in diesem Zustand ist."""

        async def reached() -> bool:
            return await self.status(build_id) == wanted

        await self._until(reached)

    async def version(self, build_id: str) -> WorkerDeploymentVersionInfo:
        """Alles, was der Server über eine Version weiß."""
        return (await self._version(build_id)).worker_deployment_version_info

    async def describe(self) -> WorkerDeploymentInfo:
        """Das Deployment mit seinen Versionen und der Verteilung."""
        request = DescribeWorkerDeploymentRequest(
            namespace=self._namespace, deployment_name=self._deployment
        )
        answer = await self._service.describe_worker_deployment(request)
        return answer.worker_deployment_info

    async def _version(self, build_id: str) -> DescribeWorkerDeploymentVersionResponse:
        version = WorkerDeploymentVersion(
            deployment_name=self._deployment, build_id=build_id
        )
        return await self._service.describe_worker_deployment_version(
            DescribeWorkerDeploymentVersionRequest(
                namespace=self._namespace, deployment_version=version
            )
        )

    async def _until(self, reached: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(self._patience.total_seconds()):
            while not await reached():
                await asyncio.sleep(PAUSE.total_seconds())
