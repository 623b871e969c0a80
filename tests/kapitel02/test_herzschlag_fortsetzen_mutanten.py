"""Beschädigter Code muss auffallen: je Mutant ein eigener Testlauf, der rot werden soll."""

from dataclasses import replace
from pathlib import Path

import pytest
from mutanten import Mutant, copy_package, must_turn_red, run_tests

TESTS = "test_herzschlag_fortsetzen.py"
EVERYWHERE = "test_an_jeder_stelle_kommt_jedes_paket_genau_einmal_an"
MUTANTS = [
    Mutant(
        "merkt die erledigte Zeile",
        "herzschlag_fortsetzen/activities.py",
        "Position(next_row=row + 1)",
        "Position(next_row=row)",
        EVERYWHERE,
    ),
    Mutant(
        "überspringt eine Zeile",
        "herzschlag_fortsetzen/activities.py",
        "Position(next_row=row + 1)",
        "Position(next_row=row + 2)",
        EVERYWHERE,
    ),
    Mutant(
        "liest die Position nicht",
        "herzschlag_fortsetzen/activities.py",
        "if details else Position()",
        "if False else Position()",
        EVERYWHERE,
    ),
    Mutant(
        "meldet vor der Wirkung",
        "herzschlag_fortsetzen/activities.py",
        "            stop_if_asked()\n",
        "            activity.heartbeat(Position(next_row=parcel.row + 1))\n            stop_if_asked()\n",
        EVERYWHERE,
    ),
    Mutant(
        "meldet ohne Position",
        "herzschlag_fortsetzen/activities.py",
        "activity.heartbeat(Position(next_row=row + 1))",
        "activity.heartbeat()",
        EVERYWHERE,
    ),
    Mutant(
        "meldet gar nicht",
        "herzschlag_fortsetzen/activities.py",
        "activity.heartbeat(Position(next_row=row + 1))",
        "pass",
        EVERYWHERE,
    ),
    Mutant(
        "Paket ohne Schlüssel",
        "herzschlag_fortsetzen/activities.py",
        "announce(parcel, key=parcel.number)",
        "announce(parcel)",
        EVERYWHERE,
    ),
    Mutant(
        "Frachtführer ohne Eindeutigkeit",
        "herzschlag_fortsetzen/services.py",
        "key TEXT UNIQUE",
        "key TEXT",
        EVERYWHERE,
    ),
    Mutant(
        "Liste beginnt eine Zeile zu spät",
        "herzschlag_fortsetzen/services.py",
        "csv.reader(lines), start - 1, None",
        "csv.reader(lines), start, None",
        "test_paketliste_laesst_sich_ab_jeder_zeile_lesen",
    ),
    Mutant(
        "hört beim Beenden des Workers nicht auf",
        "herzschlag_fortsetzen/activities.py",
        "if activity.is_worker_shutdown():",
        "if False:",
        "test_geordnetes_ende_wiederholt_nichts",
    ),
    Mutant(
        "gibt beim Beenden nicht wiederholbar ab",
        "herzschlag_fortsetzen/activities.py",
        'type="WorkerShutdown")',
        'type="WorkerShutdown", non_retryable=True)',
        "test_geordnetes_ende_wiederholt_nichts",
    ),
    Mutant(
        "hört bei Abbruch nicht auf",
        "herzschlag_fortsetzen/activities.py",
        "if activity.is_cancelled():",
        "if False:",
        "test_abbruch_endet_zwischen_zwei_paketen",
    ),
    Mutant(
        "Abbruch trifft mitten ins Paket",
        "herzschlag_fortsetzen/activities.py",
        "@activity.defn(no_thread_cancel_exception=True)",
        "@activity.defn",
        "test_abbruch_endet_zwischen_zwei_paketen",
    ),
    Mutant(
        "Abbruch ohne Warten",
        "herzschlag_fortsetzen/workflow.py",
        "ActivityCancellationType.WAIT_CANCELLATION_COMPLETED",
        "ActivityCancellationType.TRY_CANCEL",
        "test_abbruch_endet_zwischen_zwei_paketen",
    ),
    Mutant(
        "ohne Heartbeat-Timeout",
        "herzschlag_fortsetzen/workflow.py",
        "            heartbeat_timeout=timedelta(seconds=job.heartbeat_seconds),  # (!)\n",
        "",
        "test_workflow_setzt_beide_fristen",
    ),
    Mutant(
        "Worker lässt beim Beenden keine Zeit",
        "herzschlag_fortsetzen/worker.py",
        "        graceful_shutdown_timeout=timedelta(seconds=10),\n",
        "",
        "test_worker_laesst_beim_beenden_zeit",
    ),
    Mutant(
        "Start-To-Close statt zwei Stunden",
        "herzschlag_fortsetzen/workflow.py",
        "timedelta(hours=2)",
        "timedelta(seconds=2)",
        "test_workflow_setzt_beide_fristen",
    ),
]


@pytest.mark.mutant
@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.name for mutant in MUTANTS])
def test_mutant_macht_einen_test_rot(mutant: Mutant, tmp_path: Path) -> None:
    must_turn_red(replace(mutant, test=f"{TESTS}::{mutant.test}"), tmp_path)


@pytest.mark.mutant
def test_unbeschaedigte_kopie_bleibt_gruen(tmp_path: Path) -> None:
    copy_package(tmp_path)
    done = run_tests(TESTS, tmp_path)
    assert done.returncode == 0, done.stdout[-2000:]
