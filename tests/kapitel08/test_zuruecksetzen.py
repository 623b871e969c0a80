"""Das Muster `zuruecksetzen`: einen Lauf, einen Batch, und was dabei bleibt, sich wiederholt oder verloren geht."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from temporalio.api.common.v1 import ResetOptions
from temporalio.api.common.v1 import WorkflowExecution as OneRun
from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest, StartBatchOperationRequest
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle, WorkflowHistory
from temporalio.service import RPCError
from temporalio.worker import Worker
from typer.testing import CliRunner
from zuruecksetzen_beispiele import Desk, DeskWorkflow, ParcelWorkflow, ParentWorkflow

from dauerlauf.history import load
from dauerlauf.scenario import Run
from dauerlauf.testing import RunningWorker, open_worker
from dauerlauf.timelapse import Timelapse, result
from hilfen import play_selected
from kapitel08.replay_test_in_ci.scenarios import waiting
from kapitel08.zuruecksetzen import repair
from kapitel08.zuruecksetzen.ledger import Till
from kapitel08.zuruecksetzen.models import Order
from kapitel08.zuruecksetzen.reordered import PrepaidOrderWorkflow
from kapitel08.zuruecksetzen.repair import SIGNALS, UPDATES, NoSuchStepError, NotLatestError, point_before, reset
from kapitel08.zuruecksetzen.scenarios import PATTERN, PRICE
from kapitel08.zuruecksetzen.worker import create_worker
from kapitel08.zuruecksetzen.workflow import OrderWorkflow

ONCE = "So oft lief jede Activity: {'reserve': 1, 'quote': 1, 'collect': 1}"
TWICE = "So oft lief jede Activity: {'reserve': 1, 'quote': 2, 'collect': 2}"
FULL = "Rechnung: 10000 Cent, Buchungen der Kasse: [10000]"
DISCOUNTED = "Rechnung: 9000 Cent, Buchungen der Kasse: [9000]"
CORRECTED = "Rechnung: 9000 Cent, Buchungen der Kasse: [10000, -1000]"
ALWAYS = ("Zurückgesetzt auf Event 14.", CORRECTED, TWICE)

EXPECTED: dict[str, tuple[str, ...]] = {
    "glatt": (DISCOUNTED, ONCE),
    "selbstabholung": (DISCOUNTED, ONCE),
    "ohne-rabatt": (FULL, ONCE),
    "zurueckgesetzt": ("Der alte Lauf ist TERMINATED.", *ALWAYS),
    "signal-wieder-angewendet": ("Der alte Lauf ist COMPLETED.", *ALWAYS),
    "signal-ausgelassen": ("Der alte Lauf ist COMPLETED.", "Der neue Lauf wartet.", *ALWAYS),
    "zurueckgerollt": ("Mit dem umgestellten Code steht der Lauf still.", DISCOUNTED, ONCE),
}


def test_every_scenario_has_an_expectation() -> None:
    assert set(EXPECTED) == set(PATTERN.scenarios)


@pytest.fixture(scope="module")
async def played(request: pytest.FixtureRequest, timelapse: Timelapse) -> Mapping[str, Run]:
    """Die Szenarien, die dieser Testlauf prüft, gleichzeitig gespielt."""
    return await play_selected(request, timelapse, PATTERN)


@pytest.mark.parametrize("name", EXPECTED)
def test_scenario(name: str, played: Mapping[str, Run]) -> None:
    run = played[name]
    assert run.status == "COMPLETED"
    assert set(EXPECTED[name]) <= set(run.notes)


@pytest.mark.parametrize("name", PATTERN.scenarios)
async def test_recorded_history_replays(name: str, replay: Callable[..., Awaitable[int]]) -> None:
    assert await replay(PATTERN.history_file(name), workflows=PATTERN.workflows) == 1


# --- Der Punkt -------------------------------------------------------------------------------------------------------


def test_the_point_is_the_end_of_the_task_that_scheduled_the_step() -> None:
    history = load(PATTERN.history_file("ohne-rabatt"))
    point = point_before(history, "quote")
    assert history.events[point - 1].event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    following = history.events[point].activity_task_scheduled_event_attributes
    assert following.activity_type.name == "quote"
    # Wer den Schritt mehrmals geplant hat, muss vor das erste Mal zurück.
    later = load(PATTERN.history_file("signal-wieder-angewendet")).events[point:]
    assert point_before(WorkflowHistory("zweimal", [*history.events, *later]), "quote") == point
    with pytest.raises(NoSuchStepError, match="hat ship nie geplant"):
        point_before(history, "ship")


def test_the_new_history_copies_the_past_and_marks_the_reset() -> None:
    spoiled = load(PATTERN.history_file("ohne-rabatt")).events
    repaired = load(PATTERN.history_file("zurueckgesetzt")).events
    copied = [event.event_type for event in spoiled[:13]]
    assert [event.event_type for event in repaired[:13]] == copied
    mark = repaired[13].workflow_task_failed_event_attributes
    assert mark.cause == WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW
    assert mark.failure.message == "ohne Rabatt kassiert"


def test_the_till_names_what_it_booked(tmp_path: Path) -> None:
    till = Till(tmp_path)
    assert [till.settle("Kasse", "auftrag-1", target) for target in (10_000, 9_000, 9_000)] == [10_000, -1_000, 0]


# --- Ein Laden mit Versionen -----------------------------------------------------------------------------------------


@dataclass
class Shop:
    """Eine Task Queue, auf der nacheinander Worker verschiedener Versionen arbeiten."""

    timelapse: Timelapse
    folder: Path
    queue: str

    def worker(self, build: str, **options: Any) -> Worker:
        """Der Worker einer Version; Version 2 vergisst den Rabatt."""
        client = self.timelapse.client_for(f"worker-{build}", max_cached_workflows=0)
        discount = 0 if build == "v2" else 10
        return create_worker(client, self.folder, task_queue=self.queue, build=build, discount=discount, **options)

    async def place(self, *numbers: str, **options: Any) -> list[WorkflowHandle[Any, Any]]:
        """Gibt Aufträge auf."""
        with self.timelapse.unskipped():
            return [
                await self.timelapse.client.start_workflow(
                    OrderWorkflow.run,
                    Order(number, PRICE),
                    id=f"{self.queue}-{number}",
                    task_queue=self.queue,
                    **options,
                )
                for number in numbers
            ]

    def latest(self, workflow_id: str) -> WorkflowHandle[Any, Any]:
        """Der jüngste Lauf."""
        return self.timelapse.client.get_workflow_handle(workflow_id)

    def balance(self) -> Counter[str]:
        """Der Kontostand je Auftrag."""
        total: Counter[str] = Counter()
        for key, cents in Till(self.folder).entries("Kasse"):
            total[key] += cents
        return total

    async def paid(self, count: int, kind: str = "collect") -> None:
        """Wartet, bis `count` Aufrufe der Activity geschahen."""
        async with asyncio.timeout(30):
            while len(Till(self.folder).entries(kind)) < count:
                await asyncio.sleep(0.01)

    async def found(self, count: int) -> list[OneRun]:
        """Die betroffenen Läufe, sobald die Suche `count` davon zeigt."""
        async with asyncio.timeout(30):
            while len(runs := await repair.find_affected(self.timelapse.client, "v2", self.queue)) < count:
                await asyncio.sleep(0.05)
        return runs


@pytest.fixture
async def shop(timelapse: Timelapse, tmp_path: Path) -> AsyncIterator[Shop]:
    """Ein leerer Laden; am Ende wird beendet, was noch läuft."""
    queue = timelapse.task_queue()
    yield Shop(timelapse, tmp_path, queue)
    await RunningWorker(timelapse.client, queue, None).terminate_leftovers()  # type: ignore[arg-type]


async def bad_release(shop: Shop, count: int) -> list[WorkflowHandle[Any, Any]]:
    """Version 1 reserviert, Version 2 kassiert ohne Rabatt; ein Drittel ist danach schon zugestellt."""
    async with shop.worker("v1"):
        handles = await shop.place(*(f"N-{number:02}" for number in range(count)))
        await shop.paid(count, "reserve")
        await asyncio.gather(*map(waiting, handles))
    async with shop.worker("v2"):
        await asyncio.gather(*(handle.signal(OrderWorkflow.packed) for handle in handles))
        await shop.paid(count)
        await asyncio.gather(*map(waiting, handles))
        delivered = handles[::3]
        await asyncio.gather(*(handle.signal(OrderWorkflow.delivered) for handle in delivered))
        await asyncio.gather(*(result(handle, 30) for handle in delivered))
    return handles


async def repair_all(shop: Shop, handles: Sequence[WorkflowHandle[Any, Any]]) -> None:
    """Version 3 findet, setzt zurück, stellt den Rest zu; jeder hat danach genau 90 Euro bezahlt."""
    count = len(handles)
    runs = await shop.found(count)
    assert {run.workflow_id for run in runs} == {handle.id for handle in handles}
    async with shop.worker("v3"):
        await repair.reset_batch(shop.timelapse.client, runs, "v2", "Rabatt vergessen", 1000)
        await shop.paid(2 * count)
        for number, handle in enumerate(handles):
            if number % 3:  # Die anderen waren zugestellt; ihr Signal gilt wieder.
                await shop.latest(handle.id).signal(OrderWorkflow.delivered)
        bills = await asyncio.gather(*(result(shop.latest(handle.id), 30) for handle in handles))
    assert {bill["due"] for bill in bills} == {9_000}
    assert shop.balance() == {handle.id: 9_000 for handle in handles}
    booked = Counter(key for key, cents in Till(shop.folder).entries("Kasse") if cents > 0)
    assert booked == {handle.id: 1 for handle in handles}
    # Vor dem Punkt lag nur das Lager: Es lief kein zweites Mal.
    assert len(Till(shop.folder).entries("reserve")) == count


async def test_a_bad_release_is_repaired_in_a_batch(shop: Shop) -> None:
    handles = await bad_release(shop, 6)
    assert set(shop.balance().values()) == {10_000}
    await repair_all(shop, handles)
    # Wer noch einmal sucht, findet nichts mehr: Die neuen Läufe hat Version 2 nie gesehen.
    assert await shop.found(0) == []


async def test_the_batch_says_why_how_fast_and_before_which_version() -> None:
    """Ohne Server: Wie schnell er zurücksetzt, sieht man hinterher keinem Lauf an."""
    requests: list[StartBatchOperationRequest] = []

    async def start(request: StartBatchOperationRequest) -> None:
        requests.append(request)

    service = SimpleNamespace(start_batch_operation=start)
    client: Any = SimpleNamespace(namespace="default", workflow_service=service)
    run = OneRun(workflow_id="auftrag-1", run_id="eins")
    job = await repair.reset_batch(client, [run], "v2", "Rabatt vergessen", 5)
    [request] = requests
    assert (request.job_id, request.reason, request.max_operations_per_second) == (job, "Rabatt vergessen", 5)
    assert list(request.executions) == [run]
    assert request.reset_operation.options == ResetOptions(build_id="v2", current_run_only=True)


async def test_runs_of_other_versions_are_not_touched(shop: Shop) -> None:
    async with shop.worker("v1"):
        (untouched,) = await shop.place("N-1")
        await waiting(untouched)
    async with shop.worker("v2"):
        # Auch wen jemand abgebrochen hat, den belebt niemand wieder.
        (cancelled,) = await shop.place("N-3")
        await waiting(cancelled)
        await cancelled.cancel()
        with pytest.raises(WorkflowFailureError):
            await result(cancelled, 30)
        (spoiled,) = await shop.place("N-2", start_signal="packed")
        await shop.paid(1)
        await waiting(spoiled)
    assert [run.workflow_id for run in await shop.found(1)] == [spoiled.id]
    assert await repair.find_affected(shop.timelapse.client, "v2", "andere-auftraege") == []


async def _spoiled(shop: Shop) -> tuple[WorkflowHandle[Any, Any], WorkflowHistory]:
    """Ein Auftrag, den Version 2 schon zu teuer kassiert hat."""
    async with shop.worker("v2"):
        (handle,) = await shop.place("N-1", start_signal="packed")
        await shop.paid(1)
        await waiting(handle)
    return handle, await handle.fetch_history()


def _run(history: WorkflowHistory) -> OneRun:
    return OneRun(workflow_id=history.workflow_id, run_id=history.run_id)


async def _reasons(handle: WorkflowHandle[Any, Any]) -> list[str]:
    """Warum ein Lauf zurückgesetzt wurde, wie es in seiner Event History steht."""
    events = (await handle.fetch_history()).events
    failed = [event.workflow_task_failed_event_attributes for event in events]
    reset = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW
    return [one.failure.message for one in failed if one.cause == reset]


async def test_a_run_is_reset_only_once(shop: Shop) -> None:
    _, history = await _spoiled(shop)
    client, point = shop.timelapse.client, point_before(history, "quote")
    new = await reset(client, _run(history), point, "einmal")
    assert await _reasons(shop.latest(history.workflow_id)) == ["einmal"]
    # Der neue Lauf wartet auf einen Worker; das ist noch kein Scheitern.
    assert not await repair.stuck(shop.latest(history.workflow_id))
    with pytest.raises(NotLatestError, match=f"läuft schon als {new}"):
        await reset(client, _run(history), point, "noch einmal")
    # Der Server selbst nähme den zweiten Auftrag an.
    request = ResetWorkflowExecutionRequest(
        namespace=client.namespace, workflow_execution=_run(history), workflow_task_finish_event_id=point,
        request_id="zweiter", reason="noch einmal",
    )  # fmt: skip
    again = await client.workflow_service.reset_workflow_execution(request)
    assert again.run_id not in (new, history.run_id)


async def test_a_cancelled_run_goes_on_after_a_reset(shop: Shop) -> None:
    async with shop.worker("v1"):
        (handle,) = await shop.place("N-1")
        await waiting(handle)
        await handle.cancel()
        with pytest.raises(WorkflowFailureError):
            await result(handle, 30)
        await reset(shop.timelapse.client, _run(await handle.fetch_history()), 4, "doch nicht abbrechen")
        latest = shop.latest(handle.id)
        await latest.signal(OrderWorkflow.packed)
        await latest.signal(OrderWorkflow.delivered)
        assert (await result(latest, 30))["due"] == 9_000


async def test_only_the_end_of_a_workflow_task_is_a_point(shop: Shop) -> None:
    _, history = await _spoiled(shop)
    client, point = shop.timelapse.client, point_before(history, "quote")
    with pytest.raises(RPCError, match="must be at the boundary"):
        await reset(client, _run(history), point + 1, "falsches Event")
    with pytest.raises(RPCError, match="must be > 1 && <= workflow last event ID"):
        await reset(client, _run(history), 9_999, "zu weit")


async def test_a_stuck_run_is_freed_by_a_reset_to_the_start(shop: Shop) -> None:
    """Der neue Code beginnt von vorn; das Lager bucht nicht noch einmal."""
    async with shop.worker("v1"):
        (handle,) = await shop.place("N-1")
        await waiting(handle)
    async with shop.worker("v3", workflows=[PrepaidOrderWorkflow]):
        await handle.signal(OrderWorkflow.packed)
        async with asyncio.timeout(30):
            while not await repair.stuck(handle):
                await asyncio.sleep(0.01)
        run = OneRun(workflow_id=handle.id, run_id=str(handle.first_execution_run_id))
        await reset(shop.timelapse.client, run, 4, "umgestellter Code")
        latest = shop.latest(handle.id)
        await latest.signal(OrderWorkflow.delivered)
        assert (await result(latest, 30))["due"] == 9_000
    till = Till(shop.folder)
    assert (len(till.entries("reserve")), till.entries("Lager")) == (2, [(handle.id, 1)])
    assert shop.balance() == {handle.id: 9_000}


# --- Updates, Kinder, laufende Activities ----------------------------------------------------------------------------


@dataclass
class Family:
    """Ein Elternteil mit laufendem Kind und einem Update, dazu die History bis dahin."""

    client: Any
    parent: WorkflowHandle[Any, Any]
    child: WorkflowHandle[Any, Any]
    history: WorkflowHistory

    @property
    def latest(self) -> WorkflowHandle[Any, Any]:
        """Der jüngste Lauf des Elternteils."""
        handle: WorkflowHandle[Any, Any] = self.client.get_workflow_handle(self.parent.id)
        return handle

    def tasks(self) -> list[int]:
        """Die Events, an denen ein Workflow-Task endete."""
        wanted = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
        return [event.event_id for event in self.history.events if event.event_type == wanted]


@asynccontextmanager
async def family(timelapse: Timelapse) -> AsyncIterator[Family]:
    """Startet beide und schickt dem Elternteil ein Update."""
    async with open_worker(timelapse, workflows=[ParentWorkflow, ParcelWorkflow]) as worker:
        with timelapse.unskipped():
            parent = await worker.start(ParentWorkflow.run)
            await waiting(parent)
            await parent.signal(ParentWorkflow.packed)
            child = worker.client.get_workflow_handle(f"paket-{parent.id}")
            async with asyncio.timeout(30):
                while not (await parent.describe()).raw_description.pending_children:
                    await asyncio.sleep(0.01)
            await parent.execute_update(ParentWorkflow.note, "Vorsicht Glas")
            await waiting(parent)
        yield Family(worker.client, parent, child, await parent.fetch_history())


async def test_a_reset_before_a_running_child_fails_to_start_it_again(timelapse: Timelapse) -> None:
    async with family(timelapse) as f:
        before = (await f.child.describe()).run_id
        await reset(f.client, _run(f.history), f.tasks()[0], "vor das Kind")
        with pytest.raises(WorkflowFailureError) as failure:
            await result(f.latest, 30)
        assert str(failure.value.cause) == "Workflow execution already started"
        # Das alte Kind lief die ganze Zeit weiter.
        described = await f.child.describe()
        assert (described.run_id, described.status) == (before, WorkflowExecutionStatus.RUNNING)


async def test_a_reset_after_the_start_keeps_the_child(timelapse: Timelapse) -> None:
    async with family(timelapse) as f:
        before = (await f.child.describe()).run_id
        await reset(f.client, _run(f.history), f.tasks()[-1], "hinter das Kind")
        await f.child.signal(ParcelWorkflow.delivered)
        assert await result(f.latest, 30) == before


async def test_a_finished_child_is_started_again(timelapse: Timelapse) -> None:
    async with family(timelapse) as f:
        await f.child.signal(ParcelWorkflow.delivered)
        before = await result(f.parent, 30)
        await reset(f.client, _run(f.history), f.tasks()[0], "vor das Kind")
        async with asyncio.timeout(30):
            while (await f.child.describe()).run_id == before:
                await asyncio.sleep(0.01)
        await f.client.get_workflow_handle(f.child.id).signal(ParcelWorkflow.delivered)
        assert await result(f.latest, 30) not in ("", before)


@pytest.mark.parametrize(
    ("exclude", "notes"), [([], ["Vorsicht Glas"]), ([UPDATES], []), ([SIGNALS], ["Vorsicht Glas"])]
)
async def test_updates_after_the_point_are_applied_again_unless_excluded(
    timelapse: Timelapse, exclude: list[Any], notes: list[str]
) -> None:
    async with family(timelapse) as f:
        await reset(f.client, _run(f.history), f.tasks()[-1], "Update", exclude=exclude)
        assert await f.latest.query(ParentWorkflow.notes) == notes


async def test_a_running_activity_is_started_again(timelapse: Timelapse) -> None:
    desk = Desk()
    async with open_worker(timelapse, workflows=[DeskWorkflow], activities=[desk.work]) as worker:
        handle = await worker.start(DeskWorkflow.run)
        async with asyncio.timeout(30):
            while not desk.runs:
                await asyncio.sleep(0.01)
        history = await handle.fetch_history()
        new = await reset(worker.client, _run(history), 4, "während der Activity")
        async with asyncio.timeout(30):
            while len(desk.runs) < 2:
                await asyncio.sleep(0.01)
        # Die erste läuft noch; ihr Ergebnis will niemand mehr.
        assert desk.runs == [history.run_id, new]
        desk.open.set()
        await worker.result(worker.client.get_workflow_handle(handle.id), 30)


# --- Der Befehl ------------------------------------------------------------------------------------------------------


async def test_the_command_finds_and_resets(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    handle, _ = await _spoiled(shop)
    await shop.found(1)
    monkeypatch.setenv("TEMPORAL_ADDRESS", shop.timelapse.client.service_client.config.target_host)

    async def invoke(*words: str) -> Any:
        return await asyncio.to_thread(CliRunner().invoke, repair.app, [*words, "--task-queue", shop.queue])

    listed = await invoke("finde", "--version", "v2")
    assert (listed.exit_code, handle.id in listed.output) == (0, True), listed.output
    assert (await invoke("finde", "--version", "v1")).output == ""
    done = await invoke("setze-zurueck", "--version", "v2", "--grund", "Rabatt vergessen")
    assert (done.exit_code, done.output.startswith("Zurückgesetzt: 1 ")) == (0, True), done.output
    async with asyncio.timeout(30):
        while (await shop.latest(handle.id).describe()).run_id == handle.first_execution_run_id:
            await asyncio.sleep(0.02)
    assert await _reasons(shop.latest(handle.id)) == ["Rabatt vergessen"]
    assert "Nichts zu tun." in (await invoke("setze-zurueck", "--version", "v2", "--grund", "noch einmal")).output
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    failed = await invoke("finde", "--version", "v2")
    assert (failed.exit_code, "antwortet nicht" in failed.output) == (2, True)
