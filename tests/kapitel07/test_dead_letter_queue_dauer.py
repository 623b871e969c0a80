"""Was die drei Formen kosten; läuft nur mit --bank und druckt die Zahlen (pytest -s)."""

import asyncio
import time
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from dlq_hilfen import Office, ended, new_row, open_office, parked
from temporalio.client import WorkflowHandle

from dauerlauf.timelapse import Timelapse, result
from kapitel07.dead_letter_queue.failing import FailingReturnWorkflow
from kapitel07.dead_letter_queue.files import UNREADABLE_AMOUNT, mixed
from kapitel07.dead_letter_queue.models import ProcessReturn

RUNS = 50


async def _size(handle: WorkflowHandle[Any, Any]) -> tuple[int, int]:
    """Events und Bytes der History."""
    info = (await handle.describe()).raw_description.workflow_execution_info
    return info.history_length, info.history_size_bytes


@pytest.mark.bank
@pytest.mark.timeout(300)
async def test_messung_import_von_1000_zeilen(timelapse: Timelapse, tmp_path: Path) -> None:
    async with open_office(timelapse, tmp_path, *mixed(1000)) as office:
        started = time.perf_counter()
        handle = await office.start_import()
        imported = await result(handle, 200)
        seconds = time.perf_counter() - started
        first = office.worker.client.get_workflow_handle(handle.id, run_id=handle.first_execution_run_id)
        events, size = await _size(first)
        print(f"\n1.000 Zeilen in einem Import: {seconds:.1f} s, {imported.parked} geparkt")
        print(f"eine Seite von 250 Zeilen: {events} Events, {size / 1024:.0f} KiB")
        started = time.perf_counter()
        redrive = await office.start_redrive(per_second=1000)
        await result(redrive, 100)
        print(f"100 Briefe ungebremst wiederholt: {time.perf_counter() - started:.1f} s")
        print(f"davon in der History: {await _size(redrive)}")


async def _park(office: Office) -> WorkflowHandle[Any, Any]:
    handle = await office.process(new_row(**UNREADABLE_AMOUNT))
    await parked(handle)
    return handle


async def _fail(office: Office) -> WorkflowHandle[Any, Any]:
    item = new_row(**UNREADABLE_AMOUNT)
    handle = await office.worker.start(FailingReturnWorkflow.run, ProcessReturn(item), id=f"retoure-{item.number}")
    await ended(handle)
    return handle


@pytest.mark.bank
@pytest.mark.parametrize("dead", [_fail, _park], ids=["gescheitert", "geparkt"])
async def test_messung_toter_brief_als_workflow(dead: Any, timelapse: Timelapse, tmp_path: Path) -> None:
    async with open_office(timelapse, tmp_path) as office:
        seconds = []
        for _ in range(RUNS):
            started = time.perf_counter()
            handle = await dead(office)
            seconds.append(time.perf_counter() - started)
        events, size = await _size(handle)
        together = time.perf_counter()
        await asyncio.gather(*(dead(office) for _ in range(RUNS)))
        rate = RUNS / (time.perf_counter() - together)
    print(f"\n{dead.__name__}: Median {median(seconds) * 1000:.0f} ms, {events} Events, {size} Bytes, {rate:.0f} je s")
