"""Die drei Läufe zu „Geduld oder Schalter?“ und was sie zeigen."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from dauerlauf.exercises import Bench, Question, Wrong
from dauerlauf.together import together
from kapitel07.circuit_breaker.breaker import Breaker, BreakerSettings, Report

BENIGN = ApplicationErrorCategory.BENIGN
"""Sonst stünde jeder gescheiterte Versuch als Warnung im Terminal."""
ORDERS = [f"NL-{number}" for number in range(1, 6)]
OUTAGE = 2 * 60 * 60
SETTINGS = BreakerSettings(failures_to_open=3, cooldown=35 * 60, probes=1)


class Carrier:
    """Der Versanddienst eines Laufs, auf Wunsch hinter einem Schalter; er zählt, was ankommt."""

    def __init__(self, *, guarded: bool) -> None:
        self.breaker = Breaker(SETTINGS) if guarded else None
        self.calls: list[float] = []
        """Je Aufruf, der ankam: Sekunden seit dem Ausfall, auf der Uhr des Workflows."""

    def register(self, info: activity.Info) -> None:
        """Nimmt einen Versuch entgegen; wirft, wenn er nicht gelingt."""
        now = info.started_time.timestamp()
        answer = self.breaker.ask(now) if self.breaker else None
        if answer is not None and answer.permit is None:
            raise ApplicationError(
                "Der Schalter ist offen.",
                next_retry_delay=timedelta(seconds=answer.wait),
                category=BENIGN,
            )
        self.calls.append(now - info.scheduled_time.timestamp())
        works = self.calls[-1] >= OUTAGE
        if self.breaker and answer and answer.permit:
            self.breaker.report(Report(answer.permit, answered=works), now)
        if not works:
            raise ApplicationError("Antwort 503", category=BENIGN)

    @property
    def futile(self) -> int:
        """Die Aufrufe während der Störung."""
        return sum(call < OUTAGE for call in self.calls)

    @property
    def minutes(self) -> int:
        """Wann der letzte Auftrag durchkam, in Minuten nach dem Ausfall."""
        return round(max(self.calls) / 60)


async def truth(bench: Bench) -> Mapping[str, Any]:
    """Zählt in drei wirklichen Läufen; den Workflow stellt die Übung in `vorgabe/`."""
    carriers = {
        "geduld": Carrier(guarded=False),
        "schalter": Carrier(guarded=True),
        "begrenzt": Carrier(guarded=True),
    }

    @activity.defn
    async def register_parcel(order: str) -> None:
        # Ohne `await` dazwischen kommen die Aufrufe einer nach dem anderen.
        carriers[order.partition("/")[0]].register(activity.info())

    async with bench.worker(
        "workflow:Outage", given=[register_parcel], source=bench.exercise / "vorgabe"
    ) as worker:
        # Ohne Schalter wissen die Aufträge nichts voneinander; jeder hat seinen Workflow. Mit Schalter teilen sie einen
        # und damit dessen Uhr.
        guarded, limited, *patient = await together(
            worker.execute("Outage", [f"schalter/{order}" for order in ORDERS], 0),
            worker.execute("Outage", [f"begrenzt/{order}" for order in ORDERS], 4),
            *(worker.execute("Outage", [f"geduld/{order}"], 0) for order in ORDERS),
        )
    assert guarded.result == sum(run.result for run in patient) == 0
    return {
        # Der letzte Versuch gelang, alle davor waren vergeblich.
        "calls_patient": sum(run.attempts("register_parcel")[0] - 1 for run in patient),
        "minutes_patient": carriers["geduld"].minutes,
        "calls_breaker": carriers["schalter"].futile,
        "minutes_breaker": carriers["schalter"].minutes,
        "lost": limited.result,
        "calls_limited": len(carriers["begrenzt"].calls),
    }


def _calls_patient(answer: int, truth: Mapping[str, Any]) -> tuple[str, str]:
    each = truth["calls_patient"] // len(ORDERS)
    if answer == each:
        return (
            f"{each} vergebliche Aufrufe sind es je Auftrag. Die fünf wissen nichts voneinander, und jeder zählt für "
            "sich.",
            "Wie viele sind es für alle zusammen?",
        )
    return (
        f"Sie nennen {answer}; beim Dienst kamen {truth['calls_patient']} vergebliche Aufrufe an, {each} je Auftrag. "
        "Der erste kommt ohne Pause, und keine Pause wird länger als 20 Minuten.",
        "Schreiben Sie für einen Auftrag die Minuten aller Aufrufe vor Minute 120 auf.",
    )


def _minutes_patient(answer: int, truth: Mapping[str, Any]) -> tuple[str, str]:
    return (
        f"Sie nennen {answer} Minuten; gemessen sind {truth['minutes_patient']}. Dass der Dienst wieder arbeitet, "
        "erfährt ein Auftrag erst mit seinem nächsten Versuch, und der steht seit dem letzten fest.",
        "Der letzte vergebliche Aufruf liegt vor Minute 120. Wie lange ist danach Pause?",
    )


def _calls_breaker(answer: int, truth: Mapping[str, Any]) -> tuple[str, str]:
    return (
        f"Sie nennen {answer}; beim Dienst kamen {truth['calls_breaker']} vergebliche Aufrufe an: "
        f"{SETTINGS.failures_to_open}, bis der Schalter öffnet, und dann in jeder Abkühlzeit so viele, wie Proben "
        "hinausdürfen. Der Schalter gehört allen fünf Aufträgen gemeinsam.",
        "Zählen Sie die Proben vor Minute 120. Eine gescheiterte öffnet den Schalter sofort wieder.",
    )


def _minutes_breaker(answer: int, truth: Mapping[str, Any]) -> tuple[str, str]:
    return (
        f"Sie nennen {answer} Minuten; gemessen sind {truth['minutes_breaker']}. Jetzt bestimmt nicht mehr die Policy, "
        "wann jemand anruft: Ein abgewiesener Versuch kommt mit der nächsten Probe wieder.",
        "In welcher Minute nach 120 geht die nächste Probe hinaus?",
    )


def _lost(answer: int, truth: Mapping[str, Any]) -> tuple[str, str]:
    return (
        f"Sie nennen {answer}; im Lauf scheitern {truth['lost']} von {len(ORDERS)}, und beim Dienst kamen nur "
        f"{truth['calls_limited']} Aufrufe an. Der Server zählt jeden Versuch, auch den, den der Schalter abwies.",
        "Zählen Sie für einen Auftrag, der nie durchkam: Versuch 1 in Minute 0, Versuch 2 in Minute 35, …",
    )


QUESTIONS = (
    Question(
        "calls_patient",
        "Wie viele Aufrufe sind ohne Schalter vergeblich?",
        int,
        _calls_patient,
    ),
    Question(
        "minutes_patient",
        "Nach wie vielen Minuten ist ohne Schalter alles angemeldet?",
        int,
        _minutes_patient,
    ),
    Question(
        "calls_breaker",
        "Wie viele Aufrufe sind mit Schalter vergeblich?",
        int,
        _calls_breaker,
    ),
    Question(
        "minutes_breaker",
        "Nach wie vielen Minuten ist mit Schalter alles angemeldet?",
        int,
        _minutes_breaker,
    ),
    Question(
        "lost",
        "Wie viele Aufträge scheitern mit Schalter und vier Versuchen?",
        int,
        _lost,
    ),
)
START_FAILS = "Hier steht noch keine Antwort."
WRONG = (
    Wrong(
        "nur ein Auftrag",
        answers={"calls_patient": 10},
        expected="vergebliche Aufrufe sind es je Auftrag",
    ),
    Wrong(
        "Dienst wieder da, Auftrag fertig",
        answers={"minutes_patient": 120},
        expected="erfährt ein Auftrag erst mit seinem nächsten Versuch",
    ),
    Wrong(
        "ein Schalter je Auftrag",
        answers={"calls_breaker": 30},
        expected="gehört allen fünf Aufträgen gemeinsam",
    ),
    Wrong(
        "Policy gilt auch hinter dem Schalter",
        answers={"minutes_breaker": 131},
        expected="kommt mit der nächsten Probe wieder",
    ),
    Wrong(
        "abgewiesene Versuche zählen nicht",
        answers={"lost": 0},
        expected="auch den, den der Schalter abwies",
    ),
)
