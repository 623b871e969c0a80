"""Das ganze Buch: Beide Werkzeuge bauen dieselben Seiten, Fehler brechen ab, Verweise führen ans Ziel."""

from __future__ import annotations

import gzip
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from buchbau import ROOT, mkdocs, pages, stage, tool, zensical

from dauerlauf.check import check

PLUGINS = {"search"}
EXTENSIONS = {
    "admonition",
    "attr_list",
    "dauerlauf",
    "def_list",
    "footnotes",
    "md_in_html",
    "pymdownx.details",
    "pymdownx.highlight",
    "pymdownx.inlinehilite",
    "pymdownx.superfences",
    "pymdownx.tabbed",
    "tables",
    "toc",
}
FONT_LIMIT = 150_000
PAGE_LIMIT = 100_000
"""Bytes einer Seite, gepackt wie beim Ausliefern; die größten tragen Bilder mehrerer Läufe."""


def names(entries: list[object]) -> set[str]:
    """Die Namen einer Liste aus mkdocs.yml, deren Einträge Optionen haben können."""
    return {entry if isinstance(entry, str) else next(iter(entry)) for entry in entries}  # type: ignore[call-overload]


@pytest.mark.gruendlich
def test_mkdocs_und_zensical_bauen_dieselben_seiten(site: Path, zensical_site: Path) -> None:
    assert pages(site) == pages(zensical_site)
    assert len(pages(site)) == len(list((ROOT / "book").rglob("*.md"))) + 1  # die Probeseite


@pytest.mark.gruendlich
def test_beide_werkzeuge_erzeugen_denselben_inhalt(site: Path, zensical_site: Path) -> None:
    anchors = re.compile(r'<(?:h[1-6]|figure|div)[^>]* id="([a-z][^"]*)"')
    for page in pages(site):
        both = [(folder / page / "index.html").read_text(encoding="utf-8") for folder in (site, zensical_site)]
        first, second = (anchors.findall(text[text.index("<article") : text.index("</article>")]) for text in both)
        assert first == second, page


def test_nur_plugins_und_erweiterungen_die_beide_kennen() -> None:
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    config = yaml.safe_load(text)
    # Zensical übergeht unbekannte Plugins wortlos: Die Seite fehlt dann, und der Bau bleibt grün.
    assert names(config["plugins"]) <= PLUGINS
    assert names(config["markdown_extensions"]) <= EXTENSIONS
    assert config["theme"]["font"] is False
    assert "navigation.instant" not in config["theme"]["features"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('::: listing kapitel07/saga/fehlt.py "A"', "book/kaputt.md:7: Die Datei"),
        ('!!! tipp\n\n    ::: listing tests/buch/beispiel.py#fehlt "A"', "book/kaputt.md:9: In"),
        ("::: unbekannt", "book/kaputt.md:7: Die Direktive"),
        ("[Ziel](fehlt.md)", "fehlt.md"),
        ("[Ziel](index.md#fehlt)", "fehlt"),
    ],
)
@pytest.mark.parametrize(
    "build", [mkdocs, pytest.param(zensical, marks=pytest.mark.gruendlich)], ids=["mkdocs", "zensical"]
)
def test_fehler_brechen_beide_baue_ab(tmp_path: Path, build: object, text: str, message: str) -> None:
    folder = stage(tmp_path / "kaputt", with_probe=False)
    for page in (folder / "book").rglob("*.md"):
        if page.name != "index.md" or page.parent.name != "book":
            page.unlink()
    (folder / "book/index.md").write_text("---\ntitle: Start\n---\n\n# Start { #start }\n", encoding="utf-8")
    (folder / "book/kaputt.md").write_text(
        f"---\ntitle: Kaputt\n---\n\n# Kaputt {{ #kaputt }}\n\n{text}\n", encoding="utf-8"
    )
    done = build(folder)  # type: ignore[operator]
    assert done.returncode != 0, done.stdout
    assert message in re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)


def test_jede_ueberschrift_hat_ihren_anker_und_kein_listing_ist_getippt() -> None:
    assert [finding for finding in check(ROOT, []) if finding.place.startswith("book/")] == []


def lychee(folder: Path) -> subprocess.CompletedProcess[str]:
    """Prüft alle inneren Verweise und Anker einer gebauten Site, ohne Netz."""
    return subprocess.run(
        [
            tool("lychee"),
            "--offline",
            "--no-progress",
            "--include-fragments=full",
            "--index-files",
            "index.html",
            "--root-dir",
            str(folder),
            *[str(file) for file in folder.rglob("*.html") if file.name != "404.html"],
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.gruendlich
def test_alle_inneren_verweise_fuehren_ans_ziel(site: Path) -> None:
    done = lychee(site)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-500:]


@pytest.mark.parametrize("link", ['<a href="fehlt/">x</a>', '<a href="#fehlt">x</a>', '<img src="fehlt.svg" alt="">'])
def test_die_pruefung_der_verweise_findet_fehler(tmp_path: Path, link: str) -> None:
    (tmp_path / "index.html").write_text(f"<!doctype html><title>X</title><p id='da'>{link}</p>", encoding="utf-8")
    assert lychee(tmp_path).returncode != 0


@pytest.mark.gruendlich
def test_seiten_und_schriften_bleiben_leicht(site: Path) -> None:
    fonts = list((site / "assets/fonts").glob("*.woff2"))
    assert sum(file.stat().st_size for file in fonts) <= FONT_LIMIT
    families = {re.sub(r"-latin.*", "", file.name) for file in fonts}
    assert {file.name for file in (site / "assets/fonts").glob("LICENSE-*")} == {f"LICENSE-{f}.txt" for f in families}
    sizes = {page: len(gzip.compress((site / page / "index.html").read_bytes())) for page in pages(site)}
    assert {page: size for page, size in sizes.items() if size > PAGE_LIMIT} == {}
