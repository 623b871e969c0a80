"""Die Activity bestätigt eine Bestellung: Sie legt ein Schreiben in den Postausgang."""

from dataclasses import dataclass
from pathlib import Path

from temporalio import activity


@dataclass(frozen=True)
class Order:
    """Eine Bestellung bei Nordlicht Versand. Beträge stehen in Cent."""

    order_id: str
    customer: str
    amount_cents: int


# --8<-- [start:activity]
class Mailroom:
    """Der Postausgang: ein Ordner, in dem jedes Schreiben eine Datei ist."""

    def __init__(self, outbox: Path) -> None:
        self._outbox = outbox

    @activity.defn
    def confirm_order(self, order: Order) -> str:
        """Schreibt die Bestätigung und gibt den Dateinamen zurück.

        Idempotent über `order_id`: Ein zweiter Lauf überschreibt dieselbe Datei.
        """
        euros, cents = divmod(order.amount_cents, 100)
        price = f"{euros},{cents:02d} €"
        text = f"Guten Tag {order.customer},\nIhre Bestellung über {price} ist da.\n"
        letter = self._outbox / f"{order.order_id}.txt"
        letter.write_text(text, encoding="utf-8")
        return letter.name


# --8<-- [end:activity]
