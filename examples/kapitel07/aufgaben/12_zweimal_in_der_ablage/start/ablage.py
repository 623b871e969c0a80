"""Die Ablage der toten Briefe: eine SQLite-Tabelle und zwei Activities."""

import sqlite3
from contextlib import closing
from pathlib import Path

import erstattung
from temporalio import activity

SCHEMA = """
CREATE TABLE IF NOT EXISTS letter (
    id INTEGER PRIMARY KEY,
    number TEXT NOT NULL, cents INTEGER NOT NULL, state TEXT NOT NULL)
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
            # Lücke: Was geschieht, wenn diese Activity noch einmal läuft?
            database.execute(
                "INSERT INTO letter (number, cents, state) VALUES (?, ?, 'offen')",
                (number, cents),
            )

    @activity.defn
    def redrive_letter(self, number: str) -> None:
        """Zahlt die Retoure eines Briefes aus und schließt ihn."""
        with closing(self._connect()) as database, database:
            (cents,) = database.execute(
                "SELECT cents FROM letter WHERE number = ?", (number,)
            ).fetchone()
        # Lücke: Wer außer einem zweiten Versuch ruft mit demselben Brief an?
        info = activity.info()
        key = f"{info.workflow_id}/{info.activity_id}"
        erstattung.pay(self._folder, key, number, cents)
        with closing(self._connect()) as database, database:
            database.execute(
                "UPDATE letter SET state = 'erledigt' WHERE number = ?", (number,)
            )
