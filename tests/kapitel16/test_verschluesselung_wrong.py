"""Die falschen Codecs aus `wrong.py`, und was eine Bindung an die Workflow-ID bewirkte."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from temporalio import workflow
from temporalio.api.common.v1 import Payload, WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import (
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleSpec,
    WorkflowFailureError,
    WorkflowHistory,
)
from temporalio.common import RawValue, SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.converter import (
    DataConverter,
    PayloadCodec,
    SerializationContext,
    WithSerializationContext,
    WorkflowSerializationContext,
)
from temporalio.worker import Worker
from verschluesselung_hilfen import open_office

from dauerlauf.timelapse import Timelapse, result
from kapitel16.verschluesselung.activities import RefundActivities
from kapitel16.verschluesselung.codec import EncryptionCodec, SealError, data_converter, encrypted
from kapitel16.verschluesselung.keys import new_key
from kapitel16.verschluesselung.models import Refund, State
from kapitel16.verschluesselung.scenarios import APPROVAL, BLOCKED, BOTH, GOOD, NEW, OLD, reached, task_failures
from kapitel16.verschluesselung.visible import sealed_payloads
from kapitel16.verschluesselung.workflow import RefundWorkflow
from kapitel16.verschluesselung.wrong import (
    DataOnlyCodec,
    FinalErrorCodec,
    StaticNonceCodec,
    forgetful_converter,
    key_from_password,
)


def _payload(text: str) -> Payload:
    return DataConverter.default.payload_converter.to_payload(text)


def _xor(*texts: bytes) -> bytes:
    return bytes(a ^ b ^ c for a, b, c in zip(*texts, strict=False))


async def test_wrong_static_nonce_gives_the_second_secret_away() -> None:
    codec = StaticNonceCodec(new_key())
    known, secret = _payload("DE89370400440532013000"), _payload("DE02120300000000202051")
    [first], [second] = await codec.encode([known]), await codec.encode([secret])
    # Ohne Schlüssel: Wer einen Klartext kennt, liest jeden anderen.
    recovered = _xor(first.data[12:], second.data[12:], known.SerializeToString())
    assert recovered == secret.SerializeToString()
    # Gegenprobe: Mit zufälliger Nonce gelingt es nicht.
    [first], [second] = await EncryptionCodec(OLD).encode([known]), await EncryptionCodec(OLD).encode([secret])
    assert _xor(first.data[12:], second.data[12:], known.SerializeToString()) != secret.SerializeToString()


async def test_wrong_data_only_leaves_metadata_open_and_unprotected() -> None:
    codec = DataOnlyCodec(new_key())
    original = Payload(metadata={"encoding": b"json/protobuf", "messageType": b"Kuendigung"}, data=b"{}")
    [sealed] = await codec.encode([original])
    assert sealed.metadata["original-messageType"] == b"Kuendigung"
    sealed.metadata["original-messageType"] = b"Gehaltserhoehung"
    [opened] = await codec.decode([sealed])
    # Niemand merkt, dass der Payload jetzt etwas anderes bedeutet.
    assert opened.metadata["messageType"] == b"Gehaltserhoehung"


async def test_wrong_password_is_guessed() -> None:
    sealed = (await StaticNonceCodec(key_from_password("Flensburg2026")).encode([_payload("geheim")]))[0]
    guesses = (f"{town}{year}" for town in ("Hamburg", "Kiel", "Flensburg") for year in range(1990, 2030))
    for guess in guesses:
        try:
            [opened] = await StaticNonceCodec(key_from_password(guess)).decode([sealed])
        except Exception:
            continue
        assert (guess, opened.data) == ("Flensburg2026", b'"geheim"')
        return
    pytest.fail("Das Passwort stand nicht auf der Liste.")


def _bytes(history: WorkflowHistory) -> bytes:
    return b"".join(event.SerializeToString() for event in history.events)


def _worker(timelapse: Timelapse, queue: str, folder: Path, converter: DataConverter) -> Worker:
    config = timelapse.client.config()
    config["data_converter"] = converter
    return Worker(
        type(timelapse.client)(**config),
        task_queue=queue,
        workflows=[RefundWorkflow],
        activities=RefundActivities(folder).all(),
        activity_executor=ThreadPoolExecutor(4),
    )


@pytest.mark.parametrize(
    ("converter", "in_clear"), [(forgetful_converter, True), (data_converter, False)], ids=["vergessen", "richtig"]
)
async def test_wrong_converter_writes_failures_in_clear(
    converter: Callable[[PayloadCodec], DataConverter], in_clear: bool, timelapse: Timelapse, tmp_path: Path
) -> None:
    async with open_office(timelapse, tmp_path) as office:
        async with _worker(timelapse, office.task_queue, tmp_path, converter(EncryptionCodec(OLD))):
            handle = await office.start(office.client(), Refund("R-1", BLOCKED, 100, "Kulanz"))
            await reached(handle, State.AWAITING_ACCOUNT)
        content = _bytes(await handle.fetch_history())
        assert (BLOCKED.iban.encode() in content) is in_clear
        # Auch der Stacktrace nennt dem Server sonst Pfade und Quelltext.
        assert (b"activities.py" in content) is in_clear


async def test_wrong_search_attribute_is_always_in_clear(timelapse: Timelapse, tmp_path: Path) -> None:
    branch = SearchAttributeKey.for_keyword("Filiale")
    async with open_office(timelapse, tmp_path) as office:
        attributes = TypedSearchAttributes([SearchAttributePair(branch, GOOD.iban)])
        handle = await office.start(office.client(), search_attributes=attributes)
        assert GOOD.iban.encode() in _bytes(await handle.fetch_history())


async def test_wrong_final_error_ends_the_workflow_for_good(timelapse: Timelapse, tmp_path: Path) -> None:
    async with open_office(timelapse, tmp_path) as office:
        async with _worker(timelapse, office.task_queue, tmp_path, data_converter(FinalErrorCodec(OLD))):
            handle = await office.waiting(office.client())
            newer = office.client(NEW).get_workflow_handle_for(RefundWorkflow.run, handle.id)
            await newer.signal(RefundWorkflow.approve, APPROVAL)
            with pytest.raises(WorkflowFailureError) as error:
                await result(newer)
        assert "Der Schlüssel „2026-11“ fehlt" in str(error.value.cause)
        status = (await handle.describe()).status
        assert status is not None
        assert status.name == "FAILED"


# --- Woran ein Payload gebunden ist ----------------------------------------------------------------------------------


class BoundCodec(EncryptionCodec, WithSerializationContext):
    """Bindet jeden Payload an die Workflow-ID aus dem Kontext des SDK."""

    workflow_id = ""

    def with_context(self, context: SerializationContext) -> "BoundCodec":
        bound = BoundCodec(self._ring)
        bound.workflow_id = getattr(context, "workflow_id", None) or ""
        return bound

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        marked = []
        for payload in payloads:
            copy = Payload.FromString(payload.SerializeToString())
            copy.metadata["bound"] = self.workflow_id.encode()
            marked.append(copy)
        return await super().encode(marked)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        opened = await super().decode(payloads)
        for payload in opened:
            bound = payload.metadata["bound"].decode()
            if bound != self.workflow_id:
                raise SealError(f"Der Payload gehört zu „{bound}“, nicht zu „{self.workflow_id}“.")
        return opened


async def test_bound_to_the_workflow_id_an_ordinary_run_works(timelapse: Timelapse, tmp_path: Path) -> None:
    async with open_office(timelapse, tmp_path) as office:
        codec = BoundCodec(OLD)
        async with _worker(timelapse, office.task_queue, tmp_path, data_converter(codec)):
            handle = await office.start(office.client(codec=codec), Refund("R-1", GOOD, 100, "Kulanz"))
            assert await result(handle) == "SEPA-R-1-0"


async def test_bound_to_the_workflow_id_children_continue_as_new_and_reset_work(timelapse: Timelapse) -> None:
    codec, queue = BoundCodec(OLD), timelapse.task_queue()
    client = encrypted(timelapse.client, codec)
    async with Worker(client, task_queue=queue, workflows=[ParentWorkflow, ChildWorkflow]):
        name = f"eltern-{uuid4()}"
        handle = await client.start_workflow(ParentWorkflow.run, 2, id=name, task_queue=queue)
        # Jede Nachricht trägt die ID dessen, an den sie geht oder von dem sie kommt; beide Seiten nennen dieselbe.
        assert await result(handle) == "Kind von 0"
        request = ResetWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=name),
            workflow_task_finish_event_id=4,
            request_id=str(uuid4()),
        )
        await client.workflow_service.reset_workflow_execution(request)
        assert await result(client.get_workflow_handle(name)) == "Kind von 0"


@workflow.defn(sandboxed=False)  # Dieses Modul lädt die Werkbank; die Sandbox lehnt sie ab.
class ParentWorkflow:
    """Fragt ein Kind und beginnt so oft von vorn, wie die Zahl sagt."""

    @workflow.run
    async def run(self, left: int) -> str:
        answer = await workflow.execute_child_workflow(ChildWorkflow.run, left, id=f"kind-{workflow.uuid4()}")
        if left:
            workflow.continue_as_new(left - 1)
        return answer


@workflow.defn(sandboxed=False)
class ChildWorkflow:
    """Antwortet."""

    @workflow.run
    async def run(self, number: int) -> str:
        return f"Kind von {number}"


async def test_bound_to_the_workflow_id_a_schedule_starts_what_nobody_can_open(
    timelapse: Timelapse, tmp_path: Path
) -> None:
    async with open_office(timelapse, tmp_path) as office:
        codec = BoundCodec(OLD)
        name = f"kulanz-{uuid4()}"
        action = ScheduleActionStartWorkflow(
            RefundWorkflow.run, Refund("R-1", GOOD, 100, "Kulanz"), id=name, task_queue=office.task_queue
        )
        client = office.client(codec=codec)
        schedule = await client.create_schedule(f"plan-{uuid4()}", Schedule(action, ScheduleSpec()))
        try:
            async with _worker(timelapse, office.task_queue, tmp_path, data_converter(codec)):
                await schedule.trigger()
                async with asyncio.timeout(30):
                    while not (recent := (await schedule.describe()).info.running_actions):
                        await asyncio.sleep(0.02)
                started: Any = recent[0]
                handle = client.get_workflow_handle(started.workflow_id)
                # Gelesen mit dem richtigen Codec ohne Bindung: Auch der Fehler ist an eine Workflow-ID gebunden.
                [message, *_] = await task_failures(handle, data_converter(EncryptionCodec(OLD)))
                assert f"Der Payload gehört zu „{name}“, nicht zu „{started.workflow_id}“." in message
                await handle.terminate("Test beendet")
        finally:
            await schedule.delete()


async def test_bound_to_the_workflow_id_a_codec_server_reads_nothing() -> None:
    codec = BoundCodec(OLD)
    bound = codec.with_context(WorkflowSerializationContext("default", "erstattung-R-1"))
    [sealed] = await bound.encode([_payload("x")])
    # Web UI und CLI schicken nur Payloads, keine Workflow-ID.
    with pytest.raises(SealError, match="Der Payload gehört zu „erstattung-R-1“, nicht zu „“"):
        await codec.decode([sealed])


async def test_unbound_a_sealed_payload_can_be_moved_to_another_workflow(timelapse: Timelapse, tmp_path: Path) -> None:
    async with open_office(timelapse, tmp_path) as office, office.worker():
        approved, other = await office.waiting(office.client()), await office.waiting(office.client())
        await approved.signal(RefundWorkflow.approve, APPROVAL)
        await result(approved)
        [signal] = [
            payload
            for event in (await approved.fetch_history()).events
            if event.HasField("workflow_execution_signaled_event_attributes")
            for payload in sealed_payloads(event)
        ]
        # Ohne jeden Schlüssel: Die Zustimmung zur einen Erstattung gilt auch für die andere.
        without_key = timelapse.client.get_workflow_handle(other.id)
        await without_key.signal("approve", RawValue(signal))
        assert await result(other) == "SEPA-R-1-0"


async def test_a_foreign_client_cannot_add_plaintext(timelapse: Timelapse, tmp_path: Path) -> None:
    async with open_office(timelapse, tmp_path) as office, office.worker():
        handle = await office.waiting(office.client())
        await timelapse.client.get_workflow_handle(handle.id).signal("approve", {"clerk": "Mallory", "remark": ""})
        [message, *_] = await task_failures(handle, data_converter(EncryptionCodec(BOTH)))
        assert message == "PlaintextError: Der Payload ist nicht verschlüsselt (encoding: json/plain)."


def test_encrypted_keeps_the_rest_of_the_client(timelapse: Timelapse) -> None:
    before, after = timelapse.client.config(), encrypted(timelapse.client, EncryptionCodec(OLD)).config()
    assert before["service_client"] is after["service_client"]
    assert before["namespace"] == after["namespace"]
