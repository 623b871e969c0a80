"""Beschädigter Code muss auffallen: je Mutant ein Testlauf gegen eine Kopie des Kapitels, in dem ein Test rot wird.

Ein Muster führt seine Mutanten auf und erbt den Rest:

    class TestMutants(MutantTests):
        chapter = "kapitel02"
        file = "test_activity_auswahl.py"
        mutants = MUTANTS

Die Testläufe brauchen `--mutanten`; mit `-n 2` verteilt xdist die Muster auf Prozesse.
"""

import gc
import json
import multiprocessing
import os
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar

import hypothesis
import pytest

ROOT = Path(__file__).parents[1]
# Was die Kapitel und ihre Tests brauchen, außer ihnen selbst; jeder Testlauf erspart sich so den Import.
PRELOADED = [
    "cryptography.hazmat.primitives.ciphers.aead",
    "cryptography.x509",
    "dauerlauf.scenario",
    "dauerlauf.testing",
    "dauerlauf.worker_process",
    "httpcore",
    "httpx",
    "hypothesis",
    "pydantic",
    "pytest",
    "pytest_asyncio.plugin",
    "pytest_timeout",
    "starlette.applications",
    "starlette.middleware.cors",
    "starlette.routing",
    "temporalio.contrib.pydantic",
    "typer",
    "unittest.mock",
    "uvicorn",
    "yaml",
]


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
        code, output = self._run(tmp_path, mutant.tests)
        # 1: ein Test ist rot. Alles andere hieße, dass gar kein Test lief.
        assert code == 1, output

    @pytest.mark.mutant
    def test_unbeschaedigte_kopie_bleibt_gruen(self, tmp_path: Path) -> None:
        self._copy(tmp_path)
        tests = tuple(dict.fromkeys(test for mutant in self.mutants for test in mutant.tests))
        code, output = self._run(tmp_path, tests)
        assert code == 0, output

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

    def _run(self, folder: Path, tests: tuple[str, ...]) -> tuple[int, str]:
        """Exit-Code und Ausgabe eines Testlaufs gegen die Kopie in `folder`."""
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(PRELOADED)
        output = folder / "ausgabe.txt"
        names = [f"{self.file}::{test}" for test in tests]
        arguments = (ROOT / "tests" / self.chapter, folder, names, output, _search_attributes())
        process = context.Process(target=_inner_run, args=arguments)
        process.start()
        process.join(110)
        if process.exitcode is None:
            process.kill()
            process.join()
        assert process.exitcode is not None
        return process.exitcode, output.read_text("utf-8")


@cache
def _search_attributes() -> str:
    """Die Suchattribute aller Muster als JSON; sie selbst zu sammeln hieße für den Testlauf, alle Kapitel zu laden."""
    from dauerlauf.scenario import patterns, search_attributes

    return json.dumps(search_attributes(patterns().values()))


def _inner_run(cwd: Path, folder: Path, tests: list[str], output: Path, search_attributes: str) -> None:
    """Der Testlauf in einem Prozess, der schon alles geladen hat, nur das Kapitel nicht; endet mit dessen Exit-Code."""
    with output.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.chdir(cwd)
    # Was xdist und pytest dem äußeren Lauf mitgeben, verwirrte den inneren.
    for name in [name for name in os.environ if name.startswith("PYTEST_")]:
        del os.environ[name]
    os.environ |= {
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTHONPATH": str(folder),
        "MUTANT": str(folder / cwd.name),
        "SUCHATTRIBUTE": search_attributes,
    }
    sys.path.insert(0, str(folder))
    # Derselbe Mutant soll jedes Mal auf dieselbe Art auffallen.
    hypothesis.settings.load_profile("ci")
    # Nur die nötigen Plugins, ohne umgeschriebene `assert`, und was schon geladen ist, sieht die Müllabfuhr nicht
    # mehr an: So kostet ein Lauf 2 s weniger.
    gc.freeze()
    code = pytest.main([
        "-x", "-q", "--tb=short", "--show-capture=no", "--assert=plain", "-p", "no:cacheprovider",
        "-p", "no:unraisableexception",
        "-p", "pytest_asyncio.plugin", "-p", "pytest_timeout", "-p", "dauerlauf.pytest_plugin", "--timeout=50",
        *tests,
    ])  # fmt: skip
    sys.stdout.flush()
    sys.exit(int(code))
