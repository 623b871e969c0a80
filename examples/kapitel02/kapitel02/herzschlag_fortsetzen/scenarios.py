"""Die Läufe des Musters `herzschlag_fortsetzen`; die Worker sterben mit SIGKILL."""

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from temporalio import activity
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.worker import Worker

from dauerlauf.scenario import CrashStage, Legend, Pattern, Stage, Standstill
from dauerlauf.timelapse import result
from dauerlauf.worker_process import WorkerProcess
from kapitel02.herzschlag_fortsetzen.activities import (
    DayEnd,
    ParcelSteps,
    Position,
    Report,
)
from kapitel02.herzschlag_fortsetzen.services import (
    Carrier,
    Parcel,
    audit,
    carrier_file,
    write_manifest,
)
from kapitel02.herzschlag_fortsetzen.worker import create_worker
from kapitel02.herzschlag_fortsetzen.workflow import CloseDay
from kapitel02.herzschlag_fortsetzen.wrong import FromTheStartSteps, SkippingSteps

PATTERN = Pattern(
    "herzschlag_fortsetzen",
    chapter=2,
    title="Heartbeat und Fortsetzen",
    problem="Eine Activity läuft 50 Minuten, und mittendrin stirbt der Worker: "
    "Wo geht es weiter?",
    workflows=[CloseDay],
    legend=Legend(services={"announce_parcels": "Frachtführer"}),
)

ROWS = 1000
# Damit niemand auf den Takt warten muss; nur „gedrosselt“ nimmt den gewöhnlichen.
QUICK, NORMAL = timedelta(seconds=0.1), timedelta(seconds=60)
WORKER = "kapitel02.herzschlag_fortsetzen.worker:create_worker"
FACTORY = "kapitel02.herzschlag_fortsetzen.scenarios:create_doomed_worker"
VARIANTS: Mapping[str, type[ParcelSteps]] = {
    steps.__name__: steps for steps in (ParcelSteps, FromTheStartSteps, SkippingSteps)
}


# --8<-- [start:interrupted]
class InterruptedCarrier(Carrier):
    """Im ersten Versuch geschieht etwas: vor oder nach der Anmeldung einer Zeile."""

    def __init__(
        self,
        path: Path,
        *,
        before: Mapping[int, Callable[[], object]] | None = None,
        after: Mapping[int, Callable[[], object]] | None = None,
    ) -> None:
        super().__init__(path)
        self._before, self._after = before or {}, after or {}

    def announce(self, parcel: Parcel, *, key: str | None = None) -> None:
        """Meldet das Paket an und lässt davor oder danach geschehen, was soll."""
        first = activity.info().attempt == 1
        if first and parcel.row in self._before:
            self._before[parcel.row]()
        super().announce(parcel, key=key)
        if first and parcel.row in self._after:
            self._after[parcel.row]()


# --8<-- [end:interrupted]


def hold() -> None:
    """Hält den Thread an, bis der Prozess stirbt."""
    threading.Event().wait()


def die() -> None:
    """Tötet den eigenen Prozess auf der Stelle."""
    os.kill(os.getpid(), signal.SIGKILL)


def create_doomed_worker(
    client: Client, folder: Path, task_queue: str, variant: str, row: int, end: str
) -> Worker:
    """Ein Worker, der `row` nie hinter sich bringt; `end` sagt, was dort geschieht."""
    moments: dict[str, dict[str, dict[int, Callable[[], object]]]] = {
        "hold-before": {"before": {row: hold}},
        "hold-after": {"after": {row: hold}},
        "die-after": {"after": {row: die}},
    }
    carrier = InterruptedCarrier(carrier_file(folder), **moments[end])
    steps = VARIANTS[variant](carrier)
    pace = NORMAL if end == "die-after" else QUICK
    return create_worker(
        client, folder, task_queue=task_queue, steps=steps, heartbeat_pace=pace
    )


def report_books(stage: Stage) -> None:
    """Notiert, was beim Frachtführer steht."""
    for finding in audit(stage.folder):
        stage.note(finding)


async def server_knows(handle: WorkflowHandle[Any, Any], next_row: int) -> None:
    """Wartet, bis der Server diese Position aus einem Heartbeat kennt."""
    while True:
        description = await handle.describe()
        for pending in description.raw_description.pending_activities:
            payloads = pending.heartbeat_details.payloads
            if payloads and f'"next_row":{next_row}}}' in payloads[0].data.decode():
                return
        await asyncio.sleep(0.02)


async def kill(
    stage: Stage,
    name: str,
    *,
    row: int,
    end: str,
    known: int | None = None,
    heartbeat_seconds: float = 1,
    variant: type[ParcelSteps] = ParcelSteps,
) -> None:
    """Tötet worker-1 bei `row`, sobald der Server `known` kennt; worker-2 übernimmt."""
    manifest = write_manifest(stage.folder, ROWS)
    arguments = {
        "folder": stage.folder,
        "task_queue": stage.task_queue,
        "variant": variant.__name__,
        "row": row,
        "end": end,
    }
    job = DayEnd(str(manifest), heartbeat_seconds)
    async with await WorkerProcess.start(
        FACTORY, stage.client, arguments=arguments
    ) as first:
        handle = await stage.start(CloseDay.run, job, id=name)
        if known is not None:
            await server_knows(handle, known)
            stage.note(
                f"Der Server kennt als nächste Zeile {known}, da stirbt worker-1"
            )
            first.kill()
        stage.note(f"worker-1: beendet mit Code {await first.died()} in Zeile {row}")
    steps = variant(Carrier(carrier_file(stage.folder)))
    client, queue = stage.worker_client("worker-2"), stage.task_queue
    async with create_worker(client, stage.folder, task_queue=queue, steps=steps):
        report = await result(handle, timeout=30)
    stage.note(f"worker-2: beginnt in Zeile {report.resumed_at}")
    report_books(stage)


@PATTERN.scenario("glatt", "Ein ruhiger Tag: 100 Pakete in einem Zug.")
async def smooth(stage: Stage) -> None:
    """Der ungestörte Lauf."""
    client, queue = stage.worker_client(), stage.task_queue
    async with create_worker(client, stage.folder, task_queue=queue):
        await result(await quiet_day(stage), 30)
    report_books(stage)


async def quiet_day(stage: Stage) -> WorkflowHandle[CloseDay, Report]:
    """Schließt einen Tag mit 100 Paketen ab."""
    job = DayEnd(str(write_manifest(stage.folder, 100)))
    return await stage.start(CloseDay.run, job, id="tagesabschluss-1")


@PATTERN.crash_stage("glatt")
@asynccontextmanager
async def smooth_until_crash(stage: Stage) -> AsyncIterator[CrashStage]:
    """Der ruhige Tag mit Workern, die sterben: in der Activity bei Zeile 50."""
    arguments = {"folder": stage.folder, "task_queue": stage.task_queue}
    variant = {"variant": ParcelSteps.__name__, "row": 50, "end": "hold-after"}
    standstill = Standstill(
        FACTORY, arguments | variant, lambda handle: server_knows(handle, 50)
    )
    yield CrashStage(WORKER, arguments, lambda: quiet_day(stage), standstill)


@PATTERN.scenario(
    "worker-stirbt", "SIGKILL in Zeile 500; es geht mit Zeile 500 weiter."
)
async def death(stage: Stage) -> None:
    """Zeile 500 war angemeldet, aber nicht mehr gemeldet: Sie wiederholt sich."""
    await kill(stage, "tagesabschluss-2", row=500, end="hold-after", known=500)


@PATTERN.scenario(
    "gedrosselt",
    "SIGKILL in Zeile 600, ehe der zweite Heartbeat den Server erreicht hat.",
)
async def throttled(stage: Stage) -> None:
    """Nur der erste Heartbeat ist angekommen: Fast alles wiederholt sich."""
    await kill(stage, "tagesabschluss-3", row=600, end="die-after", heartbeat_seconds=3)


@PATTERN.scenario("deployment", "Der Worker wird geordnet beendet und gibt ab.")
async def deployment(stage: Stage) -> None:
    """Die Activity sieht das Ende kommen; nichts wiederholt sich."""
    job = DayEnd(str(write_manifest(stage.folder, ROWS)))
    reached = threading.Event()

    def wait_for_shutdown() -> None:
        reached.set()
        activity.wait_for_worker_shutdown_sync(10)

    carrier = InterruptedCarrier(
        carrier_file(stage.folder), after={500: wait_for_shutdown}
    )
    steps, queue = ParcelSteps(carrier), stage.task_queue
    async with create_worker(
        stage.worker_client(), stage.folder, task_queue=queue, steps=steps
    ):
        handle = await stage.start(CloseDay.run, job, id="tagesabschluss-4")
        await asyncio.to_thread(reached.wait, 30)
    client = stage.worker_client("worker-2")
    async with create_worker(client, stage.folder, task_queue=queue, steps=steps):
        report = await result(handle, timeout=30)
    stage.note(f"worker-2: beginnt in Zeile {report.resumed_at}")
    report_books(stage)


class WatchedSteps(ParcelSteps):
    """Sagt Bescheid, wenn der erste Versuch wirklich zu Ende ist."""

    def __init__(self, carrier: Carrier) -> None:
        super().__init__(carrier)
        self.first_ended = threading.Event()

    @activity.defn(no_thread_cancel_exception=True)
    def announce_parcels(self, job: DayEnd) -> Report:
        """Wie `ParcelSteps`."""
        try:
            return super().announce_parcels(job)
        finally:
            if activity.info().attempt == 1:
                self.first_ended.set()


@PATTERN.scenario("haenger", "Der Frachtführer antwortet nicht mehr; der Worker lebt.")
async def stuck(stage: Stage) -> None:
    """Der Server bemerkt das Schweigen; der Nachzügler hört von selbst auf."""
    job = DayEnd(str(write_manifest(stage.folder, ROWS)), heartbeat_seconds=1)
    released = threading.Event()
    moments: dict[int, Callable[[], object]] = {
        300: lambda: released.wait(30),
        301: lambda: activity.wait_for_cancelled_sync(10),
    }
    steps = WatchedSteps(InterruptedCarrier(carrier_file(stage.folder), after=moments))
    async with create_worker(
        stage.worker_client(),
        stage.folder,
        task_queue=stage.task_queue,
        steps=steps,
        heartbeat_pace=QUICK,
    ):
        handle = await stage.start(CloseDay.run, job, id="tagesabschluss-5")
        report = await result(handle, timeout=30)
        stage.note(f"Versuch 2 beginnt in Zeile {report.resumed_at}")
        released.set()
        await asyncio.to_thread(steps.first_ended.wait, 30)
        stage.note("Versuch 1 erwacht und hört beim nächsten Heartbeat auf")
    # Ob der Nachzügler noch eine Zeile schafft, hängt vom Rechner ab.
    stage.note(audit(stage.folder)[-1])


@PATTERN.scenario("abbruch", "Jemand bricht ab; die Activity erfährt es vom Heartbeat.")
async def cancelled(stage: Stage) -> None:
    """Der Abbruch kommt mitten in Zeile 400; sie wird noch fertig, dann ist Schluss."""
    job = DayEnd(str(write_manifest(stage.folder, ROWS)), heartbeat_seconds=1)
    reached = threading.Event()

    def beat_until_cancelled() -> None:
        reached.set()
        for _ in range(500):
            activity.heartbeat(Position(next_row=400))
            activity.wait_for_cancelled_sync(0.02)
            if activity.is_cancelled():
                return

    carrier = InterruptedCarrier(
        carrier_file(stage.folder), before={400: beat_until_cancelled}
    )
    async with create_worker(
        stage.worker_client(),
        stage.folder,
        task_queue=stage.task_queue,
        steps=ParcelSteps(carrier),
        heartbeat_pace=QUICK,
    ):
        handle = await stage.start(CloseDay.run, job, id="tagesabschluss-6")
        await asyncio.to_thread(reached.wait, 30)
        await handle.cancel()
        with suppress(WorkflowFailureError):
            await result(handle, timeout=30)
    report_books(stage)


@PATTERN.scenario(
    "von-vorn", "Falsch: derselbe Tod in Zeile 500, niemand liest die Position."
)
async def from_the_start(stage: Stage) -> None:
    """Falscher Code, siehe `wrong.py`: Der zweite Versuch beginnt bei Zeile 1."""
    await kill(
        stage,
        "tagesabschluss-7",
        row=500,
        end="hold-after",
        known=500,
        variant=FromTheStartSteps,
    )


@PATTERN.scenario(
    "uebersprungen", "Falsch: erst melden, dann tun; Zeile 500 geht verloren."
)
async def skipped(stage: Stage) -> None:
    """Falscher Code, siehe `wrong.py`: Der Heartbeat ist der Wirkung voraus."""
    await kill(
        stage,
        "tagesabschluss-8",
        row=500,
        end="hold-before",
        known=501,
        variant=SkippingSteps,
    )
