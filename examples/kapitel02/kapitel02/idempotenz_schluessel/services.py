"""Drei Systeme, die eine Retoure berührt, jedes mit eigener SQLite-Datei.

Die Bank kennt Idempotenzschlüssel. Der Abholdienst kennt keine, lässt sich aber nach
der Retoure fragen. Das Punktekonto gehört zum eigenen Haus. `Claims` ist das Merkbuch
über Aufrufe, deren Ausgang noch offen sein kann.
"""

import argparse
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path


class KeyConflictError(Exception):
    """Der Schlüssel gehört schon zu einem anderen Auftrag."""


class _Database:
    """Eine SQLite-Datei; jeder Block in `transaction` gilt ganz oder gar nicht."""

    schema: str

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        with closing(self._connect()) as db:
            db.executescript(self.schema)

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=10, isolation_level=None)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Eine Transaktion, die von Anfang an schreiben darf."""
        with closing(self._connect()) as db:
            db.execute("BEGIN IMMEDIATE")
            with db:
                yield db

    def _numbers(self, query: str, return_id: str) -> list[int]:
        with closing(self._connect()) as db:
            return [int(row[0]) for row in db.execute(query, (return_id,))]


class Bank(_Database):
    """Fremd, mit Schlüsseln: jede Erstattung eine Zeile, jeder Aufruf ein Strich."""

    schema = """
        CREATE TABLE IF NOT EXISTS calls(return_id TEXT NOT NULL);
        CREATE TABLE IF NOT EXISTS refunds(number INTEGER PRIMARY KEY,
            key TEXT UNIQUE, return_id TEXT NOT NULL, cents INTEGER NOT NULL);
    """

    # --8<-- [start:bank]
    def refund(self, key: str, return_id: str, cents: int) -> int:
        """Erstattet `cents` und gibt die Buchungsnummer zurück, je Schlüssel einmal.

        Derselbe Schlüssel mit anderem Inhalt wirft `KeyConflictError`.
        """
        with self.transaction() as db:
            db.execute("INSERT INTO calls VALUES (?)", (return_id,))
            db.execute(  # (1)
                "INSERT INTO refunds(key, return_id, cents) VALUES (?, ?, ?)"
                " ON CONFLICT(key) DO NOTHING",
                (key, return_id, cents),
            )
            query = "SELECT number, return_id, cents FROM refunds WHERE key = ?"
            number, *content = db.execute(query, (key,)).fetchone()
        if content != [return_id, cents]:  # (2)
            raise KeyConflictError(f"{key} gehört zu {content[0]}, {content[1]} Cent")
        return int(number)  # (3)

    # --8<-- [end:bank]

    def forget_keys(self) -> None:
        """Die Aufbewahrungsfrist ist um: Buchungen bleiben, Schlüssel nicht."""
        with self.transaction() as db:
            db.execute("UPDATE refunds SET key = NULL")

    def refunds(self, return_id: str) -> list[int]:
        """Die Beträge aller Erstattungen zu einer Retoure, in Cent."""
        return self._numbers("SELECT cents FROM refunds WHERE return_id = ?", return_id)

    def calls(self, return_id: str) -> int:
        """Wie oft die Bank zu dieser Retoure gerufen wurde."""
        return len(self._numbers("SELECT 1 FROM calls WHERE return_id = ?", return_id))


class PickupService(_Database):
    """Fremd, ohne Schlüssel: Jeder Auftrag schickt einen Wagen los."""

    schema = """
        CREATE TABLE IF NOT EXISTS pickups(number INTEGER PRIMARY KEY,
            return_id TEXT NOT NULL);
    """

    def find(self, return_id: str) -> int | None:
        """Die Nummer der ersten Abholung zu dieser Retoure."""
        return next(iter(self.pickups(return_id)), None)

    def order(self, return_id: str) -> int:
        """Bestellt eine Abholung und gibt ihre Nummer zurück."""
        with self.transaction() as db:
            insert = "INSERT INTO pickups(return_id) VALUES (?) RETURNING number"
            return int(db.execute(insert, (return_id,)).fetchone()[0])

    def pickups(self, return_id: str) -> list[int]:
        """Die Nummern aller Abholungen zu einer Retoure."""
        query = "SELECT number FROM pickups WHERE return_id = ? ORDER BY number"
        return self._numbers(query, return_id)


class LoyaltyAccount(_Database):
    """Eigenes Punktekonto: Abzüge stehen einzeln da, je Retoure höchstens einer."""

    schema = """
        CREATE TABLE IF NOT EXISTS deductions(return_id TEXT PRIMARY KEY,
            points INTEGER NOT NULL);
    """

    # --8<-- [start:natural]
    def deduct(self, return_id: str, points: int) -> None:
        """Zieht Punkte ab; die Retoure selbst ist der Schlüssel."""
        with self.transaction() as db:
            db.execute(
                "INSERT INTO deductions VALUES (?, ?) ON CONFLICT DO NOTHING",
                (return_id, points),
            )

    # --8<-- [end:natural]

    def deducted(self, return_id: str) -> int:
        """Die Summe der Abzüge zu einer Retoure."""
        query = "SELECT points FROM deductions WHERE return_id = ?"
        return sum(self._numbers(query, return_id))


class Claims(_Database):
    """Das eigene Merkbuch: Wer ruft, trägt sich vorher ein."""

    schema = """
        CREATE TABLE IF NOT EXISTS claims(key TEXT PRIMARY KEY, since TEXT NOT NULL);
    """

    # --8<-- [start:claim]
    def claim(self, key: str, now: datetime, patience: timedelta) -> timedelta:
        """Merkt einen Aufruf vor und gibt die Wartezeit zurück; null heißt: rufen.

        Solange eine frühere Vormerkung jünger ist als `patience`, kann deren Aufruf
        noch unterwegs sein; dann bleibt sie stehen.
        """
        with self.transaction() as db:
            query = "SELECT since FROM claims WHERE key = ?"
            for (since,) in db.execute(query, (key,)).fetchall():
                wait = datetime.fromisoformat(since) + patience - now
                if wait > timedelta():
                    return wait
            values = (key, now.isoformat())
            db.execute("INSERT OR REPLACE INTO claims VALUES (?, ?)", values)
        return timedelta()

    # --8<-- [end:claim]


def bank(folder: Path) -> Bank:
    """Das Buch der Bank in `folder`."""
    return Bank(folder / "bank.sqlite3")


def pickup_service(folder: Path) -> PickupService:
    """Das Buch des Abholdienstes in `folder`."""
    return PickupService(folder / "abholungen.sqlite3")


def loyalty_account(folder: Path) -> LoyaltyAccount:
    """Das Punktekonto in `folder`."""
    return LoyaltyAccount(folder / "punkte.sqlite3")


def claims(folder: Path) -> Claims:
    """Das Merkbuch in `folder`."""
    return Claims(folder / "merkbuch.sqlite3")


def audit(folder: Path, return_id: str) -> list[str]:
    """Liest alle Bücher und sagt je in einem Satz, was zu `return_id` darin steht."""
    book = bank(folder)
    refunds = (
        ", ".join(f"{cents} Cent" for cents in book.refunds(return_id)) or "nichts"
    )
    pickups = len(pickup_service(folder).pickups(return_id))
    return [
        f"Bank: {refunds} erstattet, {book.calls(return_id)} × aufgerufen",
        f"Abholdienst: {pickups} × bestellt",
        f"Punktekonto: {loyalty_account(folder).deducted(return_id)} Punkte abgezogen",
    ]


def main() -> None:
    """Kommandozeile: `python -m kapitel02.idempotenz_schluessel.services R-3100`."""
    parser = argparse.ArgumentParser(description="Was wissen die Bücher der Retoure?")
    parser.add_argument("retoure", nargs="?", default="R-3100")
    parser.add_argument("--daten", type=Path, default=Path("nordlicht-daten"))
    arguments = parser.parse_args()
    print("\n".join(audit(arguments.daten, arguments.retoure)))


if __name__ == "__main__":
    main()
