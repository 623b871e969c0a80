"""Beschädigter Code muss auffallen: je Mutant ein eigener Testlauf, der rot werden soll."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "examples" / "kapitel02" / "kapitel02"
PATTERN = "idempotenz_schluessel"


@dataclass(frozen=True)
class Mutant:
    """Eine Ersetzung in einer Datei des Musters und der Test, der rot werden muss."""

    name: str
    file: str
    old: str
    new: str
    test: str


MUTANTS = [
    Mutant("Bank ohne Eindeutigkeit", "services.py", "key TEXT UNIQUE", "key TEXT", "gleichzeitige_aufrufe"),
    Mutant(
        "Bank bucht bei bekanntem Schlüssel",
        "services.py",
        '" ON CONFLICT(key) DO NOTHING"',
        '" ON CONFLICT(key) DO UPDATE SET cents = excluded.cents"',
        "bank_weist_anderen_inhalt_ab",
    ),
    Mutant(
        "Bank vergleicht nur den Betrag",
        "services.py",
        "content != [return_id, cents]",
        "content[1] != cents",
        "bank_weist_anderen_inhalt_ab",
    ),
    Mutant(
        "Bank vergleicht nur die Retoure",
        "services.py",
        "content != [return_id, cents]",
        "content[0] != return_id",
        "anderer_inhalt_unter_demselben_schluessel",
    ),
    Mutant(
        "Konflikt wird wiederholt",
        "activities.py",
        "non_retryable=True",
        "non_retryable=False",
        "konflikt_wird_nicht_wiederholt",
    ),
    Mutant(
        "Schlüssel je Versuch",
        "activities.py",
        "self._bank.refund(request.key,",
        'self._bank.refund(f"{request.key}-{activity.info().attempt}",',
        "tod_nach_der_erstattung",
    ),
    Mutant(
        "Schlüssel mit Run-ID",
        "workflow.py",
        'f"{case.return_id}/erstattung"',
        'f"{workflow.info().run_id}/erstattung"',
        "verfallener_schluessel",
    ),
    Mutant(
        "Schlüssel enthält den Inhalt",
        "workflow.py",
        'f"{case.return_id}/erstattung"',
        'f"{case.return_id}/{case.cents}/erstattung"',
        "anderer_inhalt_unter_demselben_schluessel",
    ),
    Mutant(
        "Abholung ohne Nachfrage",
        "activities.py",
        "number = self._pickups.find(request.return_id)",
        "number = None",
        "nachfrage_findet",
    ),
    Mutant("Abholung ohne Abwarten", "activities.py", "        if wait:", "        if False:", "merkbuch_schliesst"),
    Mutant(
        "Abholung ohne Vormerkung",
        "activities.py",
        "wait = self._claims.claim(request.key, now, LATEST_ARRIVAL)",
        "wait = LATEST_ARRIVAL * 0",
        "merkbuch_schliesst",
    ),
    Mutant(
        "Pause nach der Retry-Policy statt nach der Frist",
        "activities.py",
        "next_retry_delay=wait,",
        "next_retry_delay=None,",
        "merkbuch_schliesst",
    ),
    Mutant("Vormerkung ohne Frist", "services.py", "if wait > timedelta():", "if True:", "vormerkung_gilt"),
    Mutant(
        "Vormerkung wird nicht erneuert",
        "services.py",
        "INSERT OR REPLACE INTO claims",
        "INSERT OR IGNORE INTO claims",
        "vormerkung_gilt",
    ),
    Mutant(
        "Punkte ohne natürlichen Schlüssel",
        "services.py",
        "deductions(return_id TEXT PRIMARY KEY,",
        "deductions(return_id TEXT,",
        "natuerlicher_schluessel",
    ),
    Mutant("Punkte werden vergessen", "activities.py", "case.points)", "0)", "glatter_lauf"),
    Mutant(
        "Abholung vor der Erstattung",
        "workflow.py",
        "        refunded = await",
        "        await call(ReturnSteps.order_pickup, pickup, **step)\n        refunded = await",
        "aufgezeichneter_lauf",
    ),
]


def run_tests(selection: str, examples: Path) -> subprocess.CompletedProcess[str]:
    """Führt die ausgewählten Tests gegen das Paket unter `examples` aus."""
    file = f"tests/kapitel02/test_{PATTERN}.py"
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", file, "-k", selection],
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
    shutil.copytree(PACKAGE, tmp_path / "kapitel02", ignore=shutil.ignore_patterns("__pycache__"))
    file = tmp_path / "kapitel02" / PATTERN / mutant.file
    text = file.read_text(encoding="utf-8")
    assert mutant.old in text, "Die Stelle gibt es nicht mehr; der Mutant prüft nichts."
    file.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
    done = run_tests(mutant.test, tmp_path)
    # 1: ein Test ist rot. Alles andere hieße, dass gar kein Test lief.
    assert done.returncode == 1, done.stdout[-2000:]
    assert "Error" in done.stdout


@pytest.mark.mutant
def test_unbeschaedigte_kopie_bleibt_gruen(tmp_path: Path) -> None:
    shutil.copytree(PACKAGE, tmp_path / "kapitel02", ignore=shutil.ignore_patterns("__pycache__"))
    done = run_tests("", tmp_path)
    assert done.returncode == 0, done.stdout[-2000:]
