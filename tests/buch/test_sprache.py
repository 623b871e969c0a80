"""Die Sprache des Buchs: Regeln, Satzlängen, Begriffe, Rechtschreibung."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from buchbau import ROOT, tool
from stil import lint, passages, prose, sentence_lengths, too_long

from dauerlauf.book.glossary import load

PAGES = [*sorted((ROOT / "book").rglob("*.md")), *sorted(ROOT.glob("examples/*/aufgaben/*/aufgabe.md"))]
TERMS = load(ROOT / "book/glossar.yml")
WORDS = Path(__file__).with_name("woerterbuch.txt")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_seite_haelt_die_regeln_ein(page: Path) -> None:
    found = [f"{page.name}:{f.line}: {f.rule}: {f.text}" for f in lint(page.read_text(encoding="utf-8"), TERMS)]
    assert found == []


def test_glossar_haelt_die_regeln_ein() -> None:
    text = "\n\n".join(term.meaning for term in TERMS)
    assert [f"{f.rule}: {f.text}" for f in lint(text, TERMS)] == []
    assert all(term.meaning.endswith(".") and term.meaning.count(". ") == 0 for term in TERMS), "ein Satz je Begriff"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_saetze_sind_kurz(page: Path) -> None:
    assert too_long(sentence_lengths(page.read_text(encoding="utf-8"))) is None


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("Starte deinen Worker.", "Anrede"),
        ('Er sagt "nein".', "Anführungszeichen"),
        ("Er sagt “nein”.", "Anführungszeichen"),
        ("Nehmen Sie z. B. diesen.", "Abkürzung"),
        ("Nehmen Sie z.B. diesen.", "Abkürzung"),
        ("Das gilt - immer.", "Gedankenstrich"),
        ("Das dauert 0.5 s.", "Dezimalkomma"),
        ("Das ist ist so.", "doppeltes Wort"),
        ("Die Workflow Ausführung endet.", "Zusammensetzung"),
        ("Und so weiter...", "Auslassungspunkte"),
        ("Fertig \U0001f389.", "Emoji"),
        ("Für Entwickler*innen.", "Zeichen im Wort"),
        ("Für EntwicklerInnen.", "Zeichen im Wort"),
        ("Jetzt geht es los!", "Ausrufezeichen"),
        ("## Starten. { #a }", "Überschrift ohne Satzzeichen"),
        ("## Das `run` { #a }", "Überschrift ohne Code"),
        ("Die Aktivität endet.", "„Activity“ statt „Aktivität“"),
        ("Die Task-Queue endet.", "„Task Queue“ statt „Task-Queue“"),
        ('!!! tipp "Das ist dein Recht"', "Anrede"),
        ('::: listing a/b.py "Dein Code"', "Anrede"),
        ("| a | dein |", "Anrede"),
        ("---\nproblem: Dein Worker stirbt.\n---", "Anrede"),
    ],
)
def test_jede_regel_findet_ihren_fehler(text: str, rule: str) -> None:
    assert any(finding.rule.startswith(rule) for finding in lint(text, TERMS))


@pytest.mark.parametrize(
    "text",
    [
        "Er sagt „nein“ und ‚vielleicht‘, z.\u202fB. heute – oder 0,5 s später.",
        '```python\nx = "du"\n```',
        'Der Wert `"du"` steht in [diesem Kapitel](du.md "du").',
        "<!-- ausgabe: dauerlauf zeige du -->\n```text\ndu - du\n```",
        "Der Task-Queue-Name. Die, die die Task Queue lesen. Workflow-Ausführung und Workflow-ID. Version 1.35.0.",
        "Siehe [Activity Definition - Temporal](https://docs.temporal.io/activities), *beides* und **fett**.",
        "## Was nun? { #was-nun }",
    ],
)
def test_richtiges_bleibt_unbeanstandet(text: str) -> None:
    assert list(lint(text, TERMS)) == []


def test_zerlegung_kennt_absaetze_titel_und_unterschriften() -> None:
    text = '# Titel { #t }\n\nEin Satz\nüber zwei Zeilen.\n\n!!! tipp "Titel"\n\n    - Punkt\n\n::: lauf a/b "Bild"\n'
    assert [(passage.line, passage.text) for passage in passages(text)] == [
        (1, "Titel"),
        (3, "Ein Satz über zwei Zeilen."),
        (6, "Titel"),
        (8, "Punkt"),
        (10, "Bild"),
    ]


def test_lange_saetze_fallen_auf() -> None:
    short, long = "Das ist ein kurzer Satz.", "Das ist " + "sehr " * 30 + "lang."
    assert sentence_lengths(f"{short} {long}") == [5, 33]
    assert too_long([5] * 40) is None
    assert too_long([16] * 40) is not None
    assert too_long([5] * 30 + [33] * 10) is not None


def unknown_words(text: str) -> list[str]:
    """Wörter, die weder Hunspell noch das eigene Wörterbuch kennt."""
    done = subprocess.run(
        [tool("hunspell"), "-d", "de_DE,en_US", "-i", "utf-8", "-p", str(WORDS), "-l"],
        input=text,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    # Hunspell lässt den Punkt am Satzende am Wort, wenn es eine Abkürzung vermutet.
    return sorted({word.strip(".-") for word in done.stdout.split()} - set(WORDS.read_text(encoding="utf-8").split()))


def test_rechtschreibung() -> None:
    glossary = "\n".join(f"{term.name}, {term.plural}: {term.meaning}" for term in TERMS)
    unknown = unknown_words(f"{prose(PAGES)}\n{glossary}")
    assert unknown == [], "falsch geschrieben, oder richtig und dann in tests/buch/woerterbuch.txt aufzunehmen"


def test_rechtschreibpruefung_findet_fehler() -> None:
    assert unknown_words("Der Workflow wiederhohlt die Zahlung nich, der Standart gilt.") == [
        "Standart",
        "nich",
        "wiederhohlt",
    ]


def test_woerterbuch_ist_sortiert_und_ohne_wiederholung() -> None:
    words = WORDS.read_text(encoding="utf-8").split()
    assert words == sorted(set(words), key=lambda word: (word.casefold(), word))
