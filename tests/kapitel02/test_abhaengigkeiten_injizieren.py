"""Das Muster `abhaengigkeiten_injizieren`: wer öffnet, wer schließt, und was ohne Ordnung geschieht."""

import asyncio
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from datetime import date, time
from http.client import HTTPException
from multiprocessing import Manager
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment
from temporalio.worker import SharedStateManager, Worker

from dauerlauf.history import load
from dauerlauf.scenario import play
from dauerlauf.timelapse import Timelapse, WorkflowStuckError, result
from hilfen import until
from kapitel02.abhaengigkeiten_injizieren import wrong_module
from kapitel02.abhaengigkeiten_injizieren.activities import Order, OutOfStockError, Pickup, Shipping
from kapitel02.abhaengigkeiten_injizieren.connections import CarrierClient, Config, PerThread, StockDatabase
from kapitel02.abhaengigkeiten_injizieren.scenarios import PATTERN, FixedClock
from kapitel02.abhaengigkeiten_injizieren.services import CarrierService, database, nordlicht
from kapitel02.abhaengigkeiten_injizieren.worker import TASK_QUEUE, create_worker, main, open_shipping
from kapitel02.abhaengigkeiten_injizieren.workflow import Shipment, ShipOrder
from kapitel02.abhaengigkeiten_injizieren.wrong import (
    BookByName,
    OneConnectionStock,
    build_activities,
    configure,
    reserve_from_global,
    run_closing_first,
)
from von_hand import line, program, rest

MODULE = "kapitel02.abhaengigkeiten_injizieren.worker"
ORDER = Order("B-5100", "Leuchtturm", 2)
TOO_BIG = Order("B-5101", "Leuchtturm", 500)


# --8<-- [start:attrappen]
@dataclass
class FakeStock:
    """Ein Lager im Speicher."""

    left: int = 10
    reserved: list[str] = field(default_factory=list)

    def reserve(self, order: Order) -> int:
        """Reserviert, solange etwas da ist."""
        if order.quantity > self.left:
            raise OutOfStockError(order.article)
        self.reserved.append(order.order_id)
        return self.left - order.quantity


class FakeCarrier:
    """Ein Versanddienst, der alles annimmt."""

    def book_pickup(self, order_id: str, day: date) -> Pickup:
        return Pickup(f"A-{order_id}", day.isoformat())


# --8<-- [end:attrappen]


def fakes(stock: FakeStock | None = None, hour: int = 10, minute: int = 0) -> Shipping:
    """Die wirklichen Activities, umgeben von Attrappen."""
    return Shipping(stock or FakeStock(), FakeCarrier(), FixedClock(hour, minute), time(14))


@contextmanager
def real(folder: Path) -> Iterator[tuple[CarrierService, Shipping]]:
    """Die wirklichen Activities mit wirklichen Verbindungen."""
    with nordlicht(folder) as carrier, open_shipping(Config(database(folder), carrier.url), FixedClock(10)) as shipping:
        yield carrier, shipping


# Die Läufe


async def test_uhr_vor_annahmeschluss(timelapse: Timelapse, tmp_path: Path) -> None:
    run = await play(PATTERN.find("vor-annahmeschluss"), timelapse, folder=tmp_path)
    assert run.status == "COMPLETED"
    assert run.notes == [
        "Abholung: 2026-11-20",
        "Versanddienst: 1 × gebucht, 1 × aufgerufen, Verbindungen: 1",
    ]


async def test_uhr_nach_annahmeschluss(timelapse: Timelapse, tmp_path: Path) -> None:
    run = await play(PATTERN.find("nach-annahmeschluss"), timelapse, folder=tmp_path)
    assert run.notes[0] == "Abholung: 2026-11-21"


async def test_verlorene_antwort_oeffnet_eine_neue_verbindung(timelapse: Timelapse, tmp_path: Path) -> None:
    run = await play(PATTERN.find("antwort-verloren"), timelapse, folder=tmp_path)
    assert run.status == "COMPLETED"
    assert run.notes[1] == "Versanddienst: 1 × gebucht, 2 × aufgerufen, Verbindungen: 2"


def test_nach_verlorener_antwort_ist_derselbe_thread_wieder_bereit() -> None:
    carrier = CarrierService()
    carrier.lost_answers = 1
    day = date(2026, 11, 23)
    with closing(carrier), closing(CarrierClient(carrier.url)) as client:
        with pytest.raises((OSError, HTTPException)):
            client.book_pickup("B-1", day)
        assert client.book_pickup("B-1", day).number == "A-B-1"
    assert carrier.calls == 2


async def test_zwoelf_bestellungen_teilen_sich_vier_verbindungen(timelapse: Timelapse, tmp_path: Path) -> None:
    run = await play(PATTERN.find("zwoelf-bestellungen"), timelapse, folder=tmp_path)
    assert run.notes == [
        "Versanddienst: 12 × gebucht, 12 × aufgerufen",
        "Höchstens eine Verbindung je Thread: ja",
    ]
    with closing(StockDatabase(database(tmp_path))) as book:
        assert (book.left("Leuchtturm"), book.left("Buddelschiff")) == (78, 99)


async def test_geteilte_verbindung_verliert_eine_reservierung(timelapse: Timelapse, tmp_path: Path) -> None:
    run = await play(PATTERN.find("geteilte-verbindung"), timelapse, folder=tmp_path)
    assert run.status == "COMPLETED"
    assert run.notes[0] == "Lager: 0 × reserviert"


@pytest.mark.parametrize("name", PATTERN.scenarios)
async def test_aufgezeichneter_lauf_passt_zum_code(name: str, replay: Callable[..., Awaitable[int]]) -> None:
    assert await replay(PATTERN.history_file(name), workflows=[ShipOrder]) == 1


def test_kosten() -> None:
    history = load(PATTERN.history_file("vor-annahmeschluss"))
    kinds = [event.event_type for event in history.events]
    assert len(kinds) == 17
    assert kinds.count(EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED) == 3
    repeated = [event.event_type for event in load(PATTERN.history_file("antwort-verloren")).events]
    # Der Zeitsprung über die Retry-Pause steht nur im Zeitraffer in der History.
    assert [kind for kind in repeated if "TIME_SKIPPING" not in EventType.Name(kind)] == kinds


# Mit Attrappen, ohne Server


# --8<-- [start:ohne-server]
AROUND_TWO = [(13, 59, "2026-11-20"), (14, 0, "2026-11-21")]


@pytest.mark.parametrize(("hour", "minute", "day"), AROUND_TWO)
async def test_annahmeschluss(hour: int, minute: int, day: str) -> None:
    shipping = fakes(hour=hour, minute=minute)
    pickup = ActivityEnvironment().run(shipping.book_pickup, ORDER)
    assert pickup == Pickup("A-B-5100", day)


# --8<-- [end:ohne-server]


def test_ausverkauft_ist_endgueltig() -> None:
    with pytest.raises(ApplicationError, match="„Leuchtturm“ ist ausverkauft") as caught:
        ActivityEnvironment().run(fakes().reserve_stock, TOO_BIG)
    assert caught.value.non_retryable


# --8<-- [start:mit-server]
async def test_workflow_mit_attrappen(timelapse: Timelapse) -> None:
    stock = FakeStock(left=10)
    queue, client = timelapse.task_queue(), timelapse.client
    async with create_worker(client, fakes(stock), task_queue=queue):
        start = client.start_workflow
        handle = await start(ShipOrder.run, ORDER, id=queue, task_queue=queue)
        shipment = await result(handle)
    assert shipment == Shipment(8, Pickup("A-B-5100", "2026-11-20"))
    assert stock.reserved == ["B-5100"]


# --8<-- [end:mit-server]


# Öffnen und schließen


class Connection:
    """Eine Verbindung, die weiß, ob sie geschlossen ist."""

    closed = False

    def close(self) -> None:
        """Schließt."""
        self.closed = True


def test_jeder_thread_hat_seine_verbindung_und_alle_werden_geschlossen() -> None:
    connections: PerThread[Connection] = PerThread(Connection)
    barrier = threading.Barrier(3)

    def use(_: int) -> tuple[Connection, Connection]:
        first = connections.get()
        barrier.wait(10)
        return first, connections.get()

    with ThreadPoolExecutor(3) as pool:
        pairs = list(pool.map(use, range(3)))
    assert all(first is second for first, second in pairs)
    assert len({id(first) for first, _ in pairs}) == 3
    connections.close()
    assert all(first.closed for first, _ in pairs)


def test_reservierung_gilt_einmal_je_bestellnummer(tmp_path: Path) -> None:
    with real(tmp_path) as (_, shipping):
        run = ActivityEnvironment().run
        assert [run(shipping.reserve_stock, ORDER) for _ in range(2)] == [98, 98]
        with pytest.raises(ApplicationError):
            run(shipping.reserve_stock, TOO_BIG)
        with pytest.raises(ApplicationError):
            run(shipping.reserve_stock, Order("B-5102", "Galionsfigur", 1))
    with closing(StockDatabase(database(tmp_path))) as book:
        assert book.reservations() == ["B-5100"]


def test_nach_dem_block_ist_alles_zu(tmp_path: Path) -> None:
    log = Path(f"{database(tmp_path)}-wal")
    with real(tmp_path) as (carrier, shipping):
        ActivityEnvironment().run(shipping.reserve_stock, ORDER)
        ActivityEnvironment().run(shipping.book_pickup, ORDER)
        assert log.exists(), "Ohne offene Verbindung prüfte der Test nichts."
        assert carrier.connections == 1
    with pytest.raises(sqlite3.ProgrammingError, match="closed database"):
        ActivityEnvironment().run(shipping.reserve_stock, ORDER)
    # SQLite räumt seine Nebendatei weg, wenn die letzte Verbindung ordentlich schließt.
    assert not log.exists()


def test_ohne_datenbank_startet_der_worker_nicht(
    timelapse: Timelapse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert timelapse.server is not None
    monkeypatch.setenv("TEMPORAL_ADDRESS", timelapse.server.address)
    missing = tmp_path / "fehlt" / "lager.sqlite3"
    with pytest.raises(sqlite3.OperationalError), open_shipping(Config(missing, "http://127.0.0.1:1")):
        pass
    monkeypatch.setenv("NORDLICHT_LAGER", str(missing))
    monkeypatch.delenv("NORDLICHT_VERSAND", raising=False)
    assert main() == 2
    assert capsys.readouterr().err == "Die Umgebungsvariable NORDLICHT_VERSAND fehlt.\n"
    monkeypatch.setenv("NORDLICHT_VERSAND", "http://127.0.0.1:1")
    assert main() == 2
    assert capsys.readouterr().err == "Das Lager lässt sich nicht öffnen: unable to open database file.\n"


def worker_process(
    timelapse: Timelapse, folder: Path, carrier: CarrierService
) -> AbstractContextManager[subprocess.Popen[str]]:
    """Der Worker als eigener Prozess, so wie er im Betrieb läuft."""
    own = {"NORDLICHT_LAGER": str(database(folder)), "NORDLICHT_VERSAND": carrier.url}
    return program(MODULE, folder=folder, timelapse=timelapse, **own)


@pytest.mark.prozess
async def test_sigterm_wartet_auf_die_activity_und_schliesst_dann(timelapse: Timelapse, tmp_path: Path) -> None:
    with nordlicht(tmp_path) as carrier, worker_process(timelapse, tmp_path, carrier) as process:
        assert await line(process) == "Worker bereit."
        carrier.gate.clear()
        with timelapse.unskipped():
            handle = await timelapse.client.start_workflow(
                ShipOrder.run, ORDER, id="versand-sigterm", task_queue=TASK_QUEUE
            )
        await until(lambda: carrier.calls == 1)
        process.send_signal(signal.SIGTERM)
        assert await line(process) == "Worker fährt herunter."
        carrier.gate.set()
        output = await rest(process)
        assert any("will wait 0:00:10 before cancelling activities" in text for text in output)
        assert output[-2:] == ["Verbindungen werden geschlossen.", "Worker beendet."]
        completed = [
            event
            async for event in handle.fetch_history_events()
            if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED
        ]
        await handle.terminate()
    assert (len(completed), carrier.calls, len(carrier.pickups)) == (2, 1, 1)
    assert not Path(f"{database(tmp_path)}-wal").exists()


@pytest.mark.prozess
async def test_sigkill_schliesst_nichts_und_verliert_nichts(timelapse: Timelapse, tmp_path: Path) -> None:
    with nordlicht(tmp_path) as carrier, worker_process(timelapse, tmp_path, carrier) as process:
        assert await line(process) == "Worker bereit."
        carrier.gate.clear()
        with timelapse.unskipped():
            handle = await timelapse.client.start_workflow(
                ShipOrder.run, ORDER, id="versand-sigkill", task_queue=TASK_QUEUE
            )
        await until(lambda: carrier.calls == 1)
        process.kill()
        assert process.wait() == -signal.SIGKILL
        await handle.terminate()
    assert Path(f"{database(tmp_path)}-wal").exists()
    with closing(StockDatabase(database(tmp_path))) as book:
        assert book.reservations() == ["B-5100"]


# Falscher Code


async def test_verbindung_gehoert_ihrem_thread(timelapse: Timelapse, tmp_path: Path) -> None:
    queue = timelapse.task_queue()
    with nordlicht(tmp_path), timelapse.unskipped():
        shipping = Shipping(OneConnectionStock(database(tmp_path)), FakeCarrier(), FixedClock(10), time(14))
        async with create_worker(timelapse.client, shipping, task_queue=queue):
            handle = await timelapse.client.start_workflow(ShipOrder.run, ORDER, id=queue, task_queue=queue)
            with pytest.raises(WorkflowStuckError, match="SQLite objects created in a thread can only be used in"):
                await result(handle, timeout=0.5)
            await handle.terminate()


async def test_globale_variable_verwechselt_zwei_worker(timelapse: Timelapse) -> None:
    flensburg, husum = FakeStock(), FakeStock()
    queues = [timelapse.task_queue(), timelapse.task_queue()]
    workers = []
    for queue, stock in zip(queues, (flensburg, husum), strict=True):
        configure(stock)
        workers.append(
            Worker(
                timelapse.client,
                task_queue=queue,
                workflows=[ShipOrder],
                activities=[reserve_from_global, fakes().book_pickup],
                activity_executor=ThreadPoolExecutor(1),
                max_concurrent_activities=1,
            )
        )
    async with workers[0], workers[1]:
        handle = await timelapse.client.start_workflow(ShipOrder.run, ORDER, id=queues[0], task_queue=queues[0])
        await result(handle)
    assert (flensburg.reserved, husum.reserved) == ([], ["B-5100"])


async def test_injizierte_lager_bleiben_getrennt(timelapse: Timelapse) -> None:
    flensburg, husum = FakeStock(), FakeStock()
    queue, other = timelapse.task_queue(), timelapse.task_queue()
    async with (
        create_worker(timelapse.client, fakes(flensburg), task_queue=queue),
        create_worker(timelapse.client, fakes(husum), task_queue=other),
    ):
        handle = await timelapse.client.start_workflow(ShipOrder.run, ORDER, id=queue, task_queue=queue)
        await result(handle)
    assert (flensburg.reserved, husum.reserved) == (["B-5100"], [])


OPENED: list[object] = []


def _remember(event: str, arguments: tuple[object, ...]) -> None:
    if event == "sqlite3.connect":
        OPENED.append(arguments[0])


sys.addaudithook(_remember)


async def test_modulebene_oeffnet_je_workflow_eine_verbindung(
    timelapse: Timelapse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = str(tmp_path / "modul.sqlite3")
    monkeypatch.setenv("NORDLICHT_LAGER", file)
    queue = timelapse.task_queue()
    async with Worker(timelapse.client, task_queue=queue, workflows=[wrong_module.CountParcels]):
        # Schon das Anlegen des Workers lädt das Modul einmal in der Sandbox.
        assert OPENED.count(file) == 1
        for number in range(3):
            run: Any = wrong_module.CountParcels.run
            handle = await timelapse.client.start_workflow(run, ["P-1"], id=f"{queue}-{number}", task_queue=queue)
            assert await result(handle) == 1
    assert OPENED.count(file) == 4


async def test_closure_verliert_den_typ(timelapse: Timelapse) -> None:
    queue = timelapse.task_queue()
    async with Worker(
        timelapse.client,
        task_queue=queue,
        workflows=[BookByName],
        activities=build_activities(fakes()),
        activity_executor=ThreadPoolExecutor(1),
        max_concurrent_activities=1,
    ):
        handle = await timelapse.client.start_workflow(BookByName.run, ORDER, id=queue, task_queue=queue)
        assert await result(handle) == "dict"


async def test_zu_frueh_geschlossen(timelapse: Timelapse, tmp_path: Path) -> None:
    """Die laufende Activity findet ihre Datenbank geschlossen vor."""
    queue, stop = timelapse.task_queue(), asyncio.Event()
    entered, closed = threading.Event(), threading.Event()
    errors: list[Exception] = []

    class SlowStock:
        """Fragt die Datenbank erst, wenn jemand sie geschlossen hat."""

        def __init__(self, stock: StockDatabase) -> None:
            self._stock = stock

        def reserve(self, order: Order) -> int:
            self._stock.left(order.article)
            entered.set()
            closed.wait(20)
            try:
                return self._stock.reserve(order)
            except Exception as error:
                errors.append(error)
                raise

    @contextmanager
    def opened() -> Iterator[Shipping]:
        with closing(StockDatabase(database(tmp_path))) as stock:
            yield Shipping(SlowStock(stock), FakeCarrier(), FixedClock(10), time(14))
        closed.set()

    with nordlicht(tmp_path), timelapse.unskipped():
        running = asyncio.create_task(run_closing_first(timelapse.client, opened(), queue, stop))
        handle = await timelapse.client.start_workflow(ShipOrder.run, ORDER, id=queue, task_queue=queue)
        await until(entered.is_set)
        stop.set()
        await asyncio.wait_for(running, 20)
        await handle.terminate()
    assert [str(error) for error in errors] == ["Cannot operate on a closed database."]


async def test_verbindung_laesst_sich_nicht_in_einen_anderen_prozess_schicken(
    timelapse: Timelapse, tmp_path: Path
) -> None:
    with (
        real(tmp_path) as (_, shipping),
        ProcessPoolExecutor(1) as pool,
        Manager() as manager,
        pytest.raises(TypeError, match="reserve_stock must be picklable") as caught,
    ):
        Worker(
            timelapse.client,
            task_queue=timelapse.task_queue(),
            activities=[shipping.reserve_stock],
            activity_executor=pool,
            max_concurrent_activities=1,
            shared_state_manager=SharedStateManager.create_from_multiprocessing(manager),
        )
    assert "cannot pickle" in str(caught.value.__cause__)
