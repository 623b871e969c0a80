"""Den Laufspieler auf der Seite der Saga im Browser öffnen, bedienen und lesen."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import pytest
from playwright.async_api import Browser, Locator, Page

from dauerlauf.player import PlayedRun
from dauerlauf.player import document as player_document
from dauerlauf.scenario import find_pattern

PAGE = "teil3/kapitel07/saga/"
HALLO = "bestaetigung"
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 900}
SIZES = [pytest.param(PHONE, id="390"), pytest.param(DESK, id="1280")]
ASSET_LIMIT = 10_000
"""Bytes von Skript und Stylesheet zusammen, gepackt."""

WORDS = {"live": "läuft", "crash": "Absturz", "takeover": "Übernahme", "replay": "Replay"}

# Was der Spieler gerade zeigt, in einem Zug gelesen.
SNAPSHOT = """s => {
  const text = (a) => s.querySelector(a)?.textContent ?? null;
  const lit = (feld) => [...s.querySelectorAll(`${feld} .sp-an`)].map((z) => [
    z.closest("[data-datei]").dataset.datei, Number(z.dataset.nr), z.closest("[data-datei]").offsetHeight > 0]);
  const band = [...s.querySelectorAll(".sp-band")].find((b) => b.getClientRects().length)?.getBoundingClientRect();
  const blatt = s.querySelector(".sp-absturzbild:not([hidden])") ?? s.querySelector(".dl-schmal");
  return {
    text: text("[role=status]"),
    step: text(".sp-stand"),
    phase: s.dataset.phase,
    word: text(".sp-phase"),
    worker: text(".sp-worker"),
    line: lit(".sp-code"),
    also: lit(".sp-activity"),
    variables: [...s.querySelectorAll(".sp-variablen tr")].map((z) => [
      z.querySelector("th").textContent, z.querySelector("td").firstChild.textContent,
      Boolean(z.querySelector(".sp-marke")), Boolean(z.querySelector("del"))]),
    current: [...s.querySelectorAll("[aria-current=step]")].map((k) => Number(k.dataset.event)),
    band: band && [band.top, band.bottom],
    rows: Object.fromEntries([...blatt.querySelectorAll("[data-zeile]")].filter((g) => g.querySelector("text"))
      .map((g) => [g.dataset.zeile, [g.getBoundingClientRect().top, g.getBoundingClientRect().bottom]])),
    hint: text(".sp-hinweis"),
    pressed: s.querySelector("[data-tut=sturz]").getAttribute("aria-pressed"),
  };
}"""


@dataclass
class Opened:
    """Der Spieler einer geöffneten Seite und seine Daten."""

    page: Page
    box: Locator
    data: dict[str, Any]
    errors: list[str]

    @property
    def frames(self) -> list[dict[str, Any]]:
        """Die Schritte des glatten Laufs."""
        found: list[dict[str, Any]] = self.data["smooth"]["frames"]
        return found

    async def press(self, action: str, times: int = 1) -> None:
        """Drückt einen Knopf der Leiste."""
        for _ in range(times):
            await self.box.locator(f'[data-tut="{action}"]').click(force=True)

    async def snapshot(self) -> dict[str, Any]:
        """Was gerade zu sehen ist."""
        found: dict[str, Any] = await self.box.evaluate(SNAPSHOT)
        return found

    async def go(self, step: int) -> None:
        """Stellt den Regler auf einen Schritt (ab 0)."""
        await self.box.locator("input").fill(str(step + 1))


@cache
def recorded() -> dict[str, Any]:
    """Was aufgezeichnet ist, an der Verpackung im Bauteil vorbei: die Läufe mit Events und Schritten."""
    document = player_document(find_pattern("saga").find("glatt"))

    def run(played: PlayedRun) -> dict[str, Any]:
        return {"entries": [asdict(one) for one in played.entries], "frames": [asdict(one) for one in played.frames]}

    crashes = [{"event": crash.event, "label": crash.label, "run": run(crash.run)} for crash in document.crashes]
    found: dict[str, Any] = json.loads(json.dumps({"smooth": run(document.smooth), "crashes": crashes}))
    return found


@asynccontextmanager
async def opened(
    browser: Browser, address: str, *, init: str = "", clock: bool = False, fonts: bool = True, **options: Any
) -> AsyncIterator[Opened]:
    """Die Seite mit dem Spieler, der bereit und ganz oben im Fenster ist.

    Ohne ``fonts`` bleibt es bei den Schriften des Systems: Der Wechsel zur Schrift des Buchs verschiebt auf jeder
    Seite den Text, mit und ohne Spieler.
    """
    context = await browser.new_context(**{"viewport": DESK, **options})
    page = await context.new_page()
    errors: list[str] = []
    page.on("console", lambda m: errors.append(m.text) if m.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    if clock:
        await page.clock.install()
    if not fonts:
        await page.route("**/*.woff2", lambda route: route.abort())
    if init:
        await page.add_init_script(init)
    await page.goto(address + PAGE + ("index.html" if address.startswith("file:") else ""), wait_until="load")
    box = page.locator("lauf-spieler")
    await page.wait_for_function("document.querySelector('lauf-spieler').schritt === 0")
    await box.evaluate("s => scrollTo(0, scrollY + s.getBoundingClientRect().top - 60)")
    yield Opened(page, box, recorded(), errors)
    await context.close()


def matches(shown: dict[str, Any], frame: dict[str, Any], sources: dict[int, str]) -> None:
    """Prüft, dass der Spieler genau diesen Schritt zeigt."""
    assert shown["text"] == frame["text"]
    assert shown["phase"] == frame["phase"]
    step, _, count = shown["step"].partition(" von ")
    assert shown["word"] == ("Ende" if step == count else WORDS[frame["phase"]])
    wanted = [[sources[frame["source"]], frame["line"], True]] if frame["line"] else []
    assert shown["line"] == wanted
    also = frame["also"]
    assert shown["also"] == ([[sources[also[0]], also[1], True]] if also else [])
    assert shown["current"] == [frame["event"]]
    if frame["phase"] == "crash":
        assert all(lost for *_, lost in shown["variables"])
    else:
        assert [variable[:3] for variable in shown["variables"]] == frame["variables"]
    if frame["row"] >= 0:
        top, bottom = shown["rows"][str(frame["row"])]
        assert shown["band"][0] <= top
        assert bottom <= shown["band"][1]
        others = [edges for row, edges in shown["rows"].items() if row != str(frame["row"])]
        assert all(bottom_ <= shown["band"][0] + 3 or top_ >= shown["band"][1] - 3 for top_, bottom_ in others)


async def source_names(player: Opened) -> dict[int, str]:
    """Die Dateien der Ansichten: Nummer → Pfad."""
    found = await player.box.evaluate(
        "s => [...s.querySelectorAll('[data-quelle]')].map(d => [Number(d.dataset.quelle), d.dataset.datei])"
    )
    return dict(found)


def nearest(player: Opened, step: int) -> dict[str, Any]:
    """Der aufgezeichnete Absturz, der einem Schritt des glatten Laufs am nächsten liegt."""
    event = player.frames[step]["event"]
    found: dict[str, Any] = min(player.data["crashes"], key=lambda crash: abs(crash["event"] - event))
    return found


def crash_step(crash: dict[str, Any]) -> int:
    """Der Schritt, an dem der Absturz geschieht."""
    return [frame["phase"] for frame in crash["run"]["frames"]].index("crash")


# --- Gehen
