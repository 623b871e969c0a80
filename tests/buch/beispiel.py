"""Eine Quelle für die Probeseite: Abschnitte, Marken, Nummern."""

# --8<-- [start:ganz]
import sqlite3


# --8<-- [start:buchen]
def book(ledger: sqlite3.Connection, key: str, cents: int) -> bool:
    """Bucht einmal je Schlüssel; False, wenn die Buchung schon da war."""
    cursor = ledger.execute(  # (1)
        "INSERT OR IGNORE INTO booking (key, cents) VALUES (?, ?)",  # (!)  # (2)
        (key, cents),
    )
    ledger.commit()  # (!sichern)
    return cursor.rowcount == 1


# --8<-- [end:buchen]
# --8<-- [end:ganz]


# --8<-- [start:teile]
class Ledger:
    """Ein Buch."""

    # --8<-- [end:teile]

    def __init__(self) -> None:
        self.entries: list[int] = []

    # --8<-- [start:teile]
    def total(self) -> int:
        """Die Summe in Cent."""
        return sum(self.entries)

    # --8<-- [end:teile]
