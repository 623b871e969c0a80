"""Zwei fremde Systeme: Zahlungsdienst und Paketdienst, jedes mit eigener SQLite-Datei.

Die Trennung ist Absicht. Lägen beide Buchungen in einer Datenbank, genügte eine
Transaktion, und dieses Muster wäre überflüssig.
"""

import argparse
import sqlite3
from contextlib import closing
from pathlib import Path


class Ledger:
    """Das Buch eines fremden Systems: je Buchung eine Zeile, je Aufruf ein Strich."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        with closing(self._connect()) as db:
            db.executescript(
                "CREATE TABLE IF NOT EXISTS calls(order_id TEXT NOT NULL);"
                "CREATE TABLE IF NOT EXISTS entries("
                "number INTEGER PRIMARY KEY, key TEXT UNIQUE,"
                " order_id TEXT NOT NULL, cents INTEGER NOT NULL);"
            )

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=10, isolation_level=None)

    # --8<-- [start:book]
    def book(self, order_id: str, cents: int, *, key: str | None = None) -> int:
        """Bucht und gibt die Buchungsnummer zurück.

        Ist der Schlüssel `key` schon bekannt, entsteht keine zweite Buchung; die
        Antwort ist die Nummer der ersten. Ohne Schlüssel bucht jeder Aufruf neu.
        """
        with closing(self._connect()) as db:
            db.execute("INSERT INTO calls VALUES (?)", (order_id,))
            insert = (
                "INSERT OR IGNORE INTO entries(key, order_id, cents) VALUES (?, ?, ?)"
            )
            db.execute(insert, (key, order_id, cents))
            query = "SELECT max(number) FROM entries WHERE order_id=? AND key IS ?"
            return int(db.execute(query, (order_id, key)).fetchone()[0])

    # --8<-- [end:book]

    def calls(self, order_id: str) -> int:
        """Wie oft der Dienst für diese Bestellung aufgerufen wurde."""
        return self._count("calls", order_id)

    def entries(self, order_id: str) -> int:
        """Wie viele Buchungen zu dieser Bestellung im Buch stehen."""
        return self._count("entries", order_id)

    def _count(self, table: str, order_id: str) -> int:
        with closing(self._connect()) as db:
            row = db.execute(
                f"SELECT count(*) FROM {table} WHERE order_id = ?", (order_id,)
            ).fetchone()
        return int(row[0])


def payment_ledger(folder: Path) -> Ledger:
    """Das Buch des Zahlungsdienstes in `folder`."""
    return Ledger(folder / "zahlungen.sqlite3")


def shipping_ledger(folder: Path) -> Ledger:
    """Das Buch des Paketdienstes in `folder`."""
    return Ledger(folder / "pakete.sqlite3")


def audit(folder: Path, order_id: str) -> list[str]:
    """Liest beide Bücher und sagt je in einem Satz, was zu `order_id` darin steht."""
    books = (
        ("Zahlungsdienst", payment_ledger(folder)),
        ("Paketdienst", shipping_ledger(folder)),
    )
    return [
        f"{name}: {book.entries(order_id)} × gebucht, "
        f"{book.calls(order_id)} × aufgerufen"
        for name, book in books
    ]


def main() -> None:
    """Kommandozeile: `python -m kapitel01.absturz_und_weiter.services B-1002`."""
    parser = argparse.ArgumentParser(
        description="Zeigt, was die beiden Dienste zu einer Bestellung wissen."
    )
    parser.add_argument("bestellung", nargs="?", default="B-1002")
    parser.add_argument("--daten", type=Path, default=Path("nordlicht-daten"))
    arguments = parser.parse_args()
    print("\n".join(audit(arguments.daten, arguments.bestellung)))


if __name__ == "__main__":
    main()
