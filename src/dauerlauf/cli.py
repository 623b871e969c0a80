"""Die Kommandozeile `dauerlauf`."""

import asyncio
import logging
import os
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from typer._click.exceptions import ClickException

from dauerlauf import check as completeness
from dauerlauf import outputs as page_outputs
from dauerlauf import timeline
from dauerlauf.errors import DauerlaufError
from dauerlauf.german_cli import GermanCommand, GermanGroup, sentence
from dauerlauf.history import load, normalise, source_lines, steps
from dauerlauf.recorder import record
from dauerlauf.scenario import Pattern, Run, Scenario, find_pattern, patterns, play
from dauerlauf.server import Connection, EmbeddedServer, open_connection
from dauerlauf.timelapse import Timelapse, require_timelapse, timelapse

SERVER_PORT = 7233
UI_PORT = 8233
PARALLEL_RUNS = 4
INTERRUPTED = 128 + signal.SIGINT
TERMINATED = 128 + signal.SIGTERM

Result = TypeVar("Result")

app = typer.Typer(
    cls=GermanGroup,
    rich_markup_mode=None,
    add_completion=False,
    invoke_without_command=True,
    context_settings={"help_option_names": ["--help", "-h"]},
)

PatternName = Annotated[str, typer.Argument(metavar="MUSTER", show_default=False)]
ScenarioName = Annotated[str | None, typer.Argument(metavar="[SZENARIO]", show_default=False)]


def console() -> Console:
    """Die Ausgabe; in einer Pipe 80 Spalten breit, sofern `COLUMNS` nichts anderes sagt."""
    return Console(highlight=False, soft_wrap=False)


def main(arguments: Sequence[str] | None = None) -> None:
    """Führt `dauerlauf` aus und beendet den Prozess.

    Code 0: gelungen, 1: ein Mangel wurde gefunden, 2: falscher Aufruf oder behebbarer Fehler, 130 nach Strg-C,
    143 nach SIGTERM.
    """
    logging.getLogger("temporalio").setLevel(logging.CRITICAL)
    try:
        code = app(args=arguments, prog_name="dauerlauf", standalone_mode=False)
    except ClickException as error:
        code = _complain(sentence(error))
    except DauerlaufError as error:
        code = _complain(str(error))
    except BrokenPipeError:
        # Der Leser der Pipe (etwa `head`) ist fertig; der Interpreter soll beim Aufräumen nicht noch einmal schreiben.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    sys.exit(code)


def _complain(text: str) -> int:
    print(f"Fehler: {text}", file=sys.stderr)
    return 2


def run_pattern_script(pattern: Pattern) -> None:
    """Das Skript eines Kapitels, etwa `uv run saga zahlung-scheitert`."""
    main(["starte", pattern.name, *sys.argv[1:]])


def _run(work: Coroutine[Any, Any, Result]) -> Result:
    """`asyncio.run`, das auch bei SIGTERM aufräumt."""
    terminated = False

    async def guarded() -> Result:
        def on_terminate() -> None:
            nonlocal terminated
            terminated = True
            task.cancel()

        task = asyncio.ensure_future(work)
        if sys.platform != "win32":
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, on_terminate)
        return await task

    try:
        return asyncio.run(guarded())
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except asyncio.CancelledError:
        if not terminated:
            raise
        raise typer.Exit(TERMINATED) from None


@app.callback(help="Dauerlauf: Temporal-Muster mit Python – ausführen, ansehen, nachschlagen.")
def overview(context: typer.Context) -> None:
    """Ohne Befehl: was es gibt und womit man anfängt."""
    if context.invoked_subcommand is not None:
        return
    out = console()
    out.print("Dauerlauf: Temporal-Muster mit Python, jedes gegen einen echten Temporal Server ausgeführt.\n")
    out.print("Zum Anfangen:")
    for command, effect in (
        ("dauerlauf starte saga", "eine Bestellung, die scheitert und aufräumt"),
        ("dauerlauf liste", "alle Muster"),
        ("dauerlauf zeige saga zahlung-scheitert", "ein aufgezeichneter Lauf, ohne Server"),
        ("dauerlauf lies", "das Buch im Browser"),
        ("dauerlauf --help", "alle Befehle"),
    ):
        out.print(f"  {command:<42}{effect}")


@app.command("liste", cls=GermanCommand, help="Alle Muster nach Kapiteln, mit ihrem Problem in einer Zeile.")
def list_patterns() -> None:
    """Druckt die Liste der Muster."""
    out = console()
    chapter = None
    for pattern in patterns().values():
        if pattern.chapter != chapter:
            chapter = pattern.chapter
            out.print(f"\nKapitel {chapter}", style="bold")
        out.print(f"  {pattern.name}", style="bold cyan")
        out.print(Padding(pattern.problem, (0, 0, 0, 4)))
        out.print(Padding(f"Szenarien: {', '.join(pattern.scenarios)}", (0, 0, 0, 4)), style="dim")


@app.command("starte", cls=GermanCommand, help="Spielt alle Szenarien eines Musters oder das genannte.")
def start(pattern: PatternName, scenario: ScenarioName = None) -> None:
    """Spielt Szenarien gegen einen echten Server."""
    found = find_pattern(pattern)
    chosen = [found.find(scenario)] if scenario else list(found.scenarios.values())
    _run(_play_all(found, chosen))


async def _play_all(pattern: Pattern, chosen: Sequence[Scenario]) -> None:
    out = console()
    progress = Console(stderr=True, highlight=False)
    async with open_connection() as connection:
        target = await _target(connection)
        where = connection.server.ui_url if connection.server else connection.client.service_client.config.target_host
        if progress.is_terminal:
            progress.print(f"Temporal Server: {where}", style="dim")
        out.print(f"{pattern.title}: {pattern.problem}", style="bold")
        gate = asyncio.Semaphore(PARALLEL_RUNS)

        async def one(scenario: Scenario) -> Run:
            async with gate:
                return await play(scenario, target)

        async with asyncio.TaskGroup() as group:
            runs = [group.create_task(one(scenario)) for scenario in chosen]
            for index, task in enumerate(runs):
                await _report(out, await task, full=index == 0)
        if len(chosen) > 1:
            out.print(f"\nEinen Lauf im Ganzen: dauerlauf starte {pattern.name} {chosen[1].name}", style="dim")


async def _target(connection: Connection) -> Timelapse | Connection:
    if connection.server is None:
        return connection
    await require_timelapse(connection.client)
    return Timelapse(connection.client, connection.server)


async def _report(out: Console, run: Run, *, full: bool) -> None:
    out.print(f"\n{run.scenario.name}: {run.scenario.title}", style="bold cyan")
    if full:
        history = normalise(run.history)
        sources = await source_lines(history, run.scenario.pattern.workflows)
        out.print(timeline.table(steps(history, sources=sources), run.scenario.pattern.legend))
    out.print(f"Ausgang: {run.status}")
    for note in run.notes:
        out.print(f"Befund:  {note}")


@app.command("zeige", cls=GermanCommand, help="Zeigt aufgezeichnete Läufe als Zeitachse, ohne Server.")
def show(
    pattern: Annotated[str | None, typer.Argument(metavar="[MUSTER]", show_default=False)] = None,
    scenario: ScenarioName = None,
    file: Annotated[
        Path | None, typer.Option("--datei", help="Stattdessen ein Export aus `temporal workflow show -o json`.")
    ] = None,
    svg: Annotated[bool, typer.Option("--svg", help="Das Bild als SVG statt der Tabelle.")] = False,
) -> None:
    """Zeigt Histories; `--datei` nimmt auch fremde."""
    if (pattern is None) == (file is None):
        raise DauerlaufError("Nennen Sie entweder ein Muster oder mit --datei einen Export, nicht beides.")
    if file is not None:
        _show_file(file, svg=svg)
        return
    found = find_pattern(pattern or "")
    for chosen in [found.find(scenario)] if scenario else list(found.scenarios.values()):
        recording = found.history_file(chosen.name)
        if not recording.is_file():
            raise DauerlaufError(f"„{chosen.name}“ ist nicht aufgezeichnet; `dauerlauf zeichne-auf {found.name}`.")
        history = load(recording)
        run = steps(history, sources=_run(source_lines(history, found.workflows)))
        if svg:
            print(timeline.svg(run, found.legend, title=chosen.title))
            continue
        out = console()
        out.print(f"{chosen.name}: {chosen.title}", style="bold cyan")
        out.print(timeline.table(run, found.legend))


def _show_file(file: Path, *, svg: bool) -> None:
    run = steps(load(file))
    legend = timeline.NO_LEGEND
    print(timeline.svg(run, legend, title=file.stem)) if svg else console().print(timeline.table(run, legend))


@app.command("server", cls=GermanCommand, help="Startet den eingebetteten Server mit Web UI, bis Strg-C.")
def serve(
    port: Annotated[int, typer.Option("--port", help="Port des Servers.")] = SERVER_PORT,
    ui_port: Annotated[int, typer.Option("--ui-port", help="Port der Web UI.")] = UI_PORT,
    database: Annotated[
        Path | None, typer.Option("--datei", help="SQLite-Datei; ohne sie endet alles mit dem Server.")
    ] = None,
) -> None:
    """Startet den Server und wartet."""
    _run(_serve(port, ui_port, database))


async def _serve(port: int, ui_port: int, database: Path | None) -> None:
    attributes = {name: kind for pattern in patterns().values() for name, kind in pattern.search_attributes.items()}
    if database is not None and not database.absolute().parent.is_dir():
        raise DauerlaufError(f"Den Ordner „{database.absolute().parent}“ gibt es nicht; legen Sie ihn zuerst an.")
    async with await EmbeddedServer.start(
        port=port, ui=True, ui_port=ui_port, database=database, search_attributes=attributes
    ) as server:
        print(f"Temporal Server: {server.address}\nWeb UI:          {server.ui_url}\nEnde mit Strg-C.", flush=True)
        while server.running:
            await asyncio.sleep(0.2)
        raise DauerlaufError(f"Der Server hat sich beendet: {server.last_output()}")


@app.command("lies", cls=GermanCommand, help="Das Buch im Browser, mit laufender Aktualisierung.")
def read(port: Annotated[int, typer.Option("--port", help="Port der Seite.")] = 8000) -> None:
    """Startet `mkdocs serve`."""
    root = completeness.project_root(Path.cwd())
    program = Path(sysconfig.get_path("scripts")) / "mkdocs"
    if not program.is_file():
        raise DauerlaufError("Die Werkzeuge des Buchs fehlen; `uv run --group book dauerlauf lies` holt sie.")
    _render_notebooks_if_missing(root)
    command = [program, "serve", "--dev-addr", f"127.0.0.1:{port}"]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    try:
        raise typer.Exit(subprocess.run(command, cwd=root, env=environment, check=False).returncode)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


@app.command("notebooks", cls=GermanCommand, help="Führt die Notebooks aus und legt sie für das Buch ab.")
def render_notebooks() -> None:
    """Führt alle Notebooks aus."""
    from dauerlauf import notebooks

    for file in notebooks.render():
        print(file)


def _render_notebooks_if_missing(root: Path) -> None:
    from dauerlauf import notebooks

    names = [file.stem for file in sorted(root.glob("notebooks/*.ipynb"))]
    missing = [name for name in names if not (root / notebooks.CACHE / f"{name}.md").is_file()]
    if missing:
        notebooks.render(missing)


@app.command("zeichne-auf", cls=GermanCommand, help="Zeichnet die Histories der Szenarien auf.")
def record_histories(
    pattern: Annotated[str | None, typer.Argument(metavar="[MUSTER]", show_default=False)] = None,
    compare: Annotated[bool, typer.Option("--vergleiche", help="Nichts schreiben; Code 1 bei Abweichung.")] = False,
) -> None:
    """Zeichnet ein Muster oder alle auf."""
    chosen = [find_pattern(pattern)] if pattern else list(patterns().values())
    if _run(_record_all(chosen, compare=compare)) and compare:
        raise typer.Exit(1)


async def _record_all(chosen: Sequence[Pattern], *, compare: bool) -> int:
    changed = 0
    async with timelapse() as server:
        for pattern in chosen:
            for scenario in pattern.scenarios.values():
                recording = await record(scenario, server)
                if not recording.changed:
                    continue
                changed += 1
                print(f"{'weicht ab' if compare else 'geschrieben'}: {recording.file}")
                if not compare:
                    recording.write()
    print(f"{changed} von {sum(len(p.scenarios) for p in chosen)} Histories {'weichen ab' if compare else 'neu'}.")
    return changed


@app.command("ausgaben", cls=GermanCommand, help="Setzt die Ausgaben der Befehle in die Seiten ein.")
def insert_outputs(
    compare: Annotated[bool, typer.Option("--vergleiche", help="Nichts schreiben; Code 1 bei Abweichung.")] = False,
) -> None:
    """Führt die Befehle der Seiten aus."""
    root = completeness.project_root(Path.cwd())
    found = list(page_outputs.compare(root))
    changed = [output for output in found if output.changed]
    for output in changed:
        print(f"{'weicht ab' if compare else 'eingesetzt'}: {output.page.relative_to(root)}: {output.command}")
    print(f"{len(changed)} von {len(found)} Ausgaben {'weichen ab' if compare else 'neu'}.")
    if not compare:
        page_outputs.insert(found)
    elif changed:
        raise typer.Exit(1)


@app.command("pruefe", cls=GermanCommand, help="Nennt alles, was dem Buch zur Vollständigkeit fehlt.")
def check_completeness() -> None:
    """Prüft Muster, Seiten und Notebooks."""
    root = completeness.project_root(Path.cwd())
    findings = list(completeness.check(root, patterns().values()))
    if not findings:
        print(f"{len(patterns())} Muster sind vollständig.")
        return
    table = Table("Wo", "Was fehlt", box=None, pad_edge=False)
    for finding in findings:
        table.add_row(finding.place, finding.text)
    console().print(table)
    print(f"{len(findings)} Mängel.")
    raise typer.Exit(1)
