"""Die Fragen im Browser: Tastatur, Ansage, ohne JavaScript, auf dem Telefon und auf Papier."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from barrieren import SCHEMES, barriers
from buchbau import ROOT
from playwright.async_api import Browser, Locator, Page

from dauerlauf.book import questions
from dauerlauf.book.questions import Question

pytestmark = [pytest.mark.browser, pytest.mark.gruendlich, pytest.mark.timeout(400)]

CHOICE = questions.find(ROOT, "befund-buddelschiff")
ORDER = questions.find(ROOT, "saga-rueckweg")
NUMBER = questions.find(ROOT, "grenzen-volle-pause")
LINES = questions.find(ROOT, "determinismus-zeile")
PROBE = "probe/"


def form(page: Page, asked: Question) -> Locator:
    """Das Formular einer Frage."""
    return page.locator(f"#frage-{asked.id}")


async def said(box: Locator) -> str:
    """Was die Vorlesehilfe ansagt."""
    return await box.get_by_role("status").inner_text()


async def test_wahl_mit_der_tastatur(browser: Browser, address: str) -> None:
    page = await browser.new_page()
    await page.goto(address + PROBE)
    box = form(page, CHOICE)
    await box.get_by_role("radio").first.focus()
    await page.keyboard.press("Enter")
    assert await said(box) == "Wählen Sie zuerst eine Antwort."
    await page.keyboard.press("Space")
    await page.keyboard.press("Enter")
    assert await said(box) == f"Noch nicht. {CHOICE.options[0].feedback}"
    assert not await box.locator("details[open]").count()
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Space")
    assert (await said(box)).startswith("Richtig.")
    assert await box.get_by_text(CHOICE.explanation).is_visible()
    await page.reload()
    assert await form(page, CHOICE).get_by_text("schon einmal richtig beantwortet").is_visible()
    assert not await form(page, CHOICE).locator("input:checked").count()
    await page.close()


async def test_reihenfolge_mit_der_tastatur(browser: Browser, address: str) -> None:
    page = await browser.new_page()
    await page.goto(address + PROBE)
    box = form(page, ORDER)
    await box.get_by_role("button", name="Prüfen").click()
    foreign = next(option for option in ORDER.options if not option.right)
    assert foreign.feedback in await said(box)
    right = [option.text for option in ORDER.options if option.right]
    for place, text in enumerate(right):
        up = box.get_by_role("button", name=f"nach oben: {text}")
        await up.focus()
        for _ in range((await box.locator(".dl-ordnen li span").all_inner_texts()).index(text) - place):
            await page.keyboard.press("Enter")
        assert (await box.locator(".dl-ordnen li span").all_inner_texts())[place] == text
        assert await up.evaluate("knopf => knopf === document.activeElement")
    await box.get_by_role("button", name="Prüfen").click()
    assert f"Auf Platz 7: {foreign.feedback}" in await said(box)
    await box.get_by_role("button", name=f"nach unten: {foreign.text}").press("Enter")
    assert await said(box) == "Unter dem Strich."
    await box.get_by_role("button", name=f"nach unten: {right[0]}").press("Enter")
    assert await said(box) == "Platz 2."
    await box.get_by_role("button", name="Prüfen").click()
    assert (await said(box)).startswith("Noch nicht. Platz 1 stimmt noch nicht.")
    await box.get_by_role("button", name=f"nach oben: {right[0]}").press("Enter")
    await box.get_by_role("button", name="Prüfen").click()
    assert (await said(box)) == "Richtig."
    await page.close()


async def test_zahl_und_fundstelle(browser: Browser, address: str) -> None:
    page = await browser.new_page()
    await page.goto(address + PROBE)
    box = form(page, NUMBER)
    for entered, expected in [("8", NUMBER.options[1].feedback), ("55", NUMBER.otherwise), ("9", "Richtig.")]:
        await box.get_by_role("spinbutton", name="Ihre Zahl").fill(entered)
        await page.keyboard.press("Enter")
        assert expected in await said(box)
    box = form(page, LINES)
    fields = box.get_by_role("checkbox")
    right = [number for number, option in enumerate(LINES.options) if option.right]
    await fields.nth(right[0]).check()
    await box.get_by_role("button", name="Prüfen").click()
    assert "1 von 2 gefunden. Was Sie gewählt haben, stimmt." in await said(box)
    await fields.nth(right[1]).check()
    await box.get_by_role("button", name="Prüfen").click()
    assert "Richtig." in await said(box)
    await page.close()


async def test_ohne_javascript_bleibt_frage_mit_antwort(browser: Browser, address: str) -> None:
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto(address + PROBE)
    for asked in (CHOICE, ORDER):
        box = form(page, asked)
        assert await box.get_by_text(asked.text).is_visible()
        assert await box.locator(":is(label, li) span").first.is_visible()
        assert await box.get_by_role("button").count() == 0
        answer = box.get_by_text(asked.explanation)
        assert not await answer.is_visible()
        await box.locator("summary").focus()
        await page.keyboard.press("Enter")
        await box.locator("details[open]").wait_for()
        assert await answer.is_visible()
        assert await box.get_by_text(next(o.feedback for o in asked.options if o.feedback)).is_visible()
    await form(page, NUMBER).get_by_role("spinbutton").press("Enter")
    assert page.url == address + PROBE
    await page.emulate_media(media="print")
    assert await form(page, NUMBER).get_by_text(NUMBER.explanation).is_visible()
    await context.close()


async def test_auf_dem_telefon_lesbar_und_barrierefrei(browser: Browser, address: str) -> None:
    """Unbeantwortet und aufgeklappt prüft jede Frage schon der Durchgang durch alle Seiten; hier folgen die Urteile."""
    page = await browser.new_page(viewport={"width": 390, "height": 844})
    await page.goto(address + PROBE)
    await form(page, LINES).get_by_role("checkbox").nth(1).check()
    await form(page, LINES).locator("[type=submit]").click()
    await form(page, NUMBER).get_by_role("spinbutton").fill(NUMBER.options[0].text)
    await form(page, NUMBER).locator("[type=submit]").click()
    assert await page.evaluate("document.documentElement.scrollWidth") <= 390
    small = await page.evaluate(
        """[...document.querySelectorAll('.dl-frage :is(button, .dl-wahl, .dl-zeile)')].filter(e => {
            const {width, height} = e.getBoundingClientRect();
            return width && (width < 24 || height < 24);
        }).map(e => e.outerHTML)"""
    )
    assert small == []
    for scheme, name in SCHEMES.items():
        await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        await page.wait_for_selector(f"body[data-md-color-scheme={name}]")
        assert await barriers(page, scheme, f"#frage-{LINES.id}, #frage-{NUMBER.id}") == []
    await page.close()


def test_die_suche_kennt_die_fragen_und_nicht_die_antworten(site: Path) -> None:
    index = (site / "search/search_index.json").read_text(encoding="utf-8")
    for asked in (CHOICE, ORDER):
        assert asked.text.partition("„")[0] in index
        assert asked.explanation not in index
        assert next(option.feedback for option in asked.options if option.feedback) not in index


def test_beide_werkzeuge_bringen_skript_und_stylesheet_mit(site: Path, zensical_site: Path) -> None:
    for folder in (site, zensical_site):
        for page in ("teil3/kapitel07", "teil3/kapitel07/saga", "teil3/kapitel07/notebook"):
            html = (folder / page / "index.html").read_text(encoding="utf-8")
            assets = re.findall(r'(?:src|href)="([^"]*/fragen\.(?:js|css))"', html)
            assert len(assets) == (2 if "dl-frage" in html else 0)
            assert all((folder / page / asset).is_file() for asset in assets)
