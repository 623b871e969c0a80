"""Was alle Tests des Kapitels brauchen."""

import pytest

from dauerlauf.scenario import ensure_search_attributes
from dauerlauf.timelapse import Timelapse
from kapitel07.saga.scenarios import PATTERN


@pytest.fixture(scope="session", autouse=True)
async def _search_attributes(timelapse: Timelapse) -> None:
    await ensure_search_attributes(timelapse.client, PATTERN.search_attributes)
