"""Auch die Quelle der Probeseite ist getesteter Code."""

import sqlite3

from beispiel import Ledger, book


def test_gleicher_schluessel_bucht_einmal() -> None:
    ledger = sqlite3.connect(":memory:")
    ledger.execute("CREATE TABLE booking (key TEXT PRIMARY KEY, cents INTEGER)")
    assert book(ledger, "B-1001", 4990)
    assert not book(ledger, "B-1001", 4990)
    assert ledger.execute("SELECT sum(cents) FROM booking").fetchone() == (4990,)
    ledger.close()


def test_summe() -> None:
    ledger = Ledger()
    ledger.entries += [100, 250]
    assert ledger.total() == 350
