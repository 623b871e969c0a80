"""Beschädigter Code muss auffallen: Je Mutant läuft eine Kopie des Kapitels gegen die Tests, und einer wird rot.

Läuft nur mit `--mutanten`; mit `-n 2` verteilt xdist die Mutanten auf Prozesse.
"""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import kapitel07

HERE = Path(__file__).parent
TESTS = "test_dead_letter_queue.py::"


@dataclass(frozen=True)
class Mutant:
    """Eine Beschädigung: in `file` wird `old` (genau einmal vorhanden) zu `new`; `test` muss es merken."""

    name: str
    file: str
    old: str
    new: str
    test: str


MUTANTS = [
    Mutant(
        "anhalten-fehlt",
        "activities.py",
        "receipt = self._ledger.hold(BookRequest(letter.row, letter.round))",
        "receipt = None",
        "test_a_booking_without_an_answer_is_not_parked",
    ),
    Mutant(
        "runde-wird-uebersehen",
        "ledger.py",
        "if state == HELD and request.round <= held:",
        "if False:",
        "test_the_ledger_pays_once_and_never_in_a_held_round",
    ),
    Mutant(
        "schluessel-fehlt",
        "ledger.py",
        "if state != BOOKED:",
        "if True:",
        "test_a_booking_without_an_answer_is_not_parked",
    ),
    Mutant(
        "brief-doppelt-im-protokoll",
        "letters.py",
        "if inserted.rowcount:",
        "if True:",
        "test_parking_delivered_twice_leaves_one_letter",
    ),
    Mutant(
        "brief-wird-ueberschrieben",
        "letters.py",
        "INSERT OR IGNORE INTO letter(",
        "INSERT OR REPLACE INTO letter(",
        "test_the_same_file_again_changes_nothing",
    ),
    Mutant(
        "verwerfen-ohne-bedingung",
        "letters.py",
        """"UPDATE letter SET state = ? WHERE number = ? AND state = ?",
                (State.DISCARDED, number, State.PARKED),""",
        """"UPDATE letter SET state = ? WHERE number = ? AND ? <> ''",
                (State.DISCARDED, number, State.PARKED),""",
        "test_discard_and_redrive_race_for_each_letter",
    ),
    Mutant(
        "wiederholung-nimmt-jeden-brief",
        "letters.py",
        '" WHERE number = ? AND state = ? AND redrive <> ?",',
        "\" WHERE number = ? AND ? <> '' AND redrive <> ?\",",
        "test_discard_and_redrive_race_for_each_letter",
    ),
    Mutant(
        "wiederholung-nimmt-zweimal",
        "letters.py",
        '" WHERE number = ? AND state = ? AND redrive <> ?",',
        "\" WHERE number = ? AND state = ? AND ? <> ''\",",
        "test_a_redrive_delivered_twice_counts_once",
    ),
    Mutant(
        "validator-laesst-alles-zu",
        "workflow.py",
        "if not waiting or self._decision:",
        "if False:",
        "test_of_retry_and_discard_at_once_exactly_one_counts",
    ),
    Mutant(
        "berichtigung-ungeprueft",
        "workflow.py",
        'raise ApplicationError(str(error), type="BerichtigungHilftNicht") from None',
        "pass",
        "test_a_rejected_decision_leaves_no_trace",
    ),
    Mutant(
        "abbruch-verliert-den-posten",
        "workflow.py",
        "await self._hand_over()",
        "self._show(State.HANDED_OVER)",
        "test_a_cancel_anywhere_loses_no_item",
    ),
    Mutant(
        "abbruch-ungeschuetzt",
        "workflow.py",
        "await finish_despite_cancel(self._settle())",
        "await self._settle()",
        "test_a_cancel_anywhere_loses_no_item",
    ),
    Mutant(
        "keine-eskalation",
        "workflow.py",
        "escalated = self._reminders >= self._options.escalate_with",
        "escalated = False",
        "test_years_of_waiting_stay_far_below_the_history_limit",
    ),
    Mutant(
        "suchattribut-bleibt-stehen",
        "workflow.py",
        "DEAD_LETTER.value_set(mark) if mark else DEAD_LETTER.value_unset()",
        'DEAD_LETTER.value_set(mark or "fertig")',
        "test_a_parked_item_is_visible",
    ),
    Mutant(
        "import-legt-nicht-ab",
        "batch.py",
        "return await self._park(row, Trouble.of(error))",
        "return State.PARKED",
        "test_a_batch_of_100_under_faults_ends_every_item_once",
    ),
    Mutant(
        "abbruch-legt-gute-zeilen-ab",
        "batch.py",
        "if is_cancelled_exception(error):",
        "if False:",
        "test_a_cancelled_import_parks_nothing_and_can_be_repeated",
    ),
    Mutant(
        "fenster-fehlt",
        "batch.py",
        "asyncio.Semaphore(job.window)",
        "asyncio.Semaphore(1000)",
        "test_the_window_limits_what_is_in_flight",
    ),
    Mutant(
        "wiederholung-ungebremst",
        "batch.py",
        "await workflow.sleep(1 / job.per_second)",
        "pass",
        "test_a_redrive_keeps_its_rate",
    ),
    Mutant(
        "batch-trifft-alte-laeufe",
        "operate.py",
        "if latest.run_id == failed.run_id:",
        "if True:",
        "test_the_second_batch_finds_nothing_left_to_reset",
    ),
]


def _copy(folder: Path, mutant: Mutant | None) -> None:
    source = Path(kapitel07.__file__).parent
    shutil.copytree(source, folder / "kapitel07", ignore=shutil.ignore_patterns("__pycache__"))
    if mutant is None:
        return
    (folder / "kapitel07" / "dead_letter_queue" / mutant.file).write_text(_damaged(mutant), "utf-8")


def _damaged(mutant: Mutant) -> str:
    file = Path(kapitel07.__file__).parent / "dead_letter_queue" / mutant.file
    # Marken für hervorgehobene und erläuterte Zeilen gehören den Seiten, nicht dem Code.
    text = re.sub(r"  # \((!|\d+)\)$", "", file.read_text("utf-8"), flags=re.MULTILINE)
    assert text.count(mutant.old) == 1, f"„{mutant.old}“ steht {text.count(mutant.old)}-mal in {mutant.file}."
    text = text.replace(mutant.old, mutant.new)
    compile(text, str(file), "exec")
    return text


def _run(folder: Path, *tests: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable, "-m", "pytest", "-x", "-q", "--tb=short", "--show-capture=no", "--assert=plain",
        "-p", "no:cacheprovider", "-p", "pytest_asyncio.plugin", "-p", "pytest_timeout",
        "-p", "dauerlauf.pytest_plugin", "--timeout=60",
        *(f"{TESTS}{test}" for test in tests),
    ]  # fmt: skip
    # Was xdist und pytest dem äußeren Lauf mitgeben, verwirrte den inneren.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    environment |= {
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTHONPATH": str(folder),
        "KAPITEL07_ORDNER": str(folder),
    }
    return subprocess.run(command, cwd=HERE, env=environment, capture_output=True, text=True, timeout=110, check=False)


@pytest.mark.mutant
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mutant_is_noticed(mutant: Mutant, tmp_path: Path) -> None:
    _copy(tmp_path, mutant)
    run = _run(tmp_path, mutant.test)
    assert run.returncode == 1, run.stdout + run.stderr


@pytest.mark.mutant
def test_unchanged_copy_passes_every_test_a_mutant_names(tmp_path: Path) -> None:
    _copy(tmp_path, None)
    run = _run(tmp_path, *dict.fromkeys(mutant.test for mutant in MUTANTS))
    assert run.returncode == 0, run.stdout + run.stderr


def test_every_mutant_still_fits_the_code() -> None:
    for mutant in MUTANTS:
        _damaged(mutant)
