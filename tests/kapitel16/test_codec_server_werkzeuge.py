"""Der Codec-Server mit den wirklichen Werkzeugen: `temporal`, `dauerlauf beobachte`, die Web UI in Chromium."""

import asyncio
import json
import logging
import shutil
import ssl
import subprocess
import sysconfig
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme
from playwright.async_api import BrowserContext, Page, async_playwright
from temporalio.client import Client

from dauerlauf.scenario import Stage
from dauerlauf.server import EmbeddedServer, find_binary
from dauerlauf.timelapse import Timelapse, result
from kapitel16.codec_server.people import People, Person, Right, new_person
from kapitel16.codec_server.scenarios import Office, open_office, place, running
from kapitel16.codec_server.server import CodecServer
from kapitel16.verschluesselung.codec import EncryptionCodec, encrypted
from kapitel16.verschluesselung.models import Refund
from kapitel16.verschluesselung.scenarios import APPROVAL, NEW, Handle, refund, worker
from kapitel16.verschluesselung.workflow import RefundWorkflow

pytestmark = pytest.mark.gruendlich

IBAN = "DE89370400440532013000"
SEALED = "binary/encrypted"
CHROMIUM = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")


@dataclass
class Done:
    """Wie ein Programm endete und was es schrieb."""

    code: int
    text: str


@dataclass
class Shop:
    """Ein Server mit Web UI, ein Worker mit Schlüsselbund und eine erstattete Bestellung."""

    server: EmbeddedServer
    stage: Stage
    handle: Handle

    async def temporal(self, *arguments: str) -> Done:
        """Ruft die Kommandozeile von Temporal auf."""
        return await self._run(str(await find_binary()), *arguments, "--address", self.server.address)

    async def dauerlauf(self, *arguments: str, **environment: str) -> Done:
        """Ruft die Werkbank auf."""
        program = Path(sysconfig.get_path("scripts")) / "dauerlauf"
        return await self._run(str(program), *arguments, TEMPORAL_ADDRESS=self.server.address, **environment)

    async def _run(self, *command: str, **environment: str) -> Done:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={"PATH": "/usr/bin", "HOME": str(self.stage.folder), "COLUMNS": "160", **environment},
        )
        out, _ = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode is not None
        return Done(process.returncode, out.decode())


@pytest.fixture(scope="module")
async def shop(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    """Läuft für alle Tests dieser Datei."""
    async with await EmbeddedServer.start(ui=True) as server:
        client: Client = await server.connect()
        stage = Stage(client, Timelapse(client, server), tmp_path_factory.mktemp("shop"), "tq-werkzeuge")
        async with worker(stage, NEW):
            handle = await place(stage, refund(cents=4_990))
            await result(handle, 30)
            stage.client = client
            yield Shop(server, stage, handle)


def access(office: Office, name: str | None) -> list[str]:
    """Die Optionen, mit denen die CLI den Codec-Server als `name` fragt."""
    token = [] if name is None else ["--codec-auth", f"Bearer {office.tokens[name]}"]
    return ["--codec-endpoint", office.url, *token]


# --- Kommandozeile ----------------------------------------------------------------------------------------------------


async def test_the_cli_shows_clear_text_only_with_a_token(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "nordlicht.audit")
    show = ("workflow", "show", "--workflow-id", shop.handle.id, "--detailed")
    with open_office(shop.stage) as office:
        without, reader, *refused = await asyncio.gather(
            shop.temporal(*show),
            shop.temporal(*show, *access(office, "Bente")),
            shop.temporal(*show, *access(office, None), "--command-timeout", "3s"),
            shop.temporal(*show, *access(office, "Cem"), "--command-timeout", "3s"),
        )
    assert without.code == 0
    assert IBAN not in without.text
    assert "YmluYXJ5L2VuY3J5cHRlZA==" in without.text, "binary/encrypted in Base64"
    assert reader.code == 0
    assert f"input[0].account.iban: {IBAN}" in reader.text
    assert "SEPA-R-3007-0" in reader.text
    # Eine Ablehnung hält die CLI für eine Störung: Sie versucht es weiter und nennt am Ende nicht den Grund.
    for one in refused:
        assert one.code == 1
        assert "context deadline exceeded" in one.text
        assert "Authorization" not in one.text
        assert IBAN not in one.text
    status = [json.loads(record.message)["status"] for record in caplog.records]
    assert status.count(401) > 1
    assert status.count(403) > 1


async def test_the_cli_encodes_what_it_sends(shop: Shop) -> None:
    order = json.dumps(asdict(refund()))
    start = ("workflow", "start", "--type", "RefundWorkflow", "--task-queue", shop.stage.task_queue)
    start += ("--workflow-id", "von-der-cli", "--input", order)
    with open_office(shop.stage) as office:
        anke = access(office, "Anke")
        refused = await shop.temporal(*start, *access(office, "Bente"), "--command-timeout", "2s")
        assert refused.code == 1, "Wer nur lesen darf, kann nichts verschlüsseln lassen."
        assert (await shop.temporal(*start, *anke)).code == 0
        approval = ("--input", json.dumps(asdict(APPROVAL)))
        signal = ("workflow", "signal", "--workflow-id", "von-der-cli", "--name", "approve", *approval)
        assert (await shop.temporal(*signal, *anke)).code == 0
        done = await shop.temporal("workflow", "result", "--workflow-id", "von-der-cli", *anke)
        query = ("workflow", "query", "--workflow-id", "von-der-cli", "--type", "progress")
        asked = await shop.temporal(*query, *anke)
    assert "SEPA-R-3007-0" in done.text
    assert "überwiesen" in asked.text
    raw = await shop.stage.client.get_workflow_handle("von-der-cli").fetch_history()
    text = " ".join(str(event) for event in raw.events)
    assert SEALED in text
    assert not [word for word in (IBAN, "Wiebke", "SEPA", "Sofa") if word in text]
    client = encrypted(shop.stage.client, EncryptionCodec(NEW))
    handle = client.get_workflow_handle_for(RefundWorkflow.run, "von-der-cli")
    assert await result(handle) == "SEPA-R-3007-0"


async def test_a_missing_key_hides_one_payload_not_the_whole_history(shop: Shop) -> None:
    placed: Refund = refund(cents=4_990)
    old = encrypted(shop.stage.client, EncryptionCodec(NEW.activate("2026-10")))
    handle = await old.start_workflow(
        RefundWorkflow.run, placed, id="alter-schluessel", task_queue=shop.stage.task_queue
    )
    await result(handle, 30)
    show = ("workflow", "show", "--workflow-id", handle.id, "--detailed")
    with open_office(shop.stage, NEW.without("2026-10")) as office:
        done = await shop.temporal(*show, *access(office, "Bente"))
    assert done.code == 0
    assert "input.payloads[0].metadata.encryption-key-id: MjAyNi0xMA==" in done.text
    assert "SEPA-R-3007-0" in done.text


async def test_the_workbench_reads_through_the_codec_server(shop: Shop) -> None:
    with open_office(shop.stage) as office:
        options = ("--codec", office.url, "--codec-auth")
        reader, refused = await asyncio.gather(
            shop.dauerlauf("beobachte", shop.handle.id, *options, f"Bearer {office.tokens['Bente']}"),
            shop.dauerlauf("beobachte", shop.handle.id, *options, f"Bearer {office.tokens['Cem']}"),
        )
    assert IBAN in reader.text
    assert "verweigert den Zugang (HTTP 403)" in refused.text
    assert IBAN not in refused.text


# --- Web UI -----------------------------------------------------------------------------------------------------------

# Die Anmeldung: Der Entwicklungsserver hat keine. Diese Zeilen setzen nur, was die Web UI nach einer Anmeldung über
# OpenID Connect selbst im Browser ablegt; alles Übrige ist die wirkliche Web UI und der wirkliche Browser.
LOGIN = """
const original = window.fetch;
window.fetch = async (request, ...rest) => {
  const answer = await original(request, ...rest);
  if (!String(request.url ?? request).includes("/api/v1/settings")) return answer;
  const settings = await answer.json();
  settings.Auth = { Enabled: true, Options: null };
  return new Response(JSON.stringify(settings), { headers: { "Content-Type": "application/json" } });
};
"""


@dataclass
class Seen:
    """Was auf der Seite stand und was der Browser meldete."""

    text: str
    messages: list[str]


@dataclass
class Visitor:
    """Besucht die Seite einer Ausführung mit den Einstellungen eines Browsers."""

    context: BrowserContext
    shop: Shop

    @property
    def origin(self) -> str:
        """Die Adresse, unter der die Web UI läuft."""
        assert self.shop.server.ui_url is not None
        return self.shop.server.ui_url

    async def visit(self, endpoint: str, expected: str, *, token: str = "") -> Seen:
        """Öffnet die Seite und wartet auf `expected`."""
        stored: dict[str, Any] = {
            "endpoint": endpoint,
            "overrideRemoteCodecConfiguration": True,
            "passAccessToken": bool(token),
        }
        script = ""
        if token:
            stored["AuthUser"] = {"accessToken": token, "name": "Bente"}
            script = LOGIN
        for key, value in stored.items():
            script += f"localStorage.setItem({json.dumps(key)}, {json.dumps(json.dumps(value))});\n"
        page: Page = await self.context.new_page()
        await page.add_init_script(script)
        messages: list[str] = []
        page.on("console", lambda message: messages.append(message.text))
        await page.goto(f"{self.origin}/namespaces/default/workflows/{self.shop.handle.id}")
        await page.wait_for_function("text => document.body.innerText.includes(text)", arg=expected, timeout=30_000)
        text = await page.inner_text("body")
        await page.close()
        return Seen(text, messages)


@pytest.fixture(scope="module")
async def visitor(shop: Shop) -> AsyncIterator[Visitor]:
    """Ein Chromium."""
    executable = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=list(CHROMIUM))
        # Ein Fenster nach dem anderen im selben Profil: So lädt die Web UI ihre Dateien nur einmal.
        yield Visitor(await browser.new_context(ignore_https_errors=True), shop)
        await browser.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Ein Zertifikat für 127.0.0.1, in der Form von `uvicorn.Config`."""
    folder = tmp_path_factory.mktemp("tls")
    issued = trustme.CA().issue_cert("127.0.0.1")
    issued.private_key_pem.write_to_path(str(folder / "schluessel.pem"))
    issued.cert_chain_pems[0].write_to_path(str(folder / "zertifikat.pem"))
    files = {"ssl_certfile": str(folder / "zertifikat.pem"), "ssl_keyfile": str(folder / "schluessel.pem")}
    ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(*files.values())
    return files


FAILED = "Codec Server could not connect"


@pytest.fixture(scope="module")
def bente() -> tuple[CodecServer, str]:
    """Ein Codec-Server, der nur Bente kennt, und ihr Token."""
    person, token = new_person("Bente", ["default"])
    return CodecServer({"default": EncryptionCodec(NEW)}, People([person])), token


@pytest.fixture
def asked(caplog: pytest.LogCaptureFixture) -> Callable[[], set[tuple[str | None, int]]]:
    """Wer den Codec-Server gefragt hat und mit welchem Status er antwortete."""
    caplog.set_level(logging.INFO, "nordlicht.audit")

    def found() -> set[tuple[str | None, int]]:
        lines = [json.loads(record.message) for record in caplog.records]
        return {(line["wer"], line["status"]) for line in lines}

    return found


Asked = Callable[[], set[tuple[str | None, int]]]
Bente = tuple[CodecServer, str]


@pytest.mark.browser
async def test_the_web_ui_shows_clear_text_with_a_token(
    visitor: Visitor, bente: Bente, certificate: dict[str, str], asked: Asked
) -> None:
    office, token = bente
    with running(office.app([visitor.origin]), **certificate) as url:
        seen = await visitor.visit(url, IBAN, token=token)
    assert "SEPA-R-3007-0" in seen.text
    assert FAILED not in seen.text
    assert asked() == {("Bente", 200)}


@pytest.mark.browser
async def test_the_web_ui_shows_only_an_error_without_a_token(visitor: Visitor, bente: Bente, asked: Asked) -> None:
    with running(bente[0].app([visitor.origin])) as url:
        assert IBAN not in (await visitor.visit(url, FAILED)).text
    assert asked() == {(None, 401)}


@pytest.mark.browser
async def test_the_browser_sends_nothing_from_another_address(
    visitor: Visitor, bente: Bente, certificate: dict[str, str], asked: Asked
) -> None:
    office, token = bente
    other = visitor.origin.replace("127.0.0.1", "localhost")
    with running(office.app([other]), **certificate) as url:
        seen = await visitor.visit(url, FAILED, token=token)
    assert IBAN not in seen.text
    assert [message for message in seen.messages if "blocked by CORS policy" in message]
    assert asked() == set(), "Der Browser fragt vorher und schickt dann weder Token noch Payload."


@pytest.mark.browser
async def test_on_the_own_computer_the_web_ui_reads_without_a_token(visitor: Visitor) -> None:
    anyone = Person("jeder", "", {Right.READ: frozenset(["default"])})
    office = CodecServer({"default": EncryptionCodec(NEW)}, People([], anyone))
    with running(office.app([visitor.origin])) as url:
        assert "SEPA-R-3007-0" in (await visitor.visit(url, IBAN)).text
