"""Wie lange eine Saga dauert; läuft nur mit --bank und druckt die Zahlen (pytest -s)."""

import time
from pathlib import Path
from statistics import median

import pytest
from saga_hilfen import new_order, open_shop, outcome

from dauerlauf.timelapse import Timelapse
from kapitel07.saga.scenarios import INVALID_VAT_ID

RUNS = 30


@pytest.mark.bank
@pytest.mark.parametrize(
    ("name", "changes", "parallel"),
    [
        ("vier Schritte und Bestätigung", {}, False),
        ("vier Schritte und vier Kompensationen", INVALID_VAT_ID, False),
        ("dasselbe mit parallelen Kompensationen", INVALID_VAT_ID, True),
    ],
)
async def test_messung_dauer_einer_saga(
    name: str, changes: dict[str, str], parallel: bool, timelapse: Timelapse, tmp_path: Path
) -> None:
    async with open_shop(timelapse, tmp_path) as shop:
        durations = []
        for _ in range(RUNS):
            started = time.perf_counter()
            await outcome(await shop.place(new_order(**changes), parallel=parallel))
            durations.append(time.perf_counter() - started)
    print(f"\n{name}: Median {median(durations) * 1000:.0f} ms, längste {max(durations) * 1000:.0f} ms")
    assert median(durations) < 1
