"""Die Revision: liest die Bücher aller Dienste und sagt je Auftrag, ob sie zueinander
passen.
"""

import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kapitel07.saga.ledger import (
    InvoiceLedger,
    Ledger,
    Outbox,
    ParcelLedger,
    PaymentLedger,
    StockLedger,
)

SERVICES: dict[str, type[Ledger]] = {
    "lager": StockLedger,
    "zahlung": PaymentLedger,
    "versand": ParcelLedger,
    "rechnung": InvoiceLedger,
    "mail": Outbox,
}
STEPS = ("lager", "zahlung", "versand", "rechnung")

NOTHING = "nichts gebucht"
EVERYTHING = "vollständig gebucht"
REMAINDER = "zurückgerollt bis auf Klärfälle"
CONTRADICTION = "Widerspruch"


@dataclass
class Account:
    """Was die Bücher über einen Auftrag sagen: je Dienst die Wirkungen in der
    Reihenfolge, in der sie eintraten.
    """

    effects: dict[str, list[int]] = field(
        default_factory=lambda: {service: [] for service in SERVICES}
    )
    cases: dict[str, str] = field(default_factory=dict)

    def balance(self, service: str) -> int:
        """Was unter dem Strich stehen blieb: Stück, Cent, Pakete oder Mails."""
        return sum(self.effects[service])

    def describe(self) -> str:
        """Der Stand aller Bücher in einer Zeile."""
        parts = []
        for service in SERVICES:
            balance = self.balance(service)
            money = service in ("zahlung", "rechnung")
            parts.append(
                f"{service} {balance // 100},{balance % 100:02d} €"
                if money
                else f"{service} {balance}"
            )
        return f"{', '.join(parts)} – {self.verdict}"

    # --8<-- [start:findings]
    @property
    def findings(self) -> list[str]:
        """Alles, was nicht stimmt; leer, wenn die Bücher zueinander passen."""
        found = []
        for service, effects in self.effects.items():
            booked = sum(amount > 0 for amount in effects)
            cancelled = sum(amount < 0 for amount in effects)
            if booked > 1 or cancelled > 1:
                found.append(
                    f"{service}: {booked} × gebucht, {cancelled} × zurückgenommen"
                )
            if cancelled > booked:
                found.append(f"{service}: zurückgenommen, was nie gebucht war")
        left = [step for step in STEPS if self.balance(step) and step not in self.cases]
        if left and len(left) < len(STEPS):
            found.append(f"stehen geblieben: {', '.join(left)}")
        paid, billed = self.balance("zahlung"), self.balance("rechnung")
        if paid != billed and not self.cases:
            found.append(f"Geld: {paid} Cent kassiert, {billed} Cent berechnet")
        if self.balance("mail") and len(left) < len(STEPS):
            found.append("mail: bestätigt, was nicht gilt")
        return found

    # --8<-- [end:findings]

    @property
    def verdict(self) -> str:
        """Das Urteil in einem Ausdruck: `NOTHING`, `EVERYTHING`, `REMAINDER` oder
        `CONTRADICTION`.
        """
        if self.findings:
            return CONTRADICTION
        if self.cases:
            return REMAINDER
        return EVERYTHING if self.balance("lager") else NOTHING


@dataclass
class Audit:
    """Das Ergebnis der Revision über alle Aufträge eines Ordners."""

    accounts: dict[str, Account]
    stock_findings: list[str]

    @property
    def findings(self) -> list[str]:
        """Alle Befunde, jeder mit dem Auftrag davor; leer, wenn alles stimmt."""
        lines = [
            f"{order}: {finding}"
            for order, a in self.accounts.items()
            for finding in a.findings
        ]
        return lines + self.stock_findings

    def account(self, order_number: str) -> Account:
        """Die Bücher zu einem Auftrag; leer, wenn kein Dienst ihn kennt."""
        return self.accounts.get(order_number, Account())


def audit(folder: Path) -> Audit:
    """Liest alle Bücher in `folder`."""
    accounts: dict[str, Account] = {}
    for service, ledger in SERVICES.items():
        for order_number, amount in _rows(
            folder, ledger, "SELECT order_number, amount FROM journal ORDER BY number"
        ):
            accounts.setdefault(order_number, Account()).effects[service].append(amount)
    for order_number, step, operator, reason in _rows(
        folder,
        InvoiceLedger,
        "SELECT order_number, step, operator, reason FROM open_case",
    ):
        accounts.setdefault(order_number, Account()).cases[step] = (
            f"{operator}: {reason}"
        )
    missing = sum(
        delivered - available
        for delivered, available in _rows(
            folder, StockLedger, "SELECT delivered, available FROM shelf"
        )
    )
    reserved = sum(account.balance("lager") for account in accounts.values())
    stock = (
        []
        if missing == reserved
        else [f"Lager: {missing} Stück fehlen im Regal, {reserved} sind reserviert"]
    )
    return Audit(accounts, stock)


def _rows(folder: Path, ledger: type[Ledger], query: str) -> list[tuple[Any, ...]]:
    path = folder / ledger.file_name
    if not path.exists():
        return []
    with closing(sqlite3.connect(path, timeout=10)) as db:
        return db.execute(query).fetchall()
