"""Das fremde Projekt hat eigene Tests; sie laufen in seiner eigenen Umgebung (test_pytest_plugin.py)."""

import logging
from collections.abc import Iterator

import pytest

collect_ignore = ["fremdes_projekt"]


@pytest.fixture(autouse=True)
def _log_level() -> Iterator[None]:
    """`dauerlauf` bringt das SDK zum Schweigen; andere Tests in diesem Prozess lesen aber dessen Log."""
    logger = logging.getLogger("temporalio")
    level = logger.level
    yield
    logger.setLevel(level)
