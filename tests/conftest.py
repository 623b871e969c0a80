"""Schalter der eigenen Tests."""

import pytest

SWITCHES = {
    "mutant": ("--mutanten", "führt auch die Testläufe gegen absichtlich beschädigten Code aus"),
    "bank": ("--bank", "führt auch die Zeitmessungen aus"),
}


def pytest_addoption(parser: pytest.Parser) -> None:
    for option, text in SWITCHES.values():
        parser.addoption(option, action="store_true", help=text)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        for marker, (option, _) in SWITCHES.items():
            if item.get_closest_marker(marker) and not config.getoption(option):
                item.add_marker(pytest.mark.skip(reason=f"läuft nur mit {option}"))
