"""Die Läufe des Musters `hallo`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from temporalio.client import WorkflowHandle

from dauerlauf.faults import ActivityAction, ActivityFault, FaultInjector, FaultPlan
from dauerlauf.scenario import CrashStage, Legend, Pattern, Stage
from dauerlauf.timelapse import result
from kapitel01.hallo.activities import Order
from kapitel01.hallo.worker import create_worker
from kapitel01.hallo.workflow import ConfirmOrder

PATTERN = Pattern(
    "hallo",
    chapter=1,
    title="Hallo",
    problem="Eine Bestellung soll bestätigt werden, und zwar genau einmal: "
    "der kleinste ehrliche Workflow.",
    workflows=[ConfirmOrder],
    legend=Legend(services={"confirm_order": "Postausgang"}),
)

WORKER = "kapitel01.hallo.worker:create_worker"


def letters(outbox: Path) -> str:
    """Sagt in einem Satz, was im Postausgang liegt."""
    names = sorted(file.name for file in outbox.iterdir())
    return f"Postausgang: {len(names)} Schreiben ({', '.join(names)})"


@PATTERN.scenario(
    "bestaetigung", "Die Bestätigung wird geschrieben, der Workflow ist fertig."
)
async def confirmation(stage: Stage) -> None:
    """Der ungestörte Lauf."""
    async with create_worker(
        stage.worker_client(), stage.folder, task_queue=stage.task_queue
    ):
        await result(await order_something(stage))
    stage.note(letters(stage.folder))


async def order_something(stage: Stage) -> WorkflowHandle[ConfirmOrder, str]:
    """Gibt die Bestellung B-1001 auf."""
    order = Order("B-1001", "Jörg Weiß", 2490)
    return await stage.start(ConfirmOrder.run, order, id="bestaetigung-B-1001")


@PATTERN.crash_stage("bestaetigung")
@asynccontextmanager
async def confirmation_until_crash(stage: Stage) -> AsyncIterator[CrashStage]:
    """Derselbe Lauf mit Workern, die sterben."""
    arguments = {"outbox": stage.folder / "post", "task_queue": stage.task_queue}
    yield CrashStage(WORKER, arguments, lambda: order_something(stage))


@PATTERN.scenario(
    "meldung-verloren", "Das Schreiben liegt da, aber die Meldung davon geht verloren."
)
async def lost_completion(stage: Stage) -> None:
    """Die Activity läuft zweimal; dank Dateiname bleibt es bei einem Schreiben."""
    lost = FaultPlan(
        activities=(ActivityFault("confirm_order", ActivityAction.LOSE_COMPLETION),)
    )
    client = stage.worker_client(plugins=[FaultInjector(lost)])
    async with create_worker(client, stage.folder, task_queue=stage.task_queue):
        order = Order("B-1002", "Änne Groß", 1205)
        handle = await stage.start(ConfirmOrder.run, order, id="bestaetigung-B-1002")
        await result(handle)
    stage.note(letters(stage.folder))
