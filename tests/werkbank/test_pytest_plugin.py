"""Das pytest-Plugin: in unseren Tests, in einem fremden Projekt und dann, wenn etwas falsch eingestellt ist."""

import asyncio
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.worker import Worker

from dauerlauf import history
from dauerlauf.errors import DauerlaufError
from dauerlauf.faults import ActivityAction, ActivityFault, FaultPlan
from dauerlauf.pytest_plugin import NO_ASYNC, WorkerFactory
from dauerlauf.testing import FaultPlans
from dauerlauf.timelapse import Timelapse
from werkbank import stoer_worker
from werkbank.stoer_activities import book, book_in_thread, book_with_pulse, effects
from werkbank.stoer_workflow import Alone, Bookings, Mixed, Waiting

pytestmark = pytest.mark.gruendlich

ROOT = Path(__file__).parents[2]
FOREIGN = Path(__file__).parent / "fremdes_projekt"


# Die Fixtures in unseren eigenen Tests


async def test_worker_fuehrt_auch_synchrone_activities_aus(worker: WorkerFactory, tmp_path: Path) -> None:
    async with worker(workflows=[Mixed], activities=[book, book_in_thread, book_with_pulse]) as w:
        assert await w.execute(Mixed.run, str(tmp_path / "l.db")) == ["book", "book_in_thread", "book_with_pulse"]
        assert w.fired == []


async def test_worker_beendet_was_liegen_bleibt(worker: WorkerFactory) -> None:
    async with worker(workflows=[Waiting]) as w:
        own = await w.start(Waiting.run)
        foreign = await w.client.start_workflow(Waiting.run, id=f"{own.id}-fremd", task_queue=w.task_queue)
        visible = f'TaskQueue = "{w.task_queue}"'
        while (await w.client.count_workflows(visible)).count < 2:
            await asyncio.sleep(0.01)
    for handle in (own, foreign):
        assert (await handle.describe()).status == WorkflowExecutionStatus.TERMINATED


async def test_worker_aus_eigener_funktion(worker: WorkerFactory, tmp_path: Path) -> None:
    def create(client: Client, task_queue: str) -> Worker:
        return stoer_worker.create_worker(client, task_queue)

    plan = FaultPlan((ActivityFault("book", ActivityAction.FAIL_AFTER),), starts=2)
    async with worker(create=create, plan=plan) as w:
        assert await w.execute(Bookings.run, str(tmp_path / "l.db")) == 3
        assert w.fired == [plan.activities[0].describe()]
    assert effects(tmp_path / "l.db") == [1, 2, 1, 1]


async def test_zwei_worker_einer_task_queue_enden_ohne_fehler(timelapse: Timelapse) -> None:
    queue = timelapse.task_queue()
    async with (
        Worker(timelapse.client_for("worker-1"), task_queue=queue, workflows=[Alone]),
        Worker(timelapse.client_for("worker-2"), task_queue=queue, activities=[book]),
    ):
        pass


async def test_worker_mit_zu_wenig_oder_zu_viel(worker: WorkerFactory) -> None:
    for options in ({}, {"workflows": [Alone], "create": stoer_worker.create_worker}):
        with pytest.raises(DauerlaufError, match="entweder"):
            async with worker(**options):
                pass


async def test_zwei_worker_nehmen_sich_nichts_weg(worker: WorkerFactory, tmp_path: Path) -> None:
    async with (
        worker(workflows=[Alone], activities=[book]) as first,
        worker(workflows=[Alone], activities=[book]) as second,
    ):
        assert first.task_queue != second.task_queue
        await asyncio.gather(*(w.execute(Alone.run, str(tmp_path / "l.db")) for w in (first, second)))


async def test_replay(worker: WorkerFactory, replay: Any, tmp_path: Path) -> None:
    async with worker(workflows=[Alone], activities=[book]) as w:
        handle = await w.start(Alone.run, str(tmp_path / "l.db"))
        await w.result(handle)
        recorded = await handle.fetch_history()
    folder = tmp_path / "histories"
    folder.mkdir()
    with pytest.raises(DauerlaufError, match="keine History"):
        await replay(folder, workflows=[Alone])
    (folder / "lauf.json").write_text(history.dump(recorded), "utf-8")
    assert await replay(folder, workflows=[Alone]) == 1
    assert await replay(folder / "lauf.json", workflows=[Alone]) == 1
    for event in recorded.events:
        if event.HasField("activity_task_scheduled_event_attributes"):
            event.activity_task_scheduled_event_attributes.activity_type.name = "umbenannt"
    (folder / "alt.json").write_text(history.dump(recorded), "utf-8")
    with pytest.raises(AssertionError, match=r"passt nicht mehr.*\n.*alt\.json: .*Nondeterminism") as failure:
        await replay(folder, workflows=[Alone])
    assert "lauf.json" not in str(failure.value)


@pytest.mark.fault_plans(["book"], number=7)
async def test_fault_plans_nennt_die_gescheiterten(fault_plans: FaultPlans) -> None:
    async def only_even(plan: FaultPlan) -> None:
        assert plan.seed is not None
        assert plan.seed % 2 == 0, f"{plan.seed} ist ungerade"

    if len(fault_plans) == 7:
        with pytest.raises(AssertionError) as failure:
            await fault_plans.check(only_even)
        text = str(failure.value)
        assert text.startswith("4 von 7 Störplänen bestehen nicht.\nStörplan 1:")
        assert "AssertionError: 3 ist ungerade" in text
        assert re.search(r"Wiederholen: pytest \S+::test_fault_plans_nennt_die_gescheiterten --stoerplan 1$", text)
    assert list(fault_plans) == [FaultPlan.random(plan.seed or 0, ["book"]) for plan in fault_plans]


async def test_ein_server_fuer_alle(timelapse: Timelapse, request: pytest.FixtureRequest) -> None:
    assert request.getfixturevalue("timelapse") is timelapse
    assert timelapse.server is not None
    assert timelapse.server.running


# In fremden Projekten


def clean_environment(**extra: str) -> dict[str, str]:
    """Die Umgebung ohne das, was unser eigener Testlauf seinen Kindern mitgäbe."""
    inherited = ("CI", "PYTEST_", "COV_", "VIRTUAL_ENV", "PYTHONPATH")
    return {**{key: value for key, value in os.environ.items() if not key.startswith(inherited)}, **extra}


def run_pytest(folder: Path, *arguments: str, python: str | Path = sys.executable) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(python), "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """Eine Kopie des fremden Projekts, die ein Test verändern darf."""
    return shutil.copytree(FOREIGN, tmp_path / "projekt", ignore=shutil.ignore_patterns("__pycache__"))


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new), "utf-8")


def uv(*arguments: str | Path) -> None:
    program = shutil.which("uv")
    command = [program] if program else [sys.executable, "-m", "uv"]
    done = subprocess.run(
        [*command, *map(str, arguments)],
        cwd=ROOT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def has_uv() -> bool:
    probe = [sys.executable, "-c", "import uv"]
    return shutil.which("uv") is not None or subprocess.run(probe, capture_output=True, check=False).returncode == 0


@pytest.mark.prozess
@pytest.mark.timeout(400)
@pytest.mark.skipif(not has_uv(), reason="baut das Wheel mit uv, und uv ist nicht installiert")
def test_fremdes_projekt_mit_dem_wheel(foreign: Path, tmp_path: Path) -> None:
    """Wheel bauen, in eine frische Umgebung installieren, Tests des fremden Projekts ausführen, Code beschädigen."""
    dist, environment, pins = tmp_path / "dist", tmp_path / "umgebung", tmp_path / "pins.txt"
    uv("build", "--wheel", "--out-dir", dist, ".")
    uv("export", "--frozen", "--no-hashes", "--no-emit-workspace", "--all-groups", "--output-file", pins)
    uv("venv", "--python", sys.executable, environment)
    python = environment / ("Scripts" if os.name == "nt" else "bin") / "python"
    (wheel,) = dist.glob("*.whl")
    uv("pip", "install", "--python", python, "--constraint", pins, wheel, "pytest", "pytest-asyncio")

    good = run_pytest(foreign, "-q", python=python)
    assert good.returncode == 0, good.stdout
    assert "14 passed" in good.stdout

    replace(foreign / "mahnung" / "activities.py", "key TEXT UNIQUE", "key TEXT")
    bad = run_pytest(foreign, "-q", "--stoerplaene", "3", python=python)
    assert bad.returncode == 1
    assert "Wiederholen: pytest tests/test_mahnung.py::test_gebuehr_und_brief_genau_einmal --stoerplan" in bad.stdout
    again = re.search(r"(tests/\S+::test_vierzig_stoerplaene_gleichzeitig) (--stoerplan) (\d+)", bad.stdout)
    assert again is not None
    repeated = run_pytest(foreign, "-q", *again.groups(), python=python)
    assert repeated.returncode == 1
    assert f"Störplan {again[3]}:" in repeated.stdout


@pytest.mark.prozess
def test_parallel_und_in_zufaelliger_reihenfolge(foreign: Path) -> None:
    done = run_pytest(foreign, "-q", "-n", "2", "-p", "randomly", "--stoerplaene", "2")
    assert done.returncode == 0, done.stdout
    assert "6 passed" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "seeds"),
    [([], range(1, 11)), (["--stoerplaene", "3"], range(1, 4)), (["--stoerplan", "77"], [77])],
)
def test_optionen_waehlen_die_plaene(arguments: list[str], seeds: range | list[int]) -> None:
    """Zehn Pläne sagt die Einstellung des Projekts, die Option geht vor."""
    done = run_pytest(FOREIGN, "--collect-only", "-q", "-p", "no:randomly", *arguments)
    assert re.findall(r"genau_einmal\[stoerplan-(\d+)\]", done.stdout) == [str(seed) for seed in seeds]


def test_fixtures_sind_beschrieben() -> None:
    text = run_pytest(FOREIGN, "--fixtures", "-q").stdout
    for name in ("search_attributes", "timelapse", "worker", "result", "replay", "fault_plan", "fault_plans"):
        assert re.search(rf"^{name}\b.*dauerlauf/pytest_plugin\.py:\d+\n    \S", text, re.MULTILINE), name


def test_das_plugin_laedt_nichts_von_temporal() -> None:
    code = "import sys, dauerlauf.pytest_plugin; print([m for m in sys.modules if m.startswith('temporalio')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("setup", [["-p", "no:asyncio"], ["-o", "asyncio_mode=strict"]])
def test_ohne_async_plugin_sagt_ein_satz_was_fehlt(setup: list[str]) -> None:
    done = run_pytest(FOREIGN, "-q", *setup, "-W", "ignore", "-k", "dritten_tag or passen_noch")
    assert done.returncode == 1
    assert done.stdout.count(NO_ASYNC.partition("[")[0]) == 2


def write_project(folder: Path, settings: str, tests: str) -> Path:
    (folder / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\n" + settings, "utf-8")
    (folder / "test_es.py").write_text(textwrap.dedent(tests), "utf-8")
    return folder


def test_ohne_marker_sagt_ein_satz_was_fehlt(tmp_path: Path) -> None:
    project = write_project(
        tmp_path, "stoerplaene = 2\n", "def test_es(fault_plan): pass\ndef test_sie(fault_plans): pass"
    )
    done = run_pytest(project, "-q")
    assert done.stdout.count("Störpläne brauchen die Namen der Activities: @pytest.mark.fault_plans(") >= 3


TRAP = """
    import pytest_asyncio
    from temporalio.worker import Worker
    from mahnung.workflow import Dunning, Invoice

    @pytest_asyncio.fixture(scope="session", loop_scope="session")
    async def queue(timelapse):
        async with Worker(timelapse.client, task_queue="falle", workflows=[Dunning]):
            yield "falle"

    async def test_es(queue, timelapse, result):
        invoice = Invoice("R-1", "")
        handle = await timelapse.client.start_workflow(Dunning.run, invoice, id="falle", task_queue=queue)
        await handle.signal(Dunning.paid)
        assert await result(handle) in ("bezahlt", "gemahnt")
"""


@pytest.mark.parametrize("scope", ["function", "session"])
def test_worker_in_der_falschen_loop_wird_erklaert(tmp_path: Path, scope: str) -> None:
    """Ohne diese Prüfung hinge der Test für immer: Der Worker liegt in einer Loop, die niemand dreht."""
    settings = f"asyncio_default_test_loop_scope = {scope}\npythonpath = {FOREIGN}\n"
    done = run_pytest(write_project(tmp_path, settings, TRAP), "-q", "-W", "ignore")
    if scope == "session":
        assert done.returncode == 0, done.stdout
    else:
        assert "läuft in einer anderen Event-Loop als der Test" in done.stdout


def test_wer_keine_fixture_benutzt_merkt_nichts(tmp_path: Path) -> None:
    project = write_project(tmp_path, "", "import sys\ndef test_es(): assert 'temporalio' not in sys.modules")
    done = run_pytest(project, "-q", "-W", "error", "-o", "asyncio_default_fixture_loop_scope=function")
    assert done.returncode == 0, done.stdout
