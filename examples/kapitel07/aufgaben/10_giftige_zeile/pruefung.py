"""Die vier Läufe zu „Giftige Zeile im Stapel“ und was sie zeigen."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from dauerlauf.exercises import Bench, Question, Run, Wrong
from dauerlauf.exercises.bench import Running
from dauerlauf.together import together

ROWS = 20
POISON = (7, 15)
DAY = timedelta(hours=24)


class Ledger:
    """Das Erstattungsbuch: welche Zeilen es in welcher Form des Imports erreichten."""

    def __init__(self) -> None:
        self.rows: dict[str, set[int]] = {form: set() for form in "ABCD"}
        """Die aufgerufenen Zeilen je Form."""
        self.attempts_of_a_day = 0
        self.first: datetime | None = None
        self.day_is_over = asyncio.Event()

    @activity.defn
    async def book_return(self, form: str, row: int) -> None:
        began = activity.info().started_time
        self.first = self.first or began
        if form == "A" and began - self.first > DAY:
            # Solange ein Versuch läuft, steht die Uhr des Workflows.
            self.attempts_of_a_day = activity.info().attempt - 1
            self.day_is_over.set()
            await asyncio.Event().wait()
        self.rows[form].add(row)
        if row in POISON:
            raise ApplicationError(
                "„49.9O“ ist kein Betrag.",
                non_retryable=form == "D",
                category=ApplicationErrorCategory.BENIGN,
            )


async def _after_a_day(worker: Running, ledger: Ledger) -> dict[str, Any]:
    handle = await worker.start("ImportReturns", "A", ROWS, 0, False)
    await ledger.day_is_over.wait()
    description = await handle.describe()
    assert description.status is not None
    return {
        "booked_unlimited": len(ledger.rows["A"] - set(POISON)),
        "attempts_unlimited": ledger.attempts_of_a_day,
        "status_unlimited": description.status.name,
    }


async def truth(bench: Bench) -> Mapping[str, Any]:
    """Zählt in vier wirklichen Läufen; den Workflow stellt die Übung in `vorgabe/`."""
    ledger = Ledger()
    async with bench.worker(
        "workflow:ImportReturns",
        given=[ledger.book_return],
        source=bench.exercise / "vorgabe",
    ) as worker:
        unlimited, failed, limited, final = await together(
            _after_a_day(worker, ledger),
            worker.attempt("ImportReturns", "B", ROWS, 5, False),
            worker.execute("ImportReturns", "C", ROWS, 5, True),
            worker.execute("ImportReturns", "D", ROWS, 5, True),
        )
    return {
        **unlimited,
        "status_failed": failed.status,
        "untouched": ROWS - len(ledger.rows["B"]),
        "calls_limited": sum(limited.attempts("book_return")),
        "minutes_limited": _minutes(limited),
        "calls_final": sum(final.attempts("book_return")),
    }


def _minutes(run: Run) -> int:
    began, *_, ended = (event.event_time.ToDatetime() for event in run.history.events)
    return round((ended - began) / timedelta(minutes=1))


def _booked(answer: int, truth: Mapping[str, Any]) -> tuple[str, str]:
    return (
        f"Sie nennen {answer}; im Buch stehen nach 24 Stunden {truth['booked_unlimited']}. Der Import wartet an der "
        "ersten giftigen Zeile und nimmt die nächste erst, wenn diese gelungen oder gescheitert ist.",
        "Ohne Grenze scheitert eine Activity nie endgültig. Bei welcher Zeile steht der Workflow?",
    )


def _attempts(answer: int, truth: Mapping[str, Any]) -> tuple[str, str]:
    return (
        f"Sie nennen {answer}; gezählt sind {truth['attempts_unlimited']}. Der erste Versuch kommt ohne Pause, die "
        "Pausen verdoppeln sich, und länger als vier Stunden wird keine.",
        "Schreiben Sie die Minuten der Versuche auf, bis Minute 1440 überschritten ist.",
    )


def _status(answer: str, truth: Mapping[str, Any]) -> tuple[str, str]:
    return (
        f"Sie nennen {answer}; der Server meldet {truth['status_unlimited']}. Ein gescheiterter Versuch, der "
        "wiederholt wird, ist für den Workflow noch kein Fehler, und eine Frist hat ihm niemand gesetzt.",
        "Was müsste geschehen, damit das `await` in Zeile 7 zurückkehrt?",
    )


def _untouched(answer: int, truth: Mapping[str, Any]) -> tuple[str, str]:
    return (
        f"Sie nennen {answer}; nie aufgerufen wurde `book_return` für {truth['untouched']} Zeilen. Nach dem fünften "
        f"Versuch wirft `await` einen ActivityError, niemand fängt ihn, und der Workflow endet "
        f"{truth['status_failed']}.",
        "Zählen Sie alle Zeilen hinter der, an der er endet, die guten wie die giftige.",
    )


def _calls_limited(answer: int, truth: Mapping[str, Any]) -> tuple[str, str]:
    return (
        f"Sie nennen {answer}; gezählt sind {truth['calls_limited']}. Abgelegt wird eine Zeile erst, wenn alle ihre "
        "Versuche verbraucht sind; die guten brauchen nur einen. `maximum_attempts` zählt den ersten mit.",
        "Wie viele Zeilen brauchen einen Versuch, wie viele brauchen fünf?",
    )


def _minutes_limited(answer: int, truth: Mapping[str, Any]) -> tuple[str, str]:
    return (
        f"Sie nennen {answer} Minuten; gemessen sind {truth['minutes_limited']}. Auch die guten Zeilen hinter einer "
        "giftigen warten deren Pausen ab, und nach dem letzten Versuch kommt keine mehr.",
        "Zählen Sie die Pausen einer giftigen Zeile zusammen. Wie viele giftige gibt es?",
    )


def _calls_final(answer: int, truth: Mapping[str, Any]) -> tuple[str, str]:
    return (
        f"Sie nennen {answer}; gezählt sind {truth['calls_final']}. `non_retryable=True` schlägt `maximum_attempts`, "
        "aber den Versuch, der den Fehler wirft, gibt es immer.",
        "Wie viele Versuche braucht jetzt eine giftige Zeile?",
    )


QUESTIONS = (
    Question("booked_unlimited", "A: Wie viele Zeilen sind gebucht?", int, _booked),
    Question(
        "attempts_unlimited", "A: Wie oft wurde Zeile 7 versucht?", int, _attempts
    ),
    Question(
        "status_unlimited",
        "A: Welchen Status hat der Workflow nach 24 Stunden?",
        str,
        _status,
        choices=("RUNNING", "FAILED", "TIMED_OUT", "COMPLETED"),
    ),
    Question("untouched", "B: Wie viele Zeilen wurden nie versucht?", int, _untouched),
    Question("calls_limited", "C: Wie viele Aufrufe sind es?", int, _calls_limited),
    Question(
        "minutes_limited",
        "C: Wie viele Minuten dauert der Import?",
        int,
        _minutes_limited,
    ),
    Question("calls_final", "D: Wie viele Aufrufe sind es?", int, _calls_final),
)
START_FAILS = "Hier steht noch keine Antwort."
WRONG = (
    Wrong(
        "giftige übersprungen",
        answers={"booked_unlimited": 18},
        expected="Der Import wartet an der ersten giftigen Zeile",
    ),
    Wrong(
        "gescheitert statt wartend",
        answers={"status_unlimited": "FAILED"},
        expected="ist für den Workflow noch kein Fehler",
    ),
    Wrong(
        "nur die guten gezählt",
        answers={"untouched": 12},
        expected="die guten wie die giftige",
    ),
    Wrong(
        "fünf Wiederholungen statt fünf Versuche",
        answers={"calls_limited": 30},
        expected="zählt den ersten mit",
    ),
    Wrong(
        "fünf Pausen je giftiger Zeile",
        answers={"minutes_limited": 62},
        expected="nach dem letzten Versuch kommt keine mehr",
    ),
)
