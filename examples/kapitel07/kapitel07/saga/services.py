"""Zahlungsdienst und Versanddienst als kleine HTTP-Dienste, mit Schaltern für
Störungen.

Der Worker importiert diese Datei nicht: Eine Unterklasse von `BaseHTTPRequestHandler`
darf nicht in die Sandbox geraten, und in der Wirklichkeit liefe hier ein fremdes
Programm.
"""

import argparse
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from kapitel07.saga.ledger import (
    Ledger,
    ParcelLedger,
    PaymentLedger,
    RejectedError,
    StockLedger,
)
from kapitel07.saga.models import Order, Receipt, StepRequest

ARTICLE = "Leuchtturm"

Answer = tuple[int, dict[str, Any]]


class HttpService:
    """Ein Buch hinter HTTP: `POST /buchen`, `POST /stornieren`, der Schlüssel im Header
    `Idempotency-Key`.
    """

    def __init__(self, ledger: Ledger, port: int = 0) -> None:
        """Lauscht auf `port` von 127.0.0.1 (0: ein freier) bis zum `close`."""
        self.ledger = ledger
        self.outages: set[str] = set()
        """Pfade, die zurzeit mit 503 antworten."""
        self.lost_answers: Counter[str] = Counter()
        """Pfade, auf denen die nächsten n Antworten verloren gehen, nachdem sie gewirkt
        haben.
        """
        self.gates: dict[str, threading.Event] = {}
        """Pfade, auf denen der Dienst erst arbeitet, wenn das Ereignis eintritt."""
        self.label_polls = 0
        """So oft antwortet der Dienst „noch nicht fertig“, bevor das Etikett gedruckt
        ist.
        """
        self.answered: Counter[str] = Counter()
        """Pfade und wie viele Aufrufe der Dienst dort schon bearbeitet hat."""
        self._polls: Counter[str] = Counter()
        self._server = _Server(self, port)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        ).start()

    def close(self) -> None:
        """Gibt wartende Aufrufe frei und schließt Port und Buch."""
        for gate in self.gates.values():
            gate.set()
        self._server.shutdown()
        self._server.server_close()
        self.ledger.close()

    def collect(self, order_number: str) -> None:
        """Der Fahrer holt das Paket dieses Auftrags ab, sobald es angemeldet ist."""
        assert isinstance(self.ledger, ParcelLedger)
        self.ledger.collect(order_number)

    def answer(self, path: str, key: str, order: Order) -> Answer | None:
        """Die Antwort auf einen Aufruf; `None` heißt: gewirkt, aber die Antwort geht
        verloren.
        """
        if path in self.outages:
            return 503, {"kind": "Gestoert", "message": "Der Dienst ist gestört."}
        if gate := self.gates.get(path):
            gate.wait()
        try:
            answer = 200, self._work(path, StepRequest(key, order))
        except RejectedError as error:
            answer = 422, {"kind": error.kind, "message": str(error)}
        self.answered[path] += 1
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
        return asdict(
            Receipt(
                receipt.reference, ready=self._polls[request.key] > self.label_polls
            )
        )


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, service: HttpService, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.service = service


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _Server

    def do_POST(self) -> None:
        """Liest den Auftrag, fragt den Dienst, schickt die Antwort – oder lässt die
        Verbindung fallen.
        """
        order = Order(
            **json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        )
        answer = self.server.service.answer(
            self.path, self.headers["Idempotency-Key"], order
        )
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
    """Die fremde Welt eines Laufs: Bücher im Ordner, zwei Dienste hinter HTTP."""

    folder: Path
    payment: HttpService
    carrier: HttpService


@contextmanager
def nordlicht(
    folder: Path, *, stock: int = 100, ports: tuple[int, int] = (0, 0)
) -> Iterator[Nordlicht]:
    """Startet Zahlungs- und Versanddienst mit Büchern in `folder`, im Regal stehen
    `stock` Leuchttürme.

    `ports` sind die Ports der beiden Dienste, 0 wählt einen freien. Wirft `OSError`,
    wenn ein Port belegt ist.
    """
    warehouse = StockLedger(folder)
    warehouse.deliver(ARTICLE, stock)
    warehouse.close()
    payment = HttpService(PaymentLedger(folder), ports[0])
    carrier = HttpService(ParcelLedger(folder), ports[1])
    try:
        yield Nordlicht(folder, payment, carrier)
    finally:
        payment.close()
        carrier.close()


def main() -> None:
    """Kommandozeile: lässt beide Dienste laufen, bis Strg-C; so braucht der Worker
    keine Szenarien.
    """
    parser = argparse.ArgumentParser(
        description="Zahlungsdienst und Versanddienst von Nordlicht Versand."
    )
    parser.add_argument(
        "--ordner", type=Path, default=Path("nordlicht-daten"), help="Ordner der Bücher"
    )
    folder: Path = parser.parse_args().ordner
    with nordlicht(folder, ports=(7701, 7702)) as world, suppress(KeyboardInterrupt):
        print(f"export NORDLICHT_ORDNER={folder.resolve()}")
        print(f"export NORDLICHT_ZAHLUNG={world.payment.url}")
        print(f"export NORDLICHT_VERSAND={world.carrier.url}", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
