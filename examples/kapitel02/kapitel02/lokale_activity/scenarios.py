"""Die Läufe des Musters `lokale_activity`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowFailureError, WorkflowHandle

from dauerlauf.faults import ActivityAction, ActivityFault, FaultInjector, FaultPlan
from dauerlauf.scenario import CrashStage, Legend, Pattern, Stage
from dauerlauf.timelapse import result
from dauerlauf.worker_process import WorkerProcess
from kapitel02.lokale_activity.activities import Invoice, Line, Order
from kapitel02.lokale_activity.comparison import WriteInvoiceRemotely
from kapitel02.lokale_activity.services import LOOK_UP, Register, audit
from kapitel02.lokale_activity.worker import create_worker
from kapitel02.lokale_activity.workflow import WriteInvoice

PATTERN = Pattern(
    "lokale_activity",
    chapter=2,
    title="Lokale Activity",
    problem="Neun kurze Schritte je Rechnung: Muss jeder über den Server gehen?",
    workflows=[WriteInvoice, WriteInvoiceRemotely],
    legend=Legend(services={"look_up_price": "Register", "draw_number": "Register"}),
)

PACKAGE = "kapitel02.lokale_activity"
WORKER = f"{PACKAGE}.worker:create_worker"
KEYLESS_WORKER = f"{PACKAGE}.wrong:create_keyless_worker"
LINES = [
    Line("Buddelschiff"),
    Line("Ölzeug", 2),
    Line("Kompass"),
    Line("Fischerhemd", 3),
    Line("Buddelschiff", 2),
    Line("Ölzeug"),
    Line("Kompass", 4),
    Line("Fischerhemd"),
]
SHORT = timedelta(seconds=1)


def at_the_end(action: ActivityAction, **options: Any) -> FaultPlan:
    """Eine Störung am letzten Schritt, dem Ziehen der Nummer."""
    return FaultPlan(activities=(ActivityFault("draw_number", action, **options),))


def order(order_id: str, retry_seconds: float = 300) -> Order:
    """Eine Bestellung mit acht Zeilen."""
    return Order(order_id, LINES, retry_seconds)


def finding(stage: Stage, invoice: Invoice) -> None:
    """Notiert Rechnung und Register."""
    euros = f"{invoice.total_cents / 100:.2f}".replace(".", ",")
    stage.note(f"Rechnung {invoice.number} über {euros} €")
    stage.note(audit(stage.folder))


async def smooth(stage: Stage, workflow: Any, order_id: str) -> None:
    """Ein ungestörter Lauf."""
    async with create_worker(
        stage.worker_client(), stage.folder, task_queue=stage.task_queue
    ):
        finding(stage, await result(await place(stage, workflow, order_id)))


async def place(
    stage: Stage, workflow: Any, order_id: str
) -> WorkflowHandle[Any, Invoice]:
    """Gibt die Bestellung auf."""
    return await stage.start(workflow, order(order_id), id=f"rechnung-{order_id}")


async def crash(
    stage: Stage, workflow: Any, order_id: str, factory: str = WORKER
) -> None:
    """Der erste Worker stirbt nach dem Ziehen der Nummer, der zweite übernimmt."""
    arguments = {"folder": stage.folder, "task_queue": stage.task_queue}
    plan = at_the_end(ActivityAction.KILL_AFTER)
    async with await WorkerProcess.start(
        factory, stage.client, arguments=arguments, plan=plan
    ) as first:
        handle = await stage.start(
            workflow, order(order_id), id=f"rechnung-{order_id}", task_timeout=SHORT
        )
        stage.note(f"worker-1: Prozess beendet mit Code {await first.died()} (SIGKILL)")
    async with await WorkerProcess.start(
        factory, stage.client, arguments=arguments, identity="worker-2"
    ):
        finding(stage, await result(handle, timeout=30))


async def looked_up(folder: Path, calls: int) -> None:
    """Wartet, bis das Register so oft nachgeschlagen hat."""
    register = Register(folder)
    async with asyncio.timeout(10):
        while register.calls(LOOK_UP) < calls:
            await asyncio.sleep(0.02)


@PATTERN.scenario(
    "lokal", "Acht Preise und eine Nummer in einem einzigen Workflow-Task."
)
async def local(stage: Stage) -> None:
    """Der gute Fall."""
    await smooth(stage, WriteInvoice.run, "R-3001")


@PATTERN.crash_stage("lokal")
@asynccontextmanager
async def local_until_crash(stage: Stage) -> AsyncIterator[CrashStage]:
    """Der gute Fall mit Workern, die sterben."""
    arguments = {"folder": stage.folder, "task_queue": stage.task_queue}
    yield CrashStage(
        WORKER, arguments, lambda: place(stage, WriteInvoice.run, "R-3001")
    )


@PATTERN.scenario("gewoehnlich", "Dieselben neun Schritte als gewöhnliche Activities.")
async def remote(stage: Stage) -> None:
    """Zum Vergleich."""
    await smooth(stage, WriteInvoiceRemotely.run, "R-3002")


@PATTERN.scenario(
    "absturz", "Der Worker stirbt im neunten Schritt: Alle neun laufen noch einmal."
)
async def crash_local(stage: Stage) -> None:
    """Kein Schritt stand in der History; der zweite Worker beginnt von vorn."""
    await crash(stage, WriteInvoice.run, "R-3003")


@PATTERN.scenario(
    "absturz-gewoehnlich",
    "Derselbe Absturz mit gewöhnlichen Activities: Nur der neunte läuft noch einmal.",
)
async def crash_remote(stage: Stage) -> None:
    """Acht Ergebnisse stehen in der History."""
    await crash(stage, WriteInvoiceRemotely.run, "R-3004")


@PATTERN.scenario(
    "ohne-schluessel",
    "Falsch: derselbe Absturz ohne Schlüssel, eine Rechnungsnummer geht verloren.",
)
async def crash_keyless(stage: Stage) -> None:
    """Falscher Code, siehe `wrong.py`."""
    await crash(stage, WriteInvoice.run, "R-3005", KEYLESS_WORKER)


@PATTERN.scenario(
    "signal-dazwischen",
    "Ein Signal kommt, während die Schritte laufen: Alle neun laufen noch einmal.",
)
async def signal_between(stage: Stage) -> None:
    """Niemand stirbt; der Server nimmt nur das Ende des Workflows nicht an."""
    plan = at_the_end(ActivityAction.DELAY, seconds=0.3)
    client = stage.worker_client("worker-1", plugins=[FaultInjector(plan)])
    async with create_worker(client, stage.folder, task_queue=stage.task_queue):
        handle = await stage.start(
            WriteInvoice.run, order("R-3006"), id="rechnung-R-3006"
        )
        await looked_up(stage.folder, len(LINES))
        await handle.signal(WriteInvoice.add_note, "Bitte ohne Plastik verpacken")
        invoice = await result(handle)
        finding(stage, invoice)
        stage.note(f"Bemerkung auf der Rechnung: {invoice.notes[0]}")


@PATTERN.scenario(
    "abbruch",
    "Abbruch im neunten Schritt: Die Nummer ist vergeben, die History weiß nichts.",
)
async def cancelled(stage: Stage) -> None:
    """Der laufende Workflow-Task erfährt vom Abbruch nichts."""
    plan = at_the_end(ActivityAction.DELAY, seconds=0.3)
    client = stage.worker_client("worker-1", plugins=[FaultInjector(plan)])
    async with create_worker(client, stage.folder, task_queue=stage.task_queue):
        handle = await stage.start(
            WriteInvoice.run, order("R-3007"), id="rechnung-R-3007"
        )
        await looked_up(stage.folder, len(LINES))
        await handle.cancel()
        try:
            await result(handle)
        except WorkflowFailureError as error:
            stage.note(f"Ausgang für den Aufrufer: {type(error.cause).__name__}")
    stage.note(audit(stage.folder))


@PATTERN.scenario(
    "lange",
    "Ein Schritt dauert länger als der Workflow-Task: Der Worker verlängert ihn.",
)
async def long(stage: Stage) -> None:
    """Bei 80 % der Frist holt sich der Worker einen neuen Workflow-Task."""
    plan = at_the_end(ActivityAction.DELAY, seconds=1.2)
    client = stage.worker_client("worker-1", plugins=[FaultInjector(plan)])
    async with create_worker(client, stage.folder, task_queue=stage.task_queue):
        handle = await stage.start(
            WriteInvoice.run, order("R-3008"), id="rechnung-R-3008", task_timeout=SHORT
        )
        finding(stage, await result(handle))


@PATTERN.scenario(
    "ausfall", "Der Nummernkreis fällt zweimal aus: Aus den Pausen werden Timer."
)
async def outage(stage: Stage) -> None:
    """Pausen über `local_retry_threshold` wartet der Server ab, nicht der Worker."""
    plan = at_the_end(ActivityAction.FAIL_BEFORE, attempts=(1, 2))
    client = stage.worker_client("worker-1", plugins=[FaultInjector(plan)])
    pause = 300 if stage.timelapse else 2
    async with create_worker(client, stage.folder, task_queue=stage.task_queue):
        handle = await stage.start(
            WriteInvoice.run, order("R-3009", pause), id="rechnung-R-3009"
        )
        finding(stage, await result(handle, timeout=15))
