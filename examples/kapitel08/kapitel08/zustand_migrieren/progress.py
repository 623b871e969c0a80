"""Der Umzug im Betrieb: Wie viele Konten liegen noch in alter Form? Und: alle umziehen.

`python -m kapitel08.zustand_migrieren.progress` zählt, mit `--umziehen` schickt es
jedem davon das Signal `move`.
"""

import argparse
import asyncio
import atexit
import sys
import time
from contextlib import suppress

from temporalio.client import Client
from temporalio.service import RPCError

from kapitel08.zustand_migrieren.schema import CURRENT
from kapitel08.zustand_migrieren.worker import connect
from kapitel08.zustand_migrieren.workflow import SCHEMA, AccountWorkflow

# --8<-- [start:query]
OUTDATED = (
    "WorkflowType = 'AccountWorkflow' AND ExecutionStatus = 'Running' "
    f"AND ({SCHEMA.name} IS NULL OR {SCHEMA.name} < {CURRENT})"
)
"""Offene Konten, deren Eingabe in alter Form gespeichert ist."""


async def outdated(client: Client, only: str = "") -> int:
    """Wie viele Konten noch nicht umgezogen sind; `only` schränkt die Suche ein."""
    return (await client.count_workflows(f"{OUTDATED} {only}")).count


async def move_all(client: Client, only: str = "") -> int:
    """Schickt jedem davon `move` und gibt zurück, wie vielen; darf man wiederholen."""
    moved = 0
    async for found in client.list_workflows(f"{OUTDATED} {only}"):
        account = client.get_workflow_handle(found.id)
        with suppress(RPCError):  # Inzwischen geschlossen.
            await account.signal(AccountWorkflow.move)
            moved += 1
    return moved


# --8<-- [end:query]


async def run(move: bool) -> None:
    """Zählt und lässt auf Wunsch umziehen."""
    client = await connect()
    print(f"In alter Form: {await outdated(client)} Konten")
    if move:
        print(f"Zum Umzug aufgefordert: {await move_all(client)}")


def main() -> int:
    """Kommandozeile; gibt 2 zurück, wenn der Server fehlt."""
    parser = argparse.ArgumentParser(description="Umzug der Kundenkonten.")
    parser.add_argument("--umziehen", action="store_true", help="jedem `move` schicken")
    try:
        asyncio.run(run(parser.parse_args().umziehen))
    except ConnectionError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    # Ohne diese Pause stirbt der Prozess beim Beenden manchmal mit SIGABRT
    # (temporalio/sdk-python#300).
    atexit.register(time.sleep, 0.1)
    sys.exit(main())
