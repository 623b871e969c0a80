"""Die Saga unter zufälligen Störungen: Was auch geschieht, die Bücher passen zueinander und zum Status."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from saga_hilfen import new_order, open_shop, outcome
from temporalio.client import Client, WorkflowHandle

from dauerlauf.faults import FaultPlan
from dauerlauf.testing import FaultPlans
from dauerlauf.timelapse import Timelapse
from dauerlauf.timelapse import timelapse as timelapse_server
from dauerlauf.worker_process import Trial, die_at_every_event, survivors
from kapitel07.saga.audit import EVERYTHING, NOTHING, audit
from kapitel07.saga.models import PlaceOrder
from kapitel07.saga.scenarios import (
    CARD_DECLINED,
    INVALID_VAT_ID,
    NOT_DELIVERED,
    OUT_OF_STOCK,
    PATTERN,
    WORKER,
    addresses,
    order,
)
from kapitel07.saga.services import nordlicht
from kapitel07.saga.workflow import OrderWorkflow

STEPS = ["reserve_stock", "charge_payment", "register_parcel", "write_invoice"]
UNDO = ["cancel_invoice", "cancel_parcel", "refund_payment", "release_stock"]

# Jeder zweite Auftrag scheitert obendrein an einem der vier Dienste.
VARIANTS: list[dict[str, str]] = [
    {}, OUT_OF_STOCK, {}, CARD_DECLINED, {}, NOT_DELIVERED, {}, INVALID_VAT_ID,
]  # fmt: skip


@pytest.mark.gruendlich
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


# Der Weg vorwärts hat 35 Events; zurück (ab dem Fehler der Buchhaltung) sind es die Events 26 bis 55.
@pytest.mark.prozess
@pytest.mark.gruendlich
@pytest.mark.parametrize(
    ("changes", "events", "status"),
    [({}, range(1, 36), "COMPLETED"), (INVALID_VAT_ID, range(26, 56), "FAILED")],
)
async def test_worker_dies_at_every_event(
    changes: dict[str, str], events: range, status: str, timelapse: Timelapse, tmp_path: Path
) -> None:
    with nordlicht(tmp_path, stock=1000) as world:

        async def start(client: Client, trial: Trial) -> WorkflowHandle[Any, Any]:
            arg = PlaceOrder(order(trial.workflow_id, **changes))
            return await client.start_workflow(
                OrderWorkflow.run, arg, id=trial.workflow_id, task_queue=trial.task_queue
            )

        takeovers = await die_at_every_event(
            timelapse,
            WORKER,
            arguments=lambda trial: {"addresses": addresses(world), "task_queue": trial.task_queue},
            start=start,
            folder=tmp_path / "runs",
            events=events,
        )
    books = audit(tmp_path)
    assert books.findings == []
    reference, *others = takeovers
    assert len(reference.history.events) == events[-1]
    assert len(others) == len(events)
    for takeover in others:
        account = books.account(takeover.trial.workflow_id)
        expected = (status, EVERYTHING if status == "COMPLETED" else NOTHING)
        assert (takeover.status.name, account.verdict) == expected, takeover.describe()
    assert survivors(takeovers) == []


@pytest.mark.prozess
async def test_server_dies_and_restarts_on_its_database(tmp_path: Path) -> None:
    async with timelapse_server(
        database=tmp_path / "temporal.sqlite3", search_attributes=PATTERN.search_attributes
    ) as env:
        assert env.server is not None
        # Event 12 liegt in der Zahlung, Event 30 mitten im Zurückrollen.
        plan = FaultPlan(server=(12, 30))
        async with open_shop(env, tmp_path / "buecher") as shop:
            shop.start_options = {"task_timeout": timedelta(seconds=1)}
            first = await shop.place(new_order(**INVALID_VAT_ID))
            others = [await shop.place(new_order(**variant)) for variant in VARIANTS]
            await plan.disturb(first, env.server)
            ended = [await outcome(handle, 60) for handle in (first, *others)]
            expected = ["FAILED", *("FAILED" if variant else "COMPLETED" for variant in VARIANTS)]
            assert [one.status for one in ended] == expected
            assert shop.findings == []
