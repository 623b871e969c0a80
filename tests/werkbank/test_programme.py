"""Die Programme der Kapitel: Ohne Server enden sie mit einem Satz statt mit einem Traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kapitel16.verschluesselung.keys import KeyRing

EXAMPLES = Path(__file__).parents[2] / "examples"
PROGRAMS = sorted(
    ".".join(file.relative_to(EXAMPLES).with_suffix("").parts[1:])
    for name in ("worker", "starter", "comparison")
    for file in EXAMPLES.glob(f"kapitel*/kapitel*/*/{name}.py")
    if '__name__ == "__main__"' in file.read_text("utf-8")
)


@pytest.mark.gruendlich  # Jedes Programm braucht gut eine Sekunde Rechenzeit.
@pytest.mark.parametrize("module", PROGRAMS)
def test_ohne_server_endet_das_programm_mit_einem_satz(module: str, tmp_path: Path) -> None:
    KeyRing.create("2026-11").save(tmp_path / "bund.json")
    configured = {
        "TEMPORAL_ADDRESS": "127.0.0.1:1",
        "NORDLICHT_BUILD_ID": "1.0",
        "NORDLICHT_SCHLUESSEL": str(tmp_path / "bund.json"),
        "NORDLICHT_LAGER": str(tmp_path / "lager.sqlite3"),
        **dict.fromkeys(("NORDLICHT_ORDNER", "NORDLICHT_DATEN"), str(tmp_path)),
        **dict.fromkeys(("NORDLICHT_VERSAND", "NORDLICHT_ZAHLUNG", "NORDLICHT_ETIKETTEN"), "http://127.0.0.1:1"),
    }
    program = subprocess.run(
        [sys.executable, "-m", module],
        env={**os.environ, **configured},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (program.returncode, program.stdout) == (2, "")
    assert program.stderr.count("\n") == 1
    assert "Der Temporal Server 127.0.0.1:1 antwortet nicht." in program.stderr


def test_die_programme_werden_gefunden() -> None:
    assert {"kapitel01.hallo.worker", "kapitel01.hallo.starter", "kapitel09.rate_limit.comparison"} < set(PROGRAMS)
