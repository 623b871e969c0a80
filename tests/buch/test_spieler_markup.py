"""Die Direktive ``::: spieler`` und die Ausgabe im Notebook: Markup, Daten, Fehler."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from buchbau import ROOT
from markdown import Markdown

from dauerlauf import player_page
from dauerlauf.book.page import PageError
from dauerlauf.player import Document, document
from dauerlauf.scenario import Pattern, find_pattern

LINE = '::: spieler saga/glatt "Vier Schritte & mehr"'


def render(text: str) -> str:
    """Wandelt einen Text um wie eine Seite."""
    return Markdown(extensions=["dauerlauf"], extension_configs={"dauerlauf": {"wurzel": str(ROOT)}}).convert(text)


@pytest.fixture(scope="module")
def saga() -> Document:
    """Der glatte Lauf der Saga mit seinen Abstürzen."""
    return document(find_pattern("saga").find("glatt"))


@pytest.fixture(scope="module")
def rendered() -> str:
    """Zwei Spieler und ein Verweis auf einer Seite."""
    return render(f"Siehe [](#lauf-glatt).\n\n{LINE}\n\nText.\n\n{LINE}")


def test_nummer_anker_und_unterschrift_wie_beim_bild(rendered: str) -> None:
    assert '<a href="#lauf-glatt">Bild 1</a>' in rendered
    assert '<a class="nummer" href="#lauf-glatt">Bild 1</a>Vier Schritte &amp; mehr</figcaption>' in rendered
    assert '<a class="nummer" href="#lauf-glatt-2">Bild 2</a>' in rendered
    assert "<p><lauf-spieler" not in rendered


def test_skript_und_stylesheet_kommen_einmal_je_seite(rendered: str) -> None:
    assert rendered.count("<lauf-spieler") == 2
    assert rendered.count('<link rel="stylesheet" href="assets/css/spieler.css">') == 1
    assert rendered.count('<script src="assets/js/spieler.js" defer></script>') == 1
    assert "spieler.js" not in render('::: lauf saga/glatt "Nur das Bild"')


def test_keine_id_steht_doppelt_da(rendered: str) -> None:
    found = re.findall(r' id="([^"]+)"', rendered)
    assert len(found) > 10
    assert len(found) == len(set(found))


def test_die_daten_sind_die_des_laufs(saga: Document) -> None:
    markup = player_page.html(saga, title="Lauf")
    data = json.loads(markup.partition('<script type="application/json">')[2].partition("</script>")[0])
    shown = [data["parts"][number]["text"] for number in data["smooth"]["frames"]]
    assert shown == [frame.text for frame in saga.smooth.frames]
    assert [crash["event"] for crash in data["crashes"]] == [crash.event for crash in saga.crashes]
    assert len(saga.crashes) >= 5
    assert markup.count("<template>") == len(saga.crashes)


def test_text_beendet_das_skript_element_nicht(saga: Document) -> None:
    first = replace(saga.smooth.frames[0], text="</script><b>Ende</b>")
    smooth = replace(saga.smooth, frames=(first, *saga.smooth.frames[1:]))
    markup = player_page.html(replace(saga, smooth=smooth, crashes=()), title="Lauf")
    assert markup.count("</script>") == 1
    assert "<b>Ende" not in markup.partition('<script type="application/json">')[0]


def test_jede_zeile_des_quelltexts_steht_mit_ihrer_nummer_da(saga: Document) -> None:
    markup = player_page.html(saga, title="Lauf")
    shown = re.findall(r'data-quelle="0".*?</code>', markup, re.DOTALL)[0]
    assert [int(number) for number in re.findall(r'data-nr="(\d+)"', shown)] == list(
        range(1, len(saga.sources[0].lines) + 1)
    )
    plain = re.sub(r"<[^>]+>", "", shown.partition("<code>")[2])
    assert "await workflow.execute_activity_method(" in plain
    assert shown.count("sp-an") == 1
    assert f'sp-an" data-nr="{saga.smooth.frames[0].line}"' in shown


def test_ohne_absturz_ist_der_schalter_aus_und_sagt_warum(saga: Document) -> None:
    button = re.compile(r'<button [^>]*data-tut="sturz"[^>]*>')
    with_crash = button.search(player_page.html(saga, title="Lauf"))
    markup = player_page.html(replace(saga, crashes=()), title="Lauf")
    without = button.search(markup)
    assert with_crash is not None
    assert without is not None
    assert "disabled" not in with_crash[0]
    assert "disabled" in without[0]
    assert "hier nicht aufgezeichnet" in markup


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('::: spieler nichts/glatt "A"', "Das Muster „nichts“"),
        ('::: spieler saga/nichts "A"', "kein Szenario „nichts“"),
        ("::: spieler saga/glatt", "braucht einen Text"),
        ('::: spieler "A"', "Ziele oder Schalter"),
    ],
)
def test_fehler_nennen_seite_und_zeile(line: str, message: str) -> None:
    with pytest.raises(PageError, match=r"^Seite:\d+: ") as caught:
        render(f"Davor.\n\n{line}")
    assert message in str(caught.value)


def test_ohne_aufzeichnung_nennt_der_fehler_den_befehl(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(Pattern, "histories", property(lambda self: tmp_path))
    with pytest.raises(PageError, match="uv run dauerlauf zeichne-auf saga"):
        render(LINE)


async def test_im_notebook_bringt_der_spieler_alles_mit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # Als Koroutine, denn auch im Notebook läuft schon eine Ereignisschleife.
    player = player_page.Player(find_pattern("hallo").find("bestaetigung"))
    output = player._repr_html_()
    assert output.startswith("<div><style>")
    assert 'customElements.define("lauf-spieler"' in output
    assert "<lauf-spieler" in output
    assert "src=" not in output
    assert "http://www.w3.org" in output
    monkeypatch.setattr(player_page, "ASSETS", tmp_path)
    alone = player._repr_html_()
    assert alone.startswith('<figure class="dl-figur">')
    assert "<script" not in alone
