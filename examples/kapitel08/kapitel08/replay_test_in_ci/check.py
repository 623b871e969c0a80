"""Exportierte Histories gegen den Code dieses Checkouts abspielen.

Start: `python -m kapitel08.replay_test_in_ci.check --help`. Braucht keinen Server.
Endet mit 0, mit 1, wenn der Code zu einer History nicht passt, mit 2, wenn nichts
geprüft ist.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from temporalio.converter import DataConverter

from kapitel08.replay_test_in_ci import command, files
from kapitel08.replay_test_in_ci.redaction import encrypted
from kapitel08.replay_test_in_ci.replaying import Checkout, replayable, workflow_type


# --8<-- [start:check]
async def check(
    folder: Path,
    workflows: Sequence[type],
    converter: DataConverter,
    demanded: Collection[str] = (),
    say: Callable[[str], None] = typer.echo,
) -> int:
    """Spielt alle Dateien des Ordners ab; gibt den Exit-Code zurück."""
    names = sorted(folder.glob("*.json"))
    histories = [files.read(file) for file in names]
    useful = [(f, h) for f, h in zip(names, histories, strict=True) if replayable(h)]
    counts = Counter(workflow_type(history) for _, history in useful)
    for kind, count in sorted(counts.items()):
        say(f"{kind}: {count}")
    if not useful or (missing := sorted(set(demanded) - set(counts))):  # (!)
        what = f"keine History von {', '.join(missing)}" if useful else "keine History"
        say(f"Nichts geprüft: In {folder} liegt {what}.")
        return 2
    if not any(encrypted(history) for history in histories):
        converter = replace(converter, payload_codec=None)
    results = await Checkout(workflows, converter).check([h for _, h in useful])
    bad = 0
    for (file, _), (history, finding) in zip(useful, results, strict=True):
        if finding:
            bad += 1
            say(
                f"\nPASST NICHT  {workflow_type(history)}  {history.workflow_id}\n"
                f"  Lauf           {files.run_id(file)}\n"
                f"  aufgezeichnet  Event {finding.event}, {finding.recorded}\n"
                f"  dieser Code    {finding.message}"
            )
    say(f"\n{bad} von {len(results)} Histories passen nicht zu diesem Code.")
    return 1 if bad else 0


# --8<-- [end:check]


def main(
    ordner: Annotated[Path, typer.Option(help="wo die Dateien liegen")] = Path(
        "histories"
    ),
    verlange: Annotated[
        list[str] | None, typer.Option(help="dieser Workflow-Typ muss dabei sein")
    ] = None,
    workflows: Annotated[
        str, typer.Option(help="die Liste des Workers")
    ] = f"{command.PROJECT}:WORKFLOWS",
    converter: Annotated[
        str, typer.Option(help="der Data Converter des Workers")
    ] = f"{command.PROJECT}:CONVERTER",
) -> None:
    """Spielt alle Histories des Ordners gegen diesen Code ab."""
    classes, data_converter = command.load(workflows), command.load(converter)
    try:
        code = asyncio.run(check(ordner, classes, data_converter, verlange or ()))
    except ValueError as error:
        command.fail(str(error))
    raise typer.Exit(code)


if __name__ == "__main__":
    command.run(main)
