"""Die Direktiven: was sie erzeugen und welche Fehler den Bau abbrechen."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from buchbau import ROOT
from markdown import Markdown

from dauerlauf.book import exercise
from dauerlauf.book.catalogue import entries
from dauerlauf.book.directives import parse
from dauerlauf.book.glossary import load
from dauerlauf.book.lexicon import ErrorEntry, Message
from dauerlauf.book.navigation import navigation
from dauerlauf.book.page import PageError, slug
from dauerlauf.book.proof import find_test
from dauerlauf.book.search import extend
from dauerlauf.book.sources import excerpt
from dauerlauf.errors import DauerlaufError
from dauerlauf.exercises.definition import exercises, find

EXTENSIONS = ["admonition", "attr_list", "md_in_html", "tables", "pymdownx.details", "pymdownx.superfences"]
HEAD = {
    "title": "Saga",
    "problem": "Es scheitert.",
    "kategorie": "Resilienz",
    "stufe": "F",
    "kapitel": "7",
    "beispiel": "kapitel07/saga",
    "test": "tests/kapitel07/test_saga.py",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Ein kleines Projekt: eine Quelle, ein Test, ein Glossar."""
    (tmp_path / "book").mkdir()
    (tmp_path / "tests").mkdir()
    shutil.copy(ROOT / "tests/buch/beispiel.py", tmp_path / "tests/beispiel.py")
    (tmp_path / "tests/test_x.py").write_text(
        "class TestX:\n    @mark\n    async def test_y(self):\n        assert 1\n\n\ndef helper():\n    pass\n"
    )
    (tmp_path / "book/glossar.yml").write_text(
        "- begriff: Saga\n  artikel: die\n  mehrzahl: Sagas\n  bedeutung: Ein Ablauf.\n  suche: [Rollback]\n"
        "- begriff: Worker\n  artikel: der\n  bedeutung: Ein Prozess.\n  verboten: [Arbeiter]\n"
    )
    return tmp_path


def render(project: Path, text: str, **options: str) -> str:
    """Wandelt einen Text um wie eine Seite."""
    md = Markdown(
        extensions=[*EXTENSIONS, "dauerlauf"],
        extension_configs={"dauerlauf": {"wurzel": str(project), **options}},
    )
    return md.convert(text)


# --- Listings


def test_listing_zeigt_den_abschnitt_ohne_marken(project: Path) -> None:
    html = render(project, '::: listing tests/beispiel.py#buchen "Mit `Schlüssel`"')
    assert '<figure class="listing" id="listing-buchen">' in html
    assert ">Listing 1</a>" in html
    assert '<span class="titel">Mit <code>Schlüssel</code></span>' in html
    assert "tests/beispiel.py" in html
    assert "8&lt;" not in html
    assert "(!)" not in html
    assert "# (1)" not in html


def test_hervorgehoben_ist_was_die_quelle_markiert(project: Path) -> None:
    html = render(project, '::: listing tests/beispiel.py#buchen "A"')
    assert html.count('class="hll"') == 1
    assert "INSERT" in html.split('class="hll"')[1].split("</span>\n")[0]
    assert "Hervorgehobene Zeilen: 4." in html
    other = render(project, '::: listing tests/beispiel.py#buchen "A" hervorheben="sichern"')
    assert "Hervorgehobene Zeilen: 7." in other
    assert 'class="hll"' not in render(project, '::: listing tests/beispiel.py#buchen "A" hervorheben=nichts')


def test_anmerkungen_verbinden_zeilen_und_liste(project: Path) -> None:
    html = render(project, '::: listing tests/beispiel.py#buchen "A" anmerkungen\n\n1. Eins\n2. Zwei')
    assert html.count('class="marke"') == 2
    assert '<ol class="anmerkungen">' in html
    assert "data-anmerkungen" not in html


def test_falsches_listing_sagt_es_in_worten(project: Path) -> None:
    html = render(project, '::: listing tests/beispiel.py#buchen "A" falsch')
    assert 'class="listing falsch"' in html
    assert "Falsch: so nicht" in html


def test_nummern_zaehlen_je_seite_und_anker_bleiben_eindeutig(project: Path) -> None:
    line = '::: listing tests/beispiel.py#buchen "A"'
    md = Markdown(extensions=[*EXTENSIONS, "dauerlauf"], extension_configs={"dauerlauf": {"wurzel": str(project)}})
    for _ in range(2):
        html = md.reset().convert(f"{line}\n\n{line}\n\nSiehe [](#listing-buchen-2).")
        assert 'id="listing-buchen"' in html
        assert 'id="listing-buchen-2"' in html
        assert '<a href="#listing-buchen-2">Listing 2</a>' in html


def test_das_css_der_bilder_steht_einmal_je_seite(project: Path) -> None:
    md = Markdown(extensions=[*EXTENSIONS, "dauerlauf"], extension_configs={"dauerlauf": {"wurzel": str(project)}})
    for _ in range(2):
        html = md.reset().convert('::: lauf hallo/bestaetigung "A"\n\n::: lauf hallo/meldung-verloren "B"')
        assert html.count('<svg class="dl-bild"') == 4
        assert html.count("<style>") == 1
        assert html.index("<style>") < html.index("<svg")


def test_gleichnamige_teile_werden_verbunden(project: Path) -> None:
    lines = [line.text for line in excerpt(project, "tests/beispiel.py#teile").lines]
    assert lines == [
        "class Ledger:",
        '    """Ein Buch."""',
        "    # …",
        "    def total(self) -> int:",
        '        """Die Summe in Cent."""',
        "        return sum(self.entries)",
    ]


def test_ohne_adresse_der_quelle_kein_verweis(project: Path) -> None:
    line = '::: listing tests/beispiel.py#buchen "A"'
    assert '<span class="datei">' in render(project, line)
    linked = render(project, line, quelltext="https://quelle.example/blob/main/")
    assert 'href="https://quelle.example/blob/main/tests/beispiel.py"' in linked


def test_direktive_gilt_in_call_outs_aber_nicht_in_code(project: Path) -> None:
    inside = render(project, '!!! tipp\n\n    ::: listing tests/beispiel.py#buchen "A"')
    assert inside.index("admonition tipp") < inside.index("<figure")
    fenced = render(project, '```text\n::: listing tests/fehlt.py "A"\n<!-- ausgabe: x -->\n::: notebook x\n```')
    assert "::: listing" in fenced


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('::: listing tests/fehlt.py#a "A"', "gibt es nicht"),
        ('::: listing tests/beispiel.py#fehlt "A"', "keinen Abschnitt „fehlt“"),
        ('::: listing tests/beispiel.py#leer "A"', "leer"),
        ('::: listing tests/beispiel.py#offen "A"', "endet der Abschnitt „offen“ nicht"),
        ('::: listing tests/beispiel.py#zu "A"', "ohne zu beginnen"),
        ('::: listing tests/beispiel.py#Groß "A"', "kein Abschnittsname"),
        ('::: listing tests/beispiel.py "A"', "höchstens 25"),
        ("::: listing tests/beispiel.py#buchen", "braucht einen Text"),
        ('::: listing tests/beispiel.py#buchen "A" zeilen="1-3"', "Option „zeilen“"),
        ('::: listing tests/beispiel.py#buchen "A" wichtig', "Schalter „wichtig“"),
        ('::: listing tests/beispiel.py#buchen "A" hervorheben="fehlt"', "keine Zeile die Marke"),
        ('::: listing tests/beispiel.py#teile "A" anmerkungen', "braucht im Abschnitt die Marken"),
        ('::: listing tests/beispiel.py#buchen "A" anmerkungen', "nummerierte Liste mit 2 Punkten"),
        ('::: listing ../beispiel.py#buchen "A"', "kein Pfad im Projekt"),
        ('::: listing /etc/passwd "A"', "kein Pfad im Projekt"),
        ('::: listing docs/beispiel.py#buchen "A"', "beginnt weder mit einem Kapitel"),
        ('::: listing tests/beispiel.py#buchen "A', "nicht lesbar"),
        ('::: listing tests/beispiel.py#buchen "A" "B"', "höchstens einen Text"),
        ("::: listung tests/beispiel.py", "gibt es nicht; es gibt aufgabe, aufgaben, beweis"),
        ("::: aufgabe 99.9", "Die Übung „99.9“ gibt es nicht"),
        ("::: aufgabe", "Ziele oder Schalter"),
        ('::: beweis tests/fehlt.py::test_y "A"', "Testdatei tests/fehlt.py"),
        ('::: beweis tests/test_x.py::test_z "A"', "keinen Test „test_z“"),
        ('::: beweis tests/test_x.py::helper "A"', "nennt keinen Test"),
        ("::: beweis tests/test_x.py::TestX::test_y", "braucht einen Text"),
        ("::: notebook kapitel99", "uv run dauerlauf notebooks"),
        ("::: notebook ../geheim", "kein Notebook-Name"),
        ('::: lauf nichts/glatt "A"', "Das Muster „nichts“"),
        ('::: lauf saga/nichts "A"', "kein Szenario „nichts“"),
        ('::: vergleich saga/glatt "A"', "Ziele oder Schalter"),
        ("::: vergleich saga/glatt saga/parallel", "braucht einen Text"),
        ('::: vergleich saga/glatt saga/glatt "A"', "zweimal der Lauf „glatt“"),
        ('::: vergleich saga/glatt saga/nichts "A"', "kein Szenario „nichts“"),
        ('::: vergleich glatt parallel "A"', "Das Muster „glatt“"),
        ("Siehe [](#vergleich-a-b).", "führt zu keinem Listing"),
        ("::: katalog alles", "Ziele oder Schalter"),
        ('::: glossar "A"', "nimmt keinen Text"),
        ("Siehe [](#listing-fehlt).", "führt zu keinem Listing"),
        ("<!-- ausgabe: dauerlauf liste -->\n\nText", "muss direkt ein Zaun"),
    ],
)
def test_fehler_brechen_den_bau_ab_und_nennen_die_seite(project: Path, line: str, message: str) -> None:
    source = project / "tests/beispiel.py"
    broken = {"leer": "# --8<-- [start:leer]\n\n# --8<-- [end:leer]\n", "offen": "# --8<-- [start:offen]\nx = 1\n"}
    for name, text in (*broken.items(), ("#zu", "# --8<-- [end:zu]\n")):
        if name in line:
            source.write_text(source.read_text() + text)
    with pytest.raises(PageError, match=r"^Seite:\d+: ") as caught:
        render(project, f"Davor.\n\n{line}\n\nDanach.")
    assert message in str(caught.value)


@pytest.mark.parametrize("line", ["::: x a=1 a=2", '::: x ="b"'])
def test_form_der_direktive(line: str) -> None:
    with pytest.raises(DauerlaufError):
        parse(line)


def test_text_darf_anfuehrungszeichen_enthalten() -> None:
    directive = parse(r'::: lauf a/b "Er sagt „nein“ und \"ja\"" falsch x="y z"')
    assert directive.text == 'Er sagt „nein“ und "ja"'
    assert directive.words == ("a/b", "falsch")
    assert directive.options == {"x": "y z"}


# --- Bilder


def test_bilder_und_vergleiche_zaehlen_gemeinsam(project: Path) -> None:
    pages = [
        '::: lauf hallo/bestaetigung "Ein Lauf"',
        '::: vergleich saga/glatt saga/versand-scheitert "Zwei „Läufe“ & mehr"',
        '::: vergleich saga/glatt saga/versand-scheitert "Noch einmal"',
        "Siehe [](#vergleich-glatt-versand-scheitert) und [](#lauf-bestaetigung).",
    ]
    html = render(project, "\n\n".join(pages))
    assert '<div class="lauf" data-search-exclude="" id="vergleich-glatt-versand-scheitert">' in html
    assert 'id="vergleich-glatt-versand-scheitert-2"' in html
    caption = (
        '<figcaption><a class="nummer" href="#vergleich-glatt-versand-scheitert">Bild 2</a>Zwei „Läufe“ &amp; mehr'
    )
    assert caption in html
    assert '<a href="#vergleich-glatt-versand-scheitert">Bild 2</a>' in html
    assert '<a href="#lauf-bestaetigung">Bild 1</a>' in html
    assert "Bis charge_payment gleich; register_parcel" in html
    assert ">Bild 3</a>" in html


# --- Beweise, Ausgaben, Notebooks, Call-outs


def test_beweis_zeigt_den_test_und_den_befehl(project: Path) -> None:
    html = render(project, '::: beweis tests/test_x.py::TestX::test_y "Es stimmt."')
    assert "uv run --group test pytest tests/test_x.py::TestX::test_y" in html
    assert find_test(project, "tests/test_x.py::TestX::test_y").startswith("@mark\nasync def test_y(self):\n    assert")


def test_aufgabe_zeigt_befehl_tipps_und_loesung_zum_aufklappen() -> None:
    number = find("kompensation-zu-spaet", exercises()).number
    html = render(ROOT, f"Davor.\n\n::: aufgabe {number}\n\nDanach.")
    box = html.split("Davor.</p>")[1].split("<p>Danach.")[0]
    assert f'id="aufgabe-{number.replace(".", "-")}"' in box
    assert "Kompensation zu spät vorgemerkt" in box
    assert "Reparieren" in box
    assert f"<code>uv run dauerlauf uebe {number}</code>" in box
    folded = [part.split("</summary>")[0] for part in box.split("<summary>")[1:]]
    assert folded == ["Tipp 1", "Tipp 2", "Tipp 3", "Lösung"]
    assert "<details open" not in box
    before, after = box.split("<summary>Lösung")
    assert "<code>dienste.py</code>" in before
    assert "undo" in after.replace("<span", "")
    assert "nur die\nAntwort ging verloren" in after


def test_aufgaben_verweist_zu_jeder_uebung_auf_ihre_seite(monkeypatch: pytest.MonkeyPatch) -> None:
    html = render(ROOT, "::: aufgaben")
    known = exercises()
    assert html.count("<tr data-") == len(known)
    assert all(f"#aufgabe-{one.number.replace('.', '-')}" in html for one in known)
    assert 'href="teil3/kapitel07/saga.md#aufgabe-7-3"' in html
    monkeypatch.setattr(exercise, "places", lambda root: {})
    with pytest.raises(PageError, match=r"Die Übung 1\.1 steht auf keiner Seite\."):
        render(ROOT, "::: aufgaben")


def test_ausgabe_wird_ein_terminal_mit_kopierbarem_befehl(project: Path) -> None:
    html = render(
        project, "<!-- ausgabe (2): dauerlauf zeige x -->\n```text\n<nichts>\n```\n\n```console\ngit status\n```"
    )
    assert "<code>uv run dauerlauf zeige x</code>" in html
    assert "<samp>&lt;nichts&gt;\n</samp>" in html
    assert "<code>git status</code>" in html


def test_notebook_bekommt_anker_und_laeuft_durch_dieselben_schritte(project: Path) -> None:
    folder = project / ".notebooks"
    folder.mkdir(parents=True)
    (folder / "kapitel01.md").write_text("# Öl & Maß\n\n```python\n# kein Titel\n```\n\n# Öl & Maß\n")
    html = render(project, "Davor\n\n::: notebook kapitel01\n\nDanach")
    assert '<h2 id="notebook-oel-mass">Öl &amp; Maß</h2>' in html
    assert 'id="notebook-oel-mass-2"' in html
    assert "kein Titel" in html


def test_call_out_nennt_seine_art(project: Path) -> None:
    html = render(project, '??? irrtum "Was nun?"\n\n    Dies.\n\n!!! tipp\n\n    Text.')
    assert '<span class="art">Irrtum</span> Was nun?' in html
    assert '<p class="admonition-title">Tipp</p>' in html


def test_tabellen_lassen_sich_schieben_und_haben_keine_leeren_kopfzellen(project: Path) -> None:
    html = render(project, "|   | A |\n|---|---|\n| b | 1 |")
    assert '<div class="tabelle"><table class="daten">' in html.replace("\n", "")
    assert "<td></td>\n<th>A</th>" in html


# --- Glossar


def test_erstes_vorkommen_wird_erklaert_und_nur_das_erste(project: Path) -> None:
    text = "# Saga\n\nEine `Saga`, eine Saga-Probe, eine *Saga*, zwei Sagas und ein Worker. Ein Worker.\n"
    html = render(project, text)
    assert html.count('class="begriff"') == 2
    assert '<em><a class="begriff" href="glossar.md#saga" title="die Saga: Ein Ablauf.">Saga</a></em>' in html
    assert "<h1>Saga</h1>" in html


def test_auf_der_glossarseite_keine_erklaerungen(project: Path) -> None:
    html = render(project, "Eine Saga.\n\n::: glossar")
    assert 'class="begriff"' not in html
    assert '<h2 id="saga">' in html
    assert "„Arbeiter“" in html


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- begriff: A\n  artikel: die\n", "fehlt das Feld „bedeutung“"),
        ("- begriff: A\n  artikel: die\n  bedeutung: B.\n  farbe: rot\n", "unbekannte Feld „farbe“"),
        ("- begriff: A\n  artikel: die\n  bedeutung: B.\n" * 2, "steht doppelt da"),
        ("- begriff: A\n  artikel: die\n  bedeutung: B.\n  formen: C\n", "muss „formen“"),
        ("- [", "kein gültiges YAML"),
    ],
)
def test_fehler_im_glossar(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "glossar.yml"
    file.write_text(text)
    with pytest.raises(DauerlaufError, match=message):
        load(file)


# --- Katalog und Navigation


def page(project: Path, name: str, head: dict[str, str]) -> None:
    """Legt eine Seite mit Kopf an."""
    file = project / "book" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("---\n" + "".join(f"{key}: {value}\n" for key, value in head.items()) + "---\n# X { #x }\n")


def example(project: Path) -> None:
    """Legt an, worauf der Kopf einer Musterseite zeigt."""
    for name in ("examples/kapitel07/kapitel07/saga/__init__.py", "tests/kapitel07/test_saga.py"):
        (project / name).parent.mkdir(parents=True)
        (project / name).touch()


def test_katalog_entsteht_aus_den_koepfen(project: Path) -> None:
    example(project)
    page(project, "teil3/kapitel07/saga.md", HEAD)
    page(project, "teil3/kapitel07/index.md", {"title": "Fehler"})
    html = render(project, "::: katalog")
    assert html.count("<tr ") == 1
    assert '<a href="teil3/kapitel07/saga.md">Saga</a>' in html
    assert 'data-stufe="Fortgeschritten"' in html
    assert "1 Muster, geprüft mit temporalio " in html


@pytest.mark.parametrize("field", [name for name in HEAD if name not in {"problem", "beispiel"}])
def test_kopf_einer_musterseite_muss_vollstaendig_sein(project: Path, field: str) -> None:
    example(project)
    page(project, "teil3/kapitel07/saga.md", {key: value for key, value in HEAD.items() if key != field})
    with pytest.raises(PageError, match=f"saga.md:1: .*„{field}“"):
        entries(project)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("kategorie", "Sonstiges", "Kategorie „Sonstiges“"),
        ("stufe", "X", "Stufe „X“"),
        ("kapitel", "sieben", "muss eine Zahl sein"),
        ("beispiel", "kapitel07/sago", "sago/__init__.py gibt es nicht"),
        ("test", "tests/kapitel07/test_sago.py", "test_sago.py gibt es nicht"),
    ],
)
def test_kopf_einer_musterseite_muss_stimmen(project: Path, field: str, value: str, message: str) -> None:
    example(project)
    page(project, "teil3/kapitel07/saga.md", {**HEAD, field: value})
    with pytest.raises(PageError, match=message):
        entries(project)


def test_navigation_folgt_ordnern_rang_und_titel(project: Path) -> None:
    page(project, "index.md", {"title": "Start"})
    page(project, "katalog.md", {"title": "Katalog"})
    page(project, "teil1/kapitel02/index.md", {"title": "Kern"})
    page(project, "teil1/kapitel02/zuerst.md", {"title": "Zuerst", "rang": "1"})
    page(project, "teil1/kapitel02/anders.md", {"title": "Anders"})
    assert navigation(project / "book") == [
        {"Start": "index.md"},
        {
            "I Grundlagen": [
                {
                    "2 Kern": [
                        "teil1/kapitel02/index.md",
                        {"Zuerst": "teil1/kapitel02/zuerst.md"},
                        {"Anders": "teil1/kapitel02/anders.md"},
                    ]
                }
            ]
        },
        {"Katalog": "katalog.md"},
    ]


def test_seite_ohne_titel_und_ordner_ohne_namen_sind_fehler(project: Path) -> None:
    page(project, "index.md", {"title": "Start"})
    page(project, "neu/seite.md", {"title": "Neu"})
    with pytest.raises(PageError, match="braucht eine index.md"):
        navigation(project / "book")
    page(project, "neu/index.md", {"rang": "1"})
    with pytest.raises(PageError, match="fehlt „title“"):
        navigation(project / "book")


# --- Suche


def test_suchindex_bekommt_formen_und_umschrift(project: Path) -> None:
    entry = {"location": "", "title": "Größe", "text": "<p>Die Saga ist deterministisch, siehe RetryPolicy.</p>"}
    index = {"config": {"fields": {}}, "docs": [entry]}
    [extended] = extend(index, load(project / "book/glossar.yml"), [])["docs"]
    text = extended["text"]
    assert text.startswith("<p>Die Saga")
    hidden = text.split("<p hidden>")[1].removesuffix("</p>").split()
    assert {"groesse", "rollback", "sagas", "deterministische", "retrypolicy"} <= set(hidden)
    assert "worker" not in hidden
    assert "names" not in extended


def test_suchindex_gewichtet_begriffe_und_meldungen_an_ihrer_stelle(project: Path) -> None:
    error = ErrorEntry(
        "fehler/sandbox.md", "Sandbox", (Message("RestrictedWorkflowAccessError", "Log"),), "", "", "", 1
    )
    places = ("glossar/", "glossar/#saga", "fehler/sandbox/", "fehler/sandbox/#ursache")
    entries = [{"location": place, "title": "Saga", "text": "Sagas"} for place in places]
    fields = {"title": {"boost": 1000.0}, "text": {"boost": 1.0}}
    index = extend({"config": {"fields": fields}, "docs": entries}, load(project / "book/glossar.yml"), [error])
    named = {entry["location"]: entry["names"].split() for entry in index["docs"] if "names" in entry}
    assert {place: "Rollback" in names for place, names in named.items()} == {"glossar/#saga": True, places[2]: False}
    assert named["fehler/sandbox/"] == ["RestrictedWorkflowAccessError"]
    assert fields["text"]["boost"] < fields["names"]["boost"] < fields["title"]["boost"]


def test_anker_sind_ascii() -> None:
    assert slug("Größe, Maß & „Ärger“") == "groesse-mass-aerger"
