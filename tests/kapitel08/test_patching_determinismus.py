"""Was der Vergleich von Befehlen und Events bemerkt und was nicht."""

from collections.abc import Awaitable, Callable

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

from dauerlauf.testing import open_worker
from dauerlauf.timelapse import Timelapse
from kapitel08.patching.scenarios import PATTERN


@pytest.mark.parametrize("changed", [OtherArguments, OtherTimers, OtherOptions, MoreLogging])
async def test_these_changes_go_unnoticed(changed: type, replay: Callable[..., Awaitable[int]]) -> None:
    assert await replay(PATTERN.history_file("stufe-1"), workflows=[changed]) == 1


@pytest.mark.parametrize("changed", [MoreActivities, OtherOrder, NoTimer])
async def test_these_changes_break_old_runs(changed: type, replay: Callable[..., Awaitable[int]]) -> None:
    with pytest.raises(AssertionError, match="TMPRL1100"):
        await replay(PATTERN.history_file("stufe-1"), workflows=[changed])


async def test_the_clock_of_a_workflow_goes_on(timelapse: Timelapse) -> None:
    async with open_worker(timelapse, workflows=[Clock]) as worker:
        assert await worker.execute("ClockWorkflow") >= 7_200
