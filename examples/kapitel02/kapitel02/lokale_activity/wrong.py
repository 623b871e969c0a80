"""Falscher Code: So geht es schief. Die Tests beweisen den Schaden."""

from pathlib import Path

from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Worker

from kapitel02.lokale_activity.activities import Desk, Order
from kapitel02.lokale_activity.services import Register
from kapitel02.lokale_activity.worker import worker_with


# --8<-- [start:keyless]
class KeylessDesk(Desk):
    """Falsch: Ohne Schlüssel zieht jede Wiederholung eine neue Nummer."""

    @activity.defn
    def draw_number(self, order: Order) -> int:
        """Zieht immer die nächste Nummer."""
        return self._register.draw(None)


# --8<-- [end:keyless]


# --8<-- [start:activity-id]
class ActivityIdDesk(Desk):
    """Falsch: Nach einer Pause als Timer trägt der Versuch eine neue ID."""

    @activity.defn
    def draw_number(self, order: Order) -> int:
        """Nimmt die Activity-ID als Schlüssel."""
        info = activity.info()
        return self._register.draw(f"{info.workflow_id}/{info.activity_id}")


# --8<-- [end:activity-id]


def create_keyless_worker(client: Client, folder: Path, *, task_queue: str) -> Worker:
    """Der Worker mit `KeylessDesk`."""
    return worker_with(KeylessDesk(Register(folder)), client, task_queue)
