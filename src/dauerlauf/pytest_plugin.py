"""Fixtures für Tests von Temporal-Workflows: echter Server, übersprungene Zeit, Störungen, Replay.

Das Plugin lädt beim Start von pytest nichts von Temporal und ändert an Projekten, die keine seiner Fixtures
benutzen, nichts außer zwei Optionen und einem Marker.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from dauerlauf.faults import FaultPlan
    from dauerlauf.testing import FaultPlans, RunningWorker
    from dauerlauf.timelapse import Timelapse

MARKER = "fault_plans"
DEFAULT_PLANS = 20

NO_ASYNC = (
    "Dieser Test ist eine async-Funktion, aber kein Plugin führt ihn aus. Installieren Sie pytest-asyncio und setzen "
    'Sie in der pyproject.toml unter [tool.pytest.ini_options] asyncio_mode = "auto" '
    "(oder markieren Sie den Test mit @pytest.mark.asyncio)."
)


class WorkerFactory(Protocol):
    """So ruft ein Test die Fixture `worker` auf."""

    def __call__(self, **options: Any) -> AbstractAsyncContextManager[RunningWorker]:
        """Siehe die Fixture `worker`."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Meldet die Optionen `--stoerplaene` und `--stoerplan` und die Einstellung `stoerplaene` an."""
    group = parser.getgroup("dauerlauf", "Störpläne für Temporal-Workflows (dauerlauf)")
    group.addoption(
        "--stoerplaene",
        type=int,
        metavar="N",
        help="so viele zufällige Störpläne je Test (sonst Einstellung, sonst 20)",
    )
    group.addoption("--stoerplan", type=int, metavar="SEED", help="nur den Störplan mit diesem Seed ausführen")
    parser.addini("stoerplaene", f"Zahl der zufälligen Störpläne je Test (Standard: {DEFAULT_PLANS})")


def pytest_configure(config: pytest.Config) -> None:
    """Meldet den Marker `fault_plans` an."""
    config.addinivalue_line(
        "markers",
        f"{MARKER}(activities, **options): Activity-Typen, die die Fixtures fault_plan und fault_plans stören; "
        "options wie bei dauerlauf.faults.FaultPlan.random",
    )


def _seeds(config: pytest.Config, marker: pytest.Mark | None) -> list[int]:
    seed: int | None = config.getoption("--stoerplan")
    if seed is not None:
        return [seed]
    number: int | None = config.getoption("--stoerplaene")
    if number is None and marker is not None:
        number = marker.kwargs.get("number")
    if number is None:
        number = int(config.getini("stoerplaene") or DEFAULT_PLANS)
    return list(range(1, number + 1))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Macht aus einem Test mit `fault_plan` einen je Seed."""
    if "fault_plan" in metafunc.fixturenames:
        seeds = _seeds(metafunc.config, metafunc.definition.get_closest_marker(MARKER))
        metafunc.parametrize("fault_plan", seeds, indirect=True, ids=[f"stoerplan-{seed}" for seed in seeds])


def _plan(request: pytest.FixtureRequest, seed: int) -> FaultPlan:
    from dauerlauf.faults import FaultPlan

    marker = request.node.get_closest_marker(MARKER)
    if marker is None or not marker.args:
        pytest.fail(
            'Störpläne brauchen die Namen der Activities: @pytest.mark.fault_plans(["buchen", ...]) über dem Test.',
            pytrace=False,
        )
    options = {key: value for key, value in marker.kwargs.items() if key != "number"}
    return FaultPlan.random(seed, *marker.args, **options)


def _rerun(request: pytest.FixtureRequest) -> str:
    return f"pytest {request.node.nodeid.partition('[')[0]}"


def _require_async_plugin(request: pytest.FixtureRequest) -> None:
    function = getattr(request, "function", None)
    known = any(request.node.get_closest_marker(name) for name in ("asyncio", "anyio"))
    if inspect.iscoroutinefunction(function) and not known:
        pytest.fail(NO_ASYNC, pytrace=False)


@pytest.fixture(scope="session")
def search_attributes() -> Mapping[str, str]:
    """Suchattribute, die der Server von `timelapse` kennt, mit ihrem Typ.

    Überschreiben Sie die Fixture in Ihrer conftest.py, etwa mit `{"Bestellstatus": "Keyword"}`.
    """
    return {}


@pytest.fixture(scope="session")
def timelapse(search_attributes: Mapping[str, str]) -> Iterator[Timelapse]:
    """Der Zeitraffer: ein echter Temporal Server, der Wartezeiten überspringt.

    Ein Server je Testprozess, gestartet mit dem ersten Test, der ihn braucht; auch mit pytest-xdist und in zufälliger
    Reihenfolge. `timelapse.client` startet Workflows, `timelapse.now(handle)` liest ihre Uhr,
    `timelapse.fast_forward(handle, dauer)` stellt sie vor, `timelapse.unskipped()` hält sie an.
    """
    from dauerlauf.testing import ServerThread

    thread = ServerThread(search_attributes)
    try:
        yield thread.start()
    finally:
        thread.stop()


@pytest.fixture
def worker(request: pytest.FixtureRequest) -> WorkerFactory:
    """Betreibt einen Worker: `async with worker(workflows=[...], activities=[...]) as w:`.

    Der Worker bekommt eine neue Task Queue und, für synchrone Activities, Threads. `await w.execute(Workflow.run, arg)`
    startet einen Workflow und gibt sein Ergebnis zurück, `await w.start(...)` nur den Handle. `plan=` fügt einen
    Störplan zu (oder einen je Workflow-ID), `w.fired` nennt, was davon eingetreten ist. `create=` nimmt statt der
    Listen eine Funktion `(client, task_queue) -> Worker`, also Ihren eigenen Worker. Am Ende wird beendet, was auf der
    Task Queue noch läuft.
    """
    _require_async_plugin(request)
    timelapse: Timelapse = request.getfixturevalue("timelapse")
    from dauerlauf.testing import open_worker

    def factory(**options: Any) -> AbstractAsyncContextManager[RunningWorker]:
        return open_worker(timelapse, **options)

    return factory


@pytest.fixture
def result(request: pytest.FixtureRequest) -> Callable[..., Awaitable[Any]]:
    """Wie `handle.result()`, aber ohne endloses Warten: `await result(handle, timeout=10)`.

    Ein hängender Workflow scheitert nach `timeout` Sekunden mit dem Grund: ein Fehler im Workflow-Code, eine immer
    wieder scheiternde Activity, ein fehlender Worker oder einer in einer stillstehenden Event-Loop.
    """
    _require_async_plugin(request)
    from dauerlauf.testing import result

    return result


@pytest.fixture
def replay(request: pytest.FixtureRequest) -> Callable[..., Awaitable[int]]:
    """Spielt aufgezeichnete Histories ab: `await replay("histories", workflows=[Bestellung])`.

    Nimmt eine JSON-Datei (wie aus `temporal workflow show -o json`) oder einen Ordner davon. Scheitert, wenn der
    Workflow-Code nicht mehr zu einem der Läufe passt; gibt zurück, wie viele es waren. Braucht keinen Server.
    """
    _require_async_plugin(request)
    from dauerlauf.testing import replay

    return replay


@pytest.fixture
def fault_plan(request: pytest.FixtureRequest) -> FaultPlan:
    """Ein zufälliger Störplan; der Test läuft einmal je Seed (`--stoerplaene N`).

    Welche Activities gestört werden, sagt `@pytest.mark.fault_plans(["buchen", "versenden"])`. Scheitert der Test,
    steht der Plan im Bericht, zusammen mit dem Befehl, der genau ihn wiederholt (`--stoerplan SEED`).
    """
    plan = _plan(request, request.param)
    request.node.add_report_section(
        "setup", "Störplan", f"{plan.describe()}\nWiederholen: {_rerun(request)} --stoerplan {plan.seed}"
    )
    return plan


@pytest.fixture
def fault_plans(request: pytest.FixtureRequest) -> FaultPlans:
    """Alle zufälligen Störpläne auf einmal, für viele Läufe gleichzeitig in einem Test.

    `await fault_plans.check(lauf)` ruft `lauf(plan)` für jeden Plan auf, mehrere zugleich, und meldet die
    gescheiterten mit Seed. Marker und Optionen wie bei `fault_plan`; `number=200` im Marker ändert die Zahl.
    """
    from dauerlauf.testing import FaultPlans

    seeds = _seeds(request.config, request.node.get_closest_marker(MARKER))
    return FaultPlans([_plan(request, seed) for seed in seeds], _rerun(request))
