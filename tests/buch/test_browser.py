"""Das Buch im Browser: keine fremden Anfragen, keine Fehler, barrierefrei, schmal genug, durchsuchbar, filterbar."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from barrieren import SCHEMES, barriers
from buchbau import pages
from playwright.async_api import Browser, Page

# Der erste Test wartet, bis das Buch gebaut ist; auf einer ausgelasteten Maschine dauert das.
pytestmark = [pytest.mark.browser, pytest.mark.gruendlich, pytest.mark.timeout(400)]

PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 900}
SHARES = 8
"""Auf so viele Tests sind die Seiten verteilt, damit mehrere Prozesse sie zugleich besuchen."""
PROBE = "probe/"
# Farben hängen nur an Stylesheets: Im Dunkeln genügt je Art von Seite eine; die Probeseite zeigt jeden Baustein.
DARK = (
    "",
    PROBE,
    "404.html",
    "fehler/",
    "fehler/deadlock/",
    "glossar/",
    "katalog/",
    "teil1/kapitel01/",
    "teil1/kapitel01/notebook/",
    "teil3/kapitel07/saga/",
    "teil3/kapitel08/aenderungskatalog/",
)
FIRST = 4
"""Unter so vielen ersten Seiten muss die gesuchte sein."""

# Wonach im Deutschen gesucht wird, und welche Seite unter den ersten Treffern sein muss.
QUERIES = {
    "Kompensation": "glossar/#kompensation",
    "Kompensationen": "glossar/#kompensation",
    "kompensieren": "glossar/#kompensation",
    "rückgängig": "glossar/#kompensation",
    "rueckgaengig": "glossar/#kompensation",
    "Rollback": "glossar/#kompensation",
    "Aktivität": "glossar/#activity",
    "aktivitaet": "glossar/#activity",
    "Activities": "glossar/#activity",
    "execute_activity": "glossar/#activity",
    "Warteschlange": "glossar/#task-queue",
    "task queue": "glossar/#task-queue",
    "taskqueue": "glossar/#task-queue",
    "deterministisch": "glossar/#deterministisch",
    "deterministische": "glossar/#deterministisch",
    "nichtdeterministisch": "glossar/#deterministisch",
    "Idempotenz": "glossar/#idempotent",
    "schluessel": "glossar/#idempotenzschluessel",
    "Wiederholung": "glossar/#retry",
    "RetryPolicy": "glossar/#retry-policy",
    "retrypolicy": "glossar/#retry-policy",
    "policy": "glossar/#retry-policy",
    "heartbeat_timeout": "glossar/#timeout",
    "close_timeout": "glossar/#timeout",
    "Timeouts": "glossar/#timeout",
    "Zeitüberschreitung": "glossar/#timeout",
    "Zeitraffer": "glossar/#zeitraffer",
    "Historien": "glossar/#event-history",
    "Ereignis": "glossar/#event",
    "abbrechen": "glossar/#abbruch",
    "Abbrüche": "glossar/#abbruch",
    "Zeitplan": "glossar/#schedule",
    "Abfrage": "glossar/#query",
    "CancelledError": "glossar/#abbruch",
}

# Stücke von Meldungen, so wie man sie aus einem Log kopiert, und die Seite, die dazu gehört.
MESSAGES = {
    "Potential deadlock detected: workflow didn't yield": "fehler/deadlock/",
    "TMPRL1103": "fehler/payload-zu-gross/",
    "must have start_to_close_timeout or schedule_to_close_timeout": "fehler/timeout-fehlt/",
    "activity Heartbeat timeout": "fehler/heartbeat-timeout/",
    "Failed activation on workflow": "fehler/haengender-workflow/",
    "positional arguments but 3 positional arguments": "fehler/zwei-argumente/",
    "is not async so an activity_executor must be present": "fehler/activity-executor-fehlt/",
    "Decimal is not JSON serializable": "fehler/nicht-serialisierbar/",
}


@dataclass
class Visit:
    """Was beim Besuch einer Seite auffiel; Verstöße je Farbschema."""

    foreign: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    violations: dict[str, list[str]] = field(default_factory=dict)
    width: int = 0

    def problems(self) -> list[str]:
        """Alles, was an der Seite zu beanstanden ist."""
        return [
            *(f"Anfrage an Dritte: {url}" for url in self.foreign),
            *(f"Konsole: {error}" for error in self.errors),
            *(f"{scheme}: {violation}" for scheme, found in self.violations.items() for violation in found),
            *([f"auf dem Telefon {self.width} Pixel breit"] if self.width > PHONE["width"] else []),
        ]


async def visit_all(browser: Browser, base: str, paths: Iterable[str]) -> dict[str, Visit]:
    """Besucht Seiten in einem gemeinsamen Fenster; so lädt und übersetzt der Browser die Skripte nur einmal."""
    context = await browser.new_context(viewport=PHONE, color_scheme="light")  # type: ignore[arg-type]
    visits = {path: await visit(await context.new_page(), base, path) for path in paths}
    await context.close()
    return visits


async def visit(page: Page, base: str, path: str) -> Visit:
    """Öffnet eine Seite, klappt alles auf und misst sie: Breite auf dem Telefon, dann axe hell und dunkel."""
    found = Visit()
    own = (base, "data:", "blob:")
    page.on("request", lambda r: found.foreign.append(r.url) if not r.url.startswith(own) else None)
    page.on("console", lambda m: found.errors.append(m.text) if m.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: found.errors.append(str(error)))
    await page.goto(base + path, wait_until="load")
    await page.add_style_tag(content="*, ::before, ::after { transition: none !important; animation: none !important }")
    await page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    found.width = await page.evaluate("document.documentElement.scrollWidth")
    await page.set_viewport_size(DESK)  # type: ignore[arg-type]
    if path != PROBE:
        # Bilder und Code sind überall gleich gebaut: Auf der Probeseite geprüft genügt, sonst dauert es Minuten. Für
        # Laufspieler und Vergleiche gilt dasselbe; sie haben eigene Tests.
        await page.evaluate(
            "document.querySelectorAll('.dl-figur svg, .dl-figur tbody, .highlight, lauf-spieler, .dl-vergleich')"
            ".forEach(e => e.remove())"
        )
    for scheme in SCHEMES if path in DARK else ["light"]:
        await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        if await page.locator("body[data-md-color-scheme]").count():
            await page.wait_for_selector(f"body[data-md-color-scheme={SCHEMES[scheme]}]")
        found.violations[scheme] = await barriers(page, scheme)
    await page.close()
    return found


@pytest.mark.parametrize("share", range(SHARES))
async def test_seiten_sind_unabhaengig_fehlerfrei_barrierefrei_und_schmal_genug(
    browser: Browser, site: Path, address: str, share: int
) -> None:
    every = [*pages(site), "404.html"]
    assert set(DARK) <= set(every)
    visits = await visit_all(browser, address, every[share::SHARES])
    found = {path: problems for path, visited in visits.items() if (problems := visited.problems())}
    assert found == {}, json.dumps(found, ensure_ascii=False, indent=1)


async def test_der_besuch_findet_jeden_mangel(browser: Browser, bad_address: str) -> None:
    found = (await visit_all(browser, bad_address, [""]))[""]
    assert found.foreign == ["http://fremd.invalid/bild.png"]
    assert "kaputt" in found.errors
    assert found.width > PHONE["width"]
    assert {"color-contrast", "image-alt", "html-has-lang"} <= {v.split(":")[0] for v in found.violations["light"]}
    assert [v.split(":")[0] for v in found.violations["dark"]] == ["color-contrast"]
    shown = "\n".join(found.problems())
    assert all(word in shown for word in ("fremd.invalid", "Konsole: kaputt", "light: ", "dark: ", "Pixel breit"))


async def open_page(browser: Browser, address: str, path: str = "") -> Page:
    """Eine Seite in einem eigenen Fenster."""
    page = await browser.new_page(viewport=DESK)  # type: ignore[arg-type]
    await page.goto(address + path, wait_until="load")
    return page


async def results(page: Page, query: str) -> list[str]:
    """Die Adressen der Treffer zu einer Eingabe; wartet, bis die Suche zu genau dieser Eingabe geantwortet hat."""
    field_ = page.locator(".md-search__input")
    await field_.fill("")
    await field_.press("End")
    meta = page.locator(".md-search-result__meta")
    await page.wait_for_function("document.querySelector('.md-search-result__meta').textContent.includes('eingeben')")
    await field_.fill(query)
    await field_.press("End")
    await page.wait_for_function("!document.querySelector('.md-search-result__meta').textContent.includes('eingeben')")
    assert await meta.count() == 1
    links: list[str] = await page.eval_on_selector_all(
        ".md-search-result__link", "links => links.map(link => link.pathname.slice(1) + link.hash)"
    )
    return links


def hit_pages(links: list[str]) -> list[str]:
    """Die Seiten der Treffer in ihrer Folge; die Suche fasst die Abschnitte einer Seite zusammen."""
    return list(dict.fromkeys(link.partition("#")[0] for link in links))


async def test_suche_findet_deutsche_woerter_in_allen_formen(browser: Browser, address_with_search: str) -> None:
    page = await open_page(browser, address_with_search)
    await page.locator(".md-search__input").click()
    await page.wait_for_function("document.querySelector('.md-search-result__meta').textContent.includes('eingeben')")
    missed = {}
    for query, wanted in QUERIES.items():
        found = await results(page, query)
        if wanted not in found or wanted.partition("#")[0] not in hit_pages(found)[:FIRST]:
            missed[query] = hit_pages(found)[:FIRST]
    assert missed == {}
    assert await results(page, "quarkstrudel") == []
    await page.close()


async def test_katalog_laesst_sich_mit_der_tastatur_filtern(browser: Browser, address: str) -> None:
    page = await open_page(browser, address, "katalog/")
    rows = page.locator("#muster-katalog tbody tr:visible")
    status = page.locator("#muster-katalog [role=status]")
    total = await rows.count()
    assert total >= 3
    await page.get_by_label("Wort im Eintrag").focus()
    await page.keyboard.type("HELGOLAND-gibt-es-nicht")
    assert await rows.count() == 0
    assert await status.text_content() == "Kein Muster passt zu dieser Auswahl."
    await page.keyboard.press("Control+A")
    await page.keyboard.type("saga")
    assert 0 < await rows.count() < total
    await page.keyboard.press("Control+A")
    await page.keyboard.press("Delete")
    await page.keyboard.press("Tab")
    await page.keyboard.type("Resilienz")
    shown = await rows.count()
    assert 0 < shown < total
    assert await status.text_content() == f"{shown} von {total} Mustern"
    assert {await row.get_attribute("data-kategorie") for row in await rows.all()} == {"Resilienz"}
    await page.close()


async def test_fehlermeldung_fuehrt_zu_ihrem_eintrag(browser: Browser, address_with_search: str) -> None:
    page = await open_page(browser, address_with_search, "fehler/")
    rows = page.locator("#fehler-verzeichnis tbody tr:visible")
    assert await rows.count() >= 10
    await page.get_by_label("Wort im Eintrag").fill("tmprl1101 yield")
    assert await rows.count() == 1
    assert await page.locator("#fehler-verzeichnis [role=status]").text_content() == "1 von 14 Meldungen"
    await page.locator(".md-search__input").click()
    await page.wait_for_function("document.querySelector('.md-search-result__meta').textContent.includes('eingeben')")
    for query, wanted in MESSAGES.items():
        assert wanted in hit_pages(await results(page, query))[:FIRST], query
    await page.close()


async def test_ohne_javascript_steht_der_ganze_katalog_da(browser: Browser, address: str) -> None:
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto(address + "katalog/")
    assert await page.locator("#muster-katalog tbody tr").count() >= 3
    assert await page.locator(".katalog-filter").count() == 0
    await context.close()


async def test_kopierknopf_kopiert_nur_den_befehl(browser: Browser, address: str) -> None:
    context = await browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = await context.new_page()
    await page.goto(address + "probe/")
    terminal = page.locator(".terminal").filter(has=page.locator("samp")).first
    await terminal.hover()
    await terminal.get_by_role("button", name="Befehl kopieren").click()
    assert (await page.evaluate("navigator.clipboard.readText()")).strip() == "uv run dauerlauf liste"
    await context.close()


async def test_begriff_erklaert_sich_beim_fokus(browser: Browser, address: str) -> None:
    page = await open_page(browser, address, "probe/")
    term = page.locator("a.begriff").first
    await term.focus()
    tooltip = page.locator(".md-tooltip2--active")
    await tooltip.wait_for()
    assert "der Workflow:" in (await tooltip.text_content() or "")
    await page.close()
