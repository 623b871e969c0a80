"""Beschädigter Code muss auffallen: je Mutant ein eigener Testlauf, der rot werden soll."""

from dataclasses import replace
from pathlib import Path

import pytest
from mutanten import Mutant, copy_package, must_turn_red, run_tests

TESTS = "test_idempotenz_schluessel.py"
MUTANTS = [
    Mutant(
        "Bank ohne Eindeutigkeit",
        "idempotenz_schluessel/services.py",
        "key TEXT UNIQUE",
        "key TEXT",
        "test_gleichzeitige_aufrufe_ergeben_eine_buchung",
    ),
    Mutant(
        "Bank bucht bei bekanntem Schlüssel",
        "idempotenz_schluessel/services.py",
        '" ON CONFLICT(key) DO NOTHING"',
        '" ON CONFLICT(key) DO UPDATE SET cents = excluded.cents"',
        "test_bank_weist_anderen_inhalt_ab",
    ),
    Mutant(
        "Bank vergleicht nur den Betrag",
        "idempotenz_schluessel/services.py",
        "content != [return_id, cents]",
        "content[1] != cents",
        "test_bank_weist_anderen_inhalt_ab",
    ),
    Mutant(
        "Bank vergleicht nur die Retoure",
        "idempotenz_schluessel/services.py",
        "content != [return_id, cents]",
        "content[0] != return_id",
        "test_anderer_inhalt_unter_demselben_schluessel_scheitert",
    ),
    Mutant(
        "Konflikt wird wiederholt",
        "idempotenz_schluessel/activities.py",
        "non_retryable=True",
        "non_retryable=False",
        "test_konflikt_wird_nicht_wiederholt",
    ),
    Mutant(
        "Schlüssel je Versuch",
        "idempotenz_schluessel/activities.py",
        "self._bank.refund(request.key,",
        'self._bank.refund(f"{request.key}-{activity.info().attempt}",',
        "test_tod_nach_der_erstattung_erstattet_einmal",
    ),
    Mutant(
        "Schlüssel mit Run-ID",
        "idempotenz_schluessel/workflow.py",
        'f"{case.return_id}/erstattung"',
        'f"{workflow.info().run_id}/erstattung"',
        "test_verfallener_schluessel_erstattet_noch_einmal",
    ),
    Mutant(
        "Schlüssel enthält den Inhalt",
        "idempotenz_schluessel/workflow.py",
        'f"{case.return_id}/erstattung"',
        'f"{case.return_id}/{case.cents}/erstattung"',
        "test_anderer_inhalt_unter_demselben_schluessel_scheitert",
    ),
    Mutant(
        "Abholung ohne Nachfrage",
        "idempotenz_schluessel/activities.py",
        "number = self._pickups.find(request.return_id)",
        "number = None",
        "test_nachfrage_findet_die_abholung_des_toten_workers",
    ),
    Mutant(
        "Abholung ohne Abwarten",
        "idempotenz_schluessel/activities.py",
        "        if wait:",
        "        if False:",
        "test_merkbuch_schliesst_die_luecke",
    ),
    Mutant(
        "Abholung ohne Vormerkung",
        "idempotenz_schluessel/activities.py",
        "wait = self._claims.claim(request.key, now, LATEST_ARRIVAL)",
        "wait = LATEST_ARRIVAL * 0",
        "test_merkbuch_schliesst_die_luecke",
    ),
    Mutant(
        "Pause nach der Retry-Policy statt nach der Frist",
        "idempotenz_schluessel/activities.py",
        "next_retry_delay=wait,",
        "next_retry_delay=None,",
        "test_merkbuch_schliesst_die_luecke",
    ),
    Mutant(
        "Vormerkung ohne Frist",
        "idempotenz_schluessel/services.py",
        "if wait > timedelta():",
        "if True:",
        "test_vormerkung_gilt_bis_nichts_mehr_ankommen_kann",
    ),
    Mutant(
        "Vormerkung wird nicht erneuert",
        "idempotenz_schluessel/services.py",
        "INSERT OR REPLACE INTO claims",
        "INSERT OR IGNORE INTO claims",
        "test_vormerkung_gilt_bis_nichts_mehr_ankommen_kann",
    ),
    Mutant(
        "Punkte ohne natürlichen Schlüssel",
        "idempotenz_schluessel/services.py",
        "deductions(return_id TEXT PRIMARY KEY,",
        "deductions(return_id TEXT,",
        "test_natuerlicher_schluessel_zieht_einmal_ab",
    ),
    Mutant(
        "Punkte werden vergessen",
        "idempotenz_schluessel/activities.py",
        "case.points)",
        "0)",
        "test_glatter_lauf_wirkt_je_schritt_einmal",
    ),
    Mutant(
        "Abholung vor der Erstattung",
        "idempotenz_schluessel/workflow.py",
        "        refunded = await",
        "        await call(ReturnSteps.order_pickup, pickup, **step)\n        refunded = await",
        "test_aufgezeichneter_lauf_passt_zum_code",
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
