"""Ein Vergleich im Browser: nebeneinander auf jeder Breite, nichts ragt hinaus, Falten ohne JavaScript."""

from __future__ import annotations

import pytest
from barrieren import SCHEMES, barriers
from playwright.async_api import Browser

pytestmark = [pytest.mark.browser, pytest.mark.gruendlich, pytest.mark.timeout(200)]

PAGE = "teil3/kapitel07/saga/"
FIGURE = "#vergleich-glatt-versand-scheitert"


# Maße hängen an der Breite, Farben am Schema.
@pytest.mark.parametrize(("width", "scheme"), [(320, "light"), (390, "dark"), (1280, "light"), (1280, "dark")])
async def test_beide_seiten_stehen_nebeneinander(browser: Browser, address: str, width: int, scheme: str) -> None:
    context = await browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme=scheme,  # type: ignore[arg-type]
    )
    page = await context.new_page()
    await page.goto(address + PAGE, wait_until="load")
    await page.wait_for_selector(f"body[data-md-color-scheme={SCHEMES[scheme]}]")
    await page.evaluate(f"document.querySelectorAll('{FIGURE} details').forEach(d => d.open = true)")
    places = await page.evaluate(
        f"""[...document.querySelectorAll('{FIGURE} .dl-paar')].map(pair => {{
            const box = name => pair.querySelector(name).getBoundingClientRect();
            const [left, right, verdict] = [box('.dl-links'), box('.dl-rechts'), box('.dl-urteil')];
            const over = [...pair.querySelectorAll('.dl-seite *')].filter(e => {{
                const inner = e.getBoundingClientRect(), outer = e.closest('.dl-seite').getBoundingClientRect();
                return inner.right > outer.right + 1 && !e.matches('.dl-wort');
            }}).map(e => e.textContent);
            return {{top: Math.abs(left.top - right.top), order: left.right <= right.left, over,
                     between: verdict.left >= left.right && verdict.right <= right.left,
                     above: verdict.bottom <= left.top + 1}};
        }})"""
    )
    assert len(places) == 12
    for place in places:
        assert place["top"] < 1
        assert place["order"]
        assert place["over"] == []
        assert place["between" if width == 1280 else "above"]
    assert await barriers(page, scheme, FIGURE) == []
    await context.close()


async def test_gleiche_schritte_klappen_ohne_javascript_auf(browser: Browser, address: str) -> None:
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto(address + PAGE)
    folded = page.locator(f"{FIGURE} details .dl-titel")
    summary = page.locator(f"{FIGURE} summary")
    assert await folded.count() == 4
    assert not await folded.first.is_visible()
    await summary.focus()
    await page.keyboard.press("Enter")
    await page.locator(f"{FIGURE} details[open]").wait_for()
    assert await folded.first.is_visible()
    await context.close()
