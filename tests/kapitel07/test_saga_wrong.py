"""Die falsche Saga aus `wrong.py`: Jeder Test beweist einen Schaden, den das Muster vermeidet."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from threading import Event
from typing import Any

from saga_hilfen import Shop, history_holds, new_order, outcome
from temporalio.client import WorkflowHandle

from dauerlauf.testing import open_worker
from dauerlauf.timelapse import Timelapse
from kapitel07.saga.activities import OrderActivities
from kapitel07.saga.models import Order, PlaceOrder
from kapitel07.saga.scenarios import CARD_DECLINED, NOT_DELIVERED, addresses
from kapitel07.saga.services import nordlicht
from kapitel07.saga.wrong import WrongOrderWorkflow

Handle = WorkflowHandle[Any, Any]


@asynccontextmanager
async def _wrong_shop(timelapse: Timelapse, folder: Path) -> AsyncIterator[Shop]:
    with nordlicht(folder) as world:
        activities = OrderActivities(addresses(world)).all()
        async with open_worker(timelapse, workflows=[WrongOrderWorkflow], activities=activities) as worker:
            yield Shop(world, worker)


async def _place(shop: Shop, placed: Order | None = None) -> Handle:
    placed = placed or new_order()
    return await shop.worker.start(WrongOrderWorkflow.run, PlaceOrder(placed), id=f"auftrag-{placed.number}")


async def test_wrong_registration_after_the_step_leaves_a_charge_behind(timelapse: Timelapse, tmp_path: Path) -> None:
    async with _wrong_shop(timelapse, tmp_path) as shop:
        shop.world.payment.lost_answers["/buchen"] = 3
        handle = await _place(shop)
        assert await handle.result() == "zurückgerollt"
        assert (await outcome(handle)).compensations == ["release_stock"]
        assert shop.account(handle).findings == [
            "stehen geblieben: zahlung",
            "Geld: 4990 Cent kassiert, 0 Cent berechnet",
        ]


async def test_wrong_except_exception_misses_a_cancel_outside_an_activity(timelapse: Timelapse, tmp_path: Path) -> None:
    async with _wrong_shop(timelapse, tmp_path) as shop:
        with timelapse.unskipped():
            handle = await _place(shop)
        await history_holds(handle, "TIMER_STARTED")
        await handle.cancel()
        ended = await outcome(handle)
        assert (ended.status, ended.compensations) == ("CANCELED", [])
        assert {service: shop.account(handle).balance(service) for service in ("lager", "zahlung", "versand")} == {
            "lager": 2,
            "zahlung": 4990,
            "versand": 1,
        }


async def test_wrong_cancel_inside_an_activity_ends_as_completed(timelapse: Timelapse, tmp_path: Path) -> None:
    async with _wrong_shop(timelapse, tmp_path) as shop:
        gate = shop.world.payment.gates["/buchen"] = Event()
        handle = await _place(shop)
        await history_holds(handle, "ACTIVITY_TASK_SCHEDULED", 2)
        await handle.cancel()
        ended = await outcome(handle)
        assert ended.status == "COMPLETED"
        assert not ended.orderly
        # Die Activity lief weiter: Sie bucht, nachdem schon alles zurückgenommen ist.
        assert shop.account(handle).balance("zahlung") == 0
        gate.set()
    assert shop.account(handle).balance("zahlung") == 4990


async def test_wrong_compensation_gives_up_and_reports_success(timelapse: Timelapse, tmp_path: Path) -> None:
    async with _wrong_shop(timelapse, tmp_path) as shop:
        shop.world.payment.outages.add("/stornieren")
        handle = await _place(shop, new_order(**NOT_DELIVERED))
        ended = await outcome(handle)
        assert (ended.status, ended.attempts("refund_payment")) == ("COMPLETED", 3)
        assert shop.account(handle).balance("zahlung") == 4990


async def test_wrong_swallowed_failure_looks_like_success(timelapse: Timelapse, tmp_path: Path) -> None:
    async with _wrong_shop(timelapse, tmp_path) as shop:
        handle = await _place(shop, new_order(**CARD_DECLINED))
        ended = await outcome(handle)
        assert (ended.status, ended.cause) == ("COMPLETED", "")
