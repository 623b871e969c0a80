"""Wann die nächste Stufe ausgeliefert werden darf, und welche Läufe klemmen.

`python -m kapitel08.patching.rollout --help` fragt den Server aus Temporals eigener
Konfiguration.
"""

import argparse
import asyncio
import atexit
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from temporalio.client import Client

from kapitel08.patching.settings import FRAUD_CHECK
from kapitel08.patching.worker import connect

# --8<-- [start:queries]
RUNNING = "WorkflowType = 'OrderWorkflow' AND ExecutionStatus = 'Running'"
STUCK = (
    f"{RUNNING} AND TemporalReportedProblems = "
    "'cause=WorkflowTaskFailedCauseNonDeterministicError'"
)


def blocks_stage_3() -> str:
    """Offene Läufe ohne Marke: Für sie muss der alte Weg noch da sein."""
    return f"{RUNNING} AND TemporalChangeVersion != '{FRAUD_CHECK}'"


def blocks_stage_4(since: datetime) -> str:
    """Offene Läufe, deren Marke noch aus Stufe 2 stammen kann.

    `since`: seit wann nur noch Worker der Stufe 3 arbeiten, mit Zeitzone.
    """
    marked = f"{RUNNING} AND TemporalChangeVersion = '{FRAUD_CHECK}'"
    return f"{marked} AND StartTime < '{since.astimezone(UTC).isoformat()}'"


# --8<-- [end:queries]


async def found(client: Client, query: str) -> list[str]:
    """Die IDs der Läufe, auf die `query` passt."""
    return sorted([execution.id async for execution in client.list_workflows(query)])


async def ask(query: str) -> list[str]:
    """Fragt den konfigurierten Server; wirft `ConnectionError`, wenn er fehlt."""
    return await found(await connect(), query)


def build_parser() -> argparse.ArgumentParser:
    """Die drei Fragen."""
    parser = argparse.ArgumentParser(description="Fragt nach offenen Aufträgen.")
    questions = parser.add_subparsers(dest="question", required=True)
    questions.add_parser("klemmt", help="Welche Läufe klemmen?")
    questions.add_parser("stufe-3", help="Wer braucht den alten Weg noch?")
    four = questions.add_parser("stufe-4", help="Wer trägt noch eine alte Marke?")
    four.add_argument(
        "--seit",
        type=_moment,
        required=True,
        metavar="ZEIT",
        help="seit wann nur Stufe 3 läuft, etwa 2026-11-24T08:00+01:00",
    )
    return parser


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("Die Zeitzone fehlt.")
    return moment


def query_for(arguments: argparse.Namespace) -> str:
    """Die Suche, die zu einer Frage gehört."""
    if arguments.question == "klemmt":
        return STUCK
    if arguments.question == "stufe-3":
        return blocks_stage_3()
    return blocks_stage_4(arguments.seit)


def main(words: Sequence[str] | None = None) -> int:
    """Druckt die Läufe; 0: keine, 1: mindestens einer, 2: falscher Aufruf oder kein
    Server.
    """
    query = query_for(build_parser().parse_args(words))
    try:
        runs = asyncio.run(ask(query))
    except ConnectionError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"Suche: {query}")
    for run in runs:
        print(run)
    print(f"Gefunden: {len(runs)}")
    return 1 if runs else 0


if __name__ == "__main__":
    # Ohne diese Pause stirbt der Prozess beim Beenden manchmal mit SIGABRT
    # (temporalio/sdk-python#300).
    atexit.register(time.sleep, 0.1)
    sys.exit(main())
