"""Die beiden Activities eines Auftrags. Vom Schalter wissen sie nichts."""

import os
import sqlite3
import ssl
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from kapitel07.circuit_breaker.models import Order

NO_ANSWER = "KeineAntwort"
OUT_OF_ORDER = "DienstGestoert"
TECHNICAL = frozenset({NO_ANSWER, OUT_OF_ORDER})
"""Fehlertypen, die etwas über den Zustand des Dienstes sagen."""

HTTP_TIMEOUT_SECONDS = 5.0


@cache
def _tls() -> ssl.SSLContext:
    """Lädt die Zertifikate einmal je Prozess statt einmal je Worker."""
    return httpx.create_ssl_context()


@dataclass(frozen=True)
class Addresses:
    """Der Ordner des Postausgangs und die Adresse des Versanddienstes."""

    folder: Path
    carrier_url: str

    @classmethod
    def from_environment(cls) -> "Addresses":
        """Liest `NORDLICHT_ORDNER` und `NORDLICHT_VERSAND`."""
        return cls(
            Path(os.environ["NORDLICHT_ORDNER"]), os.environ["NORDLICHT_VERSAND"]
        )


class OrderActivities:
    """Paket anmelden, Versand bestätigen."""

    def __init__(self, addresses: Addresses) -> None:
        self._outbox = addresses.folder / "postausgang.sqlite3"
        self._carrier_url = addresses.carrier_url
        self._http = httpx.Client(timeout=HTTP_TIMEOUT_SECONDS, verify=_tls())

    # --8<-- [start:parcel]
    @activity.defn
    def register_parcel(self, order: Order) -> str:
        """Meldet das Paket an. Idempotent über `order.number`."""
        headers = {"Idempotency-Key": order.number}
        try:
            answer = self._http.post(
                f"{self._carrier_url}/pakete", json=asdict(order), headers=headers
            )
        except httpx.TransportError as error:
            raise ApplicationError(f"Keine Antwort: {error}", type=NO_ANSWER) from None
        if answer.is_server_error:
            text = f"Antwort {answer.status_code}"
            raise ApplicationError(text, type=OUT_OF_ORDER)
        # Der Dienst arbeitet; er will nur dieses Paket nicht.
        if answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY:
            raise ApplicationError(
                answer.json()["message"],
                type="PaketAbgelehnt",
                non_retryable=True,
                category=ApplicationErrorCategory.BENIGN,
            )
        if answer.is_error:  # Etwa 401 oder 429: Daran ist der Auftrag nicht schuld.
            text = f"Antwort {answer.status_code}"
            raise ApplicationError(text, type="UnerwarteteAntwort")
        return str(answer.json()["parcel"])

    # --8<-- [end:parcel]

    @activity.defn
    def send_confirmation(self, order: Order) -> str:
        """Legt die Bestätigung in den Postausgang. Idempotent über `order.number`."""
        with closing(sqlite3.connect(self._outbox, timeout=10)) as db, db:
            db.execute("CREATE TABLE IF NOT EXISTS mail (key TEXT PRIMARY KEY)")
            db.execute("INSERT OR IGNORE INTO mail VALUES (?)", (order.number,))
        return f"M-{order.number}"

    def all(self) -> list[Callable[..., Any]]:
        """Beide Activities, für den Worker."""
        return [self.register_parcel, self.send_confirmation]
