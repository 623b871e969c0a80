"""Das Lager. Diese Datei ist vorgegeben."""

import json
import sqlite3
import time
from pathlib import Path


class Warehouse:
    """Nimmt Zeilen der Preisliste an; `folder` ist der Ordner mit seinem Buch.

    Dieselbe Zeile wirkt nur einmal. Jede Anfrage zählt aber, auch die wiederholte.
    """

    def __init__(self, folder: str) -> None:
        self._fault = json.loads(Path(folder, "stoerung.json").read_text("utf-8"))
        self._db = sqlite3.connect(
            Path(folder, "lager.sqlite"), timeout=30, check_same_thread=False
        )
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.execute("CREATE TABLE IF NOT EXISTS calls (row INTEGER)")
        self._db.execute("CREATE TABLE IF NOT EXISTS stock (row INTEGER UNIQUE)")

    def book(self, row: int) -> None:
        """Bucht eine Zeile. Bei der Störung der Prüfung scheitert oder hängt sie."""
        with self._db as db:
            db.execute("INSERT INTO calls VALUES (?)", (row,))
            count = db.execute("SELECT count(*) FROM calls WHERE row = ?", (row,))
            first = count.fetchone()[0] == 1
        disturbed = first and row == self._fault["row"]
        if disturbed and self._fault["kind"] == "fails":
            raise ConnectionError(f"Das Lager nimmt Zeile {row} gerade nicht an.")
        with self._db as db:
            db.execute("INSERT OR IGNORE INTO stock VALUES (?)", (row,))
        while disturbed:
            time.sleep(0.05)
