"""Beschädigter Code muss auffallen: je Mutant ein Testlauf gegen eine Kopie des Kapitels, in dem ein Test rot wird.

Ein Muster führt seine Mutanten auf und erbt den Rest:

    class TestMutants(MutantTests):
        chapter = "kapitel02"
        file = "test_activity_auswahl.py"
        mutants = MUTANTS

Die Testläufe brauchen `--mutanten`; mit `-n 2` verteilt xdist die Muster auf Prozesse.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Mutant:
    """Eine Beschädigung: In `file` wird jede Stelle, die es genau einmal gibt, ersetzt; einer von `tests` wird rot."""

    name: str
    file: str
    changes: tuple[tuple[str, str], ...]
    tests: tuple[str, ...]


def mutant(name: str, file: str, old: str, new: str, *tests: str) -> Mutant:
    """Ein Mutant mit einer einzigen Ersetzung."""
    return Mutant(name, file, ((old, new),), tests)


class MutantTests:
    """Die Tests, die jedes Muster mit Mutanten hat."""

    chapter: ClassVar[str]
    """Der Name des Kapitels als Paket, etwa `kapitel02`; die Dateien der Mutanten zählen von dort."""
    file: ClassVar[str]
    """Die Testdatei unter `tests/<chapter>`, in der die Tests der Mutanten stehen."""
    mutants: ClassVar[Sequence[Mutant]]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "mutant" in metafunc.fixturenames:
            metafunc.parametrize("mutant", self.mutants, ids=lambda mutant: mutant.name)

    @pytest.mark.mutant
    def test_mutant_macht_einen_test_rot(self, mutant: Mutant, tmp_path: Path) -> None:
        self._copy(tmp_path, mutant)
        done = self._run(tmp_path, mutant.tests)
        # 1: ein Test ist rot. Alles andere hieße, dass gar kein Test lief.
        assert done.returncode == 1, done.stdout + done.stderr

    @pytest.mark.mutant
    def test_unbeschaedigte_kopie_bleibt_gruen(self, tmp_path: Path) -> None:
        self._copy(tmp_path)
        done = self._run(tmp_path, tuple(dict.fromkeys(test for mutant in self.mutants for test in mutant.tests)))
        assert done.returncode == 0, done.stdout + done.stderr

    def test_jeder_mutant_passt_noch_zum_code(self) -> None:
        for mutant in self.mutants:
            self._damaged(mutant)

    def _damaged(self, mutant: Mutant) -> str:
        """Die Datei des Mutanten nach der Ersetzung; noch immer gültiges Python."""
        original = ROOT / "examples" / self.chapter / self.chapter / mutant.file
        # Marken für hervorgehobene und erläuterte Zeilen gehören den Seiten, nicht dem Code.
        text = re.sub(r"  # \((!|\d+)\)$", "", original.read_text("utf-8"), flags=re.MULTILINE)
        for old, new in mutant.changes:
            assert text.count(old) == 1, f"{mutant.name}: „{old}“ steht {text.count(old)}-mal in {mutant.file}."
            text = text.replace(old, new)
        compile(text, mutant.file, "exec")
        return text

    def _copy(self, folder: Path, mutant: Mutant | None = None) -> None:
        source = ROOT / "examples" / self.chapter / self.chapter
        shutil.copytree(source, folder / self.chapter, ignore=shutil.ignore_patterns("__pycache__"))
        if mutant:
            (folder / self.chapter / mutant.file).write_text(self._damaged(mutant), "utf-8")

    def _run(self, folder: Path, tests: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        # Nur die nötigen Plugins und ohne umgeschriebene `assert`: So kostet ein Lauf 2 s weniger.
        command = [
            sys.executable, "-m", "pytest", "-x", "-q", "--tb=short", "--show-capture=no", "--assert=plain",
            "-p", "no:cacheprovider", "-p", "pytest_asyncio.plugin", "-p", "pytest_timeout",
            "-p", "dauerlauf.pytest_plugin", "--timeout=50",
            *(f"{self.file}::{test}" for test in tests),
        ]  # fmt: skip
        # Was xdist und pytest dem äußeren Lauf mitgeben, verwirrte den inneren.
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
        environment |= {
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTHONPATH": str(folder),
            "MUTANT": str(folder / self.chapter),
        }
        return subprocess.run(
            command,
            cwd=ROOT / "tests" / self.chapter,
            env=environment,
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )
