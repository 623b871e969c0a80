"""Der Laufspieler im Browser: was er zeigt, sagt und auf welche Tasten er hört."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from buchbau import ROOT, pages
from laufspieler import ASSET_LIMIT, DESK, HALLO, PAGE, crash_step, matches, nearest, opened, source_names
from markdown import Markdown
from playwright.async_api import Browser

from dauerlauf.player_page import Player
from dauerlauf.scenario import find_pattern

pytestmark = [pytest.mark.browser, pytest.mark.gruendlich, pytest.mark.timeout(400)]


async def test_jeder_schritt_zeigt_was_aufgezeichnet_ist(browser: Browser, address: str) -> None:
    async with opened(browser, address) as player:
        names = await source_names(player)
        count = len(player.frames)
        assert count >= 10
        assert len({frame["line"] for frame in player.frames}) >= 3
        for index, frame in enumerate(player.frames):
            shown = await player.snapshot()
            assert shown["step"] == f"{index + 1} von {count}"
            matches(shown, frame, names)
            await player.press("weiter")
        await player.press("weiter")  # am Ende geschieht nichts mehr
        matches(await player.snapshot(), player.frames[-1], names)
        await player.press("zurueck")
        matches(await player.snapshot(), player.frames[-2], names)
        await player.press("anfang")
        await player.press("zurueck")
        matches(await player.snapshot(), player.frames[0], names)
        await player.press("ende")
        matches(await player.snapshot(), player.frames[-1], names)
        assert player.errors == []


async def test_jeder_absturz_zeigt_was_aufgezeichnet_ist(browser: Browser, address: str) -> None:
    async with opened(browser, address) as player:
        names = await source_names(player)
        for crash in player.data["crashes"]:
            step = next(i for i in range(len(player.frames)) if nearest(player, i) == crash)
            await player.go(step)
            await player.press("sturz")
            frames = crash["run"]["frames"]
            for index, frame in enumerate(frames[crash_step(crash) :], crash_step(crash)):
                await player.go(index)
                matches(await player.snapshot(), frame, names)
            assert (await player.snapshot())["hint"] == crash["label"]
            await player.press("sturz")
        assert player.errors == []


async def test_klick_auf_ein_event_und_auf_eine_zeile_springt(browser: Browser, address: str) -> None:
    async with opened(browser, address) as player:
        names = await source_names(player)
        for frame in (player.frames[-1], player.frames[3], player.frames[6]):
            await player.box.locator(f'[data-event="{frame["event"]}"]').click()
            matches(await player.snapshot(), frame, names)
        # Ein Event ohne eigenen Schritt führt zu dem Schritt davor.
        shown = {frame["event"] for frame in player.frames}
        internal = next(e["event"] for e in player.data["smooth"]["entries"] if e["event"] not in shown)
        await player.box.locator(f'[data-event="{internal}"]').click()
        assert (await player.snapshot())["current"] == [max(event for event in shown if event < internal)]
        for row in (4, 1):
            first = next(frame for frame in player.frames if frame["row"] == row)
            await player.box.locator(f'.dl-schmal [data-zeile="{row}"] text').first.click()
            matches(await player.snapshot(), first, names)
        slider = player.box.locator("input")
        await slider.fill("5")
        matches(await player.snapshot(), player.frames[4], names)
        assert await slider.get_attribute("aria-valuetext") == f"Schritt 5 von {len(player.frames)}"


async def test_abspielen_und_anhalten(browser: Browser, address: str) -> None:
    async with opened(browser, address, clock=True) as player:
        clock, status = player.page.clock, player.box.get_by_role("status")
        assert (await player.snapshot())["step"].startswith("1 von ")
        await clock.run_for(60_000)
        assert (await player.snapshot())["step"].startswith("1 von "), "nichts spielt von selbst"
        await player.box.get_by_role("button", name="Abspielen").click()
        # Während des Abspielens schweigt der vorgelesene Bereich.
        assert await status.get_attribute("aria-live") == "off"
        await clock.run_for(30_000)
        await player.box.get_by_role("button", name="Anhalten").click()
        step = (await player.snapshot())["step"]
        assert 3 <= int(step.split()[0]) < len(player.frames)
        assert await status.get_attribute("aria-live") == "polite"
        await clock.run_for(30_000)
        assert (await player.snapshot())["step"] == step
        await player.box.get_by_role("button", name="Abspielen").click()
        await clock.run_for(300_000)
        assert (await player.snapshot())["step"] == f"{len(player.frames)} von {len(player.frames)}"
        assert await player.box.get_by_role("button", name="Anhalten").count() == 0
        assert await status.get_attribute("aria-live") == "polite"
        # Am Ende beginnt Abspielen von vorn; ein Schritt von Hand hält es an.
        await player.box.get_by_role("button", name="Abspielen").click()
        assert (await player.snapshot())["step"].startswith("1 von ")
        await player.press("weiter")
        await clock.run_for(60_000)
        assert (await player.snapshot())["step"].startswith("2 von ")


# --- Absturz


async def test_absturz_replay_und_weiter(browser: Browser, address: str) -> None:
    async with opened(browser, address) as player:
        step = len(player.frames) // 2
        await player.go(step)
        crash = nearest(player, step)
        frames = crash["run"]["frames"]
        assert (await player.snapshot())["hint"] == crash["label"]
        await player.press("sturz")
        shown = await player.snapshot()
        assert (shown["pressed"], shown["phase"]) == ("true", "crash")
        workers = [shown["worker"]]
        event = next(frame["event"] for frame in frames if frame["phase"] == "takeover")
        grey = await player.box.evaluate("s => getComputedStyle(s.svg).getPropertyValue('--dl-muted')")
        last_replay = len(frames) - 1 - [frame["phase"] for frame in frames][::-1].index("replay")
        for index in range(crash_step(crash) + 1, last_replay + 2):
            await player.press("weiter")
            # Was vor der Übernahme aufgezeichnet wurde, ist beim Replay grau und heißt „schon da“, sonst nichts.
            replaying = frames[index]["phase"] in {"takeover", "replay"}
            marks = await player.box.evaluate(
                "s => [...s.querySelectorAll('[data-event]')].map(k => [Number(k.dataset.event),"
                " getComputedStyle(k.querySelector('.sp-zeit'), '::before').content])"
            )
            assert {number: content == '"schon da"' for number, content in marks} == {
                entry["event"]: replaying and entry["event"] < event for entry in crash["run"]["entries"]
            }
            colours = await player.box.evaluate(
                "s => [...s.svg.querySelectorAll('[data-stand=gelesen]')].map(g =>"
                " getComputedStyle(g).getPropertyValue('--dl-ok'))"
            )
            assert set(colours) == ({grey} if replaying else set())
        assert frames[last_replay + 1]["phase"] == "live", "nach dem Replay geht es weiter"
        replayed = [frame for frame in frames if frame["phase"] == "replay"]
        assert replayed[0]["event"] == player.frames[0]["event"], "das Replay beginnt bei der ersten Zeile"
        assert replayed[0]["line"] == player.frames[0]["line"]
        workers.append((await player.snapshot())["worker"])
        assert workers[0] != workers[1]
        assert workers[0] in {frame["worker"] for frame in player.frames}
        await player.press("ende")
        # Beide Läufe enden gleich.
        end = crash["run"]["entries"][-1]
        smooth = player.data["smooth"]["entries"][-1]
        assert (end["name"], end["title"]) == (smooth["name"], smooth["title"])
        assert (await player.snapshot())["current"] == [end["event"]]


async def test_der_absturz_folgt_dem_schritt_und_zurueck(browser: Browser, address: str) -> None:
    async with opened(browser, address) as player:
        labels = set()
        for step in (1, len(player.frames) // 2, len(player.frames) - 2):
            await player.go(step)
            crash = nearest(player, step)
            labels.add(crash["label"])
            await player.press("sturz")
            shown = await player.snapshot()
            assert shown["hint"] == crash["label"]
            assert shown["step"] == f"{crash_step(crash) + 1} von {len(crash['run']['frames'])}"
            await player.press("sturz")
            back = await player.snapshot()
            last = max(frame["event"] for frame in player.frames if frame["event"] <= crash["event"])
            assert (back["pressed"], back["current"]) == ("false", [last])
        assert len(labels) == 3, "jede Stelle hat ihren eigenen Absturz"
        # Nach dem Absturz zählen die Events anders: Zurück geht es zum gleichnamigen.
        await player.press("sturz")
        await player.press("ende")
        await player.press("sturz")
        assert (await player.snapshot())["current"] == [player.frames[-1]["event"]]
        # Mitten im Replay zurück: zum selben Event.
        await player.press("sturz")
        await player.press("weiter", 4)
        current = (await player.snapshot())["current"]
        await player.press("sturz")
        assert (await player.snapshot())["current"] == current


async def test_ohne_aufgezeichneten_absturz_ist_der_schalter_aus(browser: Browser, site: Path, tmp_path: Path) -> None:
    text = (site / PAGE / "index.html").read_text(encoding="utf-8")
    before, _, rest = text.partition('<script type="application/json">{')
    data, _, after = rest.partition("</script>")
    without = json.dumps({**json.loads("{" + data), "crashes": []})
    button = before.rindex("aria-pressed")
    page = f'{before[:button]}disabled {before[button:]}<script type="application/json">{without}</script>{after}'
    folder = tmp_path / PAGE
    folder.mkdir(parents=True)
    (folder / "index.html").write_text(page, encoding="utf-8")
    (tmp_path / "assets").symlink_to(site / "assets")
    async with opened(browser, f"file://{tmp_path}/") as player:
        assert await player.box.get_by_role("button", name="Worker stürzt hier ab").is_disabled()
        await player.press("weiter", 3)
        assert (await player.snapshot())["step"].startswith("4 von ")


# --- Tastatur und Vorlesehilfen


async def test_nur_mit_der_tastatur(browser: Browser, address: str) -> None:
    async with opened(browser, address) as player:
        keyboard = player.page.keyboard
        active = "document.activeElement"

        async def step() -> int:
            return int((await player.snapshot())["step"].split()[0])

        # Außerhalb gehören die Tasten der Seite.
        await player.page.evaluate("document.activeElement.blur()")
        await keyboard.press("ArrowRight")
        await keyboard.press("End")
        assert await step() == 1
        await player.box.evaluate("s => scrollTo(0, scrollY + s.getBoundingClientRect().top - 60)")
        # Mit Tab ist alles zu erreichen, in der Reihenfolge des Lesens, und man kommt auch wieder hinaus.
        await player.box.locator('[data-tut="anfang"]').focus()
        stops = []
        while await player.page.evaluate(f"Boolean({active}.closest('lauf-spieler'))"):
            stops.append(
                await player.page.evaluate(
                    f"{active}.dataset.tut ?? {active}.getAttribute('aria-label') ?? {active}.textContent"
                )
            )
            await keyboard.press("Tab")
            assert len(stops) < 30
        assert stops[:7] == ["anfang", "zurueck", "spielen", "weiter", "ende", "Schritt", "sturz"]
        assert any("workflow.py" in stop for stop in stops)
        assert {"Variablen des Workflows", "Bild des Laufs"} <= set(stops)
        assert sum("WorkflowExecutionStarted" in stop for stop in stops) == 1
        # Pfeile, Anfang und Ende gelten überall im Spieler; der Fokus bleibt, wo er ist.
        panel = player.box.get_by_role("group", name="Variablen des Workflows")
        await panel.focus()
        scrolled = await player.page.evaluate("scrollY")
        for key, wanted in (("ArrowRight", 2), ("ArrowRight", 3), ("ArrowLeft", 2), ("Home", 1)):
            await keyboard.press(key)
            assert await step() == wanted
        await keyboard.press("End")
        assert await step() == len(player.frames)
        assert await panel.evaluate("p => p === document.activeElement")
        assert await player.page.evaluate("scrollY") == scrolled
        await keyboard.press("Home")
        await keyboard.press("Control+ArrowRight")
        assert await step() == 1
        # Die Leertaste spielt ab, auf einem Knopf drückt sie den Knopf.
        await keyboard.press(" ")
        assert await player.box.get_attribute("data-spielt") is not None
        await keyboard.press(" ")
        assert await player.box.get_attribute("data-spielt") is None
        forward = player.box.get_by_role("button", name="Einen Schritt weiter")
        await forward.focus()
        await keyboard.press(" ")
        assert await step() == 2
        assert await player.box.get_attribute("data-spielt") is None
        for _ in player.frames:
            await keyboard.press("Enter")
        assert await forward.evaluate("k => k === document.activeElement"), "am Ende geht der Fokus nicht verloren"
        assert await forward.get_attribute("aria-disabled") == "true"
        # In der Event History wandern die senkrechten Pfeile, Enter springt.
        await keyboard.press("Home")
        await player.box.locator("[aria-current=step]").focus()
        for _ in range(6):
            await keyboard.press("ArrowDown")
        target = int(await player.page.evaluate(f"{active}.dataset.event"))
        assert target == player.data["smooth"]["entries"][6]["event"]
        assert await step() == 1
        await keyboard.press("Enter")
        assert (await player.snapshot())["current"] == [
            max(frame["event"] for frame in player.frames if frame["event"] <= target)
        ]
        # Der Absturz mit der Leertaste.
        await player.box.get_by_role("button", name="Worker stürzt hier ab").focus()
        await keyboard.press(" ")
        assert (await player.snapshot())["phase"] == "crash"


async def test_ein_bereich_wird_vorgelesen(browser: Browser, address: str) -> None:
    async with opened(browser, address) as player:
        assert await player.box.locator("[aria-live], [role=status], [role=alert]").count() == 1
        status = player.box.get_by_role("status")
        await status.evaluate(
            "p => { window.spoken = []; new MutationObserver(() => spoken.push(p.textContent))"
            ".observe(p, {childList: true, characterData: true, subtree: true}) }"
        )
        await player.press("weiter", 3)
        await player.press("sturz")
        crash = nearest(player, 3)
        expected = [frame["text"] for frame in player.frames[1:4]] + [crash["run"]["frames"][crash_step(crash)]["text"]]
        assert await player.page.evaluate("spoken") == expected
        assert await status.get_attribute("aria-live") == "polite"
        button = player.box.get_by_role("button", name="Worker stürzt hier ab")
        assert await button.get_attribute("aria-pressed") == "true"
        described = await button.evaluate(
            "k => document.getElementById(k.getAttribute('aria-describedby')).textContent"
        )
        assert described == crash["label"]


async def test_wer_keine_bewegung_will_sieht_keine(browser: Browser, address: str) -> None:
    async with opened(browser, address, clock=True, reduced_motion="reduce") as player:
        await player.box.evaluate(
            "s => { window.smooth = []; const f = Element.prototype.scrollTo;"
            " Element.prototype.scrollTo = function (o) { smooth.push(o.behavior); return f.call(this, o) } }"
        )
        await player.press("spielen")
        for _ in range(40):
            await player.page.clock.run_for(2_000)
            assert await player.box.evaluate("s => s.getAnimations({subtree: true}).length") == 0
        assert set(await player.page.evaluate("smooth")) == {"instant"}
        assert int((await player.snapshot())["step"].split()[0]) > 10


# --- Ohne Skript, auf Papier, aus einer Datei, nur wo gebraucht


HIDDEN = (".sp-leiste", ".sp-satz", ".sp-code", ".sp-activity", ".sp-variablen", ".sp-events", ".sp-hilfe")


async def test_ohne_javascript_bleibt_das_bild(browser: Browser, address: str) -> None:
    context = await browser.new_context(java_script_enabled=False, viewport=DESK)  # type: ignore[arg-type]
    page = await context.new_page()
    await page.goto(address + PAGE)
    box = page.locator("lauf-spieler")
    assert await box.locator("figure svg:visible").count() == 1
    assert (await box.locator("figure svg:visible").bounding_box() or {"height": 0})["height"] > 300
    await box.locator("summary").click()
    assert await box.locator("tbody tr:visible").count() >= 6
    assert [name for name in HIDDEN if await box.locator(name).is_visible()] == []
    await context.close()


async def test_auf_papier_steht_das_bild(browser: Browser, address: str) -> None:
    async with opened(browser, address) as player:
        await player.press("sturz")
        await player.page.emulate_media(media="print")
        assert await player.box.locator("figure svg:visible").count() == 1
        assert not await player.box.locator(".sp-absturzbild").is_visible()
        assert [name for name in HIDDEN if await player.box.locator(name).is_visible()] == []
        drawn = await player.box.locator("figure svg:visible").evaluate(
            "s => [s.getBoundingClientRect().height, s.parentElement.clientHeight, getComputedStyle(s).visibility]"
        )
        assert drawn[0] > 300
        assert drawn[0] <= drawn[1] + 1, "nichts ist abgeschnitten"
        assert drawn[2] == "visible"


async def test_aus_einer_datei(browser: Browser, site: Path) -> None:
    async with opened(browser, f"file://{site}/") as player:
        await player.press("weiter", 4)
        await player.press("sturz")
        assert (await player.snapshot())["phase"] == "crash"
        # Die Suche des Themas lädt ihr Verzeichnis nach; das geht aus einer Datei nie.
        assert [error for error in player.errors if "search" not in error and "ERR_FILE_NOT_FOUND" not in error] == []


async def test_als_ausgabe_eines_notebooks(browser: Browser, tmp_path: Path) -> None:
    # Zwei Ausgaben auf einer Seite ohne die Stylesheets des Buchs; die zweite entsteht, wenn das Skript schon läuft.
    outputs = [
        Player(find_pattern(name).find(run))._repr_html_() for name, run in (("saga", "glatt"), ("hallo", HALLO))
    ]
    body = Markdown(extensions=["md_in_html", "dauerlauf"]).convert("\n\n".join(outputs))
    (tmp_path / "notebook.html").write_text(f"<!doctype html><meta charset=utf-8><body>{body}", encoding="utf-8")
    page = await browser.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    await page.goto(f"file://{tmp_path}/notebook.html")
    players = page.locator("lauf-spieler")
    assert await players.count() == 2
    for index in range(2):
        box = players.nth(index)
        await box.get_by_role("button", name="Einen Schritt weiter").click()
        assert (await box.locator(".sp-stand").text_content() or "").startswith("2 von ")
        assert await box.locator(".sp-an:visible").count() >= 1
        assert (await box.bounding_box() or {"height": 0})["height"] > 400
    assert errors == []
    await page.close()


def test_nur_seiten_mit_spieler_laden_ihn(site: Path, zensical_site: Path) -> None:
    for folder in (site, zensical_site):
        found = {}
        for page in pages(folder):
            text = (folder / page / "index.html").read_text(encoding="utf-8")
            # Die Ausgabe eines Notebooks bringt alles selbst mit; sie muss auch in JupyterLab laufen.
            inline = "customElements.define" in text
            wanted = int("<lauf-spieler" in text and not inline)
            assert text.count("js/spieler.js") == text.count("css/spieler.css") == wanted, page
            found[page] = wanted
            if wanted:
                base = (folder / page / "index.html").parent
                for attribute in ('href="', 'src="'):
                    name = next(
                        part for part in text.split(attribute) if "assets" in part[:40] and "spieler" in part[:60]
                    )
                    assert (base / name.partition('"')[0]).is_file(), page
        assert 0 < sum(found.values()) < len(found)


def test_skript_und_stylesheet_bleiben_klein() -> None:
    files = [ROOT / "book/assets/js/spieler.js", ROOT / "book/assets/css/spieler.css"]
    assert sum(len(gzip.compress(file.read_bytes())) for file in files) <= ASSET_LIMIT


# --- Aussehen
