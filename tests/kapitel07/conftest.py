"""Was alle Tests des Kapitels brauchen."""

import os
from pathlib import Path

import pytest

import kapitel07
from dauerlauf.scenario import ensure_search_attributes
from dauerlauf.timelapse import Timelapse
from kapitel07.saga.scenarios import PATTERN

# Der Testlauf eines Mutanten meint eine Kopie des Kapitels; ohne diese Probe liefe er unbemerkt gegen das Original.
if (copy := os.environ.get("KAPITEL07_ORDNER")) and not Path(kapitel07.__file__).is_relative_to(copy):
    raise RuntimeError(f"Geladen ist {kapitel07.__file__}, erwartet war die Kopie in {copy}.")


@pytest.fixture(scope="session", autouse=True)
async def _search_attributes(timelapse: Timelapse) -> None:
    await ensure_search_attributes(timelapse.client, PATTERN.search_attributes)
