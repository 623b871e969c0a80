"""Kurze Schritte am Register: Preis nachschlagen, Rechnungsnummer ziehen."""

from collections.abc import Sequence
from dataclasses import dataclass

from temporalio import activity

from kapitel02.lokale_activity.services import Register


@dataclass(frozen=True)
class Line:
    """Eine Zeile der Bestellung."""

    article: str
    quantity: int = 1


@dataclass(frozen=True)
class Order:
    """Eine Bestellung; `retry_seconds` ist die erste Pause nach einem Fehlschlag."""

    order_id: str
    lines: Sequence[Line]
    retry_seconds: float = 300


@dataclass(frozen=True)
class Invoice:
    """Ergebnis: Rechnungsnummer, Summe in Cent, Bemerkungen der Kundschaft."""

    number: int
    total_cents: int
    notes: Sequence[str]


# --8<-- [start:activities]
class Desk:
    """Die Schritte am Register. Ihnen sieht niemand an, dass sie lokal laufen."""

    def __init__(self, register: Register) -> None:
        self._register = register

    @activity.defn
    def look_up_price(self, line: Line) -> int:
        """Liest nur; ohne Wirkung braucht es keinen Schlüssel."""
        return self._register.price(line.article) * line.quantity

    @activity.defn
    def draw_number(self, order: Order) -> int:
        """Zieht die Rechnungsnummer; der Schlüssel ist die Bestellnummer."""
        return self._register.draw(order.order_id)


# --8<-- [end:activities]
