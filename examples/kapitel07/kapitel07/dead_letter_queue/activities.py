"""Die Activities: lesen, buchen, anhalten, ablegen, wiederholen.

Alle laufen in Threads, denn SQLite wartet blockierend. Jede nennt ihren
Idempotenzschlüssel; keine wirkt ein zweites Mal, wenn der Server sie wiederholt.
"""

import csv
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from kapitel07.dead_letter_queue.ledger import RefundLedger, RejectedError
from kapitel07.dead_letter_queue.letters import LetterTable, NotPossibleError
from kapitel07.dead_letter_queue.models import (
    BookRequest,
    Disposal,
    GiveBack,
    Letter,
    ReadRows,
    Receipt,
    RedriveOne,
    Reminder,
    ReturnRow,
    SelectLetters,
    State,
    Trouble,
)

SKIPPED = "übersprungen"


def folder_from_environment() -> Path:
    """Der Ordner aus `NORDLICHT_ORDNER`; wirft `KeyError`, wenn sie fehlt."""
    return Path(os.environ["NORDLICHT_ORDNER"])


# --8<-- [start:rejected]
@contextmanager
def no_is_final() -> Iterator[None]:
    """Macht aus einem fachlichen Nein einen Fehler, den Temporal nicht wiederholt."""
    try:
        yield
    except RejectedError as error:
        benign = ApplicationErrorCategory.BENIGN
        raise ApplicationError(
            str(error), type=error.kind, non_retryable=True, category=benign
        ) from None


# --8<-- [end:rejected]


class ReturnActivities:
    """Die Arbeit an Retouren; wo die Bücher liegen, sagt der Worker."""

    def __init__(self, folder: Path) -> None:
        self._ledger = RefundLedger(folder)
        self._letters = LetterTable(folder)

    @activity.defn(no_thread_cancel_exception=True)
    def read_rows(self, request: ReadRows) -> list[ReturnRow]:
        """Liest einen Abschnitt der Datei. Liest nur; die Datei darf sich nicht ändern.

        Wirft nicht wiederholbar `DateiFehlt`.
        """
        try:
            with Path(request.file).open(encoding="utf-8", newline="") as file:
                lines = csv.DictReader(file, delimiter=";")
                return [
                    ReturnRow(
                        number=line["nummer"] or "",
                        order=line["auftrag"] or "",
                        iban=line["iban"] or "",
                        amount=line["betrag"] or "",
                    )
                    for line in islice(
                        lines, request.first, request.first + request.limit
                    )
                ]
        except FileNotFoundError as error:
            raise ApplicationError(
                f"Die Datei {request.file} gibt es nicht.",
                type="DateiFehlt",
                non_retryable=True,
            ) from error

    # --8<-- [start:book]
    @activity.defn(no_thread_cancel_exception=True)
    def book_return(self, request: BookRequest) -> Receipt:
        """Zahlt die Erstattung aus. Idempotent über `row.key`."""
        with no_is_final():
            return self._ledger.book(request)

    @activity.defn(no_thread_cancel_exception=True)
    def hold_return(self, request: BookRequest) -> Receipt | None:
        """Beendet die Runde im Buch. Idempotent über `row.key` und `round`."""
        return self._ledger.hold(request)

    # --8<-- [end:book]

    # --8<-- [start:put]
    @activity.defn(no_thread_cancel_exception=True)
    def put_letter(self, letter: Letter) -> Receipt | None:
        """Legt den Posten in die Tabelle, außer er ist doch gebucht.

        Idempotent über `row.key` im Buch und `row.number` in der Tabelle.
        """
        receipt = self._ledger.hold(BookRequest(letter.row, letter.round))  # (!)
        if receipt is None:
            self._letters.put(letter)
        return receipt

    # --8<-- [end:put]

    @activity.defn(no_thread_cancel_exception=True)
    def record_discard(self, disposal: Disposal) -> None:
        """Hält einen verworfenen Posten fest. Idempotent über `row.number`."""
        self._letters.record_discard(disposal.letter, disposal.discard)

    @activity.defn(no_thread_cancel_exception=True)
    def send_reminder(self, reminder: Reminder) -> None:
        """Legt eine Mail in den Postausgang. Idempotent über `reminder.key`."""
        self._letters.send(reminder)

    @activity.defn(no_thread_cancel_exception=True)
    def select_letters(self, request: SelectLetters) -> list[str]:
        """Die nächsten Nummern einer Wiederholung. Liest nur."""
        return self._letters.select(request.selection, request.after, request.limit)

    # --8<-- [start:redrive]
    @activity.defn(no_thread_cancel_exception=True)
    def redrive_letter(self, one: RedriveOne) -> str:
        """Nimmt einen Brief in Arbeit und bucht ihn. Idempotent über `one.redrive`."""
        try:
            letter = self._letters.claim(one.number, one.redrive, one.operator)
        except NotPossibleError:
            return SKIPPED
        if letter.redrive != one.redrive:  # jemand anders war schneller
            return SKIPPED
        if letter.state != State.RUNNING:  # ein früherer Versuch wurde schon fertig
            return letter.state
        request = BookRequest(letter.row, letter.round)
        try:
            receipt = self._ledger.book(request)
        except RejectedError as error:
            return self._return(one, request, Trouble(error.kind, str(error)))
        self._letters.settle(one.number, one.redrive, receipt.reference)
        return State.DONE

    # --8<-- [end:redrive]

    @activity.defn(no_thread_cancel_exception=True)
    def give_back_letter(self, back: GiveBack) -> str:
        """Der Anlauf ist gescheitert. Idempotent über `one.redrive`."""
        one = back.one
        letter = self._letters.claim(one.number, one.redrive, one.operator)
        if letter.redrive != one.redrive:
            return SKIPPED
        if letter.state != State.RUNNING:
            return letter.state
        request = BookRequest(letter.row, letter.round)
        return self._return(one, request, back.trouble)

    def _return(self, one: RedriveOne, request: BookRequest, trouble: Trouble) -> str:
        if receipt := self._ledger.hold(request):
            self._letters.settle(one.number, one.redrive, receipt.reference)
            return State.DONE
        self._letters.give_back(one.number, one.redrive, trouble)
        return State.PARKED

    def all(self) -> list[Callable[..., Any]]:
        """Alle Activities, für den Worker."""
        return [
            self.read_rows,
            self.book_return,
            self.hold_return,
            self.put_letter,
            self.record_discard,
            self.send_reminder,
            self.select_letters,
            self.redrive_letter,
            self.give_back_letter,
        ]
