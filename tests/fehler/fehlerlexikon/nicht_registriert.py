"""Workflow oder Activity fehlt in der Liste des Workers."""

from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import Worker


@activity.defn
async def print_label(parcel: str) -> str:
    """Druckt das Etikett; idempotent, derselbe Schlüssel gibt dasselbe Etikett."""
    return f"Etikett {parcel}"


@activity.defn
async def weigh_parcel(parcel: str) -> int:
    """Wiegt das Paket und gibt Gramm zurück; liest nur."""
    return 100 * len(parcel)


@workflow.defn
class ShipParcel:
    """Druckt ein Etikett."""

    @workflow.run
    async def run(self, parcel: str) -> str:
        """Gibt das Etikett zurück."""
        return await workflow.execute_activity(print_label, parcel, start_to_close_timeout=timedelta(seconds=10))


@workflow.defn
class ReturnParcel:
    """Ein zweiter Workflow derselben Anwendung."""

    @workflow.run
    async def run(self, parcel: str) -> str:
        """Nimmt eine Rücksendung an."""
        return f"Rücksendung {parcel}"


def worker_without_workflow(client: Client, task_queue: str) -> Worker:
    """`ShipParcel` fehlt."""
    # --8<-- [start:falsch-workflow]
    return Worker(
        client,
        task_queue=task_queue,
        workflows=[ReturnParcel],  # (!)
        activities=[print_label],
    )
    # --8<-- [end:falsch-workflow]


def worker_without_activity(client: Client, task_queue: str) -> Worker:
    """`print_label` fehlt."""
    # --8<-- [start:falsch-activity]
    return Worker(
        client,
        task_queue=task_queue,
        workflows=[ShipParcel, ReturnParcel],
        activities=[weigh_parcel],  # (!)
    )
    # --8<-- [end:falsch-activity]


def repaired_worker(client: Client, task_queue: str) -> Worker:
    """Der Worker kennt alles, was auf seiner Task Queue ankommt."""
    # --8<-- [start:richtig]
    return Worker(
        client,
        task_queue=task_queue,
        workflows=[ShipParcel, ReturnParcel],  # (!)
        activities=[print_label, weigh_parcel],  # (!)
    )
    # --8<-- [end:richtig]
