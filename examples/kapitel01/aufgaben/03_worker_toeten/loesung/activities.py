"""Die Schritte einer Bestellung, jeder gegen ein anderes Buch."""

from dataclasses import dataclass

import buecher
from temporalio import activity


@dataclass(frozen=True)
class Order:
    """Eine Bestellung; `file` ist die Datei mit den drei Büchern."""

    order_id: str
    amount_cents: int
    file: str


class Steps:
    """Die Activities."""

    @activity.defn
    def charge_payment(self, order: Order) -> int:
        """Zieht den Betrag ein und gibt die Nummer der Zahlung zurück."""
        text = f"{order.order_id}: {order.amount_cents} Cent"
        return buecher.book(order.file, "Zahlungen", text, key=order.order_id)

    @activity.defn
    def ship_parcel(self, order: Order) -> int:
        """Gibt das Paket auf und gibt dessen Nummer zurück."""
        return buecher.book(order.file, "Pakete", order.order_id, key=order.order_id)

    @activity.defn
    def write_journal(self, order: Order, state: str) -> None:
        """Hält einen Stand der Bestellung fest; der Schlüssel nennt beides."""
        text = f"{order.order_id} {state}"
        buecher.book(order.file, "Journal", text, key=text)
