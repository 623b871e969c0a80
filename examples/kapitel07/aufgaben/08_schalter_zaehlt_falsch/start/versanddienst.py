"""Der Versanddienst, vorgegeben; was er antwortet, bestimmt die Prüfung."""

import asyncio
import sqlite3
from contextlib import closing

from temporalio import activity


class UnavailableError(Exception):
    """Keine Antwort oder ein Status ab 500: Der Dienst ist gestört."""


class RejectedError(Exception):
    """Der Dienst arbeitet, aber dieses Paket will er nicht."""


async def register(book: str, order_id: str) -> str:
    """Meldet ein Paket an und gibt seine Nummer zurück."""
    now = activity.info().started_time.timestamp()
    with closing(sqlite3.connect(book, timeout=30)) as database:
        with database:
            database.execute("INSERT INTO calls VALUES (?, ?)", (order_id, now))
            row = database.execute(
                "DELETE FROM answers WHERE id = (SELECT min(id) FROM answers)"
                " RETURNING answer"
            ).fetchone()
        if row == ("503",):
            raise UnavailableError("Antwort 503")
        if row == ("nein",):
            raise RejectedError("Nach 27498 fährt dieser Dienst nicht.")
        while not database.execute("SELECT 1 FROM gate").fetchone():
            await asyncio.sleep(0.02)
        return f"DHL-{order_id}"
