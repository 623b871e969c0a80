"""Die Daten von Version 4: das Kundenkonto und was ihm geschickt wird."""

from dataclasses import dataclass, field
from enum import StrEnum

REMEMBERED = 50
"""So viele Buchungsnummern merkt sich ein Konto, um doppelte zu erkennen."""


class Tier(StrEnum):
    """Die Stufe eines Kontos; `premium` kam mit Version 4."""

    STANDARD = "standard"
    GOLD = "gold"
    PREMIUM = "premium"


# --8<-- [start:account]
@dataclass
class Account:
    """Ein Kundenkonto; Beträge in Cent."""

    number: str
    first_name: str
    last_name: str
    email: str
    balance_cents: int
    language: str = "de"
    tier: Tier = Tier.STANDARD
    booked: list[str] = field(default_factory=list)
    """Die letzten Buchungsnummern; mehr als `REMEMBERED` werden es nicht."""

    # --8<-- [end:account]

    def book(self, booking: "Booking") -> bool:
        """Verbucht einen Betrag; `False`, wenn die Nummer schon verbucht ist."""
        if booking.number in self.booked:
            return False
        self.balance_cents += booking.amount_cents
        self.booked = [*self.booked, booking.number][-REMEMBERED:]
        return True


@dataclass(frozen=True)
class Booking:
    """Eine Buchung; `number` ist ihr Idempotenzschlüssel."""

    number: str
    amount_cents: int


@dataclass(frozen=True)
class Rename:
    """Ein neuer Name."""

    first_name: str
    last_name: str


@dataclass(frozen=True)
class Confirmation:
    """Die Bestätigung einer Buchung mit dem neuen Stand."""

    number: str
    email: str
    balance_cents: int
