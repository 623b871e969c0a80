"""Die Daten, die zwischen Client, Workflow und Activities reisen."""

from dataclasses import dataclass, field


# --8<-- [start:order]
@dataclass(frozen=True)
class Order:
    """Ein Auftrag bei Nordlicht Versand. Beträge in Cent.

    `card` ist das Kennzeichen, unter dem der Zahlungsdienst die Karte kennt, nie die
    Kartennummer: Alles, was hier steht, liegt lesbar in der Event History.
    """

    number: str
    customer: str
    email: str
    postal_code: str
    article: str
    quantity: int
    amount_cents: int
    card: str
    vat_id: str = ""


# --8<-- [end:order]


# --8<-- [start:options]
@dataclass(frozen=True)
class SagaOptions:
    """Fristen und Grenzen einer Ausführung. Zeiten in Sekunden."""

    parallel: bool = False
    """Kompensationen gleichzeitig ausführen statt in umgekehrter Reihenfolge der
    Schritte.
    """
    step_attempts: int = 5
    """So viele Versuche je Schritt; danach wird zurückgerollt."""
    step_timeout: float = 10
    """Ein Versuch, vorwärts wie zurück."""
    label_timeout: float = 300
    """Ein Versuch im Versand: Der Dienst druckt das Etikett, wann es ihm passt."""
    heartbeat_timeout: float = 5
    """So schnell fällt dabei auf, dass der Worker tot ist."""
    undo_attempts: int = 5
    """So viele Versuche je Runde; danach wartet die Kompensation auf einen Eingriff."""
    undo_pause: float = 600
    """Pause bis zur nächsten Runde; sie verdoppelt sich bis auf einen Tag."""


# --8<-- [end:options]


@dataclass(frozen=True)
class PlaceOrder:
    """Die Eingabe des Workflows."""

    order: Order
    options: SagaOptions = field(default_factory=SagaOptions)


@dataclass(frozen=True)
class StepRequest:
    """Die Eingabe jeder Activity: der Auftrag und der Schlüssel, unter dem der Dienst
    den Schritt kennt.
    """

    key: str
    order: Order


@dataclass(frozen=True)
class Receipt:
    """Die Antwort eines Dienstes: sein Aktenzeichen und ob er mit der Arbeit schon
    fertig ist.
    """

    reference: str
    ready: bool = True


@dataclass(frozen=True)
class OrderResult:
    """Das Ergebnis eines Auftrags, der gilt: die Aktenzeichen der Dienste.

    `cancel_came_too_late` ist wahr, wenn nach dem Punkt ohne Wiederkehr noch jemand
    abbrechen wollte.
    """

    stock: str
    payment: str
    parcel: str
    invoice: str
    mail: str
    cancel_came_too_late: bool


@dataclass(frozen=True)
class Retry:
    """Eingriff: die Kompensation von `step` sofort noch einmal versuchen."""

    step: str
    operator: str


@dataclass(frozen=True)
class Skip:
    """Eingriff: die Kompensation von `step` auslassen. Jemand hat den Rest von Hand
    geklärt, `reason` sagt wie.
    """

    step: str
    operator: str
    reason: str


@dataclass(frozen=True)
class OpenCase:
    """Eingabe der Activity `open_case`: Was blieb stehen, wer hat das entschieden und
    warum?
    """

    key: str
    order_number: str
    skip: Skip


@dataclass(frozen=True)
class CompensationView:
    """Was eine Query über eine vorgemerkte Kompensation verrät."""

    step: str
    state: str
    failed_rounds: int
    error: str


@dataclass(frozen=True)
class SagaView:
    """Was eine Query über die ganze Saga verrät."""

    status: str
    compensations: list[CompensationView]
