"""Die Läufe des Musters `abhaengigkeiten_injizieren`."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from datetime import datetime, time

from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.worker import Worker

from dauerlauf.scenario import CrashStage, Legend, Pattern, Stage
from dauerlauf.timelapse import result
from kapitel02.abhaengigkeiten_injizieren.activities import Order, Shipping
from kapitel02.abhaengigkeiten_injizieren.connections import (
    BERLIN,
    CarrierClient,
    Config,
    StockDatabase,
)
from kapitel02.abhaengigkeiten_injizieren.services import (
    CarrierService,
    database,
    nordlicht,
)
from kapitel02.abhaengigkeiten_injizieren.worker import (
    THREADS,
    create_worker,
    open_shipping,
)
from kapitel02.abhaengigkeiten_injizieren.workflow import Shipment, ShipOrder
from kapitel02.abhaengigkeiten_injizieren.wrong import UncheckedStock

PATTERN = Pattern(
    "abhaengigkeiten_injizieren",
    chapter=2,
    title="Abhängigkeiten injizieren",
    problem="Activities brauchen Datenbank, HTTP-Client, Uhr und Konfiguration: "
    "Wer öffnet sie, wer schließt sie, und wie kommen Tests an ihre Stelle?",
    workflows=[ShipOrder],
    legend=Legend(services={"reserve_stock": "Lager", "book_pickup": "Versanddienst"}),
)

MORTAL_WORKER = "kapitel02.abhaengigkeiten_injizieren.scenarios:create_mortal_worker"
EARLY = Order("B-5001", "Leuchtturm", 2)


class FixedClock:
    """Eine Uhr, die stehen bleibt."""

    def __init__(self, hour: int, minute: int = 0) -> None:
        """Es ist der 20. November 2026, `hour` Uhr in Berlin."""
        self._now = datetime(2026, 11, 20, hour, minute, tzinfo=BERLIN)

    def now(self) -> datetime:
        """Immer dieselbe Zeit."""
        return self._now


@contextmanager
def open_world(stage: Stage, hour: int) -> Iterator[tuple[CarrierService, Shipping]]:
    """Lager, Versanddienst und die fertigen Activities; die Uhr steht auf `hour`."""
    with nordlicht(stage.folder) as carrier:
        config = config_for(stage, carrier)
        with open_shipping(config, FixedClock(hour)) as shipping:
            yield carrier, shipping


def config_for(stage: Stage, carrier: CarrierService) -> Config:
    """Die Konfiguration eines Laufs."""
    return Config(database(stage.folder), carrier.url, carrier_timeout=0.5)


async def place(stage: Stage, order: Order) -> WorkflowHandle[ShipOrder, Shipment]:
    """Gibt eine Bestellung auf."""
    return await stage.start(ShipOrder.run, order, id=f"versand-{order.order_id}")


async def ship(stage: Stage, order: Order, hour: int, *, lost_answers: int = 0) -> None:
    """Der übliche Lauf: eine Bestellung, danach die Bücher."""
    with open_world(stage, hour) as (carrier, shipping):
        carrier.lost_answers = lost_answers
        client = stage.worker_client()
        async with create_worker(client, shipping, task_queue=stage.task_queue):
            shipment = await result(await place(stage, order))
        stage.note(f"Abholung: {shipment.pickup.day}")
        note_carrier(stage, carrier)


def note_carrier(stage: Stage, carrier: CarrierService) -> None:
    """Was der Versanddienst gezählt hat."""
    stage.note(
        f"Versanddienst: {len(carrier.pickups)} × gebucht, {carrier.calls} × "
        f"aufgerufen, Verbindungen: {carrier.connections}"
    )


@PATTERN.scenario("vor-annahmeschluss", "Um 10 Uhr bestellt, am selben Tag abgeholt.")
async def before_cutoff(stage: Stage) -> None:
    """Die Uhr des Tests steht auf 10 Uhr."""
    await ship(stage, EARLY, hour=10)


def create_mortal_worker(client: Client, config: Config, task_queue: str) -> Worker:
    """Ein Worker, der seine Verbindungen selbst öffnet und nie schließt: Er stirbt."""
    shipping = open_shipping(config, FixedClock(10)).__enter__()
    return create_worker(client, shipping, task_queue=task_queue)


@PATTERN.crash_stage("vor-annahmeschluss")
@asynccontextmanager
async def before_cutoff_until_crash(stage: Stage) -> AsyncIterator[CrashStage]:
    """Dieselbe Bestellung mit Workern, die sterben."""
    with nordlicht(stage.folder) as carrier:
        config = config_for(stage, carrier)
        arguments = {"config": config, "task_queue": stage.task_queue}
        yield CrashStage(MORTAL_WORKER, arguments, lambda: place(stage, EARLY))


@PATTERN.scenario(
    "nach-annahmeschluss", "Um 17 Uhr bestellt, am nächsten Tag abgeholt."
)
async def after_cutoff(stage: Stage) -> None:
    """Derselbe Code, eine andere Uhr."""
    await ship(stage, Order("B-5002", "Leuchtturm", 2), hour=17)


@PATTERN.scenario(
    "antwort-verloren", "Der Versanddienst bucht, aber seine Antwort bleibt aus."
)
async def lost_answer(stage: Stage) -> None:
    """Der zweite Versuch öffnet eine neue Verbindung; der Schlüssel hält."""
    await ship(stage, Order("B-5003", "Leuchtturm", 2), hour=10, lost_answers=1)


@PATTERN.scenario(
    "zwoelf-bestellungen", "Zwölf Bestellungen zugleich teilen sich die Verbindungen."
)
async def twelve_orders(stage: Stage) -> None:
    """Gezeigt wird die erste; sie nimmt als einzige ein Buddelschiff."""
    first = Order("B-5004", "Buddelschiff", 1)
    others = [Order(f"B-{number}", "Leuchtturm", 2) for number in range(5005, 5016)]
    with open_world(stage, hour=10) as (carrier, shipping):
        client = stage.worker_client()
        async with create_worker(client, shipping, task_queue=stage.task_queue):
            handles = [
                await stage.start(ShipOrder.run, order, id=f"versand-{order.order_id}")
                for order in (first, *others)
            ]
            await asyncio.gather(*(result(handle, 20) for handle in handles))
        stage.note(
            f"Versanddienst: {len(carrier.pickups)} × gebucht, "
            f"{carrier.calls} × aufgerufen"
        )
        few = carrier.connections <= THREADS
        stage.note(f"Höchstens eine Verbindung je Thread: {'ja' if few else 'nein'}")


@PATTERN.scenario(
    "geteilte-verbindung", "Falsch: Zwei Threads teilen sich eine Transaktion."
)
async def shared_connection(stage: Stage) -> None:
    """Die zweite Bestellung wird abgelehnt und nimmt die erste mit zurück."""
    good = Order("B-5016", "Leuchtturm", 2)
    too_big = Order("B-5017", "Leuchtturm", 500)
    inserted, rejected = threading.Event(), threading.Event()

    def check(order: Order) -> None:
        # Die gute Bestellung prüft gerade, während die zu große zurückgerollt wird.
        if order == good:
            inserted.set()
            rejected.wait(20)

    with nordlicht(stage.folder) as carrier:
        stock = UncheckedStock(database(stage.folder), check)
        with closing(CarrierClient(carrier.url)) as service:
            shipping = Shipping(stock, service, FixedClock(10), time(14))
            client = stage.worker_client()
            async with create_worker(client, shipping, task_queue=stage.task_queue):
                handle = await stage.start(ShipOrder.run, good, id="versand-B-5016")
                await asyncio.to_thread(inserted.wait, 20)
                other = await stage.start(ShipOrder.run, too_big, id="versand-B-5017")
                try:
                    await result(other)
                except WorkflowFailureError:
                    rejected.set()
                await result(handle)
        with closing(StockDatabase(database(stage.folder))) as book:
            reserved = book.reservations()
        stage.note(f"Lager: {len(reserved)} × reserviert")
        note_carrier(stage, carrier)
