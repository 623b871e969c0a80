"""Der Versanddienst: ein fremdes System hinter HTTP, das seine Verbindungen zählt.

Der Worker importiert diese Datei nicht.
"""

import argparse
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from kapitel02.abhaengigkeiten_injizieren.connections import StockDatabase

ARTICLES = ("Leuchtturm", "Buddelschiff")
STOCK = 100


class CarrierService:
    """Nimmt Abholungen an; je Idempotenzschlüssel gibt es nur eine."""

    def __init__(self, port: int = 0) -> None:
        """Lauscht auf `port` von 127.0.0.1 (0: ein freier), bis zu `close`."""
        self.pickups: dict[str, dict[str, str]] = {}
        self.calls = 0
        self.connections = 0
        self.lost_answers = 0
        """So viele der nächsten Antworten bleiben aus, obwohl gebucht ist."""
        self.gate = threading.Event()
        """Solange das Ereignis nicht eingetreten ist, wartet jede Buchung."""
        self.gate.set()
        self.closed = threading.Event()
        self._lock = threading.Lock()
        self._server = _Server(self, port)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        serve = self._server.serve_forever
        threading.Thread(target=serve, args=(0.02,), daemon=True).start()

    def book(self, key: str, day: str) -> dict[str, str] | None:
        """Bucht eine Abholung; `None`: gebucht, aber die Antwort bleibt aus."""
        with self._lock:
            self.calls += 1
        self.gate.wait()
        with self._lock:
            new = {"number": f"A-{key}", "day": day}
            booked = self.pickups.setdefault(key, new)
            if self.lost_answers:
                self.lost_answers -= 1
                return None
        return booked

    def connected(self) -> None:
        """Zählt eine neue Verbindung."""
        with self._lock:
            self.connections += 1

    def close(self) -> None:
        """Gibt wartende Buchungen frei und schließt den Port."""
        self.gate.set()
        self.closed.set()
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, service: CarrierService, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.service = service


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        """Eine neue Verbindung."""
        super().setup()
        self.server.service.connected()

    def do_POST(self) -> None:
        """Bucht und antwortet – oder schweigt, bis der Dienst endet."""
        content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        key = self.headers["Idempotency-Key"]
        answer = self.server.service.book(key, content["day"])
        if answer is None:
            self.server.service.closed.wait()
            self.close_connection = True
            return
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Kein Protokoll je Aufruf."""


@contextmanager
def nordlicht(folder: Path, *, port: int = 0) -> Iterator[CarrierService]:
    """Füllt das Lager in `folder` und lässt den Versanddienst laufen."""
    warehouse = StockDatabase(database(folder))
    for article in ARTICLES:
        warehouse.deliver(article, STOCK)
    warehouse.close()
    service = CarrierService(port)
    try:
        yield service
    finally:
        service.close()


def database(folder: Path) -> Path:
    """Wo in `folder` das Lager liegt."""
    return folder / "lager.sqlite3"


def main() -> None:
    """Kommandozeile: lässt den Versanddienst laufen, bis Strg-C."""
    parser = argparse.ArgumentParser(description="Lager und Versanddienst.")
    parser.add_argument("--daten", type=Path, default=Path("nordlicht-daten"))
    folder: Path = parser.parse_args().daten
    folder.mkdir(parents=True, exist_ok=True)
    with nordlicht(folder, port=7703) as service, suppress(KeyboardInterrupt):
        print(f"export NORDLICHT_LAGER={database(folder).resolve()}")
        print(f"export NORDLICHT_VERSAND={service.url}", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
