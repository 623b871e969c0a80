"""Reservieren, Preis bestimmen, kassieren; Schlüssel ist die Workflow-ID."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from temporalio import activity

from kapitel08.zuruecksetzen.ledger import Till
from kapitel08.zuruecksetzen.models import Bill, Order

DISCOUNT_PERCENT = 10


class OrderActivities:
    """Lager, Preisliste und Kasse; `discount` ist der Rabatt für Stammkundschaft."""

    def __init__(self, folder: Path, discount: int = DISCOUNT_PERCENT) -> None:
        self._till = Till(folder)
        self._discount = discount

    def all(self) -> list[Callable[..., Any]]:
        """Alle Activities."""
        return [self.reserve, self.quote, self.collect]

    @activity.defn
    def reserve(self, order: Order) -> None:
        """Legt die Ware zurück; Idempotenzschlüssel ist die Workflow-ID."""
        key = str(activity.info().workflow_id)
        self._till.note("reserve", key)
        self._till.settle("Lager", key, 1)

    @activity.defn
    def quote(self, order: Order) -> Bill:
        """Zieht den Rabatt ab. Hier steckt der Fehler der Version 2: kein Rabatt."""
        self._till.note("quote", str(activity.info().workflow_id))
        return Bill(order.number, order.amount * (100 - self._discount) // 100)

    # --8<-- [start:collect]
    @activity.defn
    def collect(self, bill: Bill) -> int:
        """Bringt das Konto auf den Rechnungsbetrag und nennt den Unterschied."""
        key = str(activity.info().workflow_id)  # (!)
        self._till.note("collect", key)
        return self._till.settle("Kasse", key, bill.due)

    # --8<-- [end:collect]
