"""Die Activities: Lager und Versand hier, die Schritte der Löschung dort."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from temporalio import activity
from temporalio.api.history.v1 import History
from temporalio.client import Client, WorkflowExecution, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from kapitel16.recht_auf_loeschung.key_store import KeyStore
from kapitel16.recht_auf_loeschung.models import (
    Customer,
    Destruction,
    ErasureRecord,
    ErasureRequest,
    Invoice,
    Parcel,
    Proof,
)
from kapitel16.recht_auf_loeschung.proof import examine
from kapitel16.recht_auf_loeschung.register import CustomerUnknownError, Register

CUSTOMER_UNKNOWN = "KundennummerUnbekannt"
STILL_READABLE = "NochLesbar"


def folder_from_environment() -> Path:
    """Der Ordner aus `NORDLICHT_DATEN`; wirft `KeyError`, wenn die Variable fehlt."""
    return Path(os.environ["NORDLICHT_DATEN"])


class OrderActivities:
    """Lager, Rechnung und Versand. Schlüssel jeder Wirkung ist die Auftragsnummer."""

    def __init__(self, folder: Path) -> None:
        self._register = Register(folder)

    @activity.defn
    def reserve_stock(self, order: str) -> None:
        """Legt die Ware zurück."""
        self._register.reserve(order)

    @activity.defn
    def release_stock(self, order: str) -> None:
        """Gibt die Ware wieder frei."""
        self._register.release(order)

    @activity.defn
    def write_invoice(self, invoice: Invoice) -> str:
        """Gibt den Text der Rechnung zurück, so wie er aufzubewahren ist."""
        customer = self._customer(invoice.customer)
        return f"{customer.label}: {invoice.total_cents} Cent"

    @activity.defn
    def ship_parcel(self, parcel: Parcel) -> str:
        """Verschickt ein Paket und gibt seine Aufschrift zurück."""
        recipient = self._customer(parcel.recipient)
        self._register.ship(parcel.order)
        return recipient.label

    def _customer(self, number: str) -> Customer:
        try:
            return self._register.customer(number)
        except CustomerUnknownError as error:
            raise ApplicationError(
                str(error), type=CUSTOMER_UNKNOWN, non_retryable=True
            ) from None

    def all(self) -> list[Callable[..., Any]]:
        """Alle Activities, für den Worker."""
        return [
            self.reserve_stock,
            self.release_stock,
            self.write_invoice,
            self.ship_parcel,
        ]


class ErasureActivities:
    """Die Schritte der Löschung. Jeder darf beliebig oft laufen."""

    def __init__(self, folder: Path, client: Client, patience: float = 5) -> None:
        """`patience`: so viele Sekunden wartet `end_running` auf laufende Workflows."""
        self._patience = patience
        self._register = Register(folder)
        self._keys = KeyStore(folder)
        self._client = client

    @activity.defn
    def close_account(self, request: ErasureRequest) -> None:
        """Sperrt das Konto, damit nichts Neues beginnt."""
        self._register.close(request.customer)

    # --8<-- [start:end-running]
    @activity.defn
    async def end_running(self, request: ErasureRequest) -> int:
        """Bricht laufende Workflows ab; gibt zurück, wie viele danach bleiben."""
        deadline = time.monotonic() + self._patience
        async for execution in self._executions(request, running=True):
            await _unless_gone(self._handle(execution).cancel())
            activity.heartbeat()
        while running := await self._count_running(request):
            activity.heartbeat()
            if time.monotonic() >= deadline:
                break
            await asyncio.sleep(0.05)
        return running

    # --8<-- [end:end-running]

    @activity.defn
    async def terminate_running(self, request: ErasureRequest) -> int:
        """Beendet, was noch läuft, ohne dass ein Worker mitwirkt."""
        number = 0
        async for execution in self._executions(request, running=True):
            # Der Grund steht im Klartext in der History.
            ended = self._handle(execution).terminate(reason="Löschung")
            number += await _unless_gone(ended)
            activity.heartbeat()
        return number

    # --8<-- [start:destroy]
    @activity.defn
    def destroy_keys(self, destruction: Destruction) -> str:
        """Vernichtet die Schlüssel und die Zuordnung; gibt den Zeitpunkt zurück."""
        first = [
            self._keys.destroy(key_id, destruction.at) for key_id in destruction.key_ids
        ]
        self._register.forget(destruction.customer)
        return max(first)

    # --8<-- [end:destroy]

    # --8<-- [start:prove]
    @activity.defn
    async def prove_erasure(self, request: ErasureRequest) -> Proof:
        """Liest jede History der Person so, wie der Server sie hat."""
        histories = []
        async for execution in self._executions(request):
            history = await self._handle(execution).fetch_history()
            histories.append(History(events=history.events))
            activity.heartbeat()
        proof = examine(histories, request.key_ids, self._keys.living())
        if proof.readable:
            raise ApplicationError(
                f"Noch lesbar: {proof.readable} Payloads.", type=STILL_READABLE
            )
        return proof

    # --8<-- [end:prove]

    @activity.defn
    def record_erasure(self, record: ErasureRecord) -> None:
        """Schreibt das Protokoll; Schlüssel ist die Workflow-ID mit der Run-ID."""
        info = activity.info()
        self._register.record(f"{info.workflow_id}/{info.workflow_run_id}", record)

    def all(self) -> list[Callable[..., Any]]:
        """Alle Activities, für den Worker."""
        return [
            self.close_account,
            self.end_running,
            self.terminate_running,
            self.destroy_keys,
            self.prove_erasure,
            self.record_erasure,
        ]

    async def _executions(
        self, request: ErasureRequest, *, running: bool = False
    ) -> AsyncIterator[WorkflowExecution]:
        for prefix in request.prefixes:
            query = f'WorkflowId STARTS_WITH "{prefix}"'
            if running:
                query += ' AND ExecutionStatus = "Running"'
            async for execution in self._client.list_workflows(query):
                yield execution

    async def _count_running(self, request: ErasureRequest) -> int:
        return len([found async for found in self._executions(request, running=True)])

    def _handle(self, execution: WorkflowExecution) -> WorkflowHandle[Any, Any]:
        return self._client.get_workflow_handle(execution.id, run_id=execution.run_id)


async def _unless_gone(ending: Any) -> bool:
    """Ob es noch etwas zu beenden gab."""
    try:
        await ending
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return False
    return True
