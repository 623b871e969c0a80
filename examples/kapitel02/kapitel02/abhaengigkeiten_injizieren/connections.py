"""Die wirklichen Verbindungen: Datenbank des Lagers, Versanddienst, Uhr."""

import json
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time
from http.client import HTTPConnection
from pathlib import Path
from typing import Generic, Protocol, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from kapitel02.abhaengigkeiten_injizieren.activities import (
    Order,
    OutOfStockError,
    Pickup,
)

BERLIN = ZoneInfo("Europe/Berlin")


@dataclass(frozen=True)
class Config:
    """Was der Betrieb festlegt; gelesen wird es einmal, beim Start des Workers.

    Nach `carrier_timeout` Sekunden ohne Antwort gilt der Versanddienst als ausgefallen;
    `cutoff` ist der Annahmeschluss in Berlin.
    """

    database: Path
    carrier_url: str
    carrier_timeout: float = 5.0
    cutoff: time = time(14)


class SystemClock:
    """Die Uhr des Rechners."""

    def now(self) -> datetime:
        """Die Zeit jetzt, in Berlin."""
        return datetime.now(BERLIN)


class Closable(Protocol):
    """Was sich schließen lässt."""

    def close(self) -> None:
        """Schließt."""


T = TypeVar("T", bound=Closable)


# --8<-- [start:je-thread]
class PerThread(Generic[T]):
    """Öffnet in jedem Thread eine Verbindung, beim ersten Gebrauch."""

    def __init__(self, connect: Callable[[], T]) -> None:
        self._connect = connect
        self._local = threading.local()
        self._opened: list[T] = []

    def get(self) -> T:
        """Die Verbindung dieses Threads."""
        if not hasattr(self._local, "connection"):
            self._local.connection = self._connect()  # (!)
            self._opened.append(self._local.connection)
        connection: T = self._local.connection
        return connection

    def close(self) -> None:
        """Schließt die Verbindungen aller Threads."""
        while self._opened:
            self._opened.pop().close()


# --8<-- [end:je-thread]


class StockDatabase:
    """Das Lager in SQLite; eine Reservierung ist eine Zeile mit der Bestellnummer.

    Wirft `sqlite3.OperationalError`, wenn sich die Datenbank nicht öffnen lässt.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connections = PerThread(self._connect)
        # Jetzt öffnen: Ein Fehler soll den Start verhindern, nicht den ersten Auftrag.
        self._connections.get().executescript(
            "CREATE TABLE IF NOT EXISTS stock(article TEXT PRIMARY KEY, quantity INT);"
            "CREATE TABLE IF NOT EXISTS reserved(order_id TEXT PRIMARY KEY,"
            " article TEXT NOT NULL, quantity INT NOT NULL);"
        )

    def _connect(self) -> sqlite3.Connection:
        # Geschlossen wird am Ende vom Hauptthread aus, darum keine Prüfung des Threads.
        connection = sqlite3.connect(
            self._path, timeout=10, isolation_level="IMMEDIATE", check_same_thread=False
        )
        connection.execute("PRAGMA journal_mode=WAL")
        return connection

    # --8<-- [start:reservieren]
    def reserve(self, order: Order) -> int:
        """Reserviert einmal je Bestellnummer und gibt den Restbestand zurück.

        Wirft `OutOfStockError`, wenn der Bestand nicht reicht.
        """
        insert = "INSERT OR IGNORE INTO reserved VALUES (?, ?, ?)"
        with self._connections.get() as db:  # (!)
            db.execute(insert, (order.order_id, order.article, order.quantity))
            left = self.left(order.article)
            if left < 0:
                raise OutOfStockError(order.article)
        return left

    # --8<-- [end:reservieren]

    def deliver(self, article: str, quantity: int) -> None:
        """Stellt so viele Stück eines Artikels ins Regal, wie dort liegen sollen."""
        insert = "INSERT OR REPLACE INTO stock VALUES (?, ?)"
        with self._connections.get() as db:
            db.execute(insert, (article, quantity))

    def left(self, article: str) -> int:
        """Wie viele Stück frei sind; -1, wenn es den Artikel nicht gibt."""
        query = (
            "SELECT quantity - (SELECT coalesce(sum(quantity), 0) FROM reserved"
            " WHERE article = ?1) FROM stock WHERE article = ?1"
        )
        row = self._connections.get().execute(query, (article,)).fetchone()
        return int(row[0]) if row else -1

    def reservations(self) -> list[str]:
        """Die Nummern der Bestellungen, für die reserviert ist."""
        query = "SELECT order_id FROM reserved ORDER BY order_id"
        return [row[0] for row in self._connections.get().execute(query)]

    def close(self) -> None:
        """Schließt alle Verbindungen."""
        self._connections.close()


class CarrierClient:
    """Der Versanddienst über HTTP; jeder Thread hält seine Verbindung offen."""

    def __init__(self, url: str, timeout: float = 5.0) -> None:
        address = urlsplit(url)
        host, port = address.hostname or "localhost", address.port
        self._connections = PerThread(lambda: HTTPConnection(host, port, timeout))

    # --8<-- [start:abholen]
    def book_pickup(self, order_id: str, day: date) -> Pickup:
        """Bucht eine Abholung, einmal je Bestellnummer.

        Wirft `OSError` oder `http.client.HTTPException`, wenn der Dienst ausfällt.
        """
        connection = self._connections.get()
        body = json.dumps({"day": day.isoformat()})
        try:
            key = {"Idempotency-Key": order_id}
            connection.request("POST", "/abholungen", body, key)
            answer = json.load(connection.getresponse())
        except Exception:
            connection.close()  # (!)
            raise
        return Pickup(answer["number"], answer["day"])

    # --8<-- [end:abholen]

    def close(self) -> None:
        """Schließt alle Verbindungen."""
        self._connections.close()
