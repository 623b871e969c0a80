"""Die Läufe des Musters `activity_auswahl`."""

from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, nullcontext
from datetime import timedelta

from temporalio.client import WorkflowFailureError, WorkflowHandle

from dauerlauf.faults import (
    ActivityAction,
    ActivityFault,
    FaultInjector,
    FaultPlan,
    Moment,
    WorkflowAction,
    WorkflowFault,
)
from dauerlauf.scenario import CrashStage, Legend, Pattern, Stage
from dauerlauf.timelapse import result
from dauerlauf.worker_process import WorkerProcess
from kapitel02.activity_auswahl.activities import Dispatch, Parcel, Shipment
from kapitel02.activity_auswahl.by_name import ShipByName
from kapitel02.activity_auswahl.services import (
    Ledger,
    audit,
    letter_service,
    write_tariff,
)
from kapitel02.activity_auswahl.worker import (
    Pool,
    create_label_worker,
    create_worker,
    process_pool,
)
from kapitel02.activity_auswahl.workflow import ShipOrder
from kapitel02.activity_auswahl.wrong import (
    Inventory,
    ShipDuringInventory,
    blocking_carriers,
    create_inventory_worker,
)

PATTERN = Pattern(
    "activity_auswahl",
    chapter=2,
    title="Activity-Auswahl",
    problem="Drei Sendungen, drei Dienste: Wer wählt die Activity, und wo läuft sie?",
    workflows=[ShipOrder, ShipByName, ShipDuringInventory],
    legend=Legend(
        services={
            "book_letter": "Briefdienst",
            "book_parcel": "Paketdienst",
            "book_abroad": "Auslandsdienst",
            "load_tariff": "Tarif",
            "load_routes": "Tarif",
            "render_label": "Etiketten",
            "count_stock": "Lager",
        }
    ),
)

WORKER = "kapitel02.activity_auswahl.worker:create_worker"
PARCELS = (
    Parcel("S-1", 800),
    Parcel("S-2", 4200),
    Parcel("S-3", 4200, "DK"),
)
# Verschieden langsame Dienste: So ist die Reihenfolge der Antworten immer dieselbe.
STAGGERED = FaultPlan(
    activities=tuple(
        ActivityFault(name, ActivityAction.DELAY, seconds=seconds)
        for name, seconds in (
            ("book_letter", 0.1),
            ("book_parcel", 0.6),
            ("book_abroad", 1.1),
        )
    )
)
AFTER_THE_CHOICE = FaultPlan(
    workflow=(WorkflowFault(WorkflowAction.KILL, task=2, moment=Moment.END),)
)


def threads() -> Pool:
    """Etiketten in Threads, wo es auf den Prozess nicht ankommt."""
    return Pool(ThreadPoolExecutor(2), 2)


@asynccontextmanager
async def open_shop(
    stage: Stage, plan: FaultPlan | None = None, *, processes: bool = False
) -> AsyncIterator[None]:
    """Betreibt Briefdienst und beide Worker."""
    write_tariff(stage.folder)
    plugins = [FaultInjector(plan)] if plan else []
    client = stage.worker_client("worker-1", plugins=plugins)
    with (
        letter_service(stage.folder) as port,
        process_pool() if processes else nullcontext(threads()) as pool,
    ):
        async with (
            create_worker(client, stage.folder, port, task_queue=stage.task_queue),
            create_label_worker(
                client, stage.folder, pool, task_queue=stage.task_queue
            ),
        ):
            yield


async def ship(
    stage: Stage, shipment_id: str, parcels: Sequence[Parcel], one_by_one: bool
) -> None:
    """Verschickt alles und notiert, was in den Büchern steht."""
    handle = await place(stage, Shipment(shipment_id, parcels, one_by_one))
    try:
        dispatches = await result(handle, timeout=30)
        for dispatch in dispatches:
            stage.note(f"Etikett {dispatch.label}")
    except WorkflowFailureError as error:
        stage.note(f"Ursache: {error.cause}")
    for line in audit(stage.folder):
        stage.note(line)


async def place(
    stage: Stage, shipment: Shipment
) -> WorkflowHandle[ShipOrder, list[Dispatch]]:
    """Gibt die Bestellung auf."""
    return await stage.start(
        ShipOrder.run, shipment, id=f"versand-{shipment.shipment_id}"
    )


@PATTERN.scenario(
    "drei-wege", "Drei Sendungen gleichzeitig: Event-Loop, Thread, Prozess."
)
async def three_ways(stage: Stage) -> None:
    """Der gute Fall, mit Etiketten aus dem Prozess-Pool."""
    async with open_shop(stage, STAGGERED, processes=True):
        await ship(stage, "V-4001", PARCELS, one_by_one=False)


@PATTERN.scenario("nacheinander", "Dieselben drei Sendungen, eine nach der anderen.")
async def one_by_one(stage: Stage) -> None:
    """Zum Vergleich."""
    async with open_shop(stage):
        await ship(stage, "V-4002", PARCELS, one_by_one=True)


@PATTERN.crash_stage("nacheinander")
@asynccontextmanager
async def one_by_one_until_crash(stage: Stage) -> AsyncIterator[CrashStage]:
    """Sterben wird der Worker, der wählt und bucht; die Etiketten überleben."""
    write_tariff(stage.folder)
    with letter_service(stage.folder) as port:
        client, queue = stage.worker_client("etiketten-worker"), stage.task_queue
        arguments = {"folder": stage.folder, "letter_port": port, "task_queue": queue}
        shipment = Shipment("V-4002", PARCELS, one_by_one=True)
        async with create_label_worker(
            client, stage.folder, threads(), task_queue=queue
        ):
            yield CrashStage(WORKER, arguments, lambda: place(stage, shipment))


@PATTERN.scenario(
    "tarif-geaendert", "Der Worker stirbt bei der Auswahl, und der Tarif ändert sich."
)
async def tariff_changed(stage: Stage) -> None:
    """Der Tarif steht in der History: Die zweite Auswahl gleicht der ersten."""
    write_tariff(stage.folder)
    client = stage.worker_client()
    with letter_service(stage.folder) as port:
        arguments = {
            "folder": stage.folder,
            "letter_port": port,
            "task_queue": stage.task_queue,
        }
        labels = create_label_worker(
            client, stage.folder, threads(), task_queue=stage.task_queue
        )
        async with labels:
            async with await WorkerProcess.start(
                WORKER, stage.client, arguments=arguments, plan=AFTER_THE_CHOICE
            ) as first:
                handle = await stage.start(
                    ShipOrder.run,
                    Shipment("V-4003", PARCELS[:1]),
                    id="versand-V-4003",
                    task_timeout=timedelta(seconds=1),
                )
                code = await first.died()
                stage.note(f"worker-1: Prozess beendet mit Code {code} (SIGKILL)")
            write_tariff(stage.folder, letter_grams=500)
            stage.note("Tarif geändert: Briefe nur noch bis 500 g")
            async with await WorkerProcess.start(
                WORKER, stage.client, arguments=arguments, identity="worker-2"
            ):
                await result(handle, timeout=30)
    for line in audit(stage.folder):
        stage.note(line)


@PATTERN.scenario(
    "zu-schwer", "Eine von drei Sendungen ist zu schwer: Es wird gar nichts gebucht."
)
async def too_heavy(stage: Stage) -> None:
    """Erst alle wählen, dann buchen."""
    async with open_shop(stage):
        parcels = [*PARCELS[:2], Parcel("S-3", 40_000)]
        await ship(stage, "V-4004", parcels, one_by_one=False)


@PATTERN.scenario("nach-namen", "Der Name der Activity steht in einer Tabelle.")
async def by_name(stage: Stage) -> None:
    """Die Tabelle nennt für Dänemark `book_abroad`."""
    async with open_shop(stage):
        handle = await stage.start(ShipByName.run, PARCELS[2], id="versand-V-4005")
        stage.note(f"Gebucht: {await result(handle)}")


@PATTERN.scenario(
    "unbekannter-name",
    "Zu Finnland steht nichts in der Tabelle: Die Activity gibt es nicht.",
)
async def unknown_name(stage: Stage) -> None:
    """Der Fehler beendet den Workflow, weil die Retry-Policy ihn ausnimmt."""
    async with open_shop(stage):
        parcel = Parcel("S-6", 4200, "FI")
        handle = await stage.start(ShipByName.run, parcel, id="versand-V-4006")
        try:
            await result(handle)
        except WorkflowFailureError as error:
            cause = error.cause.__cause__
            stage.note(f"Ursache: {getattr(cause, 'type', cause)}")


@PATTERN.scenario(
    "blockierend",
    "Falsch: Eine blockierende Buchung lässt eine fremde Activity ablaufen.",
)
async def blocking(stage: Stage) -> None:
    """Falscher Code, siehe `wrong.py`."""
    worker = create_inventory_worker(
        stage.worker_client(),
        blocking_carriers(stage.folder, slow=1),
        Inventory(),
        task_queue=stage.task_queue,
    )
    async with worker:
        handle = await stage.start(
            ShipDuringInventory.run, PARCELS[1], id="versand-V-4007"
        )
        counted = await result(handle)
    stage.note(f"Lager: {counted} Fächer gezählt, im zweiten Versuch")
    stage.note(f"Paketdienst: {Ledger(stage.folder).calls('Paket')} × aufgerufen")
