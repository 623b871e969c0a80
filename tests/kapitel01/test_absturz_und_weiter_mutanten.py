"""Mutanten des Musters `absturz_und_weiter`."""

from mutanten import MutantTests, mutant

MUTANTS = [
    mutant(
        "Zahlung ohne Schlüssel",
        "absturz_und_weiter/activities.py",
        "order.amount_cents, key=key)",
        "order.amount_cents)",
        "test_schluessel_haelt_die_wirkung_bei_einer_buchung",
    ),
    mutant(
        "Versand ohne Schlüssel",
        "absturz_und_weiter/activities.py",
        "order.order_id, 0, key=key)",
        "order.order_id, 0)",
        "test_tod_an_jedem_event_bucht_jeden_schritt_einmal",
    ),
    mutant(
        "Schlüssel je Versuch",
        "absturz_und_weiter/activities.py",
        "        key = order.order_id\n        return self._payments",
        '        key = f"{order.order_id}-{activity.info().attempt}"\n        return self._payments',
        "test_schluessel_haelt_die_wirkung_bei_einer_buchung",
    ),
    mutant(
        "Dienst vergisst den Schlüssel",
        "absturz_und_weiter/services.py",
        "key TEXT UNIQUE",
        "key TEXT",
        "test_schluessel_haelt_die_wirkung_bei_einer_buchung",
    ),
    mutant(
        "Versand vor der Zahlung",
        "absturz_und_weiter/workflow.py",
        "Steps.charge_payment",
        "Steps.ship_parcel",
        "test_ohne_absturz_vergehen_dreissig_minuten",
    ),
    mutant(
        "ohne Stornofrist",
        "absturz_und_weiter/workflow.py",
        "order.hold_seconds",
        "0",
        "test_ohne_absturz_vergehen_dreissig_minuten",
    ),
    mutant(
        "neuer Befehl vor der Zahlung",
        "absturz_und_weiter/workflow.py",
        "        payment = await",
        "        await workflow.sleep(1)\n        payment = await",
        "test_aufgezeichneter_lauf_passt_zum_code",
    ),
    mutant(
        "Starter hängt sich nicht an",
        "absturz_und_weiter/starter.py",
        "WorkflowIDConflictPolicy.USE_EXISTING",
        "WorkflowIDConflictPolicy.FAIL",
        "test_von_hand_mit_worker_und_starter",
    ),
]


class TestMutants(MutantTests):
    chapter = "kapitel01"
    file = "test_absturz_und_weiter.py"
    mutants = MUTANTS
