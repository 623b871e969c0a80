"""Drei Bücher: Zahlungen, Pakete, Auftragsjournal. Diese Datei ist vorgegeben."""

import sqlite3
from contextlib import closing


def book(file: str, ledger: str, text: str, key: str | None = None) -> int:
    """Schreibt eine Zeile in das Buch `ledger` und gibt ihre Nummer zurück.

    Ein bekannter `key` schreibt in diesem Buch keine zweite; die Antwort ist dann die
    Nummer der ersten. Ohne Schlüssel schreibt jeder Aufruf.
    """
    with closing(sqlite3.connect(file, timeout=30)) as database, database:
        database.execute("INSERT INTO calls VALUES (?, ?)", (ledger, text))
        added = database.execute(
            "INSERT OR IGNORE INTO entries (ledger, text, key) VALUES (?, ?, ?)",
            (ledger, text, key),
        )
        if added.rowcount:
            return int(added.lastrowid or 0)
        found = database.execute(
            "SELECT number FROM entries WHERE ledger = ? AND key = ?", (ledger, key)
        )
        return int(found.fetchone()[0])
