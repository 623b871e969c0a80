"""Das Lagerbuch: eine SQLite-Datei, in der steht, welche Version was getan hat."""

import sqlite3
from contextlib import closing
from pathlib import Path


class WarehouseBook:
    """Alle Einträge liegen in `folder`; mehrere Prozesse teilen sich die Datei."""

    def __init__(self, folder: Path) -> None:
        """Legt die Tabelle an, falls sie fehlt."""
        self._path = folder / "lagerbuch.sqlite3"
        with closing(self._connect()) as db, db:
            db.execute(
                "CREATE TABLE IF NOT EXISTS entry "
                "(key TEXT PRIMARY KEY, number TEXT, step TEXT, build TEXT)"
            )

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=10)

    def write(self, key: str, number: str, step: str, build: str) -> None:
        """Trägt einen Schritt ein; derselbe Schlüssel zählt nur einmal."""
        with closing(self._connect()) as db, db:
            db.execute(
                "INSERT OR IGNORE INTO entry VALUES (?, ?, ?, ?)",
                (key, number, step, build),
            )

    def entries(self, number: str) -> list[tuple[str, str]]:
        """Schritte zu einer Nummer in ihrer Reihenfolge, je mit der Build-ID."""
        with closing(self._connect()) as db:
            return db.execute(
                "SELECT step, build FROM entry WHERE number = ? ORDER BY rowid",
                (number,),
            ).fetchall()
