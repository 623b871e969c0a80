"""Das Erstattungsbuch: eine SQLite-Datei, die je Schlüssel höchstens einmal auszahlt.

Es kennt zwei Vorgänge. `book` zahlt aus, `hold` hält an: Danach prallen verspätete
Aufrufe derselben oder einer früheren Runde ab. Erst ein Anlauf mit höherer Runde zahlt
wieder aus (ein „fencing token“).
"""

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

from kapitel07.dead_letter_queue.database import Database
from kapitel07.dead_letter_queue.models import BookRequest, Receipt, cents, problem

BOOKED = "gebucht"
HELD = "angehalten"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS sale(number TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS entry(
    key TEXT PRIMARY KEY, state TEXT NOT NULL, round INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS journal(
    number INTEGER PRIMARY KEY, key TEXT NOT NULL, cents INTEGER NOT NULL);
"""


class RejectedError(Exception):
    """Ein fachliches Nein: Derselbe Aufruf bekäme dieselbe Antwort."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class RefundLedger(Database):
    """Das Buch in `folder`; von mehreren Threads und Prozessen benutzbar."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "erstattungen.sqlite3", _SCHEMA)

    def add_sales(self, *numbers: str) -> None:
        """Stammdaten: Zu diesen Aufträgen darf erstattet werden."""
        with self._transaction() as db:
            db.executemany(
                "INSERT OR IGNORE INTO sale VALUES (?)", [(n,) for n in numbers]
            )

    # --8<-- [start:book]
    def book(self, request: BookRequest) -> Receipt:
        """Zahlt einmal je Schlüssel aus; eine angehaltene Runde gar nicht."""
        key = request.row.key
        with self._transaction() as db:
            state, held = self._entry(key)
            if state != BOOKED:
                if state == HELD and request.round <= held:  # (!)
                    raise RejectedError(
                        "Angehalten", f"Runde {request.round} von {key} ist beendet."
                    )
                self._check(request)
                self._enter(key, BOOKED, request.round)
                amount = cents(request.row.amount)
                db.execute(
                    "INSERT INTO journal(key, cents) VALUES (?, ?)", (key, amount)
                )
        return self._receipt(key)

    # --8<-- [end:book]

    # --8<-- [start:hold]
    def hold(self, request: BookRequest) -> Receipt | None:
        """Hält alle Runden bis zu dieser an; nennt die Quittung, wenn schon gebucht."""
        key = request.row.key
        with self._transaction():
            state, held = self._entry(key)
            if state == BOOKED:
                return self._receipt(key)
            self._enter(key, HELD, max(held, request.round))
        return None

    # --8<-- [end:hold]

    def _check(self, request: BookRequest) -> None:
        row = request.row
        if found := problem(row):
            raise RejectedError(*found)
        query = "SELECT 1 FROM sale WHERE number = ?"
        if not self._db.execute(query, (row.order,)).fetchone():
            raise RejectedError(
                "AuftragUnbekannt", f"Den Auftrag {row.order} kennt niemand."
            )

    def _entry(self, key: str) -> tuple[str, int]:
        query = "SELECT state, round FROM entry WHERE key = ?"
        found: tuple[str, int] | None = self._db.execute(query, (key,)).fetchone()
        return found or ("", -1)

    def _enter(self, key: str, state: str, number: int) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO entry VALUES (?, ?, ?)", (key, state, number)
        )

    def _receipt(self, key: str) -> Receipt:
        return Receipt(f"E-{hashlib.sha256(key.encode()).hexdigest()[:8]}")


def payments(folder: Path) -> list[tuple[str, int]]:
    """Alle Auszahlungen als Schlüssel und Cent, in ihrer Reihenfolge."""
    with closing(sqlite3.connect(folder / "erstattungen.sqlite3", timeout=30)) as db:
        return db.execute("SELECT key, cents FROM journal ORDER BY number").fetchall()
