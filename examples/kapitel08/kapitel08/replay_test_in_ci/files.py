"""Der Ordner der exportierten Histories: je Lauf eine Datei mit sicherem Namen."""

import json
import re
from pathlib import Path

from temporalio.client import WorkflowHistory

SEPARATOR = "--"


# --8<-- [start:name]
def file_name(workflow_id: str, run_id: str) -> str:
    """Ein Name, den jedes Dateisystem nimmt; eindeutig ist er durch die Run-ID.

    Workflow-IDs dürfen `/`, `..` und Umlaute enthalten und 1.000 Zeichen lang sein.
    """
    readable = re.sub(r"[^A-Za-z0-9._-]", "_", workflow_id)[:60]
    return f"{readable}{SEPARATOR}{run_id}.json"


# --8<-- [end:name]


# --8<-- [start:write]
def write(folder: Path, run_id: str, history: WorkflowHistory) -> Path:
    """Schreibt die Form, die auch die Temporal CLI schreibt und das SDK liest."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / file_name(history.workflow_id, run_id)
    file.write_text(history.to_json(), encoding="utf-8")  # (!)
    return file


# --8<-- [end:write]


def read(file: Path) -> WorkflowHistory:
    """Liest eine Datei; wirft `ValueError`, wenn keine History darin steht."""
    try:
        content = json.loads(file.read_text("utf-8"))
        started = content["events"][0]["workflowExecutionStartedEventAttributes"]
        # `temporal workflow show -o json` älterer Server nennt die ID nicht.
        workflow_id = started.get("workflowId") or file.stem.split(SEPARATOR)[0]
        return WorkflowHistory.from_json(workflow_id, content)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"In {file} steht keine History.") from error


def run_id(file: Path) -> str:
    """Die Run-ID aus dem Dateinamen.

    Das erste Event hilft nicht: Nach einem Reset nennt es noch den ersten Lauf.
    """
    return file.stem.rpartition(SEPARATOR)[2]
