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
SAGA = "test_saga.py::"


@dataclass(frozen=True)
class Mutant:
    """Eine Beschädigung: in `file` wird jedes `old` (genau einmal vorhanden) zu `new`; `tests` müssen es merken."""

    name: str
    file: str
    changes: tuple[tuple[str, str], ...]
    tests: tuple[str, ...]


def _mutant(name: str, file: str, old: str, new: str, *tests: str) -> Mutant:
    return Mutant(name, file, ((old, new),), tests)


def _scenarios(*names: str) -> tuple[str, ...]:
    return tuple(f"test_scenario[{name}]" for name in names)


REGISTER = "self._saga.register(step, lambda: self._undo(undo, request))"
BOOK = "references = await self._book()"
EXECUTE = """receipt = await workflow.execute_activity_method(
            action, request, **self._forward(heartbeat)
        )"""

MUTANTS = [
    *(
        _mutant(
            f"vormerkung-fehlt-{step}",
            "workflow.py",
            REGISTER,
            f'if step != "{step}":\n            {REGISTER}',
            *_scenarios("rechnung-scheitert"),
        )
        for step in ("lager", "zahlung", "versand", "rechnung")
    ),
    Mutant(
        "vormerkung-nach-dem-schritt",
        "workflow.py",
        ((REGISTER, "pass"), (EXECUTE, f"{EXECUTE}\n        {REGISTER}")),
        _scenarios("antwort-verloren"),
    ),
    _mutant(
        "schluessel-aus-der-run-id",
        "workflow.py",
        'f"{workflow.info().workflow_id}/{step}"',
        'f"{workflow.info().run_id}/{step}"',
        "test_second_start_of_a_finished_order_changes_nothing",
    ),
    _mutant(
        "idempotenz-fehlt",
        "ledger.py",
        "if state is None:\n                amount",
        "if True:\n                amount",
        *_scenarios("quittung-verloren"),
    ),
    _mutant(
        "ruecknahme-wirkt-doppelt",
        "ledger.py",
        "elif state == BOOKED:",
        "else:",
        "test_ledger_takes_each_effect_once_in_any_order",
    ),
    _mutant(
        "grabstein-fehlt",
        "ledger.py",
        "self._enter(key, order, 0, CANCELLED)",
        "pass",
        *_scenarios("spaete-buchung"),
    ),
    _mutant(
        "grabstein-wird-uebersehen",
        "ledger.py",
        "if state == CANCELLED:",
        "if False:",
        "test_second_start_of_a_rolled_back_order_is_refused_by_the_tombstone",
    ),
    _mutant(
        "ware-kommt-nicht-ins-regal",
        "ledger.py",
        "self._move(order.article, order.quantity)",
        "pass",
        *_scenarios("zahlung-scheitert"),
    ),
    _mutant(
        "kompensation-ungeschuetzt",
        "workflow.py",
        "await finish_despite_cancel(self._roll_back())",
        "await self._roll_back()",
        *_scenarios("abbruch-beim-zurueckrollen"),
    ),
    _mutant(
        "schutz-ohne-warten",
        "compensation.py",
        "    task = asyncio.create_task(work)\n    while not task.done():",
        "    return await asyncio.shield(work)\n    while not task.done():",
        *_scenarios("abbruch-beim-zurueckrollen"),
    ),
    _mutant(
        "bestaetigung-ungeschuetzt",
        "workflow.py",
        "await finish_despite_cancel(self._confirm())",
        "await self._confirm()",
        *_scenarios("abbruch-zu-spaet"),
    ),
    Mutant(
        "bestaetigung-vor-dem-punkt-ohne-wiederkehr",
        "workflow.py",
        (
            (BOOK, f"{BOOK}\n            mail = await self._confirm()"),
            ("mail = await finish_despite_cancel(self._confirm())", "pass"),
        ),
        _scenarios("abbruch-zu-spaet"),
    ),
    _mutant(
        "bestaetigung-gibt-auf",
        "workflow.py",
        "RetryPolicy(maximum_interval=timedelta(minutes=10))",
        "RetryPolicy(maximum_interval=timedelta(minutes=10), maximum_attempts=5)",
        "test_the_confirmation_is_repeated_without_limit_and_sent_once",
    ),
    _mutant(
        "reihenfolge-vorwaerts",
        "compensation.py",
        "list(reversed(self._registered))",
        "list(self._registered)",
        *_scenarios("rechnung-scheitert"),
    ),
    _mutant(
        "parallel-wird-ignoriert",
        "compensation.py",
        "if self._parallel:",
        "if False:",
        "test_parallel_compensations_are_scheduled_together",
    ),
    _mutant(
        "fehler-verschluckt",
        "workflow.py",
        "raise asyncio.CancelledError from error\n            raise\n",
        'raise asyncio.CancelledError from error\n            return OrderResult("", "", "", "", "", False)\n',
        *_scenarios("zahlung-scheitert"),
    ),
    _mutant(
        "abbruch-verschluckt",
        "workflow.py",
        "            if cancelled:\n                raise asyncio.CancelledError from error\n            raise\n",
        '            if cancelled:\n                return OrderResult("", "", "", "", "", False)\n            raise\n',
        *_scenarios("abbruch-im-lager"),
    ),
    _mutant(
        "abbruch-endet-als-fehler",
        "workflow.py",
        "            if cancelled:\n",
        "            if False:\n",
        "test_a_failure_of_the_step_that_is_being_cancelled_ends_as_cancelled",
    ),
    _mutant(
        "except-exception",
        "workflow.py",
        "except (FailureError, asyncio.CancelledError) as error:",
        "except Exception as error:",
        *_scenarios("abbruch-im-lager"),
    ),
    _mutant(
        "programmfehler-rollt-zurueck",
        "workflow.py",
        "except (FailureError, asyncio.CancelledError) as error:",
        "except (Exception, asyncio.CancelledError) as error:",
        "test_a_bug_waits_for_its_fix_instead_of_rolling_back",
    ),
    _mutant(
        "abbruch-nach-dem-schritt-uebersehen",
        "workflow.py",
        "        if workflow.cancellation_reason() is not None:\n",
        "        if False:\n",
        *_scenarios("abbruch-in-der-zahlung"),
    ),
    _mutant(
        "laufender-schritt-nicht-abgewartet",
        "workflow.py",
        "ActivityCancellationType.WAIT_CANCELLATION_COMPLETED",
        "ActivityCancellationType.TRY_CANCEL",
        *_scenarios("abbruch-in-der-zahlung"),
    ),
    _mutant(
        "heartbeat-fehlt",
        "activities.py",
        "activity.heartbeat(receipt.reference)",
        "pass",
        "test_a_running_activity_learns_of_the_cancel_by_heartbeat",
    ),
    _mutant(
        "activity-hoert-nicht-auf-den-abbruch",
        "activities.py",
        "if activity.is_cancelled():",
        "if False:",
        "test_a_running_activity_learns_of_the_cancel_by_heartbeat",
    ),
    _mutant(
        "fachliches-nein-wird-wiederholt",
        "activities.py",
        "non_retryable=True",
        "non_retryable=False",
        "test_a_no_is_not_repeated",
    ),
    _mutant(
        "schritte-ohne-grenze",
        "workflow.py",
        "RetryPolicy(maximum_attempts=options.step_attempts)",
        "RetryPolicy()",
        "test_retries_are_bounded_by_attempts",
    ),
    _mutant(
        "kompensation-nur-eine-runde",
        "compensation.py",
        "while not compensation.settled:",
        "if not compensation.settled:",
        *_scenarios("kompensation-erholt-sich"),
    ),
    _mutant(
        "kompensation-bleibt-unsichtbar",
        "workflow.py",
        "RetryPolicy(maximum_attempts=self._options.undo_attempts)",
        "RetryPolicy()",
        "test_a_blocked_saga_is_visible",
    ),
    _mutant(
        "status-fehlt",
        "compensation.py",
        "workflow.upsert_search_attributes([SAGA_STATUS.value_set(status)])",
        "pass",
        "test_a_blocked_saga_is_visible",
    ),
    _mutant(
        "fehler-wird-nicht-gezeigt",
        "compensation.py",
        "str(error.cause or error)",
        '""',
        "test_a_blocked_saga_is_visible",
    ),
    _mutant(
        "eingriff-weckt-nicht",
        "compensation.py",
        "lambda: compensation.decision is not None",
        "lambda: False",
        "test_a_retry_reports_that_it_failed_again",
    ),
    _mutant(
        "pause-waechst-nicht",
        "compensation.py",
        " * 2 ** (compensation.failed_rounds - 1)",
        "",
        "test_pauses_double_up_to_a_day",
    ),
    _mutant(
        "validator-fehlt",
        "workflow.py",
        "def _check_skip(self, decision: Skip) -> None:\n        self._saga.check_decision(decision)",
        "def _check_skip(self, decision: Skip) -> None:\n        pass",
        "test_rejected_decisions_leave_the_history_untouched",
    ),
    _mutant(
        "auslassen-ohne-begruendung",
        "compensation.py",
        "if isinstance(decision, Skip) and not decision.reason.strip():",
        "if False:",
        "test_rejected_decisions_leave_the_history_untouched",
    ),
    _mutant(
        "klaerfall-fehlt",
        "workflow.py",
        """await workflow.execute_activity_method(
            OrderActivities.open_case, case, **self._unlimited()
        )""",
        "pass",
        *_scenarios("kompensation-ausgelassen"),
    ),
    _mutant(
        "handler-nicht-abgewartet",
        "workflow.py",
        "await workflow.wait_condition(workflow.all_handlers_finished)",
        "pass",
        "test_skipping_the_last_compensation_waits_for_the_case",
    ),
    _mutant(
        "geaenderter-ablauf",
        "workflow.py",
        BOOK,
        f"await workflow.sleep(1)\n            {BOOK}",
        "test_recorded_history_replays[glatt]",
    ),
]  # fmt: skip


def _copy(folder: Path, mutant: Mutant) -> None:
    source = Path(kapitel07.__file__).parent
    shutil.copytree(source, folder / "kapitel07", ignore=shutil.ignore_patterns("__pycache__"))
    file = folder / "kapitel07" / "saga" / mutant.file
    # Marken für hervorgehobene und erläuterte Zeilen gehören den Seiten, nicht dem Code.
    text = re.sub(r"  # \((!|\d+)\)$", "", file.read_text("utf-8"), flags=re.MULTILINE)
    for old, new in mutant.changes:
        assert text.count(old) == 1, f"„{old}“ steht {text.count(old)}-mal in {mutant.file}."
        text = text.replace(old, new)
    file.write_text(text, "utf-8")
    compile(text, str(file), "exec")


def _run(folder: Path, tests: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    # Nur die nötigen Plugins und ohne umgeschriebene `assert`: So kostet ein Lauf 2 s weniger.
    command = [
        sys.executable, "-m", "pytest", "-x", "-q", "--tb=short", "--show-capture=no", "--assert=plain",
        "-p", "no:cacheprovider", "-p", "pytest_asyncio.plugin", "-p", "pytest_timeout",
        "-p", "dauerlauf.pytest_plugin", "--timeout=50",
        *(f"{SAGA}{test}" for test in tests),
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
    run = _run(tmp_path, mutant.tests)
    assert run.returncode == 1, run.stdout + run.stderr


@pytest.mark.mutant
def test_unchanged_copy_passes_every_test_a_mutant_names(tmp_path: Path) -> None:
    _copy(tmp_path, Mutant("unveraendert", "workflow.py", (), ()))
    run = _run(tmp_path, tuple(dict.fromkeys(test for mutant in MUTANTS for test in mutant.tests)))
    assert run.returncode == 0, run.stdout + run.stderr


def test_every_mutant_still_fits_the_code(tmp_path: Path) -> None:
    for number, mutant in enumerate(MUTANTS):
        _copy(tmp_path / str(number), mutant)
