"""Dieselbe Last auf allen fünf Wegen, in Echtzeit beim Dienst gezählt (pytest -s druckt die Zahlen)."""

import pytest

from dauerlauf.timelapse import Timelapse
from kapitel09.rate_limit.comparison import HEADER, WORKERS, Form, Load, Measured, busiest, measure_all
from kapitel09.rate_limit.plot import svg


async def _measure(timelapse: Timelapse, load: Load) -> dict[Form, Measured]:
    assert timelapse.server is not None
    # Jeder Worker braucht seine eigene Verbindung.
    rows = await measure_all([await timelapse.server.connect() for _ in range(WORKERS)], load)
    print(f"\n{HEADER}", *(row.row() for row in rows), sep="\n")
    assert all(row.exactly_once for row in rows)
    measured = {Form(row.name): row for row in rows}
    for name in (Form.WORKER, Form.QUEUE, Form.FAIR, Form.QUOTA):
        assert (measured[name].busiest <= load.limit, measured[name].refused) == (True, 0), name
    # Hier setzt der Anbieter selbst die Grenze, und jede Anfrage darüber ist vergeblich.
    signal = measured[Form.SIGNAL]
    assert signal.refused > 0
    assert busiest([at for at, _ in signal.printed], load.window) <= load.limit
    return measured


@pytest.mark.gruendlich  # In Echtzeit: Der Dienst zählt, was in ein gleitendes Fenster fällt.
@pytest.mark.timeout(120)
async def test_no_window_of_the_service_exceeds_the_limit(timelapse: Timelapse) -> None:
    measured = await _measure(timelapse, Load(limit=40, window=4.0, large=32, small=12, delay=1.5))
    assert measured[Form.FAIR].small_done < measured[Form.QUEUE].small_done
    assert f"{Form.QUOTA}: höchstens" in svg(list(measured.values()))


@pytest.mark.bank
@pytest.mark.timeout(120)
async def test_messung_auslastung_und_fairness(timelapse: Timelapse) -> None:
    measured = await _measure(timelapse, Load())
    for name in (Form.WORKER, Form.QUEUE, Form.FAIR, Form.QUOTA):
        assert measured[name].utilisation >= 0.9, name
    assert measured[Form.FAIR].small_done < 0.8 * measured[Form.QUEUE].small_done
