"""Was gleichzeitig läuft, endet auch gemeinsam."""

import asyncio

import pytest

from dauerlauf.together import together


class Probe:
    """Merkt sich, wessen Aufräumen zu Ende lief."""

    def __init__(self) -> None:
        self.closed: list[str] = []

    async def stay(self, name: str, leaving: float = 0.02) -> str:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(leaving)
            self.closed.append(name)
        return name


async def _fail() -> str:
    await asyncio.sleep(0)
    raise ValueError("kaputt")


async def test_die_ergebnisse_stehen_in_der_reihenfolge_der_aufrufe() -> None:
    assert await together(asyncio.sleep(0.02, "a"), asyncio.sleep(0, "b")) == ["a", "b"]
    assert await together() == []


async def test_nach_einem_fehler_ist_von_den_anderen_nichts_mehr_unterwegs() -> None:
    probe = Probe()
    with pytest.raises(ValueError, match="kaputt"):
        await together(probe.stay("a"), _fail(), probe.stay("b"))
    assert sorted(probe.closed) == ["a", "b"]


async def test_ein_abbruch_von_aussen_wartet_auf_das_aufraeumen_und_unterbricht_es_nicht() -> None:
    probe = Probe()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await together(probe.stay("a", leaving=0), probe.stay("b"))
    assert sorted(probe.closed) == ["a", "b"]
