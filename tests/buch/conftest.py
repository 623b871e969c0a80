"""Gebaute Bücher und ein Browser für die Tests des Buchs."""

from __future__ import annotations

import functools
import os
import subprocess
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from buchbau import mkdocs, stage, tool, zensical
from filelock import FileLock
from playwright.async_api import Browser, async_playwright

pytest.register_assert_rewrite("laufspieler")

CHROMIUM = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Kein Protokoll auf der Fehlerausgabe."""


def _built(
    factory: pytest.TempPathFactory, name: str, build: Callable[[Path], subprocess.CompletedProcess[str]]
) -> Path:
    """Das fertige Buch; die Testprozesse eines Laufs bauen es einmal und teilen es sich."""
    base = factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = shared / name
    with FileLock(shared / f"{name}.lock"):
        if not folder.is_dir():
            done = build(stage(folder))
            assert done.returncode == 0, done.stdout[-2000:]
    assert (folder / "site" / "index.html").is_file(), "Der Bau ist in einem anderen Testprozess gescheitert."
    return folder / "site"


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Das Buch samt Probeseite, mit MkDocs gebaut."""
    return _built(tmp_path_factory, "mkdocs", mkdocs)


@pytest.fixture(scope="session")
def zensical_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Dasselbe, mit Zensical gebaut."""
    return _built(tmp_path_factory, "zensical", zensical)


class _WithoutSearch(_Quiet):
    def do_GET(self) -> None:
        """Der Index der Suche ist leer: Ihn aufzubauen kostet jeden Besuch einer Seite Sekunden Rechenzeit."""
        if not self.path.endswith("/search_index.json"):
            return super().do_GET()
        body = b'{"config": {"lang": ["de"], "separator": " ", "pipeline": [], "fields": {}}, "docs": []}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        return None


def _serve(folder: Path, handler: type[_Quiet] = _Quiet) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def address(site: Path) -> Iterator[str]:
    """Die Adresse, unter der das gebaute Buch auf diesem Rechner zu lesen ist, ohne Suche."""
    yield from _serve(site, _WithoutSearch)


@pytest.fixture(scope="session")
def address_with_search(site: Path) -> Iterator[str]:
    """Dasselbe mit Suche."""
    yield from _serve(site)


@pytest.fixture(scope="session")
def bad_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Eine Seite, an der jede Prüfung im Browser etwas finden muss."""
    folder = tmp_path_factory.mktemp("schlecht")
    (folder / "index.html").write_text(
        "<!doctype html><html><head><title>Schlecht</title></head><body>"
        '<img src="http://fremd.invalid/bild.png"><div style="width: 900px">breit</div>'
        '<p style="color: #bbb; background: #fff">blass</p><script>console.error("kaputt")</script></body></html>',
        encoding="utf-8",
    )
    yield from _serve(folder)


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Ein Chromium dieses Rechners; fehlt es, werden die Tests übersprungen (unter CI=true scheitern sie)."""
    executable = tool("chromium", "chromium-browser", "google-chrome")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=list(CHROMIUM))
        yield browser
        await browser.close()
