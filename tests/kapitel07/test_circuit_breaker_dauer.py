"""Dieselbe Störung ohne Schalter und mit jeder Form; mit --bank, --gruendlich und -s druckt sie die Zahlen."""

import time
from pathlib import Path
from statistics import median

import pytest
from breaker_hilfen import events, open_fleet

from dauerlauf.timelapse import Timelapse, result
from kapitel07.circuit_breaker.comparison import HEADER, WORKERS, measure_all
from kapitel07.circuit_breaker.worker import Form

RUNS = 30


@pytest.mark.gruendlich  # Wartet fast nur; was sie vergleicht, liegt auch unter Last weit auseinander.
@pytest.mark.timeout(180)
async def test_messung_derselben_stoerung(timelapse: Timelapse, tmp_path: Path) -> None:
    assert timelapse.server is not None
    clients = [await timelapse.server.connect() for _ in range(WORKERS)]
    without, process, shared, by_hand = measured = await measure_all(clients, tmp_path)
    print(f"\n{HEADER}", *(one.row() for one in measured), sep="\n")
    assert all(one.exactly_once for one in measured)
    assert len(shared.futile) < len(process.futile) < len(without.futile)
    assert shared.occupied < without.occupied / 2
    assert len(by_hand.futile) < len(without.futile)


@pytest.mark.bank
@pytest.mark.parametrize("form", Form)
async def test_messung_kosten_einer_frage(form: Form, timelapse: Timelapse, tmp_path: Path) -> None:
    async with open_fleet(timelapse, tmp_path, form=form) as fleet:
        durations = []
        for _ in range(RUNS):
            [handle] = await fleet.place()
            started = time.perf_counter()
            await result(handle)
            durations.append(time.perf_counter() - started)
        per_order = (await events(fleet.world.breaker) - 2) / RUNS if form is Form.SHARED else 0.0
    print(f"\n{form}: Median {median(durations) * 1000:.0f} ms je Auftrag, {per_order:.1f} Events im Schalter")
    assert per_order <= 6


@pytest.mark.bank
async def test_messung_fragen_je_sekunde(timelapse: Timelapse, tmp_path: Path) -> None:
    async with open_fleet(timelapse, tmp_path) as fleet:
        guard = fleet.guard()
        await guard.ask()
        started = time.perf_counter()
        for _ in range(100):
            assert (await guard.ask()).permit is not None
        rate = 100 / (time.perf_counter() - started)
    print(f"\n{rate:.0f} Fragen je Sekunde, eine nach der anderen")
    assert rate > 10
