"""Mutanten des Musters `abhaengigkeiten_injizieren`."""

from mutanten import MutantTests, mutant

FOLDER = "abhaengigkeiten_injizieren"
MUTANTS = [
    mutant(
        "eine Verbindung für alle Threads",
        f"{FOLDER}/connections.py",
        "self._local = threading.local()",
        'self._local = type("Ein", (), {})()',
        "test_jeder_thread_hat_seine_verbindung_und_alle_werden_geschlossen",
    ),
    mutant(
        "jeder Aufruf öffnet neu",
        f"{FOLDER}/connections.py",
        'if not hasattr(self._local, "connection"):',
        "if True:",
        "test_jeder_thread_hat_seine_verbindung_und_alle_werden_geschlossen",
    ),
    mutant(
        "nur eine Verbindung wird geschlossen",
        f"{FOLDER}/connections.py",
        "while self._opened:",
        "if self._opened:",
        "test_jeder_thread_hat_seine_verbindung_und_alle_werden_geschlossen",
    ),
    mutant(
        "Lager bleibt offen",
        f"{FOLDER}/worker.py",
        "stack.enter_context(closing(StockDatabase(config.database)))",
        "StockDatabase(config.database)",
        "test_nach_dem_block_ist_alles_zu",
    ),
    mutant(
        "kaputte Verbindung bleibt in Gebrauch",
        f"{FOLDER}/connections.py",
        "            connection.close()\n            raise",
        "            raise",
        "test_nach_verlorener_antwort_ist_derselbe_thread_wieder_bereit",
    ),
    mutant(
        "Abholung ohne Schlüssel",
        f"{FOLDER}/connections.py",
        '{"Idempotency-Key": order_id}',
        '{"Idempotency-Key": str(id(body))}',
        "test_verlorene_antwort_oeffnet_eine_neue_verbindung",
    ),
    mutant(
        "Reservierung ohne Schlüssel",
        f"{FOLDER}/connections.py",
        "reserved(order_id TEXT PRIMARY KEY,",
        "reserved(order_id TEXT,",
        "test_reservierung_gilt_einmal_je_bestellnummer",
    ),
    mutant(
        "Reservierung ohne Transaktion",
        f"{FOLDER}/connections.py",
        'isolation_level="IMMEDIATE"',
        "isolation_level=None",
        "test_reservierung_gilt_einmal_je_bestellnummer",
    ),
    mutant(
        "Datenbank erst beim ersten Auftrag",
        f"{FOLDER}/connections.py",
        "self._connections.get().executescript(",
        "str(",
        "test_ohne_datenbank_startet_der_worker_nicht",
    ),
    mutant(
        "Worker überhört SIGTERM",
        f"{FOLDER}/worker.py",
        "(signal.SIGTERM, signal.SIGINT)",
        "(signal.SIGINT,)",
        "test_sigterm_wartet_auf_die_activity_und_schliesst_dann",
    ),
    mutant(
        "keine Frist für laufende Activities",
        f"{FOLDER}/worker.py",
        "graceful_shutdown_timeout=timedelta(seconds=10)",
        "graceful_shutdown_timeout=timedelta(0)",
        "test_sigterm_wartet_auf_die_activity_und_schliesst_dann",
    ),
    mutant(
        "eigene Uhr statt der injizierten",
        f"{FOLDER}/activities.py",
        "now = self._clock.now()",
        "now = datetime.now().astimezone()",
        "test_annahmeschluss",
    ),
    mutant(
        "Annahmeschluss um eine Minute verschoben",
        f"{FOLDER}/activities.py",
        "now.time() >= self._cutoff",
        "now.time() > self._cutoff",
        "test_annahmeschluss",
    ),
    mutant(
        "ausverkauft wird wiederholt",
        f"{FOLDER}/activities.py",
        "ApplicationError(text, non_retryable=True)",
        "ApplicationError(text)",
        "test_ausverkauft_ist_endgueltig",
    ),
    mutant(
        "Abholung vor der Reservierung",
        f"{FOLDER}/workflow.py",
        "Shipping.reserve_stock",
        "Shipping.book_pickup",
        "test_aufgezeichneter_lauf_passt_zum_code",
    ),
]


class TestMutants(MutantTests):
    chapter = "kapitel02"
    file = "test_abhaengigkeiten_injizieren.py"
    mutants = MUTANTS
