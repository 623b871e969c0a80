"""Die falschen Patches aus `wrong.py`: Jeder Test beweist einen Schaden, den das Muster vermeidet."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from patching_hilfen import Shop, new_order, open_shop

from dauerlauf.timelapse import Timelapse
from hilfen import kinds, scheduled, until
from kapitel08.patching.models import Order
from kapitel08.patching.scenarios import PATTERN
from kapitel08.patching.wrong import (
    MONTH,
    OldestFirstWorkflow,
    SameIdWorkflow,
    StandingOrder,
    StandingOrderBefore,
    StandingOrderPatched,
)


@pytest.fixture
async def shop(timelapse: Timelapse, tmp_path: Path) -> AsyncIterator[Shop]:
    """Eine Task Queue ohne Worker."""
    async with open_shop(timelapse, tmp_path) as opened:
        yield opened


async def test_wrong_oldest_patch_first_never_reaches_the_newer_one(
    shop: Shop, replay: Callable[..., Awaitable[int]]
) -> None:
    # Das Replay der alten Läufe gelingt; der Fehler fällt erst am neuen auf.
    for stage in (1, 2):
        assert await replay(PATTERN.history_file(f"stufe-{stage}"), workflows=[OldestFirstWorkflow]) == 1
    handle = await shop.start(new_order())
    async with shop.code(OldestFirstWorkflow):
        history = await shop.finish(handle)
    assert scheduled(history) == ["confirm_order", "check_fraud", "charge_payment", "ship_parcel"]


async def test_wrong_second_change_under_the_same_id_breaks_marked_runs(replay: Callable[..., Awaitable[int]]) -> None:
    assert await replay(PATTERN.history_file("stufe-1"), workflows=[SameIdWorkflow]) == 1
    with pytest.raises(AssertionError, match="TMPRL1100.*'check_fraud' does not match .* 'check_address'"):
        await replay(PATTERN.history_file("stufe-2"), workflows=[SameIdWorkflow])


async def test_wrong_patch_in_a_loop_stays_off_until_continue_as_new(shop: Shop) -> None:
    order = Order("N-1", "Jörg Weiß", 4_990)
    handle = await shop.start(StandingOrder(order, months=3, years=2), workflow="StandingOrderWorkflow")
    async with shop.code(StandingOrderBefore):
        await shop.waiting(handle, 1)
    async with shop.code(StandingOrderPatched):
        # Der erste Lauf hat noch zwei Monate vor sich, der nächste drei.
        await shop.timelapse.fast_forward(handle, MONTH * 2.5)
        await shop.waiting(handle, 3)
        first = await handle.fetch_history()
        await shop.timelapse.fast_forward(handle, MONTH)
        next_run = shop.timelapse.client.get_workflow_handle(handle.id)

        async def continued() -> bool:
            history = await next_run.fetch_history()
            return history.run_id != first.run_id and "TIMER_STARTED" in kinds(history)

        await until(continued)
        second = await next_run.fetch_history()
        await next_run.terminate("Test beendet")
    assert scheduled(first) == ["charge_payment"] * 3
    assert scheduled(second) == ["check_fraud", "charge_payment"]
