"""Was ein Auftrag ist und was am Ende herauskommt."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class Order:
    """Ein Auftrag; `amount` in Cent."""

    number: str
    customer: str
    amount: int


@dataclass(frozen=True)
class PlaceOrder:
    """Die Eingabe des Workflows: der Auftrag und zwei Wartezeiten in Sekunden."""

    order: Order
    until_stock: float = 3 * 86_400
    until_pickup: float = 86_400

    @property
    def stock(self) -> timedelta:
        """So lange dauert es, bis die Ware im Lager liegt."""
        return timedelta(seconds=self.until_stock)

    @property
    def pickup(self) -> timedelta:
        """So lange dauert es, bis der Fahrer das Paket abholt."""
        return timedelta(seconds=self.until_pickup)


@dataclass(frozen=True)
class Shipped:
    """Das Ergebnis: die Nummer des Pakets."""

    parcel: str
