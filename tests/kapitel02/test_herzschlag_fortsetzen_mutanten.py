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
PATTERN = "herzschlag_fortsetzen"


@dataclass(frozen=True)
class Mutant:
    """Eine Ersetzung in einer Datei des Musters und der Test, der rot werden muss."""

    name: str
    file: str
    old: str
    new: str
    test: str


EVERYWHERE = "an_jeder_stelle"
MUTANTS = [
    Mutant(
        "merkt die erledigte Zeile",
        "activities.py",
        "Position(next_row=row + 1)",
        "Position(next_row=row)",
        EVERYWHERE,
    ),
    Mutant(
        "überspringt eine Zeile",
        "activities.py",
        "Position(next_row=row + 1)",
        "Position(next_row=row + 2)",
        EVERYWHERE,
    ),
    Mutant(
        "liest die Position nicht",
        "activities.py",
        "if details else Position()",
        "if False else Position()",
        EVERYWHERE,
    ),
    Mutant(
        "meldet vor der Wirkung",
        "activities.py",
        "            stop_if_asked()\n",
        "            activity.heartbeat(Position(next_row=parcel.row + 1))\n            stop_if_asked()\n",
        EVERYWHERE,
    ),
    Mutant(
        "meldet ohne Position",
        "activities.py",
        "activity.heartbeat(Position(next_row=row + 1))",
        "activity.heartbeat()",
        EVERYWHERE,
    ),
    Mutant("meldet gar nicht", "activities.py", "activity.heartbeat(Position(next_row=row + 1))", "pass", EVERYWHERE),
    Mutant(
        "Paket ohne Schlüssel", "activities.py", "announce(parcel, key=parcel.number)", "announce(parcel)", EVERYWHERE
    ),
    Mutant("Frachtführer ohne Eindeutigkeit", "services.py", "key TEXT UNIQUE", "key TEXT", EVERYWHERE),
    Mutant(
        "Liste beginnt eine Zeile zu spät",
        "services.py",
        "csv.reader(lines), start - 1, None",
        "csv.reader(lines), start, None",
        "paketliste",
    ),
    Mutant(
        "hört beim Beenden des Workers nicht auf",
        "activities.py",
        "if activity.is_worker_shutdown():",
        "if False:",
        "geordnetes_ende",
    ),
    Mutant(
        "gibt beim Beenden nicht wiederholbar ab",
        "activities.py",
        'type="WorkerShutdown")',
        'type="WorkerShutdown", non_retryable=True)',
        "geordnetes_ende",
    ),
    Mutant(
        "hört bei Abbruch nicht auf",
        "activities.py",
        "if activity.is_cancelled():",
        "if False:",
        "abbruch_endet",
    ),
    Mutant(
        "Abbruch trifft mitten ins Paket",
        "activities.py",
        "@activity.defn(no_thread_cancel_exception=True)",
        "@activity.defn",
        "abbruch_endet",
    ),
    Mutant(
        "Abbruch ohne Warten",
        "workflow.py",
        "ActivityCancellationType.WAIT_CANCELLATION_COMPLETED",
        "ActivityCancellationType.TRY_CANCEL",
        "abbruch_endet",
    ),
    Mutant(
        "ohne Heartbeat-Timeout",
        "workflow.py",
        "            heartbeat_timeout=timedelta(seconds=job.heartbeat_seconds),  # (!)\n",
        "",
        "beide_fristen",
    ),
    Mutant(
        "Worker lässt beim Beenden keine Zeit",
        "worker.py",
        "        graceful_shutdown_timeout=timedelta(seconds=10),\n",
        "",
        "worker_laesst",
    ),
    Mutant(
        "Start-To-Close statt zwei Stunden",
        "workflow.py",
        "timedelta(hours=2)",
        "timedelta(seconds=2)",
        "beide_fristen",
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
        timeout=110,
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
