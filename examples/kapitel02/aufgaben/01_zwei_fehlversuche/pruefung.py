"""Prüfungen zu „Zwei Fehlversuche, dann Erfolg“."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from temporalio import activity

from dauerlauf.exercises import Bench, Question, Wrong
from dauerlauf.faults import ActivityAction, ActivityFault, FaultPlan

JAM = ActivityFault("print_label", ActivityAction.FAIL_BEFORE, attempts=(1, 2))


@activity.defn
async def print_label(number: str) -> str:
    """Druckt das Etikett."""
    return f"Etikett {number}"


async def truth(bench: Bench) -> Mapping[str, Any]:
    """Was der Lauf wirklich hinterlässt; den Workflow stellt die Übung in `vorgabe/`."""
    async with bench.worker(
        "workflow:PrintLabel",
        given=[print_label],
        plan=FaultPlan((JAM,)),
        source=bench.exercise / "vorgabe",
    ) as worker:
        run = await worker.execute("PrintLabel", "NL-1007")
    events = dict(zip(run.events, run.history.events, strict=True))
    waited = (
        events["ActivityTaskStarted"].event_time.ToDatetime()
        - events["ActivityTaskScheduled"].event_time.ToDatetime()
    )
    return {
        "scheduled": run.count("ActivityTaskScheduled"),
        "started": run.count("ActivityTaskStarted"),
        "failed": run.count("ActivityTaskFailed"),
        "attempt": run.attempts("print_label")[-1],
        # Was über volle zehn Sekunden hinausgeht, braucht die Maschine zum Rechnen.
        "pause": waited // timedelta(seconds=10) * 10,
    }


def _scheduled(answer: int, truth: Mapping[str, Any]) -> tuple[str, str]:
    return (
        f"Sie nennen {answer} Events; die History hat {truth['scheduled']}. Das Event hält fest, dass der Workflow die "
        "Activity verlangt hat, und das tat er einmal.",
        "Fragen Sie sich, wer wiederholt: der Workflow oder der Server?",
    )


def _started(answer: int, truth: Mapping[str, Any]) -> tuple[str, str]:
    return (
        f"Sie nennen {answer} Started-Events; die History hat {truth['started']}. Der Server "
        "schreibt es erst, wenn feststeht, wie die Activity ausging.",
        "Überlegen Sie, was der Workflow von einem Versuch erfahren muss, der wiederholt wird.",
    )


def _failed(answer: int, truth: Mapping[str, Any]) -> tuple[str, str]:
    return (
        f"Sie nennen {answer} Failed-Events; die History hat {truth['failed']}. ActivityTaskFailed heißt: endgültig "
        "gescheitert. Ein Versuch, den der Server wiederholt, ist das nicht.",
        "Am Ende ist die Activity gelungen; welches Event steht dann da?",
    )


def _attempt(answer: int, truth: Mapping[str, Any]) -> tuple[str, str]:
    return (
        f"Sie nennen {answer}; im Event steht {truth['attempt']}. Versuche zählen ab 1, und `attempt` nennt den, der "
        "gelang.",
        "Zählen Sie die Versuche aus dem Aufgabentext noch einmal ab.",
    )


def _pause(answer: int, truth: Mapping[str, Any]) -> tuple[str, str]:
    return (
        f"Sie nennen {answer} s; gemessen sind {truth['pause']} s. Vor jedem Versuch nach dem ersten liegt eine Pause, "
        "und jede ist `backoff_coefficient`-mal so lang wie die davor.",
        "Zählen Sie die Pausen zusammen: vor Versuch 2 und vor Versuch 3.",
    )


QUESTIONS = (
    Question(
        "scheduled",
        "Wie oft steht ActivityTaskScheduled in der History?",
        int,
        _scheduled,
    ),
    Question(
        "started", "Wie oft steht ActivityTaskStarted in der History?", int, _started
    ),
    Question(
        "failed", "Wie oft steht ActivityTaskFailed in der History?", int, _failed
    ),
    Question("attempt", "Welcher Versuch steht im Started-Event?", int, _attempt),
    Question(
        "pause", "Wie viele Sekunden liegen vor dem dritten Versuch?", int, _pause
    ),
)
START_FAILS = "Hier steht noch keine Antwort."
WRONG = (
    Wrong(
        "ein Started je Versuch",
        answers={"started": 3},
        expected="Sie nennen 3 Started-Events; die History hat 1.",
    ),
    Wrong(
        "ein Failed je Fehlversuch",
        answers={"failed": 2},
        expected="endgültig gescheitert",
    ),
    Wrong(
        "Versuche ab null gezählt",
        answers={"attempt": 2},
        expected="Versuche zählen ab 1",
    ),
    Wrong("Pausen ohne Faktor", answers={"pause": 20}, expected="gemessen sind 40 s"),
    Wrong("nur die letzte Pause", answers={"pause": 30}, expected="pause"),
)
