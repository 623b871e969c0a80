"""Was beide Befehle gemeinsam haben: Angaben aus der Kommandozeile, Fehler, Ende."""

import atexit
import importlib
import logging
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import typer

PROJECT = "kapitel08.replay_test_in_ci.worker"


def fail(message: str) -> NoReturn:
    """Beendet den Befehl mit einem Satz und Code 2."""
    typer.echo(f"Fehler: {message}", err=True)
    raise typer.Exit(2)


def load(name: str) -> Any:
    """Das Objekt `name` aus einem Modul (`paket.modul:NAME`)."""
    module, _, attribute = name.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError):
        fail(f"„{name}“ gibt es nicht; gemeint ist paket.modul:NAME.")


def read_keep(file: Path) -> frozenset[str]:
    """Die Felder, deren Werte bleiben."""
    try:
        names = tomllib.loads(file.read_text("utf-8"))["behalten"]
    except (OSError, KeyError, ValueError):
        fail(f"{file} fehlt oder nennt keine Liste „behalten“.")
    return frozenset(names)


def run(command: Callable[..., None]) -> None:
    """Startet einen Befehl als Skript."""
    # Ohne diese Pause stirbt der Prozess beim Beenden manchmal mit SIGABRT
    # (temporalio/sdk-python#300).
    atexit.register(time.sleep, 0.1)
    # Was ein Replay stört, steht im Bericht; ein Traceback je History stünde davor.
    logging.getLogger("temporalio").setLevel(logging.CRITICAL)
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command()(command)
    sys.exit(app())
