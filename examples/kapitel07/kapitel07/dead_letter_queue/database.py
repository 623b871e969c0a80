"""Eine SQLite-Datei für mehrere Threads und Prozesse, mit Transaktionen."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Database:
    """Die Datei `name` in `folder`, mit den Tabellen aus `schema`."""

    def __init__(self, folder: Path, name: str, schema: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._db = sqlite3.connect(
            folder / name, timeout=30, isolation_level=None, check_same_thread=False
        )
        self._db.executescript(
            f"PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; {schema}"
        )

    def close(self) -> None:
        """Schließt die Datei."""
        self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
