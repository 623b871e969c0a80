"""Die Läufe des Musters: Hier sterben wirkliche Prozesse, mit SIGKILL."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from temporalio.client import WorkflowHandle

from dauerlauf.faults import (
    ActivityAction,
    ActivityFault,
    FaultPlan,
    Moment,
    WorkflowAction,
    WorkflowFault,
)
from dauerlauf.scenario import CrashStage, Legend, Pattern, Stage
from dauerlauf.timelapse import result
from dauerlauf.worker_process import WorkerProcess
from kapitel01.absturz_und_weiter.activities import Order, Receipt
from kapitel01.absturz_und_weiter.services import audit
from kapitel01.absturz_und_weiter.worker import create_worker
from kapitel01.absturz_und_weiter.workflow import ProcessOrder

PATTERN = Pattern(
    "absturz_und_weiter",
    chapter=1,
    title="Absturz und weiter",
    problem="Der Worker stirbt nach der Zahlung und vor dem Versand: "
    "Wer macht weiter, und was läuft doppelt?",
    workflows=[ProcessOrder],
    legend=Legend(
        services={"charge_payment": "Zahlungsdienst", "ship_parcel": "Paketdienst"}
    ),
)

WORKER = "kapitel01.absturz_und_weiter.worker:create_worker"
KEYLESS_WORKER = "kapitel01.absturz_und_weiter.wrong:create_keyless_worker"

# Der zweite Workflow-Task verarbeitet das Ergebnis der Zahlung. Der Worker stirbt,
# bevor er sich zurückmeldet.
BETWEEN_THE_STEPS = FaultPlan(
    workflow=(WorkflowFault(WorkflowAction.KILL, task=2, moment=Moment.END),)
)
AFTER_THE_EFFECT = FaultPlan(
    activities=(ActivityFault("charge_payment", ActivityAction.KILL_AFTER),)
)


def new_order(stage: Stage, order_id: str) -> Order:
    """Eine Bestellung über 49,90 €; ohne Zeitraffer mit einer Stornofrist von 3 s."""
    return (
        Order(order_id, 4990)
        if stage.timelapse
        else Order(order_id, 4990, hold_seconds=3)
    )


async def crash(
    stage: Stage, order_id: str, plan: FaultPlan, factory: str = WORKER
) -> None:
    """Lässt einen Worker nach `plan` sterben und einen zweiten übernehmen."""
    arguments = {"folder": stage.folder, "task_queue": stage.task_queue}
    order = new_order(stage, order_id)
    async with await WorkerProcess.start(
        factory, stage.client, arguments=arguments, plan=plan
    ) as first:
        handle = await stage.start(
            ProcessOrder.run,
            order,
            id=f"bestellung-{order_id}",
            task_timeout=timedelta(seconds=1),
        )
        stage.note(f"worker-1: Prozess beendet mit Code {await first.died()} (SIGKILL)")
    async with await WorkerProcess.start(
        factory, stage.client, arguments=arguments, identity="worker-2"
    ):
        await result(handle, timeout=30)
    for finding in audit(stage.folder, order_id):
        stage.note(finding)


@PATTERN.scenario(
    "ohne-absturz", "Zahlung, 30 Minuten Stornofrist, Versand: nichts geht schief."
)
async def no_crash(stage: Stage) -> None:
    """Der ungestörte Lauf."""
    async with create_worker(
        stage.worker_client(), stage.folder, task_queue=stage.task_queue
    ):
        await result(await place(stage))
    for finding in audit(stage.folder, "B-2001"):
        stage.note(finding)


async def place(stage: Stage) -> WorkflowHandle[ProcessOrder, Receipt]:
    """Gibt die Bestellung B-2001 auf."""
    order = new_order(stage, "B-2001")
    return await stage.start(ProcessOrder.run, order, id="bestellung-B-2001")


@PATTERN.crash_stage("ohne-absturz")
@asynccontextmanager
async def until_crash(stage: Stage) -> AsyncIterator[CrashStage]:
    """Derselbe Lauf mit Workern, die sterben."""
    arguments = {"folder": stage.folder, "task_queue": stage.task_queue}
    yield CrashStage(WORKER, arguments, lambda: place(stage))


@PATTERN.scenario(
    "absturz-zwischen-den-schritten",
    "Der Worker stirbt nach der Zahlung, ein anderer versendet.",
)
async def crash_between_the_steps(stage: Stage) -> None:
    """Die Zahlung steht in der History und wird nicht noch einmal aufgerufen."""
    await crash(stage, "B-2002", BETWEEN_THE_STEPS)


@PATTERN.scenario(
    "absturz-nach-der-wirkung",
    "Die Zahlung ist gebucht, der Worker stirbt vor der Meldung.",
)
async def crash_after_the_effect(stage: Stage) -> None:
    """Die Activity läuft noch einmal; der Schlüssel hält es bei einer Buchung."""
    await crash(stage, "B-2003", AFTER_THE_EFFECT)


@PATTERN.scenario(
    "ohne-schluessel",
    "Falsch: derselbe Absturz ohne Schlüssel, die Zahlung wird doppelt gebucht.",
)
async def crash_without_key(stage: Stage) -> None:
    """Falscher Code, siehe `wrong.py`: Jeder Versuch bucht neu."""
    await crash(stage, "B-2004", AFTER_THE_EFFECT, KEYLESS_WORKER)
