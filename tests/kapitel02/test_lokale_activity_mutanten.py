"""Mutanten des Musters `lokale_activity`."""

from pathlib import Path

import pytest
from mutanten import Mutant, copy_package, must_turn_red, run_tests

TESTS = "test_lokale_activity.py"
ACTIVITIES = "lokale_activity/activities.py"
WORKFLOW = "lokale_activity/workflow.py"
LOCAL = "test_neun_lokale_schritte_sind_ein_workflow_task"
MUTANTS = [
    Mutant(
        "Nummer ohne Schlüssel",
        ACTIVITIES,
        "draw(order.order_id)",
        "draw(None)",
        f"{TESTS}::test_signal_wiederholt_alles_ohne_absturz",
    ),
    Mutant(
        "Schlüssel je Activity-ID",
        ACTIVITIES,
        "draw(order.order_id)",
        "draw(activity.info().activity_id)",
        f"{TESTS}::test_nach_dem_timer_traegt_der_versuch_eine_neue_activity_id",
    ),
    Mutant(
        "Register vergisst den Schlüssel",
        "lokale_activity/services.py",
        "key TEXT UNIQUE",
        "key TEXT",
        f"{TESTS}::test_doppelte_ausfuehrung_zieht_eine_nummer",
    ),
    Mutant(
        "Preise über den Server",
        WORKFLOW,
        "total += await workflow.execute_local_activity_method(",
        "total += await workflow.execute_activity_method(",
        f"{TESTS}::{LOCAL}",
    ),
    Mutant("nur der letzte Preis", WORKFLOW, "total += await", "total = await", f"{TESTS}::{LOCAL}"),
    Mutant("Menge vergessen", ACTIVITIES, " * line.quantity", "", f"{TESTS}::{LOCAL}"),
    Mutant(
        "jede Pause ein Timer",
        WORKFLOW,
        "local_retry_threshold=timedelta(seconds=1)",
        "local_retry_threshold=timedelta(milliseconds=1)",
        f"{TESTS}::test_kurze_pausen_bleiben_im_worker",
    ),
    Mutant(
        "keine Pause ein Timer",
        WORKFLOW,
        "local_retry_threshold=timedelta(seconds=1)",
        "local_retry_threshold=timedelta(hours=1)",
        f"{TESTS}::test_lange_pausen_werden_timer",
    ),
    Mutant(
        "Bemerkung verworfen",
        WORKFLOW,
        "self._notes.append(text)",
        "del text",
        f"{TESTS}::test_signal_wiederholt_alles_ohne_absturz",
    ),
    Mutant(
        "neuer Befehl vor den Preisen",
        WORKFLOW,
        "        total = 0\n",
        "        await workflow.sleep(1)\n        total = 0\n",
        f"{TESTS}::test_aufgezeichneter_lauf_passt_zum_code",
    ),
]


@pytest.mark.mutant
@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.name for mutant in MUTANTS])
def test_mutant_macht_einen_test_rot(mutant: Mutant, tmp_path: Path) -> None:
    must_turn_red(mutant, tmp_path)


@pytest.mark.mutant
def test_unbeschaedigte_kopie_bleibt_gruen(tmp_path: Path) -> None:
    copy_package(tmp_path)
    assert run_tests(TESTS, tmp_path).returncode == 0
