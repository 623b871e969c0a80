"""Die Läufe des Musters `idempotenz_schluessel`; die Worker sterben wirklich."""

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from temporalio.client import WorkflowFailureError, WorkflowHandle

from dauerlauf.faults import ActivityAction, ActivityFault, FaultPlan
from dauerlauf.scenario import CrashStage, Legend, Pattern, Stage
from dauerlauf.timelapse import result
from dauerlauf.worker_process import WorkerProcess
from kapitel02.idempotenz_schluessel.activities import (
    ReturnCase,
    ReturnSteps,
    Settlement,
)
from kapitel02.idempotenz_schluessel.services import (
    PickupService,
    audit,
    bank,
    claims,
    loyalty_account,
)
from kapitel02.idempotenz_schluessel.worker import create_worker
from kapitel02.idempotenz_schluessel.workflow import SettleReturn
from kapitel02.idempotenz_schluessel.wrong import LookupOnlySteps

PATTERN = Pattern(
    "idempotenz_schluessel",
    chapter=2,
    title="Idempotenzschlüssel",
    problem="Jede Activity kann zweimal laufen: Woran erkennt der Empfänger, dass er "
    "den Auftrag schon ausgeführt hat?",
    workflows=[SettleReturn],
    legend=Legend(
        services={
            "refund_payment": "Bank",
            "order_pickup": "Abholdienst",
            "deduct_points": "Punktekonto",
        }
    ),
)

MODULE = "kapitel02.idempotenz_schluessel"


def after(activity_type: str) -> FaultPlan:
    """Der Worker stirbt, nachdem die Activity gewirkt hat, vor ihrer Meldung."""
    fault = ActivityFault(activity_type, ActivityAction.KILL_AFTER)
    return FaultPlan(activities=(fault,))


async def kill(
    stage: Stage,
    case: ReturnCase,
    activity_type: str,
    factory: str = "worker:create_worker",
) -> None:
    """Lässt worker-1 nach der Wirkung sterben und worker-2 übernehmen."""
    arguments = {"folder": stage.folder, "task_queue": stage.task_queue}
    function = f"{MODULE}.{factory}"
    async with await WorkerProcess.start(
        function, stage.client, arguments=arguments, plan=after(activity_type)
    ) as first:
        handle = await settle(stage, case)
        stage.note(f"worker-1: beendet mit Code {await first.died()} (SIGKILL)")
    async with await WorkerProcess.start(
        function, stage.client, arguments=arguments, identity="worker-2"
    ):
        await result(handle, timeout=30)
    report(stage, case)


def report(stage: Stage, case: ReturnCase) -> None:
    """Notiert, was in den Büchern steht."""
    for finding in audit(stage.folder, case.return_id):
        stage.note(finding)


@PATTERN.scenario("glatt", "Erstattung, Abholung, Punkte: nichts geht schief.")
async def smooth(stage: Stage) -> None:
    """Der ungestörte Lauf."""
    case = ReturnCase("R-3101", 4990)
    worker = create_worker(
        stage.worker_client(), stage.folder, task_queue=stage.task_queue
    )
    async with worker:
        await result(await settle(stage, case))
    report(stage, case)


async def settle(
    stage: Stage, case: ReturnCase
) -> WorkflowHandle[SettleReturn, Settlement]:
    """Startet die Abwicklung einer Retoure."""
    return await stage.start(SettleReturn.run, case, id=f"retoure-{case.return_id}")


@PATTERN.crash_stage("glatt")
@asynccontextmanager
async def smooth_until_crash(stage: Stage) -> AsyncIterator[CrashStage]:
    """Der ungestörte Lauf mit Workern, die sterben."""
    arguments = {"folder": stage.folder, "task_queue": stage.task_queue}
    factory = f"{MODULE}.worker:create_worker"
    case = ReturnCase("R-3101", 4990)
    yield CrashStage(factory, arguments, lambda: settle(stage, case))


@PATTERN.scenario(
    "tod-nach-der-erstattung",
    "Die Bank hat erstattet, der Worker stirbt vor der Meldung.",
)
async def death_after_refund(stage: Stage) -> None:
    """Der zweite Versuch bringt denselben Schlüssel und bekommt dieselbe Antwort."""
    await kill(stage, ReturnCase("R-3102", 4990), "refund_payment")


@PATTERN.scenario(
    "gewuerfelt",
    "Falsch: derselbe Tod, aber jeder Versuch würfelt seinen Schlüssel.",
)
async def diced(stage: Stage) -> None:
    """Falscher Code, siehe `wrong.py`: zwei Schlüssel, zwei Erstattungen."""
    factory = "wrong:create_diced_worker"
    await kill(stage, ReturnCase("R-3103", 4990), "refund_payment", factory)


@PATTERN.scenario(
    "anderer-inhalt",
    "Dieselbe Retoure noch einmal, mit anderem Betrag: Die Bank lehnt ab.",
)
async def other_content(stage: Stage) -> None:
    """Der Schlüssel ist vergeben; der zweite Workflow scheitert, statt zu schweigen."""
    case, wrong_amount = ReturnCase("R-3104", 4990), ReturnCase("R-3104", 2990)
    worker = create_worker(
        stage.worker_client(), stage.folder, task_queue=stage.task_queue
    )
    async with worker:
        first = await stage.client.start_workflow(
            SettleReturn.run, case, id="retoure-R-3104", task_queue=stage.task_queue
        )
        await result(first)
        again = await stage.start(SettleReturn.run, wrong_amount, id="retoure-R-3104")
        try:
            await result(again)
        except WorkflowFailureError as error:
            stage.note(f"Zweiter Lauf: {innermost(error)}")
    report(stage, case)


def innermost(error: BaseException) -> BaseException:
    """Die unterste Ursache eines Fehlers."""
    return innermost(error.__cause__) if error.__cause__ else error


@PATTERN.scenario(
    "tod-nach-der-abholung",
    "Ohne Schlüssel, mit Nachfrage: Die Abholung ist bestellt, der Worker stirbt.",
)
async def death_after_pickup(stage: Stage) -> None:
    """Der zweite Versuch fragt nach und findet die Abholung."""
    await kill(stage, ReturnCase("R-3105", 4990), "order_pickup")


# --8<-- [start:late]
class LatePickups(PickupService):
    """Der erste Auftrag hängt im Netz, bis der zweite Versuch nachgefragt hat."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._questions = 0
        self._asked, self._arrived = threading.Event(), threading.Event()

    def find(self, return_id: str) -> int | None:
        """Sagt wahrheitsgemäß „nichts da“; gleich danach kommt der Auftrag an."""
        number = super().find(return_id)
        self._questions += 1
        if self._questions == 2:
            self._asked.set()
            self._arrived.wait(10)
        return number

    def order(self, return_id: str) -> int:
        """Der erste Aufruf wartet, alle weiteren gehen sofort durch."""
        late = self._questions == 1
        if late:
            self._asked.wait(10)
        number = super().order(return_id)
        if late:
            self._arrived.set()
        return number


# --8<-- [end:late]


async def late(stage: Stage, case: ReturnCase, kind: type[ReturnSteps]) -> None:
    """Der erste Auftrag überlebt das Timeout seiner Activity und kommt später an."""
    folder = stage.folder
    pickups = LatePickups(folder / "abholungen.sqlite3")
    steps = kind(bank(folder), pickups, loyalty_account(folder), claims(folder))
    client, queue = stage.worker_client(), stage.task_queue
    async with create_worker(client, folder, task_queue=queue, steps=steps):
        handle = await settle(stage, case)
        await result(handle, timeout=30)
    report(stage, case)


@PATTERN.scenario(
    "luecke",
    "Falsch: Nachfragen und bestellen, während der erste Auftrag noch unterwegs ist.",
)
async def gap(stage: Stage) -> None:
    """Falscher Code, siehe `wrong.py`: Beide Aufträge kommen an."""
    await late(stage, ReturnCase("R-3106", 4990), LookupOnlySteps)


@PATTERN.scenario(
    "merkbuch",
    "Dieselbe Lücke mit Merkbuch: Der zweite Versuch wartet ab.",
)
async def claimed(stage: Stage) -> None:
    """Die Vormerkung hält den zweiten Versuch auf, bis nichts mehr ankommen kann."""
    await late(stage, ReturnCase("R-3107", 4990), ReturnSteps)
