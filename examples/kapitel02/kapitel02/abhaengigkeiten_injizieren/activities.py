"""Die Schritte des Versands und was sie von außen brauchen."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Protocol

from temporalio import activity
from temporalio.exceptions import ApplicationError


@dataclass(frozen=True)
class Order:
    """Eine Bestellung: Nummer, Artikel, Stückzahl."""

    order_id: str
    article: str
    quantity: int


@dataclass(frozen=True)
class Pickup:
    """Eine gebuchte Abholung: Nummer beim Versanddienst und Tag (Berlin, ISO 8601)."""

    number: str
    day: str


class OutOfStockError(Exception):
    """So viele Stück hat das Lager nicht."""


# --8<-- [start:protokolle]
class Stock(Protocol):
    """Das Lager."""

    def reserve(self, order: Order) -> int:
        """Reserviert, einmal je Bestellnummer: Restbestand oder `OutOfStockError`."""


class Carrier(Protocol):
    """Der Versanddienst."""

    def book_pickup(self, order_id: str, day: date) -> Pickup:
        """Bucht eine Abholung, einmal je Bestellnummer."""


class Clock(Protocol):
    """Eine Uhr."""

    def now(self) -> datetime:
        """Die Zeit jetzt, mit der Zeitzone Europe/Berlin."""


# --8<-- [end:protokolle]


# --8<-- [start:klasse]
class Shipping:
    """Alle Schritte des Versands; was sie brauchen, steht im Konstruktor."""

    def __init__(
        self, stock: Stock, carrier: Carrier, clock: Clock, cutoff: time
    ) -> None:
        self._stock = stock
        self._carrier = carrier
        self._clock = clock
        self._cutoff = cutoff

    # --8<-- [end:klasse]

    # --8<-- [start:methoden]
    @activity.defn
    def reserve_stock(self, order: Order) -> int:
        """Reserviert die Ware; idempotent über die Bestellnummer."""
        try:
            return self._stock.reserve(order)
        except OutOfStockError as error:
            text = f"„{order.article}“ ist ausverkauft."
            raise ApplicationError(text, non_retryable=True) from error

    @activity.defn
    def book_pickup(self, order: Order) -> Pickup:
        """Bucht die Abholung; idempotent über die Bestellnummer.

        Nach dem Annahmeschluss holt der Versanddienst erst am nächsten Tag ab.
        """
        now = self._clock.now()
        late = now.time() >= self._cutoff
        day = now.date() + timedelta(days=1 if late else 0)
        return self._carrier.book_pickup(order.order_id, day)

    # --8<-- [end:methoden]
