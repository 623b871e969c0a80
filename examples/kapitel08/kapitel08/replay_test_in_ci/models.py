"""Was ein Auftrag mit sich trägt: Personendaten und das, wonach der Code verzweigt."""

from dataclasses import dataclass
from enum import StrEnum


class Payment(StrEnum):
    """Wie die Kundschaft zahlt."""

    CARD = "karte"
    INVOICE = "rechnung"


# --8<-- [start:order]
@dataclass(frozen=True)
class Address:
    """Wohin das Paket geht; der Workflow verzweigt nach `country`."""

    name: str
    street: str
    postal_code: str
    city: str
    country: str = "DE"


@dataclass(frozen=True)
class Order:
    """Ein Auftrag; der Workflow verzweigt nach `amount` (Cent) und `payment`."""

    number: str
    email: str
    iban: str
    address: Address
    amount: int
    payment: Payment = Payment.CARD


# --8<-- [end:order]


@dataclass(frozen=True)
class Stock:
    """Was das Lager zu einem Auftrag sagt."""

    available: bool
    shelf: str


@dataclass(frozen=True)
class Fulfilled:
    """Das Ergebnis: die Sendungsnummer, leer ohne Ware."""

    number: str
    tracking: str


@dataclass(frozen=True)
class Return:
    """Eine angekündigte Retoure; erstattet werden `amount` Cent."""

    number: str
    name: str
    iban: str
    amount: int
