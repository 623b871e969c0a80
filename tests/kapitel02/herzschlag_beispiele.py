"""Versuche zum Heartbeat: Jede Activity tut im ersten Versuch genau eine Sache."""

import threading
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.workflow import ActivityCancellationType

with workflow.unsafe.imports_passed_through():
    from kapitel02.herzschlag_fortsetzen.activities import DayEnd, Position


@dataclass(frozen=True)
class Probe:
    """Ein Versuch: welche Activity, welche Fristen in Sekunden, wie viele Anläufe."""

    activity: str
    heartbeat: float | None = None
    start_to_close: float = 10
    attempts: int = 2
    manifest: str = ""


@workflow.defn
class ProbeWorkflow:
    """Führt eine Activity aus und gibt ihr Ergebnis zurück."""

    @workflow.run
    async def run(self, probe: Probe) -> Any:
        return await workflow.execute_activity(
            probe.activity,
            DayEnd(probe.manifest),
            start_to_close_timeout=timedelta(seconds=probe.start_to_close),
            heartbeat_timeout=timedelta(seconds=probe.heartbeat) if probe.heartbeat else None,
            retry_policy=RetryPolicy(maximum_attempts=probe.attempts),
            cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )


class ProbeActivities:
    """Der zweite Versuch gibt zurück, was der Server vom ersten weiß."""

    def __init__(self) -> None:
        self.released = threading.Event()
        self.listening = threading.Event()

    @activity.defn
    def steady(self, _: DayEnd) -> list[Any]:
        """Schlägt gut vier Sekunden lang alle fünf Millisekunden."""
        end = time.monotonic() + 4.2
        count = 0
        while time.monotonic() < end:
            count += 1
            activity.heartbeat(count)
            self.released.wait(0.005)
        return [count]

    @activity.defn
    def fails(self, _: DayEnd) -> list[Any]:
        """Schlägt 600-mal und scheitert dann."""
        if activity.info().attempt == 1:
            self._beat(600)
            raise RuntimeError("Zeile 600 ist unlesbar.")
        return list(activity.info().heartbeat_details)

    @activity.defn
    def empty(self, _: DayEnd) -> list[Any]:
        """Meldet eine Position und danach ein Lebenszeichen ohne Inhalt."""
        if activity.info().attempt == 1:
            activity.heartbeat(Position(next_row=500))
            activity.heartbeat()
            raise RuntimeError("gescheitert")
        return list(activity.info().heartbeat_details)

    @activity.defn
    def hangs(self, _: DayEnd) -> list[Any]:
        """Schlägt 600-mal und hängt dann."""
        if activity.info().attempt == 1:
            self._beat(600)
            self.released.wait(20)
        return list(activity.info().heartbeat_details)

    @activity.defn(no_thread_cancel_exception=True)
    def silent(self, _: DayEnd) -> bool:
        """Schlägt nie; gibt zurück, ob sie von einem Abbruch erfahren hat."""
        self.listening.set()
        activity.wait_for_cancelled_sync(0.5)
        return activity.is_cancelled()

    @activity.defn
    async def blocks(self, _: DayEnd) -> None:
        """Schlägt fleißig und hält dabei die Event-Loop an."""
        for count in range(10):
            activity.heartbeat(count)
            time.sleep(0.1)  # noqa: ASYNC251 - genau das ist der Fehler

    @staticmethod
    def _beat(number: int) -> None:
        for row in range(1, number + 1):
            activity.heartbeat(Position(next_row=row + 1))
