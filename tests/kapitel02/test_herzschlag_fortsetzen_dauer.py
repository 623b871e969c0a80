"""Was ein Heartbeat kostet; läuft nur mit --bank und druckt die Zahlen (pytest -s)."""

import asyncio
import time
from datetime import timedelta
from pathlib import Path
from statistics import median

import pytest
from temporalio import activity
from temporalio.worker import Worker

from dauerlauf.timelapse import Timelapse, result
from kapitel02.herzschlag_fortsetzen.activities import DayEnd, ParcelSteps, Report
from kapitel02.herzschlag_fortsetzen.services import Carrier, carrier_file, read_manifest, write_manifest
from kapitel02.herzschlag_fortsetzen.worker import create_worker
from kapitel02.herzschlag_fortsetzen.workflow import CloseDay

ROWS = 1000
RUNS = 7


class QuietSteps(ParcelSteps):
    """Dieselbe Arbeit ohne Heartbeat."""

    @activity.defn(no_thread_cancel_exception=True)
    def announce_parcels(self, job: DayEnd) -> Report:
        """Meldet alle Pakete an und sonst nichts."""
        for parcel in read_manifest(Path(job.manifest), 1):
            self._carrier.announce(parcel, key=parcel.number)
        return Report(ROWS, 1)


class AsyncSteps(ParcelSteps):
    """Dieselbe Arbeit als async-Activity."""

    @activity.defn
    async def announce_parcels(self, job: DayEnd) -> Report:  # type: ignore[override]
        """Meldet an und schlägt auf der Event-Loop."""
        for parcel in read_manifest(Path(job.manifest), 1):
            self._carrier.announce(parcel, key=parcel.number)
            activity.heartbeat(parcel.row + 1)
            await asyncio.sleep(0)
        return Report(ROWS, 1)


@pytest.mark.bank
async def test_messung_kosten_des_heartbeats(timelapse: Timelapse, tmp_path: Path) -> None:
    durations: dict[type[ParcelSteps], list[float]] = {QuietSteps: [], ParcelSteps: [], AsyncSteps: []}
    for number in range(RUNS):
        for kind, found in durations.items():
            folder = tmp_path / f"{kind.__name__}-{number}"
            folder.mkdir()
            job = DayEnd(str(write_manifest(folder, ROWS)))
            queue = timelapse.task_queue()
            steps = kind(Carrier(carrier_file(folder)))
            worker: Worker = create_worker(timelapse.client, folder, task_queue=queue, steps=steps)
            async with worker:
                started = time.perf_counter()
                handle = await timelapse.client.start_workflow(CloseDay.run, job, id=queue, task_queue=queue)
                await result(handle, 30)
                found.append(time.perf_counter() - started)
    names = {QuietSteps: "ohne Heartbeat", ParcelSteps: "mit, im Thread", AsyncSteps: "mit, async"}
    for kind, found in durations.items():
        extra = (median(found) - median(durations[QuietSteps])) / ROWS
        print(f"\n{names[kind]}: Median {median(found) * 1000:.0f} ms, {extra * 1e6:+.0f} µs je Zeile")
    assert median(durations[ParcelSteps]) < timedelta(seconds=5).total_seconds()
