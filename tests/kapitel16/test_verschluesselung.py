"""Das Muster `verschluesselung`: der Codec für sich, die Szenarien, Rotation, fehlende Schlüssel, was offen bleibt."""

import pickle
import socket
import stat
import threading
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.client import (
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleSpec,
    WorkflowFailureError,
    WorkflowQueryFailedError,
    WorkflowUpdateFailedError,
)
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker
from verschluesselung_hilfen import Office, open_office, secret_forms

from dauerlauf.commands import show
from dauerlauf.history import load
from dauerlauf.scenario import Run
from dauerlauf.timelapse import Timelapse, result
from hilfen import play_selected, until
from kapitel16.verschluesselung.activities import ACCOUNT_BLOCKED, RefundActivities
from kapitel16.verschluesselung.bank import Bank
from kapitel16.verschluesselung.codec import (
    CIPHER_NAME,
    ENCODING,
    KEY_ID,
    EncryptionCodec,
    PlaintextError,
    SealError,
    data_converter,
    encrypted,
    key_id_of,
    open_sealed,
    seal,
)
from kapitel16.verschluesselung.keys import ENVIRONMENT, KeyRing, KeyRingError, UnknownKeyError, new_key
from kapitel16.verschluesselung.models import Account, Refund, State
from kapitel16.verschluesselung.scenarios import (
    APPROVAL,
    BLOCKED,
    BOTH,
    GOOD,
    HOLDER,
    NEW,
    OLD,
    PATTERN,
    reached,
    task_failures,
)
from kapitel16.verschluesselung.visible import keys_in_use, sealed_payloads, texts
from kapitel16.verschluesselung.workflow import BAD_IBAN, RefundWorkflow

SECRETS = [HOLDER, GOOD.iban, BLOCKED.iban, APPROVAL.clerk, APPROVAL.remark, "Sofa mit gebrochenem Bein"]

# Szenario: verschlüsselte Payloads je Schlüssel, Überweisungen in Cent.
EXPECTED: dict[str, tuple[str, int]] = {
    "glatt": ("9 mit 2026-10", 4_900),
    "ohne-codec": ("keine", 64_900),
    "alles-verschluesselt": ("14 mit 2026-10", 64_900),
    "rotation": ("8 mit 2026-10, 6 mit 2026-11", 64_900),
    "schluessel-fehlt": ("10 mit 2026-10, 1 mit 2026-11", 64_900),
    "veraendert": ("10 mit 2026-10", 64_900),
}


def test_every_scenario_has_an_expectation() -> None:
    assert set(EXPECTED) == set(PATTERN.scenarios)


@pytest.fixture(scope="module")
async def played(request: pytest.FixtureRequest, timelapse: Timelapse) -> Mapping[str, Run]:
    """Die Szenarien, die dieser Testlauf prüft, gleichzeitig gespielt."""
    return await play_selected(request, timelapse, PATTERN, own_ids="")


@pytest.mark.parametrize("name", EXPECTED)
def test_scenario(name: str, played: Mapping[str, Run]) -> None:
    sealed, cents = EXPECTED[name]
    run = played[name]
    assert run.status == "COMPLETED"
    assert f"Verschlüsselte Payloads: {sealed}" in run.notes
    assert f"Überweisungen: 1, in Cent: {cents}" in run.notes


@pytest.mark.parametrize("name", PATTERN.scenarios)
async def test_recorded_history_replays(name: str, replay: Callable[..., Awaitable[int]]) -> None:
    file = PATTERN.history_file(name)
    assert await replay(file, workflows=PATTERN.workflows, data_converter=PATTERN.data_converter) == 1


async def test_replay_needs_the_key(replay: Callable[..., Awaitable[int]]) -> None:
    only_new = data_converter(EncryptionCodec(NEW.without("2026-10")))
    with pytest.raises(AssertionError, match="UnknownKeyError"):
        await replay(PATTERN.history_file("glatt"), workflows=PATTERN.workflows, data_converter=only_new)


def test_the_workbench_replays_with_the_converter_of_the_pattern(capsys: pytest.CaptureFixture[str]) -> None:
    show("verschluesselung", "glatt", svg=False, full=True)
    shown = capsys.readouterr().out
    # Die Quellzeilen stammen aus einem Replay: Ohne Schlüssel gäbe es sie nicht.
    assert "workflow.py:" in shown
    assert "verschlüsselt (" in shown
    assert HOLDER not in shown


def _bytes(history: Any) -> bytes:
    return b"".join(event.SerializeToString() for event in history.events)


def _found(content: bytes, secrets: Sequence[str] = SECRETS) -> list[str]:
    return [secret for secret in secrets if any(form in content for form in secret_forms(secret))]


@pytest.mark.szenarien("ohne-codec", "alles-verschluesselt")
def test_with_codec_the_history_contains_no_secret(played: Mapping[str, Run]) -> None:
    assert _found(_bytes(played["ohne-codec"].history)) == SECRETS
    assert _found(_bytes(played["alles-verschluesselt"].history)) == []


def test_the_codec_adds_no_event() -> None:
    without, sealed = (load(PATTERN.history_file(name)).events for name in ("ohne-codec", "alles-verschluesselt"))
    assert [event.event_type for event in without] == [event.event_type for event in sealed]


VISIBLE = {
    "activity_id": ["1", "2", "3"],
    "fields (Name)": ["kunde"],
    "identity": ["client", "worker-1"],
    "indexed_fields (Name)": ["Filiale"],
    "indexed_fields.Filiale": ['"Flensburg"'],
    "message": ["Encoded failure"],
    "name": ["RefundWorkflow", "verschluesselung", "check_account", "sticky", "transfer_money", "correct_account"],
    "signal_name": ["approve"],
    "type": ["KontoGesperrt"],
    "update_id": ["00000000-0000-4000-8000-000000000010"],
    "workflow_id": ["erstattung-R-3007"],
}


def test_what_stays_visible() -> None:
    assert texts(load(PATTERN.history_file("alles-verschluesselt"))) == VISIBLE


# --- Der Codec für sich ----------------------------------------------------------------------------------------------

PAYLOADS = st.builds(
    Payload,
    metadata=st.dictionaries(st.text(max_size=20), st.binary(max_size=40), max_size=4),
    data=st.binary(max_size=2000),
)


@given(PAYLOADS)
@settings(max_examples=40, deadline=None)
def test_what_is_sealed_opens_unchanged(payload: Payload) -> None:
    key = OLD.key("2026-10")
    sealed = seal(payload, "2026-10", key)
    assert open_sealed(sealed, key) == payload
    assert key_id_of(sealed) == "2026-10"
    assert dict(sealed.metadata) == {"encoding": ENCODING, CIPHER_NAME: b"AES-256-GCM", KEY_ID: b"2026-10"}


SAMPLE = Payload(metadata={"encoding": b"json/plain", "messageType": b"Mahnung"}, data=b'"DE89370400440532013000"')


def test_metadata_is_sealed_too() -> None:
    sealed = seal(SAMPLE, "2026-10", OLD.key("2026-10")).SerializeToString()
    assert b"DE89" not in sealed
    assert b"Mahnung" not in sealed
    assert b"json" not in sealed


def test_every_payload_has_its_own_nonce() -> None:
    sealed = [seal(SAMPLE, "2026-10", OLD.key("2026-10")) for _ in range(500)]
    assert len({payload.data[:12] for payload in sealed}) == 500
    assert len({payload.data[12:] for payload in sealed}) == 500
    # Zufällig ist jedes ihrer Bytes; wären es nur vier, fiele das erst nach zehntausenden Payloads auf.
    assert min(len({payload.data[place] for payload in sealed}) for place in range(12)) > 100


def test_every_changed_byte_is_noticed() -> None:
    key = OLD.key("2026-10")
    sealed = seal(SAMPLE, "2026-10", key)
    for place in range(len(sealed.data)):
        data = bytearray(sealed.data)
        data[place] ^= 1
        with pytest.raises(SealError, match="verändert oder mit einem anderen Schlüssel"):
            open_sealed(Payload(metadata=sealed.metadata, data=bytes(data)), key)


def test_key_id_and_cipher_cannot_be_exchanged() -> None:
    key = new_key()
    # Derselbe Schlüssel unter zwei Kennungen: Nur die gebundene Kennung unterscheidet sie.
    sealed = seal(SAMPLE, "a", key)
    sealed.metadata[KEY_ID] = b"b"
    with pytest.raises(SealError, match="verändert"):
        open_sealed(sealed, key)
    sealed.metadata[KEY_ID] = b"a"
    sealed.metadata[CIPHER_NAME] = b"AES-256-CBC"
    with pytest.raises(SealError) as error:
        open_sealed(sealed, key)
    assert str(error.value) == "Das Verfahren „AES-256-CBC“ ist unbekannt, erwartet war „AES-256-GCM“."


def test_every_truncation_is_noticed() -> None:
    key = OLD.key("2026-10")
    sealed = seal(SAMPLE, "2026-10", key)
    for length in range(len(sealed.data)):
        with pytest.raises(SealError) as error:
            open_sealed(Payload(metadata=sealed.metadata, data=sealed.data[:length]), key)
        if length < 28:
            assert str(error.value) == f"Der Payload ist abgeschnitten: {length} Bytes, mindestens 28."


async def test_unknown_key_is_named() -> None:
    [sealed] = await EncryptionCodec(NEW).encode([SAMPLE])
    with pytest.raises(UnknownKeyError) as error:
        await EncryptionCodec(OLD).decode([sealed])
    assert str(error.value) == "Der Schlüssel „2026-11“ fehlt im Schlüsselbund (vorhanden: 2026-10)."


async def test_plaintext_is_refused_unless_allowed() -> None:
    with pytest.raises(PlaintextError) as error:
        await EncryptionCodec(OLD).decode([SAMPLE])
    assert str(error.value) == "Der Payload ist nicht verschlüsselt (encoding: json/plain)."
    assert await EncryptionCodec(OLD, accept_plaintext=True).decode([SAMPLE]) == [SAMPLE]


async def test_every_payload_grows_by_a_constant() -> None:
    growth = set()
    for size in (10, 200, 2_000, 16_000, 100_000):
        payload = Payload(metadata={"encoding": b"json/plain"}, data=b"x" * size)
        [sealed] = await EncryptionCodec(OLD).encode([payload])
        growth.add(sealed.ByteSize() - payload.ByteSize())
    # Nonce 12, Prüfwert 16, offene Metadaten; je nach Länge braucht Protobuf ein paar Bytes mehr.
    assert growth == {124, 125, 126}


# --- Der Schlüsselbund -----------------------------------------------------------------------------------------------


def test_the_ring_survives_a_file_only_the_owner_may_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "bund.json"
    file.touch(mode=0o644)
    BOTH.save(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    monkeypatch.setenv(ENVIRONMENT, str(file))
    loaded = KeyRing.from_environment()
    assert (loaded.active, loaded.key_ids) == ("2026-10", {"2026-10", "2026-11"})
    assert [loaded.key(key_id) for key_id in BOTH.key_ids] == [BOTH.key(key_id) for key_id in BOTH.key_ids]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "ist nicht lesbar: No such file or directory."),
        ("{", "enthält keinen Schlüsselbund."),
        ('{"active": "a", "keys": ["geheim"]}', "enthält keinen Schlüsselbund."),
        ('{"active": [], "keys": {"a": "%s="}}' % ("A" * 43), "Der aktive Schlüssel „[]“ fehlt im Bund."),
        ('{"active": "a", "keys": {"a": "!geheim!"}}', "enthält keinen Schlüsselbund."),
        ('{"active": "a", "keys": {"a": "Z2VoZWlt"}}', "Der Schlüssel „a“ hat 6 Bytes statt 32."),
        ('{"active": "a", "keys": {"a": "%s=="}}' % ("A" * 22), "Der Schlüssel „a“ hat 16 Bytes statt 32."),
        ('{"active": "a", "keys": {"a": "%s"}}' % ("A" * 44), "Der Schlüssel „a“ hat 33 Bytes statt 32."),
        ('{"active": "a", "keys": {"a": "!%s="}}' % ("A" * 43), "enthält keinen Schlüsselbund."),
        ('{"active": "b", "keys": {}}', "Der aktive Schlüssel „b“ fehlt im Bund."),
        ('{"active": "b", "keys": {"b c": ""}}', "Keine gültige Kennung: „b c“."),
    ],
)
def test_a_useless_file_is_reported_without_its_content(tmp_path: Path, content: str | None, message: str) -> None:
    file = tmp_path / "bund.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(KeyRingError) as error:
        KeyRing.load(file)
    assert str(error.value).endswith(message)
    assert "geheim" not in str(error.value)
    # Ohne `from None` zeigte das Log auch den ursprünglichen Fehler.
    assert error.value.__suppress_context__ or error.value.__context__ is None
    assert error.value.__cause__ is None


def test_no_key_appears_in_a_log() -> None:
    assert repr(NEW) == "KeyRing(active='2026-11', keys=['2026-10', '2026-11'])"
    assert pickle.loads(pickle.dumps(NEW)).key("2026-10") == NEW.key("2026-10")


def test_rotation_steps_change_nothing_else() -> None:
    assert (OLD.active, BOTH.active, NEW.active) == ("2026-10", "2026-10", "2026-11")
    assert NEW.without("2026-10").key_ids == {"2026-11"}
    ring = KeyRing(given := {"a": new_key()}, "a")
    given.clear()
    assert ring.key_ids == {"a"}
    with pytest.raises(KeyRingError, match="gibt es schon"):
        OLD.with_key("2026-10", new_key())
    with pytest.raises(KeyRingError, match="aktive Schlüssel"):
        NEW.without("2026-11")
    with pytest.raises(UnknownKeyError):
        NEW.without("2026-12")
    with pytest.raises(KeyRingError, match="aktive Schlüssel"):
        OLD.activate("2026-11")


# --- Im Betrieb ------------------------------------------------------------------------------------------------------


@pytest.fixture
async def office(timelapse: Timelapse, tmp_path: Path) -> AsyncIterator[Office]:
    """Eine Task Queue für einen Test."""
    async with open_office(timelapse, tmp_path) as opened:
        yield opened


@pytest.mark.szenarien("rotation")
async def test_new_payloads_use_the_new_key_and_old_ones_stay_readable(played: Mapping[str, Run]) -> None:
    ids = [key_id_of(payload) for event in played["rotation"].history.events for payload in sealed_payloads(event)]
    # Das Signal ist schon umgestellt, der Worker dazwischen schreibt noch mit dem alten.
    first = ids.index("2026-11")
    assert "2026-10" in ids[first:]
    assert set(ids[:first]) == {"2026-10"}
    assert Counter(ids) == {"2026-10": 8, "2026-11": 6}


async def test_keys_in_use_names_running_workflows_and_schedules(office: Office) -> None:
    schedule_id = f"plan-{uuid4()}"
    action = ScheduleActionStartWorkflow(
        RefundWorkflow.run,
        Refund("R-9", GOOD, 1, "Kulanz"),
        id="kulanz",
        task_queue=office.task_queue,
    )
    running = f'TaskQueue = "{office.task_queue}" AND ExecutionStatus = "Running"'
    planned = await office.client(OLD).create_schedule(schedule_id, Schedule(action, ScheduleSpec()))

    async def usage() -> dict[str, Counter[str]]:
        return await keys_in_use(office.timelapse.client, running)

    async def listed() -> bool:
        return f"Schedule {schedule_id}" in await usage()

    try:
        async with office.worker(OLD):
            handle = await office.waiting(office.client(OLD))
        async with office.worker(NEW):
            await until(listed)
            found = await usage()
            assert {key: set(value) for key, value in found.items() if office.task_queue in key or "erstattung" in key}
            assert [set(value) for key, value in found.items() if key.startswith(handle.id)] == [{"2026-10"}]
            # Auch nach der Rotation: Der Schedule behält seine Eingaben, wie sie sind.
            assert set(found[f"Schedule {schedule_id}"]) == {"2026-10"}
            await office.client(NEW).get_workflow_handle(handle.id).signal(RefundWorkflow.approve, APPROVAL)
            await result(handle_with(office, NEW, handle.id))
            await until(lambda: _gone(usage, handle.id))
    finally:
        await planned.delete()


async def _gone(usage: Callable[[], Awaitable[dict[str, Counter[str]]]], workflow_id: str) -> bool:
    return not any(key.startswith(workflow_id) for key in await usage())


def handle_with(office: Office, ring: KeyRing, workflow_id: str) -> Any:
    """Derselbe Workflow, gesehen von einem Client mit diesem Schlüsselbund."""
    return office.client(ring).get_workflow_handle_for(RefundWorkflow.run, workflow_id)


async def test_a_wrong_iban_fails_before_any_transfer(office: Office) -> None:
    mistyped = Account("Jörg Weiß", "DE89370400440532013001")
    async with office.worker():
        handle = await office.start(office.client(), Refund("R-2", mistyped, 1_000, "Vase gesprungen"))
        with pytest.raises(WorkflowFailureError, match="Workflow execution failed") as error:
            await result(handle, 30)
    assert isinstance(error.value.cause, ApplicationError)
    assert error.value.cause.type == BAD_IBAN
    assert Bank(office.folder).transfers() == []


async def test_a_missing_key_for_an_activity_fails_attempts_until_it_is_there(office: Office) -> None:
    client = office.timelapse.client
    workflows = Worker(
        encrypted(client, EncryptionCodec(NEW)), task_queue=office.task_queue, workflows=[RefundWorkflow]
    )

    def activities(ring: KeyRing) -> Worker:
        return Worker(
            encrypted(client, EncryptionCodec(ring)),
            task_queue=office.task_queue,
            activities=[RefundActivities(office.folder).check_account],
            activity_executor=_executor(),
        )

    async with workflows:
        # In Echtzeit: Der Zeitraffer überspränge die Pausen, und die Versuche liefen davon.
        with office.timelapse.unskipped():
            handle = await office.start(office.client(NEW))
        async with activities(OLD):

            async def attempts() -> bool:
                pending = (await handle.describe()).raw_description.pending_activities
                return bool(pending) and pending[0].attempt > 1

            await until(attempts)
        [pending] = (await handle.describe()).raw_description.pending_activities
        assert pending.last_failure.message == "Encoded failure"
        failure = await data_converter(EncryptionCodec(NEW)).decode_failure(pending.last_failure)
        assert isinstance(failure, ApplicationError)
        assert failure.message == "Failed decoding arguments"
        assert str(failure.cause) == (
            "UnknownKeyError: Der Schlüssel „2026-11“ fehlt im Schlüsselbund (vorhanden: 2026-10)."
        )

        async def needed() -> bool:
            found = await keys_in_use(client, f'WorkflowId = "{handle.id}"')
            return any("2026-10" in keys for name, keys in found.items() if name.startswith(handle.id))

        # Warum der Versuch scheiterte, steht in keinem Event und braucht doch seinen Schlüssel.
        await until(needed)
        async with activities(BOTH):
            await reached(handle, State.AWAITING_APPROVAL)


def _executor() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(4)


async def test_a_client_without_the_key_gets_the_error_itself(office: Office) -> None:
    async with office.worker(NEW):
        handle = await office.start(office.client(NEW), Refund("R-2", GOOD, 100, "Kulanz"))
        await result(handle)
        with pytest.raises(UnknownKeyError, match="Der Schlüssel „2026-11“ fehlt"):
            await handle_with(office, OLD, handle.id).result()


async def test_a_client_without_codec_reads_no_result_and_starts_nothing(office: Office) -> None:
    async with office.worker():
        handle = await office.start(office.client(), Refund("R-2", GOOD, 100, "Kulanz"))
        await result(handle)
        plain = office.timelapse.client
        with pytest.raises(KeyError) as error:
            await plain.get_workflow_handle(handle.id).result()
        assert str(error.value) == "'Unknown payload encoding binary/encrypted'"
        stuck = await office.start(plain)
        [message, *_] = await task_failures(stuck, PATTERN.data_converter)
        assert message == "PlaintextError: Der Payload ist nicht verschlüsselt (encoding: json/plain)."


async def test_the_server_sees_encoded_failure_instead_of_the_reason(office: Office) -> None:
    async with office.worker(OLD):
        handle = await office.waiting(office.client(OLD))
        await handle_with(office, NEW, handle.id).signal(RefundWorkflow.approve, APPROVAL)
        await task_failures(handle, PATTERN.data_converter)
        failures = [
            event.workflow_task_failed_event_attributes.failure
            for event in (await handle.fetch_history()).events
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
        ]
        assert {(failure.message, failure.stack_trace) for failure in failures} == {("Encoded failure", "")}
        assert (await handle.describe()).status.name == "RUNNING"


async def test_rejections_and_answers_to_queries_stay_encrypted(office: Office) -> None:
    async with office.worker():
        handle = await office.waiting(office.client())
        with pytest.raises(WorkflowUpdateFailedError) as rejected:
            await handle.execute_update(RefundWorkflow.correct_account, GOOD)
        assert GOOD.iban in str(rejected.value.cause)
        plain = office.timelapse.client.get_workflow_handle(handle.id)
        with pytest.raises(WorkflowQueryFailedError) as failed:
            await plain.query("progress", "zu viel")
        assert GOOD.iban not in str(failed.value)
        # Auch eine gelungene Antwort ist auf dem Weg durch den Server verschlüsselt.
        with pytest.raises(KeyError, match="Unknown payload encoding binary/encrypted"):
            await plain.query("progress")


async def test_the_codec_runs_on_the_event_loop_outside_the_sandbox(office: Office) -> None:
    seen: set[tuple[bool, bool, bool]] = set()

    class Watching(EncryptionCodec):
        async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
            main = threading.current_thread() is here
            seen.add((main, workflow.in_workflow(), workflow.unsafe.in_sandbox()))
            return await super().decode(payloads)

    here = threading.current_thread()
    client = encrypted(office.timelapse.client, Watching(OLD))
    async with Worker(
        client,
        task_queue=office.task_queue,
        workflows=[RefundWorkflow],
        activities=RefundActivities(office.folder).all(),
        activity_executor=_executor(),
    ):
        await result(await office.start(office.client(), Refund("R-2", GOOD, 100, "Kulanz")))
    assert seen == {(True, False, False)}


async def test_reasons_names_and_hosts_stay_in_clear(office: Office) -> None:
    handle = await office.start(office.client())
    await handle.terminate(reason=f"Doppelt, siehe {HOLDER}")
    found = texts(await handle.fetch_history())
    assert found["reason"] == [f"Doppelt, siehe {HOLDER}"]
    assert any(socket.gethostname() in identity for identity in found["identity"])


async def test_a_failed_workflow_tells_its_type_and_nothing_else(office: Office) -> None:
    failing = Worker(
        encrypted(office.timelapse.client, EncryptionCodec(OLD)),
        task_queue=office.task_queue,
        workflows=[PayAtOnceWorkflow],
        activities=RefundActivities(office.folder).all(),
        activity_executor=_executor(),
    )
    async with failing:
        handle = await office.client().start_workflow(
            PayAtOnceWorkflow.run, BLOCKED.iban, id=f"sofort-{uuid4()}", task_queue=office.task_queue
        )
        with pytest.raises(WorkflowFailureError) as error:
            await result(handle)
    assert BLOCKED.iban in str(error.value.cause)
    history = await handle.fetch_history()
    assert _found(_bytes(history)) == []
    assert texts(history)["type"] == [ACCOUNT_BLOCKED]


@workflow.defn(sandboxed=False)  # Dieses Modul lädt die Werkbank; die Sandbox lehnt sie ab.
class PayAtOnceWorkflow:
    """Scheitert mit einer IBAN im Text des Fehlers."""

    @workflow.run
    async def run(self, iban: str) -> None:
        raise ApplicationError(f"Das Konto {iban} ist gesperrt.", type=ACCOUNT_BLOCKED)


async def test_patch_ids_stay_in_clear(office: Office) -> None:
    async with _small_worker(office, EncryptionCodec(OLD), PatchedWorkflow):
        handle = await office.client().start_workflow(
            PatchedWorkflow.run, id=f"patch-{uuid4()}", task_queue=office.task_queue
        )
        await result(handle)
    assert b"rabatt-2026" in _bytes(await handle.fetch_history())


@workflow.defn(sandboxed=False)
class PatchedWorkflow:
    """Hat eine Änderung mit Namen."""

    @workflow.run
    async def run(self) -> bool:
        return workflow.patched("rabatt-2026")


async def test_errors_of_encode_reach_the_server_in_clear(office: Office) -> None:
    class Talkative(EncryptionCodec):
        """Ein Codec, der beim Verschlüsseln scheitert und dabei zitiert."""

        async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
            raise ValueError(f"Unerwartet: {payloads[0].data.decode()}")

    async with _small_worker(office, Talkative(OLD), EchoWorkflow):
        handle = await office.client().start_workflow(
            EchoWorkflow.run, GOOD.iban, id=f"echo-{uuid4()}", task_queue=office.task_queue
        )
        [message, *_] = await task_failures(handle, PATTERN.data_converter)
    assert message == f'Failed encoding completion: Unerwartet: "{GOOD.iban}"'
    assert GOOD.iban.encode() in _bytes(await handle.fetch_history())


@workflow.defn(sandboxed=False)
class EchoWorkflow:
    """Gibt zurück, was er bekommt."""

    @workflow.run
    async def run(self, text: str) -> str:
        return text


def _small_worker(office: Office, codec: EncryptionCodec, *workflows: type) -> Worker:
    client = encrypted(office.timelapse.client, codec)
    return Worker(client, task_queue=office.task_queue, workflows=workflows)
