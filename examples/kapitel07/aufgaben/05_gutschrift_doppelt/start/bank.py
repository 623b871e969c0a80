"""Die Bank. Diese Datei ist vorgegeben. Beträge in Cent."""

import sqlite3
from contextlib import closing


def post(book: str, key: str, account: str, cents: int) -> None:
    """Bucht `cents` auf `account`; unter demselben `key` nur einmal."""
    with closing(sqlite3.connect(book, timeout=30)) as database, database:
        database.execute(
            "INSERT OR IGNORE INTO postings (key, account, cents) VALUES (?, ?, ?)",
            (key, account, cents),
        )
