"""Die Saga unter zufälligen Störungen: Was auch geschieht, die Bücher passen zueinander und zum Status."""

from pathlib import Path

import pytest
from saga_hilfen import new_order, open_shop, outcome

from dauerlauf.faults import FaultPlan
from dauerlauf.testing import FaultPlans
from dauerlauf.timelapse import Timelapse
from kapitel07.saga.audit import EVERYTHING, NOTHING
from kapitel07.saga.scenarios import CARD_DECLINED, INVALID_VAT_ID, NOT_DELIVERED, OUT_OF_STOCK

STEPS = ["reserve_stock", "charge_payment", "register_parcel", "write_invoice"]
UNDO = ["cancel_invoice", "cancel_parcel", "refund_payment", "release_stock"]

# Jeder zweite Auftrag scheitert obendrein an einem der vier Dienste.
VARIANTS: list[dict[str, str]] = [
    {}, OUT_OF_STOCK, {}, CARD_DECLINED, {}, NOT_DELIVERED, {}, INVALID_VAT_ID,
]  # fmt: skip


@pytest.mark.timeout(300)
@pytest.mark.fault_plans([*STEPS, *UNDO, "send_confirmation"], rejectable=[*STEPS, *UNDO], number=200)
async def test_random_faults(fault_plans: FaultPlans, timelapse: Timelapse, tmp_path: Path) -> None:
    orders = {plan.seed: new_order(**VARIANTS[(plan.seed or 0) % 8]) for plan in fault_plans}
    by_id = {f"auftrag-{orders[plan.seed].number}": plan for plan in fault_plans}
    async with open_shop(timelapse, tmp_path, plan=by_id, stock=3 * len(by_id)) as shop:

        async def run(plan: FaultPlan) -> None:
            handle = await shop.place(orders[plan.seed], parallel=(plan.seed or 0) % 3 == 0)
            ended = await outcome(handle, 60)
            account = shop.account(handle)
            assert account.findings == []
            assert account.verdict == (EVERYTHING if ended.status == "COMPLETED" else NOTHING)
            assert account.balance("mail") == (ended.status == "COMPLETED")
            assert ended.orderly
            cancelled = ended.count("WORKFLOW_EXECUTION_CANCEL_REQUESTED") > 0
            assert ended.status in ("COMPLETED", "FAILED", "CANCELED")
            assert cancelled or ended.status != "CANCELED"

        await fault_plans.check(run, concurrency=30)
        assert shop.findings == []
        assert len(shop.worker.fired) > len(fault_plans) // 2
