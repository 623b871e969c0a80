"""Die eine Activity: Geld überweisen."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from kapitel16.codec_server.models import Refund

CLOSED_ACCOUNT = "DE02120300000000202051"
"""Dieses Konto gibt es nicht mehr."""


class RefundActivities:
    """Das Überweisungsbuch von Nordlicht Versand, eine SQLite-Datei."""

    def __init__(self, folder: Path) -> None:
        """`folder` nimmt das Buch auf."""
        self._book = folder / "ueberweisungen.sqlite3"

    @activity.defn
    def transfer(self, refund: Refund) -> str:
        """Überweist den Betrag. Idempotent über `refund.number`."""
        if refund.iban == CLOSED_ACCOUNT:
            raise ApplicationError(
                f"Das Konto {refund.iban} von {refund.customer} ist erloschen.",
                type="KontoErloschen",
                non_retryable=True,
                category=ApplicationErrorCategory.BENIGN,
            )
        with closing(sqlite3.connect(self._book, timeout=10)) as db, db:
            db.execute(
                "CREATE TABLE IF NOT EXISTS transfer (key TEXT PRIMARY KEY, cents INT)"
            )
            db.execute(
                "INSERT OR IGNORE INTO transfer VALUES (?, ?)",
                (refund.number, refund.amount_cents),
            )
        return f"U-{refund.number}"

    def all(self) -> list[Callable[..., Any]]:
        """Alle Activities, für den Worker."""
        return [self.transfer]


def transfers(folder: Path) -> dict[str, int]:
    """Die Überweisungen nach ihrem Schlüssel, in Cent."""
    path = folder / "ueberweisungen.sqlite3"
    if not path.exists():
        return {}
    with closing(sqlite3.connect(path, timeout=10)) as db:
        return dict(db.execute("SELECT key, cents FROM transfer"))
