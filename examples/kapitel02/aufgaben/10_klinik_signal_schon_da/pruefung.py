"""Prüfungen zu „Klinik: Der Workflow wartet auf ein Signal, das schon da war“."""

import asyncio
import json
import time
import uuid
from typing import Any

from temporalio import activity
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle, WorkflowHistory

from dauerlauf.exercises import Bench, Running, Wrong, expect
from dauerlauf.history import event_name, load

WORKFLOW = "workflow:CollectInvoice"
LIMIT = 15.0
"""Sekunden Echtzeit, die ein befreiter Lauf hat."""


class Accounts:
    """Die Buchhaltung des Prüfers; eine Zahlung mit „-1“ bucht sie erst, wenn `release` es erlaubt."""

    def __init__(self) -> None:
        self.booked: list[str] = []
        self.busy = asyncio.Event()
        self.release = asyncio.Event()

    @activity.defn
    async def book_payment(self, reference: str, cents: int) -> None:
        if reference.endswith("-1"):
            self.busy.set()
            await self.release.wait()
        self.booked.append(reference)


def _payment(reference: str, cents: int) -> dict[str, Any]:
    return {"reference": reference, "cents": cents}


async def _early(worker: Running, name: str) -> WorkflowHandle[Any, Any]:
    """Die Zahlung kommt zugleich mit der Rechnung."""
    return await worker.start(
        "CollectInvoice",
        f"R-{name}",
        4990,
        start_signal="paid",
        start_signal_args=[_payment(f"{name}-0", 4990)],
    )


async def _during(
    worker: Running, accounts: Accounts, name: str
) -> WorkflowHandle[Any, Any]:
    """Zwei Zahlungen kommen, während die erste gebucht wird."""
    accounts.busy.clear()
    accounts.release.clear()
    handle = await worker.start("CollectInvoice", f"R-{name}", 9000)
    await worker.reached(handle, "WorkflowTaskCompleted")
    await handle.signal("paid", _payment(f"{name}-1", 3000))
    await asyncio.wait_for(accounts.busy.wait(), LIMIT)
    for times, part in (
        (3, _payment(f"{name}-2", 2500)),
        (4, _payment(f"{name}-3", 3500)),
    ):
        await handle.signal("paid", part)
        await worker.reached(handle, "WorkflowTaskCompleted", times)
    accounts.release.set()
    return handle


async def _hung(
    bench: Bench, worker: Running, accounts: Accounts
) -> dict[str, WorkflowHandle[Any, Any]]:
    """Die beiden Läufe, mit dem alten Code so weit gebracht, wie sie kommen."""
    early = await _early(worker, "A")
    await worker.reached(early, "WorkflowTaskCompleted")
    during = await _during(worker, accounts, "B")
    await worker.reached(during, "WorkflowTaskCompleted", 5)
    return {"lauf_a.json": early, "lauf_b.json": during}


async def record(bench: Bench) -> dict[str, WorkflowHistory]:
    """Die beiden hängenden Läufe, aufgezeichnet mit dem Code aus `start/`."""
    accounts = Accounts()
    async with bench.worker(WORKFLOW, given=[accounts.book_payment]) as worker:
        hung = await _hung(bench, worker, accounts)
        return {name: await one.fetch_history() for name, one in hung.items()}


def _lost(bench: Bench, name: str) -> list[int]:
    """Die Signale, deren Zahlung keine Activity je verlangt hat."""
    events = load(bench.source / name).events
    booked = [
        json.loads(
            event.activity_task_scheduled_event_attributes.input.payloads[0].data
        )
        for event in events
        if event.HasField("activity_task_scheduled_event_attributes")
    ]
    signals = {
        event.event_id: json.loads(
            event.workflow_execution_signaled_event_attributes.input.payloads[0].data
        )["reference"]
        for event in events
        if event.HasField("workflow_execution_signaled_event_attributes")
    }
    return [number for number, reference in signals.items() if reference not in booked]


async def diagnose(bench: Bench) -> None:
    """Sie nennen jedes Signal, das die Läufe bekommen und verloren haben."""
    answers = bench.answers()
    for run in "ab":
        file = f"lauf_{run}.json"
        given, truth = answers.get(f"{run}_verloren", []), _lost(bench, file)
        wo = f"antwort.toml, Feld „{run}_verloren“"
        expect(
            given,
            wo=wo,
            warum="Hier steht noch keine Antwort.",
            weiter=f"Suchen Sie in {file} die Events mit dem Typ WORKFLOW_EXECUTION_SIGNALED.",
        )
        expect(
            isinstance(given, list) and all(isinstance(one, int) for one in given),
            wo=wo,
            warum=f"Dort steht {given!r}, erwartet ist eine Liste von Event-Nummern.",
            weiter="Schreiben Sie die Nummern in eckige Klammern, auch eine einzelne, etwa [3].",
        )
        expect(
            sorted(given) == truth,
            wo=wo,
            warum=f"Sie nennen {given}. Zu so vielen Signalen in {file} gibt es danach kein "
            f"ActivityTaskScheduled mit ihrer Zahlung: {len(truth)}.",
            weiter="Vergleichen Sie jedes Signal mit den Eingaben der Activities hinter ihm.",
        )


async def befreit(bench: Bench) -> None:
    """Neue Läufe verlieren keine Zahlung, und die hängenden enden nach dem Reset."""
    answers, queue, accounts = bench.answers(), bench.task_queue(), Accounts()
    async with bench.worker(
        WORKFLOW,
        given=[accounts.book_payment],
        source=bench.exercise / "start",
        task_queue=queue,
    ) as old:
        hung = await _hung(bench, old, accounts)
        old.kill()
        async with bench.worker(WORKFLOW, task_queue=queue) as new:
            await _fresh(new, accounts)
            for (name, handle), references in zip(
                hung.items(), (["A-0"], ["B-1", "B-2", "B-3"]), strict=True
            ):
                await _freed(
                    bench, handle, name, answers.get(f"{name[5]}_reset"), references
                )
    for reference in ("A-0", "B-1", "B-2", "B-3"):
        times = accounts.booked.count(reference)
        expect(
            times == 1,
            wo=f"Buchhaltung, Zahlung {reference}",
            warum=f"Sie ist {times}-mal gebucht. Ein Reset wirft alles weg, was hinter seinem Event steht, auch das "
            "Ergebnis einer Activity; der neue Lauf führt sie noch einmal aus.",
            weiter="Setzen Sie so spät zurück, wie es geht: hinter alles, was schon stimmt.",
        )


async def _fresh(new: Running, accounts: Accounts) -> None:
    """Zwei Läufe, die der neue Code selbst beginnt."""
    early = await _early(new, "C")
    await _expect_paid(
        new, accounts, early, ["C-0"], "die Zahlung zugleich mit dem Start kommt"
    )
    during = await _during(new, accounts, "D")
    references = ["D-1", "D-2", "D-3"]
    await _expect_paid(
        new,
        accounts,
        during,
        references,
        "D-2 und D-3 kommen, während D-1 gebucht wird",
    )


async def _expect_paid(
    new: Running,
    accounts: Accounts,
    handle: WorkflowHandle[Any, Any],
    references: list[str],
    when: str,
) -> None:
    wo = f"Neuer Lauf, wenn {when}"
    idle = await _idle(handle)
    booked = [one for one in accounts.booked if one in references]
    expect(
        not idle,
        wo=wo,
        warum=f"Gemeldet hat die Bank {', '.join(references)}, gebucht ist {', '.join(booked) or 'nichts'}, und der Lauf wartet "
        "weiter.",
        weiter="Verfolgen Sie, wo eine Zahlung zwischen dem Handler und dem Buchen liegt und was sie dort verdrängt.",
    )
    run = await new.finish(handle)
    expect(
        run.result == references,
        wo=wo,
        warum=f"Er gibt {run.result} zurück, erwartet ist {references}.",
        weiter="Jedes Signal zählt einmal, in der Reihenfolge der History.",
    )


async def _idle(handle: WorkflowHandle[Any, Any]) -> bool:
    """Ob der Lauf wartet, ohne dass eine Activity oder ein Workflow-Task offen ist; er hat keine Timer."""
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        description = await handle.describe()
        if description.status != WorkflowExecutionStatus.RUNNING:
            return False
        raw = description.raw_description
        failing = (
            raw.HasField("pending_workflow_task")
            and raw.pending_workflow_task.attempt > 1
        )
        if failing or not (
            raw.pending_activities or raw.HasField("pending_workflow_task")
        ):
            return not failing
        await asyncio.sleep(0.05)
    return True


async def _freed(
    bench: Bench,
    handle: WorkflowHandle[Any, Any],
    name: str,
    event: object,
    references: list[str],
) -> None:
    """Setzt einen hängenden Lauf auf ein Event zurück und wartet auf sein Ende."""
    wo = f"antwort.toml, Feld „{name[5]}_reset“"
    names = {one.event_id: event_name(one) for one in load(bench.source / name).events}
    expect(
        isinstance(event, int) and names.get(event) == "WorkflowTaskCompleted",
        wo=wo,
        warum=f"Dort steht {event}; in {name} ist das {names.get(event, 'kein Event')}.",  # type: ignore[call-overload]
        weiter="Zurücksetzen lässt sich ein Lauf nur auf ein WorkflowTaskCompleted: Ab dieser Entscheidung übernimmt der neue "
        "Code.",
    )
    client = bench.timelapse.client
    reset = await client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=handle.id),
            reason="Reparatur ausgeliefert",
            workflow_task_finish_event_id=event,
            request_id=str(uuid.uuid4()),
        )
    )
    again = client.get_workflow_handle(handle.id, run_id=reset.run_id)
    expect(
        not await _idle(again),
        wo=wo,
        warum=f"Der Lauf hängt auch nach dem Reset auf Event {event}.",
        weiter="Der neue Code muss an dieser Stelle anders entscheiden als der alte. Tut er das dort schon?",
    )
    found = await asyncio.wait_for(again.result(), LIMIT)
    expect(
        found == references,
        wo=f"Lauf aus {name} nach dem Reset auf Event {event}",
        warum=f"Er gibt {found} zurück, erwartet ist {references}.",
        weiter="Jedes Signal zählt einmal, in der Reihenfolge der History.",
    )


CHECKS = (diagnose, befreit)
GIVEN = ("bank.py", "lauf_a.json", "lauf_b.json")
START_FAILS = "Hier steht noch keine Antwort."
WRONG = (
    Wrong(
        "zu früh zurückgesetzt",
        changes=(("b_reset = 22", "b_reset = 17"),),
        expected="Buchhaltung, Zahlung B-1",
    ),
    Wrong(
        "beim Beginn geleert",
        changes=(
            (
                "        references: list[str] = []\n",
                "        self._payments.clear()\n        references: list[str] = []\n",
            ),
        ),
        expected="gebucht ist nichts",
    ),
    Wrong(
        "ein Platz statt einer Schlange",
        changes=(("deque[Payment] = deque()", "deque[Payment] = deque(maxlen=1)"),),
        expected="gebucht ist D-1, D-3",
    ),
    Wrong(
        "ein verlorenes Signal übersehen",
        changes=(("[10, 14]", "[14]"),),
        expected="mit ihrer Zahlung: 2",
    ),
    Wrong(
        "eine Zahl statt einer Liste",
        changes=(("a_verloren = [2]", "a_verloren = 2"),),
        expected="auch eine einzelne",
    ),
)
