"""Benannte Läufe des Musters: ein Auftrag, und was Export und Prüfung dazu sagen."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowHandle

from dauerlauf.scenario import CrashStage, Legend, Pattern, Stage
from dauerlauf.timelapse import result
from kapitel08.replay_test_in_ci import check, reordered, selection
from kapitel08.replay_test_in_ci.activities import SOLD_OUT
from kapitel08.replay_test_in_ci.command import read_keep
from kapitel08.replay_test_in_ci.export import BEHALTEN, Exporter, export_all
from kapitel08.replay_test_in_ci.models import (
    Address,
    Fulfilled,
    Order,
    Payment,
    Return,
)
from kapitel08.replay_test_in_ci.worker import CONVERTER, WORKFLOWS, create_worker
from kapitel08.replay_test_in_ci.workflow import OrderWorkflow, ReturnWorkflow

PATTERN = Pattern(
    "replay_test_in_ci",
    chapter=8,
    title="Replay-Test in der CI",
    problem="Eine Änderung, die laufende Workflows anhält, soll vor dem Ausliefern "
    "auffallen – ohne Kundendaten in der CI.",
    workflows=[OrderWorkflow, ReturnWorkflow],
    legend=Legend(
        services={
            "reserve_stock": "Lager",
            "check_credit": "Auskunftei",
            "declare_customs": "Zoll",
            "charge": "Kasse",
            "ship": "Versand",
            "refund": "Kasse",
        },
    ),
)

TIME_LIMIT = 40.0
WORKER = "kapitel08.replay_test_in_ci.worker:create_worker"
KEEP = read_keep(BEHALTEN)

Handle = WorkflowHandle[OrderWorkflow, Fulfilled]


def order(number: str, amount: int = 4990, **changes: Any) -> Order:
    """Ein Auftrag mit Daten, die keine CI je sehen soll."""
    country = changes.pop("country", "DE")
    return Order(
        number=number,
        email="anke.petersen@nordlicht.example",
        iban="DE89370400440532013000",
        address=Address(
            "Anke Petersen", "Große Straße 17", "24937", "Flensburg", country
        ),
        amount=amount,
        **changes,
    )


@asynccontextmanager
async def open_shop(stage: Stage) -> AsyncIterator[None]:
    """Startet einen Worker mit dem Code der Produktion."""
    client = stage.worker_client("worker-1")
    async with create_worker(client, stage.folder, task_queue=stage.task_queue):
        yield


async def place(stage: Stage, placed: Order) -> Handle:
    """Gibt den Auftrag auf; seine Uhr springt nicht von selbst."""
    with stage.timelapse.unskipped() if stage.timelapse else nullcontext():
        return await stage.start(
            OrderWorkflow.run, placed, id=f"auftrag/{placed.number}"
        )


async def waiting(handle: WorkflowHandle[Any, Any]) -> None:
    """Wartet, bis ein offener Lauf nur noch auf ein Signal oder einen Timer wartet."""
    async with asyncio.timeout(TIME_LIMIT):
        while True:
            raw = (await handle.describe()).raw_description
            begun = raw.workflow_execution_info.history_length > 3
            if begun and not (
                raw.pending_activities or raw.HasField("pending_workflow_task")
            ):
                return
            await asyncio.sleep(0.01)


async def export(stage: Stage, count: int, keep: frozenset[str] = KEEP) -> Path:
    """Exportiert, was auf dieser Task Queue lief, sobald der Server `count` zeigt."""
    query = f'TaskQueue = "{stage.task_queue}"'
    exporter = Exporter(stage.client, WORKFLOWS, CONVERTER, keep)
    async with asyncio.timeout(TIME_LIMIT):
        while len(await selection.select(stage.client, query, 99)) < count:
            await asyncio.sleep(0.02)
    target = stage.folder / "histories"
    printed: list[str] = []
    code = await export_all(exporter, target, query, 5, printed.append)
    note(stage, f"export endet mit {code}", printed)
    return target


async def replay(
    stage: Stage, folder: Path, workflows: Sequence[type] = WORKFLOWS
) -> None:
    """Spielt den Export gegen `workflows` ab."""
    printed: list[str] = []
    code = await check.check(folder, workflows, CONVERTER, say=printed.append)
    note(stage, f"check endet mit {code}", printed)


def note(stage: Stage, title: str, printed: Sequence[str]) -> None:
    """Hält den Bericht fest, ohne Pfade und Run-IDs, die jedes Mal andere sind."""
    stage.note(title)
    for line in "\n".join(printed).replace(f"{stage.folder}/", "").splitlines():
        if line.strip() and not line.startswith("  Lauf "):
            stage.note(line.strip())


@PATTERN.scenario(
    "glatt", "Ein Auftrag über 600 Euro läuft durch; seine History besteht die Prüfung."
)
async def smooth(stage: Stage) -> None:
    """Der gute Fall."""
    async with open_shop(stage):
        ended: Fulfilled = await result(
            await place(stage, order("N-4001", 60_000)), TIME_LIMIT
        )
        stage.note(f"Sendung: {ended.tracking}")
        await replay(stage, await export(stage, 1))


@PATTERN.crash_stage("glatt")
@asynccontextmanager
async def smooth_until_crash(stage: Stage) -> AsyncIterator[CrashStage]:
    """Derselbe Auftrag mit Workern, die sterben."""
    arguments = {"folder": stage.folder, "task_queue": stage.task_queue}
    yield CrashStage(WORKER, arguments, lambda: place(stage, order("N-4001", 60_000)))


@PATTERN.scenario(
    "offen-und-umgestellt",
    "Ein offener Auftrag; der neue Code fragt die Auskunftei vor dem Lager.",
)
async def open_and_reordered(stage: Stage) -> None:
    """Was ausgeliefert stehen bliebe, fällt vorher auf."""
    async with open_shop(stage):
        handle = await place(stage, order("N-4002", 60_000, payment=Payment.INVOICE))
        await waiting(handle)
        folder = await export(stage, 1)
        await replay(stage, folder)
        await replay(stage, folder, reordered.WORKFLOWS)
        await handle.signal(OrderWorkflow.paid, "Anke Petersen")
        await result(handle, TIME_LIMIT)


@PATTERN.scenario(
    "nur-ein-anderer-weg",
    "Unter 500 Euro fragt niemand die Auskunftei: Diese History merkt nichts.",
)
async def other_path(stage: Stage) -> None:
    """Warum eine einzige History nicht genügt."""
    async with open_shop(stage):
        await result(await place(stage, order("N-4003")), TIME_LIMIT)
        await replay(stage, await export(stage, 1), reordered.WORKFLOWS)


@PATTERN.scenario(
    "zu-viel-geschwaerzt",
    "Ohne das Land verzweigt der Code anders; der Export nennt die History.",
)
async def redacted_too_much(stage: Stage) -> None:
    """Schwärzen, das eine Entscheidung ändert, fällt sofort auf."""
    async with open_shop(stage):
        await result(await place(stage, order("N-4004")), TIME_LIMIT)
        await export(stage, 1, KEEP - {"country"})


@PATTERN.scenario(
    "ausverkauft", "Ohne Ware endet der Auftrag sofort; auch das ist ein Weg."
)
async def sold_out(stage: Stage) -> None:
    """Der Wahrheitswert des Lagers bleibt beim Schwärzen stehen."""
    async with open_shop(stage):
        await result(await place(stage, order(SOLD_OUT)), TIME_LIMIT)
        await replay(stage, await export(stage, 1))


@PATTERN.scenario(
    "retoure", "Ein zweiter Workflow-Typ: Die Ware kommt vor Ablauf der 14 Tage an."
)
async def goods_return(stage: Stage) -> None:
    """Jeder Typ braucht eigene Histories."""
    async with open_shop(stage):
        item = Return("R-4001", "Anke Petersen", "DE89370400440532013000", 4990)
        with stage.timelapse.unskipped() if stage.timelapse else nullcontext():
            handle = await stage.start(ReturnWorkflow.run, item, id="retoure/R-4001")
        await waiting(handle)
        await handle.signal(ReturnWorkflow.arrived)
        stage.note(f"Erstattet: {await result(handle, TIME_LIMIT)}")
        await replay(stage, await export(stage, 1))
