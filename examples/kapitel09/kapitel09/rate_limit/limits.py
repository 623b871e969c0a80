"""Limits einer Task Queue: ausrechnen und im laufenden Betrieb setzen."""

from collections.abc import Mapping

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.workflowservice.v1 import UpdateTaskQueueConfigRequest
from temporalio.client import Client

QUEUE_BURST = 1.0
"""Sekunden, deren Vorrat eine ruhende Task Queue auf einmal herausgibt.

Quelle: `defaultBurstDuration` in `service/matching/rate_limit_manager.go` des Servers.
"""
WORKER_BURST = 2
"""So viele Activities mehr als seine Rate beginnt ein Worker nach einer Ruhe; gemessen.
"""


# --8<-- [start:safe]
def queue_rate(limit: int, window: float, delay: float = 1.0) -> float:
    """Die Rate einer Task Queue, bei der kein Fenster mehr als `limit` Anfragen hat.

    `delay`: So viele Sekunden dauert es höchstens von der Zuteilung bis zur Ankunft. In
    einem Fenster kommen dann höchstens `1 + rate * (window + 1 + delay)` Anfragen an.
    """
    return (limit - 1) / (window + QUEUE_BURST + delay)


def worker_rate(limit: int, window: float, workers: int, delay: float = 1.0) -> float:
    """Die Rate für jeden von `workers` Workern; stimmt die Zahl nicht, gilt nichts."""
    return (limit - WORKER_BURST * workers) / (window + delay) / workers


# --8<-- [end:safe]


# --8<-- [start:set]
async def set_queue_limit(
    client: Client,
    task_queue: str,
    *,
    per_second: float | None = None,
    per_key: float | None = None,
    weights: Mapping[str, float] | None = None,
    reason: str = "Limit des Etikettendienstes",
) -> None:
    """Wie `temporal task-queue config set`; ein Limit ohne Angabe wird aufgehoben.

    `per_key` gilt je Fairness-Schlüssel und wird mit dessen Gewicht multipliziert.
    """
    request = UpdateTaskQueueConfigRequest(
        namespace=client.namespace,
        identity="betrieb",
        task_queue=task_queue,
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
        set_fairness_weight_overrides=weights or {},
    )
    for update, rate in (
        (request.update_queue_rate_limit, per_second),
        (request.update_fairness_key_rate_limit_default, per_key),
    ):
        update.reason = reason
        if rate is not None:
            update.rate_limit.requests_per_second = rate
    await client.workflow_service.update_task_queue_config(request)


# --8<-- [end:set]
