"""Benannte Läufe des Musters: was durch das Limit passt, in welcher Reihenfolge Codecs
gehören und was eine Bombe anrichtet.
"""

import asyncio
import json
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowFailureError, WorkflowHandle
from temporalio.common import RawValue
from temporalio.converter import PayloadCodec

from dauerlauf.history import size_text
from dauerlauf.scenario import CrashStage, Legend, Pattern, Stage
from dauerlauf.timelapse import result
from kapitel16.kompression.codec import ENCODING, MIB, CodecChain, CompressionCodec
from kapitel16.kompression.models import PriceListRequest, Summary
from kapitel16.kompression.worker import create_worker, with_codec
from kapitel16.kompression.workflow import PriceListWorkflow
from kapitel16.verschluesselung.codec import EncryptionCodec, data_converter
from kapitel16.verschluesselung.scenarios import OLD

PATTERN = Pattern(
    "kompression",
    chapter=16,
    title="Kompression",
    problem="Eine lange Preisliste ist größer, als der Server einen Payload annimmt, "
    "und jede Kopie davon liegt Wochen in der Datenbank.",
    workflows=[PriceListWorkflow],
    legend=Legend(services={"fetch_prices": "Lieferant"}),
    # Liest jede Form, die ein Szenario schreibt, auch die falsche Reihenfolge.
    data_converter=data_converter(
        CodecChain(
            CompressionCodec(),
            EncryptionCodec(OLD, accept_plaintext=True),
            CompressionCodec(),
        )
    ),
)

TIME_LIMIT = 40.0
WORKER = "kapitel16.kompression.worker:create_compressing_worker"
SMALL, LARGE = 400, 25_000

Handle = WorkflowHandle[PriceListWorkflow, Summary]


async def start(stage: Stage, rows: int) -> Handle:
    """Startet das Einlesen einer Liste."""
    request = PriceListRequest("Möbelwerk Schleswig", rows)
    return await stage.start(PriceListWorkflow.run, request, id="preisliste-2026-11")


async def read_list(stage: Stage, codec: PayloadCodec | None, rows: int) -> None:
    """Liest eine Liste mit diesem Codec und hält fest, wie groß sie im Server ist."""
    if codec is not None:
        stage.client = with_codec(stage.client, codec)
    async with create_worker(stage.worker_client(), task_queue=stage.task_queue):
        handle = await start(stage, rows)
        try:
            stage.note(f"Ergebnis: {await result(handle, TIME_LIMIT)}")
        except WorkflowFailureError as error:
            failure = error.cause.__cause__ if error.cause else None
            stage.note(f"Ursache: {failure}")
    largest = 0
    async for event in handle.fetch_history_events():
        for payload in event.activity_task_completed_event_attributes.result.payloads:
            largest = payload.ByteSize()
    stage.note(f"Die Liste im Server: {size_text(largest) if largest else 'fehlt'}")


@PATTERN.scenario("glatt", "Eine kurze Liste, komprimiert.")
async def smooth(stage: Stage) -> None:
    """Kleine Payloads bleiben, wie sie sind; die Liste schrumpft."""
    await read_list(stage, CompressionCodec(), SMALL)


@PATTERN.crash_stage("glatt")
@asynccontextmanager
async def smooth_until_crash(stage: Stage) -> AsyncIterator[CrashStage]:
    """Der gute Fall mit Workern, die sterben."""
    stage.client = with_codec(stage.client, CompressionCodec())
    yield CrashStage(
        WORKER, {"task_queue": stage.task_queue}, lambda: start(stage, SMALL)
    )


@PATTERN.scenario(
    "grosse-liste", "25.000 Zeilen: Komprimiert passen sie durch das Limit."
)
async def large(stage: Stage) -> None:
    """Mehr als 2 MiB, und trotzdem kein Problem."""
    await read_list(stage, CompressionCodec(), LARGE)


@PATTERN.scenario(
    "ohne-kompression", "Dieselben 25.000 Zeilen ohne Codec: Jeder Versuch scheitert."
)
async def without_codec(stage: Stage) -> None:
    """Was ein Leser sieht, wenn ein Ergebnis zu groß ist."""
    await read_list(stage, None, LARGE)


@PATTERN.scenario("verschluesselt", "Erst komprimieren, dann verschlüsseln.")
async def compressed_and_encrypted(stage: Stage) -> None:
    """Die richtige Reihenfolge."""
    codec = CodecChain(CompressionCodec(), EncryptionCodec(OLD))
    await read_list(stage, codec, SMALL)


@PATTERN.scenario("falsche-reihenfolge", "Erst verschlüsseln, dann komprimieren.")
async def wrong_order(stage: Stage) -> None:
    """Was verschlüsselt ist, sieht aus wie Zufall; daran ist nichts zu komprimieren."""
    codec = CodecChain(EncryptionCodec(OLD), CompressionCodec())
    await read_list(stage, codec, SMALL)


def bomb(size: int) -> Payload:
    """Ein winziger Payload, der ausgepackt etwa `size` Bytes hat."""
    content = json.dumps({"supplier": " " * size, "rows": 1}).encode()
    inner = Payload(metadata={"encoding": b"json/plain"}, data=content)
    return Payload(
        metadata={"encoding": ENCODING}, data=zlib.compress(inner.SerializeToString())
    )


@PATTERN.scenario("bombe", "Ein Payload von 4 KiB, der ausgepackt 4 MiB hätte.")
async def zip_bomb(stage: Stage) -> None:
    """Der Worker packt nur bis zu seinem Limit aus; der Workflow-Task scheitert."""
    worker = with_codec(stage.worker_client(), CompressionCodec(limit=MIB))
    async with create_worker(worker, task_queue=stage.task_queue):
        handle = await stage.start(
            "PriceListWorkflow", RawValue(bomb(4 * MIB)), id="preisliste-2026-12"
        )
        async with asyncio.timeout(TIME_LIMIT):
            while not (failures := await task_failures(handle)):
                await asyncio.sleep(0.01)
        stage.note(f"Workflow-Task gescheitert: {failures[0]}")
        await handle.terminate("Bombe entschärft")


async def task_failures(
    handle: WorkflowHandle[PriceListWorkflow, Summary],
) -> list[str]:
    """Die Meldungen der gescheiterten Workflow-Tasks."""
    return [
        event.workflow_task_failed_event_attributes.failure.message
        async for event in handle.fetch_history_events()
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
    ]
