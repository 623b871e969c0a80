"""Schalter der eigenen Tests, der gemeinsame Server und die Verteilung auf mehrere Prozesse."""

import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

# Der Testlauf eines Mutanten meint eine Kopie des Kapitels; ohne diese Probe liefe er unbemerkt gegen das Original.
if copy := os.environ.get("MUTANT"):
    loaded = importlib.util.find_spec(Path(copy).name)
    if not (loaded and loaded.origin and Path(loaded.origin).is_relative_to(copy)):
        raise RuntimeError(f"Geladen würde {loaded}, erwartet ist die Kopie in {copy}.")

SWITCHES = {
    "mutant": ("--mutanten", "führt auch die Testläufe gegen absichtlich beschädigten Code aus"),
    "bank": ("--bank", "führt auch die Zeitmessungen aus"),
    "gruendlich": ("--gruendlich", "führt auch die langen Tests aus: Browser, JupyterLab, fremdes Projekt"),
}


def pytest_addoption(parser: pytest.Parser) -> None:
    for option, text in SWITCHES.values():
        parser.addoption(option, action="store_true", help=text)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    # Die Tests einer Datei teilen sich teure Vorbereitungen und laufen deshalb im selben Prozess; Mutanten nicht.
    if getattr(config.option, "numprocesses", None):
        config.option.dist = "worksteal" if config.option.mutanten else "loadfile"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        for marker, (option, _) in SWITCHES.items():
            if item.get_closest_marker(marker) and not config.getoption(option):
                item.add_marker(pytest.mark.skip(reason=f"läuft nur mit {option}"))


@pytest.fixture(scope="session")
def search_attributes() -> Mapping[str, str]:
    """Die Suchattribute aller Muster und Tests; der Server kennt sie vom Start an."""
    from dauerlauf.scenario import patterns

    found = {name: kind for pattern in patterns().values() for name, kind in pattern.search_attributes.items()}
    return {"BestellStatus": "Keyword", **found}
