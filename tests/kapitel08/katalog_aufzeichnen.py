"""Zeichnet die Läufe der Version 1 auf, gegen die der Änderungskatalog jede Änderung abspielt.

`python tests/kapitel08/katalog_aufzeichnen.py` legt sie ab; ein Test zeichnet sie neu auf und vergleicht.
"""

import asyncio
from datetime import timedelta
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHandle, WorkflowHistory
from temporalio.worker import Worker

from dauerlauf.history import dump, normalise
from dauerlauf.timelapse import Timelapse, result, timelapse
from kapitel08.aenderungskatalog.activities import ALL
from kapitel08.aenderungskatalog.catalogue import TOPICS, history_file
from kapitel08.aenderungskatalog.gates import Gates
from kapitel08.aenderungskatalog.models import Order
from kapitel08.aenderungskatalog.versions import child, flow, message, timer

ORDER = Order("N-1001", 249_00)
BASES = tuple(dict.fromkeys(change.before for changes in TOPICS.values() for change in changes))
WITHOUT_WAITING = frozenset({"Notify", "Memo", "Plain"})
"""Zwischen ihren Toren wartet nichts; mittendrin steht ein solcher Lauf nie."""

Handle = WorkflowHandle[Any, Any]


async def record(env: Timelapse, bases: tuple[type, ...] = BASES) -> dict[tuple[type, str], WorkflowHistory]:
    """Die Läufe aller Versionen 1, je Punkt einer."""
    queue = env.task_queue()
    # Zuerst nur ein Worker für Workflows: Activities bleiben geplant, bis der zweite kommt.
    workers = Worker(env.client_for("worker-1"), task_queue=queue, workflows=[*bases, child.Parcel])
    activities = Worker(env.client_for("worker-1"), task_queue=queue, activities=ALL)
    async with workers:
        with env.unskipped():
            await env.client.start_workflow(child.Parcel.run, "lager", id="lager", task_queue=queue)
            handles = [
                await env.client.start_workflow(
                    base.run,  # type: ignore[attr-defined]
                    ORDER,
                    id=f"katalog-{base.__name__.lower()}",
                    task_queue=queue,
                )
                for base in bases
            ]
        found: dict[tuple[type, str], WorkflowHistory] = {}

        async def keep(point: str) -> None:
            for base, handle in zip(bases, handles, strict=True):
                if point != "darin" or base.__name__ not in WITHOUT_WAITING:
                    await _at(handle, point)
                    found[base, point] = normalise(await handle.fetch_history())

        await keep("davor")
        for handle in handles:
            await handle.signal(Gates.go)
        await keep("darin")
        async with activities:
            for base, handle in zip(bases, handles, strict=True):
                await _finish(env, base, handle)
            await keep("dahinter")
            for base, handle in zip(bases, handles, strict=True):
                await handle.signal(Gates.go)
                first = env.client.get_workflow_handle(handle.id, run_id=handle.result_run_id)
                if base is flow.Rounds:
                    await _closed(first)
                    await handle.terminate()
                else:
                    await result(handle, 30)
                found[base, "beendet"] = normalise(await first.fetch_history())
    return found


async def _finish(env: Timelapse, base: type, handle: Handle) -> None:
    """Bringt zu Ende, was zwischen den Toren wartet."""
    if base is timer.Wait:
        await env.fast_forward(handle, timedelta(hours=1, seconds=1))
    elif base is timer.Approval:
        await handle.signal(timer.Approval.ask)
        await _has(handle, EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED)
        await handle.signal(timer.Approval.approve)
    elif base is child.Ship:
        await env.client.get_workflow_handle(f"paket-{ORDER.number}").signal(Gates.go)
    elif base is message.Message:
        await handle.signal(message.Message.note, "Bitte klingeln")
        await handle.execute_update(message.Message.correct, "Bitte klopfen", id="berichtigung")


async def _at(handle: Handle, place: str) -> None:
    async with asyncio.timeout(30):
        while await handle.query(Gates.place) != place:
            await asyncio.sleep(0.01)


async def _has(handle: Handle, kind: "EventType.ValueType") -> None:
    async with asyncio.timeout(30):
        while all(event.event_type != kind for event in (await handle.fetch_history()).events):
            await asyncio.sleep(0.01)


async def _closed(handle: Handle) -> None:
    async with asyncio.timeout(30):
        while (await handle.describe()).close_time is None:
            await asyncio.sleep(0.01)


async def main() -> None:
    async with timelapse() as env:
        for (base, point), history in (await record(env)).items():
            history_file(base, point).write_text(dump(history), "utf-8")


if __name__ == "__main__":
    asyncio.run(main())
