"""Historien von allem befreien, was nur von Maschine, Prozess oder Uhr abhängt."""

from __future__ import annotations

import bisect
import functools
import inspect
import re
import socket
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.common.v1 import Payload, WorkerVersionStamp
from temporalio.api.deployment.v1 import WorkerDeploymentVersion
from temporalio.api.enums.v1 import TaskQueueKind
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.query.v1 import WorkflowQuery, WorkflowQueryResult
from temporalio.api.sdk.v1 import WorkflowTaskCompletedMetadata
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.client import WorkflowHistory

from dauerlauf.history._backoff import backoffs, nanoseconds
from dauerlauf.history._queries import Query

BASE_TIME = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
"""Beginn jeder vereinheitlichten Historie: ein Montag, 9 Uhr in Flensburg."""

_SECOND = 1_000_000_000
_MILLISECOND = 1_000_000
_JITTER = 3 * _SECOND // 4
"""Kürzere Abstände sind Rechenzeit der Maschine, nicht Verhalten des Workflows."""
_CLOCK_PRECISION = 5_000
"""``workflow.now()`` liefert Mikrosekunden, und Gleitkommazahlen runden."""

_UUID = r"(?<![0-9a-fA-F])[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}(?![0-9a-fA-F])"
_HEX_UUID = r"(?<![0-9a-fA-F])[0-9a-f]{12}[47][0-9a-f]{3}[89ab][0-9a-f]{15}(?![0-9a-fA-F])"
_CLOCK = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\.\d{3,9}(?:Z|[+-]\d\d:\d\d)?"
_PORT = r"(?:127\.0\.0\.1|localhost|\[::1\]):\d{4,5}\b"
_MARKER_TIME = re.compile(r'("(?:complete_time|original_schedule_time)":)\{"seconds":(\d+),"nanos":(\d+)\}')
_TEXT_ENCODINGS = ("json/plain", "json/protobuf", "json/external-storage-reference")
_HEX32 = re.compile(r"[0-9a-f]{32}")
_Message = TypeVar("_Message", bound=Message)
_WORKER_EVENTS = ("workflow_task_", "activity_task_")


def normalise(history: WorkflowHistory) -> WorkflowHistory:
    """Entfernt aus einer Historie alles, was nur von Maschine, Prozess oder Uhr abhängt.

    Zwei Läufe desselben Szenarios ergeben danach dieselben Bytes, solange der Server die Events in derselben
    Reihenfolge aufschreibt. Ein Unterschied in der Datei ist also ein Unterschied im Verhalten. Das Ergebnis
    lässt sich weiterhin mit dem Replayer abspielen, und ein zweites Vereinheitlichen ändert nichts mehr.

    Was sich ändert:

    - Zeiten beginnen am 5. Januar 2026 um 8 Uhr UTC. Timer, Backoffs und Zeitsprünge behalten ihre Dauer,
      Abstände unter 0,75 s entfallen, längere werden gerundet. Jeder Workflow-Task zählt 1 ms, damit
      ``workflow.now()`` auch nach einer abgelaufenen Frist größer ist als die Frist.
    - UUIDs (Run-IDs, Request-IDs, auch in lesbaren Payloads) werden nach Auftreten gezählt.
    - Prozesskennungen heißen ``worker-1``, ``worker-2``, ``client``; vergebene Namen bleiben.
    - Task-Queue-Namen verlieren ihren zufälligen Teil, Sticky-Queues heißen ``sticky``, ``sticky-2``.
    - Build-IDs und SDK-Version entfallen; die Versionen von Worker Deployments bleiben.
    - Stacktraces behalten nur eigenen Code, ohne Pfade und Zeilennummern.

    Args:
        history: Die aufgezeichnete Historie; sie bleibt unverändert.

    Returns:
        Eine neue, vereinheitlichte Historie.
    """
    events = [HistoryEvent.FromString(event.SerializeToString()) for event in history.events]
    if not events:
        return WorkflowHistory(history.workflow_id, [])
    normaliser = _Normaliser(events)
    size = 0
    for event in events:
        normaliser.clean(event)
        started = event.workflow_task_started_event_attributes
        if event.HasField("workflow_task_started_event_attributes") and started.history_size_bytes:
            # Die echte Größe schwankt mit Hostnamen und Prozessnummern, die gezählte nicht.
            started.history_size_bytes = size
        size += event.ByteSize()
    return WorkflowHistory(normaliser.text(history.workflow_id), events)


def normalise_queries(queries: Sequence[Query], history: WorkflowHistory) -> list[Query]:
    """Vereinheitlicht die Queries eines Laufs so, wie :func:`normalise` seine Historie vereinheitlicht.

    Args:
        queries: Die aufgezeichneten Queries; sie bleiben unverändert.
        history: Die Historie desselben Laufs, noch nicht vereinheitlicht.

    Returns:
        Neue Queries mit denselben Ersatzwerten für UUIDs, Zeiten und Pfade wie in der vereinheitlichten Historie.
    """
    events = [HistoryEvent.FromString(event.SerializeToString()) for event in history.events]
    if not queries or not events:
        return list(queries)
    normaliser = _Normaliser(events)
    for event in events:
        normaliser.clean(event)
    return [
        Query(
            query.event,
            normaliser.message(WorkflowQuery.FromString(query.request.SerializeToString())),
            normaliser.message(WorkflowQueryResult.FromString(query.result.SerializeToString())),
        )
        for query in queries
    ]


class _Clock:
    """Bildet gemessene Zeiten auf stabile Zeiten ab (beide in Nanosekunden seit 1970)."""

    def __init__(self, events: Sequence[HistoryEvent]) -> None:
        base = int(BASE_TIME.timestamp()) * _SECOND
        self.stable: dict[int, int] = {}
        actual: dict[int, int] = {}
        by_id = {event.event_id: event for event in events}
        self._readings: list[tuple[int, int]] = []
        self._reading: dict[int, int] = {}
        latest, latest_actual = base, events[0].event_time.ToNanoseconds()
        for event in events:
            now = event.event_time.ToNanoseconds()
            moment = latest + _snap(now - latest_actual)
            opener, planned = _planned(event, by_id)
            if opener is not None and event.HasField("timer_fired_event_attributes"):
                planned_stable = self.duration(opener, planned)
            else:
                planned_stable = planned
            if opener is not None and opener in self.stable:
                late = now - actual[opener] - planned
                if late > -_SECOND:
                    moment = self.stable[opener] + planned_stable + _snap(late)
            if event.HasField("activity_task_started_event_attributes"):
                # Der Server schreibt den Beginn erst mit dem Ende auf; er darf vor seinem Vorgänger liegen.
                moment = max(moment, self.stable.get(opener or 0, base))
            else:
                moment = max(moment, latest)
            if event.HasField("workflow_task_started_event_attributes"):
                moment += _MILLISECOND
                self._readings.append((now, moment))
            self._reading[event.event_id] = len(self._readings)
            self.stable[event.event_id], actual[event.event_id] = moment, now
            if now >= latest_actual:
                latest_actual = now
            latest = max(latest, moment)
        pairs = sorted((actual[event_id], self.stable[event_id]) for event_id in self.stable)
        self._actual = [pair[0] for pair in pairs]
        self._mapped = [pair[1] for pair in pairs]

    def map(self, nanoseconds: int) -> int:
        index = bisect.bisect_right(self._actual, nanoseconds) - 1
        if index < 0:
            return self._mapped[0] - _snap(self._actual[0] - nanoseconds)
        late = nanoseconds - self._actual[index]
        if late > _JITTER and index + 1 < len(self._actual) and self._actual[index + 1] - nanoseconds <= _JITTER:
            return self._mapped[index + 1]
        return self._mapped[index] + _snap(late)

    def duration(self, event_id: int, length: int) -> int:
        """Die stabile Länge einer Dauer, die ein Workflow in einem Befehl angibt.

        Was feiner ist als eine Millisekunde, hat niemand so angegeben: Der Workflow hat es mit ``workflow.now()``
        ausgerechnet, meist als Rest bis zu einer Frist, die er in einem früheren Workflow-Task gesetzt hat.
        """
        readings = self._readings[: self._reading.get(event_id, 0)]
        if length % _MILLISECOND == 0 or not readings:
            return length
        now, stable_now = readings[-1]
        for then, stable_then in readings:
            whole = (now + length - then + _SECOND // 2) // _SECOND * _SECOND
            if abs(now + length - then - whole) <= _CLOCK_PRECISION:
                return max(stable_then + whole - stable_now, 0)
        return _snap(length)

    def within(self, nanoseconds: int) -> bool:
        """Ob eine Zeit aus der Uhr dieses Laufs stammen kann (Fristen in der Zukunft eingeschlossen)."""
        day = 86_400 * _SECOND
        return self._actual[0] - day <= nanoseconds <= self._actual[-1] + 400 * day


def _snap(duration: int) -> int:
    """Rundet einen Abstand so, dass das Zittern einer Messung nicht sichtbar wird."""
    if duration < _JITTER:
        return 0
    if duration < 100 * _SECOND:
        step = _SECOND
    elif duration < 3600 * _SECOND:
        step = 10 * _SECOND
    else:
        step = 60 * _SECOND
    return (duration + step // 2) // step * step


def _planned(event: HistoryEvent, by_id: Mapping[int, HistoryEvent]) -> tuple[int | None, int]:
    """Das Event, ab dem die Zeit dieses Events feststeht, und die festgelegte Dauer in Nanosekunden."""
    if event.HasField("timer_fired_event_attributes"):
        opener = by_id.get(event.timer_fired_event_attributes.started_event_id)
        if opener is not None:
            return opener.event_id, nanoseconds(opener.timer_started_event_attributes.start_to_fire_timeout)
    if event.HasField("activity_task_started_event_attributes"):
        started = event.activity_task_started_event_attributes
        opener = by_id.get(started.scheduled_event_id)
        if opener is not None:
            policy = opener.activity_task_scheduled_event_attributes.retry_policy
            *_, total = backoffs(policy, min(max(started.attempt, 1), 10_001))
            return opener.event_id, total
    return None, 0


class _Normaliser:
    def __init__(self, events: Sequence[HistoryEvent]) -> None:
        self._clock = _Clock(events)
        self._uuids: dict[str, str] = {}
        self._literals: dict[str, str] = {}
        self._identities: dict[tuple[str, str], str] = {}
        self._given: set[str] = set()
        self._released: set[str] = set()
        self._hosts = {socket.gethostname()}
        for event in events:
            for message in _messages(event):
                identity = getattr(message, "identity", "")
                if match := re.fullmatch(r"\d+@([^@]+)@?", identity):
                    self._hosts.add(match[1])
                elif identity:
                    self._given.add(identity)
                if isinstance(message, WorkerDeploymentVersion):
                    self._released.add(message.build_id)
        for event in events:
            self._collect(event)
        parts = [re.escape(literal) for literal in sorted(self._literals, key=len, reverse=True)]
        folders = [str(Path.cwd()), sys.prefix, str(Path.home())]
        self._folders = [folder + "/" for folder in folders if len(folder) > 1]
        temporary = {tempfile.gettempdir(), "/tmp", "/var/tmp", "/var/folders", "/private/var/folders"}
        roots = "|".join(re.escape(root) for root in sorted(temporary, key=len, reverse=True))
        parts += [_UUID, _HEX_UUID, _CLOCK, _PORT, rf"(?:{roots})(?:/[^\s\"'/:,;)\\]+)+"]
        self._pattern = re.compile("|".join(f"({part})" for part in parts))

    def _collect(self, event: HistoryEvent) -> None:
        """Merkt sich Namen, die der Zufall vergeben hat, in der Reihenfolge ihres Auftretens."""
        for message in _messages(event):
            if isinstance(message, TaskQueue):
                sticky = message.kind == TaskQueueKind.TASK_QUEUE_KIND_STICKY or bool(message.normal_name)
                if sticky:
                    self._number(message.name, "sticky")
                for name in (message.normal_name, "" if sticky else message.name):
                    if match := re.search(_UUID + "|" + _HEX32.pattern, name):
                        self._number(name, name[: match.start()].rstrip("-_.") or "task-queue")
            elif isinstance(message, WorkerVersionStamp) and message.build_id not in self._released:
                # Die Version eines Deployments hat jemand benannt, jede andere Build-ID das SDK.
                self._number(message.build_id, "build")
            token = getattr(message, "operation_token", "") or getattr(message, "operation_id", "")
            self._number(token if isinstance(token, str) else "", "nexus-operation")

    def _number(self, name: str, prefix: str) -> None:
        if name and name not in self._literals:
            taken = set(self._literals.values())
            names = (prefix if n == 1 else f"{prefix}-{n}" for n in range(1, len(taken) + 2))
            self._literals[name] = next(name for name in names if name not in taken)

    def clean(self, event: HistoryEvent) -> None:
        kind = event.WhichOneof("attributes") or ""
        worker = kind.startswith(_WORKER_EVENTS)
        event.task_id = event.event_id
        event.version = 0
        for message in list(_messages(event)):
            if isinstance(message, Duration):
                message.FromNanoseconds(self._clock.duration(event.event_id, nanoseconds(message)))
                continue
            self._clean_message(message, worker=worker)
        event.event_time.FromNanoseconds(self._clock.stable[event.event_id])
        if event.HasField("workflow_task_completed_event_attributes"):
            completed = event.workflow_task_completed_event_attributes
            completed.binary_checksum = ""
            completed.ClearField("metering_metadata")
        attributes: Message = getattr(event, kind) if kind else event
        if "worker_version" in attributes.DESCRIPTOR.fields_by_name:
            attributes.ClearField("worker_version")

    def message(self, message: _Message) -> _Message:
        for part in list(_messages(message)):
            self._clean_message(part, worker=False)
        return message

    def _clean_message(self, message: Message, *, worker: bool) -> None:
        if isinstance(message, Timestamp):
            if message.seconds > 0:
                message.FromNanoseconds(self._clock.map(message.ToNanoseconds()))
            return
        if isinstance(message, Payload):
            self._clean_payload(message)
            return
        if isinstance(message, WorkflowTaskCompletedMetadata):
            # Die Flags bleiben: Der Replayer braucht sie, um sich wie damals zu verhalten. Ihre
            # Reihenfolge ist zufällig.
            message.sdk_name = message.sdk_version = ""
            message.core_used_flags[:] = sorted(message.core_used_flags)
            message.lang_used_flags[:] = sorted(message.lang_used_flags)
        by_worker = worker or message.DESCRIPTOR.name == "ActivityFailureInfo"
        for descriptor, value in message.ListFields():
            if descriptor.type != descriptor.TYPE_STRING:
                if descriptor.message_type is not None and descriptor.message_type.GetOptions().map_entry:
                    for key in sorted(value):
                        if isinstance(value[key], str):
                            value[key] = self.text(value[key])
                continue
            if isinstance(value, str):
                setattr(message, descriptor.name, self._string(descriptor.name, value, worker=by_worker))
            else:
                value[:] = [self._string(descriptor.name, item, worker=by_worker) for item in value]

    def _string(self, name: str, value: str, *, worker: bool) -> str:
        if name == "identity":
            return self._identity(value, worker=worker)
        if name == "stack_trace":
            return self.text(_short_trace(value))
        if name == "build_id" and _HEX32.fullmatch(value):
            return ""
        return self.text(value)

    def _identity(self, value: str, *, worker: bool) -> str:
        name, _, host = value.partition("@")
        if not host.rstrip("@") or not (name.isdigit() or host.rstrip("@") in self._hosts):
            return value
        if not name.isdigit():
            return name.partition(":")[0]
        role = "worker" if worker else "client"
        if (value, role) not in self._identities:
            taken = self._given | set(self._identities.values())
            names = (f"{role}-{n}" if worker or n > 1 else role for n in range(1, len(taken) + 2))
            self._identities[value, role] = next(name for name in names if name not in taken)
        return self._identities[value, role]

    def _clean_payload(self, payload: Payload) -> None:
        if payload.metadata.get("encoding", b"").decode("latin-1") not in _TEXT_ENCODINGS:
            return
        try:
            text = payload.data.decode("utf-8")
        except UnicodeDecodeError:
            return
        text = _MARKER_TIME.sub(self._marker_time, text)
        payload.data = self.text(text).encode("utf-8")

    def _marker_time(self, match: re.Match[str]) -> str:
        seconds, nanos = divmod(self._clock.map(int(match[2]) * _SECOND + int(match[3])), _SECOND)
        return f'{match[1]}{{"seconds":{seconds},"nanos":{nanos}}}'

    def text(self, value: str) -> str:
        for folder in self._folders:
            if folder in value:
                value = re.sub(r"(?<![\w/])" + re.escape(folder), "", value)
        return self._pattern.sub(self._replace, value)

    def _replace(self, match: re.Match[str]) -> str:
        found = match[0]
        if found in self._literals:
            return self._literals[found]
        if found.startswith("/"):
            return "/tmp/" + found.rpartition("/")[2]
        if re.fullmatch(_PORT, found):
            return found.rpartition(":")[0] + ":8000"
        if re.fullmatch(_CLOCK, found):
            return self._clock_text(found)
        number = self._uuids.setdefault(str(uuid.UUID(found)), f"{len(self._uuids) + 1:012d}")
        stable = f"00000000-0000-4000-8000-{number}"
        return stable if "-" in found else stable.replace("-", "")

    def _clock_text(self, found: str) -> str:
        match = re.fullmatch(r"(.{19})\.(\d+)(.*)", found)
        assert match is not None
        digits, suffix = match[2], match[3]
        try:
            moment = datetime.fromisoformat(match[1] + (suffix or "+00:00"))
        except ValueError:
            return found
        nanoseconds = int(moment.timestamp()) * _SECOND + int(digits.ljust(9, "0"))
        if not int(digits) or not self._clock.within(nanoseconds):
            return found
        seconds, rest = divmod(self._clock.map(nanoseconds), _SECOND)
        stable = datetime.fromtimestamp(seconds, moment.tzinfo or UTC)
        return f"{stable:%Y-%m-%d}{found[10]}{stable:%H:%M:%S}.{rest:09d}"[: 20 + len(digits)] + suffix


def _messages(message: Message) -> Iterator[Message]:
    """Alle Nachrichten eines Events, von außen nach innen, Maps nach Schlüssel geordnet."""
    yield message
    for descriptor, value in message.ListFields():
        if descriptor.message_type is None:
            continue
        if descriptor.message_type.GetOptions().map_entry:
            if descriptor.message_type.fields_by_name["value"].message_type is not None:
                for key in sorted(value):
                    yield from _messages(value[key])
        elif isinstance(value, Message):
            yield from _messages(value)
        else:
            for item in value:
                yield from _messages(item)


_TRACE_LINE = re.compile(r'^\s*File "(?P<path>[^"]+)"(?:, line \d+)?, in (?P<function>.+)$')


def _short_trace(trace: str) -> str:
    """Behält von einem Python-Stacktrace die Zeilen des eigenen Codes, ohne Pfade und Zeilennummern."""
    if not any(_TRACE_LINE.match(line) for line in trace.splitlines()):
        return trace
    kept: list[str] = []
    own = False
    for line in trace.splitlines():
        if match := _TRACE_LINE.match(line):
            own = not _is_library(match["path"])
            if own:
                kept.append(f'  File "{package_path(match["path"])}", in {match["function"]}')
        elif own and line.strip() and set(line.strip()) - set("^~"):
            kept.append(f"    {line.strip()}")
    return "".join(line + "\n" for line in kept)


_STDLIB = str(Path(inspect.__file__).parent)


def _is_library(path: str) -> bool:
    return (
        "site-packages" in path
        or path.startswith((_STDLIB, "<frozen"))
        or re.search(r"/lib/python\d", path) is not None
    )


@functools.lru_cache(maxsize=4096)
def package_path(path: str) -> str:
    """Pfad einer Quelldatei ab ihrem obersten Python-Paket, z. B. ``kapitel07/saga/workflow.py``."""
    file = Path(path)
    if not file.is_absolute():
        return path
    root = file.parent
    while (root / "__init__.py").is_file():
        root = root.parent
    return file.relative_to(root).as_posix()
