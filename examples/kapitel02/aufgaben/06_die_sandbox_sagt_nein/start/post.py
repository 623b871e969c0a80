"""Die Poststelle. Diese Datei ist vorgegeben."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from temporalio import activity


@dataclass
class Letter:
    """Ein Brief; `written` und `due` sind Zeitpunkte in UTC, nach ISO 8601."""

    number: str
    subject: str
    written: str
    due: str
    fee_cents: int


class PostOffice:
    """Verschickt Briefe; `book` ist das Postausgangsbuch, ein Brief je Zeile."""

    def __init__(self, book: str) -> None:
        self._book = Path(book)

    @activity.defn
    def send(self, letter: Letter) -> None:
        """Verschickt einen Brief."""
        with self._book.open("a", encoding="utf-8") as book:
            book.write(json.dumps(asdict(letter)) + "\n")
