"""Die Activities eines Auftrags. Welche Stufe des Workflows sie ruft, wissen sie
nicht.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from temporalio import activity

from kapitel08.patching.books import enter
from kapitel08.patching.models import Order

CREDIT_LIMIT = 200_000
"""Ab diesem Betrag in Cent gilt ein Auftrag als verdächtig."""


class OrderActivities:
    """Bestätigen, prüfen, abbuchen, versenden. Idempotent über `order.number`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @activity.defn
    def confirm_order(self, order: Order) -> None:
        """Legt die Auftragsbestätigung in den Postausgang."""
        enter(self._folder, "Bestätigungen", order.number)

    @activity.defn
    def check_fraud(self, order: Order) -> bool:
        """Ob der Auftrag unverdächtig ist."""
        enter(self._folder, "Prüfungen", order.number)
        return order.amount < CREDIT_LIMIT

    @activity.defn
    def check_address(self, order: Order) -> bool:
        """Ob zu dem Auftrag eine Anschrift gehört."""
        enter(self._folder, "Anschriften", order.number)
        return bool(order.customer)

    @activity.defn
    def charge_payment(self, order: Order) -> None:
        """Bucht den Betrag ab."""
        enter(self._folder, "Zahlungen", order.number)

    @activity.defn
    def ship_parcel(self, order: Order) -> str:
        """Übergibt das Paket; gibt seine Nummer zurück."""
        enter(self._folder, "Pakete", order.number)
        return f"P-{order.number}"

    def all(self) -> list[Callable[..., Any]]:
        """Alle Activities, für den Worker."""
        return [
            self.confirm_order,
            self.check_fraud,
            self.check_address,
            self.charge_payment,
            self.ship_parcel,
        ]
