"""Das Fehlerlexikon auf den Seiten: Direktiven, Verzeichnis, Suche nach dem Wortlaut."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import yaml
from buchbau import ROOT
from markdown import Markdown

from dauerlauf.book.lexicon import Message, entries
from dauerlauf.book.navigation import navigation
from dauerlauf.book.page import PageError

HEAD: dict[str, Any] = {
    "title": "Deadlock",
    "meldungen": [{"text": "[X1] *Potential* <deadlock>", "ort": "Log"}, {"text": "run …", "ort": "Event History"}],
    "ursache": "Er gibt nicht ab.",
    "reproduziert": "tests/test_x.py::test_deadlock",
    "repariert": "tests/test_x.py::test_repariert",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Ein Projekt mit zwei Tests und einem Lexikon ohne Einträge."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/test_x.py").write_text("def test_deadlock(): ...\n\n\ndef test_repariert(): ...\n")
    entry(tmp_path, "index", {"title": "Fehlerlexikon"})
    return tmp_path


def entry(project: Path, name: str, head: dict[str, Any]) -> None:
    """Legt eine Seite des Lexikons an."""
    folder = project / "book/fehler"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.md").write_text(f"---\n{yaml.safe_dump(head, allow_unicode=True)}---\n# X {{ #x }}\n")


def render(project: Path, text: str) -> str:
    """Wandelt einen Text um wie eine Seite."""
    md = Markdown(extensions=["tables", "dauerlauf"], extension_configs={"dauerlauf": {"wurzel": str(project)}})
    return md.convert(text)


def test_verzeichnis_entsteht_aus_den_koepfen(project: Path) -> None:
    entry(project, "deadlock", {**HEAD, "rang": 2})
    entry(project, "sandbox", {**HEAD, "title": "Sandbox", "rang": 1})
    html = render(project, "::: fehlerlexikon")
    assert html.count("<tr>") == 1 + 4
    assert html.index(">Sandbox</a>") < html.index(">Deadlock</a>")
    assert '<a href="fehler/deadlock.md">Deadlock</a>' in html
    assert "<samp>[X1] *Potential* &lt;deadlock&gt;</samp>" in html
    assert "4 Meldungen in 2 Einträgen, geprüft mit temporalio " in html


def test_meldung_zeigt_wortlaut_und_ort(project: Path) -> None:
    entry(project, "deadlock", HEAD)
    html = render(project, "::: meldung deadlock")
    assert html.count('<figure class="meldung">') == 2
    assert "<figcaption>Log</figcaption>\n<div><samp>[X1] *Potential* &lt;deadlock&gt;</samp></div>" in html
    with pytest.raises(PageError, match="„sandbox“ gibt es im Fehlerlexikon nicht; es gibt deadlock"):
        render(project, "::: meldung sandbox")


@pytest.mark.parametrize("field", HEAD)
def test_kopf_muss_vollstaendig_sein(project: Path, field: str) -> None:
    entry(project, "deadlock", {key: value for key, value in HEAD.items() if key != field})
    with pytest.raises(PageError, match=f"deadlock.md:1: .*„{field}“"):
        entries(project)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("meldungen", "Potential deadlock", "jede Meldung mit „text“ und „ort“"),
        ("meldungen", [{"text": "Potential deadlock"}], "jede Meldung mit „text“ und „ort“"),
        ("reproduziert", "tests/test_x.py::test_fehlt", "keinen Test „test_fehlt“"),
        ("repariert", "tests/test_y.py::test_repariert", "Testdatei tests/test_y.py gibt es nicht"),
    ],
)
def test_kopf_muss_stimmen(project: Path, field: str, value: object, message: str) -> None:
    entry(project, "deadlock", {**HEAD, field: value})
    with pytest.raises(PageError, match=message):
        entries(project)


@pytest.mark.parametrize(
    ("text", "actual", "fits"),
    [
        ("run …", "run 01a1\nund mehr", True),
        ("ID … and run …", "ID x and run y", True),
        ("run …", "a run 01a1", False),
        ("takes 2.", "takes 23", False),
    ],
)
def test_auslassung_passt_auf_wechselnden_text(text: str, actual: str, fits: bool) -> None:
    assert Message(text, "Log").matches(actual) is fits


def test_fehler_stehen_in_der_navigation_hinter_den_teilen(project: Path) -> None:
    entry(project, "deadlock", HEAD)
    for name in ("index.md", "teil1/kapitel01/index.md", "werkzeug/index.md"):
        (project / "book" / name).parent.mkdir(parents=True, exist_ok=True)
        (project / "book" / name).write_text("---\ntitle: Start\n---\n")
    names = [next(iter(part)) for part in navigation(project / "book")]
    assert names == ["Start", "I Grundlagen", "Fehler", "Werkbank"]


def plain(text: str) -> str:
    """Text ohne Auszeichnung, mit einfachen Leerzeichen."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", text)))


@pytest.mark.gruendlich
def test_der_suchindex_enthaelt_jede_meldung_auf_ihrer_seite(site: Path) -> None:
    index = json.loads((site / "search/search_index.json").read_text(encoding="utf-8"))
    for known in entries(ROOT):
        address = f"{known.page.removesuffix('.md')}/"
        texts = [plain(doc["text"]) for doc in index["docs"] if doc["location"].startswith(address)]
        for message in known.messages:
            assert any(plain(message.text) in text for text in texts), message.text


@pytest.mark.gruendlich
def test_beide_werkzeuge_zeigen_jede_meldung(site: Path, zensical_site: Path) -> None:
    for folder in (site, zensical_site):
        for known in entries(ROOT):
            html = (folder / known.page.removesuffix(".md") / "index.html").read_text(encoding="utf-8")
            assert all(message.text in unescape(html) for message in known.messages), known.page
