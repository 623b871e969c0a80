"""Die Kommandozeile `dauerlauf`: Befehle, Optionen, Fehler.

Was ein Befehl tut, steht in `commands.py` und wird erst geladen, wenn er läuft; Hilfe und Tippfehler antworten sofort.
"""

import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer._click.exceptions import ClickException

from dauerlauf.errors import DauerlaufError
from dauerlauf.german_cli import GermanCommand, GermanGroup, sentence

if TYPE_CHECKING:
    from dauerlauf.scenario import Pattern

SERVER_PORT = 7233
UI_PORT = 8233
LIVE_PACE = 0.25

app = typer.Typer(
    cls=GermanGroup,
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    invoke_without_command=True,
    context_settings={"help_option_names": ["--help", "-h"]},
)

PatternName = Annotated[str, typer.Argument(metavar="MUSTER", show_default=False)]
OptionalPatternName = Annotated[str | None, typer.Argument(metavar="MUSTER", show_default=False)]
ScenarioName = Annotated[str | None, typer.Argument(metavar="SZENARIO", show_default=False)]
Compare = Annotated[bool, typer.Option("--vergleiche", help="Nichts schreiben; Code 1 bei Abweichung.")]


def main(arguments: Sequence[str] | None = None) -> None:
    """Führt `dauerlauf` aus und beendet den Prozess.

    Code 0: gelungen, 1: eine Prüfung fand etwas, 2: falscher Aufruf oder behebbarer Fehler, 130 nach Strg-C,
    143 nach SIGTERM.
    """
    logging.getLogger("temporalio").setLevel(logging.CRITICAL)
    try:
        code = app(args=arguments, prog_name="dauerlauf", standalone_mode=False)
        sys.stdout.flush()
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


def run_pattern_script(pattern: "Pattern") -> None:
    """Das Skript eines Kapitels, etwa `uv run saga zahlung-scheitert`."""
    main(["starte", pattern.name, *sys.argv[1:]])


@app.callback(help="Dauerlauf: Temporal-Muster mit Python – ausführen, ansehen, nachschlagen.")
def overview(context: typer.Context) -> None:
    """Ohne Befehl: was es gibt und womit man anfängt."""
    if context.invoked_subcommand is not None:
        return
    print("Dauerlauf: Temporal-Muster mit Python, jedes gegen einen echten Temporal Server ausgeführt.\n")
    print("Zum Anfangen:")
    for command, effect in (
        ("dauerlauf starte saga", "eine Bestellung, die scheitert und aufräumt"),
        ("dauerlauf starte saga glatt --live", "ein Lauf, gezeichnet, während er geschieht"),
        ("dauerlauf liste", "alle Muster"),
        ("dauerlauf zeige saga zahlung-scheitert", "ein aufgezeichneter Lauf, ohne Server"),
        ("dauerlauf vergleiche saga glatt worker-stirbt", "zwei Läufe nebeneinander"),
        ("dauerlauf uebe", "eine Übung, die sich selbst prüft"),
        ("dauerlauf lies", "das Buch im Browser"),
        ("dauerlauf --help", "alle Befehle"),
    ):
        print(f"  {command:<47}{effect}")


@app.command("liste", cls=GermanCommand, help="Alle Muster nach Kapiteln, mit ihrem Problem in einer Zeile.")
def list_patterns() -> None:
    """Siehe `commands.list_patterns`."""
    from dauerlauf import commands

    commands.list_patterns()


@app.command("starte", cls=GermanCommand, help="Spielt alle Szenarien eines Musters oder das genannte.")
def start(
    pattern: PatternName,
    scenario: ScenarioName = None,
    live: Annotated[bool, typer.Option("--live", help="Zeichnet die Zeitachse, während der Workflow läuft.")] = False,
    pace: Annotated[
        float | None,
        typer.Option(
            "--takt",
            metavar="SEKUNDEN",
            min=0,
            max=60,
            show_default=False,
            help="Mit --live auf dem Terminal: Pause nach jedem Schritt (sonst 0,25); 0 zeigt alles sofort.",
        ),
    ] = None,
) -> None:
    """Siehe `commands.start`."""
    if pace is not None and not live:
        raise DauerlaufError("--takt gilt nur zusammen mit --live.")
    from dauerlauf import commands

    commands.start(pattern, scenario, pace=(LIVE_PACE if pace is None else pace) if live else None)


@app.command("beobachte", cls=GermanCommand, help="Zeigt eine Ausführung auf Ihrem Server, während sie läuft.")
def observe(
    workflow_id: Annotated[str, typer.Argument(metavar="WORKFLOW_ID", show_default=False)],
    run_id: Annotated[
        str | None, typer.Option("--lauf", metavar="RUN_ID", help="Mit diesem Lauf beginnen statt mit dem jüngsten.")
    ] = None,
    namespace: Annotated[
        str | None, typer.Option("--namespace", metavar="NAME", help="Ein anderer Namespace als der eingestellte.")
    ] = None,
    codec: Annotated[
        str | None,
        typer.Option(
            "--codec",
            metavar="URL",
            envvar="TEMPORAL_CODEC_ENDPOINT",
            show_envvar=False,
            help="Codec-Server, der Payloads entschlüsselt; auch aus TEMPORAL_CODEC_ENDPOINT.",
        ),
    ] = None,
    codec_auth: Annotated[
        str | None,
        typer.Option(
            "--codec-auth",
            metavar="WERT",
            envvar="TEMPORAL_CODEC_AUTH",
            show_envvar=False,
            help="Kopf „Authorization“ für den Codec-Server; auch aus TEMPORAL_CODEC_AUTH.",
        ),
    ] = None,
    full: Annotated[bool, typer.Option("--voll", help="Lange Einzelheiten nicht kürzen.")] = False,
) -> None:
    """Siehe `commands.observe`."""
    from dauerlauf import commands

    commands.observe(workflow_id, run_id, namespace=namespace, codec=codec, codec_auth=codec_auth, full=full)


@app.command("zeige", cls=GermanCommand, help="Zeigt aufgezeichnete Läufe als Zeitachse, ohne Server.")
def show(
    pattern: OptionalPatternName = None,
    scenario: ScenarioName = None,
    file: Annotated[
        Path | None, typer.Option("--datei", help="Stattdessen ein Export aus `temporal workflow show -o json`.")
    ] = None,
    svg: Annotated[bool, typer.Option("--svg", help="Als SVG statt als Tabelle; mehrere Läufe untereinander.")] = False,
    full: Annotated[bool, typer.Option("--voll", help="Lange Einzelheiten nicht kürzen.")] = False,
) -> None:
    """Siehe `commands.show`; `--datei` nimmt auch fremde Histories."""
    from dauerlauf import commands

    if file is not None and pattern is None:
        commands.show_file(file, svg=svg, full=full)
    elif pattern is not None and file is None:
        commands.show(pattern, scenario, svg=svg, full=full)
    else:
        raise DauerlaufError("Nennen Sie entweder ein Muster oder mit --datei einen Export, nicht beides.")


@app.command("vergleiche", cls=GermanCommand, help="Stellt zwei Läufe nebeneinander, ohne Server.")
def compare(
    pattern: OptionalPatternName = None,
    left: ScenarioName = None,
    right: ScenarioName = None,
    files: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            "--datei",
            metavar="DATEI DATEI",
            help="Stattdessen zwei Exporte aus `temporal workflow show -o json`.",
            show_default=False,
        ),
    ] = None,
    full: Annotated[bool, typer.Option("--voll", help="Jeden Schritt zeigen und keine Einzelheit kürzen.")] = False,
) -> None:
    """Siehe `commands.compare`; zwei Läufe verschiedener Muster heißen `muster/szenario muster/szenario`."""
    from dauerlauf import commands

    commands.compare([name for name in (pattern, left, right) if name], files, full=full)


@app.command("server", cls=GermanCommand, help="Startet den eingebetteten Server mit Web UI, bis Strg-C.")
def serve(
    port: Annotated[int, typer.Option("--port", help="Port des Servers.")] = SERVER_PORT,
    ui_port: Annotated[int, typer.Option("--ui-port", help="Port der Web UI.")] = UI_PORT,
    database: Annotated[
        Path | None, typer.Option("--datei", help="SQLite-Datei; ohne sie endet alles mit dem Server.")
    ] = None,
) -> None:
    """Siehe `commands.serve`."""
    from dauerlauf import commands

    commands.serve(port, ui_port, database)


@app.command("lies", cls=GermanCommand, help="Das Buch im Browser, mit laufender Aktualisierung.")
def read(port: Annotated[int, typer.Option("--port", help="Port der Seite.")] = 8000) -> None:
    """Siehe `commands.read`."""
    from dauerlauf import commands

    raise typer.Exit(commands.read(port))


@app.command("notebooks", cls=GermanCommand, help="Führt die Notebooks aus und legt sie für das Buch ab.")
def render_notebooks() -> None:
    """Siehe `commands.render_notebooks`."""
    from dauerlauf import commands

    commands.render_notebooks()


@app.command("zeichne-auf", cls=GermanCommand, help="Zeichnet die Histories der Szenarien auf.")
def record_histories(pattern: OptionalPatternName = None, compare: Compare = False) -> None:
    """Siehe `commands.record_histories`."""
    from dauerlauf import commands

    changed = commands.record_histories(pattern, compare=compare)
    raise typer.Exit(int(compare and changed > 0))


@app.command("ausgaben", cls=GermanCommand, help="Setzt die Ausgaben der Befehle in die Seiten ein.")
def insert_outputs(
    page: Annotated[Path | None, typer.Argument(metavar="SEITE", show_default=False)] = None, compare: Compare = False
) -> None:
    """Siehe `commands.insert_outputs`."""
    from dauerlauf import commands

    changed = commands.insert_outputs(page, compare=compare)
    raise typer.Exit(int(compare and changed > 0))


@app.command("pruefe", cls=GermanCommand, help="Nennt alles, was dem Buch zur Vollständigkeit fehlt.")
def check() -> None:
    """Siehe `commands.check`."""
    from dauerlauf import commands

    raise typer.Exit(int(commands.check() > 0))


@app.command("uebe", cls=GermanCommand, help="Prüft Ihre Lösung der nächsten offenen Übung oder der genannten.")
def practise(
    number: Annotated[str | None, typer.Argument(metavar="NUMMER", show_default=False)] = None,
    hint: Annotated[bool, typer.Option("--tipp", help="Den nächsten von drei Tipps zeigen.")] = False,
    solution: Annotated[bool, typer.Option("--loesung", help="Die Lösung zeigen.")] = False,
    reset: Annotated[bool, typer.Option("--neu", help="Die Übung von vorn beginnen; Ihre Dateien bleiben.")] = False,
    watch: Annotated[bool, typer.Option("--beobachte", help="Nach jedem Speichern prüfen, bis Strg-C.")] = False,
    every: Annotated[bool, typer.Option("--alle", help="Alles prüfen, was Sie begonnen haben.")] = False,
    listing: Annotated[bool, typer.Option("--liste", help="Alle Übungen mit ihrem Stand.")] = False,
    yes: Annotated[bool, typer.Option("--ja", help="Rückfragen mit Ja beantworten.")] = False,
    folder: Annotated[
        Path, typer.Option("--ordner", metavar="ORDNER", help="Wo Ihre Dateien liegen.", show_default=False)
    ] = Path("uebungen"),
) -> None:
    """Siehe `practice.run`; Code 0: gelöst, 1: noch nicht."""
    flags = {"tipp": hint, "loesung": solution, "neu": reset, "beobachte": watch, "alle": every, "liste": listing}
    chosen = [name for name, wanted in flags.items() if wanted]
    if len(chosen) > 1:
        raise DauerlaufError(f"--{chosen[0]} und --{chosen[1]} gehen nicht zusammen; nehmen Sie eines.")
    from dauerlauf.exercises import practice

    raise typer.Exit(practice.run(number, folder, action=chosen[0] if chosen else None, yes=yes))


@app.command("neue-uebung", cls=GermanCommand, help="Legt das Gerüst einer neuen Übung an.")
def new_exercise(
    number: Annotated[str, typer.Argument(metavar="NUMMER", show_default=False)],
    title: Annotated[str, typer.Argument(metavar="TITEL", show_default=False)],
    rung: Annotated[
        str,
        typer.Option(
            "--stufe",
            metavar="STUFE",
            help="vorhersagen, aendern, reparieren, ergaenzen oder bauen.",
            show_default=False,
        ),
    ],
) -> None:
    """Siehe `practice.new_exercise`."""
    from dauerlauf.exercises import practice

    practice.new_exercise(number, title, rung)
