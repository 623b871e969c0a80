"""Eine synchrone Activity, aber kein Executor."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import Worker

THREADS = 8


@activity.defn
def print_label(parcel: str) -> str:
    """Druckt das Etikett; idempotent über die Paketnummer."""
    return f"Etikett {parcel}"


@workflow.defn
class ShipParcel:
    """Druckt ein Etikett."""

    @workflow.run
    async def run(self, parcel: str) -> str:
        """Gibt das Etikett zurück."""
        return await workflow.execute_activity(print_label, parcel, start_to_close_timeout=timedelta(seconds=10))


def wrong_worker(client: Client, task_queue: str) -> Worker:
    """ohne Executor."""
    # --8<-- [start:falsch]
    return Worker(
        client,
        task_queue=task_queue,
        workflows=[ShipParcel],
        activities=[print_label],  # (!)
    )
    # --8<-- [end:falsch]


def right_worker(client: Client, task_queue: str) -> Worker:
    """mit Threads."""
    # --8<-- [start:richtig]
    return Worker(
        client,
        task_queue=task_queue,
        workflows=[ShipParcel],
        activities=[print_label],
        activity_executor=ThreadPoolExecutor(THREADS),  # (!)
        max_concurrent_activities=THREADS,  # (!)
    )
    # --8<-- [end:richtig]
