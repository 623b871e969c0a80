"""Falscher Code: Die Tests beweisen den Schaden, die Seite zeigt ihn.

`DicedKeySteps` und `LookupOnlySteps` ersetzen je einen Schritt. `RefundByKey` probiert
durch, woraus sich ein Schlüssel bilden lässt, und wann er sich ändert.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

with workflow.unsafe.imports_passed_through():
    from kapitel02.idempotenz_schluessel.activities import (
        PickupRequest,
        RefundRequest,
        ReturnSteps,
    )
    from kapitel02.idempotenz_schluessel.services import Bank
    from kapitel02.idempotenz_schluessel.worker import create_worker, open_steps


class DicedKeySteps(ReturnSteps):
    """Falsch: Der Schlüssel entsteht erst in der Activity, bei jedem Versuch neu."""

    # --8<-- [start:diced]
    @activity.defn
    def refund_payment(self, request: RefundRequest) -> int:
        """Erstattet den Betrag – bei jedem Versuch unter einem neuen Schlüssel."""
        key = str(uuid.uuid4())  # (!)
        return self._bank.refund(key, request.return_id, request.cents)

    # --8<-- [end:diced]


class LookupOnlySteps(ReturnSteps):
    """Falsch: Zwischen Frage und Auftrag liegt eine Lücke."""

    # --8<-- [start:lookup]
    @activity.defn
    def order_pickup(self, request: PickupRequest) -> int:
        """Fragt nach und bestellt, ohne zu wissen, was noch unterwegs ist."""
        number = self._pickups.find(request.return_id)
        if number is not None:
            return number
        return self._pickups.order(request.return_id)  # (!)

    # --8<-- [end:lookup]


def create_diced_worker(client: Client, folder: Path, *, task_queue: str) -> Worker:
    """Der Worker mit dem Schlüssel, den jeder Versuch neu würfelt."""
    steps = open_steps(folder, DicedKeySteps)
    return create_worker(client, folder, task_queue=task_queue, steps=steps)


@dataclass(frozen=True)
class Choice:
    """Eine Erstattung in Cent und woraus ihr Schlüssel gebildet wird.

    `case` nennt den Vorgang, `drawn` ist die UUID, die der Workflow gezogen hat.
    `months` wiederholt den Workflow mit Continue-As-New, `fail_once` lässt seinen
    ersten Anlauf nach der Erstattung scheitern.
    """

    kind: str
    case: str
    cents: int = 4990
    months: int = 1
    fail_once: bool = False
    drawn: str = ""


# --8<-- [start:keys]
KEYS: dict[str, Callable[[activity.Info, Choice], str]] = {
    "Vorgang und Schritt": lambda i, c: f"{c.case}/{c.months}/erstattung",
    "Workflow-ID und Schritt": lambda i, c: f"{i.workflow_id}/erstattung",
    "Workflow-ID und Activity-ID": lambda i, c: f"{i.workflow_id}/{i.activity_id}",
    "UUID im Workflow": lambda i, c: c.drawn,
    "Run-ID und Activity-ID": lambda i, c: f"{i.workflow_run_id}/{i.activity_id}",
    "Versuch": lambda i, c: f"{i.workflow_id}/{i.attempt}",
    "UUID in der Activity": lambda i, c: str(uuid.uuid4()),
    "Uhrzeit": lambda i, c: datetime.now(UTC).isoformat(),
}
# --8<-- [end:keys]


class Refunds:
    """Eine einzige Activity, die den Schlüssel nach Wahl bildet."""

    def __init__(self, bank: Bank) -> None:
        self._bank = bank

    @activity.defn
    def refund_by_choice(self, choice: Choice) -> str:
        """Erstattet unter dem gewählten Schlüssel und gibt ihn zurück."""
        key = KEYS[choice.kind](activity.info(), choice)
        self._bank.refund(key, choice.case, choice.cents)
        return key


@workflow.defn
class RefundByKey:
    """Erstattet einmal im Monat; der Schlüssel ist Ansichtssache."""

    @workflow.run
    async def run(self, choice: Choice) -> str:
        """Gibt den zuletzt benutzten Schlüssel zurück."""
        key = await workflow.execute_activity_method(
            Refunds.refund_by_choice,
            replace(choice, drawn=str(workflow.uuid4())),
            start_to_close_timeout=timedelta(seconds=10),
        )
        if choice.fail_once and workflow.info().attempt == 1:
            raise ApplicationError("Der erste Anlauf scheitert nach der Erstattung.")
        if choice.months > 1:
            workflow.continue_as_new(replace(choice, months=choice.months - 1))
        return key


@workflow.defn
class RefundByChild:
    """Lässt ein Child mit zufälliger Workflow-ID erstatten."""

    @workflow.run
    async def run(self, choice: Choice) -> str:
        """Gibt den Schlüssel zurück, den das Child benutzt hat."""
        return await workflow.execute_child_workflow(RefundByKey.run, choice)
