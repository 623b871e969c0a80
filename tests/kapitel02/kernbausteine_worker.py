"""Activities in drei Arten, mit und ohne blockierenden Aufruf, und die Wege über Task Queues."""

# Der blockierende Aufruf in der Coroutine ist hier der Gegenstand.
# ruff: noqa: ASYNC251

import asyncio
import os
import threading
import time
from datetime import timedelta

from temporalio import activity, workflow

TEN_SECONDS = timedelta(seconds=10)
CALL = 0.15
"""So lange dauert der Aufruf eines fremden Dienstes, in Sekunden."""


class Gauge:
    """Zählt, wie viele Aufrufe gleichzeitig laufen."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now = 0
        self.peak = 0

    def __enter__(self) -> None:
        with self._lock:
            self._now += 1
            self.peak = max(self.peak, self._now)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._now -= 1


class Services:
    """Derselbe Aufruf, dreimal geschrieben."""

    def __init__(self) -> None:
        self.gauge = Gauge()

    # --8<-- [start:blocking]
    @activity.defn
    async def blocking(self) -> None:
        """Falsch: Der Aufruf hält die Event-Loop des Workers an."""
        with self.gauge:
            time.sleep(CALL)  # (!)

    # --8<-- [end:blocking]

    # --8<-- [start:async]
    @activity.defn
    async def awaiting(self) -> None:
        """Richtig: Während des Aufrufs läuft anderes weiter."""
        with self.gauge:
            await asyncio.sleep(CALL)  # (!)

    # --8<-- [end:async]

    # --8<-- [start:threaded]
    @activity.defn
    def threaded(self) -> None:
        """Auch richtig: `def` ohne `async` läuft in einem Thread."""
        with self.gauge:
            time.sleep(CALL)  # (!)

    # --8<-- [end:threaded]


@activity.defn
def in_own_process() -> int:
    """Die Nummer des Prozesses, der die Activity ausführt."""
    return os.getpid()


@activity.defn
async def pack(order_id: str) -> str:
    """Packt ein Paket."""
    return f"Paket {order_id}"


@workflow.defn
class ManyCallsWorkflow:
    """Ruft dieselbe Activity mehrmals gleichzeitig."""

    @workflow.run
    async def run(self, name: str, calls: int) -> None:
        """Wartet auf alle."""
        await asyncio.gather(
            *(workflow.execute_activity(name, start_to_close_timeout=TEN_SECONDS) for _ in range(calls))
        )


@workflow.defn
class ProcessWorkflow:
    """Ruft eine Activity, die in einem eigenen Prozess läuft."""

    @workflow.run
    async def run(self) -> int:
        """Gibt die Prozessnummer zurück."""
        return await workflow.execute_activity(in_own_process, start_to_close_timeout=TEN_SECONDS)


@workflow.defn
class InnocentWorkflow:
    """Hat mit den Activities nichts zu tun."""

    @workflow.run
    async def run(self) -> None:
        """Ist nach einem Workflow-Task fertig."""


# --8<-- [start:routing]
@workflow.defn
class PackWorkflow:
    """Gibt den zweiten Schritt an Worker im Lager."""

    @workflow.run
    async def run(self, warehouse: str | None) -> str:
        """Ohne Angabe bleibt die Activity auf der Task Queue des Workflows."""
        return await workflow.execute_activity(
            pack,
            "B-1001",
            task_queue=warehouse,  # (!)
            start_to_close_timeout=TEN_SECONDS,
        )


# --8<-- [end:routing]
