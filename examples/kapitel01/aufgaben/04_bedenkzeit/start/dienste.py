"""Die Dienste. Diese Datei ist vorgegeben; die Prüfung betreibt die Activities."""

from dataclasses import dataclass

from temporalio import activity


@dataclass(frozen=True)
class Order:
    """Eine Bestellung bei Nordlicht Versand. Beträge stehen in Cent."""

    order_id: str
    amount_cents: int


@activity.defn
async def charge_payment(order: Order) -> int:
    """Zieht den Betrag ein und gibt die Nummer der Zahlung zurück."""
    raise NotImplementedError


@activity.defn
async def refund_payment(payment: int) -> None:
    """Erstattet die Zahlung mit dieser Nummer."""
    raise NotImplementedError


@activity.defn
async def ship_parcel(order: Order) -> None:
    """Gibt das Paket auf."""
    raise NotImplementedError
