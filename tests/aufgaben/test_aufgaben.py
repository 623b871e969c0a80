"""Jede Übung: Der Start scheitert wie angegeben, die Lösung besteht, jede falsche Antwort hört das Richtige."""

from pathlib import Path

import pytest

from dauerlauf.exercises.checks import load_checks
from dauerlauf.exercises.definition import Exercise, exercises
from dauerlauf.exercises.runner import Outcome, check
from dauerlauf.timelapse import Timelapse
from dauerlauf.together import together

EXERCISES = exercises()
# Ohne --gruendlich je Kapitel nur die erste: Alle zusammen kosten eine Minute Rechenzeit.
FIRST = [pytest.param(one, id=one.name, marks=[pytest.mark.gruendlich] if one.order > 1 else []) for one in EXERCISES]


def _told(outcome: Outcome) -> str:
    return "gelöst" if outcome.solved else f"[{outcome.failed_check}] {outcome.message}"


@pytest.mark.parametrize("exercise", FIRST)
async def test_start_scheitert_wie_angegeben_und_die_loesung_besteht(exercise: Exercise, timelapse: Timelapse) -> None:
    start, solution = await together(
        check(exercise, exercise.start, timelapse), check(exercise, exercise.solution, timelapse)
    )
    assert solution.solved, _told(solution)
    assert start.answers_to(load_checks(exercise).start_fails), _told(start)


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda one: one.name)
@pytest.mark.gruendlich
async def test_jede_falsche_antwort_hoert_was_daran_falsch_ist(
    exercise: Exercise, timelapse: Timelapse, tmp_path: Path
) -> None:
    wrong = load_checks(exercise).wrong
    folders = []
    for number, one in enumerate(wrong):
        folders.append(tmp_path / str(number))
        folders[-1].mkdir()
        one.write(exercise.solution, folders[-1])
    outcomes = await together(*(check(exercise, folder, timelapse) for folder in folders))
    problems = [
        f"{one.name}: erwartet „{one.expected}“, gesagt wurde: {_told(outcome)}"
        for one, outcome in zip(wrong, outcomes, strict=True)
        if not outcome.answers_to(one.expected)
    ]
    assert problems == []
