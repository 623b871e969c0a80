"""Prüfungen zu „Die Gutschrift kommt doppelt“."""

import sqlite3
import uuid
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest

from dauerlauf.exercises import Bench, Run, Running, Wrong, expect
from dauerlauf.faults import ActivityAction, ActivityFault, FaultPlan
from dauerlauf.together import together

PAYMENTS = {"Karte": 2990, "Geschenkkarte 1": 1000, "Geschenkkarte 2": 1000}

ROUND_LOST = FaultPlan(
    (ActivityFault("refund", ActivityAction.FAIL_AFTER, attempts=(1, 2, 3)),)
)
DEATH = FaultPlan((ActivityFault("refund", ActivityAction.KILL_AFTER),))


def _open_book(bench: Bench) -> Path:
    book = bench.folder / "bank.sqlite"
    with closing(sqlite3.connect(book)) as database, database:
        database.execute(
            "CREATE TABLE postings (key TEXT UNIQUE, account TEXT, cents INTEGER)"
        )
    return book


def _euro(cents: int) -> str:
    return f"{cents / 100:.2f} €".replace(".", ",")


def _expect_one_refund_each(
    book: Path, runs: Mapping[str, Run], moment: str, why: str
) -> None:
    with closing(sqlite3.connect(book)) as database:
        postings = list(database.execute("SELECT account, cents FROM postings"))
    for order, run in runs.items():
        for means, cents in PAYMENTS.items():
            refunds = [c for a, c in postings if a == f"{order} {means}" and c > 0]
            expect(
                refunds,
                wo=f"Buch der Bank, {means} zum Auftrag {order}, {moment}",
                warum=f"Abgebucht sind {_euro(cents)}, gutgeschrieben ist nichts. So sieht es aus, wenn `refund` einen "
                "Schlüssel nennt, den die Bank schon von einer anderen Buchung kennt, oder wenn es gar nicht bucht.",
                weiter="Der Schlüssel muss die Aufträge unterscheiden und in einem Auftrag jede Zahlung, auch zwei gleich hohe.",
            )
            expect(
                refunds == [cents],
                wo=f"Buch der Bank, {means} zum Auftrag {order}, {moment}",
                warum=f"Dort stehen {len(refunds)} Gutschriften über je {_euro(cents)}. {why}",
                weiter="Suchen Sie das Stück des Schlüssels, das sich dabei geändert hat.",
            )
        expect(
            run.status == "FAILED",
            wo=f"Status zum Auftrag {order}",
            warum=f"Er endet {run.status}: {run.reason}",
            weiter="Lassen Sie die Namen und Argumente der beiden Activities, wie sie sind.",
        )


async def _pay(worker: Running, *orders: str) -> dict[str, Run]:
    runs = (worker.attempt("OrderWorkflow", order, PAYMENTS) for order in orders)
    return dict(zip(orders, await together(*runs), strict=True))


async def _reset(worker: Running, run: Run) -> Run:
    """Setzt den Lauf auf den Workflow-Task zurück, in dem die Erstattung begann."""
    number = next(
        event.event_id
        for event in run.history.events
        if event.HasField("activity_task_failed_event_attributes")
    )
    task = next(
        event.event_id
        for event in run.history.events
        if event.event_id > number
        and event.HasField("workflow_task_completed_event_attributes")
    )
    answer = await worker.client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=worker.client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=run.id),
            reason="Bank repariert",
            workflow_task_finish_event_id=task,
            request_id=str(uuid.uuid4()),
        )
    )
    return await worker.end(
        worker.client.get_workflow_handle(run.id, run_id=answer.run_id)
    )


async def runde_verloren(bench: Bench) -> None:
    """Gehen alle Antworten einer Runde verloren, wird trotzdem nur einmal erstattet."""
    book = _open_book(bench)
    desk = ("activities:Desk", str(book))
    async with bench.worker(
        "workflow:OrderWorkflow",
        activities=[desk],
        plan=ROUND_LOST,
    ) as worker:
        runs = await _pay(worker, "NL-1", "NL-2")
        rounds = len(runs["NL-1"].attempts("refund")) - len(PAYMENTS) + 1
        _expect_one_refund_each(
            book,
            runs,
            "nachdem die Antworten der ersten Runde verloren gingen",
            f"Die History zeigt {rounds} Runden für die erste Erstattung, jede mit eigener Activity-ID; bis zu drei Versuche "
            "je Runde.",
        )
        again = {"NL-1": await _reset(worker, runs["NL-1"])}
        _expect_one_refund_each(
            book,
            again,
            "nach einem Reset",
            "Der Reset führt die Erstattung in einem neuen Lauf noch einmal aus: dieselbe Workflow-ID, eine neue Run-ID.",
        )


async def worker_stirbt(bench: Bench) -> None:
    """Stirbt der Worker nach der Gutschrift, wird trotzdem nur einmal erstattet."""
    book = _open_book(bench)
    desk = ("activities:Desk", str(book))
    async with bench.worker(
        "workflow:OrderWorkflow", activities=[desk], plan=DEATH
    ) as worker:
        runs = await _pay(worker, "NL-3")
        expect(
            worker.deaths,
            wo="Activity `refund`",
            warum="Der Worker sollte nach ihr sterben, aber sie lief nicht.",
            weiter="Lassen Sie den Namen der Activity, wie er ist.",
        )
    _expect_one_refund_each(
        book,
        runs,
        "nach dem Tod des Workers in `refund`",
        "Der zweite Worker führt denselben Aufruf noch einmal aus, mit derselben Activity-ID, als Versuch 2.",
    )


async def jeder_prozess(bench: Bench) -> None:
    """Auch ein neu gestarteter Prozess nennt denselben Schlüssel."""
    book = _open_book(bench)
    await bench.activity_in_new_processes(
        ("activities:Desk.refund", str(book)), "NL-4", "Karte", 2990
    )
    with closing(sqlite3.connect(book)) as database:
        (count,) = database.execute("SELECT count(*) FROM postings").fetchone()
    expect(
        count == 1,
        wo="Buch der Bank, dieselbe Erstattung in zwei neuen Prozessen",
        warum=f"Dort stehen {count} Gutschriften statt einer. Der Schlüssel hängt am Prozess: `hash` rechnet einen Text in jedem "
        "Python-Prozess zu einer anderen Zahl um.",
        weiter="Setzen Sie den Schlüssel aus den Angaben selbst zusammen, als Text.",
    )


CHECKS = (runde_verloren, worker_stirbt, jeder_prozess)
GIVEN = ("bank.py", "workflow.py")
START_FAILS = "jede mit eigener Activity-ID"
KEY = 'f"{activity.info().workflow_id}/{means}/gutschrift"'
WRONG = (
    Wrong(
        "Workflow-ID und Activity-ID",
        changes=(
            (KEY, 'f"{activity.info().workflow_id}/{activity.info().activity_id}"'),
        ),
        expected="jede mit eigener Activity-ID",
    ),
    Wrong(
        "Run-ID statt Workflow-ID",
        changes=((KEY, 'f"{activity.info().workflow_run_id}/{means}"'),),
        expected="dieselbe Workflow-ID, eine neue Run-ID",
    ),
    Wrong(
        "Auftrag und Betrag",
        changes=((KEY, 'f"{order_id}/{cents}/gutschrift"'),),
        expected="Geschenkkarte 1 zum Auftrag NL-1",
    ),
    Wrong(
        "hash als Schlüssel",
        changes=((KEY, "str(hash((activity.info().workflow_id, means)))"),),
        expected="Der Schlüssel hängt am Prozess",
    ),
    Wrong(
        "derselbe Schlüssel wie die Abbuchung",
        changes=((KEY, 'f"{activity.info().workflow_id}/{means}/abbuchung"'),),
        expected="gutgeschrieben ist nichts",
    ),
)
