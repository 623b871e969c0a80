"""Das Muster `activity_auswahl`: wer die Activity wählt, wo sie läuft und was das Blockieren anrichtet."""

import asyncio
import json
import multiprocessing
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import ein_worker_faellt_aus
import pytest
from auswahl_beispiele import BookAll, DyingPrinter, PrintAll, PrintLabel, RetryForEver, book_anything
from ein_worker_faellt_aus import healthy_and_failing
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.worker import Replayer, Worker

from dauerlauf.faults import ActivityAction, ActivityFault, FaultInjector, FaultPlan
from dauerlauf.history import load
from dauerlauf.pytest_plugin import WorkerFactory
from dauerlauf.scenario import play
from dauerlauf.timelapse import Timelapse, WorkflowStuckError, result
from dauerlauf.together import together
from hilfen import scheduled
from kapitel02.activity_auswahl import wrong
from kapitel02.activity_auswahl.activities import (
    Carriers,
    LabelJob,
    LabelPrinter,
    Parcel,
    Receipt,
    Shipment,
    Tariff,
)
from kapitel02.activity_auswahl.by_name import ShipByName
from kapitel02.activity_auswahl.labels import raster
from kapitel02.activity_auswahl.scenarios import PARCELS, PATTERN, threads
from kapitel02.activity_auswahl.services import Ledger, letter_service, write_tariff
from kapitel02.activity_auswahl.worker import (
    Pool,
    create_label_worker,
    create_worker,
    process_pool,
    run_workers,
)
from kapitel02.activity_auswahl.workflow import ShipOrder, choose
from kapitel02.activity_auswahl.wrong import (
    Inventory,
    ShipByEnvironment,
    ShipDuringInventory,
    ShipOrRaise,
    ShipWithoutType,
    blocking_carriers,
    create_inventory_worker,
)
from von_hand import end, line, program

TARIFF = Tariff(letter_grams=1000, parcel_grams=31_500)
ALL_BOOKED = [
    ("S-1", "Brief", "Event-Loop"),
    ("S-2", "Paket", "Thread"),
    ("S-3", "Ausland", "Thread"),
]


@asynccontextmanager
async def shop(timelapse: Timelapse, folder: Path, plan: FaultPlan | None = None) -> AsyncIterator[str]:
    """Beide Worker, gestört nach Plan; gibt die Task Queue."""
    write_tariff(folder)
    queue = timelapse.task_queue()
    client = timelapse.client_for("worker-1", plugins=[FaultInjector(plan or FaultPlan())])
    with letter_service(folder) as port:
        async with (
            create_worker(client, folder, port, task_queue=queue),
            create_label_worker(client, folder, threads(), task_queue=queue),
        ):
            yield queue


async def ship(timelapse: Timelapse, queue: str, *, one_by_one: bool = False) -> WorkflowHandle[Any, Any]:
    shipment = Shipment("V-1", PARCELS, one_by_one)
    return await timelapse.client.start_workflow(ShipOrder.run, shipment, id=queue, task_queue=queue)


# Die Auswahl


@pytest.mark.parametrize(
    ("grams", "country", "chosen"),
    [
        (1, "DE", Carriers.book_letter),
        (1000, "DE", Carriers.book_letter),
        (1001, "DE", Carriers.book_parcel),
        (31_500, "DE", Carriers.book_parcel),
        (500, "DK", Carriers.book_abroad),
        (31_500, "SE", Carriers.book_abroad),
    ],
)
def test_gewicht_und_land_entscheiden(grams: int, country: str, chosen: Callable[..., Any]) -> None:
    assert choose(Parcel("S-1", grams, country), TARIFF) is chosen


@pytest.mark.parametrize("country", ["DE", "DK"])
def test_zu_schwer_ist_ein_endgueltiger_fehler(country: str) -> None:
    with pytest.raises(ApplicationError) as failure:
        choose(Parcel("S-1", 31_501, country), TARIFF)
    assert (failure.value.type, failure.value.non_retryable) == ("TooHeavy", True)


# Die Läufe


async def test_drei_wege_laufen_an_drei_orten(timelapse: Timelapse, tmp_path: Path) -> None:
    run = await play(PATTERN.find("drei-wege"), timelapse, folder=tmp_path)
    assert run.status == "COMPLETED"
    assert Ledger(tmp_path).bookings() == ALL_BOOKED
    assert run.notes[:3] == [f"Etikett S-{n}.pbm (gezeichnet in: Prozess)" for n in (1, 2, 3)]
    for number, carrier in enumerate(("Brief", "Paket", "Ausland"), start=1):
        label = tmp_path / "etiketten" / f"S-{number}.pbm"
        assert label.read_bytes() == raster(f"{carrier} {number}", 200)


async def test_nacheinander_kommt_das_etikett_vor_der_naechsten_buchung(timelapse: Timelapse, tmp_path: Path) -> None:
    run = await play(PATTERN.find("nacheinander"), timelapse, folder=tmp_path)
    steps = ["load_tariff"]
    for carrier in ("book_letter", "book_parcel", "book_abroad"):
        steps += [carrier, "render_label"]
    assert scheduled(run.history) == steps
    assert Ledger(tmp_path).bookings() == ALL_BOOKED


async def test_ergebnisse_stehen_in_der_reihenfolge_der_sendungen(timelapse: Timelapse, tmp_path: Path) -> None:
    late = FaultPlan(activities=(ActivityFault("book_letter", ActivityAction.DELAY, seconds=0.3),))
    async with shop(timelapse, tmp_path, late) as queue:
        handle = await ship(timelapse, queue)
        dispatches = await result(handle)
        assert [dispatch.parcel_id for dispatch in dispatches] == ["S-1", "S-2", "S-3"]
        numbers = [dispatch.receipt.number for dispatch in dispatches]
        assert numbers[0] == 3, "Der Brief wurde zuletzt gebucht und steht trotzdem vorn."


@pytest.mark.prozess
async def test_auswahl_bleibt_trotz_neuem_tarif(timelapse: Timelapse, tmp_path: Path) -> None:
    run = await play(PATTERN.find("tarif-geaendert"), timelapse, folder=tmp_path)
    assert run.status == "COMPLETED"
    assert run.notes[0] == "worker-1: Prozess beendet mit Code -9 (SIGKILL)"
    assert json.loads((tmp_path / "tarif.json").read_text())["letter_grams"] == 500 < PARCELS[0].grams
    assert Ledger(tmp_path).bookings() == ALL_BOOKED[:1]
    assert scheduled(run.history) == ["load_tariff", "book_letter", "render_label"]


async def test_zu_schwer_bucht_gar_nichts(timelapse: Timelapse, tmp_path: Path) -> None:
    run = await play(PATTERN.find("zu-schwer"), timelapse, folder=tmp_path)
    assert run.status == "FAILED"
    assert Ledger(tmp_path).bookings() == []


async def test_name_aus_der_tabelle_waehlt_die_activity(timelapse: Timelapse, tmp_path: Path) -> None:
    run = await play(PATTERN.find("nach-namen"), timelapse, folder=tmp_path)
    assert (run.status, run.notes) == ("COMPLETED", ["Gebucht: Ausland, Nummer 1"])
    assert scheduled(run.history) == ["load_routes", "book_abroad"]


async def test_unbekannter_name_beendet_den_workflow(timelapse: Timelapse, tmp_path: Path) -> None:
    run = await play(PATTERN.find("unbekannter-name"), timelapse, folder=tmp_path)
    assert (run.status, run.notes) == ("FAILED", ["Ursache: NotFoundError"])


async def test_unbekannter_name_wird_sonst_ohne_ende_wiederholt(worker: WorkerFactory, tmp_path: Path) -> None:
    carriers = Carriers(tmp_path, 0)
    async with worker(workflows=[RetryForEver], activities=[carriers.book_parcel]) as w:
        handle = await w.start(RetryForEver.run, Parcel("S-1", 100, "FI"))
        with pytest.raises(WorkflowStuckError, match="book_fi .* is not registered on this worker"):
            await w.result(handle, timeout=0.5)


async def test_dynamische_activity_faengt_unbekannte_namen(worker: WorkerFactory, tmp_path: Path) -> None:
    carriers = Carriers(tmp_path, 0)
    async with worker(workflows=[ShipByName], activities=[carriers.load_routes, book_anything]) as w:
        booked = await w.execute(ShipByName.run, Parcel("S-1", 100, "FI"))
    assert booked == "book_fi für FI, Nummer 0"


# Der blockierende Aufruf


async def test_blockierende_buchung_laesst_eine_fremde_activity_ablaufen(timelapse: Timelapse, tmp_path: Path) -> None:
    run = await play(PATTERN.find("blockierend"), timelapse, folder=tmp_path)
    attempts = {
        event.activity_task_started_event_attributes.attempt: event.activity_task_started_event_attributes.last_failure
        for event in run.history.events
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED
    }
    assert attempts[2].message == "activity Heartbeat timeout"
    assert Ledger(tmp_path).calls("Paket") == 1, "Die blockierende Buchung selbst gelang im ersten Versuch."


@pytest.mark.parametrize(("blocking", "smallest", "largest"), [(True, 0.4, 0.9), (False, 0.0, 0.35)])
async def test_pause_zwischen_zwei_heartbeats(
    blocking: bool, smallest: float, largest: float, timelapse: Timelapse, tmp_path: Path
) -> None:
    inventory = Inventory()
    carriers = blocking_carriers(tmp_path, 0.4) if blocking else Carriers(tmp_path, 0, 0.4)
    queue = timelapse.task_queue()
    async with create_inventory_worker(timelapse.client, carriers, inventory, task_queue=queue):
        handle = await timelapse.client.start_workflow(ShipDuringInventory.run, PARCELS[1], id=queue, task_queue=queue)
        assert await result(handle) == 12
    assert smallest <= inventory.largest_gap <= largest


# Störungen


@pytest.mark.parametrize("name", ["book_letter", "book_parcel", "book_abroad"])
@pytest.mark.parametrize("action", [ActivityAction.FAIL_AFTER, ActivityAction.DUPLICATE_CONCURRENTLY])
async def test_jede_buchung_geschieht_einmal(
    name: str, action: ActivityAction, timelapse: Timelapse, tmp_path: Path
) -> None:
    async with shop(timelapse, tmp_path, FaultPlan(activities=(ActivityFault(name, action),))) as queue:
        assert len(await result(await ship(timelapse, queue))) == 3
    ledger = Ledger(tmp_path)
    assert ledger.bookings() == ALL_BOOKED
    assert sorted(ledger.calls(carrier) for carrier in ("Brief", "Paket", "Ausland")) == [1, 1, 2]


async def test_abgelehnte_sendung_laesst_die_anderen_gebucht(timelapse: Timelapse, tmp_path: Path) -> None:
    rejected = FaultPlan(activities=(ActivityFault("book_abroad", ActivityAction.REJECT),))
    async with shop(timelapse, tmp_path, rejected) as queue:
        with pytest.raises(WorkflowFailureError):
            await result(await ship(timelapse, queue, one_by_one=True))
    assert Ledger(tmp_path).bookings() == ALL_BOOKED[:2]


async def test_abbruch_nimmt_keine_buchung_zurueck(timelapse: Timelapse, tmp_path: Path) -> None:
    cancelled = FaultPlan(activities=(ActivityFault("book_parcel", ActivityAction.CANCEL_AFTER),))
    async with shop(timelapse, tmp_path, cancelled) as queue:
        handle = await ship(timelapse, queue, one_by_one=True)
        with pytest.raises(WorkflowFailureError):
            await result(handle)
    assert Ledger(tmp_path).bookings() == ALL_BOOKED[:2]


# Prozesse


@pytest.mark.prozess
async def test_programm_laeuft_wie_beschrieben(timelapse: Timelapse, tmp_path: Path) -> None:
    with program("kapitel02.activity_auswahl.worker", folder=tmp_path, timelapse=timelapse) as started:
        assert await line(started) == "Worker bereit. Ende mit Strg-C."
        shipment = Shipment("V-2", PARCELS)
        handle = await timelapse.client.start_workflow(
            ShipOrder.run, shipment, id="versand-V-2", task_queue="activity-auswahl"
        )
        assert [one.receipt.carrier for one in await result(handle, 30)] == ["Brief", "Paket", "Ausland"]
        await end(started)


async def test_faellt_ein_worker_aus_hoeren_alle_auf(timelapse: Timelapse) -> None:
    assert timelapse.server is not None
    healthy, failing = await healthy_and_failing(timelapse.server.address)
    with pytest.raises(ExceptionGroup) as failure:
        await run_workers(healthy, failing)
    (cause,) = failure.value.exceptions
    assert "Namespace gibt-es-nicht is not found" in str(cause)
    assert not healthy.is_running


async def test_mit_gather_laeuft_der_andere_weiter(timelapse: Timelapse) -> None:
    assert timelapse.server is not None
    healthy, failing = await healthy_and_failing(timelapse.server.address)
    with pytest.raises(RuntimeError, match="Namespace gibt-es-nicht is not found"):
        await wrong.run_workers(healthy, failing)
    assert healthy.is_running
    await healthy.shutdown()


@pytest.mark.gruendlich
@pytest.mark.prozess
async def test_faellt_ein_worker_aus_endet_das_programm(timelapse: Timelapse) -> None:
    assert timelapse.server is not None
    script, address = Path(ein_worker_faellt_aus.__file__), timelapse.server.address

    async def code() -> int:
        process = await asyncio.create_subprocess_exec(
            sys.executable, script, "kapitel02.activity_auswahl.worker", address, stderr=asyncio.subprocess.DEVNULL
        )
        return await asyncio.wait_for(process.wait(), 30)

    # Statt 1 kann es -6 sein: Beim Verlassen bricht das SDK manchmal ab (temporalio/sdk-python#300).
    assert 0 not in await together(*(code() for _ in range(4)))


async def test_toter_prozess_beendet_den_worker(timelapse: Timelapse, tmp_path: Path) -> None:
    queue = timelapse.task_queue()
    with process_pool(1) as pool:
        doomed = Worker(
            timelapse.client,
            task_queue=queue,
            workflows=[PrintLabel],
            activities=[DyingPrinter(tmp_path).render_label],
            activity_executor=pool.executor,
            shared_state_manager=pool.shared,
            max_concurrent_activities=1,
        )
        job = LabelJob("S-1", Receipt("Paket", 1))
        handle = await timelapse.client.start_workflow(PrintLabel.run, job, id=queue, task_queue=queue)
        with pytest.raises(RuntimeError, match="Activity worker failed") as failure:
            await asyncio.wait_for(doomed.run(), 20)
        assert isinstance(failure.value.__cause__, BrokenProcessPool)
        await handle.terminate()


def test_synchrone_activity_verlangt_einen_executor(timelapse: Timelapse, tmp_path: Path) -> None:
    render = LabelPrinter(tmp_path).render_label
    with pytest.raises(ValueError, match="is not async so an activity_executor must be present"):
        Worker(timelapse.client, task_queue="q", activities=[render])
    with (
        ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor,
        pytest.raises(ValueError, match="so a shared_state_manager must be present"),
    ):
        Worker(timelapse.client, task_queue="q", activities=[render], activity_executor=executor)


# Falscher Code


async def test_grenze_aus_der_umgebung_bricht_das_replay(
    timelapse: Timelapse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    carriers = Carriers(tmp_path, 0)
    queue = timelapse.task_queue()
    monkeypatch.setenv("BRIEF_GRENZE", "100")
    async with Worker(
        timelapse.client,
        task_queue=queue,
        workflows=[ShipByEnvironment],
        activities=[carriers.book_parcel],
        activity_executor=ThreadPoolExecutor(2),
        max_concurrent_activities=2,
    ):
        handle = await timelapse.client.start_workflow(ShipByEnvironment.run, PARCELS[0], id=queue, task_queue=queue)
        await result(handle)
    history = await handle.fetch_history()
    replayer = Replayer(workflows=[ShipByEnvironment])
    assert (await replayer.replay_workflow(history, raise_on_replay_failure=False)).replay_failure is None
    monkeypatch.setenv("BRIEF_GRENZE", "2000")
    outcome = await replayer.replay_workflow(history, raise_on_replay_failure=False)
    assert "Nondeterminism error" in str(outcome.replay_failure)
    assert "book_letter" in str(outcome.replay_failure)


async def test_ohne_result_type_kommt_ein_dict(worker: WorkerFactory, tmp_path: Path) -> None:
    async with worker(workflows=[ShipWithoutType], activities=[Carriers(tmp_path, 0).book_parcel]) as w:
        handle = await w.start(ShipWithoutType.run, PARCELS[1])
        with pytest.raises(WorkflowStuckError, match="'dict' object has no attribute 'number'"):
            await w.result(handle, timeout=0.5)


async def test_gewoehnlicher_fehler_haelt_den_workflow_an(worker: WorkerFactory, tmp_path: Path) -> None:
    async with worker(workflows=[ShipOrRaise], activities=[Carriers(tmp_path, 0).book_parcel]) as w:
        handle = await w.start(ShipOrRaise.run, PARCELS[2])
        with pytest.raises(WorkflowStuckError, match="Kein Dienst für DK"):
            await w.result(handle, timeout=0.5)


# Aufgezeichnete Läufe


@pytest.mark.parametrize("name", PATTERN.scenarios)
async def test_aufgezeichneter_lauf_passt_zum_code(name: str, replay: Callable[..., Awaitable[int]]) -> None:
    assert await replay(PATTERN.history_file(name), workflows=PATTERN.workflows) == 1


def test_gleichzeitig_spart_keinen_workflow_task() -> None:
    def tasks(name: str) -> int:
        kinds = [event.event_type for event in load(PATTERN.history_file(name)).events]
        return kinds.count(EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED)

    # Einer zum Start, dann einer je beendeter Activity: Tarif, drei Buchungen, drei Etiketten.
    assert tasks("nacheinander") == tasks("drei-wege") == 1 + 7


# Wie lange es dauert


@pytest.mark.bank
@pytest.mark.parametrize("blocking", [True, False])
async def test_messung_vier_buchungen_von_300_ms(blocking: bool, timelapse: Timelapse, tmp_path: Path) -> None:
    carriers = blocking_carriers(tmp_path, 0.3) if blocking else Carriers(tmp_path, 0, 0.3)
    queue = timelapse.task_queue()
    async with Worker(
        timelapse.client,
        task_queue=queue,
        workflows=[BookAll],
        activities=[carriers.book_parcel],
        activity_executor=ThreadPoolExecutor(8),
        max_concurrent_activities=8,
    ):
        parcels = [Parcel(f"S-{number}", 2000) for number in range(4)]
        began = time.perf_counter()
        handle = await timelapse.client.start_workflow(BookAll.run, parcels, id=queue, task_queue=queue)
        assert await result(handle) == 4
        took = time.perf_counter() - began
    print(f"\nvier Buchungen, {'async mit blockierendem Aufruf' if blocking else 'in Threads'}: {took:.1f} s")
    assert (took >= 1.2) is blocking


@pytest.mark.bank
async def test_messung_vier_etiketten(timelapse: Timelapse, tmp_path: Path) -> None:
    found = {}
    began = time.perf_counter()
    with process_pool(4) as processes:
        print(f"\nPool mit vier Prozessen: bereit nach {time.perf_counter() - began:.1f} s")
        for name, pool in (("Threads", Pool(ThreadPoolExecutor(4), 4)), ("Prozessen", processes)):
            queue = timelapse.task_queue()
            client = timelapse.client
            async with (
                Worker(client, task_queue=queue, workflows=[PrintAll]),
                create_label_worker(client, tmp_path, pool, task_queue=queue),
            ):
                jobs = [LabelJob(f"S-{number}", Receipt("Paket", number), dots=3000) for number in range(4)]
                began = time.perf_counter()
                handle = await client.start_workflow(PrintAll.run, jobs, id=queue, task_queue=queue)
                assert await result(handle, 60) == 4
                found[name] = time.perf_counter() - began
            print(f"\nvier Etiketten zu 3000 × 1500 Punkten in {name}: {found[name]:.1f} s")
    assert found["Prozessen"] < found["Threads"]
