"""Die hängenden Läufe der Klinik sind Aufzeichnungen: Der Code in `start/` hängt noch genau so."""

import importlib.util
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from dauerlauf.history import load, same_behaviour
from dauerlauf.timelapse import Timelapse

FOLDER = Path(__file__).parents[2] / "examples/kapitel02/aufgaben"


def _recordings() -> Callable[[Timelapse], AsyncIterator[tuple[Path, str]]]:
    spec = importlib.util.spec_from_file_location("klinik", FOLDER / "klinik.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    recordings: Callable[[Timelapse], AsyncIterator[tuple[Path, str]]] = module.recordings
    return recordings


@pytest.mark.gruendlich
async def test_die_aufzeichnungen_der_klinik_stimmen(timelapse: Timelapse, tmp_path: Path) -> None:
    compared = set()
    async for file, text in _recordings()(timelapse):
        compared.add(file)
        if file.name.endswith("describe.json"):
            assert text == file.read_text(encoding="utf-8")
            continue
        fresh = tmp_path / file.name
        fresh.write_text(text, encoding="utf-8")
        assert same_behaviour(load(fresh), load(file)), file
    assert compared == set(FOLDER.glob("*_klinik_*/start/*.json"))
