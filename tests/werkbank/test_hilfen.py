"""Die gemeinsamen Hilfen der Tests: Sie scheitern deutlich, statt still weniger zu prüfen."""

import asyncio
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

import hilfen
from hilfen import each_selected, until

ASKED: list[str] = []
"""Was gespielt wurde, in dieser Reihenfolge."""


@pytest.fixture(scope="module")
async def played(request: pytest.FixtureRequest) -> Mapping[str, str]:
    ASKED.clear()

    async def run(name: str) -> str:
        ASKED.append(name)
        await asyncio.sleep(0)
        if name == "kaputt":
            raise LookupError(name)
        return name.upper()

    return await each_selected(request, run)


@pytest.mark.parametrize("name", ["eins", "zwei"])
def test_der_parameter_name_nennt_das_szenario(name: str, played: Mapping[str, str]) -> None:
    assert played[name] == name.upper()


@pytest.mark.szenarien("eins", "drei")
def test_der_marker_nennt_szenarien(played: Mapping[str, str]) -> None:
    assert (played["eins"], played["drei"]) == ("EINS", "DREI")
    assert len(ASKED) == len(set(ASKED)) == len(played)


@pytest.mark.szenarien("kaputt", "eins")
def test_ein_gescheitertes_szenario_trifft_nur_wer_es_ansieht(played: Mapping[str, str]) -> None:
    assert played["eins"] == "EINS"
    with pytest.raises(LookupError, match="kaputt"):
        played["kaputt"]


@pytest.mark.szenarien("eins")
def test_ein_nicht_genanntes_szenario_ist_ein_fehler(played: Mapping[str, str]) -> None:
    with pytest.raises(AssertionError, match="„vier“ ist nicht gespielt"):
        played["vier"]


async def test_wer_kein_szenario_nennt_scheitert(request: pytest.FixtureRequest) -> None:
    with pytest.raises(AssertionError, match=f"{request.node.name} verlangt `request`, nennt aber kein Szenario"):
        await each_selected(_asking(request), _never_played)


@pytest.mark.szenarien("eins")
async def test_fuer_uebersprungene_tests_spielt_niemand(request: pytest.FixtureRequest) -> None:
    request.node.add_marker(pytest.mark.skip)
    assert not await each_selected(_asking(request), _never_played)


def _asking(request: pytest.FixtureRequest) -> Any:
    """Als wäre nur dieser Test ausgewählt und seine Fixture `request` die mit den gespielten Szenarien."""
    module = request.node.getparent(pytest.Module)
    return SimpleNamespace(session=SimpleNamespace(items=[request.node]), node=module, fixturename="request")


async def _never_played(name: str) -> str:
    raise AssertionError(name)


async def test_until_nennt_die_bedingung(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hilfen, "PATIENCE", 0.05)
    parcels: list[str] = []

    async def never() -> bool:
        return False

    with pytest.raises(AssertionError, match=r"gilt nicht: .*never"):
        await until(never)
    with pytest.raises(AssertionError, match=r"lambda: len\(parcels\) > 7"):
        await until(lambda: len(parcels) > 7)


async def test_until_reicht_durch_was_die_bedingung_wirft() -> None:
    def late() -> bool:
        raise TimeoutError("eigenes")

    with pytest.raises(TimeoutError, match="eigenes"):
        await until(late)
