"""Die Formen, in denen Event Histories als JSON vorkommen, auf die eine bringen, die Protobuf liest.

- Die CLI und die SDKs schreiben die Events unter ``events``, die gRPC-Antwort darüber noch unter ``history``, manche
  Werkzeuge nur die Liste oder (``-o jsonl``) ein Event je Zeile.
- Ältere Ausgaben nennen Werte von Aufzählungen ``ActivityTaskStarted`` statt ``EVENT_TYPE_ACTIVITY_TASK_STARTED``.
- Die Web UI schreibt auf Wunsch lesbare Payloads (Klartext statt Base64), andere Werkzeuge nur die Werte, und manche
  zeigen das neueste Event zuerst.
"""

from __future__ import annotations

import base64
import functools
import json
import re
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.history.v1 import History

_EVENT_KEYS = ("eventId", "event_id", "eventType", "event_type")


def parse(text: str) -> Any:
    """Der Inhalt einer JSON-Datei oder einer Datei mit einem JSON-Wert je Zeile; sonst ``ValueError``."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        lines = [line for line in text.splitlines() if line.strip()]
        if len(lines) > 1 and error.msg == "Extra data":
            return [json.loads(line) for line in lines]
        raise


def events_of(data: Any) -> list[Any] | None:
    """Die Liste der Events in einer der bekannten Formen; ``None``, wenn es keine ist."""
    if isinstance(data, dict) and isinstance(data.get("history"), dict):
        data = data["history"]
    if isinstance(data, dict):
        data = data.get("events")
    if not isinstance(data, list) or not data:
        return None
    return data if all(isinstance(event, dict) and any(key in event for key in _EVENT_KEYS) for event in data) else None


def protojson(events: list[Any]) -> dict[str, Any]:
    """Die Events in der Form, die ``google.protobuf.json_format`` als ``History`` liest."""
    tidy: dict[str, Any] = _message({"events": events}, History.DESCRIPTOR)
    return tidy


def _message(value: Any, descriptor: Descriptor) -> Any:
    if descriptor.full_name == Payloads.DESCRIPTOR.full_name:
        found = value.get("payloads") if isinstance(value, dict) and "payloads" in value else value
        return value if found is None else {"payloads": [_payload(item) for item in _list(found)]}
    if descriptor.full_name == Payload.DESCRIPTOR.full_name:
        return value if value is None else _payload(value)
    if not isinstance(value, dict):
        return value
    fields = _fields(descriptor)
    return {key: _field(item, fields[key]) if key in fields else item for key, item in value.items()}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@functools.cache
def _fields(descriptor: Descriptor) -> dict[str, FieldDescriptor]:
    """Die Felder, in denen etwas zu tun sein kann, unter beiden Schreibweisen ihres Namens."""
    fields = [field for field in descriptor.fields if field.message_type is not None or field.enum_type is not None]
    return {name: field for field in fields for name in (field.json_name, field.name)}


def _field(value: Any, field: FieldDescriptor) -> Any:
    if field.enum_type is not None:
        return (
            [_enum(item, field.enum_type) for item in value]
            if isinstance(value, list)
            else _enum(value, field.enum_type)
        )
    kind = field.message_type
    if kind is None:
        return value
    if kind.GetOptions().map_entry:
        entry = kind.fields_by_name["value"]
        if entry.message_type is None or not isinstance(value, dict):
            return value
        return {key: _message(item, entry.message_type) for key, item in value.items()}
    if field.is_repeated and isinstance(value, list):
        return [_message(item, kind) for item in value]
    return _message(value, kind)


def _enum(value: Any, descriptor: EnumDescriptor) -> Any:
    if not isinstance(value, str) or value in descriptor.values_by_name:
        return value
    return _spellings(descriptor).get(value.replace("_", "").lower(), value)


@functools.cache
def _spellings(descriptor: EnumDescriptor) -> dict[str, str]:
    prefix = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", descriptor.name).upper() + "_"
    return {value.name.removeprefix(prefix).replace("_", "").lower(): value.name for value in descriptor.values}


def _payload(value: Any) -> dict[str, Any]:
    """Ein Payload mit Base64, gleich ob er lesbar, nur ein Wert oder schon so ist."""
    if not isinstance(value, dict) or not value.keys() & {"metadata", "data"}:
        kind = "binary/null" if value is None else "json/plain"
        return {"metadata": {"encoding": _base64(kind)}, "data": "" if value is None else _base64(json.dumps(value))}
    payload: dict[str, Any] = dict(value)
    metadata, data = payload.get("metadata"), payload.get("data")
    encoding = metadata.get("encoding", "") if isinstance(metadata, dict) else ""
    if not isinstance(encoding, str) or (_is_base64(encoding) and isinstance(data, str | None)):
        return payload
    if isinstance(metadata, dict) and not _is_base64(encoding):
        payload["metadata"] = {key: _base64(str(item)) for key, item in metadata.items()}
    whole = "json" in encoding or not isinstance(data, str | None)
    payload["data"] = _base64(json.dumps(data) if whole else data or "")
    return payload


def _is_base64(encoding: str) -> bool:
    """Ob der Name einer Kodierung in Base64 steht; ``binary/plain`` sähe auch so aus, ergibt aber keinen Text."""
    try:
        return base64.b64decode(encoding, validate=True).decode("ascii").isprintable()
    except ValueError:
        return False


def _base64(text: str) -> str:
    return base64.b64encode(text.encode("utf-8", "replace")).decode("ascii")
