"""Was `temporal workflow update-options` tut, aus Python: eine Ausführung umlenken."""

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflow.v1 import WorkflowExecutionOptions
from temporalio.api.workflowservice.v1 import UpdateWorkflowExecutionOptionsRequest
from temporalio.client import Client
from temporalio.common import PinnedVersioningOverride, WorkerDeploymentVersion


# --8<-- [start:pin]
async def pin(client: Client, workflow_id: str, deployment: str, build_id: str) -> None:
    """Bindet eine einzelne Ausführung an eine Version."""
    version = WorkerDeploymentVersion(deployment, build_id)
    options = WorkflowExecutionOptions(
        versioning_override=PinnedVersioningOverride(version)._to_proto()
    )
    request = UpdateWorkflowExecutionOptionsRequest(
        namespace=client.namespace,
        workflow_execution=WorkflowExecution(workflow_id=workflow_id),
        workflow_execution_options=options,
    )
    request.update_mask.paths.append("versioning_override")
    await client.workflow_service.update_workflow_execution_options(request)


# --8<-- [end:pin]
