"""Prüfungen zu „Abgewiesen heißt: später wieder“."""

import sqlite3
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from datetime import timedelta
from pathlib import Path

from temporalio.api.enums.v1 import ApplicationErrorCategory
from temporalio.api.failure.v1 import Failure

from dauerlauf.exercises import Bench, Run, Wrong, expect
from dauerlauf.exercises.bench import Running
from dauerlauf.together import together

HOUR = 3600.0


@asynccontextmanager
async def _desk(
    bench: Bench, outages: Mapping[str, Sequence[float]]
) -> AsyncIterator[tuple[Running, Path]]:
    """Ein Worker und das Buch: je Auftrag, wie lange der Schalter nacheinander offen ist."""
    book = bench.folder / "buch.sqlite"
    with closing(sqlite3.connect(book)) as database, database:
        database.executescript(
            "CREATE TABLE outages (id INTEGER PRIMARY KEY, order_id TEXT, seconds REAL);"
            "CREATE TABLE breaker (order_id TEXT PRIMARY KEY, open_until REAL);"
            "CREATE TABLE calls (order_id TEXT, while_open INTEGER);"
        )
        rows = [(order, time) for order, times in outages.items() for time in times]
        database.executemany(
            "INSERT INTO outages (order_id, seconds) VALUES (?, ?)", rows
        )
    desk = ("activities:ParcelDesk", str(book))
    async with bench.worker("workflow:OrderWorkflow", activities=[desk]) as worker:
        yield worker, book


def _calls(book: Path, order: str) -> list[bool]:
    """Je Aufruf, der den Dienst erreichte: ob der Schalter da offen war oder nicht gefragt."""
    with closing(sqlite3.connect(book)) as database:
        rows = database.execute(
            "SELECT while_open FROM calls WHERE order_id = ?", (order,)
        )
        return [bool(one) for (one,) in rows]


def _expect_guarded(book: Path, order: str) -> None:
    early = sum(_calls(book, order))
    expect(
        not early,
        wo="activities.py, `register_parcel`",
        warum=f"Der Versanddienst wurde {early}-mal angerufen, ohne dass der Schalter es erlaubt hatte.",
        weiter="Fragen Sie `schalter.ask(self._book, order_id)` vor dem Aufruf, in jedem Versuch, und rufen Sie nur bei "
        "0 an.",
    )


def _expect_arrived(run: Run, book: Path, order: str, what: str) -> None:
    expect(
        run.status == "COMPLETED",
        wo=f"Auftrag {order}: {what}",
        warum=f"Der Workflow endet {run.status}, das Paket wurde nie angemeldet: {run.reason}",
        weiter="Sehen Sie in activities.py nach, ob der Fehler Wiederholungen zulässt und in welcher Einheit er die "
        "Wartezeit nennt, und in workflow.py, was die Versuche begrenzt.",
    )
    expect(
        len(_calls(book, order)) == 1 and run.result == f"DHL-{order}",
        wo=f"Auftrag {order}: {what}",
        warum=f"Der Workflow endet COMPLETED mit {run.result!r}, aber beim Versanddienst kamen "
        f"{len(_calls(book, order))} Aufrufe an. Wer abgewiesen ist, ist noch nicht fertig.",
        weiter="Ein abgewiesener Versuch darf nicht mit `return` enden; er muss scheitern, damit ein nächster kommt.",
    )


def _refusal(run: Run) -> Failure:
    """Der letzte Fehlversuch, wie er am Started-Event steht."""
    started = [
        event.activity_task_started_event_attributes
        for event in run.history.events
        if event.HasField("activity_task_started_event_attributes")
    ]
    return started[-1].last_failure


def _expect_refused(run: Run) -> None:
    info = _refusal(run).application_failure_info
    expect(
        info.type == "SchalterOffen",
        wo="Event History, ActivityTaskStarted, `lastFailure`",
        warum=f"Der Fehler hat den Typ „{info.type}“ ({_refusal(run).message}), verabredet ist „SchalterOffen“. Am Typ "
        "erkennt der Betrieb, was hier wartet.",
        weiter="Der Typ ist ein Argument von `ApplicationError`, nicht Teil des Textes.",
    )


def _expect_on_time(run: Run, expected: int, what: str) -> None:
    attempts = run.attempts("register_parcel")[-1]
    expect(
        attempts == expected,
        wo=f"Event History, ActivityTaskStarted, Feld „attempt“ ({what})",
        warum=f"Der Auftrag brauchte {attempts} Versuche statt {expected}. Der Schalter nannte jedes Mal, wann er "
        "wieder gefragt werden will; gekommen ist der nächste Versuch zu einer anderen Zeit.",
        weiter="Geben Sie die Sekunden, die `ask` nennt, als `next_retry_delay` weiter.",
    )


async def nicht_angerufen(bench: Bench) -> None:
    """Ist der Schalter offen, ruft niemand an, und der Auftrag kommt genau zur genannten Zeit wieder."""
    async with _desk(bench, {"NL-2": [4 * HOUR], "NL-3": [90.0]}) as (worker, book):
        free, long, short = await together(
            *(worker.attempt("OrderWorkflow", f"NL-{n}") for n in (1, 2, 3))
        )
    for run, order, what in (
        (free, "NL-1", "Schalter geschlossen"),
        (long, "NL-2", "Schalter vier Stunden offen"),
        (short, "NL-3", "Schalter 90 Sekunden offen"),
    ):
        _expect_guarded(book, order)
        _expect_arrived(run, book, order, what)
        if run is not free:
            _expect_refused(run)
        _expect_on_time(run, 1 if run is free else 2, what)
    _expect_no_alarm(long)


def _expect_no_alarm(run: Run) -> None:
    info = _refusal(run).application_failure_info
    expect(
        info.category == ApplicationErrorCategory.APPLICATION_ERROR_CATEGORY_BENIGN,
        wo="Event History, ActivityTaskStarted, `lastFailure`, Feld „category“",
        warum="Der Fehler trägt keine Kategorie; das SDK schreibt zu jeder Abweisung eine Warnung ins Log und zählt sie "
        "als Fehler. Bei 400 wartenden Aufträgen wären das 400 Fehlalarme.",
        weiter="`temporalio.exceptions` kennt eine Kategorie für erwartete Fehler.",
    )


async def frist(bench: Bench) -> None:
    """Neun Abweisungen kosten den Auftrag nichts; nach drei Tagen ohne Paket ist Schluss."""
    outages = {"NL-5": [6 * HOUR] * 9, "NL-6": [70 * HOUR], "NL-7": [74 * HOUR]}
    async with _desk(bench, outages) as (worker, book):
        often, patient, late = await together(
            *(worker.attempt("OrderWorkflow", f"NL-{n}") for n in (5, 6, 7))
        )
    expect(
        often.status == "COMPLETED",
        wo="workflow.py, Aufruf von `register_parcel`",
        warum=f"Der Auftrag endet {often.status} nach {often.attempts('register_parcel')[-1]} Versuchen, ohne dass "
        "einer davon den Dienst erreicht hätte. Der Server zählt auch abgewiesene Versuche.",
        weiter="Ersetzen Sie die Zahl der Versuche durch eine Frist, die alle Versuche zusammen umfasst.",
    )
    _expect_arrived(often, book, "NL-5", "neunmal abgewiesen")
    _expect_on_time(often, 10, "neunmal sechs Stunden offen")
    _expect_arrived(patient, book, "NL-6", "Schalter 70 Stunden offen")
    expect(
        late.status == "FAILED",
        wo="Auftrag NL-7: Schalter 74 Stunden offen",
        warum=f"Der Workflow endet {late.status}, nach {_hours(late)} Stunden. Verabredet sind 72, danach will die "
        "Kundschaft eine Antwort.",
        weiter="Geben Sie dem Aufruf in workflow.py eine Frist von drei Tagen für alle Versuche zusammen.",
    )


def _hours(run: Run) -> int:
    began, *_, ended = (event.event_time.ToDatetime() for event in run.history.events)
    return round((ended - began) / timedelta(hours=1))


CHECKS = (nicht_angerufen, frist)
GIVEN = ("schalter.py", "versanddienst.py")
START_FAILS = "ohne dass der Schalter es erlaubt hatte"
DELAY = "                next_retry_delay=timedelta(seconds=wait),\n"
BENIGN = "                category=ApplicationErrorCategory.BENIGN,\n"
DEADLINE = "            schedule_to_close_timeout=timedelta(days=3),\n"
POLICY = "RetryPolicy(initial_interval=timedelta(minutes=1))"
WRONG = (
    Wrong(
        "Policy bestimmt die Pause",
        changes=((DELAY, ""),),
        expected="gekommen ist der nächste Versuch zu einer anderen Zeit",
    ),
    Wrong(
        "abgewiesen heißt fertig",
        changes=(
            ("            raise ApplicationError(", '            return "später"\n'),
            ('                "Der Schalter ist offen.",\n', ""),
            ('                type="SchalterOffen",\n', ""),
            (DELAY, ""),
            (BENIGN + "            )\n", ""),
        ),
        expected="Wer abgewiesen ist, ist noch nicht fertig",
    ),
    Wrong(
        "ohne Kategorie",
        changes=((BENIGN, ""),),
        expected="400 Fehlalarme",
    ),
    Wrong(
        "Zahl der Versuche bleibt",
        changes=(
            (
                POLICY,
                "RetryPolicy(initial_interval=timedelta(minutes=1), maximum_attempts=5)",
            ),
        ),
        expected="Der Server zählt auch abgewiesene Versuche",
    ),
    Wrong(
        "ohne Frist",
        changes=((DEADLINE, ""),),
        expected="nach 74 Stunden",
    ),
)
