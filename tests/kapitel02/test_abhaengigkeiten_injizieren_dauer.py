"""Was eine offen gehaltene Verbindung spart; gemessen, nicht geschätzt. Läuft nur mit --bank."""

import time
from collections.abc import Callable
from contextlib import closing
from datetime import date
from pathlib import Path
from statistics import median

import pytest

from kapitel02.abhaengigkeiten_injizieren.activities import Order
from kapitel02.abhaengigkeiten_injizieren.connections import CarrierClient, StockDatabase
from kapitel02.abhaengigkeiten_injizieren.services import database, nordlicht

CALLS = 300
DAY = date(2026, 11, 20)


def milliseconds(calls: dict[str, Callable[[str], object]]) -> dict[str, float]:
    """Die mittlere Dauer (Median) je Aufruf; abwechselnd gemessen trifft eine Störung alle."""
    durations: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(CALLS):
        for name, call in calls.items():
            begin = time.perf_counter()
            call(f"{name}-{number}")
            durations[name].append(time.perf_counter() - begin)
    return {name: median(found) * 1000 for name, found in durations.items()}


@pytest.mark.bank
def test_offen_halten_ist_schneller_als_neu_oeffnen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with nordlicht(tmp_path) as service:
        file = database(tmp_path)

        def new_stock(number: str) -> None:
            with closing(StockDatabase(file)) as own:
                own.reserve(Order(number, "Leuchtturm", 0))

        def new_carrier(number: str) -> None:
            with closing(CarrierClient(service.url)) as own:
                own.book_pickup(number, DAY)

        with closing(StockDatabase(file)) as stock, closing(CarrierClient(service.url)) as carrier:
            times = milliseconds(
                {
                    "Lager, offen": lambda number: stock.reserve(Order(number, "Leuchtturm", 0)),
                    "Lager, neu": new_stock,
                    "Versanddienst, offen": lambda number: carrier.book_pickup(number, DAY),
                    "Versanddienst, neu": new_carrier,
                }
            )
    with capsys.disabled():
        print("".join(f"\n{name}: {value:.2f} ms" for name, value in times.items()))
    assert times["Lager, offen"] < times["Lager, neu"]
    assert times["Versanddienst, offen"] < times["Versanddienst, neu"]
