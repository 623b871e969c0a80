"""Prüfungen zu „Den Worker töten und beweisen, dass nichts zweimal lief“."""

import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

from dauerlauf.exercises import Bench, Run, Wrong, expect
from dauerlauf.faults import (
    ActivityAction,
    ActivityFault,
    Fault,
    FaultPlan,
    Moment,
    WorkflowAction,
    WorkflowFault,
)

PAYMENT, PARCEL = "NL-1: 4990 Cent", "NL-1"
NOTE = "write_journal"
JOURNAL = ["NL-1 bezahlt", "NL-1 versandt"]


async def _run(bench: Bench, fault: Fault) -> tuple[Run, Path]:
    """Ein Lauf, dessen Worker an `fault` stirbt, und die Datei mit den Büchern."""
    file = bench.folder / "buecher.sqlite"
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("CREATE TABLE calls (ledger TEXT, text TEXT)")
        database.execute(
            "CREATE TABLE entries (number INTEGER PRIMARY KEY, ledger TEXT, text TEXT,"
            " key TEXT, UNIQUE (ledger, key))"
        )
    plan = (
        FaultPlan(activities=(fault,))
        if isinstance(fault, ActivityFault)
        else FaultPlan(workflow=(fault,))
    )
    order = {"order_id": "NL-1", "amount_cents": 4990, "file": str(file)}
    async with bench.worker(
        "workflow:ProcessOrder", activities=[("activities:Steps",)], plan=plan
    ) as worker:
        run = await worker.execute("ProcessOrder", order)
        strangers = sorted(
            set(run.activities) - {"charge_payment", "ship_parcel", NOTE}
        )
        expect(
            not strangers,
            wo="Event ActivityTaskScheduled, activityType",
            warum=f"Dort steht {', '.join(strangers)}. Die Prüfung tötet den Worker nach `charge_payment` und `{NOTE}`; "
            "einen anderen Namen kennt sie nicht.",
            weiter=f"Nennen Sie die Activity für das Journal `{NOTE}`.",
        )
        # Wer das Journal in den beiden Schritten mitführt, braucht keine dritte Activity.
        optional = isinstance(fault, ActivityFault) and fault.activity == NOTE
        expect(
            worker.deaths == 1 or (optional and NOTE not in run.activities),
            wo="Störung der Prüfung",
            warum=f"Der Worker sollte sterben, aber dazu kam es nicht. Vorgesehen war: {fault.describe()} In der History "
            f"stehen die Activities {', '.join(run.activities) or '(keine)'}.",
            weiter="Lassen Sie `charge_payment` und `ship_parcel` Activities mit diesen Namen.",
        )
    return run, file


def _read(file: Path, table: str, ledger: str) -> list[str]:
    with closing(sqlite3.connect(file)) as database:
        query = f"SELECT text FROM {table} WHERE ledger = ? ORDER BY rowid"
        return [text for (text,) in database.execute(query, (ledger,))]


def _audit(file: Path, death: str, run: Run) -> None:
    """Vergleicht die drei Bücher mit dem, was eine einzige Bestellung hinterlässt."""
    journal = _read(file, "entries", "Journal")
    twice = [line for line, count in Counter(journal).items() if count > 1]
    expect(
        not twice,
        wo=f"Auftragsjournal, {death}",
        warum=f"Dort stehen {len(journal)} Zeilen statt 2: {', '.join(journal)}. Doppelt ist {', '.join(twice)}. In der "
        f"History steht `{NOTE}` {run.activities.count(NOTE)}-mal; auf worker-1 folgte worker-2.",
        weiter="Fragen Sie sich, wer die Zeile schreibt. Der Code des Workflows läuft nach dem Tod noch einmal, ein "
        "Versuch einer Activity ohne Meldung auch.",
    )
    expect(
        journal == JOURNAL,
        wo=f"Auftragsjournal, {death}",
        warum=f"Dort steht: {', '.join(journal) or 'nichts'}. Erwartet ist: {', '.join(JOURNAL)}. Geschrieben wurde "
        f"{len(_read(file, 'calls', 'Journal'))}-mal.",
        weiter="Jeder Stand ist eine eigene Zeile, gleich nach seinem Schritt. Nennen zwei Zeilen denselben Schlüssel, "
        "nimmt das Buch nur die erste."
        if journal
        else "Niemand hat geschrieben. Steht vor jedem Aufruf einer Activity ein `await`?",
    )
    for ledger, line in (("Zahlungen", PAYMENT), ("Pakete", PARCEL)):
        entries, calls = _read(file, "entries", ledger), _read(file, "calls", ledger)
        expect(
            entries == [line],
            wo=f"Buch „{ledger}“, {death}",
            warum=f"Dort stehen {len(entries)} Zeilen statt einer: {', '.join(entries)}. Der Dienst wurde "
            f"{len(calls)}-mal gerufen; in der History steht der Schritt einmal.",
            weiter="Der zweite Versuch muss sich als Wiederholung zu erkennen geben. Vergleichen Sie, was "
            "`ship_parcel` dem Buch mitgibt.",
        )


async def nach_der_zahlung(bench: Bench) -> None:
    """Stirbt der Worker nach der Zahlung, vor seiner Meldung, wird einmal gezahlt."""
    run, file = await _run(
        bench, ActivityFault("charge_payment", ActivityAction.KILL_AFTER)
    )
    _audit(file, "Tod nach der Zahlung", run)


async def im_workflow(bench: Bench) -> None:
    """Stirbt der Worker im Workflow-Code nach der Zahlung, wird nichts zweimal ins Journal geschrieben."""
    run, file = await _run(
        bench, WorkflowFault(WorkflowAction.KILL, task=2, moment=Moment.END)
    )
    _audit(file, "Tod im zweiten Workflow-Task", run)
    calls = len(_read(file, "calls", "Journal"))
    expect(
        calls == len(JOURNAL),
        wo="Aufrufe des Auftragsjournals, Tod im zweiten Workflow-Task",
        warum=f"Für {len(JOURNAL)} Zeilen wurde es {calls}-mal gerufen. Der zweite Worker führte den Workflow-Code von vorn "
        "aus und schrieb dabei noch einmal; nur der Schlüssel hielt die zweite Zeile auf.",
        weiter=f"Verlegen Sie das Schreiben in eine Activity, `{NOTE}`: Ihr Ergebnis steht in der History, und ein Replay "
        "ruft sie nicht mehr auf.",
    )


async def nach_dem_journal(bench: Bench) -> None:
    """Stirbt der Worker, während er das Journal führt, läuft nichts Erledigtes noch einmal."""
    run, file = await _run(bench, ActivityFault(NOTE, ActivityAction.KILL_AFTER))
    _audit(file, "Tod nach der ersten Zeile im Journal", run)
    calls = _read(file, "calls", "Zahlungen")
    expect(
        len(calls) == 1,
        wo="Protokoll der Zahlungen, Tod nach der ersten Zeile im Journal",
        warum=f"Der Zahlungsdienst wurde {len(calls)}-mal gerufen, obwohl seine Antwort längst in der History stand.",
        weiter="Zahlung und Journal sind zwei Activities: Was sich gemeldet hat, läuft nicht noch einmal.",
    )


CHECKS = (nach_der_zahlung, im_workflow, nach_dem_journal)
GIVEN = ("buecher.py",)
START_FAILS = "Buch „Zahlungen“, Tod nach der Zahlung"
FIRST_NOTE = """        await workflow.execute_activity_method(
            Steps.write_journal, args=[order, "bezahlt"], start_to_close_timeout=STEP
        )
"""
LAST_NOTE = FIRST_NOTE.replace("bezahlt", "versandt")
IMPORT = (
    "    from activities import",
    "    import buecher\n    from activities import",
)
PLAIN = 'buecher.book(order.file, "Journal", f"{order.order_id} %s")\n'
KEYED = PLAIN.replace('%s")', '%s", key="%s")')
WRONG = (
    Wrong(
        "nur die Zahlung repariert",
        changes=(
            IMPORT,
            (FIRST_NOTE, "        " + PLAIN % "bezahlt"),
            (LAST_NOTE, "        " + PLAIN % "versandt"),
        ),
        expected="Auftragsjournal, Tod im zweiten Workflow-Task",
    ),
    Wrong(
        "nur geschrieben, wenn kein Replay läuft",
        changes=(
            IMPORT,
            (
                FIRST_NOTE,
                "        if not workflow.unsafe.is_replaying():\n            "
                + PLAIN % "bezahlt",
            ),
            (
                LAST_NOTE,
                "        if not workflow.unsafe.is_replaying():\n            "
                + PLAIN % "versandt",
            ),
        ),
        expected="im_workflow",
    ),
    Wrong(
        "Journal ohne Schlüssel",
        changes=((', "Journal", text, key=text)', ', "Journal", text)'),),
        expected="Auftragsjournal, Tod nach der ersten Zeile im Journal",
    ),
    Wrong(
        "ein Schlüssel für beide Zeilen",
        changes=(
            (', "Journal", text, key=text)', ', "Journal", text, key=order.order_id)'),
        ),
        expected="nimmt das Buch nur die erste",
    ),
    Wrong(
        "mit Schlüssel, aber im Workflow geschrieben",
        changes=(
            IMPORT,
            (FIRST_NOTE, "        " + KEYED % ("bezahlt", "bezahlt")),
            (LAST_NOTE, "        " + KEYED % ("versandt", "versandt")),
        ),
        expected="nur der Schlüssel hielt die zweite Zeile auf",
    ),
)
