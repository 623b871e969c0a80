"""Activities, die jede Ausführung einzeln in eine SQLite-Datei schreiben: So lässt sich jede Wirkung zählen."""

import sqlite3
from contextlib import closing
from pathlib import Path

from temporalio import activity

from werkbank.stoer_workflow import Booking


def _write(booking: Booking) -> str:
    with closing(sqlite3.connect(booking.ledger, timeout=10)) as database, database:
        database.execute("CREATE TABLE IF NOT EXISTS effects (key TEXT, attempt INTEGER)")
        database.execute("INSERT INTO effects VALUES (?, ?)", (booking.key, activity.info().attempt))
    return booking.key.rpartition("/")[2]


@activity.defn
async def book(booking: Booking) -> str:
    """Schreibt eine Wirkung."""
    return _write(booking)


@activity.defn
def book_in_thread(booking: Booking) -> str:
    """Dasselbe in einem Thread, mit Heartbeat."""
    activity.heartbeat("Thread")
    return _write(booking)


@activity.defn
async def book_with_pulse(booking: Booking) -> str:
    """Dasselbe mit Heartbeat."""
    activity.heartbeat("Takt")
    return _write(booking)


def effects(ledger: Path, key: str | None = None) -> list[int]:
    """Die Versuche, in denen etwas geschrieben wurde, wahlweise nur für einen Schlüssel."""
    if not ledger.exists():
        return []
    with closing(sqlite3.connect(ledger, timeout=10)) as database:
        rows = database.execute("SELECT attempt FROM effects WHERE ? IN ('', key) ORDER BY rowid", (key or "",))
        return [attempt for (attempt,) in rows]
