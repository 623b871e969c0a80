"""Die Schritte eines Auftrags und einer Retoure; jeder wirkt je Nummer einmal."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from temporalio import activity

from kapitel08.replay_test_in_ci.ledger import Ledger
from kapitel08.replay_test_in_ci.models import Fulfilled, Order, Return, Stock

# Diese Ware gibt es nicht; die Nummer kommt in den Szenarien vor.
SOLD_OUT = "N-4999"


class OrderActivities:
    """Lager, Kasse und Versand; Idempotenzschlüssel ist die Auftragsnummer."""

    def __init__(self, folder: Path) -> None:
        self._ledger = Ledger(folder)

    def all(self) -> list[Callable[..., Any]]:
        """Alle Activities."""
        return [
            self.reserve_stock,
            self.check_credit,
            self.declare_customs,
            self.charge,
            self.ship,
            self.refund,
        ]

    @activity.defn
    def reserve_stock(self, order: Order) -> Stock:
        """Legt die Ware zurück."""
        if order.number == SOLD_OUT:
            return Stock(available=False, shelf="")
        self._ledger.book("Lager", order.number)
        return Stock(available=True, shelf=f"Regal 7, {order.address.name}")

    @activity.defn
    def check_credit(self, order: Order) -> bool:
        """Fragt die Auskunftei."""
        self._ledger.book("Auskunft", order.number)
        return True

    @activity.defn
    def declare_customs(self, order: Order) -> None:
        """Meldet die Ausfuhr beim Zoll an."""
        self._ledger.book("Zoll", order.number)

    @activity.defn
    def charge(self, order: Order) -> None:
        """Belastet die Karte."""
        self._ledger.book("Kasse", order.number, order.amount)

    @activity.defn
    def ship(self, order: Order) -> Fulfilled:
        """Übergibt das Paket."""
        self._ledger.book("Versand", order.number)
        return Fulfilled(order.number, f"NV-{order.number}-{order.address.postal_code}")

    @activity.defn
    def refund(self, item: Return) -> None:
        """Erstattet den Betrag; Idempotenzschlüssel ist die Nummer der Retoure."""
        self._ledger.book("Erstattung", item.number, item.amount)
