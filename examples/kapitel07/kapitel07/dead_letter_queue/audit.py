"""Die Revision: Jeder Posten hat genau ein Ende, in Buch und Tabelle."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kapitel07.dead_letter_queue.ledger import payments
from kapitel07.dead_letter_queue.letters import LetterTable
from kapitel07.dead_letter_queue.models import ReturnRow, State


@dataclass(frozen=True)
class Audit:
    """Wie viele Posten wo geendet sind, und jeder Widerspruch in einem Satz."""

    done: int
    parked: int
    discarded: int
    findings: list[str]

    def describe(self) -> str:
        """Das Ergebnis in einer Zeile."""
        counts = (
            f"{self.done} erledigt, {self.parked} geparkt, {self.discarded} verworfen"
        )
        return f"{counts}; Widersprüche: {len(self.findings)}"


# --8<-- [start:audit]
def audit(
    folder: Path, rows: Iterable[ReturnRow], waiting: Iterable[str] = ()
) -> Audit:
    """Prüft alle Posten gegen Buch und Tabelle.

    `waiting` sind die Nummern, die in einem Workflow warten; sie gelten als geparkt.
    """
    table = LetterTable(folder)
    letters = {one.row.number: one.state for one in table.all()}
    table.close()
    paid = Counter(key for key, _ in payments(folder))
    in_workflows = Counter(waiting)
    ends: Counter[str] = Counter()
    findings = []
    for row in rows:
        found = [State.DONE] * paid[row.key] + [State.PARKED] * in_workflows[row.number]
        letter = letters.get(row.number)
        if letter in (State.PARKED, State.DISCARDED):
            found.append(State(letter))
        if len(found) != 1 or letter == State.RUNNING:
            findings.append(f"{row.number}: {', '.join(found) or 'kein Ende'}")
        ends.update(found)
    return Audit(ends[State.DONE], ends[State.PARKED], ends[State.DISCARDED], findings)


# --8<-- [end:audit]
