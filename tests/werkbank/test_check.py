"""`dauerlauf pruefe` nennt jeden Mangel – und in diesem Projekt keinen."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from dauerlauf.check import check, project_root
from dauerlauf.errors import DauerlaufError
from dauerlauf.scenario import Pattern, Stage, find_pattern, patterns

ROOT = Path(__file__).parents[2]


def texts(root: Path, *chosen: Pattern) -> list[str]:
    return [f"{finding.place}: {finding.text}" for finding in check(root, chosen)]


def test_dieses_projekt_ist_vollstaendig() -> None:
    assert texts(ROOT, *patterns().values()) == []


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Ein vollständiges kleines Projekt mit dem Muster `hallo`."""
    for folder in (
        "tests/kapitel01",
        "book/teil1/kapitel01",
        "notebooks",
        "src/dauerlauf",
        "examples/kapitel01/kapitel01",
    ):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "mkdocs.yml").touch()
    (tmp_path / "tests/kapitel01/test_hallo.py").touch()
    (tmp_path / "book/teil1/kapitel01/hallo.md").write_text("# Hallo { #hallo }\n\n::: spieler hallo/bestaetigung\n")
    cell = {"cell_type": "code", "metadata": {"tags": ["hallo"]}, "outputs": [], "execution_count": None}
    (tmp_path / "notebooks/kapitel01.ipynb").write_text(json.dumps({"cells": [cell]}))
    return tmp_path


def test_vollstaendiges_muster(project: Path) -> None:
    assert texts(project, find_pattern("hallo")) == []


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        ("tests/kapitel01/test_hallo.py", "Muster hallo: Es fehlt der Test tests/kapitel01/test_hallo.py."),
        ("book/teil1/kapitel01/hallo.md", "Muster hallo: Es fehlt die Seite book/teil…/kapitel01/hallo.md."),
        ("notebooks/kapitel01.ipynb", "Muster hallo: Es fehlt ein Abschnitt mit dem Tag „hallo“ in notebooks/"),
    ],
)
def test_fehlender_teil(project: Path, missing: str, expected: str) -> None:
    (project / missing).unlink()
    (found,) = texts(project, find_pattern("hallo"))
    assert found.startswith(expected)


async def nothing(_: Stage) -> None:
    """Ein Szenario, das niemand spielt."""


def test_seite_ohne_spieler(project: Path) -> None:
    (project / "book/teil1/kapitel01/hallo.md").write_text("# Hallo { #hallo }\n\n::: lauf hallo/bestaetigung\n")
    (found,) = texts(project, find_pattern("hallo"))
    assert found == "Muster hallo: Seiner Seite fehlt ein Lauf zum Durchgehen (`::: spieler`)."


def test_muster_ohne_szenario_und_ohne_history(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = Pattern("hallo", chapter=1, title="Hallo", problem="", workflows=[])
    assert texts(project, empty) == ["Muster hallo: Es fehlt ein Szenario."]
    hello = find_pattern("hallo")
    folder = project / "kopie"
    shutil.copytree(hello.histories, folder / "histories")
    monkeypatch.setattr(Pattern, "folder", folder)
    (folder / "histories" / "verwaist.json").touch()
    next((folder / "histories").glob("[!v]*.json")).unlink()
    first, second = texts(project, hello)
    assert "fehlt die History; `dauerlauf zeichne-auf hallo`" in first
    assert second == "kopie/histories/verwaist.json: Zu dieser History gibt es kein Szenario mehr."


def test_absturz_ohne_history_und_history_ohne_absturz(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hello = find_pattern("hallo")
    folder = project / "kopie"
    shutil.copytree(hello.histories, folder / "histories")
    monkeypatch.setattr(Pattern, "folder", folder)
    crashes = folder / "histories" / "abstuerze"
    (crashes / "bestaetigung-7.json").rename(crashes / "bestaetigung-8.json")
    assert texts(project, hello) == [
        "Muster hallo: Zum Szenario „bestaetigung“ fehlt der Absturz „nach confirm_order“; "
        "`dauerlauf zeichne-auf hallo`.",
        "kopie/histories/abstuerze/bestaetigung-8.json: Zu dieser History gibt es kein Szenario mehr.",
    ]


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("# Hallo { #hallo }\n\n```python\nx = 1\n```\n", "Ein Python-Listing ist getippt"),
        ("# Hallo { #hallo }\n\n    ``` py\n    x = 1\n    ```\n", "Ein Python-Listing ist getippt"),
        ("# Hallo { #hallo }\n\n## Ohne Anker\n", "„Ohne Anker“ hat keinen Anker"),
        ("# Hallo { #Größe }\n", "hat keinen Anker"),
        ("Nur Text.\n", "Die Seite hat keine Überschrift mit Anker."),
        ("# Hallo { #hallo }\n\n```sh\n# Kommentar\n```\n", ""),
    ],
)
def test_maengel_einer_seite(project: Path, page: str, expected: str) -> None:
    (project / "book/teil1/kapitel01/hallo.md").write_text(f"{page}\n::: spieler hallo/bestaetigung\n")
    found = texts(project, find_pattern("hallo"))
    assert len(found) == (1 if expected else 0)
    assert expected in "".join(found)


def test_notebook_mit_ausgaben(project: Path) -> None:
    file = project / "notebooks/kapitel01.ipynb"
    content = json.loads(file.read_text())
    content["cells"][0]["outputs"] = [{"output_type": "stream"}]
    file.write_text(json.dumps(content))
    assert texts(project, find_pattern("hallo")) == [
        "notebooks/kapitel01.ipynb: Das Notebook enthält gespeicherte Ausgaben."
    ]


@pytest.mark.parametrize(("name", "count"), [("workflow.py", 1), ("worker.py", 1), ("scenarios.py", 0)])
def test_kapitel_code_ohne_werkbank(project: Path, name: str, count: int) -> None:
    (project / "examples/kapitel01/kapitel01" / name).write_text("from dauerlauf.errors import DauerlaufError\n")
    found = texts(project, find_pattern("hallo"))
    assert [text for text in found if "importiert die Werkbank" in text] == found
    assert len(found) == count


def test_projektordner(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert project_root(project / "book" / "teil1") == project
    with pytest.raises(DauerlaufError, match="kein Dauerlauf-Projekt"):
        project_root(tmp_path_factory.mktemp("woanders"))


def test_ohne_werkzeuge_des_buchs_sagt_die_meldung_was_zu_tun_ist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("dauerlauf.book.truth", raising=False)
    monkeypatch.setitem(sys.modules, "dauerlauf.book.truth", None)
    with pytest.raises(DauerlaufError, match="uv run --group book dauerlauf pruefe"):
        list(check(ROOT, []))
