"""Was im Prozess mit dem Code der Übung läuft.

Der Prüfer lädt diesen Code nie selbst. Was von hier zurückkommt, sind Texte und einfache Werte; Dateien, Zustand und
Ausgaben des Prüfers erreicht der Code nicht.
"""

import asyncio
import importlib
import inspect
import io
import json
import logging
import os
import pickle
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import temporalio.converter
from temporalio.api.common.v1 import Payload
from temporalio.client import Client, WorkflowHistory
from temporalio.worker import Replayer, Worker

from dauerlauf.server import runtime
from dauerlauf.worker_process import settle

THREADS = 20
_CORE_MESSAGE = re.compile(r'Failure \{ message: "(.*?)", source: ')

Target = str | tuple[Any, ...]
"""`"datei:name"`, oder für eine Klasse mit Argumenten `("datei:Klasse", arg, ...)`."""


class LoadFailureError(Exception):
    """Der Code lässt sich nicht laden; der Text ist JSON mit `wo`, `warum` und `weiter`."""

    def __init__(self, wo: str, warum: str, weiter: str) -> None:
        super().__init__(json.dumps({"wo": wo, "warum": warum, "weiter": weiter}))


@dataclass(frozen=True)
class WorkerOrder:
    """Welchen Worker der Kindprozess betreiben soll."""

    source: Path
    output: Path
    task_queue: str
    workflows: Sequence[str] = ()
    activities: Sequence[Target] = ()
    factory: str | None = None
    arguments: Mapping[str, Any] | None = None
    converter: str | None = None
    options: Mapping[str, Any] | None = None


def enter(source: Path, output: Path) -> None:
    """Macht `source` zum Arbeitsordner und lenkt alles, was der Code druckt, in die Datei `output` um."""
    sys.dont_write_bytecode = True
    # Was im Workflow scheitert, erfährt der Prüfer vom Server; hier bleibt nur, was der Code selbst druckt.
    logging.getLogger("temporalio").setLevel(logging.CRITICAL)
    target = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(target, 1)
    os.dup2(target, 2)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    os.chdir(source)
    sys.path.insert(0, str(source))


def create_worker(client: Client, order: WorkerOrder) -> Worker:
    """Baut den Worker aus dem Code der Übung; wirft `LoadFailureError`, wenn das nicht geht."""
    enter(order.source, order.output)
    if order.converter is not None:
        with _reporting(order.source, order.converter):
            config = client.config()
            config["data_converter"] = _data_converter(order.source, order.converter)
            client = Client(**config)
    if order.factory is not None:
        function = load(order.source, order.factory)
        with _reporting(order.source, order.factory):
            worker = function(client, order.task_queue, **(order.arguments or {}))
        if not isinstance(worker, Worker):
            raise LoadFailureError(
                order.factory,
                f"Die Funktion gibt {type(worker).__name__} zurück, erwartet ist ein Worker.",
                "Beenden Sie die Funktion mit `return Worker(client, task_queue=…, …)`.",
            )
        return worker
    workflows = [load(order.source, name) for name in order.workflows]
    activities = [one for target in order.activities for one in _activities(order.source, target)]
    with _reporting(order.source, ", ".join(order.workflows)):
        return Worker(
            client,
            task_queue=order.task_queue,
            workflows=workflows,
            activities=activities,
            activity_executor=ThreadPoolExecutor(THREADS),
            **(order.options or {}),
        )


def _activities(source: Path, target: Target) -> list[Callable[..., Any]]:
    name, *arguments = (target,) if isinstance(target, str) else target
    loaded = load(source, name)
    if not inspect.isclass(loaded):
        return [loaded]
    with _reporting(source, name):
        instance = loaded(*arguments)
    members = (getattr(instance, key) for key in dir(instance) if not key.startswith("__"))
    return [one for one in members if hasattr(one, "__temporal_activity_definition")]


def _data_converter(source: Path, name: str) -> temporalio.converter.DataConverter:
    found = load(source, name)
    converter = found if isinstance(found, temporalio.converter.DataConverter) else found()
    if not isinstance(converter, temporalio.converter.DataConverter):
        raise TypeError(f"erwartet ist ein DataConverter, nicht {type(converter).__name__}")
    return converter


def load(source: Path, target: str) -> Any:
    """Lädt `"datei:name"` oder `"datei:Klasse.name"` aus dem Ordner `source`."""
    module, _, path = target.partition(":")
    file = f"{module}.py"
    if not (source / file).is_file():
        raise LoadFailureError(
            file, "Die Datei fehlt.", "Legen Sie sie an, oder setzen Sie die Übung mit `--neu` zurück."
        )
    with _reporting(source, file):
        found: Any = importlib.import_module(module)
    for part in path.split("."):
        if not hasattr(found, part):
            raise LoadFailureError(
                file,
                f"Der Name „{part}“ fehlt.",
                f"Die Prüfung sucht „{path}“ in {file}; benennen Sie nichts um und löschen Sie nichts, was vorgegeben "
                "ist.",
            )
        found = getattr(found, part)
    return found


@contextmanager
def _reporting(source: Path, what: str) -> Iterator[None]:
    """Macht aus allem, was beim Laden geschieht, einen `LoadFailureError` mit Datei und Zeile."""
    try:
        yield
    except LoadFailureError:
        raise
    except SyntaxError as error:
        raise LoadFailureError(
            f"{Path(error.filename or what).name}, Zeile {error.lineno}",
            f"Python kann die Datei nicht lesen: {error.msg}" + (f" – `{error.text.strip()}`" if error.text else ""),
            "Berichtigen Sie die Zeile; manchmal fehlt die Klammer oder der Doppelpunkt in der Zeile davor.",
        ) from None
    except BaseException as error:
        # Auch SystemExit: `sys.exit()` beim Laden soll den Prüfer nicht beenden.
        raise LoadFailureError(
            place(source, error) or (error.__cause__ and place(source, error.__cause__)) or what,
            f"{type(error).__name__}: {_reason(error)}",
            _advice(error),
        ) from None


def _reason(error: BaseException) -> str:
    # Die Prüfung durch die Sandbox meldet nur „Failed validating workflow X“; der Grund steht dahinter.
    text = str(error)
    cause = str(error.__cause__).partition(" If this is code")[0]
    return f"{text} ({cause})" if error.__cause__ is not None else text


def _advice(error: BaseException) -> str:
    if isinstance(error, ImportError):
        return "Prüfen Sie den Import: Erlaubt sind die Dateien dieser Übung, temporalio und die Standardbibliothek."
    if isinstance(error, SystemExit | KeyboardInterrupt):
        return "Entfernen Sie den Aufruf, der das Programm beendet; die Datei wird nur geladen, nicht ausgeführt."
    if "from inside a workflow" in str(error.__cause__):
        return (
            "Was auf oberster Ebene steht, führt auch die Sandbox aus. Dateien, Zufall und die Uhr des Rechners "
            "gehören nicht dorthin; lesen Sie eine Datei in einer Activity."
        )
    if "must be an async function" in str(error):
        return "Schreiben Sie `async def run`; nur dann darf der Workflow mit `await` warten."
    if "workflow.run" in str(error) or "workflow.defn" in str(error):
        return "Eine Workflow-Klasse braucht `@workflow.defn` und genau eine Methode mit `@workflow.run`."
    return "Beim Laden einer Datei soll nichts geschehen, was scheitern kann; verschieben Sie es in eine Funktion."


def place(source: Path, error: BaseException) -> str:
    """Die letzte Stelle in den Dateien der Übung, die zu einem Fehler führte, etwa `workflow.py, Zeile 12`."""
    inside = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).parent == source]
    return f"{Path(inside[-1].filename).name}, Zeile {inside[-1].lineno}" if inside else ""


def answer_calls(where: tuple[Path, Path], connection: Connection) -> None:
    """Der Prozess hinter `Bench.process`: beantwortet Aufrufe, bis die Verbindung endet."""
    settle()
    source, output = where
    enter(source, output)
    while True:
        try:
            verb, target, arguments = connection.recv()
        except EOFError:
            return
        try:
            answer = ("ok", _VERBS[verb](source, target, *arguments))
            unpack(pickle.dumps(answer))
        except LoadFailureError as error:
            answer = ("load", str(error))
        except BaseException as error:
            answer = ("raised", (type(error).__name__, str(error), place(source, error)))
        connection.send_bytes(pickle.dumps(answer))


class _Plain(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str) -> Any:
        raise TypeError(f"{module_name}.{global_name} ist kein einfacher Wert (Zahl, Text, Bytes, Liste, dict …).")


def unpack(data: bytes) -> Any:
    """Ein einfacher Wert aus dem anderen Prozess. `TypeError`, wenn er eine Klasse bräuchte: Geladen wird nichts."""
    return _Plain(io.BytesIO(data)).load()


def _call(source: Path, target: Target, *arguments: Any) -> Any:
    name, *init = (target,) if isinstance(target, str) else target
    head, _, method = name.partition(".")
    if init or (method and inspect.isclass(load(source, head))):
        with _reporting(source, head):
            instance = load(source, head)(*init)
        function = getattr(instance, method or "__call__")
    else:
        function = load(source, name)
    outcome = function(*arguments)
    return asyncio.run(_finish(outcome)) if inspect.isawaitable(outcome) else outcome


async def _finish(outcome: Any) -> Any:
    return await outcome


def _codec(source: Path, converter: str, direction: str, payloads: Sequence[bytes]) -> list[bytes]:
    codec = _data_converter(source, converter).payload_codec
    if codec is None:
        raise TypeError("der DataConverter hat keinen payload_codec")
    outcome = asyncio.run(getattr(codec, direction)([Payload.FromString(one) for one in payloads]))
    return [one.SerializeToString() for one in outcome]


def _replay(source: Path, targets: Sequence[str], workflow_id: str, history: str, converter: str | None) -> str | None:
    workflows = [load(source, target) for target in targets]
    data_converter = _data_converter(source, converter) if converter else temporalio.converter.DataConverter.default
    replayer = Replayer(workflows=workflows, build_id="dauerlauf", runtime=runtime(), data_converter=data_converter)
    outcome = asyncio.run(
        replayer.replay_workflow(WorkflowHistory.from_json(workflow_id, history), raise_on_replay_failure=False)
    )
    if outcome.replay_failure is None:
        return None
    # Der Kern meldet seine ganze Datenstruktur; lesbar ist davon die Meldung.
    found = _CORE_MESSAGE.search(str(outcome.replay_failure))
    return found[1] if found else str(outcome.replay_failure)


_VERBS: Mapping[str, Callable[..., Any]] = {"call": _call, "codec": _codec, "replay": _replay}
