"""Die Paketliste des Tages und der Frachtführer, bei dem jedes Paket anzumelden ist."""

import argparse
import csv
import sqlite3
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path


@dataclass(frozen=True)
class Parcel:
    """Eine Zeile der Paketliste; Zeilen zählen ab 1."""

    row: int
    number: str
    postcode: str


def write_manifest(folder: Path, rows: int) -> Path:
    """Schreibt eine Paketliste mit `rows` Zeilen; sie ändert sich danach nicht mehr."""
    file = folder / "pakete.csv"
    with file.open("w", encoding="utf-8", newline="") as out:
        lines = ((f"P-{row:04}", f"{24937 + row % 9}") for row in range(1, rows + 1))
        csv.writer(out).writerows(lines)
    return file


def read_manifest(file: Path, start: int) -> Iterator[Parcel]:
    """Die Zeilen der Paketliste ab Zeile `start`."""
    with file.open(encoding="utf-8", newline="") as lines:
        rows = islice(csv.reader(lines), start - 1, None)
        for row, (number, postcode) in enumerate(rows, start):
            yield Parcel(row, number, postcode)


class Carrier:
    """Der Frachtführer: jede Anmeldung eine Rechnungszeile, jeder Aufruf ein Strich.

    `seconds`: So lange dauert ein Aufruf mindestens.
    """

    def __init__(self, path: Path, *, seconds: float = 0) -> None:
        self._seconds = seconds
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, timeout=10, check_same_thread=False)
        # Den Tod des Prozesses übersteht die Datei auch so, nur nicht den des Rechners.
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.execute("CREATE TABLE IF NOT EXISTS calls(parcel TEXT NOT NULL)")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS announcements(parcel TEXT NOT NULL,"
            " key TEXT UNIQUE)"
        )

    def announce(self, parcel: Parcel, *, key: str | None = None) -> None:
        """Meldet ein Paket an; ein bekannter Schlüssel wirkt nicht noch einmal."""
        time.sleep(self._seconds)
        with self._lock, self._db as db:
            db.execute("INSERT INTO calls VALUES (?)", (parcel.number,))
            insert = "INSERT INTO announcements VALUES (?, ?) ON CONFLICT DO NOTHING"
            db.execute(insert, (parcel.number, key))

    def announced(self) -> list[str]:
        """Die Paketnummern aller Rechnungszeilen."""
        return self._parcels("SELECT parcel FROM announcements ORDER BY rowid")

    def calls(self) -> list[str]:
        """Die Paketnummern aller Aufrufe, in ihrer Reihenfolge."""
        return self._parcels("SELECT parcel FROM calls ORDER BY rowid")

    def _parcels(self, query: str) -> list[str]:
        with self._lock:
            return [row[0] for row in self._db.execute(query)]


def carrier_file(folder: Path) -> Path:
    """Die Datei des Frachtführers in `folder`."""
    return folder / "frachtfuehrer.sqlite3"


def audit(folder: Path) -> list[str]:
    """Zählt die Aufrufe und vergleicht die Rechnung mit der Paketliste."""
    carrier = Carrier(carrier_file(folder))
    billed, calls = carrier.announced(), len(carrier.calls())
    manifest = folder / "pakete.csv"
    wanted = [parcel.number for parcel in read_manifest(manifest, 1)]
    missing = len(set(wanted) - set(billed))
    twice = len(billed) - len(set(billed))
    return [
        f"Frachtführer: {calls} Aufrufe",
        f"Rechnung: {len(billed)} Pakete, davon doppelt: {twice}, fehlend: {missing}",
    ]


def main() -> None:
    """Kommandozeile: schreibt eine Paketliste oder prüft die Rechnung."""
    parser = argparse.ArgumentParser(description="Paketliste und Rechnung.")
    parser.add_argument("--daten", type=Path, default=Path("nordlicht-daten"))
    parser.add_argument("--neu", type=int, metavar="ZEILEN", help="Liste schreiben")
    arguments = parser.parse_args()
    arguments.daten.mkdir(exist_ok=True)
    if arguments.neu:
        print(write_manifest(arguments.daten, arguments.neu))
    else:
        print("\n".join(audit(arguments.daten)))


if __name__ == "__main__":
    main()
