"""Der Änderungskatalog: jede Zeile ist ein Replay, jede Warnung ein wirklicher Lauf."""

import ast
import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from katalog_aufzeichnen import BASES, ORDER, record
from temporalio import activity as temporal_activity
from temporalio.client import Client, WorkflowHandle, WorkflowHistory, WorkflowQueryFailedError
from temporalio.worker import Worker

from dauerlauf.timelapse import Timelapse, result
from hilfen import kinds, scheduled
from kapitel08.aenderungskatalog import __main__ as command
from kapitel08.aenderungskatalog.activities import ALL
from kapitel08.aenderungskatalog.catalogue import FOLDER, POINTS, TOPICS, Change, history_file
from kapitel08.aenderungskatalog.gates import Gates
from kapitel08.aenderungskatalog.models import Payment, Receipt
from kapitel08.aenderungskatalog.versions import activity, child, flow, message, timer, value

# Je Änderung: offen davor, mittendrin, offen dahinter, beendet. + läuft, - steht, . gibt es nicht.
EXPECTED: Mapping[type, str] = {
    activity.Argument: "++++",
    activity.Options: "++++",
    activity.Queue: "++++",
    activity.ResultDefault: "++++",
    activity.ResultRequired: "++--",
    activity.Renamed: "+---",
    activity.Local: "+---",
    activity.AddedBefore: "+---",
    activity.AddedAfter: "+++-",
    activity.Removed: "+---",
    activity.Swapped: "+---",
    activity.Parallel: "++++",
    activity.TwoSwapped: "++++",
    timer.Longer: "++++",
    timer.Sleep: "++++",
    timer.Condition: "++++",
    timer.TimerAdded: "+++-",
    timer.TimerRemoved: "+---",
    timer.WithDeadline: "++--",
    child.ChildOptions: "++++",
    child.ChildId: "+---",
    child.ChildType: "+---",
    child.ChildAdded: "+++-",
    child.ChildRemoved: "+---",
    child.OtherTarget: "+.++",
    child.SignalRemoved: "+.--",
    message.MoreHandlers: "++++",
    message.StricterValidator: "++++",
    message.SignalHandlerRemoved: "+++-",
    message.UpdateHandlerRemoved: "++--",
    message.Result: "+.++",
    message.InputDefault: "+.++",
    message.InputRequired: "-.--",
    value.Details: "+.++",
    value.OtherMemo: "+.++",
    value.MemoRemoved: "+.--",
    value.AttributeAdded: "+.+-",
    value.Now: "++++",
    value.RandomBefore: "++++",
    value.WallClock: "+---",
    flow.BranchElsewhere: "++++",
    flow.BranchFlipped: "+---",
    flow.Fails: "+---",
    flow.MoreRounds: "+++-",
    flow.FewerRounds: "+---",
    flow.PatchAdded: "++++",
    flow.Deprecated: "++++",
    flow.PatchRemoved: "+---",
}
CHANGES = [change for changes in TOPICS.values() for change in changes]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.after.__name__)
async def test_verdict(change: Change) -> None:
    verdict = await change.verdict()
    assert verdict.signs == EXPECTED[change.after], verdict.message


def _code(version: type) -> str:
    """Eine Klasse ohne ihren Namen und ohne Docstrings."""
    [tree] = ast.parse(inspect.getsource(version)).body
    assert isinstance(tree, ast.ClassDef)
    tree.name = ""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(node):
            del node.body[0]
    return ast.dump(tree)


def test_every_change_changes_something() -> None:
    """Sonst bewiese `++++` nur, dass Version 1 zu sich selbst passt."""
    assert [change.text for change in CHANGES if _code(change.before) == _code(change.after)] == []


def test_every_version_1_is_recorded_and_nothing_else() -> None:
    files = {history_file(base, point) for base in BASES for point in POINTS}
    assert set(FOLDER.glob("*.json")) <= files
    assert all(history_file(base, "davor").is_file() and history_file(base, "beendet").is_file() for base in BASES)


def test_an_unknown_topic_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["gibtesnicht"]) == 2
    assert capsys.readouterr().err.startswith("Das Thema „gibtesnicht“ gibt es nicht; es gibt: activity, timer")


@pytest.mark.gruendlich
async def test_version_1_still_behaves_as_recorded(timelapse: Timelapse) -> None:
    for (base, point), history in (await record(timelapse)).items():
        assert _kinds(Change(base, base).histories[point]) == _kinds(history), f"{base.__name__} {point}"


def _kinds(history: WorkflowHistory) -> list[str]:
    """Ohne Workflow-Tasks: Ob der Server zwei Nachrichten in einem zustellt, ist Zufall. Ohne Zeitraffer."""
    return [
        kind
        for kind in kinds(history)
        if not kind.startswith(("WORKFLOW_TASK", "WORKFLOW_EXECUTION_TIME", "WORKFLOW_EXECUTION_OPTIONS"))
    ]


# --- Was das Replay nicht sieht: derselbe Lauf, mitten darin die neue Version ----------------------------------------


class Deploy:
    """Ein Lauf der Version 1, den die geänderte Klasse zu Ende führt."""

    def __init__(self, timelapse: Timelapse, queue: str) -> None:
        self._timelapse, self.queue = timelapse, queue
        self.payments: list[Payment] = []

    @property
    def client(self) -> Client:
        return self._timelapse.client

    def worker(self, version: type) -> Worker:
        return Worker(self._timelapse.client_for("worker-1"), task_queue=self.queue, workflows=[version])

    def activities(self, **options: Any) -> Worker:
        @temporal_activity.defn(name="charge")
        async def charge(payment: Payment) -> Receipt:
            self.payments.append(payment)
            return Receipt(f"Q-{payment.key}-{payment.cents}")

        others = [one for one in ALL if one.__name__ != "charge"]
        client: Client = self._timelapse.client_for("worker-2")
        return Worker(client, task_queue=self.queue, activities=[charge, *others], **options)

    async def start(self, version: type) -> WorkflowHandle[Any, Any]:
        with self._timelapse.unskipped():
            run: Callable[..., Any] = version.run  # type: ignore[attr-defined]
            return await self._timelapse.client.start_workflow(
                run, ORDER, id=f"katalog-{self.queue}", task_queue=self.queue
            )


async def _until(handle: WorkflowHandle[Any, Any], place: str) -> None:
    async with asyncio.timeout(30):
        while await handle.query(Gates.place) != place:
            await asyncio.sleep(0.01)


@pytest.fixture
async def deploy(timelapse: Timelapse) -> Deploy:
    return Deploy(timelapse, timelapse.task_queue())


@asynccontextmanager
async def _stopped_at(deploy: Deploy, before: type, place: str) -> AsyncIterator[WorkflowHandle[Any, Any]]:
    """Führt Version 1 bis `place`; danach ist ihr Worker fort."""
    async with deploy.worker(before):
        handle = await deploy.start(before)
        if place != "davor":
            await handle.signal(Gates.go)
        await _until(handle, place)
    yield handle


async def test_a_pending_activity_keeps_its_argument_and_its_options(deploy: Deploy) -> None:
    async with (
        _stopped_at(deploy, activity.Charge, "darin") as handle,
        deploy.worker(activity.Argument),
        deploy.activities(),
    ):
        await handle.signal(Gates.go)
        assert await result(handle) == Receipt("Q-N-1001-24900")
    assert deploy.payments == [Payment("N-1001", 249_00)]


async def test_new_activity_code_must_read_the_old_argument(deploy: Deploy, timelapse: Timelapse) -> None:
    @dataclass(frozen=True)
    class PaymentFor(Payment):
        customer: str = field(kw_only=True)

    @temporal_activity.defn(name="charge")
    async def charge(payment: PaymentFor) -> Receipt:
        return Receipt(payment.customer)

    async with _stopped_at(deploy, activity.Charge, "darin") as handle:
        async with Worker(timelapse.client_for("worker-2"), task_queue=deploy.queue, activities=[charge]):
            async with asyncio.timeout(30):
                while True:
                    [pending] = (await handle.describe()).raw_description.pending_activities
                    if pending.HasField("last_failure"):
                        break
                    await asyncio.sleep(0.01)
        assert "Failed decoding arguments" in pending.last_failure.message
        await handle.terminate()


async def test_pending_options_stay_new_ones_apply_only_to_what_is_scheduled_later(deploy: Deploy) -> None:
    async with _stopped_at(deploy, activity.Charge, "darin") as handle, deploy.worker(activity.Options):
        await _until(handle, "darin")
        [pending] = (await handle.describe()).raw_description.pending_activities
        assert (pending.maximum_attempts, pending.activity_options.start_to_close_timeout.seconds) == (0, 30)
        await handle.terminate()
    async with deploy.worker(activity.Options):
        handle = await deploy.start(activity.Options)
        await handle.signal(Gates.go)
        await _until(handle, "darin")
        [pending] = (await handle.describe()).raw_description.pending_activities
        assert (pending.maximum_attempts, pending.activity_options.start_to_close_timeout.seconds) == (3, 300)
        await handle.terminate()


async def test_a_pending_activity_stays_on_its_old_task_queue(deploy: Deploy) -> None:
    async with (
        _stopped_at(deploy, activity.Charge, "darin") as handle,
        deploy.worker(activity.Queue),
        deploy.activities(),
    ):
        await handle.signal(Gates.go)
        assert await result(handle) == Receipt("Q-N-1001-24900")
    # Was danach geplant wird, kommt auf die neue.
    async with deploy.worker(activity.Queue):
        handle = await deploy.start(activity.Queue)
        await handle.signal(Gates.go)
        await _until(handle, "darin")
        attributes = [e.activity_task_scheduled_event_attributes for e in (await handle.fetch_history()).events]
        assert [one.task_queue.name for one in attributes if one.activity_id] == ["zahlungen"]
        await handle.terminate()


async def test_a_running_timer_keeps_its_duration(deploy: Deploy, timelapse: Timelapse) -> None:
    async with _stopped_at(deploy, timer.Wait, "darin") as handle, deploy.worker(timer.Longer):
        await timelapse.fast_forward(handle, timedelta(hours=1, seconds=1))
        await _until(handle, "dahinter")
        await handle.terminate()


async def test_an_activity_added_behind_runs_late_in_runs_that_are_past_it(deploy: Deploy) -> None:
    async with (
        deploy.activities(),
        _stopped_at(deploy, activity.Charge, "dahinter") as handle,
        deploy.worker(activity.AddedAfter),
    ):
        await handle.signal(Gates.go)
        await result(handle)
    assert scheduled(await handle.fetch_history()) == ["charge", "check"]


async def test_swapped_equal_activities_swap_their_results(deploy: Deploy) -> None:
    async with (
        deploy.activities(),
        _stopped_at(deploy, activity.TwoCharges, "dahinter") as handle,
        deploy.worker(activity.TwoSwapped),
    ):
        await handle.signal(Gates.go)
        goods, delivery = await result(handle)
    assert (goods.number, delivery.number) == ("Q-N-1001-Versand-495", "Q-N-1001-Ware-24900")


async def test_parallel_steps_no_longer_wait_for_each_other(deploy: Deploy) -> None:
    async with _stopped_at(deploy, activity.CheckAndCharge, "darin") as handle, deploy.worker(activity.Parallel):
        assert scheduled(await handle.fetch_history()) == ["check"]
        await handle.signal(Gates.go)
        async with asyncio.timeout(30):
            while scheduled(await handle.fetch_history()) != ["check", "charge"]:
                await asyncio.sleep(0.01)
        # Abgebucht wird, obwohl die Prüfung noch kein Ergebnis hat.
        assert len((await handle.describe()).raw_description.pending_activities) == 2
        await handle.terminate()


async def test_old_runs_return_the_new_result(deploy: Deploy) -> None:
    async with _stopped_at(deploy, message.Plain, "dahinter") as handle, deploy.worker(message.Result):
        await handle.signal(Gates.go)
        untyped = deploy.client.get_workflow_handle(handle.id)
        assert await result(untyped) == {"N-1001": 249_00}


async def test_old_runs_decide_by_the_new_rule(deploy: Deploy) -> None:
    async with _stopped_at(deploy, flow.Branch, "davor") as handle, deploy.worker(flow.BranchFlipped):
        await handle.signal(Gates.go)
        await handle.signal(Gates.go)
        await result(handle)
    assert scheduled(await handle.fetch_history()) == []


async def test_one_more_random_number_changes_the_key(deploy: Deploy) -> None:
    async with (
        deploy.activities(),
        _stopped_at(deploy, value.Random, "dahinter") as handle,
        deploy.worker(value.RandomBefore),
    ):
        await handle.signal(Gates.go)
        receipt = await result(handle)
    [payment] = deploy.payments
    booked, _, believed = receipt.number.partition(" für ")
    assert booked == f"Q-{payment.key}-24900"
    assert believed != payment.key


async def test_a_patch_takes_the_new_path_in_old_runs_that_are_not_there_yet(deploy: Deploy) -> None:
    async with (
        _stopped_at(deploy, flow.Unpatched, "davor") as handle,
        deploy.worker(flow.PatchAdded),
        deploy.activities(),
    ):
        await handle.signal(Gates.go)
        await handle.signal(Gates.go)
        await result(handle)
    assert scheduled(await handle.fetch_history()) == ["check", "charge"]
    assert deploy.payments == [Payment("N-1001", 249_00)]


async def test_a_completed_run_is_replayed_only_for_a_query(deploy: Deploy) -> None:
    async with deploy.activities(), deploy.worker(activity.Charge):
        handle = await deploy.start(activity.Charge)
        await handle.signal(Gates.go)
        await handle.signal(Gates.go)
        await result(handle)
    length = len((await handle.fetch_history()).events)
    async with deploy.worker(activity.Renamed):
        with pytest.raises(WorkflowQueryFailedError, match="Nondeterminism"):
            await handle.query(Gates.place)
    assert len((await handle.fetch_history()).events) == length


def test_the_page_shows_every_topic() -> None:
    page = (Path(__file__).parents[2] / "book/teil3/kapitel08/aenderungskatalog.md").read_text("utf-8")
    assert [
        topic for topic in TOPICS if f"<!-- tabelle: python -m kapitel08.aenderungskatalog {topic} -->" in page
    ] == [*TOPICS]
