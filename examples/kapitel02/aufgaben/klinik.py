"""Zeichnet die Läufe der Klinik neu auf: `python examples/kapitel02/aufgaben/klinik.py`.

Jede Übung der Klinik hat in `pruefung.py` eine Funktion `record`, die den Code aus
`start/` laufen lässt, bis er hängt. Das Ergebnis liegt danach in `start/` und `loesung/`.
"""

import asyncio
import importlib.util
import tempfile
from pathlib import Path

from dauerlauf.exercises.bench import Bench
from dauerlauf.history import dump, normalise
from dauerlauf.timelapse import timelapse


async def main() -> None:
    """Zeichnet alle Übungen auf, deren Ordner `klinik` im Namen trägt."""
    async with timelapse() as server:
        for folder in sorted(Path(__file__).parent.glob("*_klinik_*/")):
            spec = importlib.util.spec_from_file_location(
                folder.name, folder / "pruefung.py"
            )
            assert spec is not None
            assert spec.loader is not None
            checks = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(checks)
            with tempfile.TemporaryDirectory() as place:
                bench = Bench(server, folder, folder / "start", Path(place))
                for name, history in (await checks.record(bench)).items():
                    for target in (folder / "start", folder / "loesung"):
                        (target / name).write_text(
                            dump(normalise(history)), encoding="utf-8"
                        )
                    print(f"{folder.name}/{name}: {len(history.events)} Events")


if __name__ == "__main__":
    asyncio.run(main())
