"""Rettet Aufträge, deren Etikett in einer Task Queue liegt, auf die niemand hört."""

import uuid

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client

DEAD_QUEUE = "drucker-nord"


async def rescue(client: Client, workflow_id: str) -> str | None:
    """Befreit einen Auftrag und gibt die neue Run-ID zurück, sonst None."""
    handle = client.get_workflow_handle(workflow_id)
    history = await handle.fetch_history()
    # Lücke: So beginnt jeder Auftrag von vorn, ob er hängt oder nicht.
    for event in history.events:
        if event.HasField("workflow_task_completed_event_attributes"):
            return await reset(client, workflow_id, event.event_id)
    return None


async def reset(client: Client, workflow_id: str, event_id: int) -> str:
    """Setzt den jüngsten Lauf auf den Workflow-Task zurück, der mit `event_id` endet.

    Was davor liegt, wird kopiert; was danach liegt, geschieht mit heutigem Code neu.
    Signale von danach wendet der Server wieder an.
    """
    answer = await client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=workflow_id),
            workflow_task_finish_event_id=event_id,
            request_id=str(uuid.uuid4()),
            reason="Etikett lag in einer Task Queue ohne Worker",
        )
    )
    return answer.run_id


async def main(address: str, namespace: str, workflow_id: str) -> str | None:
    """So ruft die Prüfung `rescue` auf; hier ist nichts zu ändern."""
    return await rescue(await Client.connect(address, namespace=namespace), workflow_id)
