"""Histories aus der Produktion holen und schwärzen.

Start: `python -m kapitel08.replay_test_in_ci.export --help`. Den Server nennt Temporals
eigene Konfiguration (`TEMPORAL_ADDRESS`, `temporal.toml` ...). Endet mit 0, mit 1, wenn
sich eine History nicht sicher schwärzen lässt, mit 2, wenn es nichts zu holen gibt.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from temporalio.client import Client, WorkflowExecution, WorkflowHistory
from temporalio.converter import DataConverter
from temporalio.service import RPCError

from kapitel08.replay_test_in_ci import command, selection
from kapitel08.replay_test_in_ci.files import write
from kapitel08.replay_test_in_ci.redaction import (
    PLAIN,
    NotRedactableError,
    Redactor,
    decoded,
    encodings,
)
from kapitel08.replay_test_in_ci.replaying import Checkout, replayable
from kapitel08.replay_test_in_ci.worker import connect

BEHALTEN = Path(__file__).with_name("behalten.toml")


@dataclass(frozen=True)
class Exporter:
    """Holt, schwärzt und prüft; `keep` ist `None`, wenn verschlüsselt bleiben soll."""

    client: Client
    workflows: Sequence[type]
    converter: DataConverter
    keep: frozenset[str] | None

    async def export(self, execution: WorkflowExecution, folder: Path) -> bool:
        """Schreibt eine Datei; `False`, wenn noch nichts abzuspielen ist.

        Wirft `NotRedactableError`, wenn die Datei nicht hinausdarf.
        """
        handle = self.client.get_workflow_handle(execution.id, run_id=execution.run_id)
        history = await handle.fetch_history()
        if not replayable(history):
            return False
        if self.keep is None:
            safe = _encrypted(history)
        else:
            safe = await self._redacted(history, self.keep)
        write(folder, execution.run_id, safe)
        return True

    # --8<-- [start:export]
    async def _redacted(
        self, history: WorkflowHistory, keep: frozenset[str]
    ) -> WorkflowHistory:
        """Geschwärzt, und das Replay entscheidet noch dasselbe."""
        events = Redactor(keep).redact(await decoded(history, self.converter)).events
        safe = WorkflowHistory(history.workflow_id, events)
        plain = replace(self.converter, payload_codec=None)
        ((_, before),) = await Checkout(self.workflows, self.converter).check([history])
        ((_, after),) = await Checkout(self.workflows, plain).check([safe])
        if before != after:  # (!)
            raise NotRedactableError(
                "das Replay entscheidet anders als vorher"
                + (f" (ab Event {after.event}: {after.message})" if after else "")
            )
        return safe

    # --8<-- [end:export]


# --8<-- [start:encrypted]
def _encrypted(history: WorkflowHistory) -> WorkflowHistory:
    """Unverändert, wenn jeder Payload verschlüsselt ist."""
    if found := encodings(history) & PLAIN:
        raise NotRedactableError(
            f"unverschlüsselte Payloads der Kodierung {', '.join(sorted(found))}"
        )
    return history


# --8<-- [end:encrypted]


async def export_all(
    exporter: Exporter,
    folder: Path,
    wanted: str,
    per_group: int,
    say: Callable[[str], None] = typer.echo,
) -> int:
    """Der ganze Export; gibt den Exit-Code zurück und druckt den Bericht."""
    chosen = await selection.select(exporter.client, wanted, per_group)
    written, early, refused = 0, 0, 0
    for execution in chosen:
        try:
            done = await exporter.export(execution, folder)
            written, early = written + done, early + (not done)
        except NotRedactableError as error:
            refused += 1
            name = f"{execution.workflow_type}  {execution.id}"
            say(f"NICHT EXPORTIERT  {name}: {error}.")
    say(f"{written} von {len(chosen)} ausgewählten Histories liegen in {folder}.")
    if early:
        say(f"{early} haben noch keinen Workflow-Task hinter sich.")
    if refused:
        return 1
    if not written:
        say("Es gibt nichts zu prüfen; stimmen Server, Namespace und Abfrage?")
        return 2
    return 0


def main(
    ordner: Annotated[Path, typer.Option(help="wohin die Dateien kommen")] = Path(
        "histories"
    ),
    je_gruppe: Annotated[int, typer.Option(min=1, help="Läufe je Gruppe")] = 5,
    geschlossen_seit_tagen: Annotated[
        float, typer.Option(min=0, help="auch Läufe, die seither zu Ende gingen")
    ] = 7,
    query: Annotated[str, typer.Option(help="engt die Auswahl weiter ein")] = "",
    behalten: Annotated[
        Path, typer.Option(help="TOML-Datei mit den Feldern, deren Werte bleiben")
    ] = BEHALTEN,
    verschluesselt: Annotated[
        bool, typer.Option(help="nichts schwärzen, aber Verschlüsselung verlangen")
    ] = False,
    workflows: Annotated[
        str, typer.Option(help="die Liste des Workers")
    ] = f"{command.PROJECT}:WORKFLOWS",
    converter: Annotated[
        str, typer.Option(help="der Data Converter des Workers")
    ] = f"{command.PROJECT}:CONVERTER",
) -> None:
    """Holt Histories offener und jüngst beendeter Läufe und schwärzt sie."""
    keep = None if verschluesselt else command.read_keep(behalten)
    classes, data_converter = command.load(workflows), command.load(converter)
    wanted = selection.query(timedelta(days=geschlossen_seit_tagen), query)

    async def work() -> int:
        client = await connect()
        exporter = Exporter(client, classes, data_converter, keep)
        return await export_all(exporter, ordner, wanted, je_gruppe)

    try:
        code = asyncio.run(work())
    except ConnectionError as error:
        command.fail(str(error))
    except RPCError as error:
        command.fail(f"Der Server lehnt ab: {error.message}")
    raise typer.Exit(code)


if __name__ == "__main__":
    command.run(main)
