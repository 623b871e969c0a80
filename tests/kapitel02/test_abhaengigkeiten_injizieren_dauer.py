"""Was eine offen gehaltene Verbindung spart; gemessen, nicht geschätzt. Läuft nur mit --bank."""

import time
from collections.abc import Callable
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest

from kapitel02.abhaengigkeiten_injizieren.activities import Order
from kapitel02.abhaengigkeiten_injizieren.connections import CarrierClient, StockDatabase
from kapitel02.abhaengigkeiten_injizieren.services import database, nordlicht

CALLS = 300
DAY = date(2026, 11, 20)


def milliseconds(call: Callable[[str], object], name: str) -> float:
    """Die mittlere Dauer eines Aufrufs in Millisekunden."""
    begin = time.perf_counter()
    for number in range(CALLS):
        call(f"{name}-{number}")
    return (time.perf_counter() - begin) / CALLS * 1000


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
            times = {
                "Lager, offen": milliseconds(lambda n: stock.reserve(Order(n, "Leuchtturm", 0)), "a"),
                "Lager, neu": milliseconds(new_stock, "b"),
                "Versanddienst, offen": milliseconds(lambda n: carrier.book_pickup(n, DAY), "c"),
                "Versanddienst, neu": milliseconds(new_carrier, "d"),
            }
    with capsys.disabled():
        print("".join(f"\n{name}: {value:.2f} ms" for name, value in times.items()))
    assert times["Lager, offen"] < times["Lager, neu"]
    assert times["Versanddienst, offen"] < times["Versanddienst, neu"]
