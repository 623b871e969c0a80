"""Der Laufspieler im Browser: barrierefrei, ohne Sprünge, lesbar auf jedem Bildschirm."""

from __future__ import annotations

import base64

import pytest
from barrieren import barriers
from laufspieler import DESK, PAGE, PHONE, SIZES, Opened, nearest, opened
from playwright.async_api import Browser

pytestmark = [pytest.mark.browser, pytest.mark.gruendlich, pytest.mark.timeout(400)]


# Maße hängen an der Breite, Farben am Schema; hier und unten genügt deshalb jedes einmal.
@pytest.mark.parametrize(("size", "scheme"), [(PHONE, "light"), (DESK, "dark")], ids=["390-light", "1280-dark"])
async def test_barrierefrei(browser: Browser, address: str, size: dict[str, int], scheme: str) -> None:
    async with opened(browser, address, viewport=size, color_scheme=scheme) as player:
        # Vom Quelltext genügt ein Stück samt der leuchtenden Zeile; alles dauerte Minuten.
        part = {"include": ["lauf-spieler"], "exclude": [".sp-zeile:nth-child(n+40):not(.sp-an)"]}
        assert await barriers(player.page, scheme, part) == []
        await player.press("weiter", 5)
        assert await barriers(player.page, scheme, part) == []
        await player.press("sturz")
        assert await barriers(player.page, scheme, part) == []
        phases = [frame["phase"] for frame in nearest(player, 5)["run"]["frames"]]
        await player.go(phases.index("replay"))
        assert (await player.snapshot())["phase"] == "replay"
        assert await barriers(player.page, scheme, part) == []


# --- Ruhe


SHIFTS = """
window.shifts = [];
new PerformanceObserver((list) => {
  for (const e of list.getEntries()) {
    shifts.push([e.value, e.sources.map((s) => s.node?.outerHTML?.slice(0, 90) ?? String(s.node?.nodeName))]);
  }
}).observe({ type: "layout-shift", buffered: true });
"""
PLACES = """() => [...document.querySelectorAll(
  'article > *, .md-sidebar, .md-footer, lauf-spieler, .sp-rahmen > :not(.dl-figur), .dl-figur > *, .sp-leiste > *'
)].filter((e) => !e.matches('.dl-breit, .dl-schmal, .sp-absturzbild')).map((e) => {
  const r = e.getBoundingClientRect();
  return [e.className || e.tagName, r.left, r.top + scrollY, r.width, r.height];
})"""


@pytest.mark.parametrize("size", SIZES)
async def test_nichts_verschiebt_sich(browser: Browser, address: str, size: dict[str, int]) -> None:
    async with opened(browser, address, viewport=size, init=SHIFTS, fonts=False) as player:
        places = await player.page.evaluate(PLACES)
        assert len(places) > 20
        for crash in (None, *player.data["crashes"][::3]):
            run = crash["run"] if crash else player.data["smooth"]
            if crash:
                await player.go(next(i for i in range(len(player.frames)) if nearest(player, i) == crash))
                await player.press("sturz")
            for index in range(len(run["frames"])):
                await player.go(index)
                assert await player.page.evaluate(PLACES) == places
            if crash:
                await player.press("sturz")
        await player.page.evaluate("() => new Promise((ok) => requestAnimationFrame(() => requestAnimationFrame(ok)))")
        # Der Titel in der Kopfleiste gleitet beim Scrollen; das tut das Thema auf jeder Seite.
        shifts = await player.page.evaluate("shifts")
        assert [shift for shift in shifts if not all("md-header" in source for source in shift[1])] == []


async def test_das_geruest_hat_schon_ohne_skript_seine_groesse(browser: Browser, address: str) -> None:
    sizes = []
    for blocked in (False, True):
        context = await browser.new_context(viewport=DESK)  # type: ignore[arg-type]
        page = await context.new_page()
        if blocked:
            await page.route("**/spieler.js", lambda route: route.abort())
        await page.goto(address + PAGE, wait_until="load")
        sizes.append(await page.locator("lauf-spieler").bounding_box())
        assert await page.evaluate("Boolean(customElements.get('lauf-spieler'))") is not blocked
        await context.close()
    assert sizes[0] == sizes[1]


PIXELS = """async (png) => {
  const image = new Image();
  image.src = "data:image/png;base64," + png;
  await image.decode();
  const canvas = new OffscreenCanvas(image.width, image.height);
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, image.width, image.height);
  const counts = new Map();
  for (let i = 0; i < data.length; i += 4) {
    const key = [data[i], data[i + 1], data[i + 2]].join();
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return [...counts].sort((a, b) => b[1] - a[1]).map(([k, n]) => [k.split(",").map(Number), n]);
}"""


async def colours(player: Opened, clip: dict[str, float]) -> list[tuple[list[int], int]]:
    """Die Farben eines Ausschnitts der Seite mit ihrer Häufigkeit, die häufigste zuerst."""
    png = await player.page.screenshot(clip=clip)  # type: ignore[arg-type]
    found: list[tuple[list[int], int]] = await player.page.evaluate(PIXELS, base64.b64encode(png).decode())
    return found


def luminance(colour: list[int]) -> float:
    """Relative Leuchtdichte nach WCAG 2.2."""
    parts = [c / 255 / 12.92 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def contrast(one: list[int], other: list[int]) -> float:
    """Kontrast zweier Farben nach WCAG 2.2."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


# Die Kästen, auf die es ankommt, als [oben, unten]; bei der Nachbarin der leuchtenden Zeile der ganze.
BOXES = """s => {
  const all = (e) => { const r = e.getBoundingClientRect(); return {x: r.x, y: r.y, width: r.width, height: r.height} };
  const edges = (e) => e && [e.getBoundingClientRect().top, e.getBoundingClientRect().bottom];
  const line = s.querySelector(".sp-code .sp-an");
  const current = s.querySelector("[aria-current]");
  return {
    page: document.documentElement.scrollWidth,
    whole: all(s),
    line: line && all(line),
    neighbour: line && all(line.previousElementSibling ?? line.nextElementSibling),
    inside: [
      [edges(line), line && edges(line.closest(".sp-roll")), true],
      [edges(s.querySelector(".sp-activity .sp-an")), edges(s.querySelector(".sp-activity > :not([hidden], p)")), true],
      [s.band[0].height.baseVal.value ? edges(s.band[0]) : null, edges(s.blatt), true],
      [edges(current), edges(current.closest("ol")), false],
    ].filter(([inner]) => inner),
  };
}"""


@pytest.mark.parametrize(("size", "scheme"), [(PHONE, "dark"), (DESK, "light")], ids=["390-dark", "1280-light"])
async def test_auf_dem_bildschirm(browser: Browser, address: str, size: dict[str, int], scheme: str) -> None:
    async with opened(browser, address, viewport=size, color_scheme=scheme) as player:

        async def check(*, pixels: bool) -> None:
            found = await player.box.evaluate(BOXES)
            assert found["page"] <= size["width"], "nichts ragt hinaus"
            assert len(found["inside"]) >= 2
            for (top, bottom), (panel_top, panel_bottom), on_screen in found["inside"]:
                assert panel_top - 1 <= top, "die aktuelle Stelle ist in ihrem Feld zu sehen"
                assert bottom <= panel_bottom + 1 or bottom - top > panel_bottom - panel_top
                assert not on_screen or bottom <= size["height"], "ohne die Seite zu schieben"
            if not pixels or not found["line"]:
                return
            text = {**found["line"], "x": found["line"]["x"] + 60, "width": found["line"]["width"] - 70}
            lit = await colours(player, text)
            plain = await colours(
                player, {**text, "y": found["neighbour"]["y"], "height": found["neighbour"]["height"]}
            )
            background = lit[0][0]
            assert background != plain[0][0], "die leuchtende Zeile sieht anders aus als ihre Nachbarin"
            assert max(contrast(colour, background) for colour, _ in lit) >= 4.5
            # Nicht nur die Farbe: ein Balken am Rand.
            edge = await colours(player, {**found["line"], "x": found["line"]["x"] + 1, "width": 2})
            assert contrast(edge[0][0], background) >= 3

        whole = (await player.box.evaluate(BOXES))["whole"]
        assert whole["width"] <= size["width"]
        shown = {**whole, "height": min(whole["height"], size["height"] - whole["y"])}
        assert len(await colours(player, shown)) > 50, "der Spieler ist nicht leer"
        for index in range(len(player.frames)):
            await player.go(index)
            await check(pixels=index % 5 == 1)
        step = len(player.frames) // 2
        await player.go(step)
        crash = nearest(player, step)
        await player.press("sturz")
        checked = set()
        for index, frame in enumerate(crash["run"]["frames"]):
            await player.go(index)
            await check(pixels=frame["phase"] not in checked)
            checked.add(frame["phase"])
        assert checked == {"live", "crash", "takeover", "replay"}
