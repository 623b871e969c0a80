"""Was die Workflows des Katalogs bekommen und was ihre Activities liefern."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Order:
    """Ein Auftrag; der Betrag in Cent."""

    number: str
    cents: int


@dataclass(frozen=True)
class OrderWithCurrency:
    """Derselbe Auftrag, später: Das neue Feld hat einen Standardwert."""

    number: str
    cents: int
    currency: str = "EUR"


@dataclass(frozen=True)
class OrderWithCustomer:
    """Derselbe Auftrag, später: Das neue Feld ist Pflicht."""

    number: str
    cents: int
    customer: str


@dataclass(frozen=True)
class Payment:
    """Eine Abbuchung; `key` ist der Idempotenzschlüssel."""

    key: str
    cents: int


@dataclass(frozen=True)
class Receipt:
    """Die Quittung einer Abbuchung."""

    number: str


@dataclass(frozen=True)
class ReceiptWithCurrency:
    """Die Quittung, später: Das neue Feld hat einen Standardwert."""

    number: str
    currency: str = "EUR"


@dataclass(frozen=True)
class ReceiptWithDate:
    """Die Quittung, später: Das neue Feld ist Pflicht."""

    number: str
    date: str
