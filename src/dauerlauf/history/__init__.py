"""Event History lesen, schreiben, vereinheitlichen und in lesbare Schritte übersetzen.

Eingang ist überall :class:`temporalio.client.WorkflowHistory` oder eine Datei in der Form, die
``temporal workflow show -o json`` ausgibt. Was die einzelnen Events bedeuten, steht in der Referenz:
https://docs.temporal.io/references/events
"""

from dauerlauf.history._files import dump, load
from dauerlauf.history._normalise import BASE_TIME, normalise, normalise_queries, package_path
from dauerlauf.history._queries import Query, dump_queries, is_queries_file, load_queries, queries_file
from dauerlauf.history._sources import Spot, Trace, source_lines, trace
from dauerlauf.history._steps import SourceLine, Step, StepKind, event_name, same_behaviour, steps
from dauerlauf.history._text import arguments, duration_text, failure_text, readable, shorten, size_text

__all__ = [
    "BASE_TIME",
    "Query",
    "SourceLine",
    "Spot",
    "Step",
    "StepKind",
    "Trace",
    "arguments",
    "dump",
    "dump_queries",
    "duration_text",
    "event_name",
    "failure_text",
    "is_queries_file",
    "load",
    "load_queries",
    "normalise",
    "normalise_queries",
    "package_path",
    "queries_file",
    "readable",
    "same_behaviour",
    "shorten",
    "size_text",
    "source_lines",
    "steps",
    "trace",
]
