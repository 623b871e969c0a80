"""Prüfungen zu „Welches Timeout schlägt wann zu?“."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from temporalio import activity, exceptions

from dauerlauf.exercises import Bench, Question, Run, Wrong
from dauerlauf.together import together

CASES = ("haengt", "verstummt", "niemand", "frist", "lehnt_ab")
ENDINGS = (
    "start_to_close",
    "schedule_to_close",
    "schedule_to_start",
    "heartbeat",
    "keines",
)


async def _never() -> None:
    """Antwortet nie; der Worker des Prüfers bricht sie am Ende ab."""
    await asyncio.Event().wait()


@activity.defn(name="haengt")
async def hangs() -> None:
    """Nimmt den Auftrag an und antwortet nie."""
    await _never()


@activity.defn(name="frist")
async def hangs_too() -> None:
    """Antwortet ebenfalls nie."""
    await _never()


@activity.defn(name="verstummt")
async def falls_silent() -> None:
    """Ein Lebenszeichen, danach nichts mehr."""
    activity.heartbeat()
    await _never()


@activity.defn(name="lehnt_ab")
async def refuses() -> None:
    """Antwortet sofort, aber mit einem Fehler."""
    raise exceptions.ApplicationError(
        "Zoll nicht erreichbar",
        type="ConnectionError",
        category=exceptions.ApplicationErrorCategory.BENIGN,
    )


def _ending(run: Run) -> str:
    cause = run.error.__cause__ if run.error is not None else None
    if not isinstance(cause, exceptions.TimeoutError) or cause.type is None:
        return "keines"
    return cause.type.name.lower()


def _minutes(run: Run) -> int:
    first, last = run.history.events[0], run.history.events[-1]
    passed = last.event_time.ToDatetime() - first.event_time.ToDatetime()
    return round(passed / timedelta(minutes=1))


async def truth(bench: Bench) -> Mapping[str, Any]:
    """Wie die fünf Läufe wirklich enden; für „niemand“ gibt es keine Activity."""
    given = [hangs, hangs_too, falls_silent, refuses]
    async with bench.worker("workflow:DeclareCustoms", given=given) as worker:
        runs = await together(
            *(worker.attempt("DeclareCustoms", case) for case in CASES)
        )
    found = dict(zip(CASES, runs, strict=True))
    return {
        **{case: _ending(run) for case, run in found.items()},
        **{f"{case}_minuten": _minutes(run) for case, run in found.items()},
        **{
            f"{case}_versuche": max(run.attempts(case), default=0)
            for case, run in found.items()
        },
    }


def _haengt(answer: str, truth: Mapping[str, Any]) -> tuple[str, str]:
    return (
        f"Sie nennen {answer}; im Fehler der Activity steht {truth['haengt']}. Gesetzt ist hier nur dieses eine "
        f"Timeout. Es lief in jedem der {truth['haengt_versuche']} Versuche ab.",
        "Sehen Sie in `CASES` nach, welches Timeout der Fall überhaupt hat.",
    )


def _haengt_minuten(answer: int, truth: Mapping[str, Any]) -> tuple[str, str]:
    return (
        f"Sie nennen {answer} min; gemessen sind {truth['haengt_minuten']}. Die History endet mit Versuch "
        f"{truth['haengt_versuche']}; ein abgelaufenes Start-to-Close-Timeout wird wiederholt.",
        "Zählen Sie die Pausen zwischen den Versuchen. Nach dem letzten kommt keine mehr.",
    )


def _verstummt(answer: str, truth: Mapping[str, Any]) -> tuple[str, str]:
    return (
        f"Sie nennen {answer}; im Fehler steht {truth['verstummt']}. Auf das erste Lebenszeichen folgte keines mehr, und "
        "von den gesetzten Uhren ist die kürzere zuerst abgelaufen.",
        "Vergleichen Sie, was `SHORT` und was `LONG` ist, und was jedes der beiden Timeouts misst.",
    )


def _niemand(answer: str, truth: Mapping[str, Any]) -> tuple[str, str]:
    return (
        f"Sie nennen {answer}; im Fehler steht {truth['niemand']}. In der History fehlt ActivityTaskStarted: Der "
        "Versuch hat nie begonnen, also lief auch keine Uhr, die erst mit ihm beginnt.",
        "Fragen Sie sich, welches Timeout das Warten in der Task Queue misst.",
    )


def _niemand_minuten(answer: int, truth: Mapping[str, Any]) -> tuple[str, str]:
    return (
        f"Sie nennen {answer} min; gemessen sind {truth['niemand_minuten']}. Die Retry-Policy erlaubt drei Versuche, "
        f"die History zeigt {truth['niemand_versuche']}: Nicht jedes Timeout wird wiederholt.",
        "Lesen Sie in der Tabelle der Timeouts die Spalte „Nach Ablauf“.",
    )


def _frist(answer: str, truth: Mapping[str, Any]) -> tuple[str, str]:
    return (
        f"Sie nennen {answer}; die Ursache heißt {truth['frist']}. Zwar lief in jedem der {truth['frist_versuche']} "
        "Versuche Start-to-Close ab, aber danach hätte die Retry-Policy noch einmal gedurft. Aufgehalten hat sie etwas "
        "anderes.",
        "Suchen Sie das Timeout, das alle Versuche und Pausen zusammen begrenzt.",
    )


def _frist_minuten(answer: int, truth: Mapping[str, Any]) -> tuple[str, str]:
    return (
        f"Sie nennen {answer} min; gemessen sind {truth['frist_minuten']}, nach Versuch {truth['frist_versuche']}. "
        "Vor jeder Pause rechnet der Server nach, ob der nächste Versuch noch vor Ablauf der Frist beginnt.",
        "Schreiben Sie auf, wann jeder Versuch beginnt, und streichen Sie den ersten, der zu spät käme.",
    )


def _lehnt_ab(answer: str, truth: Mapping[str, Any]) -> tuple[str, str]:
    return (
        f"Sie nennen {answer}; die Ursache ist {truth['lehnt_ab']} der vier Timeouts, sondern der ConnectionError aus "
        f"Versuch {truth['lehnt_ab_versuche']}. Keiner der Versuche lief ab; jeder hat geantwortet.",
        "Unterscheiden Sie, was die Versuche beendet und was weitere Versuche verhindert.",
    )


def _ending_question(case: str, explain: Any) -> Question:
    return Question(
        case, f"Womit endet die Activity „{case}“?", str, explain, choices=ENDINGS
    )


def _minutes_question(case: str, explain: Any) -> Question:
    title = f"Nach wie vielen Minuten scheitert der Workflow im Fall „{case}“?"
    return Question(f"{case}_minuten", title, int, explain)


QUESTIONS = (
    _ending_question("haengt", _haengt),
    _minutes_question("haengt", _haengt_minuten),
    _ending_question("verstummt", _verstummt),
    _ending_question("niemand", _niemand),
    _minutes_question("niemand", _niemand_minuten),
    _ending_question("frist", _frist),
    _minutes_question("frist", _frist_minuten),
    _ending_question("lehnt_ab", _lehnt_ab),
)
GIVEN = ("workflow.py",)
START_FAILS = "Hier steht noch keine Antwort."
WRONG = (
    Wrong(
        "eine Pause je Versuch",
        answers={"haengt_minuten": 30},
        expected="Nach dem letzten kommt keine mehr",
    ),
    Wrong(
        "die Task Queue wird wiederholt",
        answers={"niemand_minuten": 20},
        expected="Nicht jedes Timeout wird wiederholt",
    ),
    Wrong(
        "die Ursache des letzten Versuchs",
        answers={"frist": "start_to_close"},
        expected="Aufgehalten hat sie etwas anderes",
    ),
    Wrong(
        "die Frist wird abgewartet",
        answers={"frist_minuten": 25},
        expected="gemessen sind 20, nach Versuch 3",
    ),
    Wrong(
        "abgelaufene Frist gleich Timeout",
        answers={"lehnt_ab": "schedule_to_close"},
        expected="sondern der ConnectionError",
    ),
)
