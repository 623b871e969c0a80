"""Was Verschlüsselung und Kompression kosten; läuft nur mit --bank und druckt die Zahlen (pytest -s)."""

import asyncio
import base64
import json
import os
import time
import zlib
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.worker import Worker

from dauerlauf.timelapse import Timelapse, result
from kapitel16.kompression.activities import price_list
from kapitel16.kompression.codec import CompressionCodec
from kapitel16.verschluesselung.activities import RefundActivities
from kapitel16.verschluesselung.codec import EncryptionCodec, encrypted
from kapitel16.verschluesselung.models import Refund
from kapitel16.verschluesselung.scenarios import GOOD, OLD
from kapitel16.verschluesselung.workflow import RefundWorkflow

pytestmark = pytest.mark.bank

RUNS = 40


def _payload(data: bytes) -> Payload:
    return Payload(metadata={"encoding": b"json/plain"}, data=data)


def _seconds(work: Callable[[], object], least: float = 0.2) -> float:
    """Der Median der Dauer eines Aufrufs."""
    measured = []
    end = time.perf_counter() + least
    while time.perf_counter() < end or len(measured) < 5:
        started = time.perf_counter()
        work()
        measured.append(time.perf_counter() - started)
    return median(measured)


@pytest.mark.parametrize("size", [200, 10_000, 1_000_000])
def test_messung_durchsatz(size: int) -> None:
    key = OLD.key("2026-10")
    data, payload, codec = os.urandom(size), _payload(os.urandom(size)), EncryptionCodec(OLD)
    plain = _seconds(lambda: AESGCM(key).encrypt(os.urandom(12), data, b""))
    loop = asyncio.new_event_loop()
    sealing = _seconds(lambda: loop.run_until_complete(codec.encode([payload])))
    [sealed] = loop.run_until_complete(codec.encode([payload]))
    opening = _seconds(lambda: loop.run_until_complete(codec.decode([sealed])))
    loop.close()
    print(
        f"\n{size} Bytes: AES-GCM allein {plain * 1e6:.0f} µs, versiegeln {sealing * 1e6:.0f} µs, "
        f"öffnen {opening * 1e6:.0f} µs, {size / sealing / 1e6:.0f} MB/s, "
        f"Aufschlag {sealed.ByteSize() - payload.ByteSize()} Bytes"
    )
    assert sealed.ByteSize() - payload.ByteSize() < 130


async def _stalled(work: Callable[[], Awaitable[object]]) -> tuple[float, float]:
    """Dauer der Arbeit und die längste Zeit, in der die Event-Loop zu nichts anderem kam."""
    gaps, running = [0.0], True

    async def tick() -> None:
        last = time.perf_counter()
        while running:
            await asyncio.sleep(0)
            now = time.perf_counter()
            gaps.append(now - last)
            last = now

    ticking = asyncio.create_task(tick())
    await asyncio.sleep(0.01)
    gaps.clear()
    started = time.perf_counter()
    await work()
    duration = time.perf_counter() - started
    running = False
    await ticking
    return duration, max(gaps)


async def test_messung_event_loop() -> None:
    text = json.dumps({"csv": price_list(20_000).csv}).encode()
    payload = _payload(text)
    for name, work in {
        "versiegeln": lambda: EncryptionCodec(OLD).encode([payload]),
        "komprimieren": lambda: CompressionCodec().encode([payload]),
        "komprimieren ohne Thread": lambda: asyncio.sleep(0, zlib.compress(payload.SerializeToString())),
    }.items():
        runs = [await _stalled(work) for _ in range(9)]
        duration, stall = (median(run[place] for run in runs) * 1000 for place in (0, 1))
        print(f"\n{name}, {len(text) / 1e6:.1f} MB: {duration:.1f} ms, Event-Loop steht {stall:.1f} ms")
        assert 0 < duration < 1000


async def _latency(client: Client, queue: str, folder: Path) -> float:
    worker = Worker(
        client,
        task_queue=queue,
        workflows=[RefundWorkflow],
        activities=RefundActivities(folder).all(),
        activity_executor=ThreadPoolExecutor(4),
    )
    durations = []
    async with worker:
        for _ in range(RUNS):
            refund = Refund(f"R-{uuid4()}", GOOD, 100, "Kulanz")
            started = time.perf_counter()
            await result(await client.start_workflow(RefundWorkflow.run, refund, id=str(uuid4()), task_queue=queue))
            durations.append(time.perf_counter() - started)
    return median(durations) * 1000


async def test_messung_latenz_je_workflow(timelapse: Timelapse, tmp_path: Path) -> None:
    plain = await _latency(timelapse.client, timelapse.task_queue(), tmp_path)
    sealed = await _latency(encrypted(timelapse.client, EncryptionCodec(OLD)), timelapse.task_queue(), tmp_path)
    print(f"\nEine Erstattung: ohne Codec {plain:.1f} ms, mit Codec {sealed:.1f} ms (Median aus {RUNS})")
    assert sealed < plain * 3


SHAPES = {
    "Auftrag, 0,2 kB": json.dumps({"number": "R-3007", "holder": "Jörg Weiß", "reason": "Sofa" * 30}).encode(),
    "Preisliste, 400 Zeilen": json.dumps({"csv": price_list(400).csv}).encode(),
    "Preisliste, 20.000 Zeilen": json.dumps({"csv": price_list(20_000).csv}).encode(),
    "JSON mit Zufallszahlen": json.dumps([int.from_bytes(os.urandom(4)) for _ in range(5000)]).encode(),
    "Foto in Base64": json.dumps(base64.b64encode(os.urandom(200_000)).decode()).encode(),
    "Zufall, wie verschlüsselt": os.urandom(200_000),
}


@pytest.mark.parametrize("name", SHAPES)
async def test_messung_kompression_je_form(name: str) -> None:
    payload = _payload(SHAPES[name])
    started = time.perf_counter()
    [packed] = await CompressionCodec().encode([payload])
    packing = time.perf_counter() - started
    started = time.perf_counter()
    await CompressionCodec().decode([packed])
    unpacking = time.perf_counter() - started
    share = packed.ByteSize() / payload.ByteSize()
    print(
        f"\n{name}: {payload.ByteSize()} → {packed.ByteSize()} Bytes ({share:.0%}), "
        f"packen {packing * 1000:.1f} ms, auspacken {unpacking * 1000:.1f} ms"
    )
    assert share <= 1
