"""Der Befehl für den Betrieb: Briefe lesen, berichtigen, wiederholen, verwerfen.

Start: `python -m kapitel07.dead_letter_queue.operate --help`. Wo die Tabelle liegt,
sagt `--ordner` oder `NORDLICHT_ORDNER`; den Server nennt Temporals Konfiguration.
"""

import argparse
import asyncio
import atexit
import os
import sys
import time
import uuid
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NoReturn

from google.protobuf.empty_pb2 import Empty
from temporalio.api.batch.v1 import BatchOperationReset
from temporalio.api.common.v1 import ResetOptions, WorkflowExecution
from temporalio.api.workflowservice.v1 import StartBatchOperationRequest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.envconfig import ClientConfig
from temporalio.service import RPCError, RPCStatusCode

from kapitel07.dead_letter_queue.batch import RedriveWorkflow
from kapitel07.dead_letter_queue.ledger import RefundLedger
from kapitel07.dead_letter_queue.letters import (
    LetterTable,
    NotPossibleError,
    StoredLetter,
)
from kapitel07.dead_letter_queue.models import (
    BookRequest,
    Discard,
    Redrive,
    RedriveResult,
    Selection,
    State,
)

TASK_QUEUE = "retouren"


class UsageError(Exception):
    """Der Aufruf stimmt nicht; der Text sagt, was zu tun ist."""


async def connect() -> Client:
    """Verbindet mit dem konfigurierten Server; wirft `UsageError`, wenn er fehlt."""
    config = ClientConfig.load_client_connect_config()
    config.setdefault("target_host", "localhost:7233")
    try:
        return await Client.connect(**config)
    except RuntimeError as error:
        raise UsageError(
            f"Der Temporal Server {config['target_host']} antwortet nicht. "
            "Läuft er, und stimmt TEMPORAL_ADDRESS?"
        ) from error


# --8<-- [start:redrive]
async def redrive(
    client: Client,
    selection: Selection,
    operator: str,
    *,
    per_second: float = 5,
    task_queue: str = TASK_QUEUE,
) -> str:
    """Startet eine Wiederholung und gibt ihre Workflow-ID zurück."""
    workflow_id = f"wiederholung-{uuid.uuid4()}"  # (!)
    await client.start_workflow(
        RedriveWorkflow.run,
        Redrive(selection, operator, per_second),
        id=workflow_id,
        task_queue=task_queue,
    )
    return workflow_id


# --8<-- [end:redrive]


# --8<-- [start:release]
async def release_orphans(
    client: Client, table: LetterTable, ledger: RefundLedger, operator: str
) -> int:
    """Gibt Briefe frei, deren Wiederholung nicht mehr läuft, und zählt sie.

    Ihre letzte Buchung kann schon gewirkt haben oder noch unterwegs sein; deshalb hält
    das Buch zuerst die Runde an.
    """
    orphans = 0
    for letter in table.all(State.RUNNING):
        handle = client.get_workflow_handle(letter.redrive)
        try:
            status = (await handle.describe()).status
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise
            status = None
        if status != WorkflowExecutionStatus.RUNNING:
            number = letter.row.number
            if receipt := ledger.hold(BookRequest(letter.row, letter.round)):  # (!)
                table.settle(number, letter.redrive, receipt.reference)
            else:
                table.release(number, letter.redrive, operator)
            orphans += 1
    return orphans


# --8<-- [end:release]


async def reset_failed(
    client: Client,
    kind: str,
    operator: str,
    *,
    per_second: float = 5,
    task_queue: str = TASK_QUEUE,
) -> list[str]:
    """Setzt gescheiterte Ausführungen in einem Batch zurück; gibt ihre IDs zurück.

    Der alte Lauf bleibt FAILED, auch wenn sein Nachfolger längst gelang. Die Suche
    allein fände ihn also immer wieder; es zählt nur der jüngste Lauf.
    """
    # --8<-- [start:find]
    query = (
        f'ExecutionStatus = "Failed" AND DeadLetter = "gescheitert/{kind}"'
        f' AND TaskQueue = "{task_queue}"'
    )
    found: dict[str, WorkflowExecution] = {}
    async for failed in client.list_workflows(query):
        latest = await client.get_workflow_handle(failed.id).describe()
        if latest.run_id == failed.run_id:  # (!)
            found[failed.id] = WorkflowExecution(
                workflow_id=failed.id, run_id=failed.run_id
            )
    # --8<-- [end:find]
    # --8<-- [start:batch]
    if found:
        await client.workflow_service.start_batch_operation(
            StartBatchOperationRequest(
                namespace=client.namespace,
                job_id=f"zuruecksetzen-{uuid.uuid4()}",
                reason=f"{operator}: {kind} behoben",
                executions=found.values(),
                max_operations_per_second=per_second,
                reset_operation=BatchOperationReset(
                    identity=operator,
                    options=ResetOptions(first_workflow_task=Empty()),
                ),
            )
        )
    # --8<-- [end:batch]
    return sorted(found)


def describe(letter: StoredLetter) -> str:
    """Ein Brief in einer Zeile."""
    return (
        f"{letter.row.number:<8} {letter.state:<10} {letter.trouble.kind:<17} "
        f"Runde {letter.round}  {letter.trouble.text}"
    )


class GermanParser(argparse.ArgumentParser):
    """`argparse` mit deutschen Meldungen; ein falscher Aufruf endet mit Code 2."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings, add_help=False)
        self._positionals.title, self._optionals.title = "Angaben", "Optionen"
        self.add_argument("-h", "--help", action="help", help="diese Hilfe")

    def format_help(self) -> str:
        """Die Hilfe mit deutschem Anfang."""
        return super().format_help().replace("usage: ", "Aufruf: ", 1)

    def error(self, message: str) -> NoReturn:
        """Sagt in einer Zeile, wie der Aufruf aussehen muss."""
        form = self.format_usage().removeprefix("usage: ")
        print(f"Fehler: So geht der Aufruf: {' '.join(form.split())}", file=sys.stderr)
        sys.exit(2)


def positive(text: str) -> float:
    """Eine Rate über null; wirft `ValueError`."""
    if (number := float(text.replace(",", "."))) <= 0:
        raise ValueError
    return number


def build_parser() -> argparse.ArgumentParser:
    """Alle Befehle und ihre Angaben."""
    parser = GermanParser(prog="operate", description="Der Betrieb der toten Briefe.")
    parser.add_argument(
        "--ordner",
        type=Path,
        default=os.environ.get("NORDLICHT_ORDNER"),
        help="Ordner der Bücher; sonst NORDLICHT_ORDNER",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="BEFEHL")

    listing = commands.add_parser("liste", help="zeigt Briefe, je Zeile einen")
    states = [State.PARKED, State.RUNNING, State.DONE, State.DISCARDED]
    listing.add_argument("--stand", default="", choices=states, help="nur diesen Stand")
    listing.add_argument("--art", default="", help="etwa BetragUnlesbar")

    show = commands.add_parser("zeige", help="zeigt einen Brief mit Protokoll")
    show.add_argument("nummer")

    correct = commands.add_parser("berichtige", help="ändert Felder eines Briefs")
    correct.add_argument("nummer")
    correct.add_argument("--auftrag", dest="order", help="neue Auftragsnummer")
    correct.add_argument("--iban", help="neue IBAN")
    correct.add_argument("--betrag", dest="amount", help="neuer Betrag wie 49,90")

    again = commands.add_parser("wiederhole", help="wiederholt Briefe, gebremst")
    again.add_argument("nummern", nargs="*", metavar="nummer")
    again.add_argument("--art", default="", help="alle geparkten dieser Art")
    again.add_argument("--alle", action="store_true", help="alle geparkten")

    discard = commands.add_parser("verwirf", help="gibt einen Brief endgültig auf")
    discard.add_argument("nummer")
    discard.add_argument("--grund", required=True, help="steht im Protokoll")

    release = commands.add_parser("gib-frei", help="holt Briefe toter Wiederholungen")
    reset = commands.add_parser(
        "setze-zurueck", help="wiederholt gescheiterte Ausführungen"
    )
    reset.add_argument("--art", required=True, help="etwa AuftragUnbekannt")

    protocol = commands.add_parser("protokoll", help="zeigt, wer wann was tat")
    protocol.add_argument("nummer", nargs="?", default="")

    for command in (correct, again, discard, release, reset):
        command.add_argument("--wer", required=True, help="Ihr Name, fürs Protokoll")
    for command in (again, reset):
        command.add_argument(
            "--je-sekunde", type=positive, default=5.0, help="so schnell höchstens"
        )
        command.add_argument("--task-queue", default=TASK_QUEUE, help=TASK_QUEUE)
    again.add_argument("--ohne-warten", action="store_true", help="kehrt sofort zurück")
    return parser


async def execute(args: argparse.Namespace, table: LetterTable) -> None:
    """Führt einen Befehl aus; wirft `UsageError` oder `NotPossibleError`."""
    if "wer" in args and not args.wer.strip():
        raise UsageError("Der Eingriff braucht einen Namen (--wer).")
    match args.command:
        case "liste":
            letters = table.all(args.stand, args.art)
            print("\n".join(map(describe, letters)) or "Keine Briefe.")
        case "zeige":
            letter = table.get(args.nummer)
            print(describe(letter))
            print(f"Zeile    {letter.row}\nHerkunft {letter.source}")
            print_protocol(table, args.nummer)
        case "protokoll":
            print_protocol(table, args.nummer)
        case "berichtige":
            fields = {name: getattr(args, name) for name in ("order", "iban", "amount")}
            changes = {name: value for name, value in fields.items() if value}
            if not changes:
                raise UsageError("Nennen Sie --auftrag, --iban oder --betrag.")
            try:
                table.correct(args.nummer, changes, args.wer)
            except ValueError as error:
                raise UsageError(str(error)) from error
            print(
                f"{args.nummer} ist berichtigt; `wiederhole` versucht es noch einmal."
            )
        case "verwirf":
            if not args.grund.strip():
                raise UsageError("Verwerfen braucht eine Begründung (--grund).")
            table.discard(args.nummer, Discard(args.wer, args.grund))
            print(f"{args.nummer} ist verworfen.")
        case "wiederhole":
            await run_redrive(args, table)
        case "gib-frei":
            client = await connect()
            with closing(RefundLedger(Path(args.ordner))) as ledger:
                count = await release_orphans(client, table, ledger, args.wer)
            print(f"Freigegeben: {count}")
        case "setze-zurueck":
            reset = await reset_failed(
                await connect(),
                args.art,
                args.wer,
                per_second=args.je_sekunde,
                task_queue=args.task_queue,
            )
            print(f"Zurückgesetzt: {', '.join(reset) or 'nichts zu tun'}")


async def run_redrive(args: argparse.Namespace, table: LetterTable) -> None:
    """Der Befehl `wiederhole`."""
    if bool(args.nummern) + bool(args.art) + args.alle != 1:
        raise UsageError("Nennen Sie Nummern, --art oder --alle, und nur eines davon.")
    for number in args.nummern:
        table.get(number)
    client = await connect()
    workflow_id = await redrive(
        client,
        Selection(tuple(args.nummern), args.art),
        args.wer,
        per_second=args.je_sekunde,
        task_queue=args.task_queue,
    )
    print(f"Gestartet: {workflow_id}", flush=True)
    if args.ohne_warten:
        return
    handle = client.get_workflow_handle(workflow_id, result_type=RedriveResult)
    result = await handle.result()
    print(
        f"{result.done} erledigt, {result.parked} wieder geparkt, "
        f"{result.skipped} übersprungen"
    )


def print_protocol(table: LetterTable, number: str) -> None:
    """Druckt das Protokoll, die älteste Zeile zuerst; Zeiten in UTC."""
    for entry in table.protocol(number):
        print(
            f"{entry.at}  {entry.number:<8} {entry.action:<11} "
            f"{entry.operator}: {entry.detail}"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Der Befehl; gibt 0 zurück, 2 bei falschem Aufruf oder unmöglichem Eingriff."""
    args = build_parser().parse_args(arguments)
    if args.ordner is None or not Path(args.ordner).is_dir():
        print(
            f"Fehler: Den Ordner „{args.ordner or ''}“ gibt es nicht; nennen Sie ihn "
            "mit --ordner oder in NORDLICHT_ORDNER.",
            file=sys.stderr,
        )
        return 2
    table = LetterTable(Path(args.ordner))
    try:
        asyncio.run(execute(args, table))
    except (UsageError, NotPossibleError) as error:
        print(f"Fehler: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Die Wiederholung läuft auf dem Server weiter.", file=sys.stderr)
        return 130
    finally:
        table.close()
    return 0


if __name__ == "__main__":
    # Ohne diese Pause stirbt der Prozess beim Beenden manchmal mit SIGABRT
    # (temporalio/sdk-python#300).
    atexit.register(time.sleep, 0.1)
    sys.exit(main())
