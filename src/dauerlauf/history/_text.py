"""Payloads, Fehler, Dauern und Größen als kurzer deutscher Text."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from google.protobuf.duration_pb2 import Duration
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.enums.v1 import RetryState, TimeoutType
from temporalio.api.failure.v1 import Failure

TIMEOUTS = {
    TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE: "Start-to-Close-Timeout abgelaufen",
    TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_START: "Schedule-to-Start-Timeout abgelaufen",
    TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_CLOSE: "Schedule-to-Close-Timeout abgelaufen",
    TimeoutType.TIMEOUT_TYPE_HEARTBEAT: "Heartbeat ausgeblieben",
}

_READABLE = 600
"""So viele Zeichen eines Payloads zeigen wir höchstens."""
DECODE_LIMIT = 64 * 1024


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
        if len(payload.data) > DECODE_LIMIT:
            return f"JSON ({size})"
        try:
            return shorten(_value_text(json.loads(payload.data), top=True), _READABLE)
        except (ValueError, RecursionError):
            return f"unlesbares JSON ({size})"
    if "encrypt" in encoding:
        return f"verschlüsselt ({size})"
    if encoding in ("binary/plain", "binary/protobuf", ""):
        return f"Binärdaten ({size})"
    return f"{shorten(one_line(encoding), 60)} ({size})"


def _value_text(value: Any, *, top: bool = False) -> str:
    if value is None:
        return "" if top else "null"
    if isinstance(value, bool):
        return "ja" if value else "nein"
    if isinstance(value, str):
        return f"„{one_line(value)}“"
    if isinstance(value, dict):
        text = ", ".join(f"{one_line(str(key))}: {_value_text(item)}" for key, item in value.items())
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
    message = shorten(one_line(failure.message), _READABLE)
    if failure.HasField("encoded_attributes") and message in ("", "Encoded failure"):
        return "Fehlertext verschlüsselt"
    kind = failure.WhichOneof("failure_info")
    wrapped = failure.HasField("cause")
    if kind == "application_failure_info":
        type_name = failure.application_failure_info.type
        text = ": ".join(filter(None, (type_name, message)))
        return f"{text} (nicht wiederholbar)" if failure.application_failure_info.non_retryable else text
    if kind == "timeout_failure_info":
        return TIMEOUTS.get(failure.timeout_failure_info.timeout_type, message or "Timeout abgelaufen")
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


def marker_data(attributes: Any) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for key in sorted(attributes.details):
        for payload in attributes.details[key].payloads[:1]:
            if len(payload.data) > DECODE_LIMIT:
                continue
            try:
                value = json.loads(payload.data)
            except (ValueError, RecursionError):
                continue
            if key == "result":
                continue
            merged |= value if isinstance(value, dict) else {key: value}
    return merged


def to_timedelta(duration: Duration) -> timedelta:
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


def words(name: str) -> str:
    return name.replace("_", " ").capitalize()


def one_line(text: str) -> str:
    printable = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(printable.split())


def shorten(text: str, limit: int) -> str:
    """Der Text, höchstens `limit` Zeichen lang; was fehlt, vertritt „…“."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def join_texts(*texts: str) -> str:
    return "; ".join(text for text in texts if text)
