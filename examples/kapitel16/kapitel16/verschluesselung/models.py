"""Was durch den Server geht: Erstattungen mit Namen, IBAN und Grund."""

from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True)
class Account:
    """Ein Konto: Inhaber und IBAN."""

    holder: str
    iban: str


@dataclass(frozen=True)
class Refund:
    """Eine Erstattung in Cent; ab `approval_from` Cent muss jemand zustimmen."""

    number: str
    account: Account
    cents: int
    reason: str
    approval_from: int = 50_000


@dataclass(frozen=True)
class Transfer:
    """Ein Auftrag an die Bank; `key` ist sein Idempotenzschlüssel."""

    key: str
    account: Account
    cents: int


@dataclass(frozen=True)
class Approval:
    """Die Zustimmung zu einem hohen Betrag."""

    clerk: str
    remark: str


class State(StrEnum):
    """Wo eine Erstattung steht."""

    CHECKING = "wird geprüft"
    AWAITING_APPROVAL = "wartet auf Zustimmung"
    AWAITING_ACCOUNT = "wartet auf ein anderes Konto"
    PAID = "überwiesen"


@dataclass(frozen=True)
class Progress:
    """Der Stand für Auskünfte."""

    state: State
    account: Account
    problem: str = ""
    remarks: list[str] = field(default_factory=list)
