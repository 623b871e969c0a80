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


def test_andere_programme_sind_nicht_erlaubt(page: Path, tmp_path: Path) -> None:
    page.write_text("<!-- ausgabe: rm -rf / -->\n```text\n```\n", encoding="utf-8")
    with pytest.raises(DauerlaufError, match="nur von `dauerlauf`"):
        list(outputs.compare(tmp_path))
