"""Zahlungsdienst und Versanddienst als kleine HTTP-Dienste, mit Schaltern für Störungen.

Der Worker importiert diese Datei nicht: Eine Unterklasse von `BaseHTTPRequestHandler` darf nicht in die Sandbox
geraten, und in der Wirklichkeit liefe hier ein fremdes Programm.
"""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from kapitel07.saga.ledger import Ledger, ParcelLedger, PaymentLedger, RejectedError, StockLedger
from kapitel07.saga.models import Order, Receipt, StepRequest

Answer = tuple[int, dict[str, Any]]


class HttpService:
    """Ein Buch hinter HTTP: `POST /buchen`, `POST /stornieren`, der Schlüssel im Header `Idempotency-Key`."""

    def __init__(self, ledger: Ledger) -> None:
        """Lauscht auf einem freien Port von 127.0.0.1, bis `close` gerufen wird."""
        self.ledger = ledger
        self.outages: set[str] = set()
        """Pfade, die zurzeit mit 503 antworten."""
        self.lost_answers: Counter[str] = Counter()
        """Pfade, auf denen die nächsten n Antworten verloren gehen, nachdem sie gewirkt haben."""
        self.gates: dict[str, threading.Event] = {}
        """Pfade, auf denen der Dienst erst arbeitet, wenn das Ereignis eintritt."""
        self.label_polls = 0
        """So oft antwortet der Dienst „noch nicht fertig“, bevor das Etikett gedruckt ist."""
        self._polls: Counter[str] = Counter()
        self._server = _Server(self)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        """Gibt wartende Aufrufe frei und schließt Port und Buch."""
        for gate in self.gates.values():
            gate.set()
        self._server.shutdown()
        self._server.server_close()
        self.ledger.close()

    def answer(self, path: str, key: str, order: Order) -> Answer | None:
        """Die Antwort auf einen Aufruf; `None` heißt: gewirkt, aber die Antwort geht verloren."""
        if path in self.outages:
            return 503, {"kind": "Gestoert", "message": "Der Dienst ist gestört."}
        if gate := self.gates.get(path):
            gate.wait()
        try:
            answer = 200, self._work(path, StepRequest(key, order))
        except RejectedError as error:
            return 422, {"kind": error.kind, "message": str(error)}
        if self.lost_answers[path]:
            self.lost_answers[path] -= 1
            return None
        return answer

    def _work(self, path: str, request: StepRequest) -> dict[str, Any]:
        if path == "/stornieren":
            self.ledger.cancel(request)
            return asdict(Receipt(self.ledger.reference(request.key)))
        receipt = self.ledger.book(request)
        self._polls[request.key] += 1
        return asdict(Receipt(receipt.reference, ready=self._polls[request.key] > self.label_polls))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, service: HttpService) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.service = service


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _Server

    def do_POST(self) -> None:
        """Liest den Auftrag, fragt den Dienst, schickt die Antwort – oder lässt die Verbindung fallen."""
        order = Order(**json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        answer = self.server.service.answer(self.path, self.headers["Idempotency-Key"], order)
        if answer is None:
            self.close_connection = True
            return
        status, content = answer
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Kein Protokoll je Aufruf."""


@dataclass(frozen=True)
class Nordlicht:
    """Die fremden Welt eines Laufs: das Lager im Ordner, zwei Dienste hinter HTTP."""

    folder: Path
    payment: HttpService
    carrier: HttpService


@contextmanager
def nordlicht(folder: Path, *, stock: int = 100) -> Iterator[Nordlicht]:
    """Startet beide Dienste mit Büchern in `folder` und füllt das Regal mit `stock` Leuchttürmen."""
    warehouse = StockLedger(folder)
    warehouse.deliver("Leuchtturm", stock)
    warehouse.close()
    payment, carrier = HttpService(PaymentLedger(folder)), HttpService(ParcelLedger(folder))
    try:
        yield Nordlicht(folder, payment, carrier)
    finally:
        payment.close()
        carrier.close()
