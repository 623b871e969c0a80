"""Die Kasse: eine SQLite-Datei, die ein Konto auf einen Stand bringt."""

import sqlite3
from contextlib import closing
from pathlib import Path


class Till:
    """Die Kasse in `folder`; von mehreren Threads und Prozessen benutzbar."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / "kasse.sqlite3"
        with closing(self._open()) as db:
            db.execute(
                "CREATE TABLE IF NOT EXISTS entry(number INTEGER PRIMARY KEY,"
                " kind TEXT NOT NULL, key TEXT NOT NULL, cents INTEGER NOT NULL)"
            )

    # --8<-- [start:settle]
    def settle(self, kind: str, key: str, target: int) -> int:
        """Bucht, was unter `key` bis zum Stand `target` fehlt oder zu viel ist.

        Gibt den gebuchten Unterschied zurück; 0 heißt: Der Stand stimmte schon.
        """
        with closing(self._open()) as db:
            db.execute("BEGIN IMMEDIATE")
            paid = sum(cents for one, cents in self._entries(db, kind) if one == key)
            if target != paid:  # (!)
                row = (kind, key, target - paid)
                db.execute("INSERT INTO entry(kind, key, cents) VALUES (?, ?, ?)", row)
            db.execute("COMMIT")
            return target - paid

    # --8<-- [end:settle]

    def entries(self, kind: str) -> list[tuple[str, int]]:
        """Schlüssel und Cent aller Buchungen dieser Art, in ihrer Reihenfolge."""
        with closing(self._open()) as db:
            return self._entries(db, kind)

    def note(self, kind: str, key: str) -> None:
        """Hält fest, dass eine Activity lief, auch wenn sie nichts bewirkte."""
        with closing(self._open()) as db:
            db.execute(
                "INSERT INTO entry(kind, key, cents) VALUES (?, ?, 1)", (kind, key)
            )

    def _entries(self, db: sqlite3.Connection, kind: str) -> list[tuple[str, int]]:
        query = "SELECT key, cents FROM entry WHERE kind = ? ORDER BY number"
        return db.execute(query, (kind,)).fetchall()

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self._file, timeout=30, isolation_level=None)
