"""Benannte Läufe des Musters: bestellen, löschen – und was danach noch lesbar ist."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from temporalio.client import (
    Client,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowHistory,
)
from temporalio.common import WorkflowIDConflictPolicy

from dauerlauf.faults import ActivityAction, ActivityFault, FaultPlan
from dauerlauf.scenario import CrashStage, Legend, Pattern, Stage
from dauerlauf.timelapse import result
from dauerlauf.worker_process import WorkerProcess
from kapitel16.recht_auf_loeschung.codec import PersonCodec, with_person_keys
from kapitel16.recht_auf_loeschung.key_store import KeyCache, KeyStore
from kapitel16.recht_auf_loeschung.models import (
    Customer,
    ErasureRecord,
    ErasureRequest,
    Order,
    Payment,
)
from kapitel16.recht_auf_loeschung.proof import payloads
from kapitel16.recht_auf_loeschung.register import Register
from kapitel16.recht_auf_loeschung.worker import WORKFLOWS, create_worker
from kapitel16.recht_auf_loeschung.workflow import ErasureWorkflow, OrderWorkflow

PATTERN = Pattern(
    "recht_auf_loeschung",
    chapter=16,
    title="Recht auf Löschung",
    problem="Die Daten einer Person sollen aus unveränderlichen Histories "
    "verschwinden.",
    workflows=WORKFLOWS,
    legend=Legend(
        compensations=frozenset({"release_stock"}),
        services={
            "reserve_stock": "Lager",
            "release_stock": "Lager",
            "write_invoice": "Rechnung",
            "ship_parcel": "Versand",
            "close_account": "Stammdaten",
            "end_running": "Temporal",
            "terminate_running": "Temporal",
            "destroy_keys": "Schlüsselspeicher",
            "prove_erasure": "Temporal",
            "record_erasure": "Protokoll",
        },
    ),
)

TIME_LIMIT = 40.0
WORKER = "kapitel16.recht_auf_loeschung.worker:create_worker"

MEIKE = Customer(
    "K-100123", "Meike Jürgensen", "meike@example.org", "Möwenweg 3", "25813 Husum"
)
ANKE = Customer(
    "K-100124", "Anke Weiß", "anke@example.org", "Süderhofenden 8", "24937 Flensburg"
)
LAMP = Order(["Sturmlaterne"], 4990, note="Bitte bei Frau Groß klingeln")


class ReadableHandle(WorkflowHandle[Any, Any]):
    """Ein Handle, dessen History entschlüsselt ist.

    Aufgezeichnet wird so, was der Workflow sah; die Nonces wären jedes Mal andere.
    """

    async def fetch_history(self, **options: Any) -> WorkflowHistory:
        """Wie die Basisklasse, mit lesbaren Payloads."""
        history = await super().fetch_history(**options)
        codec = self._client.data_converter.payload_codec
        assert codec is not None
        for event in history.events:
            for payload in payloads(event):
                payload.CopyFrom((await codec.decode([payload]))[0])
        return history


class Office:
    """Der Shop und die Datenschutzstelle: ein Client mit Schlüsseln, ohne Cache."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.register = Register(stage.folder)
        self.keys = KeyStore(stage.folder)
        self.client = with_person_keys(
            stage.client, KeyCache(self.keys, 0), strict=True
        )
        for customer in (MEIKE, ANKE):
            self.register.register(customer)

    async def order(self, customer: Customer, number: str, order: Order = LAMP) -> Any:
        """Gibt einen Auftrag auf, der mit echter Uhr auf die Zahlung wartet."""
        return await self.start(
            OrderWorkflow.run, order, id=f"kunde/{customer.number}/auftrag/{number}"
        )

    async def request(self, customer: Customer, **options: Any) -> Any:
        """Beantragt die Löschung; ein laufender Antrag wird nicht verdoppelt."""
        return await self.start(
            ErasureWorkflow.run,
            ErasureRequest(customer.number, **options),
            id=f"betrieb/loeschung/{customer.number}",
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        )

    async def start(self, workflow: Any, arg: Any, *, id: str, **options: Any) -> Any:
        """Startet einen Workflow mit versiegelten Daten."""
        handle = await self.client.start_workflow(
            workflow, arg, id=id, task_queue=self._stage.task_queue, **options
        )
        return ReadableHandle(
            self.client,
            handle.id,
            result_run_id=handle.result_run_id,
            result_type=handle._result_type,
        )

    def show(self, handle: Any) -> None:
        """Das Szenario zeigt die History dieses Workflows."""
        self._stage.handle = handle


def state(handle: Any, wanted: str) -> Any:
    """Wartet, bis der Auftrag so weit ist."""

    async def wait() -> None:
        while (await handle.query(OrderWorkflow.view)).state != wanted:
            await asyncio.sleep(0.02)

    return asyncio.wait_for(wait(), TIME_LIMIT)
