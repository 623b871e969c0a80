"""Der gemeinsame Schalter. Diese Datei ist vorgegeben."""

import sqlite3
from contextlib import closing

from temporalio import activity


def ask(book: str, order_id: str) -> float:
    """Darf dieser Auftrag jetzt anrufen? 0 heißt ja, sonst: in so vielen Sekunden."""
    now = activity.info().started_time.timestamp()  # die Uhr des Servers
    with closing(sqlite3.connect(book, timeout=30)) as database, database:
        database.execute("BEGIN IMMEDIATE")
        row = database.execute(
            "SELECT open_until FROM breaker WHERE order_id = ?", (order_id,)
        ).fetchone()
        if row is None or now >= row[0]:
            # Bis zur nächsten Frage hat die Probe eines anderen Auftrags entschieden.
            row = database.execute(
                "DELETE FROM outages WHERE id = (SELECT min(id) FROM outages WHERE"
                " order_id = ?) RETURNING seconds",
                (order_id,),
            ).fetchone()
            until = now + row[0] if row else 0.0
            database.execute(
                "INSERT OR REPLACE INTO breaker VALUES (?, ?)", (order_id, until)
            )
            return row[0] if row else 0.0
        return float(row[0] - now)
