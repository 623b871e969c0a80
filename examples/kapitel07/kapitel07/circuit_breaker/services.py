"""Der Versanddienst als kleiner HTTP-Dienst: führt Buch, zählt Aufrufe, fällt aus.

Der Worker importiert diese Datei nicht; in der Wirklichkeit liefe hier ein fremdes
Programm.
"""

import argparse
import json
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ISLAND = "27498"
"""Helgoland: Dorthin fährt der Versanddienst nicht."""


@dataclass(frozen=True)
class Call:
    """Ein Aufruf, der den Dienst erreicht hat: Beginn, Dauer in Sekunden, Antwort."""

    at: float
    seconds: float
    order_number: str
    status: int


class Carrier:
    """Der Versanddienst: `POST /pakete`, Schlüssel im Header `Idempotency-Key`."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        """Lauscht auf `port` von 127.0.0.1 (0: ein freier) bis zum `close`."""
        self.down = False
        """Antwortet mit 503, solange das gilt."""
        self.rejects = False
        """Lehnt jedes Paket ab: ein Nein, keine Störung."""
        self.failure_seconds = 0.0
        """So lange braucht ein gestörter Dienst bis zu seiner Absage."""
        self.failures_left = 0
        """Die nächsten n Aufrufe scheitern, danach arbeitet der Dienst wieder."""
        self.lost_answers = 0
        """Bei so vielen Aufrufen geht die Antwort verloren, nachdem gebucht ist."""
        self.gate: threading.Event | None = None
        """Ein Aufruf wartet, bis das Ereignis eintritt."""
        self.arrivals = 0
        self.calls: list[Call] = []
        self._lock = threading.Lock()
        self._path = folder / "versand.sqlite3"
        with closing(self._connect()) as db, db:
            db.execute(
                "CREATE TABLE IF NOT EXISTS parcel "
                "(key TEXT PRIMARY KEY, order_number TEXT)"
            )
        self._server = _Server(self, port)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        ).start()

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=10)

    def close(self) -> None:
        """Gibt wartende Aufrufe frei und schließt den Port."""
        if self.gate:
            self.gate.set()
        self._server.shutdown()
        self._server.server_close()

    def parcels(self) -> Counter[str]:
        """Wie viele Pakete je Auftragsnummer angemeldet sind."""
        with closing(self._connect()) as db:
            rows = db.execute("SELECT order_number, count(*) FROM parcel GROUP BY 1")
            return Counter(dict(rows.fetchall()))

    def answer(self, key: str, order: dict[str, Any]) -> tuple[int, str] | None:
        """Antwort auf einen Aufruf; `None`: gebucht, aber die Antwort geht verloren."""
        started = time.monotonic()
        with self._lock:
            self.arrivals += 1
            fails = self.down or self.failures_left > 0
            self.failures_left = max(0, self.failures_left - 1)
        if self.gate:
            self.gate.wait()
        if fails:
            time.sleep(self.failure_seconds)
            status, text = 503, "Der Dienst ist gestört."
        elif self.rejects or order["postal_code"] == ISLAND:
            text = f"Nach {order['postal_code']} fährt dieser Dienst nicht."
            status = 422
        else:
            status, text = 200, self._book(key, order["number"])
        seconds = time.monotonic() - started
        with self._lock:
            self.calls.append(Call(started, seconds, order["number"], status))
            if status == 200 and self.lost_answers:
                self.lost_answers -= 1
                return None
        return status, text

    def _book(self, key: str, order_number: str) -> str:
        with self._lock, closing(self._connect()) as db, db:
            db.execute(
                "INSERT OR IGNORE INTO parcel VALUES (?, ?)", (key, order_number)
            )
        return f"P-{order_number}"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, service: Carrier, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.service = service


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _Server

    def do_POST(self) -> None:
        """Liest den Auftrag und antwortet – oder lässt die Verbindung fallen."""
        order = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = self.server.service.answer(self.headers["Idempotency-Key"], order)
        if answer is None:
            self.close_connection = True
            return
        status, text = answer
        body = json.dumps({"parcel" if status == 200 else "message": text}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Kein Protokoll je Aufruf."""


@contextmanager
def carrier(folder: Path, port: int = 0) -> Iterator[Carrier]:
    """Startet den Versanddienst mit seinem Buch in `folder`.

    Wirft `OSError`, wenn der Port belegt ist.
    """
    service = Carrier(folder, port)
    try:
        yield service
    finally:
        service.close()


def confirmations(folder: Path) -> Counter[str]:
    """Wie viele Bestätigungen je Auftragsnummer im Postausgang liegen."""
    path = folder / "postausgang.sqlite3"
    if not path.exists():
        return Counter()
    with closing(sqlite3.connect(path, timeout=10)) as db:
        return Counter(key for (key,) in db.execute("SELECT key FROM mail"))


def main() -> None:
    """Kommandozeile: Der Dienst läuft bis Strg-C, mit `--gestoert` antwortet er 503."""
    parser = argparse.ArgumentParser(description="Versanddienst von Nordlicht Versand.")
    parser.add_argument("--ordner", type=Path, default=Path("nordlicht-daten"))
    parser.add_argument("--gestoert", action="store_true", help="antwortet mit 503")
    options = parser.parse_args()
    options.ordner.mkdir(parents=True, exist_ok=True)
    with carrier(options.ordner, 7703) as service, suppress(KeyboardInterrupt):
        service.down = options.gestoert
        print(f"export NORDLICHT_ORDNER={options.ordner.resolve()}")
        print(f"export NORDLICHT_VERSAND={service.url}", flush=True)
        shown = -1
        while True:
            if service.arrivals != shown:
                shown = service.arrivals
                print(f"{shown} Aufrufe", flush=True)
            time.sleep(1)


if __name__ == "__main__":
    main()
