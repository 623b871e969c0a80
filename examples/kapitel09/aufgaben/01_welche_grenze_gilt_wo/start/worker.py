"""Drei Worker, die den Zoll schonen sollen. Diese Datei ist vorgegeben."""

from collections.abc import Callable
from typing import Any

from temporalio.client import Client
from temporalio.worker import Worker

Declare = Callable[..., Any]
FOUR_PER_HOUR = 4 / 3600  # je Sekunde, also eine je Viertelstunde


def per_worker(client: Client, task_queue: str, declare: Declare) -> Worker:
    return Worker(
        client,
        task_queue=task_queue,
        activities=[declare],
        max_activities_per_second=FOUR_PER_HOUR,
    )


def per_queue(client: Client, task_queue: str, declare: Declare) -> Worker:
    return Worker(
        client,
        task_queue=task_queue,
        activities=[declare],
        max_task_queue_activities_per_second=FOUR_PER_HOUR,
    )


def per_slot(client: Client, task_queue: str, declare: Declare) -> Worker:
    return Worker(
        client,
        task_queue=task_queue,
        activities=[declare],
        max_concurrent_activities=1,
    )


def unlimited(client: Client, task_queue: str, declare: Declare) -> Worker:
    return Worker(client, task_queue=task_queue, activities=[declare])
