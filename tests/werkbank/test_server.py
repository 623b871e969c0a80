"""Der eingebettete Server, die Wahl des Servers und was von beiden übrig bleibt: nichts."""

import asyncio
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme
from temporalio.api.workflowservice.v1 import GetSystemInfoRequest
from temporalio.service import RPCError

from dauerlauf import server as server_module
from dauerlauf.errors import DauerlaufError
from dauerlauf.server import EmbeddedServer, connect_configured, explicit_configuration, find_binary, open_connection
from dauerlauf.timelapse import Timelapse

START_AND_TELL = """
import asyncio
from dauerlauf.server import EmbeddedServer
async def main():
    async with await EmbeddedServer.start() as server:
        print(server.pid, flush=True)
        await asyncio.sleep(60)
asyncio.run(main())
"""


@pytest.fixture(autouse=True)
def _own_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("TEMPORAL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


def alive(pid: int) -> bool:
    """Ob der Prozess läuft; ein Zombie läuft nicht mehr."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(pid: int, seconds: float = 5.0) -> bool:
    """Ob der Prozess innerhalb der Frist endet."""
    deadline = time.monotonic() + seconds
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not alive(pid)


@pytest.fixture
def starter() -> Iterator[subprocess.Popen[str]]:
    """Ein Python-Prozess, der einen Server startet und seine Prozessnummer ausgibt."""
    with subprocess.Popen(
        [sys.executable, "-c", START_AND_TELL], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        yield process
        process.kill()


@pytest.mark.prozess
@pytest.mark.skipif(sys.platform != "linux", reason="Nur Linux beendet Kinder eines getöteten Prozesses von selbst.")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_kein_server_bleibt_uebrig(starter: subprocess.Popen[str], how: signal.Signals) -> None:
    assert starter.stdout is not None
    pid = int(starter.stdout.readline())
    assert alive(pid)
    starter.send_signal(how)
    starter.wait(10)
    assert gone(pid)


async def test_ende_und_neustart_auf_der_datenbankdatei(tmp_path: Path) -> None:
    async with await EmbeddedServer.start(database=tmp_path / "temporal.db") as server:
        client = await server.connect()
        await client.start_workflow("Irgendeiner", id="bleibt", task_queue="keine")
        first = server.pid
        server.kill()
        assert not server.running
        assert not alive(first)
        await server.restart()
        assert server.pid != first
        description = await (await server.connect()).get_workflow_handle("bleibt").describe()
        assert description.workflow_type == "Irgendeiner"
        with pytest.raises(DauerlaufError, match="läuft noch"):
            await server.restart()
        last = server.pid
    assert not alive(last)


async def test_ohne_datei_ist_nach_dem_neustart_alles_weg() -> None:
    async with await EmbeddedServer.start() as server:
        await (await server.connect()).start_workflow("Irgendeiner", id="fort", task_queue="keine")
        server.kill()
        await server.restart()
        with pytest.raises(RPCError, match="not found"):
            await (await server.connect()).get_workflow_handle("fort").describe()


async def test_belegter_port(timelapse: Timelapse) -> None:
    assert timelapse.server is not None
    port = int(timelapse.server.address.rpartition(":")[2])
    with pytest.raises(DauerlaufError, match=f"Port {port} für den Server ist nicht frei"):
        await EmbeddedServer.start(port=port)
    with pytest.raises(DauerlaufError, match=f"Port {port} für die Web UI ist nicht frei"):
        await EmbeddedServer.start(ui=True, ui_port=port)
    with pytest.raises(DauerlaufError, match="70000 ist kein Port"):
        await EmbeddedServer.start(port=70000)


async def test_server_der_nicht_startet_nennt_seinen_grund() -> None:
    with pytest.raises(DauerlaufError, match="nicht gestartet: .*history.timerProcessorMaxTimeShift"):
        await EmbeddedServer.start(dynamic_config={"history.timerProcessorMaxTimeShift": "1ms"})


async def test_programm_aus_der_umgebungsvariablen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DAUERLAUF_TEMPORAL_CLI", str(tmp_path / "nichts"))
    with pytest.raises(DauerlaufError, match="DAUERLAUF_TEMPORAL_CLI nennt „.*nichts“"):
        await EmbeddedServer.start()
    own = tmp_path / "mein-temporal"
    own.write_text("#!/bin/sh\necho Das bin ich nicht >&2; exit 3\n")
    own.chmod(0o755)
    monkeypatch.setenv("DAUERLAUF_TEMPORAL_CLI", str(own))
    assert await find_binary() == own
    with pytest.raises(DauerlaufError, match="Das bin ich nicht"):
        await EmbeddedServer.start()


async def test_ohne_programm_scheitert_der_download_mit_einem_satz(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(server_module.sysconfig, "get_path", lambda _: str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(server_module.tempfile, "gettempdir", lambda: str(tmp_path))

    async def unreachable(**_: object) -> None:
        raise RuntimeError("failed to download ephemeral server executable")

    monkeypatch.setattr(server_module.WorkflowEnvironment, "start_local", unreachable)
    with pytest.raises(DauerlaufError, match="ließ sich nicht herunterladen; installieren Sie"):
        await find_binary()


async def test_umgebungsvariablen_gehen_vor(timelapse: Timelapse, monkeypatch: pytest.MonkeyPatch) -> None:
    assert explicit_configuration() is None
    assert timelapse.server is not None
    monkeypatch.setenv("TEMPORAL_ADDRESS", timelapse.server.address)
    async with open_connection() as connection:
        assert connection.server is None
        assert connection.client.service_client.config.target_host == timelapse.server.address


async def test_profil_aus_temporal_toml(timelapse: Timelapse, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert timelapse.server is not None
    file = tmp_path / "temporal.toml"
    file.write_text(f'[profile.firma]\naddress = "{timelapse.server.address}"\nnamespace = "default"\n')
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(file))
    assert explicit_configuration() is None, "das Profil „default“ ist leer"
    monkeypatch.setenv("TEMPORAL_PROFILE", "firma")
    async with open_connection() as connection:
        assert connection.server is None
        await connection.client.workflow_service.get_system_info(GetSystemInfoRequest())
    monkeypatch.setenv("TEMPORAL_PROFILE", "fehlt")
    with pytest.raises(DauerlaufError, match="unbrauchbar.*fehlt"):
        explicit_configuration()
    file.write_text("[profile\n")
    with pytest.raises(DauerlaufError, match="unbrauchbar"):
        explicit_configuration()
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(tmp_path / "weg.toml"))
    with pytest.raises(DauerlaufError, match=r"weg\.toml.*gibt es aber nicht"):
        explicit_configuration()


async def test_ohne_konfiguration_laeuft_der_eingebettete_mit_web_ui() -> None:
    async with open_connection() as connection:
        assert connection.server is not None
        assert connection.server.ui_url is not None
        host, port = connection.server.ui_url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        assert b"200 OK" in await reader.readline()
        writer.close()
        pid = connection.server.pid
    assert not alive(pid)


async def test_nicht_erreichbarer_server() -> None:
    with pytest.raises(DauerlaufError, match=r"127\.0\.0\.1:1 aus Ihrer Konfiguration ist nicht erreichbar"):
        await connect_configured({"target_host": "127.0.0.1:1"})


async def test_falscher_namespace(timelapse: Timelapse) -> None:
    assert timelapse.server is not None
    with pytest.raises(DauerlaufError, match="Den Namespace „gibtsnicht“ gibt es auf .* nicht"):
        await connect_configured({"target_host": timelapse.server.address, "namespace": "gibtsnicht"})


@asynccontextmanager
async def tls_proxy(target: str, authority: trustme.CA, *, client_certificate: bool) -> AsyncIterator[str]:
    """Ein TLS-Endpunkt vor dem Server, wie ihn Temporal Cloud oder ein eigenes Gateway bietet."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    context.set_alpn_protocols(["h2"])
    if client_certificate:
        authority.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        finally:
            writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = target.split(":")
        there_reader, there_writer = await asyncio.open_connection(host, int(port))
        await asyncio.gather(copy(reader, there_writer), copy(there_reader, writer), return_exceptions=True)

    # Nicht `async with`: Ab Python 3.12 wartete es, bis der Client seine Verbindung schließt.
    listener = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield f"localhost:{listener.sockets[0].getsockname()[1]}"
    finally:
        listener.close()


async def test_mtls_aus_temporal_toml(timelapse: Timelapse, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert timelapse.server is not None
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    mine = authority.issue_cert("kunde@nordlicht.example")
    mine.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    mine.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    async with tls_proxy(timelapse.server.address, authority, client_certificate=True) as address:
        profile = f'[profile.default]\naddress = "{address}"\n[profile.default.tls]\n'
        profile += f'server_ca_cert_path = "{tmp_path}/ca.pem"\n'
        own = f'client_cert_path = "{tmp_path}/cert.pem"\nclient_key_path = "{tmp_path}/key.pem"\n'
        file = tmp_path / "temporal.toml"
        file.write_text(profile + own)
        monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(file))
        async with open_connection() as connection:
            assert connection.server is None
        file.write_text(profile)
        with pytest.raises(DauerlaufError, match="nicht erreichbar"):
            async with open_connection():
                pytest.fail("ohne Zertifikat darf die Verbindung nicht gelingen")


async def test_api_key_verbindet_mit_tls(timelapse: Timelapse, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert timelapse.server is not None
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    async with tls_proxy(timelapse.server.address, authority, client_certificate=False) as address:
        monkeypatch.setenv("TEMPORAL_ADDRESS", address)
        monkeypatch.setenv("TEMPORAL_API_KEY", "geheim")
        config = explicit_configuration()
        assert config is not None
        assert config["tls"] is True
        monkeypatch.setenv("TEMPORAL_TLS_SERVER_CA_CERT_PATH", str(tmp_path / "ca.pem"))
        async with open_connection() as connection:
            assert connection.client.service_client.config.api_key == "geheim"
