"""Das Buch der Wirkungen: eine SQLite-Datei, die je Schlüssel eine Zeile annimmt."""

import sqlite3
from contextlib import closing
from pathlib import Path


class Ledger:
    """Das Buch in `folder`; von mehreren Threads und Prozessen benutzbar."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / "buch.sqlite3"
        with closing(self._open()) as db:
            db.execute(
                "CREATE TABLE IF NOT EXISTS entry(number INTEGER PRIMARY KEY,"
                " kind TEXT NOT NULL, key TEXT NOT NULL, cents INTEGER NOT NULL,"
                " UNIQUE(kind, key))"
            )

    # --8<-- [start:book]
    def book(self, kind: str, key: str, cents: int = 0) -> bool:
        """Bucht `cents` unter dem Idempotenzschlüssel `key`.

        `False` heißt: Diese Wirkung gab es schon, und sie bleibt, wie sie war.
        """
        with closing(self._open()) as db:
            done = db.execute(
                "INSERT OR IGNORE INTO entry(kind, key, cents) VALUES (?, ?, ?)",
                (kind, key, cents),
            )
            return done.rowcount == 1

    # --8<-- [end:book]

    def entries(self, kind: str) -> list[tuple[str, int]]:
        """Schlüssel und Cent aller Wirkungen dieser Art, in ihrer Reihenfolge."""
        with closing(self._open()) as db:
            return db.execute(
                "SELECT key, cents FROM entry WHERE kind = ? ORDER BY number", (kind,)
            ).fetchall()

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self._file, timeout=30, isolation_level=None)
