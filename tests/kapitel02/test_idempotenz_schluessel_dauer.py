"""Was ein Schlüssel den Empfänger kostet; läuft nur mit --bank und druckt die Zahlen (pytest -s)."""

import time
from pathlib import Path
from statistics import median

import pytest

from kapitel02.idempotenz_schluessel.services import Bank

ROWS = 500


class KeylessBank(Bank):
    """Dieselbe Bank ohne Schlüssel: keine eindeutige Spalte, kein Vergleich."""

    def refund(self, key: str, return_id: str, cents: int) -> int:
        """Erstattet bei jedem Aufruf."""
        with self.transaction() as db:
            db.execute("INSERT INTO calls VALUES (?)", (return_id,))
            insert = "INSERT INTO refunds(return_id, cents) VALUES (?, ?) RETURNING number"
            return int(db.execute(insert, (return_id, cents)).fetchone()[0])


@pytest.mark.bank
def test_messung_schluessel_beim_empfaenger(tmp_path: Path) -> None:
    medians, sizes = {}, {}
    for name, book in (
        ("ohne", KeylessBank(tmp_path / "ohne.sqlite3")),
        ("mit", Bank(tmp_path / "mit.sqlite3")),
    ):
        durations = []
        for number in range(ROWS):
            started = time.perf_counter()
            book.refund(f"R-{number}/erstattung", f"R-{number}", 4990)
            durations.append(time.perf_counter() - started)
        medians[name] = median(durations) * 1e6
        sizes[name] = (tmp_path / f"{name}.sqlite3").stat().st_size / ROWS
        print(f"\n{name} Schlüssel: Median {medians[name]:.0f} µs je Erstattung, {sizes[name]:.0f} Byte je Zeile")
    assert sizes == pytest.approx({"ohne": 74, "mit": 106}, rel=0.1)
    assert medians["mit"] < 2 * medians["ohne"] + 1000
