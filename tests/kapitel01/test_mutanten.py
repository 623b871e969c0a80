"""Beschädigter Code muss auffallen: je Mutant ein eigener Testlauf, der rot werden soll."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "examples" / "kapitel01" / "kapitel01"


@dataclass(frozen=True)
class Mutant:
    """Eine Ersetzung in einer Datei des Kapitels und die Tests, von denen einer rot werden muss."""

    name: str
    file: str
    old: str
    new: str
    tests: str


CRASH = "test_absturz_und_weiter.py"
HELLO = "test_hallo.py"
MUTANTS = [
    Mutant(
        "Zahlung ohne Schlüssel",
        "absturz_und_weiter/activities.py",
        "order.amount_cents, key=key)",
        "order.amount_cents)",
        f"{CRASH}::test_schluessel_haelt_die_wirkung_bei_einer_buchung",
    ),
    Mutant(
        "Versand ohne Schlüssel",
        "absturz_und_weiter/activities.py",
        "order.order_id, 0, key=key)",
        "order.order_id, 0)",
        f"{CRASH}::test_tod_an_jedem_event_bucht_jeden_schritt_einmal",
    ),
    Mutant(
        "Schlüssel je Versuch",
        "absturz_und_weiter/activities.py",
        "        key = order.order_id\n        return self._payments",
        '        key = f"{order.order_id}-{activity.info().attempt}"\n        return self._payments',
        f"{CRASH}::test_schluessel_haelt_die_wirkung_bei_einer_buchung",
    ),
    Mutant(
        "Dienst vergisst den Schlüssel",
        "absturz_und_weiter/services.py",
        "key TEXT UNIQUE",
        "key TEXT",
        f"{CRASH}::test_schluessel_haelt_die_wirkung_bei_einer_buchung",
    ),
    Mutant(
        "Versand vor der Zahlung",
        "absturz_und_weiter/workflow.py",
        "Steps.charge_payment",
        "Steps.ship_parcel",
        f"{CRASH}::test_ohne_absturz_vergehen_dreissig_minuten",
    ),
    Mutant(
        "ohne Stornofrist",
        "absturz_und_weiter/workflow.py",
        "order.hold_seconds",
        "0",
        f"{CRASH}::test_ohne_absturz_vergehen_dreissig_minuten",
    ),
    Mutant(
        "neuer Befehl vor der Zahlung",
        "absturz_und_weiter/workflow.py",
        "        payment = await",
        "        await workflow.sleep(1)\n        payment = await",
        f"{CRASH}::test_aufgezeichneter_lauf_passt_zum_code",
    ),
    Mutant(
        "Starter hängt sich nicht an",
        "absturz_und_weiter/starter.py",
        "WorkflowIDConflictPolicy.USE_EXISTING",
        "WorkflowIDConflictPolicy.FAIL",
        f"{CRASH}::test_von_hand_mit_worker_und_starter",
    ),
    Mutant(
        "Dateiname nicht aus der Bestellnummer",
        "hallo/activities.py",
        'f"{order.order_id}.txt"',
        'f"{activity.info().attempt}.txt"',
        f"{HELLO}::test_activity_laeuft_zweimal_und_wirkt_einmal",
    ),
    Mutant(
        "Cent ohne führende Null",
        "hallo/activities.py",
        "{cents:02d}",
        "{cents}",
        f"{HELLO}::test_activity_laeuft_zweimal_und_wirkt_einmal",
    ),
    Mutant(
        "Workflow wartet nicht auf die Activity",
        "hallo/workflow.py",
        "return await workflow.execute_activity_method",
        "return workflow.start_activity_method",
        f"{HELLO}::test_ein_schreiben_liegt_im_postausgang",
    ),
]


def run_tests(tests: str, examples: Path) -> subprocess.CompletedProcess[str]:
    """Führt `tests` gegen das Paket unter `examples` aus."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", f"tests/kapitel01/{tests}"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(examples)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.mark.mutant
@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.name for mutant in MUTANTS])
def test_mutant_macht_einen_test_rot(mutant: Mutant, tmp_path: Path) -> None:
    shutil.copytree(PACKAGE, tmp_path / "kapitel01", ignore=shutil.ignore_patterns("__pycache__"))
    file = tmp_path / "kapitel01" / mutant.file
    text = file.read_text(encoding="utf-8")
    assert mutant.old in text, "Die Stelle gibt es nicht mehr; der Mutant prüft nichts."
    file.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
    done = run_tests(mutant.tests, tmp_path)
    # 1: ein Test ist rot. Alles andere hieße, dass gar kein Test lief.
    assert done.returncode == 1, done.stdout[-2000:]


@pytest.mark.mutant
def test_unbeschaedigte_kopie_bleibt_gruen(tmp_path: Path) -> None:
    shutil.copytree(PACKAGE, tmp_path / "kapitel01", ignore=shutil.ignore_patterns("__pycache__"))
    assert run_tests(HELLO, tmp_path).returncode == 0
