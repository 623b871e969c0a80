"""Was alle Versionen gemeinsam haben: die Daten, die in den Event Histories stehen."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Order:
    """Eine Bestellung und das Land, in das sie geht."""

    number: str
    country: str = "DE"


@dataclass(frozen=True)
class Shipped:
    """Eine verschickte Bestellung."""

    number: str
    carrier: str


@dataclass(frozen=True)
class ReturnRequest:
    """Eine Retoure zu einer Bestellung."""

    number: str


@dataclass(frozen=True)
class Refunded:
    """Eine erstattete Retoure."""

    number: str


@dataclass(frozen=True)
class Inventory:
    """Eine laufende Inventur.

    Sie zählt `total` Regale und beginnt nach je `per_run` Regalen eine neue Event
    History. `upgrade` sagt, ob sie dabei auf die neue Version umzieht; `pending` sind
    gemeldete, noch ungezählte Regale.
    """

    number: str
    total: int
    per_run: int
    upgrade: bool
    counted: int = 0
    pending: tuple[str, ...] = ()


@dataclass(frozen=True)
class Task:
    """Ein Schritt für das Lager: wozu er gehört und was er betrifft."""

    number: str
    subject: str = ""
