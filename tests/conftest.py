"""Schalter der eigenen Tests, der gemeinsame Server und die Verteilung auf mehrere Prozesse."""

import asyncio
import faulthandler
import functools
import importlib.util
import inspect
import json
import os
import signal
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

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


STDERR = pytest.StashKey[int]()
SLOW = ("notebooks", "buch", "werkbank")


# Aufräumen dauert Sekunden; länger heißt, es hängt.
TEARDOWN_LIMIT = 60


def pytest_configure(config: pytest.Config) -> None:
    # Vor dem ersten Test zeigt stderr noch nicht in die Umleitung von pytest.
    config.stash[STDERR] = os.dup(2)
    # Mit `nohup` oder im Hintergrund einer Shell gestartet, ignorierten auch die Programme der Tests ihr Strg-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _exit_after(seconds: float, item: pytest.Item) -> None:
    """Nach so vielen Sekunden endet der Prozess und zeigt, wo er stand."""
    faulthandler.dump_traceback_later(seconds, exit=True, file=item.config.stash[STDERR])


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Kein Test hält den Lauf für immer auf, auch wenn er in fremdem Code steht, den kein Signal erreicht."""
    _exit_after(_time_limit(item) + TEARDOWN_LIMIT, item)
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Nach einem Fehlschlag stellen pytest und pytest-timeout alle Limits ab; das Aufräumen braucht ein neues."""
    _exit_after(TEARDOWN_LIMIT, item)


def pytest_addoption(parser: pytest.Parser) -> None:
    for option, text in SWITCHES.values():
        parser.addoption(option, action="store_true", help=text)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    if not getattr(config.option, "numprocesses", None):
        return
    # Ein hängender Test beendet seinen Prozess; ohne Grenze hielte er nacheinander einen Prozess nach dem anderen auf.
    config.option.maxworkerrestart = 1
    if config.option.mutanten or config.option.gruendlich:
        # Lange Tests gehen einzeln an den nächsten freien Prozess.
        config.option.dist, config.option.maxschedchunk = "load", 1
    else:
        # Die Tests einer Datei teilen sich teure Vorbereitungen und laufen deshalb im selben Prozess.
        config.option.dist, config.option.loadscopereorder = "loadfile", False


def _cancel_in_time(item: pytest.Function) -> None:
    """Bricht einen Test mit Event-Loop nach seinem Zeitlimit ab; er räumt dabei auf.

    Das Signal von pytest-timeout würfe in dem Code, der gerade läuft. In einer Event-Loop kann das jede Aufgabe sein,
    auch eine des SDK: Dann ginge es verloren, oder der Test bliebe mit offenen Workern liegen, und der Lauf endete nie.
    """
    test: Callable[..., Awaitable[None]] = item.obj
    limit = _time_limit(item)

    @functools.wraps(test)
    async def bounded(*args: Any, **options: Any) -> None:
        async with asyncio.timeout(limit):
            await test(*args, **options)

    item.obj = bounded
    item.add_marker(pytest.mark.timeout(0), append=False)


def _time_limit(item: pytest.Item) -> float:
    """Das Zeitlimit eines Tests in Sekunden."""
    limits = [marker.args[0] for marker in item.iter_markers("timeout") if marker.args[0]]
    return float(limits[0] if limits else item.config.getini("timeout"))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.option.gruendlich:
        _long_ones_first(items)
    else:
        # Auch hier die langen zuerst: Dateien, die Notebooks ausführen, das Buch bauen oder Programme starten.
        items.sort(key=lambda item: item.path.parent.name not in SLOW)
    _preload_workers(items)
    for item in items:
        if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.obj):
            _cancel_in_time(item)
        for marker, (option, _) in SWITCHES.items():
            if item.get_closest_marker(marker) and not config.getoption(option):
                item.add_marker(pytest.mark.skip(reason=f"läuft nur mit {option}"))


def _long_ones_first(items: list[pytest.Item]) -> None:
    """Wer ein eigenes Zeitlimit braucht, dauert lange; zuerst verteilt, hält er am Ende niemanden auf.

    Auf das gebaute Buch warten viele: Ein Test baut es, und die anderen kommen dran, wenn es fertig ist.
    """
    items.sort(key=_time_limit, reverse=True)
    fixtures = {item: getattr(item, "fixturenames", ()) for item in items}
    readers = [item for item in items if "site" in fixtures[item]]
    builder = [item for item in readers if "zensical_site" in fixtures[item]][:1]
    own_limit = [item for item in items if item.get_closest_marker("timeout") and item not in readers]
    items[:] = dict.fromkeys([*builder, *own_limit, *readers, *items])


def _preload_workers(items: list[pytest.Item]) -> None:
    """Den Worker, den ein Testmodul mit `WORKER` nennt, lädt der Vermittler einmal statt jeder Prozess für sich."""
    named = {module.WORKER.partition(":")[0] for item in items if hasattr(module := item.module, "WORKER")}
    if named:
        from dauerlauf import worker_process

        worker_process.PRELOAD += sorted(named)


@pytest.fixture(scope="session")
def search_attributes() -> Mapping[str, str]:
    """Die Suchattribute aller Muster und Tests; der Server kennt sie vom Start an."""
    if collected := os.environ.get("SUCHATTRIBUTE"):
        found = json.loads(collected)
    else:
        from dauerlauf import scenario

        found = scenario.search_attributes(scenario.patterns().values())
    return {"BestellStatus": "Keyword", **found}
