"""Beschädigter Code muss auffallen: ein eigener Testlauf gegen eine beschädigte Kopie des Kapitels."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "examples" / "kapitel02" / "kapitel02"


@dataclass(frozen=True)
class Mutant:
    """Eine Ersetzung in einer Datei des Kapitels und der Test, der davon rot werden muss."""

    name: str
    file: str
    old: str
    new: str
    test: str


def copy_package(folder: Path) -> Path:
    """Legt eine Kopie des Kapitels in `folder` an und gibt ihren Ordner zurück."""
    copy = folder / "kapitel02"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def run_tests(test: str, examples: Path) -> subprocess.CompletedProcess[str]:
    """Führt `test` (unter tests/kapitel02) gegen das Paket unter `examples` aus."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", f"tests/kapitel02/{test}"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(examples)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def must_turn_red(mutant: Mutant, folder: Path) -> None:
    """Beschädigt eine Kopie und verlangt, dass der Test scheitert."""
    file = copy_package(folder) / mutant.file
    text = file.read_text(encoding="utf-8")
    assert mutant.old in text, "Die Stelle gibt es nicht mehr; der Mutant prüft nichts."
    file.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
    done = run_tests(mutant.test, folder)
    # 1: ein Test ist rot. Alles andere hieße, dass gar kein Test lief.
    assert done.returncode == 1, done.stdout[-2000:]
