"""Der Befehl für den Betrieb: Schlüssel anlegen, umstellen, entfernen.

Start: `python -m kapitel16.verschluesselung.operate --help`. Die Datei mit dem Bund
nennt `NORDLICHT_SCHLUESSEL`, den Server Temporals Konfiguration.
"""

import argparse
import asyncio
import atexit
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from temporalio.client import Client

from kapitel16.verschluesselung.keys import ENVIRONMENT, KeyRing, KeyRingError, new_key
from kapitel16.verschluesselung.visible import keys_in_use
from kapitel16.verschluesselung.worker import connect

RUNNING = 'ExecutionStatus = "Running"'
ALL = ""


class UsageError(Exception):
    """Der Aufruf stimmt nicht; der Text sagt, was zu tun ist."""


def create(file: Path, key_id: str) -> str:
    """Legt einen Schlüssel an; ein neuer Bund schreibt sofort damit."""
    if file.exists():
        KeyRing.load(file).with_key(key_id, new_key()).save(file)
        return (
            f"„{key_id}“ ist im Bund. Verteilen Sie ihn auf alle Worker und Clients, "
            f"dann: aktiviere {key_id}"
        )
    KeyRing.create(key_id).save(file)
    return f"Neuer Bund mit „{key_id}“: {file}"


async def usage(client: Client, query: str) -> Counter[str]:
    """Wie viele Ausführungen und Schedules welchen Schlüssel brauchen."""
    found: Counter[str] = Counter()
    for keys in (await keys_in_use(client, query)).values():
        found.update(keys.keys())
    return found


# --8<-- [start:remove]
async def remove(client: Client, file: Path, key_id: str, query: str) -> str:
    """Entfernt einen Schlüssel, den niemand mehr braucht; wirft sonst `UsageError`."""
    KeyRing.load(file).without(key_id)
    needed = (await usage(client, query))[key_id]
    if needed:
        raise UsageError(
            f"„{key_id}“ wird noch gebraucht: von {needed} Ausführungen oder Schedules."
        )
    # Neu gelesen: Was währenddessen hinzukam, bleibt.
    KeyRing.load(file).without(key_id).save(file)
    return f"„{key_id}“ ist entfernt. Was damit versiegelt ist, liest niemand mehr."


# --8<-- [end:remove]


def build_parser() -> argparse.ArgumentParser:
    """Die Befehle."""
    parser = argparse.ArgumentParser(
        prog="python -m kapitel16.verschluesselung.operate",
        description="Schlüssel anlegen, umstellen und entfernen.",
    )
    commands = parser.add_subparsers(dest="befehl", required=True, metavar="BEFEHL")
    for name, text in (
        ("neu", "einen Schlüssel anlegen, mit dem noch niemand schreibt"),
        ("aktiviere", "neue Payloads mit diesem Schlüssel schreiben"),
        ("entferne", "einen Schlüssel entfernen, den niemand mehr braucht"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("kennung", help="etwa 2026-11")
    commands.add_parser("benutzt", help="zeigen, wer welchen Schlüssel braucht")
    for name in ("entferne", "benutzt"):
        commands.choices[name].add_argument(
            "--auch-beendete",
            action="store_true",
            help="auch beendete Ausführungen zählen, solange der Server sie aufhebt",
        )
    return parser


async def execute(args: argparse.Namespace, file: Path) -> str:
    """Führt einen Befehl aus und gibt seine Meldung zurück."""
    query = ALL if getattr(args, "auch_beendete", False) else RUNNING
    match args.befehl:
        case "neu":
            return create(file, args.kennung)
        case "aktiviere":
            KeyRing.load(file).activate(args.kennung).save(file)
            return f"Neue Payloads bekommen „{args.kennung}“, sobald Sie neu starten."
        case "entferne":
            return await remove(await connect(), file, args.kennung, query)
        case _:
            found = sorted((await usage(await connect(), query)).items())
            lines = [f"{key_id}: {number}" for key_id, number in found]
            return "\n".join(lines) or "Kein Schlüssel wird gebraucht."


def main(arguments: Sequence[str] | None = None) -> int:
    """Der Befehl; gibt 0 zurück, 2 bei falschem Aufruf oder unmöglichem Eingriff."""
    args = build_parser().parse_args(arguments)
    path = os.environ.get(ENVIRONMENT)
    if not path:
        print(f"Fehler: Die Umgebungsvariable {ENVIRONMENT} fehlt.", file=sys.stderr)
        return 2
    try:
        print(asyncio.run(execute(args, Path(path))))
    except (UsageError, KeyRingError, LookupError, ConnectionError) as error:
        print(f"Fehler: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    # Ohne diese Pause stirbt der Prozess beim Beenden manchmal mit SIGABRT
    # (temporalio/sdk-python#300).
    atexit.register(time.sleep, 0.1)
    sys.exit(main())
