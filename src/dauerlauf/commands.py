"""Was die Befehle von `dauerlauf` tun; geladen erst, wenn einer davon läuft."""

import asyncio
import os
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.padding import Padding
from rich.table import Table

from dauerlauf import check as completeness
from dauerlauf import compare as comparison
from dauerlauf import live, timeline
from dauerlauf import outputs as page_outputs
from dauerlauf.errors import DauerlaufError
from dauerlauf.history import load, load_queries, normalise, normalise_queries, source_lines, steps
from dauerlauf.recorder import Recording, record, record_crashes
from dauerlauf.scenario import Pattern, Run, Scenario, find_pattern, patterns, play, search_attributes
from dauerlauf.server import Connection, EmbeddedServer, open_connection
from dauerlauf.timelapse import Timelapse, require_timelapse, timelapse
from dauerlauf.together import together

PARALLEL_RUNS = 4
DETAIL_LIMIT = 100
INTERRUPTED = 128 + signal.SIGINT
TERMINATED = 128 + signal.SIGTERM

Result = TypeVar("Result")


def console() -> Console:
    """Die Ausgabe; in einer Pipe 80 Spalten breit, sofern `COLUMNS` nichts anderes sagt."""
    return Console(highlight=False)


def run_async(work: Coroutine[Any, Any, Result]) -> Result:
    """`asyncio.run`, das auch bei SIGTERM aufräumt; beendet den Prozess nach einem Signal mit dessen Code."""
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
        sys.exit(INTERRUPTED)
    except asyncio.CancelledError:
        if not terminated:
            raise
        sys.exit(TERMINATED)


def list_patterns() -> None:
    """Druckt alle Muster nach Kapiteln."""
    out = console()
    chapter = None
    for pattern in patterns().values():
        if pattern.chapter != chapter:
            chapter = pattern.chapter
            out.print(f"\nKapitel {chapter}", style="bold")
        out.print(f"  {pattern.name}", style="bold cyan")
        out.print(Padding(pattern.problem, (0, 0, 0, 4)))
        out.print(Padding(f"Szenarien: {', '.join(pattern.scenarios)}", (0, 0, 0, 4)), style="dim")


def start(pattern: str, scenario: str | None, *, pace: float | None) -> None:
    """Spielt ein Szenario oder alle gegen einen echten Server.

    Mit `pace` nacheinander und zum Zusehen, mit so vielen Sekunden zwischen zwei Schritten auf dem Terminal.
    """
    found = find_pattern(pattern)
    chosen = [found.find(scenario)] if scenario else list(found.scenarios.values())
    run_async(_play_all(found, chosen, pace))


async def _play_all(pattern: Pattern, chosen: Sequence[Scenario], pace: float | None) -> None:
    out = console()
    progress = Console(stderr=True, highlight=False)
    async with open_connection(pattern.search_attributes) as connection:
        target = await _target(connection)
        if progress.is_terminal:
            server = connection.server
            where = server.ui_url if server else connection.client.service_client.config.target_host
            progress.print(f"Temporal Server: {where}", style="dim")
        out.print(f"{pattern.title}: {pattern.problem}", style="bold")
        if pace is not None:
            await _play_live(out, target, chosen, pace)
            return
        gate = asyncio.Semaphore(PARALLEL_RUNS)

        async def one(scenario: Scenario) -> Run:
            async with gate:
                return await play(scenario, target)

        runs = [asyncio.ensure_future(one(scenario)) for scenario in chosen]
        try:
            for index, run in enumerate(runs):
                out.print()
                await _report(out, await run, full=index == 0)
        finally:
            for run in runs:
                run.cancel()
            await asyncio.gather(*runs, return_exceptions=True)
        if len(chosen) > 1:
            out.print(f"\nEinen Lauf im Ganzen zeigt: dauerlauf starte {pattern.name} {chosen[1].name}", style="dim")


async def _play_live(out: Console, target: Timelapse | Connection, chosen: Sequence[Scenario], pace: float) -> None:
    for scenario in chosen:
        out.print()
        run = await live.play_live(scenario, target, out, pace=pace, limit=DETAIL_LIMIT)
        # Auf dem Terminal weicht die Zeichnung der Tabelle mit Quellzeilen; in einer Pipe steht alles schon da.
        await _report(out, run, title=out.is_terminal, full=out.is_terminal)


async def _target(connection: Connection) -> Timelapse | Connection:
    if connection.server is None:
        return connection
    await require_timelapse(connection.client)
    return Timelapse(connection.client, connection.server)


async def _report(out: Console, run: Run, *, title: bool = True, full: bool) -> None:
    if title:
        out.print(f"{run.scenario.name}: {run.scenario.title}", style="bold cyan")
    if full:
        history = normalise(run.history)
        pattern = run.scenario.pattern
        sources = await source_lines(history, run.scenario.workflows, data_converter=pattern.data_converter)
        found = steps(history, sources=sources, queries=normalise_queries(run.queries, run.history))
        out.print(timeline.table(found, pattern.legend, limit=DETAIL_LIMIT))
    findings = Table.grid(padding=(0, 2))
    findings.add_row("Ausgang", run.status)
    for note in run.notes:
        findings.add_row("Befund", note)
    out.print(findings)


def observe(
    workflow_id: str,
    run_id: str | None,
    *,
    namespace: str | None,
    codec: str | None,
    codec_auth: str | None,
    full: bool,
) -> None:
    """Zeigt eine Ausführung auf dem konfigurierten Server, während sie läuft; `full` kürzt nichts."""
    limit = None if full else DETAIL_LIMIT
    run_async(
        live.observe(
            console(), workflow_id, run_id, namespace=namespace, codec=codec, codec_auth=codec_auth, limit=limit
        )
    )


def show(pattern: str, scenario: str | None, *, svg: bool, full: bool) -> None:
    """Zeigt aufgezeichnete Läufe eines Musters, ohne Server; `full` kürzt nichts."""
    found = find_pattern(pattern)
    scenarios = [found.find(scenario)] if scenario else list(found.scenarios.values())
    pictures = []
    for chosen in scenarios:
        recording = found.history_file(chosen.name)
        if not recording.is_file():
            raise DauerlaufError(f"„{chosen.name}“ ist nicht aufgezeichnet; `dauerlauf zeichne-auf {found.name}`.")
        history = load(recording)
        sources = run_async(source_lines(history, chosen.workflows, data_converter=found.data_converter))
        run = steps(history, sources=sources, queries=load_queries(recording))
        if svg:
            picture = timeline.svg(run, found.legend, title=chosen.title, wide=True, style=len(scenarios) == 1)
            pictures.append((f"{chosen.name}: {chosen.title}", picture))
            continue
        out = console()
        out.print(f"{chosen.name}: {chosen.title}", style="bold cyan")
        out.print(timeline.table(run, found.legend, limit=None if full else DETAIL_LIMIT))
    if pictures:
        _print_svg(timeline.album(pictures))


def _print_svg(text: str) -> None:
    """Ein SVG ohne eigene Angabe ist UTF-8, gleich was das Terminal spricht."""
    sys.stdout.flush()
    sys.stdout.buffer.write(f"{text}\n".encode())


def show_file(file: Path, *, svg: bool, full: bool) -> None:
    """Zeigt einen Export aus `temporal workflow show -o json` oder der Web UI."""
    run = steps(load(file), queries=load_queries(file))
    if svg:
        _print_svg(timeline.svg(run, title=file.stem, wide=True))
    else:
        console().print(timeline.table(run, limit=None if full else DETAIL_LIMIT))


def compare(names: Sequence[str], files: tuple[Path, Path] | None, *, full: bool) -> None:
    """Vergleicht zwei aufgezeichnete Läufe oder zwei Exporte; `full` faltet und kürzt nichts."""
    if bool(names) == bool(files):
        raise DauerlaufError("Nennen Sie entweder ein Muster und zwei Szenarien oder mit --datei zwei Exporte.")
    found = comparison.compare_files(*files) if files else comparison.compare_named(names)
    out = console()
    out.print(comparison.summary(found), style="bold cyan")
    out.print()
    out.print(comparison.table(found, full=full))


def serve(port: int, ui_port: int, database: Path | None) -> None:
    """Startet den eingebetteten Server und wartet auf Strg-C."""
    run_async(_serve(port, ui_port, database))


async def _serve(port: int, ui_port: int, database: Path | None) -> None:
    attributes = search_attributes(patterns().values())
    if database is not None and not database.absolute().parent.is_dir():
        raise DauerlaufError(f"Den Ordner „{database.absolute().parent}“ gibt es nicht; legen Sie ihn zuerst an.")
    async with await EmbeddedServer.start(
        port=port, ui=True, ui_port=ui_port, database=database, search_attributes=attributes
    ) as server:
        print(f"Temporal Server: {server.address}\nWeb UI:          {server.ui_url}\nEnde mit Strg-C.", flush=True)
        while server.running:
            await asyncio.sleep(0.2)
        raise DauerlaufError(f"Der Server hat sich beendet: {server.last_output()}")


def read(port: int) -> int:
    """Zeigt das Buch im Browser, bis Strg-C; gibt den Code von MkDocs zurück."""
    from dauerlauf import notebooks

    root = completeness.project_root(Path.cwd())
    program = Path(sysconfig.get_path("scripts")) / "mkdocs"
    if not program.is_file():
        raise DauerlaufError(
            "Die Werkzeuge des Buchs fehlen; `uv run --group book --group notebooks dauerlauf lies` holt sie."
        )
    names = [file.stem for file in sorted(root.glob("notebooks/*.ipynb"))]
    missing = [name for name in names if not (root / notebooks.CACHE / f"{name}.md").is_file()]
    if missing:
        notebooks.render(missing)
    command: list[str | Path] = [program, "serve", "--dev-addr", f"127.0.0.1:{port}"]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    try:
        return subprocess.run(command, cwd=root, env=environment, check=False).returncode
    except KeyboardInterrupt:
        return INTERRUPTED


def render_notebooks() -> None:
    """Führt alle Notebooks aus und legt sie für das Buch ab."""
    from dauerlauf import notebooks

    for file in notebooks.render():
        print(file)


def record_histories(pattern: str | None, *, compare: bool) -> int:
    """Zeichnet ein Muster oder alle auf; gibt zurück, wie viele Histories vom abgelegten Stand abweichen."""
    return run_async(_record_all([find_pattern(pattern)] if pattern else list(patterns().values()), compare=compare))


async def _record_all(chosen: Sequence[Pattern], *, compare: bool) -> int:
    scenarios = [scenario for pattern in chosen for scenario in pattern.scenarios.values()]
    changed = recorded = 0
    slots = asyncio.Semaphore(PARALLEL_RUNS)

    async def crashes(scenario: Scenario) -> list[Recording]:
        async with slots:
            return await record_crashes(scenario, server)

    def keep(recording: Recording) -> None:
        nonlocal changed, recorded
        recorded += 1
        if recording.changed:
            changed += 1
            print(f"{'weicht ab' if compare else 'geschrieben'}: {recording.file}")
            if not compare:
                recording.write()

    async with timelapse(search_attributes=search_attributes(chosen)) as server:
        for scenario in scenarios:
            keep(await record(scenario, server))
        for recordings in await together(*map(crashes, scenarios)):
            for recording in recordings:
                keep(recording)
    print(f"{changed} von {recorded} Histories {'weichen ab' if compare else 'neu'}.")
    return changed


def insert_outputs(page: Path | None, *, compare: bool) -> int:
    """Setzt die Ausgaben aller Seiten (oder einer) ein oder vergleicht sie; gibt zurück, wie viele abweichen."""
    root = completeness.project_root(Path.cwd())
    found = list(page_outputs.compare(root, page))
    changed = [output for output in found if output.changed]
    for output in changed:
        print(f"{'weicht ab' if compare else 'eingesetzt'}: {output.page.relative_to(root)}: {output.command}")
    print(f"{len(changed)} von {len(found)} Ausgaben {'weichen ab' if compare else 'neu'}.")
    if not compare:
        page_outputs.insert(found)
    return len(changed)


def check() -> int:
    """Druckt alles, was dem Buch fehlt; gibt die Zahl der Mängel zurück."""
    findings = list(completeness.check(completeness.project_root(Path.cwd()), patterns().values()))
    if not findings:
        print(f"{len(patterns())} Muster sind vollständig.")
        return 0
    table = Table("Wo", "Was fehlt", box=None, pad_edge=False)
    for finding in findings:
        table.add_row(finding.place, finding.text)
    console().print(table)
    print(f"{len(findings)} Mängel.")
    return len(findings)
