"""Prüfungen zu „Der Schalter zählt falsch“."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowHandle

from dauerlauf.exercises import Bench, Wrong, expect
from dauerlauf.exercises.bench import Running

ORDERS = [f"NL-{number}" for number in range(1, 7)]
COOLDOWN = 600.0
PROBES = 2
PATIENCE = 15.0


class Book:
    """Das Buch des Prüfers: was der Dienst antworten soll und welche Aufrufe ihn erreichten."""

    def __init__(self, path: Path, answers: Sequence[str], *, gate: bool) -> None:
        self.path = path
        with closing(sqlite3.connect(path)) as database, database:
            database.executescript(
                "CREATE TABLE answers (id INTEGER PRIMARY KEY, answer TEXT);"
                "CREATE TABLE calls (order_id TEXT, at REAL);"
                "CREATE TABLE gate (open INTEGER);"
            )
            database.executemany(
                "INSERT INTO answers (answer) VALUES (?)", [(one,) for one in answers]
            )
        if gate:
            self.open_gate()

    def open_gate(self) -> None:
        """Ab jetzt antwortet der Dienst; bis dahin hält er jeden Aufruf an."""
        with closing(sqlite3.connect(self.path)) as database, database:
            database.execute("INSERT INTO gate VALUES (1)")

    def phases(self) -> list[int]:
        """Wie viele Aufrufe den Dienst vor der ersten Abkühlzeit, nach der ersten, nach der zweiten … erreichten."""
        with closing(sqlite3.connect(self.path)) as database:
            times = [at for (at,) in database.execute("SELECT at FROM calls")]
        counts = [0, 0, 0]
        for at in times:
            # Eine halbe Abkühlzeit Luft: Auf die Sekunde kommt es nicht an.
            counts[min(2, round((at - min(times)) / COOLDOWN))] += 1
        return counts


@asynccontextmanager
async def _desk(
    bench: Bench, answers: Sequence[str], *, gate: bool = True
) -> AsyncIterator[tuple[Running, Book]]:
    book = Book(bench.folder / "buch.sqlite", answers, gate=gate)
    async with bench.worker(
        "workflow:RegisterParcels",
        activities=[("activities:ParcelDesk", str(book.path))],
    ) as worker:
        yield worker, book


async def fachliches_nein(bench: Bench) -> None:
    """Ein fachliches Nein öffnet den Schalter nicht, es unterbricht sogar die Folge der Störungen."""
    answers = ["nein"] * 4 + ["503", "503", "nein", "503", "503"]
    async with _desk(bench, answers) as (worker, _):
        run = await worker.execute("RegisterParcels", ORDERS, False)
    attempts = run.attempts("register_parcel")
    expect(
        attempts[:4] == [1, 1, 1, 1],
        wo="Event History, ActivityTaskStarted, Feld „attempt“ der ersten vier Aufträge",
        warum=f"Der Dienst lehnte vier Pakete nacheinander ab; sie brauchten {_listed(attempts[:4])} Versuche statt je "
        "einem. Der Schalter hielt das Nein für eine Störung und wies ab.",
        weiter="Melden Sie dem Schalter nur als Störung, was etwas über den Zustand des Dienstes sagt.",
    )
    expect(
        min(attempts[4:]) >= 3,
        wo="Event History, ActivityTaskStarted, Feld „attempt“ der Aufträge 5 und 6",
        warum=f"Der Dienst antwortete zweimal 503; die Activity war aber schon nach {_listed(attempts[4:])} Versuchen zu "
        "Ende, und das Paket ist nicht angemeldet.",
        weiter="Werfen Sie eine Störung weiter, nachdem Sie sie gemeldet haben; nur so kommt ein nächster Versuch.",
    )
    expect(
        attempts[4:] == [3, 3],
        wo="Event History, ActivityTaskStarted, Feld „attempt“ der Aufträge 5 und 6",
        warum="Der Dienst antwortete 503, 503, Nein, 503, 503 und dann gut; dafür genügen je 3 Versuche, gebraucht wurden "
        f"{_listed(attempts[4:])}. Drei Störungen in Folge waren es nie, denn das Nein dazwischen war eine Antwort.",
        weiter="Ein Nein ist nicht nur keine Störung; sagen Sie dem Schalter, dass der Dienst geantwortet hat.",
    )
    expect(
        run.result == ["abgelehnt"] * 5 + ["angemeldet"],
        wo="Ergebnis des Workflows",
        warum=f"Es lautet {_listed(run.result)}; erwartet sind fünf abgelehnte Pakete und ein angemeldetes.",
        weiter="Werfen Sie in der Activity weiter, was der Dienst wirft.",
    )


def _listed(values: Sequence[Any]) -> str:
    return ", ".join(map(str, values))


async def halb_offen(bench: Bench) -> None:
    """Halb offen gehen genau zwei Proben hinaus, solange ihr Ausgang nicht feststeht."""
    async with _desk(bench, ["503"] * 3, gate=False) as (worker, book):
        handle = await worker.start("RegisterParcels", ORDERS, True)
        await _everybody_asked(handle, book)
        before, under_way, _ = book.phases()
        book.open_gate()
        run = await worker.finish(handle)
    expect(
        before == 3,
        wo="Buch des Versanddienstes, vor der Abkühlzeit",
        warum=f"Nach drei Störungen in Folge soll der Schalter öffnen; bis zum Ende der Abkühlzeit kamen {before} Aufrufe "
        "an statt 3.",
        weiter="Sehen Sie nach, ob jede Störung beim Schalter ankommt und wann `ask` eine Wartezeit nennt.",
    )
    expect(
        under_way >= PROBES,
        wo="Buch des Versanddienstes, nach der Abkühlzeit",
        warum=f"Sechs Aufträge warten, festgelegt sind {PROBES} Proben zugleich, hinausgegangen sind {under_way}.",
        weiter="Zählen Sie die Proben gegen `PROBES`, statt immer nur eine zu erlauben.",
    )
    expect(
        under_way == PROBES,
        wo="Buch des Versanddienstes, nach der Abkühlzeit",
        warum=f"{under_way} Aufrufe waren zugleich beim Dienst, festgelegt sind {PROBES} Proben. Noch keine hatte etwas "
        "gemeldet; wer fragte, bekam trotzdem eine Erlaubnis.",
        weiter="Zählen Sie eine Probe in dem Augenblick, in dem `ask` sie erlaubt, nicht erst, wenn sie zurück ist.",
    )
    _expect_all(run.result, {"angemeldet": 6}, "zwei gelungenen Proben")


async def _everybody_asked(handle: WorkflowHandle[Any, Any], book: Book) -> None:
    """Kehrt zurück, wenn jeder Auftrag nach der Abkühlzeit gefragt hat; die Uhr steht, solange die Proben laufen."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        description = await handle.describe()
        raw = description.raw_description
        began = raw.workflow_execution_info.start_time.ToDatetime()
        # Wer abgewiesen ist, hat einen Versuch hinter sich; wer durfte, steht im Buch.
        refused = sum(
            (one.last_attempt_complete_time.ToDatetime() - began).total_seconds()
            > COOLDOWN / 2
            for one in raw.pending_activities
        )
        before, under_way, _ = book.phases()
        if before > len(ORDERS) or refused + under_way >= len(ORDERS):
            return
        await asyncio.sleep(0.05)


def _expect_all(result: Sequence[str], expected: dict[str, int], after: str) -> None:
    counts = {one: result.count(one) for one in sorted(set(result))}
    expect(
        counts == expected,
        wo=f"Ergebnis des Workflows nach {after}",
        warum=f"Von sechs Aufträgen sind {_counted(counts)}; erwartet: {_counted(expected)}. Wer aufgab, wurde immer "
        "wieder abgewiesen: Der Schalter hat nicht mehr geschlossen.",
        weiter="Jede Probe muss ihren Platz wieder frei machen oder als gelungen zählen, gleich wie sie ausgeht.",
    )


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{number} {what}" for what, number in counts.items())


async def probe_scheitert(bench: Bench) -> None:
    """Eine gescheiterte Probe öffnet wieder; ein Nein als Probe gilt als gelungen."""
    answers = ["503"] * 3 + ["503"] + ["nein"] * 2
    async with _desk(bench, answers) as (worker, book):
        run = await worker.execute("RegisterParcels", ORDERS, True)
    first, second, third = book.phases()
    expect(
        second == 1,
        wo="Buch des Versanddienstes, nach der ersten Abkühlzeit",
        warum=f"Die erste Probe scheiterte; danach kamen vor der zweiten Abkühlzeit noch {second - 1} Aufrufe an.",
        weiter="Eine gescheiterte Probe beginnt die Abkühlzeit sofort von vorn.",
    )
    _expect_all(
        run.result, {"abgelehnt": 2, "angemeldet": 4}, "zwei abgelehnten Proben"
    )
    expect(
        (first, third) == (3, 6),
        wo="Buch des Versanddienstes",
        warum=f"Angekommen sind {first} Aufrufe vor der ersten Abkühlzeit und {third} nach der zweiten, erwartet sind 3 "
        "und 6.",
        weiter="Nach jeder Abkühlzeit gibt es von Neuem alle Proben, und ist der Schalter zu, darf jeder einmal.",
    )


CHECKS = (fachliches_nein, halb_offen, probe_scheitert)
GIVEN = ("versanddienst.py", "workflow.py")
START_FAILS = "Der Schalter hielt das Nein für eine Störung"
REJECTED = """        except versanddienst.RejectedError:
            self._breaker.answered()
            raise
"""
TAKEN = "self.under_way + self.passed >= PROBES"
WRONG = (
    Wrong(
        "das Nein zählt als Störung",
        changes=((REJECTED, ""), ("versanddienst.UnavailableError", "Exception")),
        expected="Der Schalter hielt das Nein für eine Störung",
    ),
    Wrong(
        "das Nein zählt gar nicht",
        changes=((REJECTED, ""),),
        expected="das Nein dazwischen war eine Antwort",
    ),
    Wrong(
        "erst gezählt, wenn zurück",
        changes=((TAKEN, "self.passed >= PROBES"),),
        expected="6 Aufrufe waren zugleich beim Dienst",
    ),
    Wrong(
        "eine nach der anderen",
        changes=((TAKEN, "self.under_way"),),
        expected="hinausgegangen sind 1",
    ),
    Wrong(
        "Platz der abgelehnten Probe bleibt besetzt",
        changes=(
            (
                REJECTED,
                REJECTED.replace(
                    "self._breaker.answered()", "self._breaker.failures = 0"
                ),
            ),
        ),
        expected="Der Schalter hat nicht mehr geschlossen",
    ),
)
