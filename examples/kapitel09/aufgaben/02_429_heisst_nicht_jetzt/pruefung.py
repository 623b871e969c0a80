"""Prüfungen zu „429 heißt: nicht jetzt“."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from dauerlauf.exercises import Bench, Failed, Run, Wrong, expect
from dauerlauf.together import together

Answers = Sequence[tuple[int, int]]
HOUR = 3600


@dataclass(frozen=True)
class Calls:
    """Ein Auftrag: sein Lauf, seine Anrufe beim Dienst mit Sekunden seit dem ersten und Status."""

    run: Run
    calls: list[tuple[float, int, bool]]

    @property
    def times(self) -> str:
        return ", ".join(f"{at:.0f} s" for at, _, _ in self.calls[:6]) + (
            " …" if len(self.calls) > 6 else ""
        )


async def _print(bench: Bench, plans: Mapping[str, Answers]) -> dict[str, Calls]:
    book = bench.folder / "etiketten.sqlite"
    with closing(sqlite3.connect(book)) as database, database:
        database.execute(
            "CREATE TABLE plans (number TEXT PRIMARY KEY, answers TEXT, open_at REAL)"
        )
        database.execute(
            "CREATE TABLE calls (number TEXT, at REAL, status INTEGER, early INTEGER)"
        )
        database.executemany(
            "INSERT INTO plans VALUES (?, ?, 0)",
            [(number, json.dumps(answers)) for number, answers in plans.items()],
        )
    async with bench.worker(
        "workflow:LabelWorkflow", activities=[("activities:LabelDesk", str(book))]
    ) as worker:
        try:
            runs = await together(
                *(worker.attempt("LabelWorkflow", number) for number in plans)
            )
        except Failed as failed:
            if "antwortet mit 429" in failed.warum:
                failed.weiter = (
                    "Die Frist im Workflow ist die eine Hälfte. Die andere: Die Activity muss dem Server sagen, wann der nächste "
                    "Versuch beginnen soll."
                )
            if "StartToClose" not in failed.warum:
                raise
            raise Failed(
                wo="Activity `print_label`",
                warum="Ein Versuch dauert länger als 10 s und wird abgebrochen. Wer in der Activity auf den Dienst wartet, "
                "hält so lange einen Platz im Worker besetzt, und der Server weiß nichts davon.",
                weiter="Beenden Sie den Versuch sofort, und sagen Sie dem Server dabei, wann der nächste beginnen soll.",
            ) from None
    found = {}
    with closing(sqlite3.connect(book)) as database:
        for number, run in zip(plans, runs, strict=True):
            rows = database.execute(
                "SELECT at, status, early FROM calls WHERE number = ? ORDER BY rowid",
                (number,),
            ).fetchall()
            expect(
                rows,
                wo=f"Buch des Etikettendienstes, Auftrag {number}",
                warum=f"Dort steht kein Anruf; der Auftrag endet {run.status}: {run.reason}",
                weiter="Die Activity muss `etikettendienst.print_label` aufrufen und dessen Antwort auswerten.",
            )
            found[number] = Calls(
                run,
                [(at - rows[0][0], status, bool(early)) for at, status, early in rows],
            )
    return found


async def geduld(bench: Bench) -> None:
    """Nach einer 429 kommt der nächste Anruf nach der genannten Pause, nicht früher und kaum später."""
    plans = {
        "NL-1": [(429, 90)],
        "NL-2": [(429, 40), (429, HOUR)],
        "NL-3": [(429, 20 * 60)] * 7,
    }
    found = await _print(bench, plans)
    for number, plan in plans.items():
        one = found[number]
        early = [at for at, _, early in one.calls if early]
        pauses = ", ".join(f"{pause} s" for _, pause in plan)
        expect(
            not early,
            wo=f"Buch des Etikettendienstes, Auftrag {number}",
            warum=f"Der Dienst nannte diese Pausen: {pauses}. Angerufen wurde nach {one.times}; {len(early)} Anrufe kamen zu "
            "früh.",
            weiter="Die Retry-Policy weiß nicht, was der Dienst gesagt hat. Wer weiß es, und wem muss er es sagen?",
        )
        waits = [
            later[0] - earlier[0]
            for earlier, later in zip(one.calls, one.calls[1:], strict=False)
        ]
        late = [
            (wait, pause)
            for wait, (_, pause) in zip(waits, plan, strict=False)
            if wait > pause + 60
        ]
        expect(
            not late,
            wo=f"Buch des Etikettendienstes, Auftrag {number}",
            warum=f"Der nächste Anruf kam {late[0][0]:.0f} s nach der Absage, genannt waren {late[0][1]} s."
            if late
            else "",
            weiter="Nehmen Sie die Zahl aus der Antwort, jedes Mal neu.",
        )
        expect(
            one.run.status == "COMPLETED",
            wo=f"Auftrag {number}, Status des Workflows",
            warum=f"Er endet {one.run.status}, obwohl der Dienst nur um Geduld bat: {one.run.reason} Anrufe bis dahin: {len(one.calls)}.",
            weiter="Nach dem ersten Versuch kam keiner mehr. Eine 429 ist kein endgültiger Fehler; lassen Sie sie wiederholen."
            if len(one.calls) == 1
            else "Siebenmal 20 Minuten sind gut zwei Stunden. Was begrenzt hier, eine Zahl oder eine Frist?",
        )
        expect(
            one.run.activities == ["print_label"],
            wo=f"Event History des Auftrags {number}",
            warum=f"Sie verzeichnet {len(one.run.activities)} Activities und {one.run.count('TimerStarted')} Timer statt einer Activity.",
            weiter="Der Server kann das Warten übernehmen; der Workflow braucht dafür weder Schleife noch Timer.",
        )


async def grenzen(bench: Bench) -> None:
    """Nach zwölf Stunden ist Schluss; andere Fehler behalten ihre eigene Antwort."""
    found = await _print(
        bench,
        {"NL-4": [(429, 3 * HOUR)] * 6, "NL-5": [(500, 0)] * 3, "NL-6": [(422, 0)]},
    )
    endless, broken, wrong = found["NL-4"], found["NL-5"], found["NL-6"]
    expect(
        endless.run.status == "FAILED",
        wo="Auftrag NL-4, Status des Workflows",
        warum=f"Der Dienst bat sechsmal um drei Stunden, und nach {len(endless.calls)} Anrufen ist der Auftrag "
        f"{endless.run.status}. Nach 12 Stunden braucht das Etikett niemand mehr.",
        weiter="Ein Timeout gilt je Versuch, ein anderes für alle Versuche zusammen.",
    )
    expect(
        endless.calls[-1][0] > 8 * HOUR,
        wo="Auftrag NL-4, Event History",
        warum=f"Der Auftrag gab schon nach {len(endless.calls)} Anrufen auf, der letzte nach {endless.calls[-1][0]:.0f} s: "
        f"{endless.run.reason}",
        weiter="Die Frist beträgt 12 Stunden; bis dahin zählt niemand die Versuche.",
    )
    pause = broken.calls[1][0] if len(broken.calls) > 1 else 0
    expect(
        broken.run.status == "COMPLETED" and pause < 30,
        wo="Auftrag NL-5, nach drei Antworten mit 500",
        warum=f"Er endet {broken.run.status}; angerufen wurde nach {broken.times}. Eine Störung ist keine Bitte um Geduld: "
        "Bisher kam der zweite Anruf nach einer Sekunde.",
        weiter="Die Pause des Dienstes gilt nur bei 429; für alles andere bleibt die Retry-Policy zuständig.",
    )
    growth = min(
        event.activity_task_scheduled_event_attributes.retry_policy.backoff_coefficient
        for event in broken.run.history.events
        if event.HasField("activity_task_scheduled_event_attributes")
    )
    expect(
        growth > 1,
        wo="Auftrag NL-5, Event ActivityTaskScheduled, retryPolicy",
        warum=f"Dort steht backoffCoefficient {growth:g}: Nach einer 500 bleibt jede Pause so lang wie die vorige. Bisher wuchs sie.",
        weiter="Begrenzen Sie nichts an der Retry-Policy, was nur 429 betrifft.",
    )
    expect(
        wrong.run.status == "FAILED" and len(wrong.calls) == 1,
        wo="Auftrag NL-6, falsche Adresse (422)",
        warum=f"Er endet {wrong.run.status} nach {len(wrong.calls)} Anrufen. Die Adresse wird durch Warten nicht richtig.",
        weiter="Lassen Sie die Zeilen für 422 stehen, wie sie waren.",
    )


CHECKS = (geduld, grenzen)
GIVEN = ("etikettendienst.py",)
START_FAILS = "4 Anrufe kamen zu früh"
DELAY = "next_retry_delay=timedelta(seconds=answer.retry_after)"
DEADLINE = "            schedule_to_close_timeout=timedelta(hours=12),\n"
WRONG = (
    Wrong(
        "Grenze von fünf Versuchen behalten",
        changes=(
            (
                DEADLINE,
                f"{DEADLINE}            retry_policy=RetryPolicy(maximum_attempts=5),\n",
            ),
            (
                "from temporalio import workflow\n",
                "from temporalio import workflow\nfrom temporalio.common import RetryPolicy\n",
            ),
        ),
        expected="eine Zahl oder eine Frist",
    ),
    Wrong(
        "nur der Workflow repariert",
        changes=(("if answer.status == 429:", "if answer.status == 430:"),),
        expected="Die andere: Die Activity muss dem Server sagen",
    ),
    Wrong(
        "Pause wächst nicht mehr",
        changes=(
            (
                DEADLINE,
                f"{DEADLINE}            retry_policy=RetryPolicy(backoff_coefficient=1.0),\n",
            ),
            (
                "from temporalio import workflow\n",
                "from temporalio import workflow\nfrom temporalio.common import RetryPolicy\n",
            ),
        ),
        expected="backoffCoefficient 1",
    ),
    Wrong(
        "ohne jede Frist",
        changes=((DEADLINE, ""),),
        expected="Der Dienst bat sechsmal um drei Stunden",
    ),
    Wrong(
        "im Workflow gewartet",
        changes=(
            (
                "        return await workflow.execute_activity_method(",
                "        while True:\n          try:\n            return await workflow.execute_activity_method(",
            ),
            (
                DEADLINE + "        )",
                "            retry_policy=RetryPolicy(maximum_attempts=1),\n            )\n          except ActivityError as error:\n            await workflow.sleep(getattr(error.cause, 'next_retry_delay', None) or 1)",
            ),
            (
                "from temporalio import workflow\n",
                "from temporalio import workflow\nfrom temporalio.common import RetryPolicy\nfrom temporalio.exceptions import ActivityError\n",
            ),
        ),
        expected="weder Schleife noch Timer",
    ),
)
