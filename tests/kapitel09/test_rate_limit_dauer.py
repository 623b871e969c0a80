"""Dieselbe Last auf allen fünf Wegen, in Echtzeit beim Dienst gezählt (pytest -s druckt die Zahlen)."""

import pytest

from dauerlauf.timelapse import Timelapse
from kapitel09.rate_limit.comparison import HEADER, WORKERS, Form, Load, Measured, busiest, measure_all
from kapitel09.rate_limit.plot import svg


async def _measure(timelapse: Timelapse, load: Load) -> dict[str, Measured]:
    assert timelapse.server is not None
    # Jeder Worker braucht seine eigene Verbindung.
    measured = await measure_all([await timelapse.server.connect() for _ in range(WORKERS)], load)
    print(f"\n{HEADER}", *(one.row() for one in measured), sep="\n")
    return {one.name: one for one in measured}


def _keeps_the_limit(measured: dict[str, Measured]) -> None:
    assert all(one.exactly_once for one in measured.values())
    for name in (Form.WORKER, Form.QUEUE, Form.FAIR, Form.QUOTA):
        assert (measured[name].busiest <= measured[name].load.limit, measured[name].refused) == (True, 0), name
    # Hier setzt der Anbieter selbst die Grenze, und jede Anfrage darüber ist vergeblich.
    signal = measured[Form.SIGNAL]
    assert signal.refused > 0
    assert busiest([at for at, _ in signal.printed], signal.load.window) <= signal.load.limit


@pytest.mark.gruendlich  # In Echtzeit: Der Dienst zählt, was in ein gleitendes Fenster fällt.
@pytest.mark.timeout(120)
async def test_no_window_of_the_service_exceeds_the_limit(timelapse: Timelapse) -> None:
    measured = await _measure(timelapse, Load(limit=40, window=4.0, large=32, small=12, delay=1.5))
    _keeps_the_limit(measured)
    assert measured[Form.FAIR].small_done < measured[Form.QUEUE].small_done
    assert f"{Form.QUOTA}: höchstens" in svg(list(measured.values()))


@pytest.mark.bank
@pytest.mark.timeout(120)
async def test_messung_auslastung_und_fairness(timelapse: Timelapse) -> None:
    measured = await _measure(timelapse, Load(limit=60, window=6.0, large=42, small=10, delay=0.5))
    _keeps_the_limit(measured)
    for name in (Form.WORKER, Form.QUEUE, Form.FAIR, Form.QUOTA):
        assert measured[name].utilisation >= 0.9, name
    assert measured[Form.FAIR].small_done < 0.8 * measured[Form.QUEUE].small_done
