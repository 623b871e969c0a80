"""Das Muster `replay_test_in_ci`: auswählen, schwärzen, abspielen – und was der Bericht dann sagt."""

import asyncio
import json
import shlex
import subprocess
import sys
import uuid
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from replay_ci_beispiele import CornersWorkflow, Person, greet, refuse
from replay_ci_hilfen import ENCRYPTED, PERSONAL, all_text, visible
from temporalio.api.common.v1 import Payload, WorkflowExecution
from temporalio.api.enums.v1 import EventType, TaskQueueKind
from temporalio.api.history.v1 import History, HistoryEvent, WorkflowExecutionStartedEventAttributes
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client, WorkflowHistory
from temporalio.common import TypedSearchAttributes
from temporalio.worker import Worker
from typer.testing import CliRunner

from dauerlauf.history import load
from dauerlauf.scenario import Run
from dauerlauf.testing import RunningWorker, open_worker
from dauerlauf.timelapse import Timelapse
from hilfen import play_selected
from kapitel08.replay_test_in_ci import check, command, export, files, reordered, selection
from kapitel08.replay_test_in_ci.export import Exporter
from kapitel08.replay_test_in_ci.models import Payment, Return
from kapitel08.replay_test_in_ci.redaction import PLAIN, NotRedactableError, Redactor, decoded, encodings
from kapitel08.replay_test_in_ci.replaying import Checkout
from kapitel08.replay_test_in_ci.scenarios import KEEP, PATTERN, order, waiting
from kapitel08.replay_test_in_ci.worker import CONVERTER, WORKFLOWS, create_worker
from kapitel08.replay_test_in_ci.workflow import OrderWorkflow, ReturnWorkflow

FOLDER = Path(check.__file__).parent
GREEN, RED = "check endet mit 0", "check endet mit 1"

# Szenario: was im Befund steht.
EXPECTED: dict[str, tuple[str, ...]] = {
    "glatt": ("Sendung: NV-N-4001-24937", "export endet mit 0", GREEN),
    "offen-und-umgestellt": (
        "export endet mit 0",
        GREEN,
        RED,
        "PASST NICHT  OrderWorkflow  auftrag/N-4002",
        "aufgezeichnet  Event 5, ActivityTaskScheduled reserve_stock",
    ),
    "nur-ein-anderer-weg": ("export endet mit 0", GREEN),
    "zu-viel-geschwaerzt": ("export endet mit 1", "0 von 1 ausgewählten Histories liegen in histories."),
    "ausverkauft": ("export endet mit 0", GREEN),
    "retoure": ("Erstattet: True", "export endet mit 0", GREEN, "ReturnWorkflow: 1"),
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


# --- Auswählen -------------------------------------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(), max_size=40), st.integers(1, 9))
def test_sampling_spreads_and_keeps_both_ends(runs: list[Any], count: int) -> None:
    chosen = selection.spread(runs, count)
    assert len(chosen) == min(len(runs), count)
    if runs:
        assert chosen[0] == runs[0]
    if len(runs) >= count > 1:
        assert chosen[-1] == runs[-1]


def test_samples_are_spread_over_time_not_over_names() -> None:
    days, found = (3, 1, 4, 2, 5), []
    for number, day in enumerate(days):
        start = datetime(2026, 11, day, tzinfo=UTC)
        found.append(
            SimpleNamespace(
                id=f"a-{number}",
                start_time=start,
                workflow_type="OrderWorkflow",
                status=None,
                typed_search_attributes=TypedSearchAttributes.empty,
            )
        )
    runs: Any = found
    assert [one.start_time.day for one in selection.sample(runs, 3)] == [1, 3, 5]


@pytest.fixture(scope="module")
async def shop(timelapse: Timelapse, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Fünf offene Läufe zweier Typen, ein beendeter und einer, den noch kein Worker gesehen hat."""
    folder = tmp_path_factory.mktemp("laden")

    def create(client: Client, task_queue: str) -> Worker:
        return create_worker(client, folder, task_queue=task_queue)

    async with open_worker(timelapse, create=create) as worker:
        mark = uuid.uuid4().hex[:8]
        with timelapse.unskipped():
            for number in ("N-1", "N-2", "N-3"):
                invoice = order(number, 60_000, payment=Payment.INVOICE)
                await waiting(await worker.start(OrderWorkflow.run, invoice, id=f"a/../ü {mark}/{number}"))
            for number in ("R-1", "R-2"):
                item = Return(number, "Anke Petersen", "DE89370400440532013000", 4990)
                await waiting(await worker.start(ReturnWorkflow.run, item, id=f"r/{mark}/{number}"))
        await worker.execute(OrderWorkflow.run, order("N-4"), id=f"a/{mark}/N-4", timeout=30)
        await timelapse.client.start_workflow(
            ReturnWorkflow.run, item, id=f"r/{mark}/R-3", task_queue=f"niemand-{mark}"
        )
        await visible(worker, 6, closed=1)
        yield worker


def _exporter(shop: RunningWorker, keep: frozenset[str] | None = KEEP) -> Exporter:
    return Exporter(shop.client, WORKFLOWS, CONVERTER, keep)


@pytest.fixture(scope="module")
async def exported(shop: RunningWorker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Der Export aller Läufe des Ladens."""
    folder = tmp_path_factory.mktemp("histories")
    query = selection.query(timedelta(days=1), f'TaskQueue = "{shop.task_queue}"')
    assert await export.export_all(_exporter(shop), folder, query, 5) == 0
    return folder


async def test_samples_every_type_open_and_closed(shop: RunningWorker) -> None:
    chosen = await selection.select(shop.client, f'TaskQueue = "{shop.task_queue}"', 1)
    kinds = sorted((one.workflow_type, one.status.name if one.status else "") for one in chosen)
    assert kinds == [("OrderWorkflow", "COMPLETED"), ("OrderWorkflow", "RUNNING"), ("ReturnWorkflow", "RUNNING")]


async def test_long_closed_runs_are_left_out(shop: RunningWorker) -> None:
    query = selection.query(
        timedelta(days=-1), f'TaskQueue = "{shop.task_queue}-andere" OR TaskQueue = "{shop.task_queue}"'
    )
    chosen = await selection.select(shop.client, query, 9)
    assert {one.status.name for one in chosen if one.status} == {"RUNNING"}
    assert len(chosen) == 5


async def test_patched_and_unpatched_runs_are_different_groups(timelapse: Timelapse) -> None:
    async with open_worker(timelapse, workflows=[CornersWorkflow], activities=[greet, refuse]) as worker:
        await worker.start(CornersWorkflow.run, Person("Anke", "", 1.0, {}))
        patched = None
        async with asyncio.timeout(30):
            while not patched:
                (found,) = await visible(worker, 1)
                patched = found.typed_search_attributes.get(selection.CHANGES)
                await asyncio.sleep(0.02)
        assert selection.group(found)[3] == {"gruss"}
        # Ohne Worker-Versionierung nennt das SDK eine Prüfsumme des Codes.
        assert "unversioned:" in selection.group(found)[2]


async def test_a_run_without_a_finished_workflow_task_has_nothing_to_replay(
    shop: RunningWorker, tmp_path: Path
) -> None:
    def unseen() -> str:
        return 'TaskQueue STARTS_WITH "niemand-" AND WorkflowType = "ReturnWorkflow"'

    said: list[str] = []
    assert await export.export_all(_exporter(shop), tmp_path, unseen(), 5, said.append) == 2
    assert "haben noch keinen Workflow-Task hinter sich" in "\n".join(said)
    assert list(tmp_path.iterdir()) == []


def test_file_names_are_safe_for_any_workflow_id() -> None:
    for workflow_id in ("a/b", "../../etc/passwd", "größe:*?\\", "x" * 1000, ".", ""):
        name = files.file_name(workflow_id, "01a1ffd6-0e9b-773b-a0ad-c3d452e0911d")
        assert Path(name).name == name
        assert len(name.encode()) < 150
        assert files.run_id(Path(name)) == "01a1ffd6-0e9b-773b-a0ad-c3d452e0911d"


async def test_ids_survive_the_export(exported: Path) -> None:
    histories = [files.read(file) for file in exported.glob("*.json")]
    assert len(histories) == 6
    assert sum(history.workflow_id.startswith("a/../ü ") for history in histories) == 3


async def test_after_a_reset_only_the_execution_knows_its_run_id(timelapse: Timelapse, tmp_path: Path) -> None:
    """Deshalb holt der Export jeden Lauf einzeln: `map_histories` verrät die eigene Run-ID nicht."""

    def create(client: Client, task_queue: str) -> Worker:
        return create_worker(client, tmp_path, task_queue=task_queue)

    async with open_worker(timelapse, create=create) as worker:
        handle = await worker.start(OrderWorkflow.run, order("N-5"))
        await worker.result(handle, 30)
        first = str(handle.first_execution_run_id)
        await worker.client.workflow_service.reset_workflow_execution(
            ResetWorkflowExecutionRequest(
                namespace=worker.client.namespace,
                workflow_execution=WorkflowExecution(workflow_id=handle.id, run_id=first),
                workflow_task_finish_event_id=4,
                request_id=str(uuid.uuid4()),
                reason="Test",
            )
        )
        await worker.result(worker.client.get_workflow_handle(handle.id), 30)
        await visible(worker, 2)
        listed = worker.client.list_workflows(f'WorkflowId = "{handle.id}"')
        assert [history.run_id async for history in listed.map_histories()] == [first, first]
        await export.export_all(_exporter(worker), tmp_path / "h", f'WorkflowId = "{handle.id}"', 5)
        assert len(list((tmp_path / "h").iterdir())) == 2


# --- Schwärzen -------------------------------------------------------------------------------------------------------


def test_no_personal_data_leaves_production(exported: Path) -> None:
    text = all_text(exported)
    assert PERSONAL.findall(text) == []
    assert "rechnung" in text


def _json(value: Any) -> HistoryEvent:
    payload = Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(value).encode())
    started = WorkflowExecutionStartedEventAttributes(workflow_id="wf")
    started.input.payloads.append(payload)
    return HistoryEvent(event_id=1, workflow_execution_started_event_attributes=started)


def _redacted(value: Any, keep: frozenset[str] = frozenset()) -> Any:
    history = Redactor(keep).redact(History(events=[_json(value)]))
    return json.loads(history.events[0].workflow_execution_started_event_attributes.input.payloads[0].data)


def test_text_and_numbers_keep_their_shape() -> None:
    value = {"name": "Anke Weiß, 24937", "born": "1990-05-17", "amount": 4990, "rate": -0.19, "vip": True, "x": None}
    assert _redacted(value, frozenset({"rate"})) == {
        "name": "Aaaa Aaaa, 11111", "born": "1111-11-11", "amount": 1111, "rate": -0.19, "vip": True, "x": None,
    }  # fmt: skip


def test_keys_that_are_no_field_names_are_data() -> None:
    assert _redacted({"anke@petersen.example": 7}) == {"aaaa@aaaaaaaa.aaaaaaa": 1}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=4),
    max_leaves=15,
)


def _shape(value: Any) -> Any:
    match value:
        case dict():
            return {key: _shape(one) for key, one in value.items()}
        case list():
            return [_shape(one) for one in value]
        case str():
            return len(value)
        case bool() | None:
            return value
        case _:
            return type(value)


@settings(max_examples=50, deadline=None)
@given(JSON)
def test_any_value_keeps_its_structure(value: Any) -> None:
    assert _shape(_redacted(value)) == _shape(value)


async def test_redaction_that_changes_a_branch_is_refused(exported: Path, shop: RunningWorker, tmp_path: Path) -> None:
    said: list[str] = []
    query = f'TaskQueue = "{shop.task_queue}" AND WorkflowType = "OrderWorkflow"'
    code = await export.export_all(_exporter(shop, KEEP - {"amount"}), tmp_path, query, 5, said.append)
    report = "\n".join(said)
    # Unter 50.000 Cent bleibt unter 50.000: Nur die drei großen Aufträge verzweigen anders.
    assert (code, report.count("NICHT EXPORTIERT  OrderWorkflow  a/../ü ")) == (1, 3)
    assert "(ab Event 11: [TMPRL1100]" in report
    assert len(list(tmp_path.iterdir())) == 1


async def test_a_name_in_the_workflow_id_is_refused(timelapse: Timelapse, tmp_path: Path) -> None:
    def create(client: Client, task_queue: str) -> Worker:
        return create_worker(client, tmp_path, task_queue=task_queue)

    async with open_worker(timelapse, create=create) as worker:
        await worker.execute(OrderWorkflow.run, order("N-6"), id=f"kunde-petersen-{uuid.uuid4()}", timeout=30)
        (execution,) = await visible(worker, 1)
        with pytest.raises(NotRedactableError, match="„petersen“ ist geschwärzt"):
            await _exporter(worker).export(execution, tmp_path / "h")
    assert not (tmp_path / "h").exists()


async def test_payloads_in_every_corner_are_found(timelapse: Timelapse, tmp_path: Path) -> None:
    async with open_worker(timelapse, workflows=[CornersWorkflow], activities=[greet, refuse]) as worker:
        person = Person("Anke Petersen", "1990-05-17", 1.72, {"ort": "Flensburg, 24937"})
        handle = await worker.start(CornersWorkflow.run, person, memo={"kunde": "Anke Petersen"})
        await handle.execute_update(CornersWorkflow.tell, "Anke Petersen")
        await worker.result(handle, 30)
        (execution,) = await visible(worker, 1)
        exporter = Exporter(worker.client, [CornersWorkflow], CONVERTER, frozenset())
        assert await exporter.export(execution, tmp_path)
        text = all_text(tmp_path)
        assert PERSONAL.findall(text) == []
        # Was der Kern des SDK sich merkt, bleibt: Patch und lokale Activity.
        assert "core_patch" in text
        assert "gruss" in text
        assert "Unbekannt" in text


def _payload(text: str) -> Payload:
    return Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(text).encode())


def test_no_corner_keeps_a_text_nobody_allowed() -> None:
    """Ohne Server: was zu selten ist, um es in einem Lauf zu erzeugen."""
    history, text = History(), "Anke Petersen, Flensburg"
    started = history.events.add().workflow_execution_started_event_attributes
    started.identity = "4711@Petersen"
    started.header.fields["kunde"].CopyFrom(_payload(text))
    started.memo.fields["kunde"].CopyFrom(_payload(text))
    started.search_attributes.indexed_fields["Kunde"].CopyFrom(_payload(text))
    started.search_attributes.indexed_fields["TemporalChangeVersion"].CopyFrom(_payload("gruss"))
    started.input.payloads.add(metadata={"encoding": b"binary/plain"}, data=text.encode())
    started.input.payloads.extend([_payload("egal"), _payload(text)])
    queue = history.events.add().workflow_task_scheduled_event_attributes.task_queue
    queue.name, queue.kind = "worker-Petersen:1", TaskQueueKind.TASK_QUEUE_KIND_STICKY
    failure = history.events.add().activity_task_failed_event_attributes.failure
    failure.message, failure.stack_trace = text, f"in pay({text!r})"
    failure.cause.message = text
    history.events.add().workflow_execution_cancel_requested_event_attributes.cause = text
    history.events.add().workflow_execution_terminated_event_attributes.reason = text
    history.events.add().nexus_operation_scheduled_event_attributes.nexus_header["kunde"] = text
    left = Redactor(frozenset()).redact(history).SerializeToString().decode(errors="replace")
    assert PERSONAL.findall(left) == []
    assert "gruss" in left
    # Unter einem Namen, der selbst geschwärzt gehört, darf nichts liegen.
    started.memo.fields["Flensburg"].CopyFrom(_payload(text))
    with pytest.raises(NotRedactableError, match="„flensburg“ ist geschwärzt"):
        Redactor(frozenset()).redact(history)


async def test_patches_and_local_activities_pass_as_encrypted(timelapse: Timelapse, tmp_path: Path) -> None:
    """Was der Kern und der Server selbst schreiben, sieht kein Codec; alles andere schon."""
    client, queue = Client(**{**timelapse.client.config(), "data_converter": ENCRYPTED}), timelapse.task_queue()
    async with Worker(client, task_queue=queue, workflows=[CornersWorkflow], activities=[greet, refuse]):
        person = Person("Anke Petersen", "", 1.72, {"ort": "Flensburg"})
        handle = await client.start_workflow(CornersWorkflow.run, person, id=f"ecken/{queue}", task_queue=queue)
        await handle.execute_update(CornersWorkflow.tell, "Anke Petersen")
        async with asyncio.timeout(30):
            await handle.result()
    (execution,) = await visible(RunningWorker(client, queue, None), 1)  # type: ignore[arg-type]
    for keep in (None, frozenset[str]()):
        folder = tmp_path / str(keep)
        assert await Exporter(client, [CornersWorkflow], ENCRYPTED, keep).export(execution, folder)
        assert "core_patch" in all_text(folder)
        assert await check.check(folder, [CornersWorkflow], ENCRYPTED, say=_silent) == 0


async def test_encrypted_histories_stay_encrypted_or_are_decrypted_first(timelapse: Timelapse, tmp_path: Path) -> None:
    config = timelapse.client.config()
    client = Client(**{**config, "data_converter": ENCRYPTED})
    queue = timelapse.task_queue()
    async with create_worker(client, tmp_path, task_queue=queue):
        handle = await client.start_workflow(OrderWorkflow.run, order("N-7"), id=f"a/{queue}", task_queue=queue)
        async with asyncio.timeout(30):
            await handle.result()
    worker = RunningWorker(client, queue, None)  # type: ignore[arg-type]
    (execution,) = await visible(worker, 1)
    sealed, open_ = tmp_path / "zu", tmp_path / "offen"
    await Exporter(client, WORKFLOWS, ENCRYPTED, None).export(execution, sealed)
    await Exporter(client, WORKFLOWS, ENCRYPTED, KEEP).export(execution, open_)
    for folder in (sealed, open_):
        text = all_text(folder)
        assert PERSONAL.findall(text) == []
        assert await check.check(folder, WORKFLOWS, ENCRYPTED, say=_silent) == 0
    assert await check.check(sealed, reordered.WORKFLOWS, ENCRYPTED, say=_silent) == 0  # unter 500 Euro
    # Ohne den Schlüssel ist dieselbe History rot, nicht still grün.
    said: list[str] = []
    assert await check.check(sealed, WORKFLOWS, CONVERTER, say=said.append) == 1
    assert "Failed decoding arguments" in "\n".join(said)
    with pytest.raises(NotRedactableError, match="fehlt der Codec"):
        await Exporter(client, WORKFLOWS, CONVERTER, KEEP).export(execution, tmp_path)


async def test_own_search_attributes_do_not_pass_as_encrypted() -> None:
    history = History()
    started = history.events.add().workflow_execution_started_event_attributes
    started.search_attributes.indexed_fields["TemporalChangeVersion"].CopyFrom(_payload("gruss"))
    assert encodings(WorkflowHistory("a", history.events)) == set()
    started.search_attributes.indexed_fields["Kunde"].CopyFrom(_payload("Petersen"))
    assert encodings(WorkflowHistory("a", history.events)) == {"json/plain"}
    # Beim Entschlüsseln bekommt der Codec nur, was er verschlüsselt hat.
    assert await decoded(WorkflowHistory("a", history.events), ENCRYPTED) == history
    for encoding in PLAIN:
        started.search_attributes.indexed_fields["Kunde"].metadata["encoding"] = encoding.encode()
        with pytest.raises(NotRedactableError, match=encoding):
            export._encrypted(WorkflowHistory("a", history.events))


async def test_plain_payloads_do_not_pass_as_encrypted(shop: RunningWorker, tmp_path: Path) -> None:
    execution = (await visible(shop, 6))[0]
    with pytest.raises(NotRedactableError, match="unverschlüsselte Payloads der Kodierung json/plain"):
        await _exporter(shop, None).export(execution, tmp_path)


# --- Abspielen -------------------------------------------------------------------------------------------------------


def _silent(_: str) -> None:
    """Ein Bericht, den niemand liest."""


async def test_good_code_is_green_and_reordered_code_is_red(exported: Path) -> None:
    assert await check.check(exported, WORKFLOWS, CONVERTER, say=_silent) == 0
    said: list[str] = []
    assert await check.check(exported, reordered.WORKFLOWS, CONVERTER, say=said.append) == 1
    report = "\n".join(said)
    # Die drei offenen Aufträge über 500 Euro; der kleine und die Retouren gehen einen anderen Weg.
    assert report.count("PASST NICHT  OrderWorkflow  a/../ü ") == 3
    assert report.count("Event 5, ActivityTaskScheduled reserve_stock") == 3
    assert "activity command 'check_credit'" in report
    assert "3 von 6 Histories passen nicht" in report


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """Ein Ordner wie nach einem Export, ohne Server: ein offener Auftrag und eine Retoure."""
    for name in ("offen-und-umgestellt", "retoure"):
        files.write(tmp_path / "recorded", name, load(PATTERN.history_file(name)))
    return tmp_path / "recorded"


async def test_a_removed_workflow_type_is_red(recorded: Path) -> None:
    said: list[str] = []
    assert await check.check(recorded, [OrderWorkflow], CONVERTER, say=said.append) == 1
    assert "Workflow class ReturnWorkflow is not registered" in "\n".join(said)


async def test_nothing_to_replay_is_never_green(recorded: Path, tmp_path: Path) -> None:
    assert await check.check(tmp_path, WORKFLOWS, CONVERTER, say=_silent) == 2
    assert await check.check(tmp_path / "fehlt", WORKFLOWS, CONVERTER, say=_silent) == 2
    said: list[str] = []
    assert await check.check(recorded, WORKFLOWS, CONVERTER, ["OrderWorkflow", "SagaWorkflow"], said.append) == 2
    assert "keine History von SagaWorkflow" in "\n".join(said)


async def test_the_first_differing_event_is_named() -> None:
    large = load(PATTERN.history_file("offen-und-umgestellt"))
    ((_, finding),) = await Checkout(reordered.WORKFLOWS, CONVERTER).check([large])
    assert finding
    before = WorkflowHistory(large.workflow_id, large.events[: finding.event - 1])
    ((_, none),) = await Checkout(reordered.WORKFLOWS, CONVERTER).check([before])
    assert none is None
    assert large.events[finding.event - 1].event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED


# --- Die Befehle und die Datei für die CI ----------------------------------------------------------------------------


def _steps() -> list[dict[str, Any]]:
    jobs = yaml.safe_load((FOLDER / "replay-test.yml").read_text("utf-8"))["jobs"]
    return [step for job in jobs.values() for step in job["steps"]]


def ci_commands() -> list[list[str]]:
    """Was die Datei für die CI aufruft, ohne `uv run python -m`."""
    words = [shlex.split(step["run"]) for step in _steps() if "run" in step]
    assert all(line[:4] == ["uv", "run", "python", "-m"] for line in words)
    return [line[4:] for line in words]


async def _invoke(main: Callable[..., None], *words: str) -> Any:
    app = typer.Typer()
    app.command()(main)
    # `asyncio.run` im Befehl braucht einen Thread ohne Event-Loop.
    return await asyncio.to_thread(CliRunner().invoke, app, list(words))


async def test_the_ci_file_calls_the_tested_commands(
    shop: RunningWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (exporting, *more), (checking, *demanded) = ci_commands()
    assert (exporting, checking) == (export.__name__, check.__name__)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TEMPORAL_ADDRESS", shop.client.service_client.config.target_host)
    done = await _invoke(export.main, *more, "--query", f'TaskQueue = "{shop.task_queue}"')
    assert done.exit_code == 0, done.output
    done = await _invoke(check.main, *demanded)
    assert done.exit_code == 0, done.output
    assert "0 von 6 Histories passen nicht" in done.output
    done = await _invoke(check.main, *demanded, "--workflows", f"{reordered.__name__}:WORKFLOWS")
    assert done.exit_code == 1, done.output


def _schema_errors(file: Path) -> str:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return "" if done.returncode == 0 else done.stdout


@pytest.mark.gruendlich
def test_the_ci_file_follows_the_published_schema(tmp_path: Path) -> None:
    assert _schema_errors(FOLDER / "replay-test.yml") == ""
    broken = tmp_path / "kaputt.yml"
    broken.write_text((FOLDER / "replay-test.yml").read_text("utf-8").replace("runs-on:", "laeuft-auf:"), "utf-8")
    assert "runs-on" in _schema_errors(broken)


def test_the_pull_request_job_never_reaches_production() -> None:
    jobs = yaml.safe_load((FOLDER / "replay-test.yml").read_text("utf-8"))["jobs"]
    assert jobs["export"]["if"] == "github.event_name != 'pull_request'"
    assert jobs["export"]["environment"] == "produktion"
    assert "TEMPORAL_API_KEY" in jobs["export"]["env"]
    assert not {"env", "environment", "secrets"} & jobs["replay"].keys()
    assert "secrets." not in json.dumps(jobs["replay"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--workflows", "gibt.es:NICHT"], "„gibt.es:NICHT“ gibt es nicht"),
        (["--workflows", "json"], "„json“ gibt es nicht"),
        (["--converter", "json:NICHTS"], "„json:NICHTS“ gibt es nicht"),
        (["--ordner", "kaputt"], "steht keine History"),
        (["--ordner", str(PATTERN.histories), "--verlange", "SagaWorkflow"], "keine History von SagaWorkflow"),
    ],
)
async def test_wrong_usage_ends_with_2(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kaputt").mkdir()
    (tmp_path / "kaputt" / "eins.json").write_text('{"events": []}', "utf-8")
    done = await _invoke(check.main, *words)
    assert (done.exit_code, message in done.output) == (2, True), done.output


async def test_a_missing_server_ends_with_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    done = await _invoke(export.main, "--ordner", str(tmp_path))
    assert done.exit_code == 2
    assert "antwortet nicht" in done.output


async def test_the_options_of_the_export_count(
    shop: RunningWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", shop.client.service_client.config.target_host)
    asked: list[timedelta] = []

    def query(closed_for: timedelta, extra: str) -> str:
        asked.append(closed_for)
        return extra

    # Mit der Uhr zu vergleichen hieße, sich auf die Zeit des Servers zu verlassen; im Zeitraffer geht sie vor.
    monkeypatch.setattr(selection, "query", query)
    only = ("--ordner", str(tmp_path), "--query", f'TaskQueue = "{shop.task_queue}"', "--je-gruppe", "1")
    done = await _invoke(export.main, *only, "--geschlossen-seit-tagen", "3", "--verschluesselt")
    # Offene Aufträge, offene Retouren, ein beendeter Auftrag; verschlüsselt ist nichts davon.
    assert (done.exit_code, done.output.count("unverschlüsselte Payloads")) == (1, 3), done.output
    assert "0 von 3 ausgewählten" in done.output
    assert asked == [timedelta(days=3)]
    done = await _invoke(export.main, *only, "--behalten", "fehlt.toml")
    assert (done.exit_code, "fehlt.toml fehlt" in done.output) == (2, True), done.output
    done = await _invoke(export.main, *only, "--converter", "json:NICHTS")
    assert (done.exit_code, "„json:NICHTS“ gibt es nicht" in done.output) == (2, True), done.output


async def test_a_wrong_query_ends_with_2(shop: RunningWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", shop.client.service_client.config.target_host)
    done = await _invoke(export.main, "--ordner", str(tmp_path), "--query", "Unsinn = 1")
    assert done.exit_code == 2
    assert "Der Server lehnt ab" in done.output


def test_the_keep_list_must_be_readable(tmp_path: Path) -> None:
    with pytest.raises(typer.Exit):
        command.read_keep(tmp_path / "fehlt.toml")
    assert {"amount", "country", "payment"} <= KEEP
