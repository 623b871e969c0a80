"""Was in einem Workflow nicht stehen darf und was Temporal dafür bietet: ein Aufruf je Zeile der Tabellen."""

import asyncio
import os
import random
import sqlite3
import subprocess
import threading
import time
import urllib.request
import uuid
from collections.abc import Awaitable, Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from temporalio import activity, workflow

with workflow.unsafe.imports_passed_through():
    from kernbausteine_protokoll import note

FORBIDDEN: dict[str, Callable[[], object]] = {
    "datetime.now()": lambda: datetime.now(),  # noqa: DTZ005
    "date.today()": lambda: date.today(),  # noqa: DTZ011
    "time.time()": lambda: time.time(),
    "time.sleep(1)": lambda: time.sleep(1),
    "random.random()": lambda: random.random(),
    "uuid.uuid4()": lambda: uuid.uuid4(),
    'os.environ["HOME"]': lambda: os.environ["HOME"],
    'open("preise.csv")': lambda: open("preise.csv"),  # noqa: SIM115, PTH123
    'Path("a").read_text()': lambda: Path("a").read_text(encoding="utf-8"),
    "urlopen(adresse)": lambda: urllib.request.urlopen("http://127.0.0.1:1"),
    'subprocess.run(["ls"])': lambda: subprocess.run(["ls"], check=False),
    "threading.Thread()": lambda: threading.Thread(),
}

# Worüber die Sandbox kein Wort verliert.
SILENT: dict[str, Callable[[], object]] = {
    "for … in {…}": lambda: list({"Lager", "Zahlung", "Versand"}),
    "sqlite3.connect()": lambda: sqlite3.connect(":memory:").close(),
    "print()": lambda: print(end=""),
}

HOUR = timedelta(hours=1)


@activity.defn
async def outside_world() -> str:
    """Darf alles; hier reicht eine Zahl, die bei jedem Aufruf eine andere wäre."""
    return uuid.uuid4().hex


async def _logged() -> None:
    workflow.logger.info("Weiter.")


async def _gathered() -> list[int]:
    return list(await asyncio.gather(*(asyncio.sleep(0, n) for n in range(3))))


async def _waited() -> list[str]:
    tasks = [asyncio.create_task(asyncio.sleep(0, n)) for n in range(3)]
    done, _ = await workflow.wait(tasks)
    return [str(task.result()) for task in done]


async def _activity() -> str:
    return await workflow.execute_activity(outside_world, start_to_close_timeout=timedelta(seconds=10))


async def _value(value: object) -> object:
    return value


REPLACEMENTS: dict[str, Callable[[dict[str, str]], Awaitable[Any]]] = {
    "workflow.now()": lambda _: _value(workflow.now()),
    "workflow.now().date()": lambda _: _value(workflow.now().date()),
    "workflow.time()": lambda _: _value(workflow.time()),
    "workflow.sleep(1)": lambda _: workflow.sleep(1),
    "workflow.random().random()": lambda _: _value(workflow.random().random()),
    "workflow.uuid4()": lambda _: _value(workflow.uuid4()),
    "Eingabe des Workflows": lambda given: _value(given["HOME"]),
    "Activity": lambda _: _activity(),
    "asyncio.gather()": lambda _: _gathered(),
    "workflow.wait()": lambda _: _waited(),
    "workflow.logger": lambda _: _logged(),
    "sorted()": lambda _: _value(sorted({"Lager", "Zahlung", "Versand"})),
}


@workflow.defn
class ForbiddenWorkflow:
    """Tut, was ein Workflow nicht darf."""

    @workflow.run
    async def run(self, what: str) -> None:
        """Führt eine Zeile der Tabelle aus."""
        (FORBIDDEN | SILENT)[what]()


@workflow.defn
class ReplacementWorkflow:
    """Nimmt, was Temporal statt dessen bietet."""

    @workflow.run
    async def run(self, what: str) -> None:
        """Schreibt den Wert auf, wartet und liefe ohne Cache danach noch einmal von vorn."""
        value = await REPLACEMENTS[what]({"HOME": "/home/nordlicht"})
        note(workflow.info().workflow_id, repr(value))
        await workflow.sleep(HOUR)


@workflow.defn
class WaitWorkflow:
    """Ruft `asyncio.wait`; die Sandbox warnt."""

    @workflow.run
    async def run(self) -> None:
        """Wartet auf einen Task."""
        await asyncio.wait([asyncio.create_task(asyncio.sleep(0))])


@workflow.defn
class NoisyWorkflow:
    """Redet auf zwei Arten."""

    @workflow.run
    async def run(self) -> None:
        """Ohne Cache läuft der Anfang bei jedem der drei Workflow-Tasks noch einmal."""
        print("gedruckt")
        workflow.logger.info("gemeldet")
        await workflow.sleep(HOUR)
        await workflow.sleep(HOUR)
