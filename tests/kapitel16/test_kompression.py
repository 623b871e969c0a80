"""Das Muster `kompression`: was sich lohnt, was durchs Limit passt, was nicht ausgepackt wird."""

import asyncio
import dataclasses
import os
import threading
import tracemalloc
import zlib
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from temporalio import activity, workflow
from temporalio.api.common.v1 import Payload
from temporalio.converter import DataConverter
from temporalio.service import RPCError
from temporalio.worker import Worker

from dauerlauf.faults import ActivityAction, ActivityFault, FaultPlan
from dauerlauf.history import load
from dauerlauf.scenario import Run
from dauerlauf.testing import open_worker
from dauerlauf.timelapse import Timelapse, result
from dauerlauf.worker_process import Trial, die_at_every_event
from hilfen import play_selected
from kapitel16.kompression.activities import price_list
from kapitel16.kompression.codec import ENCODING, KIB, MIB, CodecChain, CompressionCodec, CompressionError, pack, unpack
from kapitel16.kompression.models import PriceListRequest, Summary
from kapitel16.kompression.scenarios import PATTERN, SMALL, WORKER, bomb, task_failures
from kapitel16.kompression.worker import create_compressing_worker, create_worker, with_codec
from kapitel16.kompression.workflow import PriceListWorkflow
from kapitel16.verschluesselung.codec import EncryptionCodec
from kapitel16.verschluesselung.scenarios import OLD

TOO_LARGE = "[TMPRL1103] Attempted to upload payloads with size that exceeded the error limit."
DONE = "Ergebnis: Summary(rows={}, highest_cents=6800)"

# Szenario: Status, erste Notiz, Größe der Liste im Server höchstens (0: fehlt).
EXPECTED: dict[str, tuple[str, str, int]] = {
    "glatt": ("COMPLETED", DONE.format(400), 3 * KIB),
    "grosse-liste": ("COMPLETED", DONE.format(25_000), 100 * KIB),
    "ohne-kompression": (
        "FAILED",
        f"Ursache: PayloadsTooLarge: {TOO_LARGE}",
        0,
    ),
    "verschluesselt": ("COMPLETED", DONE.format(400), 3 * KIB),
    "falsche-reihenfolge": ("COMPLETED", DONE.format(400), 40 * KIB),
    "bombe": (
        "TERMINATED",
        "Workflow-Task gescheitert: Der Payload hat 4150 Bytes und ergäbe ausgepackt mehr als 1048576; er wird nicht "
        "ausgepackt.",
        0,
    ),
}


def test_every_scenario_has_an_expectation() -> None:
    assert set(EXPECTED) == set(PATTERN.scenarios)


@pytest.fixture(scope="module")
async def played(request: pytest.FixtureRequest, timelapse: Timelapse) -> Mapping[str, Run]:
    """Die Szenarien, die dieser Testlauf prüft, gleichzeitig gespielt."""
    return await play_selected(request, timelapse, PATTERN, own_ids="")


def _list_size(run: Run) -> int:
    sizes = [
        payload.ByteSize()
        for event in run.history.events
        for payload in event.activity_task_completed_event_attributes.result.payloads
    ]
    return sizes[0] if sizes else 0


@pytest.mark.parametrize("name", EXPECTED)
def test_scenario(name: str, played: Mapping[str, Run]) -> None:
    status, note, largest = EXPECTED[name]
    run = played[name]
    assert run.status == status
    assert run.notes[0] == note
    assert _list_size(run) <= largest
    assert bool(_list_size(run)) is bool(largest)


@pytest.mark.szenarien("verschluesselt", "falsche-reihenfolge")
def test_compressing_first_saves_what_the_other_order_wastes(played: Mapping[str, Run]) -> None:
    plain = len(DataConverter.default.payload_converter.to_payload(price_list(SMALL)).data)
    # Verschlüsselt kommt nur der feste Aufschlag hinzu; in der falschen Reihenfolge spart niemand etwas.
    assert _list_size(played["verschluesselt"]) < plain / 10
    assert _list_size(played["falsche-reihenfolge"]) > plain


@pytest.mark.parametrize("name", PATTERN.scenarios)
async def test_recorded_history_replays(name: str, replay: Callable[..., Awaitable[int]]) -> None:
    file = PATTERN.history_file(name)
    assert await replay(file, workflows=PATTERN.workflows, data_converter=PATTERN.data_converter) == 1


async def test_old_histories_without_compression_still_replay(replay: Callable[..., Awaitable[int]]) -> None:
    # Wer Kompression einführt, muss laufende Workflows weiter lesen: Fremdes bleibt, wie es ist.
    converter = with_codec_converter(CompressionCodec())
    file = PATTERN.history_file("ohne-kompression")
    assert await replay(file, workflows=PATTERN.workflows, data_converter=converter) == 1
    assert load(file).events


def with_codec_converter(codec: CompressionCodec) -> DataConverter:
    """Der Standardkonverter mit diesem Codec."""
    return dataclasses.replace(DataConverter.default, payload_codec=codec)


# --- Der Codec für sich ----------------------------------------------------------------------------------------------

PAYLOADS = st.builds(
    Payload,
    metadata=st.dictionaries(st.text(max_size=20), st.binary(max_size=40), max_size=3),
    data=st.one_of(st.binary(max_size=3000), st.integers(0, 100_000).map(bytes)),
)


@given(PAYLOADS, st.integers(0, 2000))
@settings(max_examples=60, deadline=None)
async def test_what_goes_in_comes_out_and_never_grows(payload: Payload, at_least: int) -> None:
    codec = CompressionCodec(at_least=at_least)
    [packed] = await codec.encode([payload])
    assert packed.ByteSize() <= payload.ByteSize()
    assert await codec.decode([packed]) == [payload]


def _payload(size: int) -> Payload:
    return Payload(metadata={"encoding": b"json/plain"}, data=b'"' + b"x" * (size - 2) + b'"')


async def test_below_the_threshold_nothing_happens() -> None:
    # Die Grenze zählt den ganzen Payload, samt Metadaten, und auf das Byte genau.
    extra = _payload(1000).ByteSize() - 1000
    small, larger = _payload(KIB - extra - 1), _payload(KIB - extra)
    packed = await CompressionCodec().encode([small, larger])
    assert packed[0] == small
    assert packed[1].metadata["encoding"] == ENCODING


async def test_what_does_not_shrink_stays_as_it_is() -> None:
    random = Payload(metadata={"encoding": b"binary/plain"}, data=os.urandom(5000))
    assert await CompressionCodec().encode([random]) == [random]


def test_a_bomb_is_not_unpacked() -> None:
    content = bomb(16 * MIB)
    assert content.ByteSize() < 20 * KIB
    with pytest.raises(CompressionError) as error:
        unpack(content, limit=MIB)
    assert str(error.value) == (
        f"Der Payload hat {len(content.data)} Bytes und ergäbe ausgepackt mehr als 1048576; er wird nicht ausgepackt."
    )


def test_a_bomb_costs_no_more_memory_than_the_limit() -> None:
    content = bomb(16 * MIB)
    tracemalloc.start()
    try:
        with pytest.raises(CompressionError):
            unpack(content, limit=MIB)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * MIB


def test_exactly_at_the_limit_it_is_unpacked() -> None:
    payload = _payload(5000)
    packed = pack(payload, at_least=0, limit=payload.ByteSize())
    assert unpack(packed, limit=payload.ByteSize()) == payload
    with pytest.raises(CompressionError, match="ergäbe ausgepackt mehr"):
        unpack(packed, limit=payload.ByteSize() - 1)
    with pytest.raises(CompressionError, match="erlaubt sind"):
        pack(payload, at_least=0, limit=payload.ByteSize() - 1)


def test_a_limit_of_zero_would_be_none() -> None:
    # Für zlib heißt 0 „unbegrenzt“: Die Grenze wäre lautlos weg.
    assert len(zlib.decompressobj().decompress(zlib.compress(bytes(5000)), 0)) == 5000
    with pytest.raises(ValueError, match="positiv"):
        CompressionCodec(limit=0)


async def test_what_nobody_could_unpack_is_refused_by_the_sender() -> None:
    payload = _payload(5000)
    with pytest.raises(CompressionError) as error:
        pack(payload, at_least=0, limit=4096)
    assert str(error.value) == (
        f"Der Payload hat {payload.ByteSize()} Bytes, erlaubt sind 4096. Legen Sie die Daten außerhalb ab und geben "
        "Sie nur eine Referenz weiter."
    )
    with pytest.raises(CompressionError, match="erlaubt sind 16777216"):
        await CompressionCodec().encode([_payload(16 * MIB)])
    # Beide Wege halten sich an die Grenze des Codecs.
    codec = CompressionCodec(limit=4096)
    with pytest.raises(CompressionError, match="erlaubt sind 4096"):
        await codec.encode([payload])
    with pytest.raises(CompressionError, match="mehr als 4096"):
        await codec.decode([pack(payload, at_least=0, limit=MIB)])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data[:-1], "Der Payload ist abgeschnitten."),
        (lambda data: b"", "Der Payload ist abgeschnitten."),
        (lambda data: b"kein zlib", "Der Payload ist kein zlib: Error -3 while decompressing data: incorrect"),
        (
            lambda data: data[:-1] + b"\0",
            "Der Payload ist kein zlib: Error -3 while decompressing data: incorrect",
        ),
    ],
)
def test_damage_is_reported(damage: Callable[[bytes], bytes], message: str) -> None:
    packed = pack(_payload(5000), at_least=0, limit=MIB)
    with pytest.raises(CompressionError) as error:
        unpack(Payload(metadata=packed.metadata, data=damage(packed.data)), limit=MIB)
    assert str(error.value).startswith(message)


async def test_large_payloads_leave_the_event_loop_free(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[bool] = []
    original = zlib.compress

    def watched(data: bytes) -> bytes:
        threads.append(threading.current_thread() is threading.main_thread())
        return original(data)

    monkeypatch.setattr(zlib, "compress", watched)
    packed = await CompressionCodec().encode([_payload(2 * KIB), _payload(200 * KIB)])
    assert threads == [True, False]
    unzip = zlib.decompressobj

    def watched_unzip() -> Any:
        threads.append(threading.current_thread() is threading.main_thread())
        return unzip()

    monkeypatch.setattr(zlib, "decompressobj", watched_unzip)
    await CompressionCodec().decode(packed)
    # Auch das Kleine: Wie viel daraus wird, weiß vorher niemand.
    assert threads[2:] == [False, False]


async def test_the_chain_decodes_in_reverse_order() -> None:
    chain = CodecChain(CompressionCodec(), EncryptionCodec(OLD))
    payload = _payload(5000)
    [stored] = await chain.encode([payload])
    assert stored.metadata["encoding"] == b"binary/encrypted"
    assert stored.ByteSize() < 300
    assert await chain.decode([stored]) == [payload]


# --- Im Betrieb ------------------------------------------------------------------------------------------------------


async def test_one_worker_serves_clients_with_and_without_codec(timelapse: Timelapse) -> None:
    compressing = create_compressing_worker(timelapse.client, task_queue=timelapse.task_queue())
    assert isinstance(compressing.client.data_converter.payload_codec, CompressionCodec)
    # Ein Worker mit Codec bedient auch einen Client, der noch keinen hat.
    async with Worker(
        with_codec(timelapse.client, CompressionCodec()),
        task_queue=(queue := timelapse.task_queue()),
        workflows=[EchoWorkflow],
    ):
        for client in (timelapse.client, with_codec(timelapse.client, CompressionCodec())):
            handle = await client.start_workflow(EchoWorkflow.run, "x" * 5000, id=f"echo-{uuid4()}", task_queue=queue)
            receiver = with_codec(timelapse.client, CompressionCodec()).get_workflow_handle(handle.id)
            assert await result(receiver) == "x" * 5000


@workflow.defn(sandboxed=False)  # Dieses Modul lädt die Werkbank; die Sandbox lehnt sie ab.
class EchoWorkflow:
    """Gibt zurück, was er bekommt."""

    @workflow.run
    async def run(self, text: str) -> str:
        return text


@workflow.defn(sandboxed=False)
class HugeResultWorkflow:
    """Gibt mehr zurück, als der Server annimmt."""

    @workflow.run
    async def run(self) -> str:
        return "x" * (2 * MIB)


async def test_limit_of_a_start_argument(timelapse: Timelapse) -> None:
    with pytest.raises(RPCError) as error:
        await timelapse.client.start_workflow(
            EchoWorkflow.run, "x" * (2 * MIB), id=f"echo-{uuid4()}", task_queue=timelapse.task_queue()
        )
    assert error.value.message == "Blob data size exceeds limit."


async def test_limit_of_a_workflow_result_stops_the_workflow(timelapse: Timelapse) -> None:
    queue = timelapse.task_queue()
    async with Worker(timelapse.client, task_queue=queue, workflows=[HugeResultWorkflow]):
        handle = await timelapse.client.start_workflow(HugeResultWorkflow.run, id=f"gross-{uuid4()}", task_queue=queue)
        async with asyncio.timeout(30):
            while not (failures := await task_failures(handle)):  # type: ignore[arg-type]
                await asyncio.sleep(0.01)
        assert failures[0].startswith(
            "[TMPRL1103] Attempted to upload payloads with size that exceeded the error limit."
        )
        status = (await handle.describe()).status
        assert status is not None
        assert status.name == "RUNNING"
        await handle.terminate("Test beendet")


@pytest.mark.szenarien("glatt")
async def test_a_stranger_without_the_codec_sees_only_the_encoding(played: Mapping[str, Run]) -> None:
    [payload] = [
        payload
        for event in played["glatt"].history.events
        for payload in event.activity_task_completed_event_attributes.result.payloads
    ]
    with pytest.raises(KeyError) as error:
        await DataConverter.default.decode([payload])
    assert str(error.value) == "'Unknown payload encoding binary/zlib'"


async def test_a_duplicate_delivery_changes_nothing(timelapse: Timelapse) -> None:
    duplicate = FaultPlan(activities=(ActivityFault("fetch_prices", ActivityAction.DUPLICATE),))
    async with open_worker(
        timelapse,
        create=lambda client, queue: create_worker(with_codec(client, CompressionCodec()), task_queue=queue),
        plan=duplicate,
    ) as worker:
        worker.client = with_codec(worker.client, CompressionCodec())
        summary: Any = await worker.execute(PriceListWorkflow.run, PriceListRequest("Möbelwerk", SMALL))
        assert summary == Summary(SMALL, 6800)
        assert worker.fired


@pytest.mark.gruendlich
@pytest.mark.prozess
@pytest.mark.timeout(300)
async def test_worker_dies_at_every_event(timelapse: Timelapse, tmp_path: Path) -> None:
    reference, *others = await die_at_every_event(
        timelapse,
        WORKER,
        arguments=lambda trial: {"task_queue": trial.task_queue},
        start=_start,
        folder=tmp_path / "runs",
    )
    assert len(others) == len(reference.history.events)
    for takeover in [reference, *others]:
        assert (takeover.status.name, takeover.result) == ("COMPLETED", Summary(SMALL, 6800)), takeover.describe()


async def _start(client: Any, trial: Trial) -> Any:
    return await with_codec(client, CompressionCodec()).start_workflow(
        PriceListWorkflow.run,
        PriceListRequest("Möbelwerk", SMALL),
        id=trial.workflow_id,
        task_queue=trial.task_queue,
    )


async def test_wrong_compressing_inside_the_workflow_saves_nothing(timelapse: Timelapse) -> None:
    # Irrtum: Der Zustand eines Workflows steht nirgends; nur was über die Grenze geht, kostet Platz.
    @activity.defn
    async def large() -> str:
        return "x" * (100 * KIB)

    queue = timelapse.task_queue()
    async with Worker(timelapse.client, task_queue=queue, workflows=[SqueezeWorkflow], activities=[large]):
        handle = await timelapse.client.start_workflow(SqueezeWorkflow.run, id=f"squeeze-{uuid4()}", task_queue=queue)
        await result(handle)
    history = await handle.fetch_history()
    assert sum(event.ByteSize() for event in history.events) > 100 * KIB


@workflow.defn(sandboxed=False)
class SqueezeWorkflow:
    """Komprimiert im Workflow, was längst in der History steht."""

    @workflow.run
    async def run(self) -> int:
        text: str = await workflow.execute_activity("large", start_to_close_timeout=timedelta(seconds=10))
        return len(zlib.compress(text.encode()))
