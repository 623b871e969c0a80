"""Was hinein- und herausgeht. Jede dieser Klassen enthält etwas Persönliches."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Refund:
    """Eine Erstattung an eine Kundin; der Betrag in Cent."""

    number: str
    customer: str
    iban: str
    amount_cents: int


@dataclass(frozen=True)
class Decision:
    """Was die Kundenbetreuung entschieden hat und warum."""

    approved: bool
    by: str
    note: str


@dataclass(frozen=True)
class Outcome:
    """Wie die Erstattung ausging; ohne Überweisung ist `transfer` leer."""

    transfer: str
    note: str
