"""Die Notebooks: ohne Ausgaben gespeichert, mit Sandbox, ausführbar von oben nach unten – auch in JupyterLab."""

import asyncio
import importlib.util
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dauerlauf import notebooks
from dauerlauf.errors import DauerlaufError
from dauerlauf.together import together

ROOT = Path(__file__).parents[2]
FILES = notebooks.stored(ROOT)
NAMES = [file.stem for file in FILES]
UNSANDBOXED = ("sandboxed=False", "UnsandboxedWorkflowRunner", "sandbox_unrestricted")


def read(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))


def code_cells(notebook: Any) -> list[str]:
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]


def test_es_gibt_notebooks() -> None:
    assert "kapitel01" in NAMES


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_gespeichert_ohne_ausgaben_und_mit_festen_ids(file: Path) -> None:
    notebook = read(file)
    cells = notebook["cells"]
    assert not [cell["id"] for cell in cells if cell.get("outputs") or cell.get("execution_count")]
    assert [cell["id"] for cell in cells] == [f"zelle-{number:02d}" for number in range(1, len(cells) + 1)]
    assert set(notebook["metadata"]) <= {"kernelspec", "language_info"}


@pytest.mark.parametrize("file", FILES, ids=NAMES)
def test_sandbox_bleibt_an(file: Path) -> None:
    assert not [code for code in code_cells(read(file)) if any(name in code for name in UNSANDBOXED)]


ENDS_DIFFERENTLY = "beide enden: Workflow fertig, aber mit anderem Ergebnis"
# Notebook: so viele Vergleiche und Spieler, und was ein Vergleich sagt. Kapitel 9 zeichnet stattdessen Ankünfte.
SHOWN: dict[str, tuple[int, int, str]] = {
    "kapitel01": (1, 1, rf"charge_payment unterscheidet sich \(Ergebnis: 1 / 2\); {ENDS_DIFFERENTLY}"),
    "kapitel02": (1, 1, rf"refund_payment unterscheidet sich \(Ergebnis: 1 / 2\); {ENDS_DIFFERENTLY}"),
    # Wie lange Versuche dauern, hängt von der Maschine ab.
    "kapitel07": (
        1,
        1,
        r"register_parcel unterscheidet sich \(Versuche: 5 / 2, Dauer: [\d,]+ s / [\d,]+ s\).*; "
        "beide enden gleich: Workflow gescheitert",
    ),
    "kapitel08": (
        5,
        4,
        "nur in „vor-der-stelle“: Patch 2026-11-betrugspruefung; danach 1 Schritt nur in „vor-der-stelle“; "
        "beide enden gleich: Workflow fertig",
    ),
    "kapitel09": (0, 1, ""),
    "kapitel16": (
        3,
        5,
        r"check_account unterscheidet sich \(Eingabe, Ergebnis: ja / verschlüsselt \(58 Byte\)\); "
        rf"danach 4 Schritte anders; {ENDS_DIFFERENTLY}",
    ),
}


def test_jedes_notebook_hat_eine_erwartung() -> None:
    assert list(SHOWN) == NAMES


# render


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ein Projekt mit einem Notebook, das gelingt, und einem, das scheitert."""
    (tmp_path / "src" / "dauerlauf").mkdir(parents=True)
    (tmp_path / "mkdocs.yml").touch()
    (tmp_path / "notebooks").mkdir()
    for name, source in (("gut", "print(6 * 7)"), ("schlecht", "raise ValueError('kaputt')")):
        cell: dict[str, Any] = {"cell_type": "code", "id": "zelle-01", "metadata": {}, "source": source}
        cell |= {"outputs": [], "execution_count": None}
        notebook = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        (tmp_path / "notebooks" / f"{name}.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_render_legt_markdown_ab_und_laesst_das_notebook_unberuehrt(project: Path) -> None:
    before = (project / "notebooks" / "gut.ipynb").read_bytes()
    assert notebooks.render(["gut"]) == [project / ".notebooks" / "gut.md"]
    text = (project / ".notebooks" / "gut.md").read_text(encoding="utf-8")
    assert "```python\nprint(6 * 7)\n```" in text
    assert "    42" in text
    assert (project / "notebooks" / "gut.ipynb").read_bytes() == before


def test_render_behaelt_gleiche_stylesheets_und_skripte_nur_einmal(project: Path) -> None:
    file = project / "notebooks" / "gut.ipynb"
    shown = "<style>p {color: red}</style><p>a</p><script type='application/json'>1</script><script>let x</script>"
    notebook = read(file)
    notebook["cells"][0]["source"] = (
        f"from IPython.display import HTML, display\nfor _ in 'ab': display(HTML({shown!r}))"
    )
    file.write_text(json.dumps(notebook), encoding="utf-8")
    text = notebooks.render(["gut"])[0].read_text(encoding="utf-8")
    # Einmal mehr, denn die Zelle selbst zeigt ihren Quelltext.
    counts = [text.count(part) - 1 for part in ("<p>a</p>", "<script type=", "<style>p", "<script>let x")]
    assert counts == [2, 2, 1, 1]


@pytest.mark.usefixtures("project")
def test_gescheiterte_zelle_nennt_notebook_und_grund() -> None:
    with pytest.raises(DauerlaufError, match="„schlecht“ bricht ab: ValueError: kaputt"):
        notebooks.render(["schlecht"])


@pytest.mark.usefixtures("project")
def test_unbekanntes_notebook() -> None:
    with pytest.raises(DauerlaufError, match="„fehlt“ gibt es nicht; es gibt: gut, schlecht"):
        notebooks.render(["fehlt"])


@pytest.mark.usefixtures("project")
def test_ohne_werkzeuge_sagt_die_meldung_was_zu_tun_ist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nbclient", None)
    with pytest.raises(DauerlaufError, match="uv run --group notebooks"):
        notebooks.render()


# JupyterLab


@dataclass(frozen=True)
class Lab:
    """Ein laufendes JupyterLab."""

    url: str
    token: str
    folder: Path

    def call(self, method: str, path: str, body: Any = None) -> Any:
        request = urllib.request.Request(
            f"{self.url}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"token {self.token}"},
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            text = response.read().decode()
        return json.loads(text) if path.startswith("api/") and text else text


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """Startet JupyterLab ohne Browser, über einer Kopie der Notebooks: Zellen schreiben Dateien neben sich."""
    if importlib.util.find_spec("jupyterlab") is None:
        pytest.skip("JupyterLab ist nicht installiert (uv run --group notebooks --group test pytest)")
    folder = tmp_path / "notebooks"
    folder.mkdir()
    for file in FILES:
        shutil.copy(file, folder)
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ServerApp.port=0"]
    process = subprocess.Popen(
        [*command, f"--ServerApp.root_dir={folder}"],
        env=os.environ | {"JUPYTER_RUNTIME_DIR": str(tmp_path), "JUPYTER_CONFIG_DIR": str(tmp_path / "config")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        while not (found := _listening(tmp_path)):
            assert process.poll() is None, "JupyterLab ist beim Start gescheitert."
            assert time.monotonic() < deadline, "JupyterLab ist nach 60 s nicht bereit."
            time.sleep(0.05)
        yield Lab(found["url"], found["token"], folder)
    finally:
        process.terminate()
        try:
            process.wait(20)
        finally:
            process.kill()


def _listening(folder: Path) -> Any:
    """Was JupyterLab über sich in eine Datei schreibt, sobald der genannte Port wirklich offen ist; vorher nichts."""
    for file in folder.glob("jpserver-*.json"):
        with suppress(OSError, ValueError):
            info = json.loads(file.read_text(encoding="utf-8"))
            with socket.create_connection(("127.0.0.1", info["port"]), timeout=1):
                return info
    return None


async def run_cells(lab: Lab, name: str, cells: list[str]) -> list[str]:
    """Öffnet eine Sitzung und schickt dem Kernel die Zellen, so wie die Oberfläche; je Zelle, was sie zeigt.

    Was eine Zelle später ersetzt (`update_display`), steht an der Stelle des Ersetzten.
    """
    from tornado.httpclient import HTTPRequest
    from tornado.websocket import websocket_connect

    session = {"path": name, "name": name, "type": "notebook", "kernel": {"name": "python3"}}
    opened = await asyncio.to_thread(lab.call, "POST", "api/sessions", session)
    channel = await websocket_connect(
        HTTPRequest(
            f"{lab.url.replace('http', 'ws', 1)}api/kernels/{opened['kernel']['id']}/channels",
            headers={"Authorization": f"token {lab.token}"},
        )
    )
    try:
        return [await _run_cell(channel, name, number, code) for number, code in enumerate(cells, start=1)]
    finally:
        channel.close()
        await asyncio.to_thread(lab.call, "DELETE", f"api/sessions/{opened['id']}")


async def _run_cell(channel: Any, name: str, number: int, code: str) -> str:
    header = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "session": "test", "version": "5.3"}
    content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False}
    message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
    await channel.write_message(json.dumps(message))
    shown: dict[str, str] = {}
    replied = idle = False
    while not (replied and idle):
        text = await asyncio.wait_for(channel.read_message(), 60)
        assert text is not None, f"Der Kernel von {name} hat die Verbindung beendet."
        answer = json.loads(text)
        if answer.get("parent_header", {}).get("msg_id") != header["msg_id"]:
            continue
        kind, content = answer["msg_type"], answer["content"]
        if kind == "execute_reply":
            assert content["status"] == "ok", f"{name}: {content.get('evalue')}\n{code}"
            assert content["execution_count"] == number
            replied = True
        elif kind == "status":
            idle = content["execution_state"] == "idle"
        elif kind == "stream":
            shown[answer["header"]["msg_id"]] = content["text"]
        elif kind in ("display_data", "execute_result", "update_display_data"):
            place = content.get("transient", {}).get("display_id") or answer["header"]["msg_id"]
            shown[place] = content["data"].get("text/html", content["data"].get("text/plain", ""))
    return "\n".join(shown.values())


@pytest.mark.gruendlich
@pytest.mark.timeout(400)
async def test_laeuft_in_jupyterlab_von_oben_nach_unten(lab: Lab) -> None:
    slots = asyncio.Semaphore(3)

    async def run(file: Path) -> list[str]:
        async with slots:
            assert "jupyter-config-data" in await asyncio.to_thread(lab.call, "GET", f"lab/tree/{file.name}")
            opened = await asyncio.to_thread(lab.call, "GET", f"api/contents/{file.name}")
            return await run_cells(lab, file.name, code_cells(opened["content"]))

    for file, shown in zip(FILES, await together(*map(run, FILES)), strict=True):
        _shows_pictures_comparisons_and_players(file.stem, shown)
        if file.stem == "kapitel01":
            _shows_what_the_text_of_chapter_1_says(shown)
    # Was JupyterLab ausführt, speichert es nicht von selbst.
    assert [(lab.folder / file.name).read_bytes() for file in FILES] == [file.read_bytes() for file in FILES]


def _shows_pictures_comparisons_and_players(name: str, shown: list[str]) -> None:
    assert any("<svg" in text for text in shown)
    comparisons = [text for text in shown if "dl-vergleich" in text]
    players = [text for text in shown if "<lauf-spieler" in text]
    *counts, sentence = SHOWN[name]
    assert [len(comparisons), len(players)] == counts, name
    told = [
        verdict
        for text in comparisons
        for verdict in re.findall(r"[^<>]*unterscheidet sich[^<>]*|nur in „[^<>]*", text)
    ]
    assert not sentence or any(re.search(sentence, text) for text in told), (name, told)
    assert any("<template>" in player for player in players), f"{name}: Keiner zeigt Abstürze."
    # Alles, was er braucht, steht in der Ausgabe: Skript und Stylesheet.
    for player in players:
        assert "customElements.define" in player
        assert "lauf-spieler {" in player


def _shows_what_the_text_of_chapter_1_says(shown: list[str]) -> None:
    runs = [text for text in shown if "dl-figur" in text and "lauf-spieler" not in text]
    assert len(runs) == 8
    assert "2 Versuche" in runs[1]
    assert "Zahlungsdienst: 1 × gebucht, 1 × aufgerufen" in runs[3]
    assert "Zahlungsdienst: 1 × gebucht, 2 × aufgerufen" in runs[4]
    assert "Zahlungsdienst: 2 × gebucht, 2 × aufgerufen" in runs[5]
    # Die geänderte Retry-Policy wartet 10 und 20 Minuten statt einer und zwei Sekunden, die Stornofrist noch 30.
    assert not re.search(r"\+1\s?h\b", runs[6])
    assert re.search(r"\+1\s?h\b", runs[7])
    # Die Übung steht noch auf Start.
    [checked] = [text for text in shown if "Übung 1.1" in text]
    assert "noch nicht" in checked
    assert "Hier fehlt der Aufruf der Activity" in checked
