"""Falscher Code: die Dead Letter Queue, wie sie oft veröffentlicht wird. Die Tests
beweisen den Schaden, die Seite zeigt ihn.

`WrongImportWorkflow` hat vier Fehler. Die beiden Unterklassen beheben je einen, damit
der nächste zu sehen ist.
"""

import asyncio
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from kapitel07.dead_letter_queue.activities import ReturnActivities
    from kapitel07.dead_letter_queue.models import BookRequest, ReturnRow


class WrongTable:
    """Falsch: eine Tabelle ohne Schlüssel."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "falsch.sqlite3"
        with closing(sqlite3.connect(self._file)) as db:
            db.execute("CREATE TABLE IF NOT EXISTS letter(number TEXT)")

    # --8<-- [start:write]
    @activity.defn
    def write_letters(self, numbers: list[str]) -> None:
        """Falsch: Läuft sie zweimal, steht alles doppelt da."""
        with closing(sqlite3.connect(self._file)) as db, db:
            rows = [(number,) for number in numbers]
            db.executemany("INSERT INTO letter VALUES (?)", rows)

    # --8<-- [end:write]

    def numbers(self) -> list[str]:
        """Was in der Tabelle steht."""
        with closing(sqlite3.connect(self._file)) as db:
            return [number for (number,) in db.execute("SELECT number FROM letter")]


@workflow.defn
class WrongImportWorkflow:
    """Falsch: hängt an der ersten kaputten Zeile."""

    # --8<-- [start:run]
    @workflow.run
    async def run(self, rows: list[ReturnRow]) -> int:
        """Falsch: sammelt im Speicher und schreibt erst am Ende."""
        parked = []
        for row in rows:
            try:
                await self._book(row)
            except ApplicationError:
                parked.append(row.number)  # nur im Speicher
        await workflow.execute_activity_method(
            WrongTable.write_letters,
            parked,
            start_to_close_timeout=timedelta(seconds=10),
            retry_policy=RetryPolicy(maximum_attempts=5),
        )
        return len(parked)

    # --8<-- [end:run]

    # --8<-- [start:book]
    async def _book(self, row: ReturnRow) -> None:
        for _ in range(3):  # Retries von Hand
            try:
                await workflow.execute_activity_method(
                    ReturnActivities.book_return,
                    BookRequest(row),
                    start_to_close_timeout=timedelta(seconds=10),
                    retry_policy=RetryPolicy(maximum_attempts=1),
                )
                return
            except ActivityError:
                await self._pause()
        raise self._given_up(row)

    async def _pause(self) -> None:
        await asyncio.sleep(timedelta(seconds=10))  # type: ignore[call-overload]

    def _given_up(self, row: ReturnRow) -> ApplicationError:
        return ApplicationError("aufgegeben", details=[row])  # type: ignore[call-arg]

    # --8<-- [end:book]


@workflow.defn
class WrongErrorImportWorkflow(WrongImportWorkflow):
    """Falsch: Die Pause stimmt, die Ausnahme nicht."""

    @workflow.run
    async def run(self, rows: list[ReturnRow]) -> int:
        """Siehe `WrongImportWorkflow`."""
        return await super().run(rows)

    async def _pause(self) -> None:
        await workflow.sleep(timedelta(seconds=10))


@workflow.defn
class WrongMemoryImportWorkflow(WrongErrorImportWorkflow):
    """Falsch: läuft, aber was kaputt ist, steht bis zum Ende nur im Speicher."""

    @workflow.run
    async def run(self, rows: list[ReturnRow]) -> int:
        """Siehe `WrongImportWorkflow`."""
        return await super().run(rows)

    def _given_up(self, row: ReturnRow) -> ApplicationError:
        return ApplicationError("aufgegeben", row)
