"""Historie und Datei: lesen und schreiben."""

from __future__ import annotations

import codecs
import json
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from temporalio.api.history.v1 import History
from temporalio.client import WorkflowHistory

from dauerlauf.errors import DauerlaufError
from dauerlauf.history._forms import events_of, parse, protojson
from dauerlauf.history._text import one_line


def load(path: str | Path) -> WorkflowHistory:
    """Liest eine Historie aus einer JSON-Datei.

    Gelesen wird, was ``temporal workflow show -o json`` (auch ``jsonl``), der Export der Web UI (auch mit lesbaren
    Payloads), die SDKs und :func:`dump` schreiben, gleich welches SDK den Workflow ausgeführt hat. Felder, die neuer
    sind als das installierte SDK, entfallen.

    Args:
        path: Pfad der Datei (UTF-8, mit Byte-Order-Mark auch UTF-16, wie PowerShell sie schreibt).

    Returns:
        Die Historie, nach Event-ID geordnet. Die Workflow-ID stammt aus dem ersten Event, ersatzweise aus dem
        Dateinamen.

    Raises:
        DauerlaufError: Die Datei fehlt oder enthält keine Event History.
    """
    path = Path(path)
    data = _read(path)
    problem = f"„{path}“ enthält keine Event History: Erwartet wird die Form von „temporal workflow show -o json“."
    events = events_of(data)
    if events is None:
        raise DauerlaufError(f"{problem}{_guess(data)}")
    try:
        history = json_format.ParseDict(protojson(events), History(), ignore_unknown_fields=True)
    except (json_format.ParseError, ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        raise DauerlaufError(f"{problem} ({one_line(str(error))})") from error
    found = sorted(history.events, key=lambda event: event.event_id)
    first = found[0]
    if not first.HasField("workflow_execution_started_event_attributes"):
        raise DauerlaufError(
            f"{problem} Das erste Event ist nicht WorkflowExecutionStarted; vielleicht fehlt der Anfang."
        )
    return WorkflowHistory(first.workflow_execution_started_event_attributes.workflow_id or path.stem, found)


def _read(path: Path) -> Any:
    if path.is_dir():
        raise DauerlaufError(f"„{path}“ ist ein Ordner; nennen Sie die JSON-Datei darin.")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DauerlaufError(
            f"Die Datei „{path}“ lässt sich nicht lesen; prüfen Sie den Pfad und Ihre Rechte daran."
        ) from error
    advice = "Speichern Sie die Ausgabe von „temporal workflow show -o json“."
    try:
        text = content.decode(
            "utf-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
        )
    except UnicodeDecodeError as error:
        raise DauerlaufError(f"„{path}“ ist keine JSON-Datei, sondern binär: {advice}") from error
    if not text.strip():
        raise DauerlaufError(f"„{path}“ ist leer: {advice}")
    try:
        return parse(text)
    except json.JSONDecodeError as error:
        if text.lstrip()[0] in "[{" and (error.pos >= len(text.rstrip()) - 1 or "Unterminated" in error.msg):
            raise DauerlaufError(
                f"„{path}“ bricht mitten im JSON ab; speichern Sie die Ausgabe noch einmal."
            ) from error
        raise DauerlaufError(f"„{path}“ ist keine JSON-Datei: {advice}") from error
    except (ValueError, RecursionError) as error:
        raise DauerlaufError(f"„{path}“ ist keine JSON-Datei: {advice}") from error


def _guess(data: Any) -> str:
    """Was die Datei stattdessen sein könnte."""
    first = data[0] if isinstance(data, list) and data else data
    if isinstance(first, dict) and {"execution", "executions"} & first.keys():
        return " Das sieht nach einer Liste von Workflows aus; exportieren Sie einen davon."
    if isinstance(first, dict) and {"workflowExecutionInfo", "executionConfig"} & first.keys():
        return " Das sieht nach „temporal workflow describe“ aus."
    if isinstance(first, dict) and "queries" in first:
        return " Das sind aufgezeichnete Queries; nennen Sie die History daneben."
    return ""


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
