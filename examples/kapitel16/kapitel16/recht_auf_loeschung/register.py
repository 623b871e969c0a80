"""Was außerhalb von Temporal steht: Stammdaten, Lager, Versand und das Löschprotokoll.

Drei SQLite-Dateien. Das Protokoll ist eine eigene, denn es muss eine Rücksicherung der
anderen überstehen.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from kapitel16.recht_auf_loeschung.codec import COMPANY
from kapitel16.recht_auf_loeschung.key_store import KeyStore
from kapitel16.recht_auf_loeschung.models import (
    PURPOSES,
    Customer,
    ErasureRecord,
    Proof,
)

CUSTOMER_FILE = "stammdaten.sqlite"
SHOP_FILE = "versand.sqlite"
RECORD_FILE = "loeschprotokoll.sqlite"

SCHEMA = {
    CUSTOMER_FILE: "CREATE TABLE IF NOT EXISTS customers (number TEXT PRIMARY KEY, "
    "name TEXT, email TEXT, street TEXT, city TEXT, closed INTEGER DEFAULT 0)",
    SHOP_FILE: "CREATE TABLE IF NOT EXISTS stock (order_number TEXT PRIMARY KEY, "
    "state TEXT, parcel TEXT)",
    RECORD_FILE: "CREATE TABLE IF NOT EXISTS records (workflow_id TEXT, "
    "key_id TEXT, record TEXT, PRIMARY KEY (workflow_id, key_id))",
}


class CustomerUnknownError(LookupError):
    """Zu dieser Nummer gibt es keine Kundin oder keinen Kunden (mehr)."""


class Register:
    """Öffnet die Dateien in `folder` und legt sie an, wenn es sie nicht gibt."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._keys = KeyStore(folder)
        self._keys.create(COMPANY)
        for file, schema in SCHEMA.items():
            with self._open(file) as connection:
                connection.execute(schema)

    @contextmanager
    def _open(self, file: str) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self._folder / file, timeout=10)
        try:
            connection.execute("PRAGMA secure_delete = ON")
            with connection:
                yield connection
        finally:
            connection.close()

    # --8<-- [start:register]
    def register(self, customer: Customer) -> None:
        """Nimmt eine Kundin auf: eine Zeile und je Zweck ein Schlüssel."""
        for purpose in PURPOSES:
            self._keys.create(f"{customer.number}.{purpose}")
        with self._open(CUSTOMER_FILE) as connection:
            connection.execute(
                "INSERT OR IGNORE INTO customers (number, name, email, street, city) "
                "VALUES (:number, :name, :email, :street, :city)",
                asdict(customer),
            )

    # --8<-- [end:register]

    def customer(self, number: str) -> Customer:
        """Die Zeile zu einer Nummer; wirft `CustomerUnknownError`."""
        with self._open(CUSTOMER_FILE) as connection:
            row = connection.execute(
                "SELECT number, name, email, street, city FROM customers "
                "WHERE number = ?",
                (number,),
            ).fetchone()
        if row is None:
            raise CustomerUnknownError(f"Die Kundennummer {number} gibt es nicht.")
        return Customer(*row)

    def accepts_orders(self, number: str) -> bool:
        """Ob das Konto existiert und nicht für eine Löschung gesperrt ist."""
        with self._open(CUSTOMER_FILE) as connection:
            query = "SELECT 1 FROM customers WHERE number = ? AND NOT closed"
            return connection.execute(query, (number,)).fetchone() is not None

    def close(self, number: str) -> None:
        """Sperrt das Konto: Ab jetzt nimmt der Shop nichts mehr an."""
        with self._open(CUSTOMER_FILE) as connection:
            connection.execute(
                "UPDATE customers SET closed = 1 WHERE number = ?", (number,)
            )

    def forget(self, number: str) -> None:
        """Löscht die Zeile; ab jetzt ist die Nummer nur noch eine Nummer."""
        with self._open(CUSTOMER_FILE) as connection:
            connection.execute("DELETE FROM customers WHERE number = ?", (number,))

    def reserve(self, order: str) -> None:
        """Legt Ware zurück; ein zweites Mal ändert nichts."""
        with self._open(SHOP_FILE) as connection:
            connection.execute(
                "INSERT OR IGNORE INTO stock (order_number, state) VALUES (?, ?)",
                (order, "reserviert"),
            )

    def release(self, order: str) -> None:
        """Gibt die Ware zurück."""
        self._set_state(order, "freigegeben")

    def ship(self, order: str) -> None:
        """Verschickt die Ware; ein zweites Mal ändert nichts."""
        self._set_state(order, "verschickt")

    def _set_state(self, order: str, state: str) -> None:
        with self._open(SHOP_FILE) as connection:
            connection.execute(
                "UPDATE stock SET state = ? "
                "WHERE order_number = ? AND state = 'reserviert'",
                (state, order),
            )

    def stock(self) -> dict[str, str]:
        """Wo die Ware jedes Auftrags ist."""
        with self._open(SHOP_FILE) as connection:
            rows = connection.execute("SELECT order_number, state FROM stock")
            return dict(rows.fetchall())

    def record(self, workflow_id: str, record: ErasureRecord) -> None:
        """Schreibt ins Protokoll; je Antrag und Schlüssel genau eine Zeile."""
        text = json.dumps(asdict(record), ensure_ascii=False)
        with self._open(RECORD_FILE) as connection:
            connection.executemany(
                "INSERT OR IGNORE INTO records VALUES (?, ?, ?)",
                [
                    (workflow_id, f"{record.customer}.{purpose}", text)
                    for purpose in record.purposes
                ],
            )

    def records(self) -> list[ErasureRecord]:
        """Das Protokoll in der Reihenfolge der Einträge."""
        with self._open(RECORD_FILE) as connection:
            rows = connection.execute("SELECT record FROM records ORDER BY rowid")
            found = [json.loads(row[0]) for row in rows.fetchall()]
        return [
            ErasureRecord(**{**entry, "proof": Proof(**entry["proof"])})
            for entry in found
        ]

    # --8<-- [start:reapply]
    def reapply(self) -> int:
        """Löscht nach einer Rücksicherung alles noch einmal, was im Protokoll steht."""
        for record in (records := self.records()):
            for purpose in record.purposes:
                self._keys.destroy(f"{record.customer}.{purpose}", record.destroyed_at)
            self.forget(record.customer)
        return len(records)

    # --8<-- [end:reapply]
