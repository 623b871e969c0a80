"""Die Messung der Seite: dieselbe Last auf allen fünf Wegen, in Echtzeit beim Dienst gezählt (pytest -s druckt sie)."""

import pytest

from dauerlauf.timelapse import Timelapse
from kapitel09.rate_limit.comparison import HEADER, WORKERS, Form, busiest, measure_all
from kapitel09.rate_limit.plot import svg


@pytest.mark.gruendlich  # In Echtzeit: Der Dienst zählt, was in ein gleitendes Fenster fällt.
@pytest.mark.timeout(120)
async def test_no_window_of_the_service_exceeds_the_limit(timelapse: Timelapse) -> None:
    assert timelapse.server is not None
    # Jeder Worker braucht seine eigene Verbindung.
    rows = await measure_all([await timelapse.server.connect() for _ in range(WORKERS)])
    print(f"\n{HEADER}", *(row.row() for row in rows), sep="\n")
    assert all(row.exactly_once for row in rows)
    measured = {Form(row.name): row for row in rows}
    # Hier setzt der Anbieter selbst die Grenze, und jede Anfrage darüber ist vergeblich.
    signal = measured.pop(Form.SIGNAL)
    assert signal.refused > 0
    assert busiest([at for at, _ in signal.printed], signal.load.window) <= signal.load.limit
    for name, row in measured.items():
        assert (row.busiest <= row.load.limit, row.refused) == (True, 0), name
        assert row.utilisation >= 0.9, name
    assert measured[Form.FAIR].small_done < 0.8 * measured[Form.QUEUE].small_done
    assert f"{Form.QUOTA}: höchstens" in svg(rows)
