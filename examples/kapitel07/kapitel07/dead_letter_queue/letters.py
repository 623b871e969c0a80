"""Die Tabelle der toten Briefe: eine eigene SQLite-Datei neben allen Workflows.

Jeder Übergang ist eine Transaktion mit Bedingung; wer zu spät kommt, ändert nichts.
Jeder Übergang schreibt in derselben Transaktion eine Zeile Protokoll.
"""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from kapitel07.dead_letter_queue.database import Database
from kapitel07.dead_letter_queue.models import (
    Discard,
    Letter,
    Reminder,
    ReturnRow,
    Selection,
    State,
    Trouble,
    corrected,
)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS letter(
    number TEXT PRIMARY KEY, row TEXT NOT NULL, kind TEXT NOT NULL, error TEXT NOT NULL,
    source TEXT NOT NULL, state TEXT NOT NULL, round INTEGER NOT NULL,
    redrive TEXT NOT NULL DEFAULT '');
CREATE TABLE IF NOT EXISTS protocol(
    id INTEGER PRIMARY KEY, at TEXT NOT NULL, number TEXT NOT NULL,
    operator TEXT NOT NULL, action TEXT NOT NULL, detail TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS mail(
    key TEXT PRIMARY KEY, recipient TEXT NOT NULL, text TEXT NOT NULL);
"""


class NotPossibleError(Exception):
    """Der Brief ist nicht da oder nicht in dem Zustand, den der Eingriff verlangt."""


@dataclass(frozen=True)
class StoredLetter:
    """Ein Brief, wie er in der Tabelle steht."""

    row: ReturnRow
    trouble: Trouble
    source: str
    state: str
    round: int
    redrive: str


@dataclass(frozen=True)
class Entry:
    """Eine Zeile des Protokolls; `at` ist UTC im Format ISO 8601."""

    at: str
    number: str
    operator: str
    action: str
    detail: str


class LetterTable(Database):
    """Die Tabelle in `folder`; von mehreren Threads und Prozessen benutzbar."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "briefe.sqlite3", _SCHEMA)

    # --8<-- [start:put]
    def put(self, letter: Letter) -> None:
        """Legt den Brief ab, einmal je Posten; ein zweites Mal ändert nichts."""
        with self._transaction() as db:
            inserted = db.execute(
                "INSERT OR IGNORE INTO letter(number, row, kind, error, source, state,"
                " round) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    letter.row.number,
                    json.dumps(asdict(letter.row), ensure_ascii=False),
                    letter.trouble.kind,
                    letter.trouble.text,
                    letter.source,
                    State.PARKED,
                    letter.round,
                ),
            )
            if inserted.rowcount:  # (!)
                self._note(letter.row.number, letter.source, "geparkt", letter.trouble)

    # --8<-- [end:put]

    # --8<-- [start:claim]
    def claim(self, number: str, redrive: str, operator: str) -> StoredLetter:
        """Nimmt den Brief für eine Wiederholung in Arbeit und gibt seinen Stand zurück.

        Derselbe `redrive` nimmt ihn genau einmal. In Arbeit ist er, wenn der Stand
        „läuft“ lautet und `redrive` der eigene ist.
        """
        with self._transaction() as db:
            taken = db.execute(
                "UPDATE letter SET state = ?, round = round + 1, redrive = ?"
                " WHERE number = ? AND state = ? AND redrive <> ?",  # (!)
                (State.RUNNING, redrive, number, State.PARKED, redrive),
            )
            if taken.rowcount:
                self._note(number, operator, "wiederholt", redrive)
            return self._get(number)

    # --8<-- [end:claim]

    def settle(self, number: str, redrive: str, reference: str) -> None:
        """Die Wiederholung gelang: Der Brief ist erledigt."""
        with self._transaction():
            if self._end(number, redrive, State.DONE):
                self._note(number, redrive, "erledigt", reference)

    def give_back(self, number: str, redrive: str, trouble: Trouble) -> None:
        """Die Wiederholung misslang: Der Brief wartet wieder, mit dem neuen Grund."""
        with self._transaction() as db:
            if self._end(number, redrive, State.PARKED):
                db.execute(
                    "UPDATE letter SET kind = ?, error = ? WHERE number = ?",
                    (trouble.kind, trouble.text, number),
                )
                self._note(number, redrive, "geparkt", trouble)

    def release(self, number: str, redrive: str, operator: str) -> None:
        """Gibt einen Brief frei, dessen Wiederholung gewaltsam endete."""
        with self._transaction():
            if self._end(number, redrive, State.PARKED):
                self._note(number, operator, "freigegeben", f"nach {redrive}")

    # --8<-- [start:discard]
    def discard(self, number: str, decision: Discard) -> None:
        """Verwirft einen geparkten Brief; wirft `NotPossibleError`, wenn er das nicht
        mehr ist.
        """
        with self._transaction() as db:
            changed = db.execute(
                "UPDATE letter SET state = ? WHERE number = ? AND state = ?",
                (State.DISCARDED, number, State.PARKED),
            )
            if not changed.rowcount:
                raise NotPossibleError(self._why_not(number))
            self._note(number, decision.operator, "verworfen", decision.reason)

    # --8<-- [end:discard]

    def record_discard(self, letter: Letter, decision: Discard) -> None:
        """Hält fest, dass ein wartender Workflow seinen Posten verworfen hat."""
        self.put(letter)
        with self._transaction() as db:
            changed = db.execute(
                "UPDATE letter SET state = ? WHERE number = ? AND state = ?",
                (State.DISCARDED, letter.row.number, State.PARKED),
            )
            if changed.rowcount:
                self._note(
                    letter.row.number, decision.operator, "verworfen", decision.reason
                )

    def correct(self, number: str, changes: dict[str, str], operator: str) -> None:
        """Berichtigt einen geparkten Brief; wirft `NotPossibleError` oder, bei einer
        Berichtigung, die nichts hilft, `ValueError`.
        """
        with self._transaction() as db:
            letter = self._get(number)
            if letter.state != State.PARKED:
                raise NotPossibleError(self._why_not(number))
            row = corrected(letter.row, changes)
            db.execute(
                "UPDATE letter SET row = ? WHERE number = ?",
                (json.dumps(asdict(row), ensure_ascii=False), number),
            )
            detail = ", ".join(
                f"{name}: {getattr(letter.row, name)!r} → {value!r}"
                for name, value in changes.items()
            )
            self._note(number, operator, "berichtigt", detail)

    def get(self, number: str) -> StoredLetter:
        """Ein Brief; wirft `NotPossibleError`, wenn es keinen gibt."""
        with self._transaction():
            return self._get(number)

    def all(self, state: str = "", kind: str = "") -> list[StoredLetter]:
        """Alle Briefe nach Nummer, wenn angegeben nur die eines Standes oder einer
        Art.
        """
        with self._transaction() as db:
            rows = db.execute(
                f"SELECT {_COLUMNS} FROM letter WHERE (? = '' OR state = ?)"
                " AND (? = '' OR kind = ?) ORDER BY number",
                (state, state, kind, kind),
            ).fetchall()
        return [_stored(row) for row in rows]

    def select(self, selection: Selection, after: str, limit: int) -> list[str]:
        """Die nächsten `limit` gemeinten Nummern nach `after`."""
        if selection.numbers:
            return sorted(n for n in selection.numbers if n > after)[:limit]
        waiting = self.all(State.PARKED, selection.kind)
        return [one.row.number for one in waiting if one.row.number > after][:limit]

    def protocol(self, number: str = "") -> list[Entry]:
        """Das Protokoll in der Reihenfolge der Ereignisse, eines Briefs oder aller."""
        with self._transaction() as db:
            rows = db.execute(
                "SELECT at, number, operator, action, detail FROM protocol"
                " WHERE ? = '' OR number = ? ORDER BY id",
                (number, number),
            ).fetchall()
        return [Entry(*row) for row in rows]

    def send(self, reminder: Reminder) -> None:
        """Legt eine Mail in den Postausgang, einmal je Schlüssel."""
        with self._transaction() as db:
            db.execute(
                "INSERT OR IGNORE INTO mail VALUES (?, ?, ?)",
                (reminder.key, reminder.recipient, reminder.text),
            )

    def mails(self) -> list[Reminder]:
        """Der Postausgang in der Reihenfolge des Eingangs."""
        with self._transaction() as db:
            rows = db.execute("SELECT * FROM mail ORDER BY rowid").fetchall()
        return [Reminder(*row) for row in rows]

    def _end(self, number: str, redrive: str, state: State) -> bool:
        changed = self._db.execute(
            "UPDATE letter SET state = ?"
            " WHERE number = ? AND state = ? AND redrive = ?",
            (state, number, State.RUNNING, redrive),
        )
        return changed.rowcount > 0

    def _get(self, number: str) -> StoredLetter:
        query = f"SELECT {_COLUMNS} FROM letter WHERE number = ?"
        row = self._db.execute(query, (number,)).fetchone()
        if row is None:
            raise NotPossibleError(f"Einen Brief {number} gibt es nicht.")
        return _stored(row)

    def _why_not(self, number: str) -> str:
        state = self._get(number).state
        return f"Der Brief {number} ist nicht geparkt, sein Stand ist „{state}“."

    def _note(self, number: str, operator: str, action: str, detail: object) -> None:
        if isinstance(detail, Trouble):
            detail = f"{detail.kind}: {detail.text}"
        now = datetime.now(UTC).isoformat("T", "seconds")
        self._db.execute(
            "INSERT INTO protocol(at, number, operator, action, detail)"
            " VALUES (?, ?, ?, ?, ?)",
            (now, number, operator, action, detail),
        )


_COLUMNS = "row, kind, error, source, state, round, redrive"


def _stored(row: tuple[str, str, str, str, str, int, str]) -> StoredLetter:
    content, kind, error, source, state, number, redrive = row
    return StoredLetter(
        ReturnRow(**json.loads(content)),
        Trouble(kind, error),
        source,
        state,
        number,
        redrive,
    )
