"""Die Activity des Kontos. Auch sie liest Daten jeder Form."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from temporalio import activity

from kapitel08.zustand_migrieren.models import Confirmation
from kapitel08.zustand_migrieren.schema import Payload, read


class Outbox:
    """Der Postausgang; eine Bestätigung je Buchungsnummer."""

    def __init__(self, folder: Path) -> None:
        """Der Ordner muss existieren; die Datenbank entsteht mit der ersten Post."""
        self._path = folder / "postausgang.sqlite3"

    @classmethod
    def from_environment(cls) -> "Outbox":
        """Liest `NORDLICHT_ORDNER`."""
        return cls(Path(os.environ["NORDLICHT_ORDNER"]))

    def send(self, number: str, email: str, cents: int) -> None:
        """Legt eine Bestätigung ab. Idempotent über `number`."""
        with closing(self._connect()) as db, db:
            db.execute(
                "INSERT OR IGNORE INTO mail VALUES (?, ?, ?)", (number, email, cents)
            )

    def mails(self) -> list[tuple[str, str, int]]:
        """Nummer, Empfänger und Stand jeder Bestätigung, nach Nummer."""
        with closing(self._connect()) as db:
            return [*db.execute("SELECT * FROM mail ORDER BY number")]

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, timeout=10)
        db.execute(
            "CREATE TABLE IF NOT EXISTS mail"
            " (number TEXT PRIMARY KEY, email TEXT, cents INTEGER)"
        )
        return db


class AccountActivities:
    """Buchungen bestätigen."""

    def __init__(self, outbox: Outbox) -> None:
        """Schreibt in diesen Postausgang."""
        self._outbox = outbox

    # --8<-- [start:confirm]
    @activity.defn
    def confirm_booking(self, sent: Payload) -> None:
        """Bestätigt eine Buchung. Idempotent über `number`."""
        mail = read(Confirmation, sent)  # (!)
        self._outbox.send(mail.number, mail.email, mail.balance_cents)

    # --8<-- [end:confirm]
