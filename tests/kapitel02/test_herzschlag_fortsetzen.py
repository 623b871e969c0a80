"""Das Muster `herzschlag_fortsetzen`: Gezählt werden Pakete, nicht Meldungen."""

import asyncio
import inspect
import itertools
import signal
import threading
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from herzschlag_beispiele import Probe, ProbeActivities, ProbeWorkflow
from temporalio import activity
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowFailureError, WorkflowHandle, WorkflowHistory
from temporalio.exceptions import TimeoutError as TemporalTimeoutError
from temporalio.exceptions import TimeoutType
from temporalio.testing import ActivityEnvironment
from temporalio.worker import Worker

from dauerlauf.history import load
from dauerlauf.scenario import Run, play
from dauerlauf.timelapse import Timelapse, result
from hilfen import each_selected
from kapitel02.herzschlag_fortsetzen.activities import DayEnd, ParcelSteps, Report
from kapitel02.herzschlag_fortsetzen.scenarios import PATTERN, ROWS, InterruptedCarrier
from kapitel02.herzschlag_fortsetzen.services import (
    Carrier,
    Parcel,
    audit,
    carrier_file,
    read_manifest,
    write_manifest,
)
from kapitel02.herzschlag_fortsetzen.worker import TASK_QUEUE, create_worker
from kapitel02.herzschlag_fortsetzen.workflow import CloseDay
from kapitel02.herzschlag_fortsetzen.wrong import (
    BackgroundSteps,
    FromTheStartSteps,
    KeylessSteps,
    LastDoneSteps,
    SilentSteps,
    SkippingSteps,
)
from von_hand import end, line, output, program

# Läufe und Versuche: alle auf einmal, denn jeder wartet Timeouts in Echtzeit ab.


@dataclass(frozen=True)
class Played:
    """Ein gespieltes Szenario mit dem Buch des Frachtführers."""

    run: Run
    carrier: Carrier

    @property
    def calls(self) -> list[int]:
        """Die Zeilen aller Aufrufe, in ihrer Reihenfolge."""
        return [int(parcel.removeprefix("P-")) for parcel in self.carrier.calls()]

    @property
    def billed(self) -> list[int]:
        """Die Zeilen aller Anmeldungen."""
        return sorted(int(parcel.removeprefix("P-")) for parcel in self.carrier.announced())

    @property
    def attempts(self) -> int:
        """Der wievielte Versuch der Activity der letzte war."""
        return max(event.activity_task_started_event_attributes.attempt for event in self.run.history.events)


ALL = list(range(1, ROWS + 1))
SCHEDULED = EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
STARTED = EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED
TIMED_OUT = EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT
PACE = 0.8
"""Der Takt der Heartbeats als Anteil des Heartbeat-Timeouts."""


@pytest.fixture(scope="module")
async def played(
    request: pytest.FixtureRequest, timelapse: Timelapse, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Played]:
    async def run(name: str) -> Played:
        folder = tmp_path_factory.mktemp(name)
        run = await play(PATTERN.find(name), timelapse, folder=folder)
        return Played(run, Carrier(carrier_file(folder)))

    return await each_selected(request, run)


@pytest.mark.szenarien("glatt")
def test_glatter_lauf_meldet_jedes_paket_einmal(played: Mapping[str, Played]) -> None:
    smooth = played["glatt"]
    assert smooth.run.status == "COMPLETED"
    assert smooth.calls == smooth.billed == ALL[:100]
    assert smooth.attempts == 1


@pytest.mark.prozess
@pytest.mark.szenarien("worker-stirbt")
def test_nach_dem_tod_geht_es_in_der_richtigen_zeile_weiter(played: Mapping[str, Played]) -> None:
    death = played["worker-stirbt"]
    assert "worker-1: beendet mit Code -9 in Zeile 500" in death.run.notes
    assert "worker-2: beginnt in Zeile 500" in death.run.notes
    assert death.run.status == "COMPLETED"
    assert death.calls == [*range(1, 501), *range(500, ROWS + 1)]
    assert death.billed == ALL


@pytest.mark.prozess
@pytest.mark.szenarien("gedrosselt")
def test_was_der_server_nicht_weiss_wiederholt_sich(played: Mapping[str, Played]) -> None:
    throttled = played["gedrosselt"]
    assert "worker-1: beendet mit Code -9 in Zeile 600" in throttled.run.notes
    resumed = throttled.calls[600]
    assert throttled.calls == [*range(1, 601), *range(resumed, ROWS + 1)]
    assert throttled.billed == ALL
    # Der zweite Versuch beginnt eine Sekunde nach dem Heartbeat-Timeout des ersten; so zeigt die History, wann der
    # letzte Heartbeat ankam. Vor dem Ende des ersten Takts kann der Server nur den allerersten kennen.
    scheduled, again = (event_time(throttled.run.history, kind) for kind in (SCHEDULED, STARTED))
    timeout = heartbeat_timeout(throttled.run.history)
    last_beat = again - scheduled - timeout - timedelta(seconds=1)
    assert resumed == 2 or last_beat >= PACE * timeout


def event_time(history: WorkflowHistory, kind: EventType.ValueType) -> datetime:
    """Die Zeit des einzigen Events dieser Art, nach der Uhr des Servers."""
    [event] = [event for event in history.events if event.event_type == kind]
    return event.event_time.ToDatetime()


def heartbeat_timeout(history: WorkflowHistory) -> timedelta:
    """Das Heartbeat-Timeout der einzigen Activity."""
    [event] = [event for event in history.events if event.event_type == SCHEDULED]
    return event.activity_task_scheduled_event_attributes.heartbeat_timeout.ToTimedelta()


@pytest.mark.szenarien("deployment")
def test_geordnetes_ende_wiederholt_nichts(played: Mapping[str, Played]) -> None:
    deployment = played["deployment"]
    assert deployment.run.notes[0] == "worker-2: beginnt in Zeile 501"
    assert deployment.calls == deployment.billed == ALL
    assert deployment.attempts == 2


@pytest.mark.szenarien("haenger")
def test_haengender_versuch_wird_abgeloest_und_hoert_auf(played: Mapping[str, Played]) -> None:
    stuck = played["haenger"]
    assert stuck.run.status == "COMPLETED"
    taken_over = [*range(1, 301), *range(300, ROWS + 1)]
    # Auf einem langsamen Rechner weiß der erste Versuch schon vor Zeile 301, dass er abgelöst ist.
    assert stuck.calls in (taken_over, [*taken_over, 301])
    assert stuck.billed == ALL


@pytest.mark.szenarien("abbruch")
def test_abbruch_endet_zwischen_zwei_paketen(played: Mapping[str, Played]) -> None:
    cancelled = played["abbruch"]
    assert cancelled.run.status == "CANCELED"
    assert cancelled.calls == cancelled.billed == list(range(1, 401))
    kinds = [event.event_type for event in cancelled.run.history.events]
    assert EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED in kinds, "der Workflow hat das Ende der Activity abgewartet"


@pytest.mark.prozess
@pytest.mark.szenarien("von-vorn")
def test_von_vorn_wiederholt_alles(played: Mapping[str, Played]) -> None:
    again = played["von-vorn"]
    assert "worker-1: beendet mit Code -9 in Zeile 500" in again.run.notes
    assert again.calls == [*range(1, 501), *ALL]
    assert again.billed == ALL


@pytest.mark.prozess
@pytest.mark.szenarien("uebersprungen")
def test_erst_melden_dann_tun_verliert_ein_paket(played: Mapping[str, Played]) -> None:
    skipped = played["uebersprungen"]
    assert "worker-1: beendet mit Code -9 in Zeile 500" in skipped.run.notes
    assert skipped.run.status == "COMPLETED"
    assert skipped.billed == [row for row in ALL if row != 500]


@pytest.mark.parametrize("name", PATTERN.scenarios)
async def test_aufgezeichneter_lauf_passt_zum_code(name: str, replay: Callable[..., Awaitable[int]]) -> None:
    assert await replay(PATTERN.history_file(name), workflows=[CloseDay]) == 1


def test_heartbeats_stehen_nicht_in_der_history() -> None:
    def kinds(history: WorkflowHistory) -> list[int]:
        return [event.event_type for event in history.events]

    smooth, deployment = (kinds(load(PATTERN.history_file(name))) for name in ("glatt", "deployment"))
    assert len(smooth) == 11
    assert len(deployment) - len(smooth) <= 4


@pytest.mark.prozess
async def test_von_hand_mit_worker_und_rechnung(timelapse: Timelapse, tmp_path: Path) -> None:
    services, worker = (f"kapitel02.herzschlag_fortsetzen.{name}" for name in ("services", "worker"))
    assert await output(services, "--neu", "5", folder=tmp_path) == ["nordlicht-daten/pakete.csv"]
    with program(worker, "--dauer", "0.01", folder=tmp_path, timelapse=timelapse) as started:
        assert f"Prozess {started.pid}" in await line(started)
        handle = await timelapse.client.start_workflow(
            CloseDay.run, DayEnd("nordlicht-daten/pakete.csv"), id="von-hand", task_queue=TASK_QUEUE
        )
        assert (await result(handle, 30)) == Report(last_row=5, resumed_at=1)
        await end(started, signal.SIGTERM)
    assert await output(services, folder=tmp_path) == [
        "Frachtführer: 5 Aufrufe",
        "Rechnung: 5 Pakete, davon doppelt: 0, fehlend: 0",
    ]


async def test_worker_laesst_beim_beenden_zeit(timelapse: Timelapse, tmp_path: Path) -> None:
    config = create_worker(timelapse.client, tmp_path, task_queue="fristen").config()
    assert config["graceful_shutdown_timeout"] == timedelta(seconds=10)
    assert config["max_heartbeat_throttle_interval"] == timedelta(seconds=60)


async def test_workflow_setzt_beide_fristen(timelapse: Timelapse, tmp_path: Path) -> None:
    queue = timelapse.task_queue()
    async with create_worker(timelapse.client, tmp_path, task_queue=queue):
        job = DayEnd(str(write_manifest(tmp_path, FEW)))
        handle = await timelapse.client.start_workflow(CloseDay.run, job, id=queue, task_queue=queue)
        await result(handle)
    scheduled = next(
        event.activity_task_scheduled_event_attributes
        for event in (await handle.fetch_history()).events
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    )
    assert scheduled.heartbeat_timeout.ToTimedelta() == timedelta(seconds=30)
    assert scheduled.start_to_close_timeout.ToTimedelta() == timedelta(hours=2)


# Der Tod an jeder Stelle, ohne Server: Nach welcher Zeile was verloren ist.


class DeathError(Exception):
    """Hier stirbt der Worker."""


MOMENTS = ("vor der Wirkung", "nach der Wirkung", "nach dem Heartbeat")
FEW = 10


class MortalCarrier(Carrier):
    """Ein Frachtführer, bei dem der Worker einmal stirbt."""

    row = 0
    moment = ""

    def announce(self, parcel: Parcel, *, key: str | None = None) -> None:
        """Meldet an, wenn der Worker so lange lebt."""
        if (parcel.row, self.moment) == (self.row, MOMENTS[0]):
            raise DeathError
        super().announce(parcel, key=key)
        if (parcel.row, self.moment) == (self.row, MOMENTS[1]):
            raise DeathError


def die_and_resume(
    kind: type[ParcelSteps], folder: Path, row: int, moment: str, *, lost: int = 0
) -> tuple[Report, MortalCarrier]:
    """Stirbt in `row` und setzt fort; die letzten `lost` Heartbeats haben den Server nie erreicht."""
    job = DayEnd(str(write_manifest(folder, FEW)))
    carrier = MortalCarrier(carrier_file(folder))
    carrier.row, carrier.moment = row, moment
    steps = kind(carrier)
    known: list[tuple[Any, ...]] = [()]

    def on_heartbeat(*details: Any) -> None:
        known.append(tuple(asdict(position) for position in details))
        if (len(known) - 1, moment) == (row, MOMENTS[2]):
            raise DeathError

    first = ActivityEnvironment()
    first.on_heartbeat = on_heartbeat
    with pytest.raises(DeathError):
        first.run(steps.announce_parcels, job)
    carrier.row = 0
    second = ActivityEnvironment()
    details = known[max(0, len(known) - 1 - lost)]
    second.info = replace(second.info, attempt=2, heartbeat_details=details)
    return second.run(steps.announce_parcels, job), carrier


NAMES = [f"P-{row:04}" for row in range(1, FEW + 1)]


def test_an_jeder_stelle_kommt_jedes_paket_genau_einmal_an(tmp_path: Path) -> None:
    cases = itertools.product(range(1, FEW + 1), MOMENTS, (0, 1, 3))
    for number, (row, moment, lost) in enumerate(cases):
        folder = tmp_path / str(number)
        folder.mkdir()
        report, carrier = die_and_resume(ParcelSteps, folder, row, moment, lost=lost)
        done = row if moment == MOMENTS[2] else row - 1
        assert report == Report(last_row=FEW, resumed_at=max(1, done + 1 - lost)), (row, moment, lost)
        assert carrier.announced() == NAMES, (row, moment, lost)


def test_hoechstens_das_paket_in_arbeit_wiederholt_sich(tmp_path: Path) -> None:
    _, carrier = die_and_resume(ParcelSteps, tmp_path, 5, "nach der Wirkung")
    assert carrier.calls() == [*NAMES[:5], *NAMES[4:]]


def test_ohne_schluessel_wird_das_paket_in_arbeit_doppelt_berechnet(tmp_path: Path) -> None:
    _, carrier = die_and_resume(KeylessSteps, tmp_path, 5, "nach der Wirkung")
    assert carrier.announced() == [*NAMES[:5], *NAMES[4:]]


def test_letzte_erledigte_zeile_wird_noch_einmal_angefangen(tmp_path: Path) -> None:
    report, carrier = die_and_resume(LastDoneSteps, tmp_path, 5, "nach dem Heartbeat")
    assert report.resumed_at == 5
    assert carrier.announced() == [*NAMES[:5], *NAMES[4:]]


def test_heartbeat_vor_der_wirkung_ueberspringt(tmp_path: Path) -> None:
    _, carrier = die_and_resume(SkippingSteps, tmp_path, 5, "vor der Wirkung")
    assert carrier.announced() == [*NAMES[:4], *NAMES[5:]]


@pytest.mark.parametrize("kind", [FromTheStartSteps, SilentSteps])
def test_ohne_position_beginnt_alles_von_vorn(kind: type[ParcelSteps], tmp_path: Path) -> None:
    report, carrier = die_and_resume(kind, tmp_path, 5, "nach dem Heartbeat")
    assert report.resumed_at == 1
    assert carrier.calls() == [*NAMES[:5], *NAMES]


def test_position_hinter_der_letzten_zeile_tut_nichts_mehr(tmp_path: Path) -> None:
    report, carrier = die_and_resume(ParcelSteps, tmp_path, FEW, "nach dem Heartbeat")
    assert report == Report(last_row=FEW, resumed_at=FEW + 1)
    assert carrier.calls() == NAMES


def test_paketliste_laesst_sich_ab_jeder_zeile_lesen(tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path, 3)
    assert [parcel.row for parcel in read_manifest(manifest, 1)] == [1, 2, 3]
    assert list(read_manifest(manifest, 3)) == [Parcel(3, "P-0003", "24940")]
    assert list(read_manifest(manifest, 4)) == []


def test_befund_zaehlt_doppelte_und_fehlende(tmp_path: Path) -> None:
    parcels = list(read_manifest(write_manifest(tmp_path, 4), 1))
    carrier = Carrier(carrier_file(tmp_path))
    for parcel in (*parcels[:3], parcels[0]):
        carrier.announce(parcel)
    assert audit(tmp_path) == ["Frachtführer: 4 Aufrufe", "Rechnung: 4 Pakete, davon doppelt: 1, fehlend: 1"]


def test_eigener_thread_braucht_den_kontext(tmp_path: Path) -> None:
    def beats_in_a_thread() -> list[str]:
        problems: list[str] = []

        def beat() -> None:
            try:
                activity.heartbeat()
            except RuntimeError as error:
                problems.append(str(error))

        thread = threading.Thread(target=beat)
        thread.start()
        thread.join()
        return problems

    assert ActivityEnvironment().run(beats_in_a_thread) == ["Not in activity context"]


# Was der Server weiß und wann.


@dataclass(frozen=True)
class Outcome:
    """Wie ein Versuch ausging: Ergebnis oder Art des Timeouts, Zeiten der Heartbeats und History, alles vom Server."""

    value: Any
    timeout: TimeoutType | None
    beats: list[datetime]
    history: WorkflowHistory

    @property
    def gap(self) -> timedelta:
        """Der mittlere Abstand zweier Heartbeats beim Server."""
        return (self.beats[-1] - self.beats[0]) / (len(self.beats) - 1)


PROBES = {
    "takt": Probe("steady", heartbeat=2.5, attempts=1),
    "fehler": Probe("fails", heartbeat=2),
    "leer": Probe("empty", heartbeat=2),
    "ohne-heartbeat-timeout": Probe("hangs", start_to_close=1),
    "haengt": Probe("hangs", heartbeat=1.5, attempts=1),
    "hintergrund": Probe("announce_parcels", heartbeat=0.5, start_to_close=1.2, attempts=1),
    "stumm": Probe("silent"),
}


@pytest.fixture(scope="module")
async def outcomes(timelapse: Timelapse, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Outcome]:
    folder = tmp_path_factory.mktemp("versuche")
    probes = ProbeActivities()
    carrier = InterruptedCarrier(carrier_file(folder), after={3: lambda: probes.released.wait(20)})
    queue, fast = timelapse.task_queue(), timelapse.task_queue()
    activities: list[Any] = [probes.steady, probes.fails, probes.empty, probes.hangs, probes.silent]

    async def run(name: str, probe: Probe, task_queue: str) -> Outcome:
        probe = replace(probe, manifest=str(manifest))
        handle = await timelapse.client.start_workflow(ProbeWorkflow.run, probe, id=name + queue, task_queue=task_queue)
        watcher = asyncio.ensure_future(watch(handle))
        value, timeout = None, None
        try:
            if name == "stumm":
                await asyncio.to_thread(probes.listening.wait, 20)
                await handle.cancel()
            value = await result(handle, 20)
        except WorkflowFailureError as error:
            timeout = timeout_type(error)
        return Outcome(value, timeout, await watcher, await handle.fetch_history())

    manifest = write_manifest(folder, FEW)
    with ThreadPoolExecutor(20) as pool:
        settings: dict[str, Any] = {"workflows": [ProbeWorkflow], "activity_executor": pool}
        async with (
            Worker(
                timelapse.client,
                task_queue=queue,
                activities=[*activities, BackgroundSteps(carrier).announce_parcels],
                max_concurrent_activities=20,
                **settings,
            ),
            Worker(
                timelapse.client,
                task_queue=fast,
                activities=activities,
                max_concurrent_activities=2,
                max_heartbeat_throttle_interval=timedelta(seconds=0.1),
                **settings,
            ),
        ):
            names = [*PROBES, "enger-takt"]
            work = [run(name, PROBES[name], queue) for name in PROBES]
            work.append(run("enger-takt", PROBES["takt"], fast))
            found = dict(zip(names, await asyncio.gather(*work), strict=True))
            probes.released.set()
        return found


async def watch(handle: WorkflowHandle[Any, Any]) -> list[datetime]:
    """Wann beim Server ein neuer Heartbeat ankam, bis der Workflow endet."""
    beats: list[datetime] = []
    while True:
        description = await handle.describe()
        for pending in description.raw_description.pending_activities:
            if pending.HasField("last_heartbeat_time"):
                beat = pending.last_heartbeat_time.ToDatetime()
                if beat not in beats:
                    beats.append(beat)
        if description.close_time is not None:
            return beats
        await asyncio.sleep(0.03)


def timeout_type(error: BaseException) -> TimeoutType | None:
    """Die Art des Timeouts in der Kette der Ursachen."""
    if isinstance(error, TemporalTimeoutError):
        return error.type
    return timeout_type(error.__cause__) if error.__cause__ else None


def test_heartbeats_gehen_im_takt_von_vier_fuenfteln_hinaus(outcomes: Mapping[str, Outcome]) -> None:
    steady = outcomes["takt"]
    assert steady.timeout is None, "kein Takt war länger als das Timeout"
    assert steady.value[0] > 100, "geschlagen wurde ständig"
    assert len(steady.beats) in (2, 3)
    assert steady.gap >= 0.9 * PACE * heartbeat_timeout(steady.history)


def test_takt_laesst_sich_am_worker_verkuerzen(outcomes: Mapping[str, Outcome]) -> None:
    assert len(outcomes["enger-takt"].beats) > 2 * len(outcomes["takt"].beats)


def test_standardwerte_des_takts() -> None:
    worker = inspect.signature(Worker.__init__).parameters
    assert worker["max_heartbeat_throttle_interval"].default == timedelta(seconds=60)
    assert worker["default_heartbeat_throttle_interval"].default == timedelta(seconds=30)


def test_gemeldeter_fehler_bringt_die_letzte_position_mit(outcomes: Mapping[str, Outcome]) -> None:
    assert outcomes["fehler"].value == [{"next_row": 601}], "ein dict, keine Position"


def test_leerer_heartbeat_loescht_die_position(outcomes: Mapping[str, Outcome]) -> None:
    assert outcomes["leer"].value == []


def test_ohne_heartbeat_timeout_kommt_nur_der_erste_an(outcomes: Mapping[str, Outcome]) -> None:
    assert outcomes["ohne-heartbeat-timeout"].value == [{"next_row": 2}]


def test_schweigen_faellt_spaetestens_nach_dem_1_8_fachen_auf(outcomes: Mapping[str, Outcome]) -> None:
    hung = outcomes["haengt"]
    assert hung.timeout == TimeoutType.HEARTBEAT
    # Der zweite Heartbeat wartet einen Takt lang im Worker; erst danach zählt der Server das Schweigen.
    timeout, noticed = heartbeat_timeout(hung.history), event_time(hung.history, TIMED_OUT)
    first, *_, last = hung.beats
    assert last - first >= 0.9 * PACE * timeout
    assert timeout <= noticed - last < 2 * timeout


def test_heartbeat_im_hintergrund_verdeckt_den_haenger(outcomes: Mapping[str, Outcome]) -> None:
    background = outcomes["hintergrund"]
    assert background.timeout == TimeoutType.START_TO_CLOSE
    assert event_time(background.history, TIMED_OUT) - event_time(background.history, STARTED) >= timedelta(seconds=1.2)


def test_ohne_heartbeat_kein_abbruch(outcomes: Mapping[str, Outcome]) -> None:
    assert outcomes["stumm"].value is False


async def test_blockierte_event_loop_schickt_keine_heartbeats(timelapse: Timelapse) -> None:
    queue = timelapse.task_queue()
    probe = Probe("blocks", heartbeat=0.5, attempts=1)
    async with Worker(
        timelapse.client, task_queue=queue, workflows=[ProbeWorkflow], activities=[ProbeActivities().blocks]
    ):
        handle = await timelapse.client.start_workflow(ProbeWorkflow.run, probe, id=queue, task_queue=queue)
        with pytest.raises(WorkflowFailureError) as failed:
            await result(handle)
    assert timeout_type(failed.value) == TimeoutType.HEARTBEAT


async def test_neuer_lauf_weiss_nichts_vom_alten(timelapse: Timelapse, tmp_path: Path) -> None:
    job = DayEnd(str(write_manifest(tmp_path, FEW)))
    queue = timelapse.task_queue()
    async with create_worker(timelapse.client, tmp_path, task_queue=queue):
        for _ in range(2):
            handle = await timelapse.client.start_workflow(CloseDay.run, job, id=queue, task_queue=queue)
            assert (await result(handle)).resumed_at == 1
    assert Carrier(carrier_file(tmp_path)).announced() == NAMES
