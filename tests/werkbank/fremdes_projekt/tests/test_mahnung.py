"""Die Tests des Mahnwesens: Zeitraffer, Störpläne und Replay."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from mahnung.activities import charge_fee, effects, send_reminder
from mahnung.workflow import Dunning, Invoice

HISTORIES = Path(__file__).parents[1] / "histories"


@pytest.fixture
def invoice(tmp_path: Path) -> Invoice:
    return Invoice("R-4711", str(tmp_path / "mahnwesen.db"))


# --8<-- [start:worker]
async def test_mahnung_nach_vierzehn_tagen(worker: Any, timelapse: Any, invoice: Invoice) -> None:
    async with worker(workflows=[Dunning], activities=[charge_fee, send_reminder]) as w:
        handle = await w.start(Dunning.run, invoice)
        assert await w.result(handle) == "gemahnt"
        started = (await handle.describe()).start_time
        assert await timelapse.now(handle) - started >= timedelta(days=14)
    assert effects(invoice.database) == ["Brief R-4711", "Gebühr R-4711"]


# --8<-- [end:worker]


# --8<-- [start:signal]
async def test_zahlung_am_dritten_tag(worker: Any, timelapse: Any, result: Any, invoice: Invoice) -> None:
    async with worker(workflows=[Dunning], activities=[charge_fee, send_reminder]) as w:
        with timelapse.unskipped():
            handle = await w.start(Dunning.run, invoice)
        await timelapse.fast_forward(handle, timedelta(days=3))
        await handle.signal(Dunning.paid)
        assert await result(handle) == "bezahlt"


# --8<-- [end:signal]


# --8<-- [start:stoerplan]
@pytest.mark.fault_plans(["charge_fee", "send_reminder"], cancels=False)
async def test_gebuehr_und_brief_genau_einmal(worker: Any, fault_plan: Any, invoice: Invoice) -> None:
    async with worker(workflows=[Dunning], activities=[charge_fee, send_reminder], plan=fault_plan) as w:
        assert await w.execute(Dunning.run, invoice) == "gemahnt"
    assert effects(invoice.database) == ["Brief R-4711", "Gebühr R-4711"]


# --8<-- [end:stoerplan]


# --8<-- [start:stoerplaene]
@pytest.mark.fault_plans(["charge_fee", "send_reminder"], number=40, cancels=False)
async def test_vierzig_stoerplaene_gleichzeitig(worker: Any, fault_plans: Any, invoice: Invoice) -> None:
    plans = {f"mahnung-{plan.seed}": plan for plan in fault_plans}
    async with worker(workflows=[Dunning], activities=[charge_fee, send_reminder], plan=plans) as w:

        async def run(plan: Any) -> None:
            number = f"R-{plan.seed}"
            single = Invoice(number, invoice.database)
            assert await w.execute(Dunning.run, single, id=f"mahnung-{plan.seed}") == "gemahnt"
            assert sum(key.endswith(f" {number}") for key in effects(invoice.database)) == 2

        await fault_plans.check(run)


# --8<-- [end:stoerplaene]


# --8<-- [start:replay]
async def test_aufgezeichnete_laeufe_passen_noch(replay: Any) -> None:
    assert await replay(HISTORIES, workflows=[Dunning]) == 2


# --8<-- [end:replay]
