"""Prüfungen zu „Heartbeat und Fortsetzen“."""

import asyncio
import json
import re
import sqlite3
import time
from collections import Counter
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHandle

from dauerlauf.exercises import Bench, Run, Wrong, expect
from dauerlauf.faults import give_up_attempt

ROWS, BROKEN = 120, 60
LAG = 10
"""So viele Heartbeats darf der Stand beim Server nachhinken, bevor der Worker stirbt."""
BEATS, SILENCE = 10.0, 4.0
"""So viele Sekunden wartet die Prüfung auf den Stand und auf den ersten Heartbeat, bevor sie den Worker trotzdem tötet."""

# Sonst drosselt das SDK Heartbeats auf 80 % des Timeouts, und die Prüfung müsste warten.
PACE = {
    "max_heartbeat_throttle_interval": timedelta(milliseconds=20),
    "default_heartbeat_throttle_interval": timedelta(milliseconds=20),
}


def _prepare(folder: Path, kind: str) -> tuple[str, str]:
    """Legt die Störung des Lagers fest; das Ziel für `activities=`."""
    fault = json.dumps({"row": BROKEN, "kind": kind})
    (folder / "stoerung.json").write_text(fault, encoding="utf-8")
    return ("activities:PriceImport", str(folder))


def _rows(folder: Path, table: str) -> list[int]:
    with closing(sqlite3.connect(folder / "lager.sqlite", timeout=30)) as database:
        return [row for (row,) in database.execute(f"SELECT row FROM {table}")]


def _span(rows: list[int]) -> str:
    """Zeilennummern zum Lesen, etwa `Zeilen 1 bis 59`; leer, wenn es keine gibt."""
    if len(rows) < 2:
        return "".join(f"Zeile {row}" for row in rows)
    return f"Zeilen {rows[0]} bis {rows[-1]}"


def _complete(folder: Path, run: Run) -> None:
    missing = sorted(set(range(1, ROWS + 1)) - set(_rows(folder, "stock")))
    expect(
        not missing,
        wo="Buch des Lagers",
        warum=f"Der Workflow endet COMPLETED, aber gebucht sind {ROWS - len(missing)} von {ROWS} Zeilen. Es fehlt: "
        f"{_span(missing)}; der letzte Versuch begann mit Zeile {run.result}.",
        weiter="Ein Heartbeat darf erst melden, was schon gebucht ist. Sehen Sie nach, in welcher Reihenfolge Sie "
        "buchen und melden.",
    )


async def fortsetzen(bench: Bench) -> None:
    """Scheitert Zeile 60, macht der nächste Versuch mit Zeile 60 weiter."""
    desk = _prepare(bench.folder, "fails")
    async with bench.worker(
        "workflow:ImportPrices", activities=[desk], **PACE
    ) as worker:
        run = await worker.execute("ImportPrices", ROWS)
    attempts = run.attempts("import_rows")
    expect(
        len(attempts) == 1,
        wo="Event History, ActivityTaskScheduled",
        warum=f"Dort stehen diese Activities: {', '.join(run.activities) or 'keine'}. Erwartet ist `import_rows`, genau einmal.",
        weiter="Lassen Sie den Namen und den einen Aufruf, wie sie sind. Wiederholen soll Temporal.",
    )
    expect(
        attempts != [1],
        wo="Event History, ActivityTaskStarted, Feld „attempt“",
        warum=f"Es gab nur einen Versuch, obwohl das Lager Zeile {BROKEN} einmal abgelehnt hat. Ihr Code behält den Fehler für sich.",
        weiter="Lassen Sie die Ausnahme aus der Activity hinaus. Dann beginnt Temporal einen neuen Versuch, auch in einem anderen Prozess.",
    )
    _complete(bench.folder, run)
    calls = Counter(_rows(bench.folder, "calls"))
    twice = sorted(row for row, count in calls.items() if count > 1 and row != BROKEN)
    expect(
        not twice,
        wo=f"Protokoll des Lagers, Versuch {attempts[-1]}",
        warum=f"Gescheitert war nur Zeile {BROKEN}, doppelt angefragt wurden auch: "
        f"{_span(twice)}; {calls.total()} Anfragen statt {ROWS + 1}.",
        weiter="Der Versuch begann vor der Zeile, die an der Reihe war. Prüfen Sie, was im letzten Heartbeat steht und "
        "was der nächste Versuch daraus macht.",
    )
    expect(
        run.result == BROKEN,
        wo="Ergebnis der Activity",
        warum=f"Sie meldet {run.result!r} als erste Zeile ihres Versuchs; angefragt hat sie ab Zeile {BROKEN}.",
        weiter="Geben Sie weiter `start` zurück, also die Zeile, mit der dieser Versuch begann.",
    )


async def frist(bench: Bench) -> None:
    """Ein toter Worker fällt nach höchstens 30 s auf, eine langsame Zeile nicht."""
    desk = _prepare(bench.folder, "none")
    async with bench.worker(
        "workflow:ImportPrices", activities=[desk], **PACE
    ) as worker:
        run = await worker.execute("ImportPrices", 1)
    scheduled = next(
        event.activity_task_scheduled_event_attributes
        for event in run.history.events
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    )
    silence = scheduled.heartbeat_timeout.ToTimedelta().total_seconds()
    expect(
        0 < silence <= 30,
        wo="Event ActivityTaskScheduled, heartbeatTimeout",
        warum=f"Dort stehen {silence:g} s. "
        + (
            "So lange schweigt ein toter Worker, bevor der Server den Versuch aufgibt; verlangt sind höchstens 30 s."
            if silence
            else "Ohne dieses Timeout bemerkt der Server den Tod erst mit dem Start-to-Close-Timeout, nach "
            f"{scheduled.start_to_close_timeout.ToTimedelta().total_seconds():g} s."
        ),
        weiter="Sagen Sie beim Aufruf der Activity, wie lange sie schweigen darf.",
    )
    expect(
        silence > 8,
        wo="Event ActivityTaskScheduled, heartbeatTimeout",
        warum=f"Dort stehen {silence:g} s. Eine Zeile darf 8 s dauern; so lange kommt kein Heartbeat, und der Server "
        "begänne einen zweiten Versuch neben dem ersten.",
        weiter="Geben Sie der langsamsten Zeile Zeit und noch etwas Reserve.",
    )


async def _server_knows(
    handle: WorkflowHandle[Any, Any], row: int, folder: Path
) -> bool:
    """Wartet, bis im letzten Heartbeat eine Zahl ab `row` steht, in welcher Form auch immer.

    `False`, wenn der Server auch dann keinen Heartbeat kennt, wenn der Import schon in der gestörten Zeile hängt.
    """
    heard, deadline, silent = False, time.monotonic() + BEATS, 0.0
    while time.monotonic() < deadline:
        description = await handle.describe()
        for pending in description.raw_description.pending_activities:
            text = b" ".join(one.data for one in pending.heartbeat_details.payloads)
            heard = heard or pending.HasField("last_heartbeat_time")
            if any(int(number) >= row for number in re.findall(rb"\d+", text)):
                return True
        if not silent and BROKEN in _rows(folder, "calls"):
            silent = time.monotonic() + SILENCE
        if silent and not heard and time.monotonic() > silent:
            break
        await asyncio.sleep(0.05)
    return heard


async def tod(bench: Bench) -> None:
    """Stirbt der Worker in Zeile 60, macht ein anderer an dieser Stelle weiter."""
    desk = _prepare(bench.folder, "hangs")
    async with bench.worker(
        "workflow:ImportPrices", activities=[desk], **PACE
    ) as first:
        handle = await first.start("ImportPrices", ROWS)
        heard = await _server_knows(handle, BROKEN - LAG, bench.folder)
        first.kill()
        async with bench.worker(
            "workflow:ImportPrices",
            activities=[desk],
            task_queue=first.task_queue,
            **PACE,
        ) as second:
            # Das Heartbeat-Timeout liefe in Echtzeit; der Server gibt den toten Versuch sofort auf.
            description = await handle.describe()
            for pending in description.raw_description.pending_activities:
                await give_up_attempt(first.client, handle.id, pending.activity_id)
            run = await second.finish(handle)
    _complete(bench.folder, run)
    calls = Counter(_rows(bench.folder, "calls"))
    twice = sorted(row for row, count in calls.items() if count > 1)
    expect(
        len(twice) <= LAG + 1,
        wo=f"Protokoll des Lagers, nach dem Tod des Workers in Zeile {BROKEN}",
        warum=f"Der zweite Worker begann mit Zeile {run.result}; doppelt angefragt wurden: "
        f"{_span(twice)}; {calls.total()} Anfragen statt etwa {ROWS + 1}. In seinem Prozess fehlte der Stand, den "
        "der erste hatte."
        + " Vom ersten kam kein einziger Heartbeat an."
        * (not heard),
        weiter="Bewahren Sie den Stand dort auf, wo auch ein anderer Prozess ihn findet: im Heartbeat."
        + " Eine Activity mit `async def`, die blockiert, kommt nicht dazu, ihn abzuschicken; hier gehört `def` hin."
        * (not heard),
    )


CHECKS = (fortsetzen, frist, tod)
GIVEN = ("lager.py",)
START_FAILS = "doppelt angefragt wurden auch: Zeilen 1 bis 59"
READ = """        details = activity.info().heartbeat_details
        start = int(details[0]) if details else 1
"""
WORK = """            self._warehouse.book(row)
            activity.heartbeat(row + 1)
"""
WRONG = (
    Wrong(
        "erst melden, dann buchen",
        changes=(
            (
                WORK,
                "            activity.heartbeat(row + 1)\n            self._warehouse.book(row)\n",
            ),
        ),
        expected="Es fehlt: Zeile 60",
    ),
    Wrong(
        "Stand im Objekt",
        changes=(
            (READ, "        start = self._next\n"),
            (
                "            activity.heartbeat(row + 1)\n",
                "            self._next = row + 1\n            activity.heartbeat(self._next)\n",
            ),
            ("Warehouse(folder)\n", "Warehouse(folder)\n        self._next = 1\n"),
        ),
        expected="In seinem Prozess fehlte der Stand",
    ),
    Wrong(
        "Fehler verschluckt",
        changes=(
            (
                WORK,
                "            try:\n                self._warehouse.book(row)\n            except ConnectionError:\n"
                "                self._warehouse.book(row)\n            activity.heartbeat(row + 1)\n",
            ),
        ),
        expected="Ihr Code behält den Fehler für sich",
    ),
    Wrong(
        "async def, aber blockierend",
        changes=(("    def import_rows", "    async def import_rows"),),
        expected="hier gehört `def` hin",
    ),
    Wrong(
        "ohne Timeout",
        changes=(("            heartbeat_timeout=timedelta(seconds=20),\n", ""),),
        expected="nach 7200 s",
    ),
)
