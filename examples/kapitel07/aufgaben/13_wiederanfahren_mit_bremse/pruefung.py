"""Prüfungen zu „Wiederanfahren mit Bremse“."""

from dataclasses import dataclass, field

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from dauerlauf.exercises import Bench, Run, Wrong, expect
from dauerlauf.faults import (
    ActivityAction,
    ActivityFault,
    FaultPlan,
    WorkflowAction,
    WorkflowFault,
)
from dauerlauf.together import together

WORKFLOW = "workflow:RedriveWorkflow"
OPERATOR = "Anke Petersen"
REASON = "IBAN ungültig"
QUIET = ApplicationErrorCategory.BENIGN
MINUTE = 45
"""So viele Sekunden liegen mindestens zwischen der 1. und der 4. Buchung; der Rest ist Rechenzeit."""


@dataclass(frozen=True)
class Claim:
    number: str
    redrive: str
    operator: str


@dataclass(frozen=True)
class Booking:
    number: str
    key: str


@dataclass(frozen=True)
class Outcome:
    number: str
    redrive: str
    state: str
    detail: str


@dataclass
class Letter:
    """Ein Brief: sein Stand, welche Wiederholung ihn hat und welche ihn schon hatten."""

    state: str = "geparkt"
    redrive: str = ""
    had: set[str] = field(default_factory=set)


class Table:
    """Tabelle, Protokoll und Erstattungsbuch des Prüfers."""

    def __init__(self, letters: int, broken: str = "") -> None:
        self.letters = {f"R-{number}": Letter() for number in range(1, letters + 1)}
        self.broken = broken
        self.protocol: list[tuple[str, str, str]] = []
        self.paid: dict[str, list[str]] = {}
        self._asked = 0

    @property
    def given(self) -> list[object]:
        return [self.parked_letters, self.claim, self.book_return, self.settle]

    @activity.defn
    async def parked_letters(self) -> list[str]:
        self._asked += 1
        if self._asked > 2 * len(self.letters):
            raise ApplicationError(
                f"Die Liste wurde {self._asked}-mal geholt; ein kaputter Brief steht jedes Mal wieder darin",
                non_retryable=True,
                category=QUIET,
            )
        return [n for n, letter in self.letters.items() if letter.state == "geparkt"]

    @activity.defn
    async def claim(self, request: Claim) -> bool:
        letter = self.letters[request.number]
        if letter.state == "geparkt" and request.redrive not in letter.had:
            letter.state, letter.redrive = "läuft", request.redrive
            letter.had.add(request.redrive)
            self.protocol.append((request.number, "wiederholt", request.operator))
        return letter.state == "läuft" and letter.redrive == request.redrive

    @activity.defn
    async def book_return(self, booking: Booking) -> str:
        if booking.number == self.broken:
            raise ApplicationError(REASON, non_retryable=True, category=QUIET)
        keys = self.paid.setdefault(booking.number, [])
        if booking.key not in keys:
            keys.append(booking.key)
        return f"Beleg {booking.number}"

    @activity.defn
    async def settle(self, outcome: Outcome) -> None:
        letter = self.letters[outcome.number]
        if letter.state == "läuft" and letter.redrive == outcome.redrive:
            letter.state = outcome.state
            self.protocol.append((outcome.number, outcome.state, outcome.detail))


def _order(per_minute: int) -> dict[str, object]:
    return {"operator": OPERATOR, "per_minute": per_minute}


def _expect_once(table: Table) -> None:
    """Jeder Brief hat genau ein Ende, genau eine Auszahlung und zwei Zeilen im Protokoll."""
    for number, letter in table.letters.items():
        broken = number == table.broken
        end = ("geparkt", REASON) if broken else ("erledigt", f"Beleg {number}")
        expect(
            letter.had,
            wo=f"Tabelle, Brief {number}",
            warum="Keine Wiederholung hat ihn je in Arbeit genommen.",
            weiter="Rufen Sie `claim` für jeden Brief auf, den `parked_letters` nennt, ehe Sie buchen.",
        )
        paid = len(table.paid.get(number, []))
        expect(
            not (letter.state == "geparkt" and paid),
            wo=f"Tabelle, Brief {number}",
            warum="Er ist wieder geparkt, obwohl das Erstattungsbuch ausgezahlt hat. Verloren ging nur die Antwort.",
            weiter="Lassen Sie Temporal einen Aufruf ohne Antwort wiederholen; gleicher Schlüssel, gleiche Buchung.",
        )
        expect(
            letter.state == end[0],
            wo=f"Tabelle, Brief {number}",
            warum=f"Sein Stand ist „{letter.state}“, richtig wäre „{end[0]}“"
            + (f": Das Erstattungsbuch sagt „{REASON}“." if broken else "."),
            weiter="Jeder Brief, den `claim` Ihnen gab, braucht am Ende `settle`, ob die Buchung gelang oder nicht, und mit "
            "demselben `redrive`.",
        )
        expect(
            paid == (not broken),
            wo=f"Erstattungsbuch, Retoure {number}",
            warum=f"Sie steht {paid}-mal darin, unter den Schlüsseln {table.paid.get(number, [])}.",
            weiter="Bucht ein zweiter Lauf oder ein zweiter Versuch, muss der Schlüssel derselbe sein.",
        )
        lines = [line[1:] for line in table.protocol if line[0] == number]
        expect(
            lines == [("wiederholt", OPERATOR), end],
            wo=f"Protokoll, Brief {number}",
            warum="Es lautet: "
            + ", ".join(f"{what} ({detail})" for what, detail in lines)
            + f"; richtig wäre: wiederholt ({OPERATOR}), {end[0]} ({end[1]}).",
            weiter="Wer das Protokoll liest, will wissen, wer es war und woran es lag. Den Grund nennt die Ursache des "
            "`ActivityError`, den Beleg das Ergebnis von `book_return`.",
        )


def _starts(run: Run) -> list[float]:
    """Wann jede Buchung geplant wurde, in Sekunden der virtuellen Uhr, ab der ersten."""
    times = [
        event.event_time.ToNanoseconds() / 1e9
        for event in run.history.events
        if event.activity_task_scheduled_event_attributes.activity_type.name
        == "book_return"
    ]
    return [one - times[0] for one in times]


async def bremse(bench: Bench) -> None:
    """Acht Briefe bei drei je Minute: jeder einmal, gebremst, aber nicht langsamer als nötig."""
    table = Table(8, broken="R-4")
    async with bench.worker(WORKFLOW, given=table.given) as worker:
        run = await worker.execute("RedriveWorkflow", _order(3))
    _expect_once(table)
    starts = _starts(run)
    for number, (early, late) in enumerate(zip(starts, starts[3:], strict=False), 4):
        expect(
            late - early >= MINUTE,
            wo=f"Event History, die {number}. Buchung (ActivityTaskScheduled)",
            warum=f"Sie beginnt {late - early:.0f} s nach der {number - 3}.; in einer Minute wären das vier, erlaubt sind "
            "drei.",
            weiter="Zählen Sie mit und warten Sie mit einem Timer, sobald die Minute voll ist.",
        )
    expect(
        starts[-1] < 180,
        wo="Event History, die letzte Buchung",
        warum=f"Sie beginnt {starts[-1]:.0f} s nach der ersten; drei je Minute sind erlaubt, acht brauchen keine 180 s.",
        weiter="Warten Sie nicht nach jedem Brief eine Minute, sondern erst, wenn `per_minute` Briefe begonnen haben.",
    )
    expect(
        run.result == {"done": 7, "parked": 1},
        wo="Ergebnis des Workflows",
        warum=f"Es ist {run.result!r}; sieben Briefe sind erledigt, R-4 ist wieder geparkt.",
        weiter="Zählen Sie die Stände, mit denen Sie `settle` aufgerufen haben.",
    )


async def gestoert(bench: Bench) -> None:
    """Der Worker stirbt und Antworten gehen verloren: Jeder Brief läuft trotzdem genau einmal an."""
    table = Table(4)
    lost = tuple(
        ActivityFault(name, ActivityAction.LOSE_COMPLETION, occurrence=number)
        for number, name in enumerate(("claim", "book_return", "settle"), start=1)
    )
    death = WorkflowFault(WorkflowAction.KILL, event=28)
    async with bench.worker(
        WORKFLOW, given=table.given, plan=FaultPlan(lost, (death,))
    ) as worker:
        await worker.execute("RedriveWorkflow", _order(3))
    _expect_once(table)


async def zweimal_befohlen(bench: Bench) -> None:
    """Kommt der Befehl zweimal zugleich, läuft jeder Brief nur einmal an."""
    table = Table(5)
    async with bench.worker(WORKFLOW, given=table.given) as worker:
        runs = await together(
            *(worker.execute("RedriveWorkflow", _order(9)) for _ in range(2))
        )
    bookings = [len(run.attempts("book_return")) for run in runs]
    expect(
        sum(bookings) == len(table.letters),
        wo="Event Histories der beiden Läufe",
        warum=f"Zusammen begannen sie {sum(bookings)} Buchungen für {len(table.letters)} Briefe ({bookings[0]} und "
        f"{bookings[1]}).",
        weiter="Sehen Sie nach, was `claim` antwortet und was Sie mit der Antwort tun.",
    )
    _expect_once(table)
    done = [run.result["done"] for run in runs]
    expect(
        sum(done) == len(table.letters),
        wo="Ergebnisse der beiden Läufe",
        warum=f"Sie melden {done[0]} und {done[1]} erledigte Briefe; es gab {len(table.letters)}.",
        weiter="Zählen Sie nur, was Ihr Lauf selbst erledigt hat.",
    )


CHECKS = (bremse, gestoert, zweimal_befohlen)
GIVEN = ("tabelle.py",)
START_FAILS = "Die Wiederholung ist noch nicht gebaut"
BRAKE = """            if free == 0:
                await workflow.sleep(timedelta(minutes=1))
                free = order.per_minute
"""
LOOP = "        for number in numbers:\n"
WRONG = (
    Wrong(
        "ohne Bremse",
        changes=((BRAKE, ""),),
        expected="in einer Minute wären das vier",
    ),
    Wrong(
        "jede Buchung nur einmal versucht",
        changes=(
            (
                "from temporalio.exceptions import ActivityError\n",
                "from temporalio.common import RetryPolicy\nfrom temporalio.exceptions import ActivityError\n",
            ),
            (
                "tabelle.book_return, booking, **STEP\n",
                "tabelle.book_return,\n                booking,\n                retry_policy=RetryPolicy(maximum_attempts=1),\n                **STEP,\n",
            ),
        ),
        expected="Verloren ging nur die Antwort",
    ),
    Wrong(
        "Antwort von claim nicht beachtet",
        changes=(
            (
                "            if await self._claim(number, order.operator):\n",
                "            await self._claim(number, order.operator)\n            if True:\n",
            ),
        ),
        expected="zweimal_befohlen",
    ),
    Wrong(
        "Grund im falschen Fehler gesucht",
        changes=(("str(error.cause)", "str(error)"),),
        expected="geparkt (Activity task failed)",
    ),
    Wrong(
        "bis nichts mehr geparkt ist",
        changes=(
            (
                LOOP,
                "        while numbers:\n"
                "            number = numbers[0]\n"
                "            numbers = await workflow.execute_activity(\n"
                "                tabelle.parked_letters, **STEP\n"
                "            )\n",
            ),
        ),
        expected="ein kaputter Brief steht jedes Mal wieder darin",
    ),
)
