"""Das Register des Versands: Preise und Rechnungsnummern, eine SQLite-Datei.

Es zählt jeden Aufruf mit. Nur so lässt sich hinterher sagen, was doppelt lief.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

PRICES = {"Buddelschiff": 3490, "Ölzeug": 12900, "Kompass": 5900, "Fischerhemd": 4250}
LOOK_UP = "nachgeschlagen"
DRAW = "gezogen"


class Register:
    """Preisliste und Nummernkreis; jeder Aufruf hinterlässt einen Strich."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "register.sqlite3"
        with closing(self._connect()) as db:
            db.executescript(
                "CREATE TABLE IF NOT EXISTS calls(kind TEXT NOT NULL);"
                "CREATE TABLE IF NOT EXISTS numbers(number INTEGER PRIMARY KEY,"
                " key TEXT UNIQUE);"
            )

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=10, isolation_level=None)

    def price(self, article: str) -> int:
        """Der Stückpreis in Cent; wirft `KeyError` bei einem unbekannten Artikel."""
        with closing(self._connect()) as db:
            db.execute("INSERT INTO calls VALUES (?)", (LOOK_UP,))
        return PRICES[article]

    # --8<-- [start:draw]
    def draw(self, key: str | None) -> int:
        """Zieht die nächste Rechnungsnummer.

        Ein bekannter Schlüssel bekommt seine Nummer wieder, `None` immer eine neue.
        """
        with closing(self._connect()) as db:
            db.execute("INSERT INTO calls VALUES (?)", (DRAW,))
            db.execute("INSERT OR IGNORE INTO numbers(key) VALUES (?)", (key,))
            query = "SELECT max(number) FROM numbers WHERE key IS ?"
            return int(db.execute(query, (key,)).fetchone()[0])

    # --8<-- [end:draw]

    def calls(self, kind: str) -> int:
        """Wie oft das Register so (`LOOK_UP`, `DRAW`) aufgerufen wurde."""
        with closing(self._connect()) as db:
            query = "SELECT count(*) FROM calls WHERE kind = ?"
            return int(db.execute(query, (kind,)).fetchone()[0])

    def numbers(self) -> int:
        """Wie viele Rechnungsnummern vergeben sind."""
        with closing(self._connect()) as db:
            return int(db.execute("SELECT count(*) FROM numbers").fetchone()[0])


def audit(folder: Path) -> str:
    """Was das Register in `folder` weiß, in einer Zeile."""
    register = Register(folder)
    return (
        f"Register: {register.calls(LOOK_UP)} × nachgeschlagen, "
        f"{register.calls(DRAW)} × gezogen, {register.numbers()} Nummer(n) vergeben"
    )
