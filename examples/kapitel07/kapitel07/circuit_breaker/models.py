"""Was Workflow, Activities und Dienst einander sagen."""

from dataclasses import dataclass, field
from datetime import timedelta


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
    deadline_days: float | None = 3.0
    attempts: int = 0
    """Höchste Zahl der Versuche; 0 heißt unbegrenzt."""
    carrier_queue: str | None = None
    """Task Queue der Anmeldung; ohne Angabe die des Workflows."""

    @property
    def deadline(self) -> timedelta | None:
        """So lange darf alles zusammen dauern; `None`: ohne Ende."""
        days = self.deadline_days
        return None if days is None else timedelta(days=days)


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
