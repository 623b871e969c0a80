"""Welche Payloads der Person gehören: alle Arten, die Datei des Servers, und was im Klartext bleibt."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from google.protobuf.message import Message
from loeschung_hilfen import SECRET, EverythingWorkflow, everything_worker, new_stage, open_office, raw_history
from temporalio.api.common.v1 import Payload, Payloads, WorkflowExecution
from temporalio.api.failure.v1 import Failure
from temporalio.api.query.v1 import WorkflowQuery
from temporalio.api.schedule.v1 import Schedule as RawSchedule
from temporalio.api.workflowservice.v1 import (
    DescribeScheduleRequest,
    DescribeWorkflowExecutionRequest,
    QueryWorkflowRequest,
)
from temporalio.client import (
    Client,
    HeaderCodecBehavior,
    Interceptor,
    OutboundInterceptor,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleIntervalSpec,
    ScheduleSpec,
    StartWorkflowInput,
    WorkflowHandle,
    WorkflowUpdateFailedError,
)
from temporalio.converter import (
    DataConverter,
    DefaultFailureConverterWithEncodedAttributes,
    PayloadConverter,
    WorkflowSerializationContext,
)
from temporalio.exceptions import ApplicationError

from dauerlauf.server import EmbeddedServer
from dauerlauf.timelapse import Timelapse, listening_client, result
from kapitel16.recht_auf_loeschung.codec import (
    COMPANY,
    OwnerUnknownError,
    PersonCodec,
    person_converter,
    with_person_keys,
)
from kapitel16.recht_auf_loeschung.key_store import KeyCache, KeyStore
from kapitel16.recht_auf_loeschung.models import PURPOSES
from kapitel16.recht_auf_loeschung.proof import examine, payloads
from kapitel16.verschluesselung.codec import is_sealed, key_id_of

INPUT = f'{{"customer": "%s", "name": "{SECRET}"}}'


def _client(client: Client, converter: DataConverter) -> Client:
    config = client.config()
    config["data_converter"] = converter
    return Client(**config)


async def _everything(client: Client, number: str, task_queue: str) -> list[Message]:
    """Lässt jede Art von Payload entstehen; gibt zurück, was der Server davon gespeichert hat."""
    text = INPUT % number
    stored: list[Message] = []
    workflow_id = f"kunde/{number}/auftrag/alles"
    async with everything_worker(client, task_queue):
        handle = await client.start_workflow(
            EverythingWorkflow.run,
            text,
            id=workflow_id,
            task_queue=task_queue,
            memo={"beim Start": text},
            static_summary=f"Zusammenfassung {text}",
            static_details=f"Einzelheiten {text}",
        )
        await handle.execute_update(EverythingWorkflow.change, text)
        for update, argument in ((EverythingWorkflow.change, f"falsch {text}"), (EverythingWorkflow.refuse, text)):
            with pytest.raises(WorkflowUpdateFailedError):
                await handle.execute_update(update, argument)
        await handle.signal("go", text)
        await result(handle, 30)
        execution = WorkflowExecution(workflow_id=workflow_id)
        for name in ("", "-kind", "-kind-2", "-kind-3"):
            stored.append(await raw_history(client, f"{workflow_id}{name}"))
        stored.append(await raw_history(client, workflow_id, handle.first_execution_run_id))
        raw = client.workflow_service
        stored.append(
            await raw.describe_workflow_execution(
                DescribeWorkflowExecutionRequest(namespace=client.namespace, execution=execution)
            )
        )
        asked = await client.data_converter.with_context(_context(client, workflow_id)).encode([text])
        query = WorkflowQuery(query_type="seen", query_args=Payloads(payloads=asked))
        stored.append(
            await raw.query_workflow(QueryWorkflowRequest(namespace=client.namespace, execution=execution, query=query))
        )
        stored.append(await _schedule(client, number, text, task_queue))
    return stored


def _context(client: Client, workflow_id: str) -> Any:
    return WorkflowSerializationContext(client.namespace, workflow_id)


async def _schedule(client: Client, number: str, text: str, task_queue: str) -> RawSchedule:
    action = ScheduleActionStartWorkflow(
        EverythingWorkflow.run, text, id=f"kunde/{number}/auftrag/plan", task_queue=task_queue, memo={"plan": text}
    )
    spec = ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(days=365))])
    schedule_id = f"plan-{number}"
    handle = await client.create_schedule(schedule_id, Schedule(action=action, spec=spec))
    answer = await client.workflow_service.describe_schedule(
        DescribeScheduleRequest(namespace=client.namespace, schedule_id=schedule_id)
    )
    await handle.delete()
    return answer.schedule


def _locations(message: Message, path: str = "") -> Iterator[tuple[str, Payload]]:
    """Jeder Payload mit dem Feld, in dem er steckt."""
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        parts = [value] if isinstance(value, Message) else list(value.values() if hasattr(value, "values") else value)
        for part in parts:
            if isinstance(part, Payload):
                yield f"{path}.{field.name}", part
            elif isinstance(part, Message):
                yield from _locations(part, f"{path}.{field.name}" if field.name != "events" else path)


@pytest.fixture(scope="module")
async def stored(timelapse: Timelapse, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, list[Message]]:
    """Alles, was der Server über eine Person gespeichert hat."""
    folder = tmp_path_factory.mktemp("alles")
    number, keys = str(uuid4()), KeyStore(folder)
    for key_id in (COMPANY, *(f"{number}.{purpose}" for purpose in PURPOSES)):
        keys.create(key_id)
    client = _client(timelapse.client, person_converter(PersonCodec(KeyCache(keys, 60), strict=False)))
    with timelapse.unskipped():
        return number, folder, await _everything(client, number, timelapse.task_queue())


# Im Klartext bleiben Suchattribute und was sich das SDK zu einer lokalen Activity notiert (Nummern und Zeiten).
OPEN = ("search_attributes", "indexed_fields")


def test_every_kind_of_payload_belongs_to_the_person(stored: tuple[str, Path, list[Message]]) -> None:
    number, _, messages = stored
    key_id = f"{number}.auftrag"
    kinds: Counter[str] = Counter()
    for message in messages:
        for place, payload in _locations(message):
            if any(word in place for word in OPEN) or b'"activation_index"' in payload.data:
                continue
            assert is_sealed(payload), (place, payload)
            assert key_id_of(payload) == key_id, place
            kinds[place.split(".")[-1] if "failure" not in place else "failure"] += 1
    text = "\n".join(str(message) for message in messages)
    assert SECRET.split()[0] not in text
    # Jede Art ist wirklich vorgekommen.
    events = {event.WhichOneof("attributes") for message in messages for event in getattr(message, "events", [])}
    assert {
        "workflow_execution_started_event_attributes",
        "workflow_execution_completed_event_attributes",
        "workflow_execution_failed_event_attributes",
        "workflow_execution_signaled_event_attributes",
        "workflow_execution_update_accepted_event_attributes",
        "workflow_execution_update_completed_event_attributes",
        "workflow_execution_continued_as_new_event_attributes",
        "workflow_properties_modified_event_attributes",
        "activity_task_scheduled_event_attributes",
        "activity_task_completed_event_attributes",
        "activity_task_failed_event_attributes",
        "activity_task_timed_out_event_attributes",
        "marker_recorded_event_attributes",
        "start_child_workflow_execution_initiated_event_attributes",
        "child_workflow_execution_completed_event_attributes",
        "child_workflow_execution_failed_event_attributes",
        "signal_external_workflow_execution_initiated_event_attributes",
    } <= events
    assert kinds["failure"] >= 6
    assert sum(kinds.values()) > 40


def test_heartbeat_details_of_a_timeout_are_sealed(stored: tuple[str, Path, list[Message]]) -> None:
    found = [
        place
        for message in stored[2]
        for place, payload in _locations(message)
        if "last_heartbeat_details" in place and is_sealed(payload)
    ]
    assert found


def test_after_destroying_the_key_none_of_them_opens(stored: tuple[str, Path, list[Message]]) -> None:
    number, folder, messages = stored
    keys = KeyStore(folder)
    key_id = f"{number}.auftrag"
    before = examine(messages, [key_id], keys.living())
    assert before.sealed == before.readable > 40
    keys.destroy(key_id, "2026-01-05T08:00:00+00:00")
    after = examine(messages, [key_id], keys.living())
    assert (after.sealed, after.readable) == (before.sealed, 0)


def test_the_text_of_a_failure_carries_no_type() -> None:
    """Eine Marke am Typ der Daten erreicht Fehlertexte nicht: Das SDK verpackt sie selbst."""
    failure, converter = Failure(), DefaultFailureConverterWithEncodedAttributes()
    converter.to_failure(ApplicationError(SECRET), PayloadConverter.default, failure)
    content = json.loads(failure.encoded_attributes.data)
    assert sorted(content) == ["message", "stack_trace"]
    assert content["message"] == SECRET


# --- Die Datei des Servers --------------------------------------------------------------------------------------------


@pytest.mark.gruendlich
@pytest.mark.timeout(120)
async def test_the_database_file_contains_neither_name_nor_key(tmp_path: Path) -> None:
    database, folder = tmp_path / "server.sqlite", tmp_path / "shop"
    folder.mkdir()
    async with await EmbeddedServer.start(database=database) as server:
        own = Timelapse(await server.connect(), server)
        async with open_office(own, folder) as shop:
            office = shop.office
            order = await office.shipped_order(office.meike, "N-1")
            await office.shipped_order(office.anke, "N-2")
            key = office.keys.key(f"{office.meike.number}.auftrag")
            sealed = [p.data for p in payloads(await raw_history(shop.stage.client, order.id)) if is_sealed(p)]
            await office.erase(office.meike)
            secrets = [office.meike.name, office.meike.street, office.meike.email, "Frau Groß"]
    content = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    for secret in secrets:
        assert secret.encode() not in content
        assert secret.encode("unicode-escape") not in content
    assert key not in content
    # Die Histories sind noch da: Gelöscht ist der Schlüssel, nicht der Geheimtext.
    assert any(data in content for data in sealed)


# --- Was im Klartext bleibt -------------------------------------------------------------------------------------------


async def test_an_address_in_the_workflow_id_survives_every_erasure(timelapse: Timelapse, tmp_path: Path) -> None:
    async with open_office(timelapse, tmp_path) as shop:
        office = shop.office
        workflow_id = f"betrieb/newsletter/{office.meike.email}-{uuid4()}"
        client = shop.stage.client
        handle = await client.start_workflow("Newsletter", id=workflow_id, task_queue="niemand")
        await handle.terminate()
        await office.erase(office.meike)
        async with asyncio.timeout(30):
            found: list[str] = []
            while not found:
                found = [e.id async for e in client.list_workflows(f'WorkflowId = "{workflow_id}"')]
        assert office.meike.email in found[0]


class _Headers(Interceptor):
    """Gibt jedem Start einen Header mit."""

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        return _HeaderAdded(next)


class _HeaderAdded(OutboundInterceptor):
    async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:
        input.headers = {"kunde": PayloadConverter.default.to_payload(SECRET)}
        return await super().start_workflow(input)


async def test_a_header_is_stored_in_the_clear(timelapse: Timelapse, tmp_path: Path) -> None:
    keys, number = KeyStore(tmp_path), str(uuid4())
    keys.create(f"{number}.auftrag")
    client = with_person_keys(timelapse.client, KeyCache(keys, 60), strict=True)

    async def start(client: Client) -> WorkflowHandle[Any, Any]:
        workflow_id = f"kunde/{number}/auftrag/{uuid4()}"
        return await listening_client(client, _Headers()).start_workflow(
            "Newsletter", SECRET, id=workflow_id, task_queue="niemand"
        )

    handle = await start(client)
    await handle.terminate()
    started = (await raw_history(client, handle.id)).events[0].workflow_execution_started_event_attributes
    assert is_sealed(started.input.payloads[0])
    assert PayloadConverter.default.from_payload(started.header.fields["kunde"]) == SECRET
    # Der Codec kann daran nichts ändern: Für einen Header nennt ihm das SDK keine Workflow-ID.
    config = client.config()
    config["header_codec_behavior"] = HeaderCodecBehavior.CODEC
    with pytest.raises(OwnerUnknownError):
        await start(Client(**config))


async def test_a_reason_for_terminating_is_stored_in_the_clear(timelapse: Timelapse, tmp_path: Path) -> None:
    stage = new_stage(timelapse, tmp_path)
    handle = await stage.client.start_workflow("Newsletter", id=f"betrieb/{uuid4()}", task_queue="niemand")
    await handle.terminate(reason=f"Löschung für {SECRET}")
    assert (
        SECRET
        in (await raw_history(stage.client, handle.id)).events[-1].workflow_execution_terminated_event_attributes.reason
    )
