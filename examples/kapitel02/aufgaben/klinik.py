"""Zeichnet die hängenden Läufe der Klinik neu auf; sie liegen in `start/`.

Aufruf: `uv run python examples/kapitel02/aufgaben/klinik.py`. Jede Übung der Klinik hat
in `pruefung.py` eine Funktion `record`; sie lässt den Code aus `start/` hängen.
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
                for name, found in (await checks.record(bench)).items():
                    text = found if isinstance(found, str) else dump(normalise(found))
                    (folder / "start" / name).write_text(text, encoding="utf-8")
                    print(f"{folder.name}/{name}")


if __name__ == "__main__":
    asyncio.run(main())
