"""Das Muster `worker_versionierung`: wer bekommt was – und was geschieht, wenn die Verteilung sich ändert."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from pathlib import Path
from types import ModuleType

import pytest
from temporalio import workflow
from temporalio.api.enums.v1 import EventType
from temporalio.common import VersioningBehavior
from versionierung_hilfen import build_of, cli, fleet

from dauerlauf.history import load
from dauerlauf.scenario import Run
from dauerlauf.testing import open_worker
from dauerlauf.timelapse import Timelapse, result
from hilfen import kinds, play_selected
from kapitel08.worker_versionierung import scenarios, version1, version1_1, version2, worker
from kapitel08.worker_versionierung.activities import WarehouseActivities
from kapitel08.worker_versionierung.book import WarehouseBook
from kapitel08.worker_versionierung.measure import moved
from kapitel08.worker_versionierung.models import Inventory, Order
from kapitel08.worker_versionierung.rollout import Rollout
from kapitel08.worker_versionierung.scenarios import PATTERN
from kapitel08.worker_versionierung.version1 import InventoryWorkflow, OrderWorkflow
from kapitel08.worker_versionierung.wrong import SilentOrderWorkflow

WORKER = scenarios.WORKER

# Szenario: was das Lagerbuch sagt und wie es danach um Version 1.0 steht.
EXPECTED: dict[str, tuple[list[str], str]] = {
    "glatt": (["reserve_stock: Version 1.0", "ship_parcel: Version 1.0"], "CURRENT"),
    "gepinnt": (["reserve_stock: Version 1.0", "ship_parcel: Version 1.0"], "DRAINING"),
    "neue-version": (
        ["check_address: Version 2.0", "reserve_stock: Version 2.0", "ship_parcel: Version 2.0"],
        "DRAINING",
    ),
    "auto-upgrade": (["send_label: Version 1.0", "refund: Version 2.0"], "DRAINING"),
    "inventur-bleibt": (["count_shelf: Version 1.0"] * 3, "DRAINING"),
    "inventur-zieht-um": (
        ["count_shelf: Version 1.0"] * 2 + ["count_shelf: Version 2.0", "report_shelf: Version 2.0"],
        "DRAINING",
    ),
    "umgelenkt": (["reserve_stock: Version 1.0", "ship_parcel: Version 1.1"], "CURRENT"),
    "alter-worker-fehlt": (
        ["Wartender Workflow-Task: True", "reserve_stock: Version 1.0", "ship_parcel: Version 1.0"],
        "DRAINING",
    ),
}


def test_every_scenario_has_an_expectation() -> None:
    assert set(EXPECTED) == set(PATTERN.scenarios)


@pytest.fixture(scope="module")
async def played(request: pytest.FixtureRequest, timelapse: Timelapse) -> Mapping[str, Run]:
    """Die Szenarien, die dieser Testlauf prüft, gleichzeitig gespielt."""
    return await play_selected(request, timelapse, PATTERN, own_ids="")


# Was diese beiden zeigen, dauert: Ein Workflow-Task muss erst ablaufen.
SLOW = ("umgelenkt", "alter-worker-fehlt")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.gruendlich] if name in SLOW else []) for name in EXPECTED]
)
def test_scenario(name: str, played: Mapping[str, Run]) -> None:
    entries, state = EXPECTED[name]
    run = played[name]
    assert run.status == "COMPLETED"
    assert list(run.notes) == [*entries, f"Version 1.0 ist {state}"]


@pytest.mark.parametrize("name", PATTERN.scenarios)
async def test_recorded_history_replays(name: str, replay: Callable[..., Awaitable[int]]) -> None:
    assert await replay(PATTERN.history_file(name), workflows=PATTERN.find(name).workflows) == 1


# --- Was zusammenpasst -----------------------------------------------------------------------------------------------


async def test_orders_of_one_version_do_not_replay_on_the_other(replay: Callable[..., Awaitable[int]]) -> None:
    with pytest.raises(AssertionError, match="TMPRL1100"):
        await replay(PATTERN.history_file("gepinnt"), workflows=version2.WORKFLOWS)
    with pytest.raises(AssertionError, match="TMPRL1100"):
        await replay(PATTERN.history_file("neue-version"), workflows=version1.WORKFLOWS)


def _builds(name: str) -> list[str]:
    """Die Versionen, die die Workflow-Tasks einer Aufzeichnung erledigt haben."""
    return [
        event.workflow_task_completed_event_attributes.deployment_version.build_id
        for event in load(PATTERN.history_file(name)).events
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    ]


def test_the_history_names_the_version_of_every_workflow_task() -> None:
    assert set(_builds("gepinnt")) == {"1.0"}
    assert list(dict.fromkeys(_builds("auto-upgrade"))) == ["1.0", "2.0"]
    assert list(dict.fromkeys(_builds("umgelenkt"))) == ["1.0", "1.1"]


def test_a_pinned_order_has_the_same_events_before_and_after_a_change_of_version() -> None:
    """Was das Warten auf die Zahlung kostet, kostet nicht der Wechsel: Beide Male dieselben Schritte."""

    def commands(name: str) -> list[str]:
        ignored = ("WORKFLOW_TASK", "SIGNALED", "TIME_SKIPPING", "OPTIONS_UPDATED")
        return [kind for kind in kinds(load(PATTERN.history_file(name))) if not any(part in kind for part in ignored)]

    assert commands("gepinnt") == commands("glatt")


async def test_versioning_costs_no_event(timelapse: Timelapse, tmp_path: Path) -> None:
    async with open_worker(
        timelapse, workflows=[SilentOrderWorkflow], activities=WarehouseActivities(tmp_path, "ohne").all()
    ) as unversioned:
        handle = await unversioned.start(OrderWorkflow.run, Order("N-1"), start_signal="paid")
        await unversioned.result(handle)
        kinds = [event.event_type async for event in handle.fetch_history_events()]
    assert kinds == [event.event_type for event in load(PATTERN.history_file("glatt")).events]


# --- Wer bekommt was -------------------------------------------------------------------------------------------------


async def test_a_new_version_gets_nothing_until_it_is_current(timelapse: Timelapse, tmp_path: Path) -> None:
    one = fleet(timelapse, tmp_path)
    async with one.worker("2.0"):
        # Die einzige Version weit und breit, und trotzdem: nichts.
        early = await one.paid_order("N-1")
        assert await one.rollout.status("2.0") == "INACTIVE"
        async with one.worker("1.0"):
            assert len([event async for event in early.fetch_history_events()]) == 3
            await one.deployment_cli("set-current-version", "--build-id", "2.0", "--yes")
            await result(early, 30)
            assert await build_of(early) == "2.0"
            assert await one.rollout.status("1.0") == "INACTIVE"


RAMPED = [f"anteil-{number:03}" for number in range(60)]
"""Feste IDs: Der Server entscheidet nach der Workflow-ID, nicht nach Zufall."""


@pytest.mark.gruendlich
async def test_ramping_by_percent_follows_the_workflow_id(timelapse: Timelapse, tmp_path: Path) -> None:
    one = fleet(timelapse, tmp_path)

    async def ramped(*flags: str) -> set[str]:
        await one.deployment_cli("set-ramping-version", "--build-id", "2.0", *flags, "--yes")
        await one.rollout.settled()
        return await moved(one.client, one.deployment, RAMPED)

    async with one.both():
        some = await ramped("--percentage", "30")
        assert 9 <= len(some) <= 27, len(some)
        # Dieselben IDs noch einmal: dieselben Versionen.
        assert await moved(one.client, one.deployment, RAMPED[:20]) == some & set(RAMPED[:20])
        more = await ramped("--percentage", "60")
        assert some < more
        assert 27 <= len(more) <= 45, len(more)
        # Der Anteil lässt sich löschen, und alles beginnt wieder auf der alten Version.
        assert await ramped("--delete") == set()


@pytest.mark.gruendlich
async def test_rollback_leaves_pinned_orders_where_they_began(timelapse: Timelapse, tmp_path: Path) -> None:
    one = fleet(timelapse, tmp_path)
    async with one.both():
        await one.rollout.make_current("2.0")
        begun = await one.waiting_order("N-1")
        await one.deployment_cli("set-current-version", "--build-id", "1.0", "--yes")
        await one.rollout.settled()
        later = await one.paid_order("N-2")
        await begun.signal(OrderWorkflow.paid)
        await asyncio.gather(result(begun, 30), result(later, 30))
        assert (await build_of(begun), await build_of(later)) == ("2.0", "1.0")
        assert [build for _, build in one.book.entries("N-1")] == ["2.0"] * 3


async def test_a_long_run_moves_before_its_history_is_full(timelapse: Timelapse, tmp_path: Path) -> None:
    one = fleet(timelapse, tmp_path)
    async with one.both():
        # Zehn Regale sind schon gezählt; auch das muss der Umzug mitnehmen.
        inventory = Inventory("I-1", total=13, per_run=1000, upgrade=True, counted=10)
        handle = await one.client.start_workflow(
            InventoryWorkflow.run, inventory, id=f"I-1-{one.deployment}", task_queue=one.deployment
        )
        await handle.signal(InventoryWorkflow.shelf_ready, "A1")
        await one.reached("I-1", "count_shelf")
        await scenarios.quiet(handle)
        await one.rollout.make_current("2.0")
        # Zwei Regale auf einmal: Das zweite zieht ungezählt mit um.
        await handle.signal(InventoryWorkflow.shelf_ready, "A2")
        await handle.signal(InventoryWorkflow.shelf_ready, "A3")
        assert await result(handle, 30) == 13
        moved_on = await one.client.get_workflow_handle(handle.id).fetch_history()
        [taken] = moved_on.events[0].workflow_execution_started_event_attributes.input.payloads
        assert json.loads(taken.data)["upgrade"] is True
        entries = one.book.entries("I-1")
    assert [step for step, _ in entries].count("count_shelf") == 3
    assert entries[0] == ("count_shelf", "1.0")
    assert entries[-1] == ("report_shelf", "2.0")


# --- Was jede Version über sich sagt ---------------------------------------------------------------------------------


@pytest.mark.parametrize("module", [version1, version1_1, version2])
def test_every_workflow_says_how_it_moves(module: ModuleType) -> None:
    definitions = [workflow._Definition.must_from_class(cls) for cls in module.WORKFLOWS]
    assert {definition.name: definition.versioning_behavior for definition in definitions} == {
        "OrderWorkflow": VersioningBehavior.PINNED,
        "ReturnWorkflow": VersioningBehavior.AUTO_UPGRADE,
        "InventoryWorkflow": VersioningBehavior.PINNED,
    }


def test_the_next_version_keeps_the_correction() -> None:
    assert version2.OrderWorkflow.carriers == version1_1.OrderWorkflow.carriers
    assert "CH" not in version1.OrderWorkflow.carriers


@pytest.mark.parametrize(("build_id", "module"), [("1.0", version1), ("1.1", version1_1), ("2.0", version2)])
async def test_the_worker_reports_its_version(
    build_id: str, module: ModuleType, timelapse: Timelapse, tmp_path: Path
) -> None:
    made = worker.create_worker(timelapse.client, tmp_path, build_id).config()
    config = made["deployment_config"]
    assert config is not None
    assert config.use_worker_versioning
    assert (config.version.deployment_name, config.version.build_id) == (worker.DEPLOYMENT, build_id)
    assert made["workflows"] == module.WORKFLOWS


def test_a_step_counts_once_and_for_the_version_that_came_first(tmp_path: Path) -> None:
    book = WarehouseBook(tmp_path)
    for build in ("1.0", "2.0"):
        book.write("N-1/reserve_stock/", "N-1", "reserve_stock", build)
    assert book.entries("N-1") == [("reserve_stock", "1.0")]


# --- Der Worker als Programm -----------------------------------------------------------------------------------------


def test_the_worker_needs_a_version(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("NORDLICHT_BUILD_ID", raising=False)
    monkeypatch.setattr(sys, "argv", ["worker"])
    with pytest.raises(SystemExit) as ended:
        worker.main()
    assert ended.value.code == 2
    assert "--build-id" in capsys.readouterr().err
    # argparse prüft einen Standardwert nicht gegen `choices`.
    monkeypatch.setenv("NORDLICHT_BUILD_ID", "9.9")
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:9")
    with pytest.raises(SystemExit) as ended:
        worker.main()
    assert ended.value.code == 2
    assert "9.9" in capsys.readouterr().err


def test_the_worker_says_that_no_server_answers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:9")
    monkeypatch.setenv("NORDLICHT_BUILD_ID", "1.1")
    monkeypatch.setattr(sys, "argv", ["worker", "--ordner", str(tmp_path)])
    assert worker.main() == 2
    assert "127.0.0.1:9 antwortet nicht" in capsys.readouterr().err


# --- Die Kommandozeile schützt vor Versehen --------------------------------------------------------------------------


async def test_an_unknown_version_cannot_become_current(timelapse: Timelapse, tmp_path: Path) -> None:
    one = fleet(timelapse, tmp_path)
    async with one.worker("1.0"):
        code, output = await cli(
            one.client, "worker", "deployment", "set-current-version", "--deployment-name", one.deployment,
            "--build-id", "9.9", "--yes",
        )  # fmt: skip
        assert code == 1
        assert "9.9" in output
        hasty = Rollout(one.client, one.deployment, patience=timedelta(seconds=0.1))
        with pytest.raises(TimeoutError):
            await hasty.make_current("9.9")


async def test_the_old_rules_are_switched_off(timelapse: Timelapse) -> None:
    code, output = await cli(
        timelapse.client, "task-queue", "versioning", "insert-assignment-rule", "--task-queue", "lager",
        "--build-id", "2.0", "--percentage", "30", "--yes",
    )  # fmt: skip
    assert code == 1
    assert "Worker versioning v0.2" in output
