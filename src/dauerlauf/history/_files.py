"""Historie und Datei: lesen und schreiben."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from temporalio.api.history.v1 import History
from temporalio.client import WorkflowHistory

from dauerlauf.errors import DauerlaufError
from dauerlauf.history._text import one_line


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
            f"Die Datei „{path}“ lässt sich nicht lesen; prüfen Sie den Pfad und Ihre Rechte daran."
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
        raise DauerlaufError(f"{problem} ({one_line(str(error))})") from error
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
