"""Prüfungen zu „Zweimal in der Ablage“."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

from dauerlauf.exercises import Bench, Wrong, expect
from dauerlauf.exercises.bench import Running
from dauerlauf.faults import ActivityAction, ActivityFault, FaultPlan
from dauerlauf.together import together

LOST = FaultPlan((ActivityFault("put_letter", ActivityAction.LOSE_COMPLETION),))


class Books:
    """Die Ablage des Lesers und das Erstattungsbuch des Prüfers, in einem Ordner."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with closing(sqlite3.connect(folder / "buch.sqlite")) as book, book:
            book.executescript(
                "CREATE TABLE payouts (key TEXT PRIMARY KEY, number TEXT, cents INTEGER);"
                "CREATE TABLE calls (number TEXT);"
                "CREATE TABLE refusals (number TEXT);"
                "CREATE TABLE races (number TEXT, expected INTEGER);"
            )

    def prepare(self, statement: str, *values: object) -> None:
        with closing(sqlite3.connect(self.folder / "buch.sqlite")) as book, book:
            book.execute(statement, values)

    def paid(self, number: str) -> list[int]:
        """Die Auszahlungen einer Retoure, in Cent."""
        return self._column(
            "buch", "SELECT cents FROM payouts WHERE number = ?", number
        )

    def letters(self, number: str) -> list[str]:
        """Die Zustände aller Briefe einer Retoure."""
        return self._column(
            "ablage", "SELECT state FROM letter WHERE number = ?", number
        )

    def _column(self, name: str, query: str, number: str) -> list:
        with closing(sqlite3.connect(self.folder / f"{name}.sqlite")) as database:
            return [one for (one,) in database.execute(query, (number,))]


@asynccontextmanager
async def _desk(
    bench: Bench, plan: FaultPlan | None = None
) -> AsyncIterator[tuple[Running, Books]]:
    books = Books(bench.folder)
    async with bench.worker(
        "workflow:ParkReturn",
        "workflow:Redrive",
        activities=[("ablage:DeadLetters", str(bench.folder))],
        plan=plan,
    ) as worker:
        yield worker, books


async def ein_brief(bench: Bench) -> None:
    """Wie oft eine Retoure auch abgelegt wird: Es liegt ein Brief da."""
    async with _desk(bench, LOST) as (worker, books):
        await worker.execute("ParkReturn", "R-0007", 4990)
        after_retry = books.letters("R-0007")
        await together(
            worker.execute("ParkReturn", "R-0007", 4990),
            worker.execute("ParkReturn", "R-0008", 1250),
        )
    expect(
        after_retry,
        wo="Tabelle `letter`, nachdem die Antwort von `put_letter` verloren ging",
        warum="R-0007 steht dort gar nicht; die Retoure ist verloren.",
        weiter="Ablegen muss `put_letter` in jedem Fall; nur ein zweites Mal darf nichts ändern.",
    )
    expect(
        len(after_retry) == 1,
        wo="Tabelle `letter`, nachdem die Antwort von `put_letter` verloren ging",
        warum=f"R-0007 steht dort {len(after_retry)}-mal. Der erste Versuch hat geschrieben, der zweite wusste nichts davon "
        "und schrieb noch einmal.",
        weiter="Geben Sie der Tabelle einen Schlüssel, der in jedem Versuch derselbe ist, und lassen Sie die Datenbank "
        "entscheiden.",
    )
    again = books.letters("R-0007")
    expect(
        len(again) == 1,
        wo="Tabelle `letter`, nachdem dieselbe Datei noch einmal kam",
        warum=f"R-0007 steht dort {len(again)}-mal. Der zweite Import ist ein anderer Workflow; für Ihren Schlüssel war das "
        "ein neuer Brief.",
        weiter="Suchen Sie einen Schlüssel, der zur Retoure gehört und nicht zu dem, der sie ablegt.",
    )
    expect(
        books.letters("R-0008") == ["offen"],
        wo="Tabelle `letter`, Retoure R-0008",
        warum=f"Von ihr liegen dort {len(books.letters('R-0008'))} Briefe, erwartet ist einer im Zustand `offen`.",
        weiter="Verschiedene Retouren brauchen verschiedene Schlüssel.",
    )


async def einmal_ausgezahlt(bench: Bench) -> None:
    """Wie oft ein Brief auch wiederholt wird: Ausgezahlt wird genau einmal."""
    async with _desk(bench) as (worker, books):
        books.prepare("INSERT INTO races VALUES (?, 2)", "R-0010")
        books.prepare("INSERT INTO refusals VALUES (?)", "R-0011")
        await together(
            worker.execute("ParkReturn", "R-0010", 4990),
            worker.execute("ParkReturn", "R-0011", 1250),
        )
        await together(
            worker.execute("Redrive", ["R-0010"]),
            worker.execute("Redrive", ["R-0010"]),
            worker.execute("Redrive", ["R-0011"]),
        )
        at_once = len(books.paid("R-0010"))
        await worker.execute("ParkReturn", "R-0010", 4990)
        revived = books.letters("R-0010")
        await worker.execute("Redrive", ["R-0010"])
    expect(
        books.paid("R-0011") == [1250],
        wo="Erstattungsbuch, Retoure R-0011",
        warum=f"Im ersten Anlauf war das Buch nicht erreichbar; danach sind {sum(books.paid('R-0011'))} statt 1250 Cent "
        f"ausgezahlt, und der Brief steht auf {', '.join(books.letters('R-0011'))}. Der Server hat die Activity "
        "wiederholt. Entweder fand der zweite Versuch nichts mehr zu tun, oder sein Schlüssel war schon verbraucht.",
        weiter="Vermerken Sie erst, dass ein Brief erledigt ist, wenn er es ist.",
    )
    expect(
        at_once == 1,
        wo="Erstattungsbuch, Retoure R-0010, von zwei Menschen zugleich wiederholt",
        warum=f"Ausgezahlt wurde {at_once}-mal, jedes Mal 49,90 Euro. Die beiden `Redrive` sind verschiedene "
        "Workflows; als der eine nachsah, war der andere noch nicht fertig.",
        weiter="Das Erstattungsbuch kann selbst unterscheiden, wenn beide Aufrufe denselben Schlüssel nennen.",
    )
    expect(
        revived == ["erledigt"],
        wo="Tabelle `letter`, Retoure R-0010, nachdem dieselbe Datei noch einmal kam",
        warum=f"Der Brief war erledigt und steht jetzt auf: {', '.join(revived)}. Morgen arbeitet ihn wieder jemand ab.",
        weiter="Ein Brief, den es schon gibt, darf beim Ablegen nicht überschrieben und ein erledigter nicht gelöscht "
        "werden.",
    )
    expect(
        len(books.paid("R-0010")) == 1 and books.letters("R-0010") == ["erledigt"],
        wo="Erstattungsbuch, Retoure R-0010, am nächsten Tag noch einmal wiederholt",
        warum=f"Ausgezahlt wurde {len(books.paid('R-0010'))}-mal; der Brief steht auf "
        f"{', '.join(books.letters('R-0010')) or 'nichts'}.",
        weiter="Derselbe Brief muss in jedem `Redrive` denselben Schlüssel nennen und erledigt bleiben.",
    )


CHECKS = (ein_brief, einmal_ausgezahlt)
GIVEN = ("erstattung.py", "workflow.py")
START_FAILS = "nachdem die Antwort von `put_letter` verloren ging"
COLUMNS = "    number TEXT PRIMARY KEY, cents"
INSERT = """                "INSERT OR IGNORE INTO letter (number, cents, state)"
                " VALUES (?, ?, 'offen')",
                (number, cents),
"""
PAY = "        erstattung.pay(self._folder, number, number, cents)\n"
BY_WORKFLOW = """        info = activity.info()
        key = f"{info.workflow_id}/{info.activity_id}"
        erstattung.pay(self._folder, key, number, cents)
"""
DONE = """        with closing(self._connect()) as database, database:
            database.execute(
                "UPDATE letter SET state = 'erledigt' WHERE number = ?", (number,)
            )
"""
IF_OPEN = """        with closing(self._connect()) as database:
            query = "SELECT state FROM letter WHERE number = ?"
            if database.execute(query, (number,)).fetchone() == ("erledigt",):
                return
"""
WRONG = (
    Wrong(
        "Schlüssel des Aufrufs",
        changes=(
            (COLUMNS, "    key TEXT PRIMARY KEY, number TEXT, cents"),
            (
                INSERT,
                """                "INSERT OR IGNORE INTO letter VALUES (?, ?, ?, 'offen')",
                (activity.info().workflow_id, number, cents),
""",
            ),
        ),
        expected="nachdem dieselbe Datei noch einmal kam",
    ),
    Wrong(
        "nur die Ablage repariert",
        changes=((PAY, BY_WORKFLOW),),
        expected="Ausgezahlt wurde 2-mal, jedes Mal 49,90 Euro",
    ),
    Wrong(
        "erst nachsehen, dann zahlen",
        changes=((PAY, IF_OPEN + BY_WORKFLOW),),
        expected="von zwei Menschen zugleich wiederholt",
    ),
    Wrong(
        "vor der Auszahlung geschlossen",
        changes=((PAY + DONE, IF_OPEN + DONE + BY_WORKFLOW),),
        expected="Entweder fand der zweite Versuch nichts mehr zu tun",
    ),
    Wrong(
        "überschrieben statt erhalten",
        changes=(("INSERT OR IGNORE INTO letter", "INSERT OR REPLACE INTO letter"),),
        expected="Der Brief war erledigt und steht jetzt auf: offen",
    ),
)
