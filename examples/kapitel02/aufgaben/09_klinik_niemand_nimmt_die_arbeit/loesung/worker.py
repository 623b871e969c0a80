"""Welche Worker laufen."""

import drucker
from nachricht import notify_customer
from temporalio.client import Client
from temporalio.worker import Worker
from workflow import ShipOrder


def create_worker(client: Client, task_queue: str) -> Worker:
    """Der Worker der Zentrale."""
    return Worker(
        client,
        task_queue=task_queue,
        workflows=[ShipOrder],
        activities=[notify_customer],
    )


def label_queues(site: str) -> list[str]:
    """Je Eintrag startet der Betrieb am Drucker dieses Lagers einen Worker."""
    # Die zweite gilt, bis die hängenden Läufe fertig sind.
    return [drucker.queue(site), f"etiketten-{site}"]
