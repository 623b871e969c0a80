"""Schalter der eigenen Tests, der gemeinsame Server und die Verteilung auf mehrere Prozesse."""

import importlib.util
import json
import multiprocessing
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


SLOW = ("notebooks", "buch", "werkbank")


def pytest_addoption(parser: pytest.Parser) -> None:
    for option, text in SWITCHES.values():
        parser.addoption(option, action="store_true", help=text)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    if not getattr(config.option, "numprocesses", None):
        return
    if config.option.mutanten or config.option.gruendlich:
        # Lange Tests gehen einzeln an den nächsten freien Prozess.
        config.option.dist, config.option.maxschedchunk = "load", 1
    else:
        # Die Tests einer Datei teilen sich teure Vorbereitungen und laufen deshalb im selben Prozess.
        config.option.dist, config.option.loadscopereorder = "loadfile", False


def _time_limit(item: pytest.Item) -> float:
    """Das eigene Zeitlimit eines Tests in Sekunden, sonst 0."""
    marker = item.get_closest_marker("timeout")
    return float(marker.args[0]) if marker else 0


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.option.gruendlich:
        # Wer ein eigenes Zeitlimit braucht, dauert lange; zuerst verteilt, hält er am Ende niemanden auf.
        items.sort(key=_time_limit, reverse=True)
    else:
        # Auch hier die langen zuerst: Dateien, die Notebooks ausführen, das Buch bauen oder Programme starten.
        items.sort(key=lambda item: item.path.parent.name not in SLOW)
    for item in items:
        for marker, (option, _) in SWITCHES.items():
            if item.get_closest_marker(marker) and not config.getoption(option):
                item.add_marker(pytest.mark.skip(reason=f"läuft nur mit {option}"))


@pytest.fixture(scope="module")
def forkserver(request: pytest.FixtureRequest) -> None:
    """Lädt den Worker eines Musters einmal in den Vermittler; jeder Prozess erspart sich so den Import.

    Das Testmodul nennt ihn mit `WORKER`, etwa `kapitel07.saga.worker:create_worker`.
    """
    from multiprocessing.forkserver import ensure_running

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["dauerlauf.worker_process", request.module.WORKER.partition(":")[0]])
    ensure_running()


@pytest.fixture(scope="session")
def search_attributes() -> Mapping[str, str]:
    """Die Suchattribute aller Muster und Tests; der Server kennt sie vom Start an."""
    if collected := os.environ.get("SUCHATTRIBUTE"):
        found = json.loads(collected)
    else:
        from dauerlauf import scenario

        found = scenario.search_attributes(scenario.patterns().values())
    return {"BestellStatus": "Keyword", **found}
