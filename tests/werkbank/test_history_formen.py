"""Fremde Histories: jede Form, in der CLI, Web UI und SDKs sie schreiben, und alles, was keine ist."""

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dauerlauf.errors import DauerlaufError
from dauerlauf.history import StepKind, dump, load, steps
from dauerlauf.history._forms import protojson
from dauerlauf.scenario import find_pattern

NOW = "2026-01-05T08:00:00.123456789Z"


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def event(number: int, kind: str, time: str = NOW, **attributes: Any) -> dict[str, Any]:
    name = "".join(word.capitalize() for word in kind.split("_"))
    key = f"{name[0].lower()}{name[1:]}EventAttributes"
    return {"eventId": str(number), "eventTime": time, "eventType": f"EVENT_TYPE_{kind.upper()}", key: attributes}


def payload(value: Any) -> dict[str, Any]:
    return {"metadata": {"encoding": b64("json/plain")}, "data": b64(json.dumps(value))}


def plain() -> list[dict[str, Any]]:
    """Ein kleiner Lauf in der Form von `temporal workflow show -o json`."""
    retry = {"initialInterval": "1s", "backoffCoefficient": 2}
    return [
        event(
            *(1, "workflow_execution_started"),
            workflowId="bestellung-1",
            workflowType={"name": "Bestellung"},
            taskQueue={"name": "tq", "kind": "TASK_QUEUE_KIND_NORMAL"},
            input={"payloads": [payload({"nummer": "N-1"})]},
        ),
        event(
            *(2, "activity_task_scheduled"),
            activityId="1",
            activityType={"name": "reserve"},
            input={"payloads": [payload("größer ☕")]},
            retryPolicy=retry,
        ),
        event(3, "activity_task_started", scheduledEventId="2", attempt=1, identity="worker-1"),
        event(4, "activity_task_timed_out", scheduledEventId="2", startedEventId="3", retryState="RETRY_STATE_TIMEOUT"),
        event(5, "workflow_execution_failed", failure={"message": "aus", "timeoutFailureInfo": {}}, retryState=1),
    ]


def save(folder: Path, content: Any) -> Path:
    file = folder / "lauf.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return file


def pascal(value: Any) -> Any:
    """Die Schreibweise älterer Ausgaben: `WorkflowExecutionStarted` statt `EVENT_TYPE_WORKFLOW_EXECUTION_STARTED`."""
    if isinstance(value, dict):
        return {key: pascal(item) for key, item in value.items()}
    if isinstance(value, list):
        return [pascal(item) for item in value]
    match = re.fullmatch(r"(EVENT_TYPE|RETRY_STATE|TASK_QUEUE_KIND)_([A-Z_]+)", str(value))
    return "".join(word.capitalize() for word in match[2].split("_")) if match else value


def snake(value: Any) -> Any:
    """Feldnamen, wie Protobuf sie deklariert: `event_id` statt `eventId`."""
    if isinstance(value, dict):
        return {re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key).lower(): snake(item) for key, item in value.items()}
    return [snake(item) for item in value] if isinstance(value, list) else value


def numbers(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Aufzählungen als Zahlen, wie manche JSON-Schreiber sie ausgeben."""
    kinds = {"workflow_execution_started": 1, "activity_task_scheduled": 10, "activity_task_started": 11}
    kinds |= {"activity_task_timed_out": 14, "workflow_execution_failed": 3}
    return [
        entry | {"eventType": kinds[entry["eventType"].removeprefix("EVENT_TYPE_").lower()], "eventId": int(number)}
        for number, entry in enumerate(events, 1)
    ]


def readable(value: Any) -> Any:
    """Payloads im Klartext, wie die Web UI sie auf Wunsch schreibt."""
    if isinstance(value, dict) and set(value) == {"metadata", "data"}:
        return {"metadata": {"encoding": "json/plain"}, "data": json.loads(base64.b64decode(value["data"]))}
    if isinstance(value, dict):
        return {key: readable(item) for key, item in value.items()}
    return [readable(item) for item in value] if isinstance(value, list) else value


def values_only(value: Any) -> Any:
    """Von den Payloads bleiben nur die Werte."""
    if isinstance(value, dict) and set(value) == {"metadata", "data"}:
        return json.loads(base64.b64decode(value["data"]))
    if isinstance(value, dict):
        return {key: values_only(item) for key, item in value.items()}
    return [values_only(item) for item in value] if isinstance(value, list) else value


def shorthand(value: Any) -> Any:
    """Die Kurzform der CLI: eine Liste von Werten statt `payloads`."""
    if isinstance(value, dict) and set(value) == {"payloads"}:
        return values_only(value["payloads"])
    if isinstance(value, dict):
        return {key: shorthand(item) for key, item in value.items()}
    return [shorthand(item) for item in value] if isinstance(value, list) else value


FORMS: dict[str, Callable[[], Any]] = {
    "cli": lambda: {"events": plain()},
    "grpc-antwort": lambda: {"history": {"events": plain()}, "nextPageToken": ""},
    "nur-die-liste": plain,
    "jsonl": lambda: "\n".join(json.dumps(entry) for entry in plain()),
    "pascal": lambda: {"events": pascal(plain())},
    "snake": lambda: {"events": snake(plain())},
    "zahlen": lambda: {"events": numbers(plain())},
    "neueste-zuerst": lambda: {"events": plain()[::-1]},
    "web-ui-lesbar": lambda: {"events": readable(plain())},
    "nur-werte": lambda: {"events": values_only(plain())},
    "kurzform": lambda: {"events": shorthand(plain())},
    "web-ui-zusatz": lambda: [
        entry | {"attributes": {"type": "x"}, "classification": "y", "id": 1} for entry in plain()
    ],
    "neue-felder": lambda: {"events": [entry | {"future": {"a": [1]}, "links": []} for entry in plain()]},
    "null-felder": lambda: {"events": [entry | {"userMetadata": None, "principal": None} for entry in plain()]},
}


@pytest.mark.parametrize("form", FORMS)
def test_jede_form_ergibt_denselben_lauf(tmp_path: Path, form: str) -> None:
    expected = load(save(tmp_path, {"events": plain()}))
    found = load(save(tmp_path, FORMS[form]()))
    assert found.workflow_id == "bestellung-1"
    assert dump(found) == dump(expected)
    told = [(step.title, step.detail) for step in steps(found)]
    assert told[1] == ("reserve beauftragt", "„größer ☕“")
    assert told[-1][0] == "Workflow gescheitert"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_powershell_schreibt_mit_marke(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "lauf.json"
    file.write_text(json.dumps({"events": plain()}, ensure_ascii=False), encoding=encoding)
    assert steps(load(file))[1].detail == "„größer ☕“"


def test_unbekannte_events_neuerer_server_bleiben_zaehlbar(tmp_path: Path) -> None:
    new = {"eventId": "6", "eventTime": NOW, "eventType": "EVENT_TYPE_FROM_THE_FUTURE", "futureEventAttributes": {}}
    found = steps(load(save(tmp_path, {"events": [*plain(), new]})))
    assert (found[-1].number, found[-1].kind, found[-1].title) == (6, StepKind.OTHER, "Unbekanntes Event")


def test_andere_kodierungen_werden_benannt(tmp_path: Path) -> None:
    events = plain()
    events[0]["workflowExecutionStartedEventAttributes"]["input"] = {
        "payloads": [
            {"metadata": {"encoding": b64("binary/encrypted")}, "data": b64("geheim")},
            {"metadata": {"encoding": b64("json/protobuf"), "messageType": b64("a.B")}, "data": b64('{"a": 1}')},
            {"metadata": {"encoding": "binary/plain"}, "data": "lesbar"},
            {"metadata": {"encoding": b64("binary/null")}},
            {"metadata": {"encoding": "json/plain"}, "data": None},
        ]
    }
    detail = steps(load(save(tmp_path, {"events": events})))[0].detail
    assert detail == "verschlüsselt (6 Byte), a: 1, Binärdaten (6 Byte)"


def marker(name: str, **details: Any) -> dict[str, Any]:
    return event(
        *(2, "marker_recorded"),
        markerName=name,
        details={key.replace("_", "-"): {"payloads": [payload(value)]} for key, value in details.items()},
    )


@pytest.mark.parametrize(
    ("told", "kind", "name"),
    [
        (marker("core_local_activity", data={"activity_type": "price"}, result=1), StepKind.LOCAL_ACTIVITY, "price"),
        (marker("LocalActivity", data={"ActivityType": "price", "Attempt": 0}), StepKind.LOCAL_ACTIVITY, "price"),
        (marker("LocalActivity", type="price", result="x"), StepKind.LOCAL_ACTIVITY, "price"),
        (marker("core_patch", data={"id": "neu", "deprecated": False}), StepKind.PATCH, "neu"),
        (marker("Version", change_id="neu", version=1), StepKind.PATCH, "neu"),
        (marker("Version", changeId="neu", version=1), StepKind.PATCH, "neu"),
        (marker("SideEffect", data=7), StepKind.MARKER, "SideEffect"),
    ],
    ids=["python", "go", "java", "python-patch", "go-version", "java-version", "go-seiteneffekt"],
)
def test_vermerke_jedes_sdk_werden_verstanden(tmp_path: Path, told: dict[str, Any], kind: StepKind, name: str) -> None:
    step = steps(load(save(tmp_path, {"events": [plain()[0], told]})))[1]
    assert (step.kind, step.name, step.attempt) == (kind, name, None)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "ist leer"),
        (b" \n", "ist leer"),
        (b"\x7fELF\x02\x01\x01\x00\xff\xfe\x80", "ist keine JSON-Datei, sondern binär"),
        (b"\x1f\x8b\x08\x00\x00\x00", "ist keine JSON-Datei, sondern binär"),
        (b"<html></html>", "ist keine JSON-Datei"),
        (json.dumps({"events": plain()})[:-40].encode(), "bricht mitten im JSON ab"),
        (json.dumps({"events": plain()})[:90].encode(), "bricht mitten im JSON ab"),
        (b"[]", "enthält keine Event History"),
        (b"[1, 2]", "enthält keine Event History"),
        (b'"text"', "enthält keine Event History"),
        (b'{"a": 1}\n{"a": 2}\n', "enthält keine Event History"),
        (b'[{"execution": {"workflowId": "a"}, "type": {"name": "b"}}]', "Liste von Workflows"),
        (b'{"executions": [{"execution": {}}]}', "Liste von Workflows"),
        (b'{"workflowExecutionInfo": {}}', "temporal workflow describe"),
        (b'{"queries": []}', "aufgezeichnete Queries"),
        (json.dumps({"events": plain()[1:]}).encode(), "nicht WorkflowExecutionStarted"),
        (b'{"events": [{"eventId": {}, "eventType": 1}]}', "enthält keine Event History"),
        (
            b'{"events": [{"eventId": 1, "workflowExecutionStartedEventAttributes": [1]}]}',
            "enthält keine Event History",
        ),
    ],
)
def test_ein_satz_sagt_was_die_datei_stattdessen_ist(tmp_path: Path, content: bytes, problem: str) -> None:
    file = tmp_path / "lauf.json"
    file.write_bytes(content)
    with pytest.raises(DauerlaufError, match=problem) as caught:
        load(file)
    assert "\n" not in str(caught.value)
    assert str(file) in str(caught.value)


def test_ein_ordner_ist_keine_datei(tmp_path: Path) -> None:
    with pytest.raises(DauerlaufError, match="ist ein Ordner"):
        load(tmp_path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 99) | st.text(max_size=6),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=6), children, max_size=3),
    max_leaves=12,
)
FIELDS = st.sampled_from(
    ["input", "payloads", "metadata", "data", "eventId", "eventType", "failure", "details", "workflowId", "cause"]
)
LIKELY = st.recursive(JSON, lambda children: st.dictionaries(FIELDS, children, max_size=4), max_leaves=12)


@given(LIKELY, LIKELY)
@settings(max_examples=60, deadline=None)
def test_kein_json_bringt_load_zu_fall(attributes: Any, extra: Any) -> None:
    """Lesen gelingt, oder ein DauerlaufError sagt, warum nicht; `protojson` selbst wirft nie."""
    protojson([{"eventId": 1, "workflowExecutionStartedEventAttributes": attributes, "eventType": extra}])


def test_aufzeichnungen_bleiben_byte_fuer_byte() -> None:
    for name in ("saga", "lokale_activity", "herzschlag_fortsetzen"):
        pattern = find_pattern(name)
        for scenario in pattern.scenarios:
            file = pattern.history_file(scenario)
            assert dump(load(file)) == file.read_text(encoding="utf-8")
