"""Die fremden Systeme: drei Versanddienste, ein Tarif, ein Briefdienst mit Netzwerk.

Alle Buchungen liegen in einer SQLite-Datei; jede nennt, wo die Activity lief.
"""

import asyncio
import json
import socketserver
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

TARIFF = {"letter_grams": 1000, "parcel_grams": 31_500}
ROUTES = {"DE": "book_parcel", "DK": "book_abroad", "SE": "book_abroad"}


class Ledger:
    """Das Buch der Versanddienste; jede Buchung blockiert `slow` Sekunden lang."""

    def __init__(self, folder: Path, slow: float = 0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "versand.sqlite3"
        self._slow = slow
        with closing(self._connect()) as db:
            db.executescript(
                "CREATE TABLE IF NOT EXISTS calls(carrier TEXT NOT NULL);"
                "CREATE TABLE IF NOT EXISTS bookings(number INTEGER PRIMARY KEY,"
                " key TEXT UNIQUE, carrier TEXT NOT NULL, place TEXT NOT NULL);"
            )

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=10, isolation_level=None)

    def book(self, carrier: str, key: str, place: str) -> int:
        """Bucht und gibt die Nummer zurück; ein bekannter Schlüssel bucht nicht neu."""
        time.sleep(self._slow)
        with closing(self._connect()) as db:
            db.execute("INSERT INTO calls VALUES (?)", (carrier,))
            insert = (
                "INSERT OR IGNORE INTO bookings(key, carrier, place) VALUES (?, ?, ?)"
            )
            db.execute(insert, (key, carrier, place))
            query = "SELECT max(number) FROM bookings WHERE key = ?"
            return int(db.execute(query, (key,)).fetchone()[0])

    def bookings(self) -> list[tuple[str, str, str]]:
        """Schlüssel, Versanddienst und Ort jeder Buchung, nach Schlüssel geordnet."""
        with closing(self._connect()) as db:
            query = "SELECT key, carrier, place FROM bookings ORDER BY key"
            return [(str(k), str(c), str(p)) for k, c, p in db.execute(query)]

    def calls(self, carrier: str) -> int:
        """Wie oft der Versanddienst aufgerufen wurde."""
        with closing(self._connect()) as db:
            query = "SELECT count(*) FROM calls WHERE carrier = ?"
            return int(db.execute(query, (carrier,)).fetchone()[0])


def audit(folder: Path) -> list[str]:
    """Was im Buch steht, ein Satz je Buchung, und welche Etiketten gedruckt sind."""
    lines = [
        f"{key}: {carrier} (gebucht in: {place})"
        for key, carrier, place in Ledger(folder).bookings()
    ]
    labels = sorted(file.stem for file in (folder / "etiketten").glob("*.pbm"))
    return [*lines, f"Etiketten: {', '.join(labels) or 'keine'}"]


def place() -> str:
    """Wo dieser Aufruf läuft: in der Event-Loop, einem Thread oder eigenen Prozess."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        main = threading.current_thread() is threading.main_thread()
        return "Prozess" if main else "Thread"
    return "Event-Loop"


class _Letters(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def __init__(self, ledger: Ledger, port: int) -> None:
        super().__init__(("127.0.0.1", port), _LetterHandler)
        self.ledger = ledger


class _LetterHandler(socketserver.StreamRequestHandler):
    server: _Letters

    def handle(self) -> None:
        """Eine Zeile JSON hinein, eine Nummer heraus."""
        request = json.loads(self.rfile.readline())
        number = self.server.ledger.book("Brief", request["key"], request["place"])
        self.wfile.write(f"{number}\n".encode())


@contextmanager
def letter_service(folder: Path, port: int = 0) -> Iterator[int]:
    """Betreibt den Briefdienst auf `port` (0: ein freier) und nennt den Port."""
    with _Letters(Ledger(folder), port) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield int(server.server_address[1])
        finally:
            server.shutdown()


def write_tariff(folder: Path, **changes: int) -> None:
    """Legt den Tarif ab; `changes` weicht vom üblichen ab."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(TARIFF | changes)
    (folder / "tarif.json").write_text(text, encoding="utf-8")


def read_tariff(folder: Path) -> dict[str, int]:
    """Der geltende Tarif."""
    tariff: dict[str, int] = json.loads(
        (folder / "tarif.json").read_text(encoding="utf-8")
    )
    return tariff
