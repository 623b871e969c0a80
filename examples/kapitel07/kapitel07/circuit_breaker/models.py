"""Was Workflow, Activities und Dienst einander sagen."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Order:
    """Ein bezahlter Auftrag, dem nur noch das Paket fehlt."""

    number: str
    customer: str
    postal_code: str


@dataclass(frozen=True)
class Patience:
    """Wie geduldig ein Auftrag auf den Versanddienst wartet; Zeiten in Sekunden."""

    first_pause: float = 1.0
    longest_pause: float = 100.0
    call_timeout: float = 20.0
    deadline_days: float = 3.0
    attempts: int = 0
    """Höchste Zahl der Versuche; 0 heißt unbegrenzt."""
    carrier_queue: str | None = None
    """Task Queue der Anmeldung; ohne Angabe die des Workflows."""


@dataclass(frozen=True)
class ShipOrder:
    """Die Eingabe des Workflows."""

    order: Order
    patience: Patience = field(default_factory=Patience)


@dataclass(frozen=True)
class Shipped:
    """Das Ergebnis: die Sendungsnummer und die Nummer der Bestätigung."""

    parcel: str
    confirmation: str
