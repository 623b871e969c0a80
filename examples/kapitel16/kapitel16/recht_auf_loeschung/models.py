"""Die Daten des Musters. Beträge in ganzen Cent."""

import re
from dataclasses import dataclass, field
from typing import Self

from kapitel16.recht_auf_loeschung.codec import ERASED

ORDER, INVOICE = "auftrag", "rechnung"
PURPOSES = (ORDER, INVOICE)
"""Je Person und Zweck ein Schlüssel: Rechnungen bleiben, wenn Aufträge gehen."""

_NUMBER = re.compile(r"[0-9a-f-]{36}")


@dataclass
class Customer:
    """Eine Zeile der Stammdaten: Nur hier hat die Kundennummer einen Namen."""

    number: str
    name: str
    email: str
    street: str
    city: str

    @property
    def label(self) -> str:
        """Was auf dem Paket steht."""
        return f"{self.name}, {self.street}, {self.city}"


# --8<-- [start:order]
@dataclass
class Order:
    """Ein Auftrag. Wessen er ist und welche Nummer er hat, sagt die Workflow-ID."""

    items: list[str]
    total_cents: int
    recipient: str = ""
    """Die Kundennummer, an die das Paket geht; leer: an die Kundin selbst."""
    note: str = ""

    @classmethod
    def erased(cls) -> Self:
        """Der Platzhalter nach einer Löschung."""
        return cls([], 0, note=ERASED)


# --8<-- [end:order]


@dataclass
class Invoice:
    """Eine Rechnung; sie hat einen eigenen Zweck und damit einen eigenen Schlüssel."""

    customer: str
    items: list[str]
    total_cents: int


@dataclass
class Parcel:
    """Ein Paket für `recipient`; die Anschrift steht in den Stammdaten."""

    order: str
    recipient: str

    @classmethod
    def erased(cls) -> Self:
        """Der Platzhalter nach einer Löschung."""
        return cls(ERASED, ERASED)


@dataclass
class Payment:
    """Ein Zahlungseingang."""

    reference: str

    @classmethod
    def erased(cls) -> Self:
        """Der Platzhalter nach einer Löschung."""
        return cls(ERASED)


@dataclass
class OrderView:
    """Wie es um einen Auftrag steht."""

    state: str
    label: str = ""
    """Die Aufschrift des Pakets, wenn es an die Kundin selbst geht."""
    note: str = ""

    @classmethod
    def erased(cls) -> Self:
        """Der Platzhalter nach einer Löschung."""
        return cls(ERASED)


# --8<-- [start:request]
@dataclass
class ErasureRequest:
    """Wessen Daten zu welchen Zwecken gelöscht werden. Kein Name, keine Adresse."""

    customer: str
    purposes: list[str] = field(default_factory=lambda: [ORDER])
    grace_seconds: float = 86_400
    """So lange dürfen laufende Workflows selbst zu Ende kommen."""

    def __post_init__(self) -> None:
        """Wirft `ValueError` bei falscher Kundennummer oder unbekanntem Zweck."""
        if not _NUMBER.fullmatch(self.customer):
            raise ValueError("Löschen lässt sich nur unter einer Kundennummer.")
        # Unbemerkt löschte ein Tippfehler nichts, und das Protokoll bestätigte es.
        if not self.purposes or not set(self.purposes) <= set(PURPOSES):
            raise ValueError(f"Zwecke gibt es nur diese: {', '.join(PURPOSES)}.")

    # --8<-- [end:request]

    @property
    def key_ids(self) -> list[str]:
        """Die Schlüssel, die vernichtet werden."""
        return [f"{self.customer}.{purpose}" for purpose in self.purposes]

    @property
    def prefixes(self) -> list[str]:
        """Womit die IDs der betroffenen Workflows beginnen."""
        return [f"kunde/{self.customer}/{purpose}/" for purpose in self.purposes]


@dataclass
class Destruction:
    """Vernichte diese Schlüssel und lösche diese Zeile der Stammdaten."""

    customer: str
    key_ids: list[str]
    at: str


@dataclass
class Proof:
    """Das Ergebnis des Nachweises über alle Histories der Person."""

    histories: int
    sealed: int
    """Payloads, die mit einem vernichteten Schlüssel versiegelt sind."""
    readable: int
    """Wie viele davon sich mit irgendeinem vorhandenen Schlüssel öffnen ließen."""


@dataclass
class ErasureRecord:
    """Das Protokoll einer Löschung: Nummern, Zeiten und Zahlen."""

    customer: str
    purposes: list[str]
    destroyed_at: str
    terminated: int
    proof: Proof
