"""Der Etikettendienst als kleiner HTTP-Dienst: zählt Anfragen, setzt sein Limit durch.

Der Worker importiert diese Datei nicht; in der Wirklichkeit liefe hier ein fremdes
Programm.
"""

import argparse
import json
import math
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Call:
    """Eine Anfrage, die den Dienst erreicht hat; `at` in Sekunden von `monotonic`."""

    at: float
    customer: str
    number: str
    status: int


class LabelService:
    """Der Etikettendienst: `POST /etiketten`, Schlüssel im Header `Idempotency-Key`."""

    def __init__(
        self, limit: int | None = None, window: float = 60.0, port: int = 0
    ) -> None:
        """Nimmt je `window` Sekunden höchstens `limit` Anfragen an (`None`: alle).

        Lauscht auf `port` von 127.0.0.1 (0: ein freier) bis zum `close`.
        """
        self.limit = limit
        self.window = window
        self.refusals: deque[str | None] = deque()
        """So antworten die nächsten Anfragen: 429 mit diesem `Retry-After`."""
        self.failures_left = 0
        """Die nächsten n Anfragen scheitern mit 503."""
        self.lost_answers = 0
        """Bei so vielen Anfragen geht die Antwort verloren, nachdem gedruckt ist."""
        self.calls: list[Call] = []
        self._accepted: deque[float] = deque()
        self._labels: dict[str, str] = {}
        self._lock = threading.Lock()
        self._server = _Server(self, port)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        ).start()

    def close(self) -> None:
        """Schließt den Port."""
        self._server.shutdown()
        self._server.server_close()

    @property
    def refused(self) -> int:
        """Wie viele Anfragen mit 429 endeten."""
        return sum(call.status == 429 for call in self.calls)

    def labels(self) -> Counter[str]:
        """Wie viele Etiketten je Auftragsnummer gedruckt sind."""
        with self._lock:
            return Counter(self._labels.values())

    # --8<-- [start:limit]
    def answer(
        self, key: str, order: dict[str, Any]
    ) -> tuple[int, dict[str, str]] | None:
        """Status und Header; `None`: gedruckt, aber die Antwort geht verloren."""
        now = time.monotonic()
        with self._lock:
            status, headers = self._decide(now)
            self.calls.append(Call(now, order["customer"], order["number"], status))
            if status == 200:
                self._labels.setdefault(key, order["number"])
                if self.lost_answers:
                    self.lost_answers -= 1
                    return None
        return status, headers

    def _decide(self, now: float) -> tuple[int, dict[str, str]]:
        if self.refusals:
            wanted = self.refusals.popleft()
            return 429, {"Retry-After": wanted} if wanted else {}
        if self.failures_left:
            self.failures_left -= 1
            return 503, {}
        while self._accepted and self._accepted[0] <= now - self.window:
            self._accepted.popleft()
        if self.limit is not None and len(self._accepted) >= self.limit:
            wait = self._accepted[0] + self.window - now
            return 429, {"Retry-After": str(math.ceil(wait))}  # (!)
        self._accepted.append(now)
        return 200, {}

    # --8<-- [end:limit]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, service: LabelService, port: int) -> None:
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
        status, headers = answer
        body = json.dumps({"label": f"E-{order['number']}"}).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Kein Protokoll je Anfrage."""


def http_date(seconds: float) -> str:
    """`Retry-After` in der zweiten Schreibweise: ein Datum in so vielen Sekunden."""
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


@contextmanager
def label_service(
    limit: int | None = None, window: float = 60.0, port: int = 0
) -> Iterator[LabelService]:
    """Startet den Etikettendienst. Wirft `OSError`, wenn der Port belegt ist."""
    service = LabelService(limit, window, port)
    try:
        yield service
    finally:
        service.close()


def main() -> None:
    """Kommandozeile: Der Dienst läuft bis Strg-C und druckt, wer wann ankam."""
    parser = argparse.ArgumentParser(description="Etikettendienst mit Limit.")
    parser.add_argument("--limit", type=int, default=20, help="Anfragen je Fenster")
    parser.add_argument("--fenster", type=float, default=10.0, help="Sekunden")
    options = parser.parse_args()
    with (
        label_service(options.limit, options.fenster, 7709) as service,
        suppress(KeyboardInterrupt),
    ):
        print(f"export NORDLICHT_ETIKETTEN={service.url}", flush=True)
        shown = 0
        while True:
            new = service.calls[shown:]
            shown += len(new)
            if new:
                refused = sum(call.status == 429 for call in new)
                clock = f"{datetime.now().astimezone():%H:%M:%S}"
                print(f"{clock}  {len(new)} Anfragen, {refused} mit 429", flush=True)
            time.sleep(1)


if __name__ == "__main__":
    main()
