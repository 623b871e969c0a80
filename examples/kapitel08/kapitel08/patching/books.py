"""Die Bücher der Systeme hinter den Activities: eine SQLite-Datei, je Dienst und
Schlüssel ein Eintrag.
"""

import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path


def enter(folder: Path, service: str, key: str) -> None:
    """Trägt `key` beim Dienst `service` ein, wenn er dort noch nicht steht."""
    with closing(_open(folder)) as db, db:
        db.execute("INSERT OR IGNORE INTO entry VALUES (?, ?)", (service, key))


def entries(folder: Path, key: str) -> Counter[str]:
    """Wie oft jeder Dienst für den Auftrag `key` etwas eingetragen hat."""
    with closing(_open(folder)) as db:
        rows = db.execute("SELECT service FROM entry WHERE key = ?", (key,))
        return Counter(service for (service,) in rows)


def _open(folder: Path) -> sqlite3.Connection:
    db = sqlite3.connect(folder / "buecher.sqlite3", timeout=30)
    db.execute(
        "CREATE TABLE IF NOT EXISTS entry("
        "service TEXT, key TEXT, PRIMARY KEY (service, key))"
    )
    return db
