"""Beispieldateien: die Retouren eines Tages, mit und ohne kaputte Zeilen."""

import argparse
import csv
from collections.abc import Iterable
from pathlib import Path

from kapitel07.dead_letter_queue.ledger import RefundLedger
from kapitel07.dead_letter_queue.models import ReturnRow

IBAN = "DE89370400440532013000"

# Woran eine Zeile scheitert: zwei Fehler in der Zeile, einer in den Stammdaten.
UNREADABLE_AMOUNT = {"amount": "49.9O"}
WRONG_IBAN = {"iban": "DE89370400440532013001"}
UNKNOWN_SALE = {"order": "N-9999"}


def row(number: str, **changes: str) -> ReturnRow:
    """Eine Zeile, die gelingt – bis auf `changes`."""
    values = {"order": f"N-{number[2:]}", "iban": IBAN, "amount": "49,90"} | changes
    return ReturnRow(number, **values)


def mixed(count: int, every: int = 10) -> list[ReturnRow]:
    """`count` Zeilen; jede `every`-te ist kaputt, reihum auf eine der drei Arten."""
    poisons = (UNREADABLE_AMOUNT, WRONG_IBAN, UNKNOWN_SALE)
    return [
        row(f"R-{n:04}", **poisons[n // every % 3] if n % every == 0 else {})
        for n in range(1, count + 1)
    ]


def write_file(path: Path, rows: Iterable[ReturnRow]) -> None:
    """Schreibt die Datei so, wie der Marktplatz sie liefert."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(("nummer", "auftrag", "iban", "betrag"))
        writer.writerows((r.number, r.order, r.iban, r.amount) for r in rows)


def open_books(folder: Path, rows: Iterable[ReturnRow]) -> None:
    """Legt das Erstattungsbuch an; es kennt alle Aufträge außer `UNKNOWN_SALE`."""
    ledger = RefundLedger(folder)
    ledger.add_sales(*(r.order for r in rows if r.order != UNKNOWN_SALE["order"]))
    ledger.close()


def main() -> None:
    """Kommandozeile: legt Buch und Datei eines Beispieltags an."""
    parser = argparse.ArgumentParser(description="Die Retouren eines Tages.")
    parser.add_argument("--ordner", type=Path, default=Path("nordlicht-daten"))
    folder: Path = parser.parse_args().ordner
    rows = mixed(30)
    open_books(folder, rows)
    write_file(folder / "retouren.csv", rows)
    print(f"export NORDLICHT_ORDNER={folder.resolve()}")


if __name__ == "__main__":
    main()
