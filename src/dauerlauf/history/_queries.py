"""Queries eines Laufs: Die History verzeichnet sie nicht, deshalb stehen sie in einer Datei daneben."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from temporalio.api.query.v1 import WorkflowQuery, WorkflowQueryResult

from dauerlauf.errors import DauerlaufError

SUFFIX = ".queries.json"


@dataclass(frozen=True)
class Query:
    """Eine Query, ihre Antwort und die ID des letzten Events, das die History kannte, als die Antwort da war.

    Eine Query liest nur und hinterlässt kein Event: https://docs.temporal.io/sending-messages#sending-queries
    """

    event: int
    request: WorkflowQuery
    result: WorkflowQueryResult


def is_queries_file(file: Path) -> bool:
    """Ob die Datei Queries enthält und keine Historie."""
    return file.name.endswith(SUFFIX)


def queries_file(history_file: str | Path) -> Path:
    """Die Datei mit den Queries zu einer Historie: ``glatt.json`` und ``glatt.queries.json``."""
    return Path(history_file).with_suffix(SUFFIX)


def load_queries(history_file: str | Path) -> list[Query]:
    """Liest die Queries, die zu einer Historie aufgezeichnet sind.

    Args:
        history_file: Pfad der Historie; gelesen wird :func:`queries_file` daneben.

    Returns:
        Die Queries in ihrer Reihenfolge; leer, wenn keine aufgezeichnet sind.

    Raises:
        DauerlaufError: Die Datei ist keine Aufzeichnung von Queries.
    """
    file = queries_file(history_file)
    if not file.is_file():
        return []
    try:
        return [
            Query(
                int(entry["event"]),
                json_format.ParseDict(entry["request"], WorkflowQuery()),
                json_format.ParseDict(entry["result"], WorkflowQueryResult()),
            )
            for entry in json.loads(file.read_text(encoding="utf-8"))["queries"]
        ]
    except (OSError, ValueError, TypeError, KeyError, json_format.ParseError) as error:
        raise DauerlaufError(
            f"„{file}“ enthält keine aufgezeichneten Queries; zeichnen Sie den Lauf neu auf."
        ) from error


def dump_queries(queries: Sequence[Query]) -> str:
    """Schreibt Queries als JSON: gleiche Queries, gleiche Bytes; ohne Queries ein leerer Text."""
    if not queries:
        return ""
    entries: list[dict[str, Any]] = [
        {
            "event": query.event,
            "request": json_format.MessageToDict(query.request),
            "result": json_format.MessageToDict(query.result),
        }
        for query in queries
    ]
    return json.dumps({"queries": entries}, indent=2, ensure_ascii=False, sort_keys=True) + "\n"
