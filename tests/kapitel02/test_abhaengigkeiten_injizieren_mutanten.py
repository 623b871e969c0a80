"""Beschädigter Code muss auffallen: je Mutant ein eigener Testlauf, der rot werden soll."""

from pathlib import Path

import pytest
from mutanten import Mutant, copy_package, must_turn_red, run_tests

FOLDER = "abhaengigkeiten_injizieren"
TESTS = "test_abhaengigkeiten_injizieren.py"
MUTANTS = [
    Mutant(
        "eine Verbindung für alle Threads",
        f"{FOLDER}/connections.py",
        "self._local = threading.local()",
        'self._local = type("Ein", (), {})()',
        f"{TESTS}::test_jeder_thread_hat_seine_verbindung_und_alle_werden_geschlossen",
    ),
    Mutant(
        "jeder Aufruf öffnet neu",
        f"{FOLDER}/connections.py",
        'if not hasattr(self._local, "connection"):',
        "if True:",
        f"{TESTS}::test_jeder_thread_hat_seine_verbindung_und_alle_werden_geschlossen",
    ),
    Mutant(
        "nur eine Verbindung wird geschlossen",
        f"{FOLDER}/connections.py",
        "while self._opened:",
        "if self._opened:",
        f"{TESTS}::test_jeder_thread_hat_seine_verbindung_und_alle_werden_geschlossen",
    ),
    Mutant(
        "Lager bleibt offen",
        f"{FOLDER}/worker.py",
        "stack.enter_context(closing(StockDatabase(config.database)))",
        "StockDatabase(config.database)",
        f"{TESTS}::test_nach_dem_block_ist_alles_zu",
    ),
    Mutant(
        "kaputte Verbindung bleibt in Gebrauch",
        f"{FOLDER}/connections.py",
        "            connection.close()  # (!)\n            raise",
        "            raise",
        f"{TESTS}::test_verlorene_antwort_oeffnet_eine_neue_verbindung",
    ),
    Mutant(
        "Abholung ohne Schlüssel",
        f"{FOLDER}/connections.py",
        '{"Idempotency-Key": order_id}',
        '{"Idempotency-Key": str(id(body))}',
        f"{TESTS}::test_verlorene_antwort_oeffnet_eine_neue_verbindung",
    ),
    Mutant(
        "Reservierung ohne Schlüssel",
        f"{FOLDER}/connections.py",
        "reserved(order_id TEXT PRIMARY KEY,",
        "reserved(order_id TEXT,",
        f"{TESTS}::test_reservierung_gilt_einmal_je_bestellnummer",
    ),
    Mutant(
        "Reservierung ohne Transaktion",
        f"{FOLDER}/connections.py",
        'isolation_level="IMMEDIATE"',
        "isolation_level=None",
        f"{TESTS}::test_reservierung_gilt_einmal_je_bestellnummer",
    ),
    Mutant(
        "Datenbank erst beim ersten Auftrag",
        f"{FOLDER}/connections.py",
        "self._connections.get().executescript(",
        "str(",
        f"{TESTS}::test_ohne_datenbank_startet_der_worker_nicht",
    ),
    Mutant(
        "Worker überhört SIGTERM",
        f"{FOLDER}/worker.py",
        "(signal.SIGTERM, signal.SIGINT)",
        "(signal.SIGINT,)",
        f"{TESTS}::test_sigterm_wartet_auf_die_activity_und_schliesst_dann",
    ),
    Mutant(
        "keine Frist für laufende Activities",
        f"{FOLDER}/worker.py",
        "graceful_shutdown_timeout=timedelta(seconds=10)",
        "graceful_shutdown_timeout=timedelta(0)",
        f"{TESTS}::test_sigterm_wartet_auf_die_activity_und_schliesst_dann",
    ),
    Mutant(
        "eigene Uhr statt der injizierten",
        f"{FOLDER}/activities.py",
        "now = self._clock.now()",
        "now = datetime.now().astimezone()",
        f"{TESTS}::test_annahmeschluss",
    ),
    Mutant(
        "Annahmeschluss um eine Minute verschoben",
        f"{FOLDER}/activities.py",
        "now.time() >= self._cutoff",
        "now.time() > self._cutoff",
        f"{TESTS}::test_annahmeschluss",
    ),
    Mutant(
        "ausverkauft wird wiederholt",
        f"{FOLDER}/activities.py",
        "ApplicationError(text, non_retryable=True)",
        "ApplicationError(text)",
        f"{TESTS}::test_ausverkauft_ist_endgueltig",
    ),
    Mutant(
        "Abholung vor der Reservierung",
        f"{FOLDER}/workflow.py",
        "Shipping.reserve_stock",
        "Shipping.book_pickup",
        f"{TESTS}::test_aufgezeichneter_lauf_passt_zum_code",
    ),
]


@pytest.mark.mutant
@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.name for mutant in MUTANTS])
def test_mutant_macht_einen_test_rot(mutant: Mutant, tmp_path: Path) -> None:
    must_turn_red(mutant, tmp_path)


@pytest.mark.mutant
def test_unbeschaedigte_kopie_bleibt_gruen(tmp_path: Path) -> None:
    assert run_tests(TESTS, copy_package(tmp_path).parent).returncode == 0
