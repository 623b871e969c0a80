"""Mutanten des Musters `idempotenz_schluessel`."""

from mutanten import MutantTests, mutant

MUTANTS = [
    mutant(
        "Bank ohne Eindeutigkeit",
        "idempotenz_schluessel/services.py",
        "key TEXT UNIQUE",
        "key TEXT",
        "test_gleichzeitige_aufrufe_ergeben_eine_buchung",
    ),
    mutant(
        "Bank bucht bei bekanntem Schlüssel",
        "idempotenz_schluessel/services.py",
        '" ON CONFLICT(key) DO NOTHING"',
        '" ON CONFLICT(key) DO UPDATE SET cents = excluded.cents"',
        "test_bank_weist_anderen_inhalt_ab",
    ),
    mutant(
        "Bank vergleicht nur den Betrag",
        "idempotenz_schluessel/services.py",
        "content != [return_id, cents]",
        "content[1] != cents",
        "test_bank_weist_anderen_inhalt_ab",
    ),
    mutant(
        "Bank vergleicht nur die Retoure",
        "idempotenz_schluessel/services.py",
        "content != [return_id, cents]",
        "content[0] != return_id",
        "test_anderer_inhalt_unter_demselben_schluessel_scheitert",
    ),
    mutant(
        "Konflikt wird wiederholt",
        "idempotenz_schluessel/activities.py",
        "non_retryable=True",
        "non_retryable=False",
        "test_konflikt_wird_nicht_wiederholt",
    ),
    mutant(
        "Schlüssel je Versuch",
        "idempotenz_schluessel/activities.py",
        "self._bank.refund(request.key,",
        'self._bank.refund(f"{request.key}-{activity.info().attempt}",',
        "test_tod_nach_der_erstattung_erstattet_einmal",
    ),
    mutant(
        "Schlüssel mit Run-ID",
        "idempotenz_schluessel/workflow.py",
        'f"{case.return_id}/erstattung"',
        'f"{workflow.info().run_id}/erstattung"',
        "test_verfallener_schluessel_erstattet_noch_einmal",
    ),
    mutant(
        "Schlüssel enthält den Inhalt",
        "idempotenz_schluessel/workflow.py",
        'f"{case.return_id}/erstattung"',
        'f"{case.return_id}/{case.cents}/erstattung"',
        "test_anderer_inhalt_unter_demselben_schluessel_scheitert",
    ),
    mutant(
        "Abholung ohne Nachfrage",
        "idempotenz_schluessel/activities.py",
        "number = self._pickups.find(request.return_id)",
        "number = None",
        "test_nachfrage_findet_die_abholung_des_toten_workers",
    ),
    mutant(
        "Abholung ohne Abwarten",
        "idempotenz_schluessel/activities.py",
        "        if wait:",
        "        if False:",
        "test_merkbuch_schliesst_die_luecke",
    ),
    mutant(
        "Abholung ohne Vormerkung",
        "idempotenz_schluessel/activities.py",
        "wait = self._claims.claim(request.key, now, LATEST_ARRIVAL)",
        "wait = LATEST_ARRIVAL * 0",
        "test_merkbuch_schliesst_die_luecke",
    ),
    mutant(
        "Pause nach der Retry-Policy statt nach der Frist",
        "idempotenz_schluessel/activities.py",
        "next_retry_delay=wait,",
        "next_retry_delay=None,",
        "test_merkbuch_schliesst_die_luecke",
    ),
    mutant(
        "Vormerkung ohne Frist",
        "idempotenz_schluessel/services.py",
        "if wait > timedelta():",
        "if True:",
        "test_vormerkung_gilt_bis_nichts_mehr_ankommen_kann",
    ),
    mutant(
        "Vormerkung wird nicht erneuert",
        "idempotenz_schluessel/services.py",
        "INSERT OR REPLACE INTO claims",
        "INSERT OR IGNORE INTO claims",
        "test_vormerkung_gilt_bis_nichts_mehr_ankommen_kann",
    ),
    mutant(
        "Punkte ohne natürlichen Schlüssel",
        "idempotenz_schluessel/services.py",
        "deductions(return_id TEXT PRIMARY KEY,",
        "deductions(return_id TEXT,",
        "test_natuerlicher_schluessel_zieht_einmal_ab",
    ),
    mutant(
        "Punkte werden vergessen",
        "idempotenz_schluessel/activities.py",
        "case.points)",
        "0)",
        "test_glatter_lauf_wirkt_je_schritt_einmal",
    ),
    mutant(
        "Abholung vor der Erstattung",
        "idempotenz_schluessel/workflow.py",
        "        refunded = await",
        "        await call(ReturnSteps.order_pickup, pickup, **step)\n        refunded = await",
        "test_aufgezeichneter_lauf_passt_zum_code",
    ),
]


class TestMutants(MutantTests):
    chapter = "kapitel02"
    file = "test_idempotenz_schluessel.py"
    mutants = MUTANTS
