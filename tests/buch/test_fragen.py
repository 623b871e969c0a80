"""Die Fragen des Buchs: ihre Form, ihre Antworten, ihre Rückmeldungen, ihre Auswahl."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from buchbau import ROOT
from markdown import Markdown
from stil import lint

from dauerlauf.book import questions, truth
from dauerlauf.book.glossary import load as load_glossary
from dauerlauf.book.page import PageError
from dauerlauf.book.questions import Question
from dauerlauf.errors import DauerlaufError

QUESTIONS = [question for chapter in questions.load(ROOT) for question in chapter.questions]
SCRIPT_LIMIT = 4000
ONE = """
ziele: {eins: etwas sagen}
fragen:
  - id: erste
    ziel: eins
    art: eine
    frage: Was gilt?
    antworten:
      - {text: Dies, richtig: true, rueckmeldung: Ja.}
      - {text: Das, rueckmeldung: "Bei „Das“: nein."}
    erklaerung: Darum.
    siehe: teil1/kapitel01/index.md#eins
    beweis: tests/test_x.py::test_y
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Ein kleines Projekt mit einer Frage, ihrer Seite und ihrem Test."""
    for folder in ("book/fragen", "book/teil1/kapitel01", "tests"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "book/fragen/kapitel01.yml").write_text(ONE, encoding="utf-8")
    page = "---\ntitle: Eins\n---\n# Eins { #eins }\n\n!!! lernziel\n\n    - etwas sagen.\n"
    (tmp_path / "book/teil1/kapitel01/index.md").write_text(page, encoding="utf-8")
    (tmp_path / "tests/test_x.py").write_text("def test_y() -> None:\n    pass\n", encoding="utf-8")
    shutil.copy(ROOT / "tests/buch/beispiel.py", tmp_path / "tests/beispiel.py")
    return tmp_path


def render(root: Path, text: str) -> str:
    """Wandelt einen Text um wie eine Seite."""
    extensions = ["admonition", "md_in_html", "dauerlauf"]
    return Markdown(extensions=extensions, extension_configs={"dauerlauf": {"wurzel": str(root)}}).convert(text)


def question(name: str) -> Question:
    """Eine Frage des Buchs."""
    return questions.find(ROOT, name)


# --- Die Fragen des Buchs


def test_jede_antwort_stimmt_und_jedes_lernziel_hat_zwei_fragen() -> None:
    assert list(truth.findings(ROOT)) == []


def test_es_gibt_von_jeder_sorte_genug() -> None:
    kinds = [question.kind for question in QUESTIONS]
    assert kinds.count("ordnen") >= 6
    assert kinds.count("zeilen") >= 3
    assert sum("lauf" in question.source and question.kind != "ordnen" for question in QUESTIONS) >= 8


@pytest.mark.parametrize("asked", QUESTIONS, ids=lambda asked: asked.id)
def test_jede_rueckmeldung_ist_erreichbar(asked: Question) -> None:
    html = render(ROOT, f"::: frage {asked.id}")
    form = re.search(r"<form.*?</form>", html, re.DOTALL)
    assert form
    fields = re.findall(r'<input[^>]*value="(\d+)"|<li data-nr="(\d+)"', form[0])
    if asked.kind != "zahl":
        assert {int(a or b) for a, b in fields} == set(range(1, len(asked.options) + 1))
    for number, option in enumerate(asked.options, start=1):
        if not option.right:
            assert f'data-zu="{number}"' in form[0] or 'data-zu="sonst"' in form[0]
    before_answer = form[0].partition("<details")[0]
    assert asked.explanation not in before_answer
    assert "<details" in form[0]
    assert " open" not in form[0]


def test_keine_rueckmeldung_sagt_nur_falsch() -> None:
    short = [
        f"{asked.id}: {option.feedback}"
        for asked in QUESTIONS
        for option in asked.options
        if option.feedback and not option.right and len(option.feedback.split()) < 6
    ]
    assert short == []


def test_sprache_der_fragen() -> None:
    terms = load_glossary(ROOT / "book/glossar.yml")
    found = [f"{asked.id}: {f.rule}: {f.text}" for asked in QUESTIONS for f in lint(asked.prose, terms)]
    assert found == []


def test_das_skript_ist_klein() -> None:
    assert (ROOT / "book/assets/js/fragen.js").stat().st_size <= SCRIPT_LIMIT


# --- Wiederholung


@pytest.mark.parametrize(("number", "chapters"), [(2, [1, 1, 1]), (7, [2, 2, 1]), (8, [7, 7, 1]), (9, [8, 8, 2])])
def test_wiederholung_zieht_aus_frueheren_kapiteln(number: int, chapters: list[int]) -> None:
    drawn = questions.draw(ROOT, number)
    assert [asked.chapter for asked in drawn] == chapters
    assert len({asked.goal for asked in drawn}) == 3
    assert drawn == questions.draw(ROOT, number)
    assert not any(asked.here_only or asked.kind not in questions.SHORT for asked in drawn)


def test_im_ersten_kapitel_gibt_es_nichts_zu_wiederholen() -> None:
    with pytest.raises(DauerlaufError, match="Vor Kapitel 1 gibt es keine Fragen"):
        questions.draw(ROOT, 1)


def test_wiederholung_braucht_drei_lernziele(project: Path) -> None:
    with pytest.raises(DauerlaufError, match="gibt es nur 1 Lernziele"):
        questions.draw(project, 2)


# --- Was der Bau beanstandet


def test_frage_auf_einer_seite(project: Path) -> None:
    html = render(project, "::: frage erste")
    assert html.count('type="radio"') == 2
    assert 'data-richtig="1"' in html
    assert html.count("fragen.js") == 1
    assert 'href="teil1/kapitel01/index.md#eins"' in html


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("::: frage fehlt", "Die Frage „fehlt“ gibt es nicht"),
        ("::: frage", "hat 0 Ziele"),
        ("::: frage erste\n\n::: frage erste", "steht schon auf dieser Seite"),
        ("::: wiederholung", "gehört auf die Seite eines Kapitels"),
    ],
)
def test_falsche_direktiven_brechen_den_bau_ab(project: Path, text: str, message: str) -> None:
    with pytest.raises(PageError, match=message):
        render(project, text)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("id: erste", "id: Erste", "„id“ besteht aus"),
        ("art: eine", "art: raten", "„art“ ist eine, mehrere"),
        ("art: eine", "art: zahl", "Das Feld „antworten“ gibt es bei der Art „zahl“ nicht"),
        ("ziel: eins", "ziel: zwei", "Das Lernziel „zwei“ steht nicht"),
        ("erklaerung: Darum.", "", "Es fehlt „erklaerung“"),
        (', rueckmeldung: "Bei „Das“: nein."', "", "Der Antwort „Das“ fehlt die Rückmeldung"),
        ("richtig: true", "richtig: false", "0 von 2 Antworten sind richtig"),
        ("text: Das,", "text: Das, richtig: true,", "2 von 2 Antworten sind richtig"),
        ("beweis: tests/test_x.py::test_y", "", "Es fehlt „quelle“ oder „beweis“"),
        ("ziele: {eins: etwas sagen}", "", "genau die Felder"),
        ("ziele: {", "ziele: {{", "kein gültiges YAML"),
        ("test_y", "test_z", "keinen Test „test_z“"),
        ("#eins", "#zwei", "keine Überschrift mit dem Anker „zwei“"),
        ("kapitel01/index.md", "kapitel01/fehlt.md", "Die Seite teil1/kapitel01/fehlt.md gibt es nicht"),
        ("etwas sagen}", "etwas anderes}", "lauten anders als auf der Kapitelseite"),
        ("Was gilt?", "Wer weiß?", "Zum Lernziel „eins“ gibt es 1 Fragen; nötig sind 2"),
    ],
)
def test_jeder_fehler_einer_datei_wird_genannt(project: Path, old: str, new: str, message: str) -> None:
    assert old in ONE
    (project / "book/fragen/kapitel01.yml").write_text(ONE.replace(old, new), encoding="utf-8")
    found = [f"{place}: {text}" for place, text in truth.findings(project)]
    assert any(message in text for text in found), found
    assert all("book/fragen" in text for text in found)


def test_lernziele_ohne_fragen(project: Path) -> None:
    (project / "book/fragen/kapitel01.yml").unlink()
    assert list(truth.findings(project)) == [
        ("book/teil1/kapitel01/index.md", "Zu den Lernzielen fehlt book/fragen/kapitel01.yml.")
    ]


def test_doppelte_kennung(project: Path) -> None:
    shutil.copy(project / "book/fragen/kapitel01.yml", project / "book/fragen/kapitel02.yml")
    assert [text.partition(":")[2] for _, text in truth.findings(project)] == [
        " Die Kennung ist vergeben, siehe book/fragen/kapitel01.yml, Frage „erste“."
    ]


# --- Die Antwort kommt aus einem Lauf


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("events", {"22"}),
        ("events WorkflowTaskCompleted", {"4"}),
        ("events ActivityTaskStarted charge_payment", {"1"}),
        ("events ActivityTaskFailed", {"0"}),
        ("status", {"COMPLETED"}),
        ("versuche charge_payment", {"1"}),
        ("sekunden TimerStarted -> TimerFired", {"1800"}),
    ],
)
def test_messen_an_einer_aufzeichnung(expression: str, expected: set[str]) -> None:
    assert truth.measure(truth.history("absturz_und_weiter/ohne-absturz"), expression) == expected


def test_messen_kennt_typen_und_nennt_fehler() -> None:
    events = truth.history("saga/versand-scheitert")
    kinds = truth.measure(events, "typen")
    assert {"ActivityTaskFailed", "ActivityTaskFailed register_parcel"} <= kinds
    assert "TimerStarted" not in kinds
    assert truth.measure(events, "status") == {"FAILED"}
    for expression, message in [("raten", "gibt es nicht"), ("sekunden TimerFired -> x", "kein „TimerFired“")]:
        with pytest.raises(DauerlaufError, match=message):
            truth.measure(events, expression)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("historie-workflow-tasks", "zahl", "sagt die Quelle etwas anderes: 4"),
        ("saga-status", "vertauscht", "sagt die Quelle etwas anderes: FAILED"),
        ("weiter-events", "vertauscht", "sagt die Quelle etwas anderes"),
        ("patch-rueckwaerts", "vertauscht", "sagt die Quelle etwas anderes: bricht"),
        ("saga-status", "ohne wert", "fehlt der „wert“"),
        ("saga-rueckweg", "umgestellt", "in anderer Reihenfolge"),
        ("saga-schritt", "umgestellt", "in anderer Reihenfolge"),
        ("saga-schritt", "andere stelle", "0-mal vor statt einmal"),
        ("determinismus-zeile", "ohne beweis", "braucht als „beweis“ den Test"),
    ],
)
def test_eine_falsche_antwort_faellt_auf(name: str, change: str, message: str) -> None:
    asked = question(name)
    first, second, *others = asked.options
    if change == "zahl":
        asked = replace(asked, options=(replace(first, text="5"), second, *others))
    elif change == "vertauscht":
        options = [replace(option, right=not option.right) for option in asked.options]
        asked = replace(asked, options=tuple(options))
    elif change == "ohne wert":
        asked = replace(asked, options=(replace(first, value=""), second, *others))
    elif change == "umgestellt":
        asked = replace(asked, options=(second, first, *others))
    elif change == "andere stelle":
        asked = replace(asked, options=(replace(first, value="gibt es nicht"), second, *others))
    else:
        asked = replace(asked, proof="")
    with pytest.raises(DauerlaufError, match=message):
        truth.check(ROOT, asked)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"ausgabe": "python -m kapitel99", "muster": "x"}, "Auf keiner Seite steht die Ausgabe"),
        ({"ausgabe": "python -m kapitel08.patching.matrix", "muster": "(Quark)"}, "findet in der Ausgabe"),
        ({"lauf": "saga/gibt-es-nicht", "wert": "events"}, "kein Szenario"),
        ({"datei": "x"}, "liefert keinen Wert"),
    ],
)
def test_eine_falsche_quelle_faellt_auf(source: dict[str, str], message: str) -> None:
    with pytest.raises(DauerlaufError, match=message):
        truth.truth(ROOT, source)


def test_zeilen_zeigt_weder_docstrings_noch_leerzeilen() -> None:
    lines = [option.text for option in question("blockieren-zeile").options]
    assert [line for line in lines if not line.strip() or '"""' in line] == []
    assert [option.right for option in question("blockieren-zeile").options].count(True) == 1
