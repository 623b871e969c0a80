"""Der Auftrag, seine beiden Child Workflows und die Löschung als Workflow."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ChildWorkflowError

with workflow.unsafe.imports_passed_through():
    from kapitel16.recht_auf_loeschung.activities import (
        ErasureActivities,
        OrderActivities,
    )
    from kapitel16.recht_auf_loeschung.models import (
        INVOICE,
        ORDER,
        Destruction,
        ErasureRecord,
        ErasureRequest,
        Invoice,
        Order,
        OrderView,
        Parcel,
        Payment,
    )

T = TypeVar("T")

PAYMENT_PERIOD = timedelta(days=14)
RETURN_PERIOD = timedelta(days=14)
KEY_LIFETIME = timedelta(seconds=15)
"""So lange hält ein Worker einen Schlüssel höchstens im Speicher."""


# Jede Activity ist idempotent und darf wiederholt werden, bis sie gelingt.
UNLIMITED = RetryPolicy(maximum_interval=timedelta(minutes=10))
SHORT = workflow.ActivityConfig(
    start_to_close_timeout=timedelta(seconds=30), retry_policy=UNLIMITED
)
LONG = workflow.ActivityConfig(
    start_to_close_timeout=timedelta(minutes=10),
    heartbeat_timeout=timedelta(seconds=30),
    retry_policy=UNLIMITED,
)


step = workflow.execute_activity_method


async def finish_despite_cancel(work: Coroutine[Any, Any, T]) -> T:
    """Führt `work` zu Ende, auch wenn währenddessen ein Abbruch eintrifft."""
    task = asyncio.create_task(work)
    while not task.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.shield(task)
    return task.result()


@workflow.defn
class OrderWorkflow:
    """Ein Auftrag: Ware zurücklegen, Zahlung abwarten, liefern, Widerrufsfrist.

    Ein Abbruch vor der Zahlung storniert. Danach wird geliefert, was bezahlt ist; nur
    die Widerrufsfrist entfällt.
    """

    # --8<-- [start:order]
    @workflow.init
    def __init__(self, order: Order) -> None:
        """Was den Ablauf steuert, kommt aus der ID, nicht aus löschbaren Daten."""
        self._order = order
        own_id = workflow.info().workflow_id
        _, self._customer, _, self._number = own_id.split("/")  # (!)
        self._payment: Payment | None = None
        self._view = OrderView("angenommen", note=order.note)

    # --8<-- [end:order]

    @workflow.run
    async def run(self, order: Order) -> OrderView:
        """Läuft bis zum Ende der Widerrufsfrist; ein Abbruch kürzt nur das Warten."""
        return await finish_despite_cancel(self._settle())

    # --8<-- [start:order]
    async def _settle(self) -> OrderView:
        await step(OrderActivities.reserve_stock, self._number, **SHORT)
        self._view.state = "wartet auf Zahlung"
        await self._wait(lambda: self._payment is not None, PAYMENT_PERIOD)
        if self._payment is not None:
            return await self._deliver()
        await step(OrderActivities.release_stock, self._number, **SHORT)
        self._view.state = "storniert"
        return self._view

    # --8<-- [end:order]

    async def _wait(self, reached: Callable[[], bool], period: timedelta) -> None:
        """Wartet, bis es so weit ist, die Zeit um ist oder ein Abbruch eintrifft."""
        with contextlib.suppress(TimeoutError):
            await workflow.wait_condition(
                lambda: reached() or workflow.cancellation_reason() is not None,
                timeout=period,
            )

    # --8<-- [start:deliver]
    async def _deliver(self) -> OrderView:
        recipient = self._order.recipient or self._customer
        try:
            await workflow.execute_child_workflow(
                InvoiceWorkflow.run,
                Invoice(self._customer, self._order.items, self._order.total_cents),
                id=f"kunde/{self._customer}/{INVOICE}/{self._number}",
            )
            label = await workflow.execute_child_workflow(
                ParcelWorkflow.run,
                Parcel(self._number, recipient),
                id=f"kunde/{recipient}/{ORDER}/{self._number}-paket",  # (1)
            )
        except ChildWorkflowError:
            self._view.state = "nicht zustellbar"
            return self._view
        if recipient == self._customer:  # (2)
            self._view.label = label
        self._view.state = "verschickt"
        await self._wait(lambda: False, RETURN_PERIOD)
        self._view.state = "abgeschlossen"
        return self._view

    # --8<-- [end:deliver]

    @workflow.signal
    def pay(self, payment: Payment) -> None:
        """Meldet den Zahlungseingang."""
        self._payment = payment

    @workflow.update
    def change_note(self, note: str) -> str:
        """Ändert den Vermerk und gibt den vorigen zurück."""
        previous, self._view.note = self._view.note, note
        return previous

    @workflow.query
    def view(self) -> OrderView:
        """Wie es um den Auftrag steht."""
        return self._view


@workflow.defn
class ParcelWorkflow:
    """Ein Paket; der Workflow gehört der Person, an die es geht."""

    @workflow.run
    async def run(self, parcel: Parcel) -> str:
        """Verschickt es und gibt die Aufschrift zurück."""
        return await finish_despite_cancel(
            step(OrderActivities.ship_parcel, parcel, **SHORT)
        )


@workflow.defn
class InvoiceWorkflow:
    """Eine Rechnung; ihr Schlüssel hat einen eigenen Zweck."""

    @workflow.run
    async def run(self, invoice: Invoice) -> str:
        """Schreibt die Rechnung."""
        return await finish_despite_cancel(
            step(OrderActivities.write_invoice, invoice, **SHORT)
        )


@workflow.defn
class ErasureWorkflow:
    """Löscht die Daten einer Person: erst enden ihre Workflows, dann ihr Schlüssel.

    Jeder Schritt ist idempotent. Ein abgebrochener oder doppelter Antrag schadet nicht.
    """

    # --8<-- [start:erasure]
    @workflow.run
    async def run(self, request: ErasureRequest) -> ErasureRecord:
        """Vom Antrag bis zum Protokoll."""
        await step(ErasureActivities.close_account, request, **LONG)
        terminated = await self._end_workflows(request)
        at = workflow.now().isoformat(timespec="milliseconds")
        order = Destruction(request.customer, request.key_ids, at)
        destroyed_at = await step(ErasureActivities.destroy_keys, order, **LONG)
        await workflow.sleep(KEY_LIFETIME)  # (1)
        late = await step(ErasureActivities.terminate_running, request, **LONG)  # (2)
        proof = await step(ErasureActivities.prove_erasure, request, **LONG)  # (3)
        record = ErasureRecord(
            request.customer, request.purposes, destroyed_at, terminated + late, proof
        )
        await step(ErasureActivities.record_erasure, record, **LONG)
        return record

    # --8<-- [end:erasure]

    # --8<-- [start:end-workflows]
    async def _end_workflows(self, request: ErasureRequest) -> int:
        """Lässt laufenden Workflows Zeit, selbst zu enden; höchstens die Schonfrist."""
        left, pause = timedelta(seconds=request.grace_seconds), timedelta(minutes=1)
        while await step(ErasureActivities.end_running, request, **LONG):
            if not left:
                break
            pause = min(pause, left)
            await workflow.sleep(pause)
            left, pause = left - pause, 2 * pause
        return await step(ErasureActivities.terminate_running, request, **LONG)

    # --8<-- [end:end-workflows]
