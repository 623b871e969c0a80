"""Die Activities: je Schritt eine vorwärts und eine zurück.

Alle sind gewöhnliche Funktionen und laufen in Threads, denn SQLite und der HTTP-Client
warten blockierend. Alle sind idempotent über `StepRequest.key`.
`no_thread_cancel_exception` hält den Abbruch aus dem Thread heraus: Ein Aufruf, der
unterwegs ist, wird zu Ende geführt, damit sein Ausgang bekannt ist.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx
from temporalio import activity
from temporalio.exceptions import (
    ApplicationError,
    ApplicationErrorCategory,
    CancelledError,
)

from kapitel07.saga.ledger import InvoiceLedger, Outbox, RejectedError, StockLedger
from kapitel07.saga.models import OpenCase, Receipt, StepRequest

POLL_SECONDS = 0.1
# Kürzer als das Heartbeat-Timeout, sonst gälte ein langsamer Dienst als toter Worker.
HTTP_TIMEOUT_SECONDS = 4.0


@dataclass(frozen=True)
class Addresses:
    """Wo die Dienste zu finden sind: Ordner der eigenen Bücher, Adressen der fremden
    Dienste.
    """

    folder: Path
    payment_url: str
    carrier_url: str

    @classmethod
    def from_environment(cls) -> "Addresses":
        """Liest `NORDLICHT_ORDNER`, `NORDLICHT_ZAHLUNG` und `NORDLICHT_VERSAND`."""
        return cls(
            Path(os.environ["NORDLICHT_ORDNER"]),
            os.environ["NORDLICHT_ZAHLUNG"],
            os.environ["NORDLICHT_VERSAND"],
        )


# --8<-- [start:rejected]
@contextmanager
def no_is_final() -> Iterator[None]:
    """Macht aus einem fachlichen Nein einen Fehler, den Temporal nicht wiederholt."""
    try:
        yield
    except RejectedError as error:
        # BENIGN: ein Nein gehört zum Geschäft und soll weder Log noch Alarm auslösen.
        benign = ApplicationErrorCategory.BENIGN
        raise ApplicationError(
            str(error), type=error.kind, non_retryable=True, category=benign
        ) from None


# --8<-- [end:rejected]


class OrderActivities:
    """Die Schritte eines Auftrags; wo die Dienste sind, sagt der Worker."""

    def __init__(self, addresses: Addresses) -> None:
        self._stock = StockLedger(addresses.folder)
        self._invoices = InvoiceLedger(addresses.folder)
        self._outbox = Outbox(addresses.folder)
        self._payment_url = addresses.payment_url
        self._carrier_url = addresses.carrier_url
        self._http = httpx.Client(timeout=HTTP_TIMEOUT_SECONDS)

    # --8<-- [start:local]
    @activity.defn(no_thread_cancel_exception=True)
    def reserve_stock(self, request: StepRequest) -> Receipt:
        """Reserviert die Ware. Idempotent über `request.key`."""
        with no_is_final():
            return self._stock.book(request)

    @activity.defn(no_thread_cancel_exception=True)
    def release_stock(self, request: StepRequest) -> None:
        """Gibt die Ware frei, falls reserviert. Idempotent über `request.key`."""
        with no_is_final():
            self._stock.cancel(request)

    # --8<-- [end:local]

    # --8<-- [start:http]
    @activity.defn(no_thread_cancel_exception=True)
    def charge_payment(self, request: StepRequest) -> Receipt:
        """Belastet die Karte. Idempotent über `request.key` im `Idempotency-Key`."""
        return self._post(f"{self._payment_url}/buchen", request)

    @activity.defn(no_thread_cancel_exception=True)
    def refund_payment(self, request: StepRequest) -> None:
        """Erstattet, falls belastet wurde. Idempotent über denselben Schlüssel."""
        self._post(f"{self._payment_url}/stornieren", request)

    # --8<-- [end:http]

    # --8<-- [start:post]
    def _post(self, url: str, request: StepRequest) -> Receipt:
        headers = {"Idempotency-Key": request.key}  # (!)
        try:
            response = self._http.post(url, json=asdict(request.order), headers=headers)
        except httpx.TransportError as error:
            text = f"Keine Antwort: {error}"
            raise ApplicationError(text, type="KeineAntwort") from None
        with no_is_final():
            if response.status_code == httpx.codes.UNPROCESSABLE_ENTITY:
                raise RejectedError(**response.json())
        if response.is_error:
            text = f"Antwort {response.status_code}"
            raise ApplicationError(text, type="DienstGestoert")
        return Receipt(**response.json())

    # --8<-- [end:post]

    # --8<-- [start:heartbeat]
    @activity.defn(no_thread_cancel_exception=True)
    def register_parcel(self, request: StepRequest) -> Receipt:
        """Meldet an und wartet auf das Etikett. Idempotent über `request.key`."""
        while True:
            receipt = self._post(f"{self._carrier_url}/buchen", request)
            if receipt.ready:
                return receipt
            activity.heartbeat(receipt.reference)
            activity.wait_for_cancelled_sync(POLL_SECONDS)
            if activity.is_cancelled():
                raise CancelledError("Das Etikett wird nicht mehr gebraucht.")

    # --8<-- [end:heartbeat]

    @activity.defn(no_thread_cancel_exception=True)
    def cancel_parcel(self, request: StepRequest) -> None:
        """Meldet ab, falls angemeldet war. Idempotent über `request.key`."""
        self._post(f"{self._carrier_url}/stornieren", request)

    @activity.defn(no_thread_cancel_exception=True)
    def write_invoice(self, request: StepRequest) -> Receipt:
        """Stellt die Rechnung aus. Idempotent über `request.key`."""
        with no_is_final():
            return self._invoices.book(request)

    @activity.defn(no_thread_cancel_exception=True)
    def cancel_invoice(self, request: StepRequest) -> None:
        """Schreibt die Stornorechnung, wenn es eine Rechnung gab. Idempotent über
        `request.key`.
        """
        with no_is_final():
            self._invoices.cancel(request)

    @activity.defn(no_thread_cancel_exception=True)
    def send_confirmation(self, request: StepRequest) -> Receipt:
        """Legt die Bestätigung in den Postausgang. Idempotent über `request.key`."""
        with no_is_final():
            return self._outbox.book(request)

    @activity.defn(no_thread_cancel_exception=True)
    def open_case(self, case: OpenCase) -> None:
        """Verbucht, was nach einem Eingriff stehen blieb. Schlüssel: `case.key`."""
        self._invoices.open_case(case)

    def all(self) -> list[Callable[..., Any]]:
        """Alle Activities, für den Worker."""
        return [
            self.reserve_stock,
            self.release_stock,
            self.charge_payment,
            self.refund_payment,
            self.register_parcel,
            self.cancel_parcel,
            self.write_invoice,
            self.cancel_invoice,
            self.send_confirmation,
            self.open_case,
        ]
