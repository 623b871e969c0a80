"""Prüfungen zu „Klinik: Ein gewöhnlicher Fehler im Workflow“."""

import asyncio
from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.client import WorkflowFailureError, WorkflowHandle, WorkflowHistory
from temporalio.exceptions import ApplicationError

from dauerlauf.exercises import Bench, Failed, Wrong, expect
from dauerlauf.history import event_name, load
from dauerlauf.together import together

WORKFLOW = "workflow:HandleReturn"
LATE = {"order_id": "NL-2041", "country": "DE", "days": 41, "paid_cents": 8990}
AUSTRIA = {"order_id": "NL-2077", "country": "AT", "days": 6, "paid_cents": 5000}
RUNS = {"lauf_a.json": LATE, "lauf_b.json": AUSTRIA}
SHORT = timedelta(seconds=1)
"""Nach dieser Zeit gibt der Server einen Workflow-Task weiter, den der alte Worker noch hält."""


class Warehouse:
    """Lager und Kasse des Prüfers."""

    def __init__(self) -> None:
        self.refunds: list[tuple[str, int]] = []

    @activity.defn
    async def receive_parcel(self, order_id: str) -> None: ...

    @activity.defn
    async def refund(self, order_id: str, cents: int) -> None:
        self.refunds.append((order_id, cents))


async def record(bench: Bench) -> dict[str, WorkflowHistory]:
    """Die beiden hängenden Läufe, aufgezeichnet mit dem Code aus `start/`."""
    house, found = Warehouse(), {}
    async with bench.worker(
        WORKFLOW,
        given=[house.receive_parcel, house.refund],
        source=bench.exercise / "start",
    ) as worker:
        for name, parcel in RUNS.items():
            number = f"retoure-{parcel['order_id']}"
            handle = await worker.start("HandleReturn", parcel, id=number)
            await worker.reached(handle, "WorkflowTaskFailed")
            events = (await handle.fetch_history()).events
            # Bis zum ersten Scheitern; danach wiederholt sich alles.
            end = [event_name(event) for event in events].index("WorkflowTaskFailed")
            found[name] = WorkflowHistory(handle.id, events[: end + 1])
    return found


def _thrown(bench: Bench, name: str) -> tuple[int, str, str]:
    """Nummer des Events, Typ und Text der Ausnahme in einer Aufzeichnung."""
    for event in load(bench.source / name).events:
        if event.HasField("workflow_task_failed_event_attributes"):
            failure = event.workflow_task_failed_event_attributes.failure
            return (
                event.event_id,
                failure.application_failure_info.type,
                failure.message,
            )
    raise AssertionError(name)


async def diagnose(bench: Bench) -> None:
    """Ihre Diagnose stimmt mit den beiden Aufzeichnungen überein."""
    answers = bench.answers()
    for run, kind in (("a", "fachlich"), ("b", "programmfehler")):
        file = f"lauf_{run}.json"
        event, thrown, message = _thrown(bench, file)
        for field, truth, why in (
            ("ausnahme", thrown, f"{file} nennt in Event {event} einen anderen Typ."),
            (
                "art",
                kind,
                f"{file}, Event {event}, sagt: „{message}“. Halten Sie das neben die Regeln im Aufgabentext: Soll dieser "
                "Lauf danach scheitern oder gelingen?",
            ),
        ):
            given = answers.get(f"{run}_{field}", "")
            wo = f"antwort.toml, Feld „{run}_{field}“"
            expect(
                given,
                wo=wo,
                warum="Hier steht noch keine Antwort.",
                weiter=f"Sehen Sie sich den Lauf an: `dauerlauf zeige --datei {file}`.",
            )
            expect(
                given == truth,
                wo=wo,
                warum=f"Sie nennen „{given}“. {why}",
                weiter="In der Datei steht der Fehler unter `failure`, im Event mit dem Typ WORKFLOW_TASK_FAILED.",
            )


async def replay(bench: Bench) -> None:
    """Ihr Code passt zu den Historien der hängenden Läufe."""
    problems = await together(
        *(bench.replay(WORKFLOW, history=bench.source / name) for name in RUNS)
    )
    for name, problem in zip(RUNS, problems, strict=True):
        expect(
            problem is None,
            wo=f"Replay von {name}",
            warum=f"Der Lauf hat das Paket schon angenommen, Ihr Code verlangt an dieser Stelle etwas anderes: {problem}",
            weiter="Was vor dem Fehler geschah, bleibt, wie es ist. Reparieren Sie nur, was danach kommt.",
        )


async def weiter(bench: Bench) -> None:
    """Nach dem Deployment enden die hängenden Läufe von selbst, und neue hängen nicht."""
    queue, house = bench.task_queue(), Warehouse()
    given = [house.receive_parcel, house.refund]
    old_code = bench.exercise / "start"
    async with bench.worker(
        WORKFLOW, given=given, source=old_code, task_queue=queue
    ) as old:
        hung = [
            await old.start("HandleReturn", parcel, task_timeout=SHORT)
            for parcel in RUNS.values()
        ]
        for handle in hung:
            await old.reached(handle, "WorkflowTaskFailed")
        old.kill()
        async with bench.worker(WORKFLOW, task_queue=queue) as new:
            late = await new.attempt("HandleReturn", LATE | {"order_id": "NL-3001"})
            _expect_no(late.status, late.error)
            austria = await new.attempt(
                "HandleReturn", AUSTRIA | {"order_id": "NL-3002"}
            )
            expect(
                (austria.status, austria.result) == ("COMPLETED", 3710),
                wo="Eine Retoure aus Österreich",
                warum=f"Sie endet {austria.status} mit {austria.result or austria.reason}; von 5.000 Cent bleiben nach "
                "1.290 Cent für die Rücksendung 3.710. Die Kundin hat alles richtig gemacht.",
                weiter="Ein Programmfehler wird berichtigt, nicht in ein Scheitern verwandelt.",
            )
            for name, handle in zip(RUNS, hung, strict=True):
                await _ends(name, handle)
    expect(
        sorted(house.refunds) == [("NL-2077", 3710), ("NL-3002", 3710)],
        wo="Kasse",
        warum=f"Erstattet wurde: {house.refunds}. Erwartet ist je eine Erstattung von 3.710 Cent für NL-2077 und NL-3002.",
        weiter="Eine verspätete Retoure wird nicht erstattet, jede andere genau einmal.",
    )


def _expect_no(status: str, error: BaseException | None) -> None:
    kind = error.type if isinstance(error, ApplicationError) else None
    expect(
        status == "FAILED",
        wo="Eine Retoure nach 41 Tagen",
        warum=f"Sie endet {status}. Der Kundendienst sucht abgelehnte Retouren unter FAILED und findet sie dort nicht.",
        weiter="Der Workflow scheitert, wenn er selbst einen `ApplicationError` wirft.",
    )
    expect(
        kind == "FristVorbei",
        wo="Fehler einer Retoure nach 41 Tagen",
        warum=f"Sein Typ ist „{kind}“; das Programm des Kundendienstes unterscheidet nach dem Typ „FristVorbei“.",
        weiter="Werfen Sie an dieser Stelle einen `ApplicationError` mit `type=`.",
    )


async def _ends(name: str, handle: WorkflowHandle[Any, Any]) -> None:
    try:
        await asyncio.wait_for(handle.result(), 15)
    except WorkflowFailureError as failure:
        _expect_no("FAILED", failure.cause)
    except TimeoutError:
        raise Failed(
            wo=f"Der Lauf aus {name}",
            warum="Er steht auch nach dem Deployment noch.",
            weiter="Ein neuer Lauf mit denselben Daten endet. Prüfen Sie, ob Sie vor dem Fehler etwas geändert haben.",
        ) from None


CHECKS = (diagnose, replay, weiter)
GIVEN = ("dienste.py", "lauf_a.json", "lauf_b.json")
START_FAILS = "Hier steht noch keine Antwort."
RAISE = """            raise ApplicationError(
                f"{parcel.order_id} kommt {late} Tage zu spät.", type="FristVorbei"
            )
"""
CHECK = f"""        if parcel.days > 30:
            late = parcel.days - 30
{RAISE}"""
RECEIVE = "        await workflow.execute_activity(dienste.receive_parcel, parcel.order_id, **STEP)\n"
WRONG = (
    Wrong(
        "alles soll scheitern",
        changes=(
            (
                "@workflow.defn\n",
                "@workflow.defn(failure_exception_types=[Exception])\n",
            ),
            ('"AT": 1290', ""),
        ),
        expected="Die Kundin hat alles richtig gemacht",
    ),
    Wrong(
        "Ausnahme nur durchgelassen",
        changes=(
            (
                "@workflow.defn\n",
                "@workflow.defn(failure_exception_types=[ValueError])\n",
            ),
            (RAISE, '            raise ValueError(f"{late} Tage zu spät")\n'),
        ),
        expected="Fehler einer Retoure nach 41 Tagen",
    ),
    Wrong(
        "als Ergebnis zurückgegeben",
        changes=((RAISE, "            return 0\n"),),
        expected="findet sie dort nicht",
    ),
    Wrong(
        "erst prüfen, dann annehmen",
        changes=((RECEIVE + CHECK, CHECK + RECEIVE),),
        expected="Replay von lauf_a.json",
    ),
    Wrong(
        "KeyError für ein Nein gehalten",
        changes=(('"programmfehler"\n', '"fachlich"\n'),),
        expected="Soll dieser Lauf danach scheitern oder gelingen?",
    ),
)
