"""Historie: laden und schreiben, vereinheitlichen, Schritte, Quellzeilen."""

import asyncio
import base64
import json
import os
import re
import sysconfig
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowFailureError, WorkflowHandle, WorkflowHistory, WorkflowUpdateFailedError
from temporalio.worker import Replayer, Worker

from dauerlauf.errors import DauerlaufError
from dauerlauf.history import (
    BASE_TIME,
    Step,
    StepKind,
    dump,
    duration_text,
    failure_text,
    load,
    normalise,
    readable,
    same_behaviour,
    size_text,
    source_lines,
    steps,
)
from dauerlauf.history._normalise import _snap
from dauerlauf.scenario import find_pattern
from dauerlauf.timelapse import Timelapse, result
from werkbank import verlauf_workflows
from werkbank.verlauf_workflows import ACTIVITIES, WORKFLOWS, Desk, Fulfilment, Order

SOURCE = Path(verlauf_workflows.__file__).read_text(encoding="utf-8").splitlines()


@asynccontextmanager
async def worker(timelapse: Timelapse, queue: str, identity: str = "worker-1") -> AsyncIterator[None]:
    async with Worker(timelapse.client_for(identity), task_queue=queue, workflows=WORKFLOWS, activities=ACTIVITIES):
        yield


async def fulfil(timelapse: Timelapse, order: Order, client: Any = None) -> WorkflowHandle[Any, Any]:
    queue = timelapse.task_queue()
    async with worker(timelapse, queue):
        handle = await (client or timelapse.client).start_workflow(
            Fulfilment.run, order, id=f"versand-{queue[3:]}", task_queue=queue
        )
        try:
            await result(handle)
        except WorkflowFailureError:
            assert order.cents > 100_000
    return handle


async def desk(timelapse: Timelapse, rest: int = 0) -> WorkflowHandle[Any, Any]:
    """Ein Lauf mit Signal, angenommenem und abgelehntem Update."""
    queue = timelapse.task_queue()
    async with worker(timelapse, queue):
        with timelapse.unskipped():
            handle = await timelapse.client.start_workflow(Desk.run, rest, id=f"tisch-{queue}", task_queue=queue)
        # Sonst steht das Update mal im ersten, mal im zweiten Workflow-Task.
        await wait_for_event(handle, "timer_started_event_attributes")
        assert await handle.execute_update(Desk.amount, 1999) == 1999
        with pytest.raises(WorkflowUpdateFailedError):
            await handle.execute_update(Desk.amount, -1)
        await handle.signal(Desk.decide, "Büro")
        first = timelapse.client.get_workflow_handle(handle.id, run_id=handle.first_execution_run_id)
        if rest:
            # Erst dann: Der Sprung soll im zweiten Lauf stehen.
            await wait_for_event(first, "workflow_execution_continued_as_new_event_attributes")
            await timelapse.fast_forward(timelapse.client.get_workflow_handle(handle.id))
        await result(handle)
    return first


async def wait_for_event(handle: WorkflowHandle[Any, Any], attributes: str) -> None:
    async with asyncio.timeout(30):
        while not any(event.HasField(attributes) for event in (await handle.fetch_history()).events):  # type: ignore[arg-type]
            await asyncio.sleep(0.01)


@pytest.fixture(scope="session")
async def recorded(timelapse: Timelapse) -> dict[str, WorkflowHistory]:
    """Echte Läufe, ein zweites Mal unter „… (2)“."""
    runs: dict[str, WorkflowHistory] = {}
    for suffix in ("", " (2)"):
        runs[f"glatt{suffix}"] = await (await fulfil(timelapse, Order("N-1"))).fetch_history()
        runs[f"fehler{suffix}"] = await (await fulfil(timelapse, Order("N-2", 200_000))).fetch_history()
        runs[f"tisch{suffix}"] = await (await desk(timelapse)).fetch_history()
        runs[f"weiter{suffix}"] = await (await desk(timelapse, rest=1)).fetch_history()
    return runs


NAMES = ["glatt", "fehler", "tisch", "weiter"]


def find(found: list[Step], kind: StepKind, name: str = "") -> Step:
    return next(step for step in found if step.kind is kind and (not name or step.name == name))


# -- laden und schreiben


@pytest.mark.parametrize("name", NAMES)
def test_geschrieben_und_gelesen_ist_dasselbe(recorded: dict[str, WorkflowHistory], name: str, tmp_path: Path) -> None:
    for history in (recorded[name], normalise(recorded[name])):
        file = tmp_path / "lauf.json"
        file.write_text(dump(history), encoding="utf-8")
        again = load(file)
        assert again.workflow_id == history.workflow_id
        assert list(again.events) == list(history.events)
        assert dump(again) == dump(history)
        assert WorkflowHistory.from_json(history.workflow_id, dump(history)).events == history.events


async def test_liest_was_die_kommandozeile_von_temporal_schreibt(timelapse: Timelapse, tmp_path: Path) -> None:
    handle = await fulfil(timelapse, Order("N-3"))
    binary = os.environ.get("DAUERLAUF_TEMPORAL_CLI") or f"{sysconfig.get_path('scripts')}/temporal"
    process = await asyncio.create_subprocess_exec(
        *(binary, "workflow", "show", "-w", handle.id, "-o", "json"),
        *("--address", timelapse.client.service_client.config.target_host),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 20)
    file = tmp_path / "lauf.json"
    file.write_bytes(output)
    read = load(file)
    fetched = await handle.fetch_history()
    assert read.workflow_id == handle.id
    assert dump(read) == dump(fetched)
    # Die Form ist dieselbe: gleiche Schlüssel und Werte, nur die Reihenfolge der Schlüssel nicht.
    assert json.loads(output) == json.loads(dump(fetched))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("kein json", "keine JSON-Datei"),
        ("[1, 2]", "keine Event History"),
        ("{}", "keine Event History"),
        ('{"events": []}', "keine Event History"),
        ('{"events": [1]}', "keine Event History"),
        ('{"events": [{"eventId": "eins"}]}', "keine Event History"),
        ('{"events": [{"eventId": "1", "eventType": "EVENT_TYPE_TIMER_FIRED"}]}', "WorkflowExecutionStarted"),
        ("[" * 100_000, "keine"),
    ],
)
def test_sagt_was_an_einer_datei_falsch_ist(tmp_path: Path, content: str, problem: str) -> None:
    file = tmp_path / "x.json"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(DauerlaufError, match=problem) as caught:
        load(file)
    assert "\n" not in str(caught.value)


def test_sagt_dass_eine_datei_fehlt(tmp_path: Path) -> None:
    with pytest.raises(DauerlaufError, match="lässt sich nicht lesen"):
        load(tmp_path / "fehlt.json")


def shuffled(value: Any, draw: Any) -> Any:
    if isinstance(value, dict):
        return {key: shuffled(value[key], draw) for key in draw(st.permutations(sorted(value)))}
    return [shuffled(item, draw) for item in value] if isinstance(value, list) else value


@given(st.data())
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_die_reihenfolge_der_schluessel_ist_gleich(
    recorded: dict[str, WorkflowHistory], tmp_path: Path, data: st.DataObject
) -> None:
    text = dump(recorded["fehler"])
    file = tmp_path / "lauf.json"
    file.write_text(json.dumps(shuffled(json.loads(text), data.draw)), encoding="utf-8")
    assert dump(load(file)) == text


# -- vereinheitlichen


@pytest.mark.parametrize("name", NAMES)
def test_zwei_laeufe_ergeben_dieselben_bytes(recorded: dict[str, WorkflowHistory], name: str) -> None:
    first, second = normalise(recorded[name]), normalise(recorded[f"{name} (2)"])
    assert dump(first) == dump(second)
    assert dump(recorded[name]) != dump(recorded[f"{name} (2)"])
    assert same_behaviour(first, second)


@pytest.mark.parametrize("name", NAMES)
def test_zweimal_vereinheitlichen_aendert_nichts(recorded: dict[str, WorkflowHistory], name: str) -> None:
    once = normalise(recorded[name])
    assert dump(normalise(once)) == dump(once)


@pytest.mark.parametrize("name", NAMES)
async def test_vereinheitlichtes_laesst_sich_abspielen(recorded: dict[str, WorkflowHistory], name: str) -> None:
    # `Fulfilment` verlangt nach der Frist, dass die Uhr weiter ist als die Frist: Auch das muss erhalten bleiben.
    await Replayer(workflows=WORKFLOWS).replay_workflow(normalise(recorded[name]))


@pytest.mark.parametrize("name", NAMES)
def test_nichts_von_maschine_prozess_und_uhr_bleibt(recorded: dict[str, WorkflowHistory], name: str) -> None:
    history = recorded[name]
    text = decoded(dump(normalise(history)))
    raw = decoded(dump(history))
    secrets = {history.run_id, f"{os.getpid()}@", str(Path.cwd()), "site-packages", "sdkVersion", "buildId"}
    secrets |= set(re.findall(r'"taskId": "(\d{6,})"', raw)) | set(re.findall(r"\d{4}-\d\d-\d\dT\d\d:\d\d", raw))
    assert not [secret for secret in secrets if secret in text]
    assert {secret for secret in secrets if secret in raw} >= {history.run_id, "sdkVersion", "buildId"}
    assert all(
        number.startswith("00000000-0000-4000-8000-") for number in re.findall(r"[0-9a-f]{8}-[0-9a-f-]{27}", text)
    )


def decoded(text: str) -> str:
    """Die Datei samt dem Klartext der Payloads."""
    plain = [base64.b64decode(data).decode() for data in re.findall(r'"data": "([^"]*)"', text)]
    return text + "\n".join(plain)


def test_zeiten_zeigen_das_verhalten(recorded: dict[str, WorkflowHistory]) -> None:
    found = steps(normalise(recorded["glatt"]))
    assert normalise(recorded["glatt"]).events[0].event_time.ToDatetime() == BASE_TIME.replace(tzinfo=None)
    assert find(found, StepKind.ACTIVITY_COMPLETED, "reserve").time < timedelta(seconds=1)
    third_attempt = next(step for step in found if step.kind is StepKind.ACTIVITY_STARTED and step.attempt == 3)
    assert timedelta(0) <= third_attempt.time - timedelta(minutes=30) < timedelta(milliseconds=100)
    fired = find(found, StepKind.TIMER_FIRED)
    assert timedelta(0) <= fired.time - timedelta(days=3) < timedelta(milliseconds=100)


def test_vergebene_namen_bleiben(recorded: dict[str, WorkflowHistory]) -> None:
    text = dump(normalise(recorded["glatt"]))
    assert set(re.findall(r'"identity": "([^"]+)"', text)) == {"client", "worker-1"}
    names = set(re.findall(r'"(?:name|normalName)": "([^"]+)"', text))
    assert names == {"Fulfilment", "Letter", "reserve", "charge", "ship", "tq", "sticky"}


def test_stacktraces_zeigen_nur_eigenen_code(recorded: dict[str, WorkflowHistory]) -> None:
    failed = normalise(recorded["fehler"]).events[-1].workflow_execution_failed_event_attributes.failure
    assert failed.cause.stack_trace == (
        '  File "verlauf_workflows.py", in charge\n'
        '    raise ApplicationError("Karte abgelehnt", type="CardDeclined", non_retryable=True)\n'
    )


def test_unterschiede_im_verhalten_fallen_auf(recorded: dict[str, WorkflowHistory]) -> None:
    history = normalise(recorded["glatt"])
    assert same_behaviour(history, history)
    assert not same_behaviour(history, normalise(recorded["fehler"]))
    shorter = WorkflowHistory(history.workflow_id, list(history.events)[:-1])
    assert not same_behaviour(history, shorter)


def activities(*told: str) -> WorkflowHistory:
    """Aufträge („+a“), Ergebnisse („-a“) und Fehler („!a“) von Activities in dieser Reihenfolge."""
    history: list[HistoryEvent] = []
    opened: dict[str, int] = {}
    for number, entry in enumerate(told, 1):
        sign, name = entry[0], entry[1:]
        kind = {"+": "SCHEDULED", "-": "COMPLETED", "!": "FAILED"}[sign]
        event = HistoryEvent(event_id=number, event_type=EventType.Value(f"EVENT_TYPE_ACTIVITY_TASK_{kind}"))
        if sign == "+":
            event.activity_task_scheduled_event_attributes.activity_type.name = name
            opened[name] = number
        else:
            attributes = getattr(event, f"activity_task_{kind.lower()}_event_attributes")
            attributes.scheduled_event_id = opened[name]
        history.append(event)
    return WorkflowHistory("w", history)


def test_zufall_zaehlt_nicht_entscheidungen_schon() -> None:
    told = activities("+a", "+b", "-a", "-b")
    assert same_behaviour(told, activities("+a", "+b", "-b", "-a"))
    assert not same_behaviour(told, activities("+b", "+a", "-a", "-b"))
    assert not same_behaviour(told, activities("+a", "+b", "-a", "!b"))


@pytest.mark.parametrize(
    ("seconds", "rounded"), [(0.7, 0), (1.03, 1), (10.4, 10), (3599.7, 3600), (86_401.2, 86_400), (86_431, 86_460)]
)
def test_das_zittern_einer_messung_verschwindet(seconds: float, rounded: int) -> None:
    assert _snap(int(seconds * 10**9)) == rounded * 10**9


@given(st.integers(0, 10**12), st.integers(0, 10**12))
def test_groessere_abstaende_bleiben_groesser(one: int, other: int) -> None:
    low, high = sorted((one, other))
    assert 0 <= _snap(low) <= _snap(high)
    assert abs(_snap(low) - low) <= 30 * 10**9


# -- Schritte


def test_ein_lauf_liest_sich_wie_eine_geschichte(recorded: dict[str, WorkflowHistory]) -> None:
    found = [step for step in steps(normalise(recorded["glatt"])) if not step.internal]
    told = [(step.kind.value, step.name, step.detail) for step in found]
    assert told[0] == ("Start", "Fulfilment", "cents: 4990, customer: „Jörg Weiß“, number: „N-1“")
    assert ("Activity erledigt", "reserve", "„R-N-1“") in told
    assert ("Suchattribute", "", "BestellStatus = „bezahlt“") in told
    assert ("Activity gestartet", "ship", "Versuch 2: RuntimeError: Paketdienst antwortet nicht") in told
    assert ("Patch", "mit-brief", "") in told
    assert ("Child Workflow fertig", "Letter", "2") in told
    assert ("Local Activity", "notify", "") in told
    assert told[-1] == ("Fertig", "", "„fertig N-1“")


def test_ein_fehler_nennt_seine_ursache(recorded: dict[str, WorkflowHistory]) -> None:
    last = steps(recorded["fehler"])[-1]
    assert last.kind is StepKind.FAILED
    assert last.detail == "charge gescheitert ← CardDeclined: Karte abgelehnt (nicht wiederholbar)"


def test_eingriffe_kommen_vom_client(recorded: dict[str, WorkflowHistory]) -> None:
    found = steps(recorded["tisch"])
    signal = find(found, StepKind.SIGNAL)
    assert (signal.title, signal.detail, signal.actor) == ("Signal decide", "„Büro“", "client")
    accepted = find(found, StepKind.UPDATE_ACCEPTED)
    assert (accepted.title, accepted.detail) == ("Update amount angenommen", "1999")
    completed = find(found, StepKind.UPDATE_COMPLETED)
    assert (completed.title, completed.detail, completed.caused_by) == (
        "Update amount beantwortet",
        "1999",
        accepted.number,
    )
    assert find(found, StepKind.TIMER_CANCELED).duration == timedelta(days=1)


def test_continue_as_new_ist_das_ende_eines_laufs(recorded: dict[str, WorkflowHistory]) -> None:
    last = steps(recorded["weiter"])[-1]
    assert (last.kind, last.detail) == (StepKind.CONTINUED_AS_NEW, "0")


def test_zeitspruenge_und_workflow_tasks_zaehlen_nicht(recorded: dict[str, WorkflowHistory]) -> None:
    found = steps(normalise(recorded["glatt"]))
    jumps = [step for step in found if step.kind is StepKind.TIME_SKIP]
    assert jumps
    assert all(step.internal and step.duration for step in jumps)
    assert all(step.internal for step in found if step.kind is StepKind.WORKFLOW_TASK)
    assert sum(not step.internal for step in found) < len(found) / 2


def task(number: int, kind: str, **attributes: Any) -> HistoryEvent:
    event = HistoryEvent(event_id=number, event_type=EventType.Value(f"EVENT_TYPE_WORKFLOW_TASK_{kind.upper()}"))
    target = getattr(event, f"workflow_task_{kind}_event_attributes")
    target.SetInParent()
    for name, value in attributes.items():
        setattr(target, name, value)
    return event


def test_absturz_und_uebernahme_sind_zu_erkennen() -> None:
    events = [
        task(1, "scheduled"),
        task(2, "started", scheduled_event_id=1, identity="worker-1"),
        task(3, "completed", scheduled_event_id=1, identity="worker-1"),
        task(4, "scheduled"),
        task(5, "timed_out", scheduled_event_id=4, timeout_type=2),
        task(6, "scheduled"),
        task(7, "started", scheduled_event_id=6, identity="worker-2"),
        task(8, "completed", scheduled_event_id=6, identity="worker-2"),
    ]
    visible = [step for step in steps(WorkflowHistory("w", events)) if not step.internal]
    assert [(step.number, step.kind, step.title) for step in visible] == [
        (5, StepKind.CRASH, "worker-1 antwortet nicht"),
        (7, StepKind.TAKEOVER, "worker-2 übernimmt"),
    ]
    events[6].workflow_task_started_event_attributes.identity = "worker-1"
    assert steps(WorkflowHistory("w", events))[6].title == "worker-1 macht weiter"


ATTRIBUTE_FIELDS = [
    field for field in HistoryEvent.DESCRIPTOR.fields if field.containing_oneof is not None and field.message_type
]


def random_message(message: Any, draw: Any, depth: int = 0) -> None:
    """Füllt eine Protobuf-Nachricht mit beliebigen Werten."""
    for field in message.DESCRIPTOR.fields:
        if not draw(st.booleans()) or depth > 3:
            continue
        if field.is_repeated:
            continue
        if field.message_type is not None:
            getattr(message, field.name).SetInParent()
            random_message(getattr(message, field.name), draw, depth + 1)
        elif field.type == field.TYPE_STRING:
            setattr(message, field.name, draw(st.text(max_size=12)))
        elif field.type == field.TYPE_BYTES:
            setattr(message, field.name, draw(st.binary(max_size=12)))
        elif field.type == field.TYPE_BOOL:
            setattr(message, field.name, True)
        elif field.type in (field.TYPE_FLOAT, field.TYPE_DOUBLE):
            setattr(message, field.name, draw(st.floats(width=32)))
        else:
            setattr(message, field.name, draw(st.integers(0, 20)))


@st.composite
def histories(draw: Any) -> WorkflowHistory:
    """Historien, die kein Server je schreiben würde."""
    events = []
    for number in range(1, draw(st.integers(1, 6)) + 1):
        event = HistoryEvent(event_id=number, event_type=draw(st.integers(0, 99)))
        event.event_time.FromNanoseconds(draw(st.integers(10**18, 2 * 10**18)))
        if draw(st.integers(0, 9)):
            field = draw(st.sampled_from(ATTRIBUTE_FIELDS))
            getattr(event, field.name).SetInParent()
            random_message(getattr(event, field.name), draw)
        events.append(event)
    return WorkflowHistory("beliebig", events)


@given(histories())
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_keine_historie_bringt_die_werkbank_zu_fall(history: WorkflowHistory) -> None:
    found = steps(history)
    assert [step.number for step in found] == [event.event_id for event in history.events]
    assert all(step.title.strip() for step in found)
    once = normalise(history)
    assert len(steps(once)) == len(found)
    dump(once)


def test_jede_art_von_event_hat_einen_deutschen_titel() -> None:
    """Auch die, die dieses Kochbuch noch nirgends benutzt; nur was das SDK neu einführt, behält seinen Namen."""
    english = []
    for field in ATTRIBUTE_FIELDS:
        value = field.name.removesuffix("_event_attributes").upper()
        event = HistoryEvent(event_id=1, event_type=EventType.Value(f"EVENT_TYPE_{value}"))
        getattr(event, field.name).SetInParent()
        step = steps(WorkflowHistory("w", [event]))[0]
        if step.title == step.event:
            english.append(step.event)
    assert english == ["WorkflowPropertiesModifiedExternally", "ActivityPropertiesModifiedExternally"]


# -- lesbar


def payload(encoding: str, data: bytes) -> Payload:
    return Payload(metadata={"encoding": encoding.encode()}, data=data)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (payload("json/plain", b'"R-1"'), "„R-1“"),
        (payload("json/plain", b'{"a": [1, true, null], "b": {"c": "x"}}'), "a: [1, ja, null], b: {c: „x“}"),
        (payload("json/plain", b"null"), ""),
        (payload("json/plain", b"{"), "unlesbares JSON (1 Byte)"),
        (payload("json/plain", b'"' + b"x" * 100_000 + b'"'), "JSON (97,7 KiB)"),
        (payload("json/plain", b"[" * 60_000), "unlesbares JSON (58,6 KiB)"),
        (payload("binary/null", b""), ""),
        (payload("binary/plain", b"\x00" * 2048), "Binärdaten (2,0 KiB)"),
        (payload("binary/encrypted", b"123"), "verschlüsselt (3 Byte)"),
        (payload("zip", b"123"), "zip (3 Byte)"),
        (Payload(data=b"123"), "Binärdaten (3 Byte)"),
    ],
)
def test_payloads_werden_lesbar(value: Payload, text: str) -> None:
    assert readable(value) == text


@given(st.dictionaries(st.text(max_size=8), st.binary(max_size=20), max_size=3), st.binary(max_size=80))
def test_kein_payload_bringt_readable_zu_fall(metadata: dict[str, bytes], data: bytes) -> None:
    for found in (Payload(metadata=metadata, data=data), payload("json/plain", data)):
        assert all(char.isprintable() for char in readable(found))


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(0), "0 s"),
        (timedelta(milliseconds=250), "250 ms"),
        (timedelta(seconds=1.5), "1,5 s"),
        (timedelta(seconds=2.999), "3 s"),
        (timedelta(seconds=59.999), "59 s"),
        (timedelta(hours=2, minutes=30, seconds=9), "2 h 30 min"),
        (timedelta(days=1), "1 Tag"),
        (timedelta(days=400, hours=1), "400 Tage 1 h"),
    ],
)
def test_dauern_haben_hoechstens_zwei_einheiten(duration: timedelta, text: str) -> None:
    assert duration_text(duration) == text


def test_groessen_haben_ein_komma() -> None:
    assert [size_text(n) for n in (5, 1536, 3 * 1024 * 1024)] == ["5 Byte", "1,5 KiB", "3,0 MiB"]


def test_endlose_ursachen_enden() -> None:
    failure = Failure(message="innen")
    for number in range(60):
        failure = Failure(message=f"Ebene {number}", cause=failure)
    assert failure_text(failure).count("←") < 30


# -- Quellzeilen


def line_of(text: str) -> int:
    return next(number for number, line in enumerate(SOURCE, 1) if line.strip() == text)


@pytest.mark.parametrize("name", NAMES)
async def test_jeder_befehl_kennt_seine_zeile(recorded: dict[str, WorkflowHistory], name: str) -> None:
    history = normalise(recorded[name])
    found = await source_lines(history, WORKFLOWS)
    assert {line.file for line in found.values()} == {"verlauf_workflows.py"}
    for number, line in found.items():
        assert SOURCE[line.line - 1].strip() == line.text, number
    commands = {
        *(StepKind.STARTED, StepKind.ACTIVITY_SCHEDULED, StepKind.TIMER_STARTED, StepKind.TIMER_CANCELED),
        *(StepKind.CHILD_INITIATED, StepKind.PATCH, StepKind.LOCAL_ACTIVITY, StepKind.SIGNAL),
        *(StepKind.UPDATE_ACCEPTED, StepKind.COMPLETED, StepKind.FAILED, StepKind.CONTINUED_AS_NEW),
    }
    assert not [step for step in steps(history) if step.kind in commands and step.number not in found]


async def test_die_zeilen_sind_die_richtigen(recorded: dict[str, WorkflowHistory]) -> None:
    history = normalise(recorded["glatt"])
    found = steps(history, sources=await source_lines(history, WORKFLOWS))
    expected = {
        (StepKind.ACTIVITY_SCHEDULED, "reserve"): (
            "await workflow.execute_activity(reserve, order, start_to_close_timeout=LIMIT)"
        ),
        (StepKind.ATTRIBUTES, ""): 'workflow.upsert_search_attributes([STATUS.value_set("bezahlt")])',
        (StepKind.TIMER_STARTED, ""): "await asyncio.sleep((deadline - workflow.now()).total_seconds())",
        (StepKind.PATCH, "mit-brief"): 'if workflow.patched("mit-brief"):',
        (StepKind.LOCAL_ACTIVITY, "notify"): (
            'await workflow.execute_local_activity(notify, "versandt", start_to_close_timeout=LIMIT)'
        ),
        (StepKind.COMPLETED, ""): 'return f"fertig {order.number}"',
    }
    for (kind, name), text in expected.items():
        source = find(found, kind, name).source
        assert source is not None
        assert (source.text, source.line) == (text, line_of(text))
    started = find(found, StepKind.STARTED).source
    assert started is not None
    assert started.text == "async def run(self, order: Order) -> str:"
    assert (started.function, str(started)) == ("Fulfilment.run", f"verlauf_workflows.py:{started.line}")


async def test_auch_in_gather_findet_sich_die_zeile(recorded: dict[str, WorkflowHistory]) -> None:
    """Die Koroutine läuft in einer eigenen Task: Dort steht kein Rahmen des Workflows auf dem Stapel."""
    history = normalise(recorded["tisch"])
    found = steps(history, sources=await source_lines(history, WORKFLOWS))
    source = find(found, StepKind.ACTIVITY_SCHEDULED, "notify").source
    assert source is not None
    assert source.text.startswith("await asyncio.gather(")


async def test_eine_historie_die_nicht_passt_wird_abgelehnt(recorded: dict[str, WorkflowHistory]) -> None:
    with pytest.raises(DauerlaufError, match="passt nicht zum Code"):
        await source_lines(normalise(recorded["glatt"]), [verlauf_workflows.ChangedFulfilment])


async def test_quellzeilen_kosten_wenig(recorded: dict[str, WorkflowHistory]) -> None:
    history = normalise(recorded["glatt"])
    started = time.perf_counter()
    await source_lines(history, WORKFLOWS)
    assert time.perf_counter() - started < 2


def test_versionen_von_deployments_bleiben_und_stehen_im_verlauf() -> None:
    recorded = load(find_pattern("worker_versionierung").history_file("umgelenkt"))
    before = dump(recorded)
    for event in recorded.events:
        # So kommt es vom Server: Jeder Workflow-Task nennt die Build-ID ein zweites Mal.
        done = event.workflow_task_completed_event_attributes
        if event.HasField("workflow_task_completed_event_attributes"):
            done.worker_version.build_id = done.deployment_version.build_id
    assert dump(normalise(recorded)) == before
    titles = [step.title for step in steps(recorded) if "Version" in step.title]
    assert titles == ["Version 1.0 beginnt", "umgelenkt auf Version 1.1", "Version 1.1 macht weiter"]
