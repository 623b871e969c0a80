"""Das Buch in einem eigenen Verzeichnis bauen, damit Tests weder site/ noch .notebooks/ des Projekts anfassen."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from dauerlauf.book.navigation import navigation

ROOT = Path(__file__).resolve().parents[2]
PROBE = Path(__file__).with_name("probe.md")
LINKED = ("examples", "notebooks", "src", "tests")


def tool(*names: str) -> str:
    """Der Pfad eines Werkzeugs; fehlt es, wird der Test übersprungen, unter CI=true scheitert er."""
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    for name in names:
        if found := shutil.which(name, path=places):
            return found
    reason = f"{' oder '.join(names)} ist nicht installiert"
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}; in der CI ist das nötig")
    pytest.skip(reason)


def stage(folder: Path, *, with_probe: bool = True) -> Path:
    """Legt das Projekt in `folder` so hin, dass beide Werkzeuge dort bauen können."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in LINKED:
        (folder / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "book", folder / "book")
    shutil.copy(ROOT / "mkdocs.yml", folder)
    if with_probe:
        shutil.copy(PROBE, folder / "book" / "probe.md")
    _notebooks(folder / ".notebooks")
    return folder


def _notebooks(target: Path) -> None:
    """Nimmt ausgeführte Notebooks, soweit vorhanden, sonst die gespeicherten ohne Ausgaben.

    Ob sie laufen, prüfen die Tests der Notebooks; hier geht es darum, dass ihre Seiten entstehen.
    """
    target.mkdir(parents=True)
    for notebook in (ROOT / "notebooks").glob("*.ipynb"):
        executed = ROOT / ".notebooks" / f"{notebook.stem}.md"
        if executed.is_file():
            shutil.copy(executed, target)
        else:
            from nbconvert import MarkdownExporter  # lädt lange und wird selten gebraucht

            exporter = MarkdownExporter()  # type: ignore[no-untyped-call]
            text, _ = exporter.from_filename(str(notebook))
            (target / executed.name).write_text(text, encoding="utf-8")


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Führt ein Programm der Umgebung in `folder` aus; Ausgabe und Fehlerausgabe zusammen in `stdout`."""
    return subprocess.run(
        [str(Path(sys.executable).parent / command[0]), *command[1:]],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=100,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        check=False,
    )


def mkdocs(folder: Path) -> subprocess.CompletedProcess[str]:
    """`mkdocs build --strict`; nie mit -q, denn das verschluckt die Warnungen, die strict zählt."""
    return run(folder, "mkdocs", "build", "--strict")


def zensical(folder: Path) -> subprocess.CompletedProcess[str]:
    """`zensical build --strict`, mit derselben Navigation, die bei MkDocs der Hook einsetzt."""
    config = folder / "mkdocs.yml"
    nav = yaml.safe_dump({"nav": navigation(folder / "book")}, allow_unicode=True, sort_keys=False)
    config.write_text(f"{config.read_text(encoding='utf-8')}\n{nav}", encoding="utf-8")
    return run(folder, "zensical", "build", "--strict", "--clean")


def pages(site: Path) -> list[str]:
    """Alle Seiten einer gebauten Site als Adressen (`""`, `katalog/` ...), ohne die Fehlerseite."""
    return sorted(
        file.parent.relative_to(site).as_posix().removeprefix(".") + ("/" if file.parent != site else "")
        for file in site.rglob("index.html")
    )
