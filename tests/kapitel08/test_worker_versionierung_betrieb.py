"""Worker-Versionierung im Betrieb: leeren, umlenken, zurückrollen, aufräumen – mit den wirklichen Befehlen."""

import asyncio
import os
import re
import shlex
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client
from temporalio.common import PinnedVersioningOverride, WorkerDeploymentVersion
from temporalio.service import RPCError
from versionierung_hilfen import OwnFleet, build_of, cli, fleet, until_failed

from dauerlauf.server import EmbeddedServer
from dauerlauf.timelapse import Timelapse, result
from kapitel08.worker_versionierung import scenarios
from kapitel08.worker_versionierung.book import WarehouseBook
from kapitel08.worker_versionierung.rollout import Rollout
from kapitel08.worker_versionierung.scenarios import quiet, recorded, until
from kapitel08.worker_versionierung.version1 import OrderWorkflow, ReturnWorkflow
from kapitel08.worker_versionierung.worker import DEPLOYMENT

WORKER = scenarios.WORKER

# Ohne das prüft der Server erst nach 3 Minuten, ob eine Version leer ist, und dann alle 3 Minuten wieder.
FAST_DRAINAGE = {
    "matching.wv.VersionDrainageStatusVisibilityGracePeriod": '"1s"',
    "matching.wv.VersionDrainageStatusRefreshInterval": '"1s"',
}


@pytest.fixture(scope="module")
async def running(timelapse: Timelapse, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OwnFleet]:
    """Je Version ein Prozess für alle Tests, die keinen davon töten."""
    shared = fleet(timelapse, tmp_path_factory.mktemp("lager"))
    async with shared.both(), shared.worker("1.1"):
        yield shared


@pytest.fixture
async def one(running: OwnFleet) -> OwnFleet:
    """Diese Flotte; 1.0 ist aktuell, keine andere Version hat einen Anteil."""
    ramping = (await running.rollout.describe()).routing_config.ramping_deployment_version.build_id
    if ramping:
        await running.rollout.make_current(ramping)
    await running.rollout.make_current("1.0")
    return running


@pytest.mark.gruendlich
async def test_a_version_drains_until_its_last_pinned_order_has_ended(tmp_path: Path) -> None:
    async with await EmbeddedServer.start(dynamic_config=FAST_DRAINAGE) as server:
        one = fleet(Timelapse(await server.connect(), server), tmp_path)
        async with one.both() as old:
            order = await one.waiting_order("N-1")
            back = await one.waiting_return("R-1")
            await one.rollout.make_current("2.0")
            checked = (await one.rollout.version("1.0")).drainage_info.last_checked_time.ToNanoseconds()

            async def checked_twice() -> bool:
                info = (await one.rollout.version("1.0")).drainage_info
                return info.last_checked_time.ToNanoseconds() > checked

            # Der Server hat nachgezählt, und die gepinnte Bestellung läuft noch.
            await until(checked_twice)
            assert await one.rollout.status("1.0") == "DRAINING"
            assert "draining" in await one.deployment_cli("describe-version", "--build-id", "1.0")
            running = await one.cli("workflow", "list", "--query", _running_on(one.deployment, "1.0"))
            assert order.id in running
            await order.signal(OrderWorkflow.paid)
            await result(order, 30)
            # Die Retoure hält niemanden auf: Sie zieht mit ihrem nächsten Workflow-Task um.
            await one.rollout.until_status("1.0", "DRAINED")
            assert "drained" in await one.deployment_cli("describe-version", "--build-id", "1.0")
            old.kill()
            await back.signal(ReturnWorkflow.arrived)
            await result(back, 30)
            assert one.book.entries("R-1") == [("send_label", "1.0"), ("refund", "2.0")]


def _running_on(deployment: str, build_id: str) -> str:
    return f'TemporalWorkerDeploymentVersion = "{deployment}:{build_id}" AND ExecutionStatus = "Running"'


@pytest.mark.gruendlich
async def test_override_moves_one_order_and_no_other(one: OwnFleet) -> None:
    stuck, other = await asyncio.gather(one.waiting_order("N-11", "CH"), one.waiting_order("N-12"))
    for handle in (stuck, other):
        await handle.signal(OrderWorkflow.paid)
    assert await until_failed(stuck, "'CH'") == "'CH'"
    await result(other, 30)
    await one.cli(*_override(stuck.id, one.deployment, "1.1"))
    await result(stuck, 30)
    assert one.book.entries("N-11")[-1] == ("ship_parcel", "1.1")
    assert one.book.entries("N-12")[-1] == ("ship_parcel", "1.0")


def _override(workflow_id: str, deployment: str, build_id: str) -> tuple[str, ...]:
    return (
        "workflow", "update-options", "--workflow-id", workflow_id, "--versioning-override-behavior", "pinned",
        "--versioning-override-deployment-name", deployment, "--versioning-override-build-id", build_id,
    )  # fmt: skip


@pytest.mark.gruendlich
async def test_override_to_code_that_does_not_fit_can_be_taken_back(one: OwnFleet) -> None:
    order = await one.waiting_order("N-21")
    await one.cli(*_override(order.id, one.deployment, "2.0"))
    await order.signal(OrderWorkflow.paid)
    assert "check_address" in await until_failed(order, "TMPRL1100")
    await one.cli(
        "workflow", "update-options", "--workflow-id", order.id, "--versioning-override-behavior", "unspecified"
    )
    await result(order, 30)
    assert one.book.entries("N-21") == [("reserve_stock", "1.0"), ("ship_parcel", "1.0")]


@pytest.mark.gruendlich
async def test_nobody_can_be_sent_to_a_version_without_workers(one: OwnFleet) -> None:
    await one.rollout.make_current("1.0")
    order = await one.order("N-31")
    code, output = await cli(one.client, *_override(order.id, one.deployment, "9.9"))
    assert code == 1
    assert "is not present in task queue" in output
    await order.terminate()


@pytest.mark.gruendlich
async def test_an_order_waits_for_its_version_and_can_be_found(timelapse: Timelapse, tmp_path: Path) -> None:
    one = fleet(timelapse, tmp_path)
    async with one.both() as old:
        order = await one.waiting_order("N-1")
        await one.rollout.make_current("2.0")
        old.kill()
        await order.signal(OrderWorkflow.paid)
        await recorded(order, EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT)
        # Andere Bestellungen laufen derweil auf 2.0 durch; diese nicht.
        for number in ("N-2", "N-3"):
            await result(await one.paid_order(number), 30)
        assert (await order.describe()).raw_description.pending_workflow_task.attempt == 1
        assert order.id in await one.cli("workflow", "list", "--query", _running_on(one.deployment, "1.0"))
        async with one.worker("1.0"):
            await result(order, 30)
        assert await build_of(order) == "1.0"


@pytest.mark.gruendlich
async def test_rollback_tears_returns_that_took_the_patch(one: OwnFleet) -> None:
    await one.rollout.make_current("2.0")
    back = await one.waiting_return("R-41")
    await one.rollout.make_current("1.0")
    await back.signal(ReturnWorkflow.arrived)
    await until_failed(back, "TMPRL1100")
    # Wieder nach vorn: Der nächste Versuch geht an die Version, die den Patch kennt.
    await one.rollout.make_current("2.0")
    await result(back, 30)
    assert one.book.entries("R-41") == [("announce_return", "2.0"), ("send_label", "2.0"), ("refund", "2.0")]


@pytest.mark.gruendlich
async def test_only_one_version_ramps_at_a_time(one: OwnFleet) -> None:
    await one.rollout.ramp("1.1", 10)
    await one.rollout.ramp("2.0", 20)
    routing = (await one.rollout.describe()).routing_config
    assert (routing.ramping_deployment_version.build_id, routing.ramping_version_percentage) == ("2.0", 20)
    assert [await one.rollout.status(build) for build in ("1.0", "1.1", "2.0")] == [
        "CURRENT",
        "DRAINING",
        "RAMPING",
    ]
    with pytest.raises(RPCError, match="between 0 and 100"):
        await one.rollout.ramp("2.0", 101)


@pytest.mark.gruendlich
async def test_a_ramp_moves_running_returns_too(one: OwnFleet) -> None:
    back, order = await asyncio.gather(one.waiting_return("R-61"), one.waiting_order("N-61"))
    await one.rollout.ramp("2.0", 100)
    assert await one.rollout.status("1.0") == "CURRENT"
    await back.signal(ReturnWorkflow.arrived)
    await order.signal(OrderWorkflow.paid)
    await asyncio.gather(result(back, 30), result(order, 30))
    assert (await build_of(back), await build_of(order)) == ("2.0", "1.0")


async def test_a_version_that_workers_still_poll_cannot_be_deleted(timelapse: Timelapse, tmp_path: Path) -> None:
    one = fleet(timelapse, tmp_path)
    async with one.worker("1.0"):
        code, output = await cli(
            one.client, "worker", "deployment", "delete-version", "--deployment-name", one.deployment,
            "--build-id", "1.0",
        )  # fmt: skip
        assert code == 1
        assert "active pollers" in output


@pytest.mark.gruendlich
async def test_a_pinned_start_tries_a_version_before_anybody_else_gets_it(one: OwnFleet) -> None:
    await one.rollout.settled()
    version = WorkerDeploymentVersion(one.deployment, "2.0")
    tried = await one.order("N-81", start_signal="paid", versioning_override=PinnedVersioningOverride(version))
    other = await one.paid_order("N-82")
    await asyncio.gather(result(tried, 30), result(other, 30))
    assert [build for _, build in one.book.entries("N-81")] == ["2.0"] * 3
    assert [build for _, build in one.book.entries("N-82")] == ["1.0"] * 2
    assert await one.rollout.status("2.0") != "CURRENT"


# --- Die Befehle der Seite -------------------------------------------------------------------------------------------

PAGE = Path(__file__).parents[2] / "book/teil3/kapitel08/worker-versionierung.md"


def _commands() -> tuple[list[list[str]], list[list[str]]]:
    """Die Befehle des Abschnitts: wie man Worker startet, und was man danach eingibt."""
    section = PAGE.read_text("utf-8").partition("{ #ausrollen }")[2].partition("\n### ")[0]
    blocks = re.findall(r"```console\n(.*?)```", section, re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", "").splitlines()]
    commands = [shlex.split(line.removeprefix("uv run ")) for line in lines]
    workers = [command for command in commands if command[0] == "python"]
    return workers, [command for command in commands if command[0] == "temporal"]


@asynccontextmanager
async def _process(command: list[str], folder: Path, address: str) -> AsyncIterator[None]:
    environment = {**os.environ, "TEMPORAL_ADDRESS": address}
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command[1:], cwd=folder, env=environment, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), 30) == 0


@pytest.mark.gruendlich
@pytest.mark.prozess
async def test_the_commands_of_the_page_work_in_this_order(tmp_path: Path) -> None:
    # Ein eigener Server: Die Seite nennt feste Namen, und ein Deployment gilt im ganzen Namespace.
    async with await EmbeddedServer.start() as server:
        client = await server.connect()
        rollout = Rollout(client, DEPLOYMENT)
        workers, commands = _commands()
        assert [command[-1] for command in workers] == ["1.0", "2.0"]
        async with _process(workers[0], tmp_path, server.address), _process(workers[1], tmp_path, server.address):
            await rollout.registered("1.0")
            await rollout.registered("2.0")
            outputs = [await _typed(client, rollout, command) for command in commands]
        text = "\n".join(outputs)
        assert "bestellung-N-1" in text
        assert "Nordkurier" in text
        assert re.search(r"CurrentVersionBuildID\s+2\.0", text)
        assert WarehouseBook(tmp_path).entries("N-1") == [("reserve_stock", "1.0"), ("ship_parcel", "1.0")]
        assert (await rollout.describe()).routing_config.current_deployment_version.build_id == "1.0"


async def _typed(client: Client, rollout: Rollout, command: list[str]) -> str:
    """Gibt einen Befehl ein und wartet wie ein Mensch, bis er wirkt."""
    code, output = await cli(client, *command[1:])
    assert code == 0, output
    if "deployment" in command:
        await rollout.settled()
    if "start" in command:
        await quiet(client.get_workflow_handle("bestellung-N-1"))
    return output
