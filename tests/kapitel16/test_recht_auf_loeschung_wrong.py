"""Die falschen Löschungen aus `wrong.py`: Jeder Test beweist einen Schaden, den das Muster vermeidet."""

import asyncio
import json
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from loeschung_hilfen import new_stage, open_office, raw_history
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client
from temporalio.worker import Replayer, Worker

from dauerlauf.scenario import Stage
from dauerlauf.timelapse import Timelapse, result
from kapitel16.recht_auf_loeschung.activities import ErasureActivities, OrderActivities
from kapitel16.recht_auf_loeschung.codec import COMPANY, ERASED, PersonCodec, person_converter
from kapitel16.recht_auf_loeschung.key_store import KeyCache, KeyDestroyedError, KeyStore
from kapitel16.recht_auf_loeschung.models import ErasureRequest, Payment
from kapitel16.recht_auf_loeschung.proof import examine, payloads
from kapitel16.recht_auf_loeschung.scenarios import LAMP, Office, open_shop, reached
from kapitel16.recht_auf_loeschung.worker import WORKFLOWS
from kapitel16.recht_auf_loeschung.workflow import OrderWorkflow
from kapitel16.recht_auf_loeschung.wrong import (
    CopyingWorkflow,
    ForeverCache,
    HastyErasureWorkflow,
    RaisingCodec,
    TextCodec,
    forget_mapping_only,
)
from kapitel16.verschluesselung.codec import key_id_of, open_sealed


@asynccontextmanager
async def _worker(stage: Stage, codec: PersonCodec, identity: str = "worker-9") -> AsyncIterator[None]:
    """Ein Worker mit dem Codec des Tests und den falschen Workflows."""
    config = stage.worker_client(identity).config()
    config["data_converter"] = person_converter(codec)
    client = Client(**config)
    activities: list[Any] = [*OrderActivities(stage.folder).all(), *ErasureActivities(stage.folder, client).all()]
    async with Worker(
        client,
        task_queue=stage.task_queue,
        workflows=[*WORKFLOWS, HastyErasureWorkflow, CopyingWorkflow],
        activities=activities,
        activity_executor=ThreadPoolExecutor(4),
        max_concurrent_activities=4,
    ):
        yield


def _fresh(stage: Stage) -> PersonCodec:
    return PersonCodec(KeyCache(KeyStore(stage.folder), 0), strict=False)


async def test_wrong_a_cache_for_ever_ignores_the_erasure(tmp_path: Path) -> None:
    store = KeyStore(tmp_path)
    store.create("betrieb")
    now = 0.0
    forever, limited = ForeverCache(store), KeyCache(store, 60, lambda: now)
    key = forever.key("betrieb")
    assert limited.key("betrieb") == key
    store.destroy("betrieb", "2026-01-05T08:00:00+00:00")
    now = 60.0
    assert forever.key("betrieb") == key
    with pytest.raises(KeyDestroyedError):
        limited.key("betrieb")


async def test_wrong_searching_the_text_leaves_the_address_readable(timelapse: Timelapse, tmp_path: Path) -> None:
    stage = new_stage(timelapse, tmp_path)
    office = Office(stage)
    async with _worker(stage, TextCodec(KeyCache(office.keys, 0), strict=False)):
        order = await office.shipped_order(office.meike, "N-1")
        office.keys.destroy(f"{office.meike.number}.auftrag", "2026-01-05T08:00:00+00:00")
        events = (await raw_history(stage.client, f"{order.id}-paket")).events
    readable = {
        EventType.Name(event.event_type)
        for event in events
        for payload in payloads(event)
        if key_id_of(payload) == COMPANY
        and office.meike.street in json.loads(open_sealed(payload, office.keys.key(COMPANY)).data)
    }
    # Die Eingaben nennen die Nummer, die Ergebnisse bestehen nur aus der Anschrift.
    assert readable == {
        "EVENT_TYPE_ACTIVITY_TASK_COMPLETED",
        "EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED",
    }


async def test_wrong_a_codec_that_raises_cannot_replay(timelapse: Timelapse, tmp_path: Path) -> None:
    async with open_office(timelapse, tmp_path) as shop:
        office = shop.office
        order = await office.shipped_order(office.anke, "N-1", recipient=office.meike.number)
        own = await office.shipped_order(office.meike, "N-2")
        histories = [await shop.stage.client.get_workflow_handle(one.id).fetch_history() for one in (order, own)]
        keys = KeyCache(office.keys, 0)
        outcomes = []
        for erased in (False, True):
            if erased:
                await office.erase(office.meike)
            for codec in (RaisingCodec(keys, strict=False), PersonCodec(keys, strict=False)):
                replayer = Replayer(workflows=WORKFLOWS, data_converter=person_converter(codec), build_id="test")
                for history in histories:
                    outcome = await replayer.replay_workflow(history, raise_on_replay_failure=False)
                    outcomes.append(outcome.replay_failure is None)
    # Ankes und Meikes Auftrag: Vor der Löschung gelingt jedes Replay, danach nur noch das mit Grabsteinen.
    assert outcomes == [True, True, True, True, False, False, True, True]


async def _workflow_task_failures(stage: Stage, handle: Any) -> tuple[int, str]:
    """Wie oft der Workflow-Task bisher versucht wurde und woran er scheiterte."""
    pending = (await handle.describe()).raw_description.pending_workflow_task
    failed = EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
    found = [event for event in (await raw_history(stage.client, handle.id)).events if event.event_type == failed]
    message = found[-1].workflow_task_failed_event_attributes.failure.message if found else ""
    return pending.attempt, message


async def test_wrong_a_codec_that_raises_stops_the_workflow_of_another_person(
    timelapse: Timelapse, tmp_path: Path
) -> None:
    stage = new_stage(timelapse, tmp_path)
    office = Office(stage)
    async with open_shop(stage):
        order = await office.shipped_order(office.anke, "N-1", recipient=office.meike.number)
        await office.erase(office.meike)
    # Der Worker ist neu und muss Ankes History noch einmal lesen; darin steht Meikes Payload.
    async with _worker(stage, RaisingCodec(KeyCache(office.keys, 0), strict=False)):
        await order.cancel()
        async with asyncio.timeout(30):
            while (await _workflow_task_failures(stage, order))[0] < 2:
                await asyncio.sleep(0.05)
        assert (await order.describe()).status.name == "RUNNING"
    await order.terminate()


async def test_wrong_erasing_before_the_workflows_ended_loses_an_order(timelapse: Timelapse, tmp_path: Path) -> None:
    stage = new_stage(timelapse, tmp_path)
    office = Office(stage)
    async with _worker(stage, _fresh(stage)):
        order = await office.order(office.meike, "N-1")
        await reached(order, "wartet auf Zahlung")
        hasty = await stage.client.start_workflow(
            HastyErasureWorkflow.run,
            ErasureRequest(office.meike.number),
            id=f"betrieb/eilig/{office.meike.number}",
            task_queue=stage.task_queue,
        )
        await result(hasty)
        # Die Kundin zahlt noch, der Auftrag kommt nicht mehr an sie heran, die Ware bleibt liegen.
        with pytest.raises(KeyDestroyedError):
            await order.signal(OrderWorkflow.pay, Payment("1"))
        assert (await order.describe()).status.name == "RUNNING"
        assert office.register.stock() == {"N-1": "reserviert"}


async def test_wrong_deleting_only_the_mapping_leaves_the_name_in_the_history(
    timelapse: Timelapse, tmp_path: Path
) -> None:
    async with open_office(timelapse, tmp_path) as shop:
        office = shop.office
        order = await office.shipped_order(office.meike, "N-1")
        forget_mapping_only(tmp_path, office.meike.number)
        with pytest.raises(LookupError):
            office.register.customer(office.meike.number)
        history = await raw_history(shop.stage.client, f"{order.id}-paket")
        found = examine([history], [f"{office.meike.number}.auftrag"], office.keys.living())
        assert found.readable == found.sealed > 0
        parcel = shop.stage.client.get_workflow_handle(f"{order.id}-paket")
        assert await result(parcel) == office.meike.label


async def test_wrong_copied_data_of_another_person_stays_readable(timelapse: Timelapse, tmp_path: Path) -> None:
    stage = new_stage(timelapse, tmp_path)
    office = Office(stage)
    async with _worker(stage, _fresh(stage)):
        copied = await stage.client.start_workflow(
            CopyingWorkflow.run,
            replace(LAMP, recipient=office.meike.number),
            id=f"kunde/{office.anke.number}/auftrag/N-1",
            task_queue=stage.task_queue,
        )
        await result(copied)
        await office.erase(office.meike)
        parcel = stage.client.get_workflow_handle(f"kunde/{office.meike.number}/auftrag/N-1-paket")
        assert await result(parcel) == ERASED
        # Das Ergebnis von Ankes Workflow enthält Meikes Anschrift noch immer.
        assert await result(copied) == office.meike.label


async def test_memory_of_a_running_worker_is_not_erased(timelapse: Timelapse, tmp_path: Path) -> None:
    """Der Schlüssel ist weg, der Klartext im Speicher des Workers noch da; hinaus kommt er nicht mehr."""
    stage = new_stage(timelapse, tmp_path)
    office = Office(stage)
    async with _worker(stage, _fresh(stage)):
        order = await office.shipped_order(office.meike, "N-1")
        office.keys.destroy(f"{office.meike.number}.auftrag", "2026-01-05T08:00:00+00:00")
        view = await order.query(OrderWorkflow.view)
        assert view.state == ERASED
        await order.cancel()
        assert (await result(order)).label == ""
