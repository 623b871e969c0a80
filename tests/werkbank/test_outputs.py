"""Ausgaben auf Seiten: eingesetzt aus wirklichen Läufen, jede Abweichung fällt auf."""

from pathlib import Path

import pytest

from dauerlauf import outputs
from dauerlauf.errors import DauerlaufError

PAGE = """# Seite

<!-- ausgabe: dauerlauf liste -->
```text
```

- Punkt

    <!-- ausgabe (2): dauerlauf starte sago -->
    ```text
    veraltet
    ```
"""


@pytest.fixture
def page(tmp_path: Path) -> Path:
    (tmp_path / "book" / "teil").mkdir(parents=True)
    file = tmp_path / "book" / "teil" / "seite.md"
    file.write_text(PAGE, encoding="utf-8")
    return file


@pytest.mark.gruendlich
def test_einsetzen_und_vergleichen(page: Path, tmp_path: Path) -> None:
    found = list(outputs.compare(tmp_path))
    assert [output.changed for output in found] == [True, True]
    assert found[1].shown == "veraltet\n"
    outputs.insert(found)
    text = page.read_text(encoding="utf-8")
    assert "```text\n\nKapitel 1\n" in text or "```text\nKapitel 1\n" in text
    assert "    ```text\n    Fehler: Das Muster „sago“ gibt es nicht" in text
    assert "veraltet" not in text
    assert not any(output.changed for output in outputs.compare(tmp_path))
    page.write_text(text.replace("sago“ gibt", "sago“ git"), encoding="utf-8")
    assert [output.changed for output in outputs.compare(tmp_path)] == [False, True]


def test_unerwarteter_code_ist_ein_fehler(page: Path, tmp_path: Path) -> None:
    page.write_text("<!-- ausgabe: dauerlauf starte sago -->\n```text\n```\n", encoding="utf-8")
    with pytest.raises(DauerlaufError, match="endet mit Code 2 statt 0: Fehler: Das Muster „sago“"):
        list(outputs.compare(tmp_path))


def test_eine_einzige_seite(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "book" / "andere.md"
    other.write_text("<!-- ausgabe (2): dauerlauf zeige sago -->\n```text\n```\n", encoding="utf-8")
    monkeypatch.chdir(other.parent)
    [found] = outputs.compare(tmp_path, Path("andere.md"))
    assert (found.page, found.command) == (other, "dauerlauf zeige sago")
    outputs.insert([found])
    assert "sago" in other.read_text(encoding="utf-8").split("```text")[1]
    assert page.read_text(encoding="utf-8") == PAGE


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("book/fehlt.md", "Die Seite „book/fehlt.md“ gibt es nicht; gemeint ist ein Pfad wie `book/index.md`."),
        ("book", "Die Seite „book“ gibt es nicht; gemeint ist ein Pfad wie `book/index.md`."),
        ("anderswo/seite.md", "„anderswo/seite.md“ ist keine Seite; Ausgaben stehen unter `book/` und in den "),
        ("book/leer.md", "Auf der Seite „book/leer.md“ steht keine Ausgabe; sie beginnt mit `<!-- ausgabe: … -->`."),
    ],
)
def test_was_keine_seite_mit_ausgaben_ist(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, message: str
) -> None:
    (tmp_path / "anderswo").mkdir()
    (tmp_path / "anderswo" / "seite.md").write_text(PAGE, encoding="utf-8")
    (tmp_path / "book" / "leer.md").write_text("# Leer\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DauerlaufError) as problem:
        list(outputs.compare(tmp_path, Path(name)))
    assert str(problem.value).startswith(message)


def test_ein_modul_eines_kapitels(page: Path, tmp_path: Path) -> None:
    page.write_text("<!-- ausgabe: python -m kapitel08.patching.matrix -->\n```text\n```\n", encoding="utf-8")
    [found] = outputs.compare(tmp_path)
    assert found.actual.startswith("Event History ")


def test_andere_programme_sind_nicht_erlaubt(page: Path, tmp_path: Path) -> None:
    page.write_text("<!-- ausgabe: rm -rf / -->\n```text\n```\n", encoding="utf-8")
    with pytest.raises(DauerlaufError, match="nur von `dauerlauf`"):
        list(outputs.compare(tmp_path))


def test_eine_tabelle_steht_ohne_zaun(tmp_path: Path) -> None:
    file = tmp_path / "book" / "tabelle.md"
    file.parent.mkdir()
    comment = "<!-- tabelle: python -m kapitel08.aenderungskatalog timer -->"
    file.write_text(f"{comment}\n\n| veraltet |\n\nDanach.\n", encoding="utf-8")
    [found] = outputs.compare(tmp_path)
    assert (found.shown, found.changed) == ("| veraltet |\n", True)
    outputs.insert([found])
    text = file.read_text(encoding="utf-8")
    assert text.startswith(f"{comment}\n\n| Änderung |")
    assert text.endswith("|\n\nDanach.\n")
    assert not next(outputs.compare(tmp_path)).changed
