"""Die Ablage der toten Briefe: eine SQLite-Tabelle und zwei Activities."""

import sqlite3
from contextlib import closing
from pathlib import Path

import erstattung
from temporalio import activity

SCHEMA = """
CREATE TABLE IF NOT EXISTS letter (
    number TEXT PRIMARY KEY, cents INTEGER NOT NULL, state TEXT NOT NULL)
"""


class DeadLetters:
    """Die Ablage in `folder`."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        with closing(self._connect()) as database, database:
            database.execute(SCHEMA)

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(Path(self._folder, "ablage.sqlite"), timeout=30)

    @activity.defn
    def put_letter(self, number: str, cents: int) -> None:
        """Legt die Retoure ab; sie wartet dann auf einen Menschen."""
        with closing(self._connect()) as database, database:
            database.execute(
                "INSERT OR IGNORE INTO letter (number, cents, state)"
                " VALUES (?, ?, 'offen')",
                (number, cents),
            )

    @activity.defn
    def redrive_letter(self, number: str) -> None:
        """Zahlt die Retoure eines Briefes aus und schließt ihn."""
        with closing(self._connect()) as database, database:
            (cents,) = database.execute(
                "SELECT cents FROM letter WHERE number = ?", (number,)
            ).fetchone()
        erstattung.pay(self._folder, number, number, cents)
        with closing(self._connect()) as database, database:
            database.execute(
                "UPDATE letter SET state = 'erledigt' WHERE number = ?", (number,)
            )
