"""Der Worker des Prüflings, so wie ihn auch ein eigener Prozess bauen kann."""

from concurrent.futures import ThreadPoolExecutor

from temporalio.client import Client
from temporalio.worker import Worker

from werkbank.stoer_activities import book, book_in_thread, book_with_pulse
from werkbank.stoer_workflow import Alone, Bookings, Mixed, Parallel, Shielded


def create_worker(client: Client, task_queue: str) -> Worker:
    """Baut den Worker."""
    return Worker(
        client,
        task_queue=task_queue,
        workflows=[Bookings, Mixed, Alone, Parallel, Shielded],
        activities=[book, book_in_thread, book_with_pulse],
        activity_executor=ThreadPoolExecutor(4),
    )
