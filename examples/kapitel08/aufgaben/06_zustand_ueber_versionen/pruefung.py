"""Prüfungen zu „Zustand über Versionen“."""

import asyncio
import json
from typing import Any

from temporalio.client import WorkflowExecutionStatus, WorkflowHandle

from dauerlauf.exercises import Bench, Failed, Wrong, expect
from dauerlauf.history import event_name
from dauerlauf.together import together

WORKFLOW = "workflow:AccountWorkflow"
SEEN = ("WorkflowTaskCompleted", "WorkflowTaskFailed")
Data = dict[str, Any]


def _form_3(cents: int, *booked: str, language: str = "de") -> Data:
    return {
        "schema": 3,
        "number": "K-2001",
        "name": "Jörg Weiß",
        "balance_cents": cents,
        "booked": list(booked),
        "language": language,
    }


OWNER = {"number": "K-2001", "name": "Jörg Weiß"}
STORED = {
    "Form 1": (OWNER | {"balance": 19.99}, _form_3(1999)),
    # So hat Version 1 12,50 € und 19,99 € zusammengezählt.
    "Form 1, von Version 1 gerechnet": (
        OWNER | {"balance": 12.5 + 19.99},
        _form_3(3249),
    ),
    "Form 2": (
        OWNER | {"schema": 2, "balance": 0.29, "booked": ["B-1"]},
        _form_3(29, "B-1"),
    ),
    "Form 3": (
        _form_3(1250, "B-1", "B-2", language="da"),
        _form_3(1250, "B-1", "B-2", language="da"),
    ),
}
"""Gespeicherte Eingaben und was daraus in Form 3 wird."""


FIELDS = "Rechnen Sie das Feld von der alten Form aus nach: Wie heißt es dort, in welcher Einheit, und wie wird gerundet?"
MOVING = "Sehen Sie nach, was Sie `continue_as_new` übergeben: Es muss der ganze Zustand sein, und zwar in Form 3."


def _expect_state(found: Any, wanted: Data, wo: str, weiter: str = FIELDS) -> None:
    expect(
        isinstance(found, dict),
        wo=wo,
        warum=f"Dort steht {found!r}, erwartet ist der Stand als `dict` in Form 3.",
        weiter="Geben Sie den Stand zurück, wie ihn die Tabelle der Aufgabe für Form 3 zeigt.",
    )
    different = [
        f"{name} ist {found.get(name)!r} statt {wanted.get(name)!r}"
        for name in wanted | found
        # 3278.0 == 3278, aber Cent sind ganze Zahlen.
        if repr(found.get(name)) != repr(wanted.get(name))
    ]
    expect(not different, wo=wo, warum="; ".join(different) + ".", weiter=weiter)


async def alle_formen(bench: Bench) -> None:
    """Eine Eingabe jeder Form ergibt denselben Stand in Form 3, auf den Cent."""
    async with bench.worker(WORKFLOW) as worker:
        runs = await together(
            *(
                worker.execute("AccountWorkflow", stored, start_signal="close")
                for stored, _ in STORED.values()
            )
        )
    for (name, (_, wanted)), run in zip(STORED.items(), runs, strict=True):
        _expect_state(
            run.result, wanted, f"Ergebnis eines Kontos mit Eingabe in {name}"
        )


async def alter_lauf(bench: Bench) -> None:
    """Ein Lauf, den Version 1 begonnen hat, läuft mit Ihrem Code weiter."""
    queue = bench.task_queue()
    async with bench.worker(
        WORKFLOW, source=bench.exercise / "vorgabe", task_queue=queue
    ) as old:
        handle = await old.start(
            "AccountWorkflow",
            OWNER | {"balance": 12.5},
            start_signal="book",
            start_signal_args=[{"number": "B-1", "amount": 19.99}],
        )
        await old.reached(handle, "WorkflowTaskCompleted")
        old.kill()
        async with bench.worker(WORKFLOW, task_queue=queue) as new:
            try:
                await handle.signal("book", {"number": "B-2", "amount": 0.29})
                await handle.signal(
                    "book", {"schema": 3, "number": "B-1", "amount_cents": 1999}
                )
                await handle.signal("close")
                run = await new.finish(handle)
                state = await new.query(handle, "state")
            except Failed as failed:
                if "AttributeError" in failed.warum:
                    failed.weiter = "Ein Signal, das schon in der History steht, kommt vor der ersten Zeile von `run` an. Lesen Sie die Eingabe früher."
                raise
    wanted = _form_3(1250 + 1999 + 29, "B-1", "B-2")
    _expect_state(
        state, wanted, "Query `state` eines Kontos, das Version 1 begonnen hat"
    )
    _expect_state(
        run.result, wanted, "Ergebnis eines Kontos, das Version 1 begonnen hat"
    )


async def umzug(bench: Bench) -> None:
    """Nach drei Buchungen zieht das Konto in Form 3 um und vergisst keine Nummer."""
    queue = bench.task_queue()
    # Noch hört kein Worker; alle vier Buchungen kommen mit dem ersten Workflow-Task.
    full = await bench.timelapse.client.start_workflow(
        "AccountWorkflow",
        OWNER | {"balance": 100.0},
        id=f"{queue}-vier",
        task_queue=queue,
    )
    for number in ("B-1", "B-2", "B-3", "B-4"):
        await full.signal("book", {"number": number, "amount": 1.0})
    async with bench.worker(WORKFLOW, task_queue=queue) as worker:
        expect(
            await _moved(
                worker.client.get_workflow_handle(
                    full.id, run_id=full.first_execution_run_id
                )
            ),
            wo="Event History, vier Buchungen auf einmal",
            warum="Der Lauf geht weiter. `wait_condition` sieht erst nach, wenn alle Signale eines Workflow-Tasks verarbeitet sind; "
            "da sind es schon vier.",
            weiter="Fragen Sie nach mindestens drei Buchungen, nicht nach genau drei.",
        )
        handle = await worker.start("AccountWorkflow", OWNER | {"balance": 100.0})
        for number, euros in (("B-1", 19.99), ("B-2", 0.29), ("B-3", 1.15)):
            await handle.signal("book", {"number": number, "amount": euros})
        first = worker.client.get_workflow_handle(
            handle.id, run_id=handle.first_execution_run_id
        )
        expect(
            await _moved(first),
            wo="Event History nach der dritten Buchung",
            warum="Der Lauf geht weiter; ein Event WorkflowExecutionContinuedAsNew steht nicht darin.",
            weiter="Lassen Sie `run` auch auf die dritte Buchung dieses Laufs warten und dann neu beginnen.",
        )
        _expect_state(
            await _continued_with(first),
            _form_3(12143, "B-1", "B-2", "B-3"),
            "Event WorkflowExecutionContinuedAsNew, Feld input",
            MOVING,
        )
        await handle.signal("book", {"number": "B-2", "amount": 0.29})
        await handle.signal("close")
        run = await worker.finish(handle)
    _expect_state(
        run.result,
        _form_3(12143, "B-1", "B-2", "B-3"),
        "Ergebnis, wenn B-2 nach dem Umzug noch einmal kommt",
        "Was vor dem Umzug gebucht war, darf danach nicht noch einmal zählen. Zieht `booked` mit um?",
    )


async def _moved(first: WorkflowHandle[Any, Any]) -> bool:
    """Ob der Lauf endet, sobald er die dritte Buchung gesehen hat."""
    signals = 0
    async with asyncio.timeout(30):
        async for event in first.fetch_history_events(wait_new_event=True):
            signals += event_name(event) == "WorkflowExecutionSignaled"
            if signals >= 3 and event_name(event) in SEEN:
                break
    return (await first.describe()).status == WorkflowExecutionStatus.CONTINUED_AS_NEW


async def _continued_with(handle: WorkflowHandle[Any, Any]) -> Any:
    last = (await handle.fetch_history()).events[-1]
    attributes = last.workflow_execution_continued_as_new_event_attributes
    return json.loads(attributes.input.payloads[0].data)


async def zu_neu(bench: Bench) -> None:
    """Ein Konto in Form 4 bleibt offen, bis neuerer Code kommt."""
    endings = (
        "WorkflowTaskFailed",
        "WorkflowExecutionCompleted",
        "WorkflowExecutionFailed",
    )
    newer = OWNER | {
        "schema": 4,
        "balance_cents": 1250,
        "booked": [],
        "currency": "DKK",
    }
    async with bench.worker(WORKFLOW) as worker, asyncio.timeout(30):
        handle = await worker.start("AccountWorkflow", newer, start_signal="close")
        async for event in handle.fetch_history_events(wait_new_event=True):
            if event_name(event) in endings:
                break
        booking = {"schema": 4, "number": "B-9", "amount_minor": 1999}
        known = await worker.start(
            "AccountWorkflow",
            OWNER | {"balance": 12.5},
            start_signal="book",
            start_signal_args=[booking],
        )
        async for reaction in known.fetch_history_events(wait_new_event=True):
            if event_name(reaction) in (*endings, "WorkflowTaskCompleted"):
                break
    expect(
        event_name(event) == "WorkflowTaskFailed",
        wo=f"Ein Konto in Form 4 mit 12,50 dänischen Kronen, Event {event.event_id}",
        warum=f"Dort steht {event_name(event)}: Das Konto ist zu Ende. Es soll offen bleiben, denn Ihr Code kann nicht "
        "wissen, was Form 4 bedeutet, und ein beendetes Konto setzt niemand fort.",
        weiter="Prüfen Sie die Nummer der Form, ehe Sie ein Feld lesen, und werfen Sie einen Fehler, der nur den "
        "Workflow-Task scheitern lässt.",
    )
    expect(
        event_name(reaction) == "WorkflowTaskFailed",
        wo=f"Eine Buchung in Form 4 für ein Konto in Form 1, Event {reaction.event_id}",
        warum=f"Dort steht {event_name(reaction)}: Ihr Code hat die Buchung abgehakt, ohne sie zu verstehen. Mit dem nächsten "
        "Continue-As-New ist sie verloren.",
        weiter="Behandeln Sie ein zu neues Signal wie eine zu neue Eingabe: Nur der Workflow-Task scheitert, und neuerer Code "
        "bekommt es noch einmal.",
    )


CHECKS = (alle_formen, alter_lauf, umzug, zu_neu)
START_FAILS = "Das Konto ist noch nicht gebaut"
LOAD = '        self._account = {"booked": [], "language": "de"} | read(stored)\n'
ROUND = "round(lifted.pop(euros) * 100)"
TOO_NEW = '        raise ValueError(f"Form {schema} kennt dieser Code nicht")\n'
MOVE = "workflow.continue_as_new(self._account)"
WRONG = (
    Wrong(
        "abgeschnitten statt gerundet",
        changes=((ROUND, "int(lifted.pop(euros) * 100)"),),
        expected="balance_cents ist 1998 statt 1999",
    ),
    Wrong(
        "zu neue Buchung übergangen",
        changes=(
            (
                "        booking = read(sent)\n",
                '        if sent.get("schema", 1) > CURRENT:\n            return\n        booking = read(sent)\n',
            ),
        ),
        expected="abgehakt, ohne sie zu verstehen",
    ),
    Wrong(
        "Nummern beim Umzug vergessen",
        changes=((MOVE, 'workflow.continue_as_new(self._account | {"booked": []})'),),
        expected="booked ist [] statt ['B-1', 'B-2', 'B-3']",
    ),
    Wrong(
        "auf genau drei Buchungen gewartet",
        changes=((">= BOOKINGS_PER_RUN", "== BOOKINGS_PER_RUN"),),
        expected="nicht nach genau drei",
    ),
    Wrong(
        "an zu neuer Form gescheitert",
        changes=(
            (
                "from temporalio import workflow\n",
                "from temporalio import workflow\nfrom temporalio.exceptions import ApplicationError\n",
            ),
            ("raise ValueError(", "raise ApplicationError("),
        ),
        expected="Dort steht WorkflowExecutionFailed",
    ),
)
