"""Was Workflow, Activities und Dienst einander sagen."""

from dataclasses import dataclass, field
from datetime import timedelta

from kapitel09.rate_limit.quota import Permit, Quota


@dataclass(frozen=True)
class LabelOrder:
    """Ein Paket, dem nur noch das Etikett fehlt; `customer` ist der Händler."""

    number: str
    customer: str


@dataclass(frozen=True)
class Route:
    """Auf welchem Weg die Anfragen zum Etikettendienst gehen; Zeiten in Sekunden."""

    queue: str | None = None
    """Task Queue der Anfragen; ohne Angabe die des Workflows."""
    weight: float | None = None
    """Anteil des Händlers an der Task Queue; ohne Angabe kein Fairness-Schlüssel."""
    quota: Quota | None = None
    """Ohne Angabe fragt niemand ein Kontingent."""
    quota_id: str | None = None
    """Workflow-ID des Kontingents; ohne Angabe hat jeder Händler sein eigenes."""
    first_pause: float = 1.0
    call_timeout: float = 20.0
    deadline_days: float | None = 3.0
    attempts: int = 0
    """Höchste Zahl der Versuche; 0 heißt unbegrenzt."""

    @property
    def deadline(self) -> timedelta | None:
        """So lange darf eine Anfrage samt Retries dauern; `None`: ohne Ende."""
        days = self.deadline_days
        return None if days is None else timedelta(days=days)


@dataclass(frozen=True)
class PrintLabels:
    """Die Eingabe des Workflows: höchstens einige hundert Etiketten auf einmal."""

    orders: list[LabelOrder]
    route: Route = field(default_factory=Route)


@dataclass(frozen=True)
class LabelCall:
    """Eine Anfrage beim Etikettendienst, mit Erlaubnis oder ohne."""

    order: LabelOrder
    permit: Permit | None = None


@dataclass(frozen=True)
class PermitRequest:
    """Eine Frage an das Kontingent."""

    quota_id: str
    request_id: str
    quota: Quota
