"""Die Activities: Gebühr buchen und Mahnung verschicken, beide idempotent über die Rechnungsnummer."""

import sqlite3
from contextlib import closing

from temporalio import activity

from mahnung.workflow import Invoice

INSERT = "INSERT OR IGNORE INTO effects VALUES (?)"


def _record(invoice: Invoice, effect: str) -> None:
    with closing(sqlite3.connect(invoice.database, timeout=10)) as database, database:
        database.execute("CREATE TABLE IF NOT EXISTS effects (key TEXT UNIQUE)")
        database.execute(INSERT, (f"{effect} {invoice.number}",))


@activity.defn
def charge_fee(invoice: Invoice) -> None:
    """Bucht die Mahngebühr."""
    _record(invoice, "Gebühr")


@activity.defn
def send_reminder(invoice: Invoice) -> None:
    """Verschickt die Mahnung."""
    _record(invoice, "Brief")


def effects(database: str) -> list[str]:
    """Alles, was gebucht und verschickt wurde."""
    with closing(sqlite3.connect(database)) as connection:
        return [key for (key,) in connection.execute("SELECT key FROM effects ORDER BY key")]
