"""Zeichnet die hängenden Läufe der Klinik neu auf; sie liegen in `start/`.

Aufruf: `uv run python examples/kapitel02/aufgaben/klinik.py`. Jede Übung der Klinik hat
in `pruefung.py` eine Funktion `record`; sie lässt den Code aus `start/` hängen.
"""

import asyncio
import base64
import importlib.util
import json
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowHistory

from dauerlauf.exercises.bench import Bench
from dauerlauf.history import dump, normalise
from dauerlauf.timelapse import Timelapse, timelapse


def _readable(history: WorkflowHistory) -> str:
    """Die History mit lesbaren Payloads, wie `temporal workflow show -o json`."""
    found = _decoded(json.loads(dump(normalise(history))))
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


def _decoded(value: Any) -> Any:
    if isinstance(value, list):
        return [_decoded(one) for one in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"payloads"}:
        return [_decoded(one) for one in value["payloads"]]
    if set(value) == {"data", "metadata"}:
        return json.loads(base64.b64decode(value["data"]))
    if set(value) == {"metadata"}:
        return None
    return {key: _decoded(one) for key, one in value.items()}


async def recordings(server: Timelapse) -> AsyncIterator[tuple[Path, str]]:
    """Zeichnet alles neu auf; gibt zu jeder Datei in `start/` ihren Inhalt heraus."""
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
                text = found if isinstance(found, str) else _readable(found)
                yield folder / "start" / name, text


async def main() -> None:
    """Legt alle Aufzeichnungen neu ab."""
    async with timelapse() as server:
        async for file, text in recordings(server):
            file.write_text(text, encoding="utf-8")
            print(file)


if __name__ == "__main__":
    asyncio.run(main())
