"""Die Daten, die zwischen Client, Workflows, Activities und Tabelle reisen."""

import re
from dataclasses import dataclass, field, replace
from enum import StrEnum

from temporalio.common import SearchAttributeKey
from temporalio.exceptions import ActivityError, ApplicationError

DEAD_LETTER = SearchAttributeKey.for_keyword("DeadLetter")
"""Stand und Art, etwa `geparkt/BetragUnlesbar`; leer, wenn nichts wartet."""

CORRECTABLE = ("order", "iban", "amount")


class State(StrEnum):
    """Wo ein Posten steht; nur die drei letzten sind ein Ende."""

    RUNNING = "läuft"
    PARKED = "geparkt"
    ESCALATED = "eskaliert"
    DONE = "erledigt"
    DISCARDED = "verworfen"
    HANDED_OVER = "in der Tabelle"


# --8<-- [start:row]
@dataclass(frozen=True)
class ReturnRow:
    """Eine Zeile der Retourendatei, so wie sie dasteht: `amount` ist Text."""

    number: str
    order: str
    iban: str
    amount: str

    @property
    def key(self) -> str:
        """Der Idempotenzschlüssel: fachlich und damit in jedem Workflow derselbe."""
        return f"erstattung/{self.number}"


# --8<-- [end:row]


def cents(amount: str) -> int:
    """Der Betrag in Cent; wirft `ValueError`, wenn er nicht wie „49,90“ aussieht."""
    if not re.fullmatch(r"\d{1,6},\d\d", amount):
        raise ValueError(f"„{amount}“ ist kein Betrag wie 49,90.")
    return int(amount.replace(",", ""))


def iban_is_valid(iban: str) -> bool:
    """Ob die Prüfziffer einer deutschen IBAN stimmt (ISO 13616, Rest 1 modulo 97)."""
    if not re.fullmatch(r"DE\d{20}", iban):
        return False
    return int(iban[4:] + "1314" + iban[2:4]) % 97 == 1


# --8<-- [start:problem]
def problem(row: ReturnRow) -> tuple[str, str] | None:
    """Was an der Zeile selbst falsch ist, als Art und Text; `None`, wenn nichts."""
    try:
        cents(row.amount)
    except ValueError as error:
        return "BetragUnlesbar", str(error)
    if not iban_is_valid(row.iban):
        return "IbanUngueltig", f"Die Prüfziffer von „{row.iban}“ stimmt nicht."
    return None


# --8<-- [end:problem]


@dataclass(frozen=True)
class ParkingOptions:
    """Fristen und Grenzen eines Postens. Zeiten in Sekunden."""

    attempts: int = 5
    """So viele Versuche je Runde; danach wird geparkt."""
    attempt_timeout: float = 10
    """Ein Versuch."""
    first_reminder: float = 86_400
    """Bis zur ersten Erinnerung; danach verdoppelt sich die Pause bis auf 30 Tage."""
    escalate_with: int = 3
    """Diese Erinnerung geht an die Teamleitung: nach 1 + 2 + 4 Tagen."""


@dataclass(frozen=True)
class ProcessReturn:
    """Die Eingabe der Workflows mit einem Posten."""

    row: ReturnRow
    options: ParkingOptions = field(default_factory=ParkingOptions)


@dataclass(frozen=True)
class BookRequest:
    """Die Eingabe der Buchung. `round` zählt die Anläufe und schützt vor verspäteten
    Aufrufen früherer Runden.
    """

    row: ReturnRow
    round: int = 0


@dataclass(frozen=True)
class Receipt:
    """Die Antwort des Erstattungsbuchs."""

    reference: str


# --8<-- [start:decisions]
@dataclass(frozen=True)
class Retry:
    """Eingriff: noch einmal versuchen, wenn nötig mit berichtigten Feldern."""

    operator: str
    changes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Discard:
    """Eingriff: nicht mehr versuchen. `reason` sagt, warum."""

    operator: str
    reason: str


# --8<-- [end:decisions]


def corrected(row: ReturnRow, changes: dict[str, str]) -> ReturnRow:
    """Die berichtigte Zeile; wirft `ValueError`, wenn ein Feld nicht zu ändern ist oder
    die Zeile danach immer noch nicht stimmen kann.
    """
    if unknown := [name for name in changes if name not in CORRECTABLE]:
        raise ValueError(
            f"Ändern lassen sich {', '.join(CORRECTABLE)}, nicht {', '.join(unknown)}."
        )
    after = replace(row, **changes)
    if found := problem(after):
        raise ValueError(found[1])
    return after


@dataclass(frozen=True)
class Trouble:
    """Woran der letzte Anlauf scheiterte."""

    kind: str
    text: str

    @classmethod
    def of(cls, error: ActivityError) -> "Trouble":
        """Holt den Grund aus der Fehlerkette; ein Timeout hat keinen eigenen Typ."""
        cause = error.cause
        if isinstance(cause, ApplicationError):
            return cls(cause.type or "Unbekannt", cause.message)
        return cls("KeineAntwort", str(cause or error))


@dataclass(frozen=True)
class ReturnView:
    """Was Query und Updates über einen Posten verraten."""

    state: str
    round: int
    kind: str = ""
    error: str = ""
    reminders: int = 0
    reference: str = ""


@dataclass(frozen=True)
class Letter:
    """Ein Brief in der Tabelle: der Posten, der Grund und woher er kam."""

    row: ReturnRow
    trouble: Trouble
    source: str
    round: int = 0


@dataclass(frozen=True)
class Disposal:
    """Eingabe von `record_discard`."""

    letter: Letter
    discard: Discard


@dataclass(frozen=True)
class Reminder:
    """Eingabe von `send_reminder`; `key` sorgt für genau eine Mail."""

    key: str
    recipient: str
    text: str


@dataclass(frozen=True)
class ReadRows:
    """Eingabe von `read_rows`: `limit` Zeilen ab `first` (0 ist die erste)."""

    file: str
    first: int
    limit: int


# --8<-- [start:import]
@dataclass(frozen=True)
class ImportFile:
    """Die Eingabe des Imports; `first`, `done` und `parked` führt er selbst fort."""

    file: str
    window: int = 20
    """So viele Zeilen sind höchstens zugleich in Arbeit."""
    page: int = 250
    """Nach so vielen Zeilen beginnt der Workflow eine neue Ausführung."""
    first: int = 0
    done: int = 0
    parked: int = 0


# --8<-- [end:import]


@dataclass(frozen=True)
class ImportResult:
    """Was aus den Zeilen wurde."""

    done: int
    parked: int


@dataclass(frozen=True)
class Selection:
    """Welche Briefe gemeint sind: die genannten Nummern, sonst alle einer Art, sonst
    alle geparkten.
    """

    numbers: tuple[str, ...] = ()
    kind: str = ""


@dataclass(frozen=True)
class Redrive:
    """Die Eingabe der Wiederholung. `after`, `done`, `parked` und `skipped` führt der
    Workflow selbst fort.
    """

    selection: Selection
    operator: str
    per_second: float = 5
    page: int = 200
    after: str = ""
    done: int = 0
    parked: int = 0
    skipped: int = 0


@dataclass(frozen=True)
class SelectLetters:
    """Eingabe von `select_letters`: die nächsten Nummern nach `after`."""

    selection: Selection
    after: str
    limit: int


@dataclass(frozen=True)
class RedriveOne:
    """Eingabe von `redrive_letter`; `redrive` unterscheidet die Wiederholungen."""

    number: str
    redrive: str
    operator: str


@dataclass(frozen=True)
class GiveBack:
    """Eingabe von `give_back_letter`: Der Anlauf ist gescheitert, der Brief bleibt."""

    one: RedriveOne
    trouble: Trouble


@dataclass(frozen=True)
class RedriveResult:
    """Was aus den wiederholten Briefen wurde. Übersprungen ist, was inzwischen jemand
    anders entschieden hatte.
    """

    done: int
    parked: int
    skipped: int
