"""Was der Vergleich von Befehlen und Events bemerkt und was nicht."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from patching_aenderungen import (
    Clock,
    MoreActivities,
    MoreLogging,
    NoTimer,
    OtherArguments,
    OtherOptions,
    OtherOrder,
    OtherTimers,
)
from patching_hilfen import new_order, open_shop

from dauerlauf.testing import open_worker
from dauerlauf.timelapse import Timelapse
from hilfen import kinds
from kapitel08.patching.scenarios import PATTERN
from kapitel08.patching.stages import STAGES


@pytest.mark.parametrize("changed", [OtherArguments, OtherTimers, OtherOptions, MoreLogging])
async def test_these_changes_go_unnoticed(changed: type, replay: Callable[..., Awaitable[int]]) -> None:
    assert await replay(PATTERN.history_file("stufe-1"), workflows=[changed]) == 1


@pytest.mark.parametrize("changed", [MoreActivities, OtherOrder, NoTimer])
async def test_these_changes_break_old_runs(changed: type, replay: Callable[..., Awaitable[int]]) -> None:
    with pytest.raises(AssertionError, match="TMPRL1100"):
        await replay(PATTERN.history_file("stufe-1"), workflows=[changed])


async def test_a_timer_keeps_its_length(timelapse: Timelapse, tmp_path: Path) -> None:
    """Der neue Code wartet nur eine Minute, der Timer steht seit dem alten auf drei Tagen."""
    async with open_shop(timelapse, tmp_path) as shop:
        handle = await shop.start(new_order())
        async with shop.code(STAGES[1]):
            await shop.waiting(handle, 1)
        async with shop.code(OtherTimers):
            await shop.timelapse.fast_forward(handle, timedelta(days=2))
            assert "TIMER_FIRED" not in kinds(await handle.fetch_history())
            await shop.timelapse.fast_forward(handle, timedelta(days=1, minutes=1))
            await shop.waiting(handle, 2)


async def test_the_clock_of_a_workflow_goes_on(timelapse: Timelapse) -> None:
    async with open_worker(timelapse, workflows=[Clock]) as worker:
        assert await worker.execute("ClockWorkflow") >= 7_200
