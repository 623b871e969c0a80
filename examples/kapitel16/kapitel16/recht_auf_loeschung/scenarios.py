"""Benannte Läufe des Musters: bestellen, löschen – und was danach noch lesbar ist."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import replace
from typing import Any
from uuid import uuid4

from temporalio.client import (
    WorkflowExecutionStatus,
    WorkflowHandle,
    WorkflowHistory,
)
from temporalio.common import WorkflowIDConflictPolicy

from dauerlauf.faults import ActivityAction, ActivityFault, FaultPlan
from dauerlauf.scenario import CrashStage, Legend, Pattern, Stage
from dauerlauf.timelapse import result
from dauerlauf.worker_process import WorkerProcess, rescue
from kapitel16.recht_auf_loeschung.codec import person_converter, with_person_keys
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
from kapitel16.verschluesselung.codec import is_sealed

PATTERN = Pattern(
    "recht_auf_loeschung",
    chapter=16,
    title="Recht auf Löschung",
    problem="Die Daten einer Person sollen aus unveränderlichen Histories "
    "verschwinden.",
    workflows=WORKFLOWS,
    # Aufgezeichnet ist, was die Workflows sahen: Klartext und Grabsteine.
    data_converter=person_converter(None),
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
GRACE = 180.0
WORKER = "kapitel16.recht_auf_loeschung.worker:create_worker"

MEIKE = Customer(
    "", "Meike Jürgensen", "meike@example.org", "Möwenweg 3", "25813 Husum"
)
ANKE = Customer(
    "", "Anke Weiß", "anke@example.org", "Süderhofenden 8", "24937 Flensburg"
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
        sealed = [p for e in history.events for p in payloads(e) if is_sealed(p)]
        for payload in sealed:
            payload.CopyFrom((await codec.decode([payload]))[0])
        return history


class Office:
    """Der Shop und die Datenschutzstelle: ein Client mit Schlüsseln, ohne Cache."""

    def __init__(self, stage: Stage) -> None:
        """Nimmt zwei Kundinnen auf; ihre Nummern sind zufällig."""
        self._stage = stage
        self.register = Register(stage.folder)
        self.keys = KeyStore(stage.folder)
        stage.client = with_person_keys(
            stage.client, KeyCache(self.keys, 0), strict=True
        )
        self.meike = replace(MEIKE, number=str(uuid4()))
        self.anke = replace(ANKE, number=str(uuid4()))
        for customer in (self.meike, self.anke):
            self.register.register(customer)

    async def order(self, customer: Customer, number: str, order: Order = LAMP) -> Any:
        """Gibt einen Auftrag auf; seine Uhr springt nicht von selbst."""
        timelapse = self._stage.timelapse
        with timelapse.unskipped() if timelapse else nullcontext():
            return await self._start(
                OrderWorkflow.run, order, id=f"kunde/{customer.number}/auftrag/{number}"
            )

    async def shipped_order(
        self, customer: Customer, number: str, **change: Any
    ) -> Any:
        """Ein bezahlter und verschickter Auftrag in der Widerrufsfrist."""
        handle = await self.order(customer, number, replace(LAMP, **change))
        await reached(handle, "wartet auf Zahlung")
        await handle.signal(OrderWorkflow.pay, Payment("DE89 3704 0044 0532 0130 00"))
        await reached(handle, "verschickt")
        return handle

    async def request(self, customer: Customer, **options: Any) -> Any:
        """Beantragt die Löschung; ein laufender Antrag wird nicht verdoppelt."""
        return await self._start(
            ErasureWorkflow.run,
            ErasureRequest(customer.number, **options),
            id=f"betrieb/loeschung/{customer.number}",
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        )

    async def erase(self, customer: Customer, **options: Any) -> ErasureRecord:
        """Beantragt die Löschung und wartet auf das Protokoll."""
        return await self.recorded(await self.request(customer, **options))

    async def recorded(self, handle: Any) -> ErasureRecord:
        """Wartet auf das Protokoll und hält es fest."""
        record: ErasureRecord = await result(handle, TIME_LIMIT)
        self._stage.note(
            f"Protokoll: {record.terminated} beendet, {record.proof.histories} "
            f"Histories, {record.proof.sealed} Payloads gelöscht, "
            f"{record.proof.readable} lesbar"
        )
        return record

    async def look(self, handle: Any) -> None:
        """Fragt den Auftrag und hält die Antwort fest."""
        view = await handle.query(OrderWorkflow.view)
        label = view.label or "ohne Aufschrift"
        self._stage.note(f"Auftrag: {view.state}, {label}, Vermerk: {view.note}")

    def audit(self) -> None:
        """Hält fest, wo die Ware ist und wen die Stammdaten kennen."""
        stock = self.register.stock().items()
        self._stage.note(
            "Lager: " + ", ".join(f"{key} {state}" for key, state in stock)
        )
        known = [
            customer.name
            for customer in (self.meike, self.anke)
            if self.register.accepts_orders(customer.number)
        ]
        self._stage.note(f"Stammdaten: {', '.join(known)}")

    async def _start(self, workflow: Any, arg: Any, **options: Any) -> Any:
        handle = await self._stage.start(workflow, arg, **options)
        return ReadableHandle(
            self._stage.client,
            handle.id,
            result_run_id=handle.result_run_id,
            result_type=handle._result_type,
        )


async def reached(handle: Any, state: str) -> None:
    """Wartet, bis der Auftrag so weit ist."""
    async with asyncio.timeout(TIME_LIMIT):
        while (await handle.query(OrderWorkflow.view)).state != state:
            await asyncio.sleep(0.02)


@asynccontextmanager
async def open_shop(
    stage: Stage, identity: str = "worker-1", *, patience: float = 5
) -> AsyncIterator[None]:
    """Ein Worker ohne Gedächtnis für Schlüssel: Löschungen wirken sofort."""
    keys = KeyCache(KeyStore(stage.folder), 0)
    client = stage.worker_client(identity)
    async with create_worker(
        client,
        stage.folder,
        task_queue=stage.task_queue,
        keys=keys,
        patience=patience,
    ):
        yield


@PATTERN.scenario("bestellung", "Eine Kundin bestellt, zahlt und bekommt ihr Paket.")
async def ordered(stage: Stage) -> None:
    """Der Auftrag, um dessen Daten es geht."""
    office = Office(stage)
    async with open_shop(stage):
        handle = await office.shipped_order(office.meike, "N-1001")
        stage.handle = handle
        await office.look(handle)
        if stage.timelapse:
            await stage.timelapse.fast_forward(handle)
            await result(handle, TIME_LIMIT)
    office.audit()


@PATTERN.scenario(
    "glatt", "Die Kundin verlangt die Löschung; ihr Auftrag ist schon abgeschlossen."
)
async def smooth(stage: Stage) -> None:
    """Vom Antrag bis zum Protokoll; danach ist nichts mehr lesbar."""
    office = Office(stage)
    async with open_shop(stage):
        order = await closed_order(stage, office)
        handle = await office.request(office.meike)
        stage.handle = handle
        await office.recorded(handle)
        await office.look(order)
    office.audit()


async def closed_order(stage: Stage, office: Office) -> Any:
    """Ein Auftrag, der hinter uns liegt: noch vor der Zahlung storniert."""
    order = await office.order(office.meike, "N-1001")
    await reached(order, "wartet auf Zahlung")
    await order.cancel()
    await result(order, TIME_LIMIT)
    return order


@PATTERN.crash_stage("glatt")
@asynccontextmanager
async def until_crash(stage: Stage) -> AsyncIterator[CrashStage]:
    """Dieselbe Löschung mit Workern, die sterben; Schlüssel und Protokoll bleiben."""
    office = Office(stage)
    async with open_shop(stage):
        await closed_order(stage, office)
    arguments = {"folder": stage.folder, "task_queue": stage.task_queue}
    yield CrashStage(WORKER, arguments, lambda: office.request(office.meike))


@PATTERN.scenario(
    "andere-laeuft-weiter",
    "Anke hat Meike beschenkt; Meike wird gelöscht, Ankes Auftrag läuft zu Ende.",
)
async def other_goes_on(stage: Stage) -> None:
    """Ankes Workflow enthielt Meikes Anschrift und findet nun einen Grabstein."""
    office = Office(stage)
    async with open_shop(stage):
        handle = await office.shipped_order(
            office.anke, "N-1002", recipient=office.meike.number
        )
        stage.handle = handle
        await office.look(handle)
        await office.erase(office.meike)
    async with open_shop(stage, "worker-2"):
        await office.look(handle)
        if stage.timelapse:
            await stage.timelapse.fast_forward(handle)
            view = await result(handle, TIME_LIMIT)
            stage.note(f"Ergebnis: {view.state}")
    office.audit()


@PATTERN.scenario(
    "waehrend-der-bestellung",
    "Die Löschung trifft einen Auftrag, der auf die Zahlung wartet; er storniert sich.",
)
async def while_ordering(stage: Stage) -> None:
    """Erst endet der Workflow ordentlich, dann verschwindet der Schlüssel."""
    office = Office(stage)
    async with open_shop(stage):
        order = await office.order(office.meike, "N-1003")
        await reached(order, "wartet auf Zahlung")
        handle = await office.request(office.meike, grace_seconds=GRACE)
        stage.handle = handle
        await office.recorded(handle)
        stage.note(f"Auftrag: {await status(order)}")
    office.audit()


async def status(handle: Any) -> str:
    """Der Status eines Workflows."""
    found: WorkflowExecutionStatus = (await handle.describe()).status
    return found.name


@PATTERN.scenario(
    "schonfrist-vorbei",
    "Ein Auftrag reagiert nicht auf den Abbruch; nach der Schonfrist endet er hart.",
)
async def grace_over(stage: Stage) -> None:
    """Sein Worker steht still; beenden lässt er sich trotzdem."""
    office = Office(stage)
    order = await stage.client.start_workflow(
        OrderWorkflow.run,
        LAMP,
        id=f"kunde/{office.meike.number}/auftrag/N-1004",
        task_queue=f"{stage.task_queue}-niemand",
    )
    async with open_shop(stage, patience=0):
        grace = GRACE if stage.timelapse else 0.0
        handle = await office.request(office.meike, grace_seconds=grace)
        stage.handle = handle
        await office.recorded(handle)
        stage.note(f"Auftrag: {await status(order)}")


@PATTERN.scenario(
    "worker-stirbt",
    "Der Worker stirbt, als der Schlüssel vernichtet ist; ein anderer macht weiter.",
)
async def worker_dies(stage: Stage) -> None:
    """Die Vernichtung wirkte, niemand hat es gemeldet; sie wirkt kein zweites Mal."""
    office = Office(stage)
    async with open_shop(stage):
        await closed_order(stage, office)
    plan = FaultPlan((ActivityFault("destroy_keys", ActivityAction.KILL_AFTER),))
    arguments = {"folder": stage.folder, "task_queue": stage.task_queue}
    async with await WorkerProcess.start(
        WORKER, stage.client, arguments=arguments, plan=plan
    ) as first:
        handle = await office.request(office.meike)
        stage.handle = handle
        stage.note(f"worker-1: Prozess beendet mit Code {await first.died()} (SIGKILL)")
    async with await WorkerProcess.start(
        WORKER, stage.client, arguments=arguments, identity="worker-2"
    ) as second:
        helper = asyncio.create_task(rescue(stage.client, handle, first.identity))
        await office.recorded(handle)
        helper.cancel()
        await second.stop()
    stage.note(f"Protokolleinträge: {len(office.register.records())}")


@PATTERN.scenario(
    "doppelt", "Zwei Anträge auf einmal und später ein dritter: eine Löschung."
)
async def twice(stage: Stage) -> None:
    """Der zweite Antrag hängt sich an den ersten, der dritte bestätigt ihn."""
    office = Office(stage)
    async with open_shop(stage):
        await closed_order(stage, office)
        first = await office.request(office.meike)
        second = await office.request(office.meike)
        same = first.result_run_id == second.result_run_id
        stage.note(f"Zweiter Antrag: {'derselbe Lauf' if same else 'ein neuer Lauf'}")
        record = await office.recorded(first)
        third = await office.request(office.meike)
        stage.handle = third
        again = await office.recorded(third)
        same = again.destroyed_at == record.destroyed_at
        stage.note(f"Dritter Antrag: {'derselbe' if same else 'ein neuer'} Zeitpunkt")
