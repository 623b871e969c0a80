"""Was ein Auftrag und seine Schritte austauschen. Beträge in Cent."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Order:
    """Ein Auftrag von Stammkundschaft; `amount` ist der Preis ohne Rabatt.

    Mit `pickup` holt die Kundschaft das Paket ab, und niemand stellt es zu.
    """

    number: str
    amount: int
    pickup: bool = False


@dataclass(frozen=True)
class Bill:
    """Was am Ende bezahlt sein soll."""

    number: str
    due: int
