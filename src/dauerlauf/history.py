"""Event History lesen, schreiben, vereinheitlichen und in lesbare Schritte übersetzen.

Eingang ist überall :class:`temporalio.client.WorkflowHistory` oder eine Datei in der Form, die
``temporal workflow show -o json`` ausgibt. Was die einzelnen Events bedeuten, steht in der Referenz:
https://docs.temporal.io/references/events
"""

from __future__ import annotations

import bisect
import functools
import inspect
import json
import re
import socket
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.common.v1 import Payload, Payloads, WorkerVersionStamp
from temporalio.api.enums.v1 import EventType, RetryState, TaskQueueKind, TimeoutType
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import History, HistoryEvent
from temporalio.api.sdk.v1 import WorkflowTaskCompletedMetadata
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.client import WorkflowHistory

from dauerlauf.errors import DauerlaufError

BASE_TIME = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
"""Beginn jeder vereinheitlichten Historie: ein Montag, 9 Uhr in Flensburg."""

_SECOND = 1_000_000_000
_MILLISECOND = 1_000_000
_JITTER = 3 * _SECOND // 4
"""Kürzere Abstände sind Rechenzeit der Maschine, nicht Verhalten des Workflows."""


# ---------------------------------------------------------------------------------------------------------
# Datei <-> Historie


def load(path: str | Path) -> WorkflowHistory:
    """Liest eine Historie aus einer JSON-Datei.

    Gelesen wird, was ``temporal workflow show -o json``, der JSON-Export der Web UI und :func:`dump` schreiben.

    Args:
        path: Pfad der Datei (UTF-8).

    Returns:
        Die Historie. Die Workflow-ID stammt aus dem ersten Event, ersatzweise aus dem Dateinamen.

    Raises:
        DauerlaufError: Die Datei fehlt oder enthält keine Event History.
    """
    path = Path(path)
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise DauerlaufError(
            f"Die Historie „{path}“ lässt sich nicht lesen ({error.strerror}): Prüfen Sie den Pfad."
        ) from error
    except (ValueError, RecursionError) as error:
        raise DauerlaufError(
            f"„{path}“ ist keine JSON-Datei: Speichern Sie die Ausgabe von „temporal workflow show -o json“."
        ) from error
    if isinstance(data, dict) and isinstance(data.get("history"), dict):
        data = data["history"]
    problem = f"„{path}“ enthält keine Event History: Erwartet wird die Form von „temporal workflow show -o json“."
    if not isinstance(data, dict) or not isinstance(data.get("events"), list) or not data["events"]:
        raise DauerlaufError(problem)
    try:
        history = WorkflowHistory.from_json(path.stem, data)
    except (json_format.ParseError, ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        raise DauerlaufError(f"{problem} ({_one_line(str(error))})") from error
    first = history.events[0]
    if not first.HasField("workflow_execution_started_event_attributes"):
        raise DauerlaufError(f"{problem} Das erste Event ist nicht WorkflowExecutionStarted.")
    return replace(history, workflow_id=first.workflow_execution_started_event_attributes.workflow_id or path.stem)


def dump(history: WorkflowHistory) -> str:
    """Schreibt eine Historie als kanonisches JSON: gleiche Historie, gleiche Bytes.

    Die Form ist die von ``temporal workflow show -o json``: zwei Leerzeichen Einzug, Felder in fester
    Reihenfolge, Zeilenende am Schluss. Der Replayer und die Web UI nehmen sie an.

    Args:
        history: Die Historie, auch eine nicht vereinheitlichte.

    Returns:
        Der Text der Datei.
    """
    data = json_format.MessageToDict(History(events=history.events))
    return json.dumps(_canonical(data), indent=2, ensure_ascii=False) + "\n"


_FIRST_KEYS = {"eventId": 0, "eventTime": 1, "eventType": 2}


def _canonical(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _canonical(value[key]) for key in sorted(value, key=lambda k: (_FIRST_KEYS.get(k, 9), k))}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


# ---------------------------------------------------------------------------------------------------------
# Vereinheitlichen

_UUID = r"(?<![0-9a-fA-F])[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}(?![0-9a-fA-F])"
_HEX_UUID = r"(?<![0-9a-fA-F])[0-9a-f]{12}[47][0-9a-f]{3}[89ab][0-9a-f]{15}(?![0-9a-fA-F])"
_CLOCK = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\.\d{3,9}(?:Z|[+-]\d\d:\d\d)?"
_PORT = r"(?:127\.0\.0\.1|localhost|\[::1\]):\d{4,5}\b"
_MARKER_TIME = re.compile(r'("(?:complete_time|original_schedule_time)":)\{"seconds":(\d+),"nanos":(\d+)\}')
_TEXT_ENCODINGS = ("json/plain", "json/protobuf", "json/external-storage-reference")
_HEX32 = re.compile(r"[0-9a-f]{32}")
_WORKER_EVENTS = ("workflow_task_", "activity_task_")


def normalise(history: WorkflowHistory) -> WorkflowHistory:
    """Entfernt aus einer Historie alles, was nur von Maschine, Prozess oder Uhr abhängt.

    Zwei Läufe desselben Szenarios ergeben danach dieselben Bytes, solange der Server die Events in derselben
    Reihenfolge aufschreibt. Ein Unterschied in der Datei ist also ein Unterschied im Verhalten. Das Ergebnis
    lässt sich weiterhin mit dem Replayer abspielen, und ein zweites Vereinheitlichen ändert nichts mehr.

    Was sich ändert:

    - Zeiten beginnen am 5. Januar 2026 um 8 Uhr UTC. Timer, Backoffs und Zeitsprünge behalten ihre Dauer,
      Abstände unter 0,75 s entfallen, längere werden gerundet. Jeder Workflow Task zählt 1 ms, damit
      ``workflow.now()`` auch nach einer abgelaufenen Frist größer ist als die Frist.
    - UUIDs (Run-IDs, Request-IDs, auch in lesbaren Payloads) werden nach Auftreten gezählt.
    - Prozesskennungen heißen ``worker-1``, ``worker-2``, ``client``; vergebene Namen bleiben.
    - Zufällige Task-Queue-Namen heißen ``task-queue-1``, Sticky-Queues ``sticky-1``.
    - Build-IDs und SDK-Version entfallen, Stacktraces behalten nur eigenen Code, ohne Pfade und Zeilennummern.

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


class _Clock:
    """Bildet gemessene Zeiten auf stabile Zeiten ab (beide in Nanosekunden seit 1970)."""

    def __init__(self, events: Sequence[HistoryEvent]) -> None:
        base = int(BASE_TIME.timestamp()) * _SECOND
        self.stable: dict[int, int] = {}
        actual: dict[int, int] = {}
        by_id = {event.event_id: event for event in events}
        latest, latest_actual = base, events[0].event_time.ToNanoseconds()
        for event in events:
            now = event.event_time.ToNanoseconds()
            moment = latest + _snap(now - latest_actual)
            opener, planned = _planned(event, by_id)
            if opener is not None and opener in self.stable:
                late = now - actual[opener] - planned
                if late > -_SECOND:
                    moment = self.stable[opener] + planned + _snap(late)
            if event.HasField("activity_task_started_event_attributes"):
                # Der Server schreibt den Beginn erst mit dem Ende auf; er darf vor seinem Vorgänger liegen.
                moment = max(moment, self.stable.get(opener or 0, base))
            else:
                moment = max(moment, latest)
            if event.HasField("workflow_task_started_event_attributes"):
                moment += _MILLISECOND
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
            return opener.event_id, _nanoseconds(opener.timer_started_event_attributes.start_to_fire_timeout)
    if event.HasField("activity_task_started_event_attributes"):
        started = event.activity_task_started_event_attributes
        opener = by_id.get(started.scheduled_event_id)
        if opener is not None:
            policy = opener.activity_task_scheduled_event_attributes.retry_policy
            delay, ceiling, total = _nanoseconds(policy.initial_interval), _nanoseconds(policy.maximum_interval), 0
            for _ in range(min(started.attempt - 1, 10_000)):
                total += min(delay, ceiling) if ceiling else delay
                delay = min(int(delay * (policy.backoff_coefficient or 1)), 10**18)
            return opener.event_id, total
    return None, 0


def _nanoseconds(duration: Duration) -> int:
    return duration.seconds * _SECOND + duration.nanos


class _Normaliser:
    def __init__(self, events: Sequence[HistoryEvent]) -> None:
        self._clock = _Clock(events)
        self._uuids: dict[str, str] = {}
        self._literals: dict[str, str] = {}
        self._identities: dict[tuple[str, str], str] = {}
        self._given: set[str] = set()
        self._hosts = {socket.gethostname()}
        for event in events:
            for message in _messages(event):
                identity = getattr(message, "identity", "")
                if match := re.fullmatch(r"\d+@([^@]+)@?", identity):
                    self._hosts.add(match[1])
                elif identity:
                    self._given.add(identity)
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
                    if re.search(_UUID + "|" + _HEX32.pattern, name):
                        self._number(name, "task-queue")
            elif isinstance(message, WorkerVersionStamp):
                self._number(message.build_id, "build")
            token = getattr(message, "operation_token", "") or getattr(message, "operation_id", "")
            self._number(token if isinstance(token, str) else "", "nexus-operation")

    def _number(self, name: str, prefix: str) -> None:
        if name and name not in self._literals:
            count = sum(value.startswith(prefix + "-") for value in self._literals.values())
            self._literals[name] = f"{prefix}-{count + 1}"

    def clean(self, event: HistoryEvent) -> None:
        kind = event.WhichOneof("attributes") or ""
        worker = kind.startswith(_WORKER_EVENTS)
        event.task_id = event.event_id
        event.version = 0
        for message in list(_messages(event)):
            self._clean_message(message, worker=worker)
        event.event_time.FromNanoseconds(self._clock.stable[event.event_id])
        if event.HasField("workflow_task_completed_event_attributes"):
            completed = event.workflow_task_completed_event_attributes
            completed.binary_checksum = ""
            completed.ClearField("metering_metadata")
        attributes: Message = getattr(event, kind) if kind else event
        if "worker_version" in attributes.DESCRIPTOR.fields_by_name:
            attributes.ClearField("worker_version")

    def _clean_message(self, message: Message, *, worker: bool) -> None:
        if isinstance(message, Timestamp):
            if message.seconds > 0:
                message.FromNanoseconds(self._clock.map(message.ToNanoseconds()))
            return
        if isinstance(message, Payload):
            self._clean_payload(message)
            return
        if isinstance(message, WorkflowTaskCompletedMetadata):
            # Die Flags bleiben: Der Replayer braucht sie, um sich wie damals zu verhalten.
            message.sdk_name = message.sdk_version = ""
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


# ---------------------------------------------------------------------------------------------------------
# Schritte


class StepKind(StrEnum):
    """Art eines Schritts; der Wert ist das Wort, das Leserinnen und Leser sehen."""

    STARTED = "Start"
    COMPLETED = "Fertig"
    FAILED = "Gescheitert"
    CANCELED = "Abgebrochen"
    TERMINATED = "Beendet"
    TIMED_OUT = "Frist überschritten"
    CONTINUED_AS_NEW = "Continue-As-New"
    ACTIVITY_SCHEDULED = "Activity beauftragt"
    ACTIVITY_STARTED = "Activity gestartet"
    ACTIVITY_COMPLETED = "Activity erledigt"
    ACTIVITY_FAILED = "Activity gescheitert"
    ACTIVITY_TIMED_OUT = "Activity überfällig"
    ACTIVITY_CANCEL_REQUESTED = "Activity soll abbrechen"
    ACTIVITY_CANCELED = "Activity abgebrochen"
    LOCAL_ACTIVITY = "Local Activity"
    TIMER_STARTED = "Timer gestellt"
    TIMER_FIRED = "Timer abgelaufen"
    TIMER_CANCELED = "Timer gelöscht"
    TIME_SKIP = "Zeitsprung"
    SIGNAL = "Signal"
    SIGNAL_SENT = "Signal gesendet"
    SIGNAL_DELIVERED = "Signal zugestellt"
    UPDATE_ACCEPTED = "Update angenommen"
    UPDATE_COMPLETED = "Update beantwortet"
    UPDATE_REJECTED = "Update abgelehnt"
    CANCEL_REQUESTED = "Abbruch verlangt"
    CHILD_INITIATED = "Child Workflow beauftragt"
    CHILD_STARTED = "Child Workflow gestartet"
    CHILD_COMPLETED = "Child Workflow fertig"
    CHILD_FAILED = "Child Workflow gescheitert"
    NEXUS_SCHEDULED = "Nexus-Operation beauftragt"
    NEXUS_STARTED = "Nexus-Operation gestartet"
    NEXUS_COMPLETED = "Nexus-Operation fertig"
    NEXUS_FAILED = "Nexus-Operation gescheitert"
    PATCH = "Patch"
    MARKER = "Vermerk"
    ATTRIBUTES = "Suchattribute"
    WORKFLOW_TASK = "Workflow Task"
    WORKFLOW_TASK_FAILED = "Workflow Task gescheitert"
    CRASH = "Absturz"
    TAKEOVER = "Übernahme"
    OTHER = "Ereignis"


@dataclass(frozen=True, slots=True)
class SourceLine:
    """Die Zeile im Workflow-Code, die ein Event ausgelöst hat."""

    file: str
    """Pfad ab dem obersten Paket, z. B. ``kapitel07/saga/workflow.py``."""
    line: int
    text: str
    function: str

    def __str__(self) -> str:
        """Kurzform für Tabellen: Dateiname und Zeile."""
        return f"{self.file.rpartition('/')[2]}:{self.line}"


@dataclass(frozen=True, slots=True)
class Step:
    """Ein Event der Historie, lesbar.

    ``time`` zählt ab dem Start des Laufs in der Uhr des Workflows (im Zeitraffer also virtuell). ``actor`` nennt
    die Spur: ``client``, ``workflow``, ``timer``, ``server``, ``child``, ``nexus`` oder den Activity-Typ.
    ``caused_by`` ist das Event, das den Vorgang eröffnet hat (etwa ActivityTaskScheduled). Schritte mit
    ``internal`` gehören zur Mechanik des Servers; Zählungen für Leserinnen und Leser lassen sie aus.
    """

    number: int
    kind: StepKind
    event: str
    time: timedelta
    actor: str
    title: str
    detail: str = ""
    name: str = ""
    attempt: int | None = None
    identity: str = ""
    failure: str = ""
    duration: timedelta | None = None
    caused_by: int | None = None
    internal: bool = False
    source: SourceLine | None = None


def steps(history: WorkflowHistory, *, sources: Mapping[int, SourceLine] | None = None) -> list[Step]:
    """Übersetzt eine Historie in Schritte, einen je Event, in der Reihenfolge der Events.

    Jede Historie wird verstanden, auch die anderer SDKs; ein unbekanntes Event wird zu einem Schritt der Art
    :attr:`StepKind.OTHER`.

    Args:
        history: Die Historie, vereinheitlicht oder nicht.
        sources: Quellzeilen je Event-ID aus :func:`source_lines`.

    Returns:
        Die Schritte. ``time`` des ersten ist null.
    """
    return list(_Reader(history.events, sources or {}).read())


class _Reader:
    def __init__(self, events: Sequence[HistoryEvent], sources: Mapping[int, SourceLine]) -> None:
        self._events = events
        self._sources = sources
        self._by_id = {event.event_id: event for event in events}
        self._start = events[0].event_time.ToNanoseconds() if events else 0
        self._worker = ""
        self._lost = False
        self._signals: dict[int, str] = {}

    def read(self) -> Iterator[Step]:
        for index, event in enumerate(self._events):
            kind = event.WhichOneof("attributes") or ""
            handler = _HANDLERS.get(kind)
            attributes = getattr(event, kind) if kind else event
            values = handler(self, event, attributes) if handler else self._other(event, attributes)
            if kind == "workflow_execution_time_skipping_transitioned_event_attributes":
                values["duration"] = self._jump(index)
                if values["duration"]:
                    values["title"] = f"Zeitsprung: {duration_text(values['duration'])}"
            summary = readable(event.user_metadata.summary) if event.user_metadata.HasField("summary") else ""
            if summary:
                values["detail"] = _join(summary.strip("„“"), values.get("detail", ""))
            values.setdefault("identity", getattr(attributes, "identity", ""))
            yield Step(
                number=event.event_id,
                event=event_name(event),
                time=self._time(event),
                source=self._sources.get(event.event_id),
                **values,
            )

    def _time(self, event: HistoryEvent) -> timedelta:
        return timedelta(microseconds=max(0, event.event_time.ToNanoseconds() - self._start) // 1000)

    def _jump(self, index: int) -> timedelta | None:
        attributes = self._events[index].workflow_execution_time_skipping_transitioned_event_attributes
        if not attributes.HasField("target_time"):
            return None
        jump = attributes.target_time.ToNanoseconds() - self._events[index].event_time.ToNanoseconds()
        return timedelta(microseconds=jump // 1000) if jump > 0 else None

    def _activity(self, scheduled_event_id: int) -> str:
        opener = self._by_id.get(scheduled_event_id)
        return (opener and opener.activity_task_scheduled_event_attributes.activity_type.name) or "Activity"

    # Jede Methode bekommt Event und Attribute und liefert die Felder des Schritts.

    def _started(self, event: HistoryEvent, a: Any) -> dict[str, Any]:
        name = a.workflow_type.name
        again = f"Workflow {name} läuft weiter" if a.continued_execution_run_id else f"Workflow {name} startet"
        parent = a.HasField("parent_workflow_execution")
        return {
            "kind": StepKind.STARTED,
            "actor": "child" if parent else "client",
            "title": again,
            "detail": arguments(a.input),
            "name": name,
            "attempt": a.attempt if a.attempt > 1 else None,
        }

    def _closed(self, event: HistoryEvent, a: Any) -> dict[str, Any]:
        kind, title = _CLOSING[event.WhichOneof("attributes") or ""]
        detail = failure = ""
        if hasattr(a, "result"):
            detail = arguments(a.result)
        if hasattr(a, "failure") and a.HasField("failure"):
            detail = failure = failure_text(a.failure)
        if hasattr(a, "details") and isinstance(a.details, Payloads):
            detail = arguments(a.details)
        if kind is StepKind.TERMINATED:
            detail = _join(a.reason, detail)
        if kind is StepKind.CONTINUED_AS_NEW:
            detail = arguments(a.input)
        actor = {StepKind.TERMINATED: "client", StepKind.TIMED_OUT: "server"}.get(kind, "workflow")
        return {"kind": kind, "actor": actor, "title": title, "detail": detail, "failure": failure}

    def _activity_scheduled(self, event: HistoryEvent, a: Any) -> dict[str, Any]:
        name = a.activity_type.name
        return {
            "kind": StepKind.ACTIVITY_SCHEDULED,
            "actor": "workflow",
            "title": f"{name} beauftragt",
            "detail": arguments(a.input),
            "name": name,
        }

    def _activity_started(self, event: HistoryEvent, a: Any) -> dict[str, Any]:
        name = self._activity(a.scheduled_event_id)
        again = f", Versuch {a.attempt}" if a.attempt > 1 else ""
        failure = failure_text(a.last_failure) if a.HasField("last_failure") else ""
        return {
            "kind": StepKind.ACTIVITY_STARTED,
            "actor": name,
            "title": f"{name} gestartet{again}",
            "detail": f"Versuch {a.attempt - 1}: {failure}" if failure else "",
            "failure": failure,
            "name": name,
            "attempt": max(a.attempt, 1),
            "caused_by": a.scheduled_event_id,
        }

    def _activity_closed(self, event: HistoryEvent, a: Any) -> dict[str, Any]:
        name = self._activity(a.scheduled_event_id)
        kind, word = _ACTIVITY_CLOSING[event.WhichOneof("attributes") or ""]
        failure = failure_text(a.failure) if hasattr(a, "failure") and a.HasField("failure") else ""
        started = self._by_id.get(a.started_event_id)
        attempt = started.activity_task_started_event_attributes.attempt if started else 0
        payloads = a.result if hasattr(a, "result") else getattr(a, "details", None)
        return {
            "kind": kind,
            "actor": "server" if kind is StepKind.ACTIVITY_TIMED_OUT else name,
            "title": f"{name} {word}",
            "detail": failure or (arguments(payloads) if isinstance(payloads, Payloads) else ""),
            "failure": failure,
            "name": name,
            "attempt": attempt or None,
            "identity": getattr(a, "identity", "")
            or (started.activity_task_started_event_attributes.identity if started else ""),
            "caused_by": a.scheduled_event_id,
        }

    def _activity_cancel(self, event: HistoryEvent, a: Any) -> dict[str, Any]:
        name = self._activity(a.scheduled_event_id)
        return {
            "kind": StepKind.ACTIVITY_CANCEL_REQUESTED,
            "actor": "workflow",
            "title": f"{name} soll abbrechen",
            "name": name,
            "caused_by": a.scheduled_event_id,
        }

    def _timer_started(self, event: HistoryEvent, a: Any) -> dict[str, Any]:
        duration = _timedelta(a.start_to_fire_timeout)
        return {
            "kind": StepKind.TIMER_STARTED,
            "actor": "workflow",
            "title": f"Timer gestellt: {duration_text(duration)}",
            "name": a.timer_id,
            "duration": duration,
        }

    def _timer_closed(self, event: HistoryEvent, a: Any) -> dict[str, Any]:
        fired = event.HasField("timer_fired_event_attributes")
        opener = self._by_id.get(a.started_event_id)
        duration = _timedelta(opener.timer_started_event_attributes.start_to_fire_timeout) if opener else None
        length = f": {duration_text(duration)}" if duration is not None else ""
        return {
            "kind": StepKind.TIMER_FIRED if fired else StepKind.TIMER_CANCELED,
            "actor": "timer" if fired else "workflow",
            "title": f"Timer {'abgelaufen' if fired else 'gelöscht'}{length}",
            "name": a.timer_id,
            "duration": duration,
            "caused_by": a.started_event_id,
        }

    def _time_skip(self, event: HistoryEvent, a: Any) -> dict[str, Any]:
        return {"kind": StepKind.TIME_SKIP, "actor": "server", "title": "Zeitsprung", "internal": True}

    def _signaled(self, event: HistoryEvent, a: Any) -> dict[str, Any]:
        external = a.HasField("external_workflow_execution") and a.external_workflow_execution.workflow_id
        origin = f"von Workflow {a.external_workflow_execution.workflow_id}" if external else ""
        return {
            "kind": StepKind.SIGNAL,
            "actor": "client",
            "title": f"Signal {a.signal_name}",
            "detail": _join(arguments(a.input), origin),
            "name": a.signal_name,
        }

    def _signal_sent(self, event: HistoryEvent, a: Any) -> dict[str, Any]:
        self._signals[event.event_id] = a.signal_name
        return {
            "kind": StepKind.SIGNAL_SENT,
            "actor": "workflow",
            "title": f"Signal {a.signal_name} an {a.workflow_execution.workflow_id}",
            "detail": arguments(a.input),
            "name": a.signal_name,
        }

    def _external(self, event: HistoryEvent, a: Any) -> dict[str, Any]:
        kind, title = _EXTERNAL[event.WhichOneof("attributes") or ""]
        initiated = getattr(a, "initiated_event_id", 0)
        name = self._signals.get(initiated, "")
        failure = ""
        if hasattr(a, "cause"):
            cause = a.DESCRIPTOR.fields_by_name["cause"].enum_type.values_by_number.get(a.cause)
            failure = _words(cause.name.partition("CAUSE_")[2]) if cause else ""
        return {
            "kind": kind,
            "actor": "workflow" if "initiated" in (event.WhichOneof("attributes") or "") else "server",
            "title": title.format(name=name or "an Workflow", id=a.workflow_execution.workflow_id),
            "detail": failure,
            "failure": failure,
            "name": name,
            "caused_by": initiated or None,
        }

    def _update_accepted(self, event: HistoryEvent, a: Any) -> dict[str, Any]:
        name = a.accepted_request.input.name or self._update_name(a.accepted_request_sequencing_event_id)
        return {
            "kind": StepKind.UPDATE_ACCEPTED,
            "actor": "client",
            "title": f"Update {name} angenommen",
            "detail": arguments(a.accepted_request.input.args),
            "name": name,
            "identity": a.accepted_request.meta.identity,
        }

    def _update_name(self, event_id: int) -> str:
        admitted = self._by_id.get(event_id)
        return admitted.workflow_execution_update_admitted_event_attributes.request.input.name if admitted else ""

    def _update_admitted(self, event: HistoryEvent, a: Any) -> dict[str, Any]:
        name = a.request.input.name
        return {"kind": StepKind.OTHER, "actor": "client", "title": f"Update {name} eingegangen", "name": name}

    def _update_completed(self, event: HistoryEvent, a: Any) -> dict[str, Any]:
        opener = self._by_id.get(a.accepted_event_id)
        name = opener.workflow_execution_update_accepted_event_attributes.accepted_request.input.name if opener else ""
        failure = failure_text(a.outcome.failure) if a.outcome.HasField("failure") else ""
        return {
            "kind": StepKind.UPDATE_COMPLETED,
            "actor": "workflow",
            "title": f"Update {name} {'gescheitert' if failure else 'beantwortet'}",
            "detail": failure or arguments(a.outcome.success),
            "failure": failure,
            "name": name,
            "identity": a.meta.identity,
            "caused_by": a.accepted_event_id or None,
        }

    def _update_rejected(self, event: HistoryEvent, a: Any) -> dict[str, Any]:
        name = a.rejected_request.input.name
        failure = failure_text(a.failure)
        return {
            "kind": StepKind.UPDATE_REJECTED,
            "actor": "workflow",
            "title": f"Update {name} abgelehnt",
            "detail": failure,
            "failure": failure,
            "name": name,
        }

    def _cancel_requested(self, event: HistoryEvent, a: Any) -> dict[str, Any]:
        origin = a.external_workflow_execution.workflow_id
        return {
            "kind": StepKind.CANCEL_REQUESTED,
            "actor": "client",
            "title": "Abbruch verlangt",
            "detail": _join(a.cause, f"von Workflow {origin}" if origin else ""),
        }

    def _child_initiated(self, event: HistoryEvent, a: Any) -> dict[str, Any]:
        return {
            "kind": StepKind.CHILD_INITIATED,
            "actor": "workflow",
            "title": f"Child Workflow {a.workflow_type.name} beauftragt",
            "detail": _join(a.workflow_id, arguments(a.input)),
            "name": a.workflow_type.name,
        }

    def _child(self, event: HistoryEvent, a: Any) -> dict[str, Any]:
        kind, word = _CHILD[event.WhichOneof("attributes") or ""]
        failure = failure_text(a.failure) if hasattr(a, "failure") and a.HasField("failure") else ""
        if hasattr(a, "cause"):
            failure = "Workflow-ID ist schon vergeben" if a.cause == 1 else "Namespace fehlt"
        return {
            "kind": kind,
            "actor": "child",
            "title": f"Child Workflow {a.workflow_type.name} {word}",
            "detail": failure or (arguments(a.result) if hasattr(a, "result") else ""),
            "failure": failure,
            "name": a.workflow_type.name,
            "caused_by": a.initiated_event_id or None,
        }

    def _nexus_scheduled(self, event: HistoryEvent, a: Any) -> dict[str, Any]:
        name = f"{a.service}.{a.operation}"
        return {
            "kind": StepKind.NEXUS_SCHEDULED,
            "actor": "workflow",
            "title": f"Nexus-Operation {name} beauftragt",
            "detail": _join(readable(a.input), f"Endpunkt {a.endpoint}" if a.endpoint else ""),
            "name": name,
        }

    def _nexus(self, event: HistoryEvent, a: Any) -> dict[str, Any]:
        kind, word = _NEXUS[event.WhichOneof("attributes") or ""]
        opener = self._by_id.get(a.scheduled_event_id)
        scheduled = opener and opener.nexus_operation_scheduled_event_attributes
        name = f"{scheduled.service}.{scheduled.operation}" if scheduled else ""
        failure = failure_text(a.failure) if hasattr(a, "failure") and a.HasField("failure") else ""
        return {
            "kind": kind,
            "actor": "nexus",
            "title": f"Nexus-Operation {name} {word}",
            "detail": failure or (readable(a.result) if hasattr(a, "result") else ""),
            "failure": failure,
            "name": name,
            "caused_by": a.scheduled_event_id or None,
        }

    def _marker(self, event: HistoryEvent, a: Any) -> dict[str, Any]:
        data = _marker_data(a)
        failure = failure_text(a.failure) if a.HasField("failure") else ""
        name = a.marker_name
        if name in ("core_local_activity", "LocalActivity"):
            activity = str(data.get("activity_type") or data.get("ActivityType") or "")
            result = arguments(a.details["result"]) if "result" in a.details else ""
            attempt = data.get("attempt") or data.get("Attempt")
            return {
                "kind": StepKind.LOCAL_ACTIVITY,
                "actor": activity or "Local Activity",
                "title": f"{activity} {'gescheitert' if failure else 'erledigt'} (Local Activity)".strip(),
                "detail": failure or result,
                "failure": failure,
                "name": activity,
                "attempt": attempt if isinstance(attempt, int) else None,
            }
        if name in ("core_patch", "Version"):
            patch = str(data.get("id") or data.get("changeId") or "")
            return {"kind": StepKind.PATCH, "actor": "workflow", "title": f"Patch {patch}".strip(), "name": patch}
        title = {"SideEffect": "Seiteneffekt festgehalten", "MutableSideEffect": "Seiteneffekt festgehalten"}
        return {
            "kind": StepKind.MARKER,
            "actor": "workflow",
            "title": title.get(name, f"Vermerk {name}"),
            "detail": failure or "; ".join(filter(None, (arguments(a.details[key]) for key in sorted(a.details)))),
            "failure": failure,
            "name": name,
        }

    def _search_attributes(self, event: HistoryEvent, a: Any) -> dict[str, Any]:
        fields = a.search_attributes.indexed_fields
        names = sorted(fields)
        return {
            "kind": StepKind.ATTRIBUTES,
            "actor": "workflow",
            "title": f"Suchattribut {', '.join(names)}",
            "detail": ", ".join(f"{name} = {readable(fields[name])}" for name in names),
            # Die schreibt der Server zu jedem Patch dazu; der Patch steht schon davor.
            "internal": names == ["TemporalChangeVersion"],
        }

    def _properties(self, event: HistoryEvent, a: Any) -> dict[str, Any]:
        fields = a.upserted_memo.fields
        return {
            "kind": StepKind.ATTRIBUTES,
            "actor": "workflow",
            "title": "Memo geändert",
            "detail": ", ".join(f"{name} = {readable(fields[name])}" for name in sorted(fields)),
        }

    def _options(self, event: HistoryEvent, a: Any) -> dict[str, Any]:
        skipping_only = a.time_skipping_config_updated or a.HasField("time_skipping_config")
        return {
            "kind": StepKind.OTHER,
            "actor": "server",
            "title": "Zeitraffer umgestellt" if skipping_only else "Optionen des Workflows geändert",
            "internal": bool(skipping_only),
        }

    def _task(self, event: HistoryEvent, a: Any) -> dict[str, Any]:
        kind = event.WhichOneof("attributes") or ""
        word = {"scheduled": "geplant", "started": "begonnen", "completed": "erledigt"}[kind.split("_")[2]]
        values: dict[str, Any] = {
            "kind": StepKind.WORKFLOW_TASK,
            "actor": "server" if "scheduled" in kind else "workflow",
            "title": f"Workflow Task {word}",
            "internal": True,
            "caused_by": getattr(a, "scheduled_event_id", None),
        }
        if "scheduled" in kind:
            return values
        if a.identity and self._lost and a.identity != self._worker:
            previous = self._worker or "der vorige Worker"
            values |= {
                "kind": StepKind.TAKEOVER,
                "title": f"{a.identity} übernimmt",
                "detail": f"Replay der Historie; {previous} meldet sich nicht mehr",
                "internal": False,
            }
        if a.identity:
            self._worker, self._lost = a.identity, False
        return values

    def _task_timed_out(self, event: HistoryEvent, a: Any) -> dict[str, Any]:
        self._lost = True
        started = self._by_id.get(a.started_event_id)
        worker = (started and started.workflow_task_started_event_attributes.identity) or self._worker
        reason = _TIMEOUTS.get(a.timeout_type, "Zeitlimit überschritten")
        return {
            "kind": StepKind.CRASH,
            "actor": "server",
            "title": f"{worker or 'Worker'} antwortet nicht",
            "detail": f"Workflow Task: {reason}",
            "identity": worker,
            "caused_by": a.scheduled_event_id or None,
        }

    def _task_failed(self, event: HistoryEvent, a: Any) -> dict[str, Any]:
        failure = failure_text(a.failure) if a.HasField("failure") else ""
        cause = a.DESCRIPTOR.fields_by_name["cause"].enum_type.values_by_number.get(a.cause)
        name = _words(cause.name.removeprefix("WORKFLOW_TASK_FAILED_CAUSE_")) if cause and a.cause else ""
        if a.identity:
            self._worker = a.identity
        return {
            "kind": StepKind.WORKFLOW_TASK_FAILED,
            "actor": "workflow",
            "title": "Workflow Task gescheitert",
            "detail": failure or name,
            "failure": failure or name,
            "name": name,
        }

    def _other(self, event: HistoryEvent, a: Any) -> dict[str, Any]:
        name = event_name(event)
        return {"kind": StepKind.OTHER, "actor": "server", "title": _TITLES.get(name, name)}


def _attributes(*names: str) -> list[str]:
    return [f"{name}_event_attributes" for name in names]


_CLOSING = {
    f"workflow_execution_{name}_event_attributes": value
    for name, value in {
        "completed": (StepKind.COMPLETED, "Workflow fertig"),
        "failed": (StepKind.FAILED, "Workflow gescheitert"),
        "canceled": (StepKind.CANCELED, "Workflow abgebrochen"),
        "terminated": (StepKind.TERMINATED, "Workflow beendet (Terminate)"),
        "timed_out": (StepKind.TIMED_OUT, "Workflow: Frist überschritten"),
        "continued_as_new": (StepKind.CONTINUED_AS_NEW, "Continue-As-New: neuer Lauf, leere Historie"),
    }.items()
}
_ACTIVITY_CLOSING = {
    f"activity_task_{name}_event_attributes": value
    for name, value in {
        "completed": (StepKind.ACTIVITY_COMPLETED, "erledigt"),
        "failed": (StepKind.ACTIVITY_FAILED, "gescheitert"),
        "timed_out": (StepKind.ACTIVITY_TIMED_OUT, "überfällig"),
        "canceled": (StepKind.ACTIVITY_CANCELED, "abgebrochen"),
    }.items()
}
_CHILD = {
    f"{name}_event_attributes": value
    for name, value in {
        "start_child_workflow_execution_failed": (StepKind.CHILD_FAILED, "nicht gestartet"),
        "child_workflow_execution_started": (StepKind.CHILD_STARTED, "gestartet"),
        "child_workflow_execution_completed": (StepKind.CHILD_COMPLETED, "fertig"),
        "child_workflow_execution_failed": (StepKind.CHILD_FAILED, "gescheitert"),
        "child_workflow_execution_canceled": (StepKind.CHILD_FAILED, "abgebrochen"),
        "child_workflow_execution_timed_out": (StepKind.CHILD_FAILED, "überfällig"),
        "child_workflow_execution_terminated": (StepKind.CHILD_FAILED, "beendet (Terminate)"),
    }.items()
}
_NEXUS = {
    f"nexus_operation_{name}_event_attributes": value
    for name, value in {
        "started": (StepKind.NEXUS_STARTED, "gestartet"),
        "completed": (StepKind.NEXUS_COMPLETED, "fertig"),
        "failed": (StepKind.NEXUS_FAILED, "gescheitert"),
        "canceled": (StepKind.NEXUS_FAILED, "abgebrochen"),
        "timed_out": (StepKind.NEXUS_FAILED, "überfällig"),
        "cancel_requested": (StepKind.OTHER, "soll abbrechen"),
        "cancel_request_completed": (StepKind.OTHER, "hat den Abbruch angenommen"),
        "cancel_request_failed": (StepKind.OTHER, "hat den Abbruch abgelehnt"),
    }.items()
}
_EXTERNAL = {
    f"{name}_event_attributes": value
    for name, value in {
        "signal_external_workflow_execution_failed": (StepKind.OTHER, "Signal {name} nicht zustellbar"),
        "external_workflow_execution_signaled": (StepKind.SIGNAL_DELIVERED, "Signal {name} zugestellt"),
        "request_cancel_external_workflow_execution_initiated": (StepKind.OTHER, "Abbruch verlangt: {id}"),
        "request_cancel_external_workflow_execution_failed": (StepKind.OTHER, "Abbruch nicht zustellbar: {id}"),
        "external_workflow_execution_cancel_requested": (StepKind.OTHER, "Abbruch zugestellt: {id}"),
    }.items()
}
_TITLES = {
    "WorkflowExecutionPaused": "Workflow angehalten",
    "WorkflowExecutionUnpaused": "Workflow fortgesetzt",
    "Unspecified": "Unbekanntes Event",
}
_TIMEOUTS = {
    TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE: "Start-to-Close-Timeout abgelaufen",
    TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_START: "Schedule-to-Start-Timeout abgelaufen",
    TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_CLOSE: "Schedule-to-Close-Timeout abgelaufen",
    TimeoutType.TIMEOUT_TYPE_HEARTBEAT: "Heartbeat ausgeblieben",
}
_Handler = Callable[[_Reader, HistoryEvent, Any], dict[str, Any]]
_HANDLERS: dict[str, _Handler] = {
    "workflow_execution_started_event_attributes": _Reader._started,
    **dict.fromkeys(_CLOSING, _Reader._closed),
    "activity_task_scheduled_event_attributes": _Reader._activity_scheduled,
    "activity_task_started_event_attributes": _Reader._activity_started,
    **dict.fromkeys(_ACTIVITY_CLOSING, _Reader._activity_closed),
    "activity_task_cancel_requested_event_attributes": _Reader._activity_cancel,
    "timer_started_event_attributes": _Reader._timer_started,
    **dict.fromkeys(_attributes("timer_fired", "timer_canceled"), _Reader._timer_closed),
    "workflow_execution_time_skipping_transitioned_event_attributes": _Reader._time_skip,
    "workflow_execution_signaled_event_attributes": _Reader._signaled,
    "signal_external_workflow_execution_initiated_event_attributes": _Reader._signal_sent,
    **dict.fromkeys(_EXTERNAL, _Reader._external),
    "workflow_execution_update_admitted_event_attributes": _Reader._update_admitted,
    "workflow_execution_update_accepted_event_attributes": _Reader._update_accepted,
    "workflow_execution_update_completed_event_attributes": _Reader._update_completed,
    "workflow_execution_update_rejected_event_attributes": _Reader._update_rejected,
    "workflow_execution_cancel_requested_event_attributes": _Reader._cancel_requested,
    "start_child_workflow_execution_initiated_event_attributes": _Reader._child_initiated,
    **dict.fromkeys(_CHILD, _Reader._child),
    "nexus_operation_scheduled_event_attributes": _Reader._nexus_scheduled,
    **dict.fromkeys(_NEXUS, _Reader._nexus),
    "marker_recorded_event_attributes": _Reader._marker,
    "upsert_workflow_search_attributes_event_attributes": _Reader._search_attributes,
    "workflow_properties_modified_event_attributes": _Reader._properties,
    "workflow_execution_options_updated_event_attributes": _Reader._options,
    **dict.fromkeys(
        _attributes("workflow_task_scheduled", "workflow_task_started", "workflow_task_completed"), _Reader._task
    ),
    "workflow_task_timed_out_event_attributes": _Reader._task_timed_out,
    "workflow_task_failed_event_attributes": _Reader._task_failed,
}


def event_name(event: HistoryEvent) -> str:
    """Name des Event-Typs, wie ihn Temporals Dokumentation schreibt, z. B. ``ActivityTaskScheduled``."""
    value = EventType.DESCRIPTOR.values_by_number.get(event.event_type)
    if value is None:
        return f"Event-Typ {event.event_type}"
    return "".join(word.capitalize() for word in value.name.removeprefix("EVENT_TYPE_").split("_"))


# ---------------------------------------------------------------------------------------------------------
# Lesbar machen

_READABLE = 600
"""So viele Zeichen eines Payloads zeigen wir höchstens."""
_DECODE_LIMIT = 64 * 1024


def arguments(payloads: Payloads) -> str:
    """Mehrere Payloads als eine Zeile, durch Komma getrennt; leer, wenn keine Werte da sind."""
    return ", ".join(filter(None, (readable(payload) for payload in payloads.payloads)))


def readable(payload: Payload) -> str:
    """Ein Payload als kurzer lesbarer Text.

    JSON wird entfaltet, Verschlüsseltes und Binäres mit seiner Größe benannt; ``null`` ergibt einen leeren Text.
    Die Funktion wirft nie, gleich was im Payload steht.
    """
    encoding = payload.metadata.get("encoding", b"").decode("latin-1")
    size = size_text(len(payload.data))
    if encoding == "binary/null":
        return ""
    if encoding in ("json/plain", "json/protobuf"):
        if len(payload.data) > _DECODE_LIMIT:
            return f"JSON ({size})"
        try:
            return _shorten(_value_text(json.loads(payload.data), top=True), _READABLE)
        except (ValueError, RecursionError):
            return f"unlesbares JSON ({size})"
    if "encrypt" in encoding:
        return f"verschlüsselt ({size})"
    if encoding in ("binary/plain", "binary/protobuf", ""):
        return f"Binärdaten ({size})"
    return f"{_shorten(_one_line(encoding), 60)} ({size})"


def _value_text(value: Any, *, top: bool = False) -> str:
    if value is None:
        return "" if top else "null"
    if isinstance(value, bool):
        return "ja" if value else "nein"
    if isinstance(value, str):
        return f"„{_one_line(value)}“"
    if isinstance(value, dict):
        text = ", ".join(f"{_one_line(str(key))}: {_value_text(item)}" for key, item in value.items())
        return text if top else "{" + text + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_value_text(item) for item in value) + "]"
    return str(value)


def failure_text(failure: Failure) -> str:
    """Die Ursachenkette eines Fehlers, vom Anlass zur Wurzel, in einer Zeile.

    Hüllen ohne eigene Aussage („Activity task failed“) entfallen, wenn darunter eine Ursache steht.
    """
    links: list[str] = []
    current: Failure | None = failure
    for _ in range(20):
        if current is None:
            break
        text = _failure_link(current)
        if text and (not links or links[-1] != text):
            links.append(text)
        current = current.cause if current.HasField("cause") else None
    return " ← ".join(links) or "Fehler ohne Meldung"


def _failure_link(failure: Failure) -> str:
    message = _shorten(_one_line(failure.message), _READABLE)
    if failure.HasField("encoded_attributes") and message in ("", "Encoded failure"):
        return "Fehlertext verschlüsselt"
    kind = failure.WhichOneof("failure_info")
    wrapped = failure.HasField("cause")
    if kind == "application_failure_info":
        type_name = failure.application_failure_info.type
        text = ": ".join(filter(None, (type_name, message)))
        return f"{text} (nicht wiederholbar)" if failure.application_failure_info.non_retryable else text
    if kind == "timeout_failure_info":
        return _TIMEOUTS.get(failure.timeout_failure_info.timeout_type, message or "Timeout abgelaufen")
    if kind == "canceled_failure_info":
        return "Abgebrochen"
    if kind == "terminated_failure_info":
        return "Beendet (Terminate)"
    if kind == "activity_failure_info":
        info = failure.activity_failure_info
        state = _RETRY_STATES.get(info.retry_state, "")
        name = info.activity_type.name or "Activity"
        return f"{name} gescheitert" + (f" ({state})" if state else "") if wrapped else f"{name}: {message}"
    if kind == "child_workflow_execution_failure_info":
        name = failure.child_workflow_execution_failure_info.workflow_type.name or "Child Workflow"
        return f"Child Workflow {name} gescheitert" if wrapped else f"Child Workflow {name}: {message}"
    if kind == "nexus_operation_execution_failure_info":
        nexus = failure.nexus_operation_execution_failure_info
        return f"Nexus-Operation {nexus.service}.{nexus.operation} gescheitert"
    return message


_RETRY_STATES = {
    RetryState.RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED: "alle Versuche aufgebraucht",
    RetryState.RETRY_STATE_TIMEOUT: "Frist für Retries abgelaufen",
}


def _marker_data(attributes: Any) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for key in sorted(attributes.details):
        for payload in attributes.details[key].payloads[:1]:
            if len(payload.data) > _DECODE_LIMIT:
                continue
            try:
                value = json.loads(payload.data)
            except (ValueError, RecursionError):
                continue
            if key == "result":
                continue
            merged |= value if isinstance(value, dict) else {key: value}
    return merged


def _timedelta(duration: Duration) -> timedelta:
    try:
        return duration.ToTimedelta()
    except (ValueError, OverflowError):
        return timedelta.max


def duration_text(duration: timedelta) -> str:
    """Eine Dauer mit höchstens zwei Einheiten: ``250 ms``, ``3 s``, ``2 h 30 min``, ``3 Tage``."""
    milliseconds = round(duration.total_seconds() * 1000)
    if milliseconds < 1000:
        return f"{milliseconds} ms" if milliseconds > 0 else "0 s"
    seconds = (milliseconds + 500) // 1000 if milliseconds < 10_000 else milliseconds // 1000
    if milliseconds < 10_000 and 50 <= milliseconds % 1000 < 950:
        return f"{milliseconds / 1000:.1f} s".replace(".", ",")
    parts = [
        (seconds // 86_400, "Tag", "Tage"),
        (seconds // 3600 % 24, "h", "h"),
        (seconds // 60 % 60, "min", "min"),
        (seconds % 60, "s", "s"),
    ]
    first = next(index for index, part in enumerate(parts) if part[0])
    shown = [part for part in parts[first : first + 2] if part[0]]
    return " ".join(f"{count} {one if count == 1 else many}" for count, one, many in shown)


def size_text(size: int) -> str:
    """Eine Größe in Byte, KiB oder MiB mit deutschem Komma."""
    if size < 1024:
        return f"{size} Byte"
    value, unit = (size / 1024, "KiB") if size < 1024 * 1024 else (size / 1024 / 1024, "MiB")
    return f"{value:.1f} {unit}".replace(".", ",")


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _one_line(text: str) -> str:
    printable = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(printable.split())


def _shorten(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def _join(*texts: str) -> str:
    return "; ".join(text for text in texts if text)
