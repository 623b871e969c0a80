"""Der Zeitraffer: der echte Temporal Server überspringt die Zeit, in der ein Workflow nur wartet.

Alles, was auf der noch als experimentell gekennzeichneten Schnittstelle `TimeSkipper` beruht, steht in dieser Datei.
Quelle: `temporalio.testing.TimeSkipper` im Python-SDK 1.35.0.
"""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import temporalio.api.workflowservice.v1 as workflowservice
import temporalio.client
import temporalio.worker
from temporalio.api.enums.v1 import (
    EventType,
    PendingActivityState,
    PendingWorkflowTaskState,
    WorkflowTaskFailedCause,
)
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle
from temporalio.plugin import SimplePlugin
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import TimeSkipper
from temporalio.worker import WorkerConfig

from dauerlauf.errors import DauerlaufError
from dauerlauf.server import EmbeddedServer

MINIMAL_SERVER = (1, 32)
ASK_AGAIN = 3.0


class WorkerSettings(SimplePlugin):
    """Stellt jeden Worker eines Clients auf kurze Läufe ein, ohne dass der Worker-Code davon weiß.

    Stirbt ein Worker, übernimmt ein anderer nach `sticky` (sonst nach 10 s). `overrides` setzt weitere Argumente
    von `temporalio.worker.Worker`.
    """

    def __init__(self, identity: str | None = None, sticky: timedelta = timedelta(seconds=1), **overrides: Any) -> None:
        super().__init__("dauerlauf.WorkerSettings")
        self._settings = {"sticky_queue_schedule_to_start_timeout": sticky, **overrides}
        if identity is not None:
            self._settings["identity"] = identity

    def configure_worker(self, config: WorkerConfig) -> WorkerConfig:
        """Ersetzt die eingestellten Argumente."""
        config = super().configure_worker(config)
        if config.get("build_id") is None and config.get("deployment_config") is None:
            # Erspart die Prüfsumme über alle geladenen Module; sie kostet je Prozess eine halbe Sekunde.
            config["build_id"] = "dauerlauf"
        config.update(self._settings)  # type: ignore[typeddict-item]
        return config


class WorkflowStuckError(DauerlaufError):
    """Ein Workflow ist in der gesetzten Zeit nicht fertig geworden; die Meldung nennt den wahrscheinlichen Grund."""


class Timelapse:
    """Ein Temporal Server im Zeitraffer.

    Jeder Workflow, den `client` startet, hat eine eigene Uhr, die über Timer, Retry-Pausen und Startverzögerungen
    springt, sobald nichts läuft. Laufende Activities halten sie an.
    """

    def __init__(self, client: Client, server: EmbeddedServer | None) -> None:
        """Nicht direkt verwenden; siehe `timelapse`."""
        self.server = server
        self._skipper = TimeSkipper(_with(client, plugins=[WorkerSettings()]))
        self._unskipped_blocks = 0
        self._pause = ExitStack()

    @property
    def client(self) -> Client:
        """Der Client, dessen Workflows im Zeitraffer laufen."""
        return self._skipper.client

    async def apart(self) -> "Timelapse":
        """Ein zweiter Zeitraffer mit eigener Verbindung auf demselben Server; `unskipped` gilt je Zeitraffer."""
        assert self.server is not None
        return Timelapse(await self.server.connect(), self.server)

    async def fast_forward(self, handle: WorkflowHandle[Any, Any], duration: timedelta | None = None) -> bool:
        """Stellt die Uhr eines laufenden Workflows um `duration` vor.

        Ohne `duration` läuft der Workflow im Zeitraffer bis zu seinem Ende. Gibt `True` zurück, wenn die Uhr das Ziel
        erreicht hat, `False`, wenn der Workflow vorher endete. Nach einem begrenzten Sprung steht der Zeitraffer still.
        Wirft `RPCError`, wenn es den Workflow nicht gibt.
        """
        try:
            return await self._skipper.fast_forward(handle, duration)
        except RPCError as error:
            # Der Server sagt auch von einem beendeten Workflow, er finde ihn nicht.
            if error.status != RPCStatusCode.NOT_FOUND or (await handle.describe()).close_time is None:
                raise
            return False

    async def now(self, handle: WorkflowHandle[Any, Any]) -> datetime:
        """Die Uhr des Workflows, in UTC."""
        return (await self._skipper.get_current_time(handle)).astimezone(UTC)

    @contextmanager
    def unskipped(self) -> Iterator[None]:
        """Workflows, die im Block starten, warten in Echtzeit, bis `fast_forward` sie vorstellt.

        Das gilt für jeden Start über `client`, auch aus anderen Tasks. Überschneiden sich mehrere Blöcke, gilt es, bis
        der letzte endet.
        """
        # Der Schalter des SDK merkt sich den Stand von vorher; aus zwei Blöcken, die sich überschneiden, bliebe der
        # Zeitraffer danach aus. Deshalb schaltet nur der erste aus und der letzte wieder ein.
        if self._unskipped_blocks == 0:
            self._pause.enter_context(self._skipper.with_time_skipping_disabled())
        self._unskipped_blocks += 1
        try:
            yield
        finally:
            self._unskipped_blocks -= 1
            if self._unskipped_blocks == 0:
                self._pause.close()

    def client_for(
        self,
        identity: str,
        *interceptors: temporalio.client.Interceptor,
        plugins: Sequence[temporalio.client.Plugin] = (),
        **settings: Any,
    ) -> Client:
        """Ein Client für einen Worker namens `identity`.

        `interceptors` gelten auch im Worker, sofern sie `temporalio.worker.Interceptor` sind; `settings` setzt
        Argumente des Workers (siehe `WorkerSettings`).
        """
        return worker_client(self.client, identity, *interceptors, plugins=plugins, **settings)

    def task_queue(self) -> str:
        """Ein neuer, sonst nirgends benutzter Task-Queue-Name."""
        return f"tq-{uuid.uuid4()}"


def worker_client(
    client: Client,
    identity: str,
    *interceptors: temporalio.client.Interceptor,
    plugins: Sequence[temporalio.client.Plugin] = (),
    **settings: Any,
) -> Client:
    """Eine Kopie von `client` für einen Worker namens `identity`; siehe `Timelapse.client_for`."""
    own = [p for p in client.config()["plugins"] if not isinstance(p, WorkerSettings)]
    return _with(
        client,
        interceptors=interceptors,
        plugins=[*plugins, WorkerSettings(identity, **settings)],
        base_plugins=own,
    )


def listening_client(client: Client, *interceptors: temporalio.client.Interceptor) -> Client:
    """Eine Kopie von `client`, deren Aufrufe auch durch `interceptors` gehen."""
    return _with(client, interceptors=interceptors)


def _with(
    client: Client,
    *,
    interceptors: Sequence[temporalio.client.Interceptor] = (),
    plugins: Sequence[temporalio.client.Plugin] = (),
    base_plugins: Sequence[temporalio.client.Plugin] | None = None,
) -> Client:
    config = client.config()
    base = config["plugins"] if base_plugins is None else base_plugins
    config["interceptors"] = [*config["interceptors"], *interceptors]
    config["plugins"] = [*base, *plugins]
    return Client(**config)


@asynccontextmanager
async def timelapse(
    *,
    ui: bool = False,
    database: Path | None = None,
    search_attributes: Mapping[str, str] | None = None,
) -> AsyncIterator[Timelapse]:
    """Startet einen eingebetteten Server im Zeitraffer; er endet mit dem Block.

    Argumente wie bei `EmbeddedServer.start`. Wirft `DauerlaufError`, wenn der Server nicht startet oder für den
    Zeitraffer zu alt ist.
    """
    async with await EmbeddedServer.start(ui=ui, database=database, search_attributes=search_attributes) as server:
        client = await server.connect()
        await require_timelapse(client)
        yield Timelapse(client, server)


async def require_timelapse(client: Client) -> None:
    """Wirft `DauerlaufError`, wenn der Server hinter `client` keinen Zeitraffer kennt (älter als 1.32)."""
    info = await client.workflow_service.get_system_info(workflowservice.GetSystemInfoRequest())
    numbers = tuple(int(part) for part in info.server_version.split("-")[0].split(".")[:2])
    if numbers < MINIMAL_SERVER:
        raise DauerlaufError(
            f"Der Zeitraffer braucht Temporal Server 1.32 oder neuer, gefunden wurde {info.server_version}; "
            "löschen Sie DAUERLAUF_TEMPORAL_CLI oder nennen Sie dort eine neuere Temporal CLI."
        )


async def result(handle: WorkflowHandle[Any, Any], timeout: float = 10.0) -> Any:
    """Das Ergebnis des Workflows, höchstens nach `timeout` Sekunden Echtzeit.

    Ein gescheiterter Workflow wirft `WorkflowFailureError` wie sonst auch; wer dann schon zu Ende ist, gilt nicht als
    hängend. Ein hängender wirft `WorkflowStuckError` mit dem Grund: ein Fehler im Workflow-Code (er lässt den
    Workflow-Task scheitern, nicht den Workflow), eine wiederholt scheiternde Activity oder ein fehlender Worker.
    """
    deadline = time.monotonic() + timeout
    while (left := deadline - time.monotonic()) > 0:
        # Auf einer überlasteten Maschine blieb die Antwort des Servers gelegentlich aus, obwohl der Workflow fertig
        # war. Eine neue Anfrage beantwortet er sofort.
        with suppress(TimeoutError):
            return await asyncio.wait_for(handle.result(), min(left, ASK_AGAIN))
    if (await handle.describe()).status != WorkflowExecutionStatus.RUNNING:
        with suppress(TimeoutError):
            return await asyncio.wait_for(handle.result(), ASK_AGAIN)
    raise WorkflowStuckError(
        f"Der Workflow „{handle.id}“ ist nach {timeout:g} s nicht fertig. {await diagnosis(handle)}"
    )


_NOT_THE_CODE = (
    WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND,
    WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW,
)


def last_task_failure(events: Iterable[HistoryEvent]) -> Failure | None:
    """Der Fehler, an dem der Workflow-Code zuletzt hing; `None`, wenn danach ein Workflow-Task gelang.

    Kommt ein Event dazwischen, während der Workflow endet, weist der Server die Antwort zurück (UnhandledCommand) und
    schickt sofort einen neuen Task. Ein Reset hinterlässt ebenfalls einen gescheiterten Workflow-Task. Beides ist kein
    Fehler des Codes.
    """
    found = None
    for event in events:
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            found = None
        elif event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
            attributes = event.workflow_task_failed_event_attributes
            found = None if attributes.cause in _NOT_THE_CODE else attributes.failure
    return found


async def diagnosis(handle: WorkflowHandle[Any, Any]) -> str:
    """Ein deutscher Satz dazu, worauf ein Workflow gerade wartet oder woran er hängt."""
    description = await handle.describe()
    if description.status != WorkflowExecutionStatus.RUNNING:
        return f"Sein Status ist inzwischen {description.status.name if description.status else 'unbekannt'}."
    task_failure = last_task_failure((await handle.fetch_history()).events)
    raw = description.raw_description
    if task_failure and raw.HasField("pending_workflow_task"):
        return (
            f"Sein Code wirft einen Fehler, der den Workflow nicht beendet, sondern anhält: {task_failure.message} – "
            "ein Workflow scheitert nur an einem ApplicationError oder einem anderen FailureError."
        )
    for pending in raw.pending_activities:
        if pending.HasField("last_failure"):
            return (
                f"Die Activity „{pending.activity_type.name}“ scheitert, zuletzt im Versuch {pending.attempt - 1}: "
                f"{pending.last_failure.message}"
            )
    scheduled = [a for a in raw.pending_activities if a.state == PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED]
    waiting_task = raw.pending_workflow_task.state == PendingWorkflowTaskState.PENDING_WORKFLOW_TASK_STATE_SCHEDULED
    if waiting_task or scheduled:
        what = "den Workflow-Task" if waiting_task else f"die Activity „{scheduled[0].activity_type.name}“"
        return f"Kein Worker nimmt {what} aus der Task Queue „{description.task_queue}“ an."
    running = [pending.activity_type.name for pending in raw.pending_activities]
    if running:
        return f"Er wartet auf die laufende Activity „{running[0]}“."
    return "Er wartet auf ein Signal, ein Update oder einen Timer."
