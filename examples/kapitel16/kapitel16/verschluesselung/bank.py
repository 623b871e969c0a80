"""Die fremde Bank: eine SQLite-Datei, in der jede Überweisung genau einmal steht."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

BLOCKED_IBAN = "DE02120300000000202051"
"""Test-IBAN, deren Konto gesperrt ist."""


class AccountBlockedError(Exception):
    """Die Bank nimmt für dieses Konto nichts an."""


class Bank:
    """Überweist; mehrfache Aufträge mit demselben Schlüssel gelten als einer."""

    def __init__(self, folder: Path) -> None:
        """Das Buch liegt in `folder`."""
        self._file = folder / "bank.sqlite3"
        with self._open() as db:
            db.execute(
                "CREATE TABLE IF NOT EXISTS transfers "
                "(key TEXT PRIMARY KEY, iban TEXT, cents INTEGER)"
            )

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._file, timeout=10)) as db, db:
            yield db

    def transfer(self, key: str, iban: str, cents: int) -> str:
        """Bucht `cents` auf `iban`, idempotent über `key`; gibt die Referenz zurück.

        Wirft `AccountBlockedError`.
        """
        if iban == BLOCKED_IBAN:
            raise AccountBlockedError(iban)
        with self._open() as db:
            db.execute(
                "INSERT OR IGNORE INTO transfers VALUES (?, ?, ?)", (key, iban, cents)
            )
        return f"SEPA-{key}"

    def transfers(self) -> list[tuple[str, str, int]]:
        """Alle Überweisungen: Schlüssel, IBAN, Cent."""
        with self._open() as db:
            return list(db.execute("SELECT key, iban, cents FROM transfers"))
