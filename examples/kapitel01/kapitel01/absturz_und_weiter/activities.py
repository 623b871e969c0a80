"""Die beiden Schritte einer Bestellung: Zahlung einziehen, Paket aufgeben."""

from dataclasses import dataclass

from temporalio import activity

from kapitel01.absturz_und_weiter.services import Ledger


@dataclass(frozen=True)
class Order:
    """Eine Bestellung. Betrag in Cent, Stornofrist in Sekunden."""

    order_id: str
    amount_cents: int
    hold_seconds: int = 1800


@dataclass(frozen=True)
class Receipt:
    """Ergebnis: die Buchungsnummern beider Dienste."""

    payment: int
    parcel: int


# --8<-- [start:activities]
class Steps:
    """Die zwei Schritte, jeder gegen ein eigenes fremdes System.

    Beide Activities sind idempotent: Der Schlüssel ist die Bestellnummer.
    """

    def __init__(self, payments: Ledger, parcels: Ledger) -> None:
        self._payments = payments
        self._parcels = parcels

    @activity.defn
    def charge_payment(self, order: Order) -> int:
        """Zieht den Betrag ein und gibt die Nummer der Zahlung zurück."""
        key = order.order_id
        return self._payments.book(order.order_id, order.amount_cents, key=key)

    @activity.defn
    def ship_parcel(self, order: Order) -> int:
        """Gibt das Paket auf und gibt die Nummer der Sendung zurück."""
        key = order.order_id
        return self._parcels.book(order.order_id, 0, key=key)


# --8<-- [end:activities]
