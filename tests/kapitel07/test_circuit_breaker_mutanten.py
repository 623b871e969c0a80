"""Beschädigter Code muss auffallen: Je Mutant läuft eine Kopie des Kapitels gegen einen Test, und der wird rot.

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


@dataclass(frozen=True)
class Mutant:
    """Eine Beschädigung: In `file` wird `old` (genau einmal vorhanden) zu `new`; `test` muss es merken."""

    name: str
    file: str
    old: str
    new: str
    test: str


MUTANTS = [
    Mutant(
        "oeffnet-zu-spaet",
        "breaker.py",
        "len(self.failures) >= self.settings.failures_to_open",
        "len(self.failures) > self.settings.failures_to_open",
        "test_opens_at_the_configured_number_of_failures_in_a_row",
    ),
    Mutant(
        "erfolg-loescht-nicht",
        "breaker.py",
        "self.failures.clear()",
        "pass",
        "test_opens_at_the_configured_number_of_failures_in_a_row",
    ),
    Mutant(
        "meldung-zaehlt-doppelt",
        "breaker.py",
        "elif permit.number not in self.failures:",
        "else:",
        "test_a_report_counts_once",
    ),
    Mutant(
        "spaete-meldung-zaehlt",
        "breaker.py",
        "if permit.phase != self.phase:",
        "if False:",
        "test_a_late_report_from_an_earlier_phase_counts_for_nothing",
    ),
    Mutant(
        "eine-probe-zu-viel",
        "breaker.py",
        "taken = len(self.probes) + self.passed",
        "taken = len(self.probes)",
        "test_half_open_grants_no_more_after_a_probe_has_passed",
    ),
    Mutant(
        "schliesst-nach-der-ersten-probe",
        "breaker.py",
        "if self.passed >= self.settings.probes:",
        "if True:",
        "test_a_report_counts_once",
    ),
    Mutant(
        "verlorene-probe-bleibt",
        "breaker.py",
        "return any(now - probe.since >= limit for probe in self.probes)",
        "return False and bool(limit)",
        "test_a_lost_probe_counts_as_failed",
    ),
    Mutant(
        "nein-zaehlt-als-stoerung",
        "interceptor.py",
        "answered=error.type not in TECHNICAL",
        "answered=False",
        "test_only_technical_errors_count",
    ),
    Mutant(
        "fehler-wird-nicht-gemeldet",
        "interceptor.py",
        "            await self._report(answer.permit, answered=error.type not in TECHNICAL)\n            raise",
        "            raise",
        "test_scenario[schalter-oeffnet]",
    ),
    Mutant(
        "nicht-benign",
        "interceptor.py",
        "category=ApplicationErrorCategory.BENIGN,",
        "",
        "test_refusal_is_benign_and_names_the_next_attempt",
    ),
    Mutant(
        "ohne-next-retry-delay",
        "interceptor.py",
        "next_retry_delay=timedelta(seconds=pause),",
        "",
        "test_refusal_is_benign_and_names_the_next_attempt",
    ),
    Mutant(
        "fragt-fuer-jede-activity",
        "interceptor.py",
        "if activity.info().activity_type not in self._types:",
        "if False:",
        "test_other_activities_do_not_ask",
    ),
    Mutant(
        "offen-und-stumm-heisst-erlaubt",
        "interceptor.py",
        "if self._heard_open:",
        "if False:",
        "test_an_unreachable_breaker_lets_calls_through_unless_it_was_open",
    ),
    Mutant(
        "vergisst-dass-er-offen-ist",
        "interceptor.py",
        "self._closed_until = self._clock() + answer.wait",
        "pass",
        "test_a_worker_that_heard_open_does_not_ask_again",
    ),
    Mutant(
        "abweisung-ohne-validator",
        "workflow.py",
        "if wait := self._breaker.refusal(workflow.now().timestamp()):",
        "if wait := 0.0:",
        "test_a_refused_question_leaves_no_event",
    ),
    Mutant(
        "neuer-lauf-vergisst-den-zustand",
        "workflow.py",
        "workflow.continue_as_new(self._breaker)",
        "workflow.continue_as_new(Breaker(self._breaker.settings))",
        "test_continue_as_new_keeps_the_state",
    ),
    Mutant(
        "dienst-ohne-schluessel",
        "services.py",
        "(key, order_number)",
        "(f'{key}-{self.arrivals}', order_number)",
        "test_no_answer_is_a_technical_error",
    ),
    Mutant(
        "meldung-reisst-den-aufruf-mit",
        "interceptor.py",
        'log.warning("Der Schalter „%s“ nimmt keine Meldung an: %s", self._id, error)',
        "raise",
        "test_a_missing_breaker_is_started_by_the_next_question",
    ),
]


def _copy(folder: Path, mutant: Mutant | None) -> None:
    source = Path(kapitel07.__file__).parent
    shutil.copytree(source, folder / "kapitel07", ignore=shutil.ignore_patterns("__pycache__"))
    if mutant is None:
        return
    file = folder / "kapitel07" / "circuit_breaker" / mutant.file
    # Marken für hervorgehobene und erläuterte Zeilen gehören den Seiten, nicht dem Code.
    text = re.sub(r"  # \((!|\d+)\)$", "", file.read_text("utf-8"), flags=re.MULTILINE)
    assert text.count(mutant.old) == 1, f"„{mutant.old}“ steht {text.count(mutant.old)}-mal in {mutant.file}."
    text = text.replace(mutant.old, mutant.new)
    file.write_text(text, "utf-8")
    compile(text, str(file), "exec")


def _run(folder: Path, tests: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    # Nur die nötigen Plugins und ohne umgeschriebene `assert`: So kostet ein Lauf 2 s weniger.
    command = [
        sys.executable, "-m", "pytest", "-x", "-q", "--tb=short", "--show-capture=no", "--assert=plain",
        "-p", "no:cacheprovider", "-p", "pytest_asyncio.plugin", "-p", "pytest_timeout",
        "-p", "dauerlauf.pytest_plugin", "--timeout=50",
        *(f"test_circuit_breaker.py::{test}" for test in tests),
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
    run = _run(tmp_path, (mutant.test,))
    assert run.returncode == 1, run.stdout + run.stderr


@pytest.mark.mutant
def test_unchanged_copy_passes_every_test_a_mutant_names(tmp_path: Path) -> None:
    _copy(tmp_path, None)
    run = _run(tmp_path, tuple(dict.fromkeys(mutant.test for mutant in MUTANTS)))
    assert run.returncode == 0, run.stdout + run.stderr


def test_every_mutant_still_fits_the_code(tmp_path: Path) -> None:
    for number, mutant in enumerate(MUTANTS):
        _copy(tmp_path / str(number), mutant)
