"""Workflows und Activities, an denen Kapitel 2 die Timeouts zeigt."""

import asyncio
import threading
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from kernbausteine_protokoll import note

SHORT = timedelta(milliseconds=400)
TEN_SECONDS = timedelta(seconds=10)
RELEASE = threading.Event()


@activity.defn
def stubborn() -> int:
    """Der erste Versuch hängt, der zweite nicht; niemand unterbricht den ersten."""
    attempt = activity.info().attempt
    if attempt == 1:
        RELEASE.wait(10)
    note(activity.info().workflow_id or "", attempt)
    return attempt


@activity.defn
async def always_silent() -> int:
    """Der erste Versuch sendet kein Lebenszeichen und wartet, der zweite kehrt gleich zurück."""
    if activity.info().attempt == 1:
        await asyncio.sleep(10)
    return activity.info().attempt


@activity.defn
async def until_cancelled(with_heartbeat: bool) -> str:
    """Wartet höchstens 0,8 s auf einen Abbruch, mit oder ohne Heartbeat."""
    note(activity.info().workflow_id or "", "begonnen")
    try:
        for _ in range(16):
            if with_heartbeat:
                activity.heartbeat()
            await asyncio.sleep(0.05)
    except asyncio.CancelledError:
        note(activity.info().workflow_id or "", "abgebrochen")
        raise
    return "zu Ende gelaufen"


@activity.defn
async def fails() -> None:
    """Scheitert bei jedem Versuch und schreibt auf, wann er eingeplant war."""
    info = activity.info()
    note(info.workflow_id or "", info.current_attempt_scheduled_time)
    raise ConnectionError("Der Dienst antwortet nicht.")


# --8<-- [start:attempt]
@workflow.defn
class AttemptWorkflow:
    """Begrenzt einen Versuch."""

    @workflow.run
    async def run(self) -> int:
        """Gibt zurück, der wievielte Versuch gelang."""
        return await workflow.execute_activity(
            stubborn,
            start_to_close_timeout=SHORT,  # (!)
        )


# --8<-- [end:attempt]


@workflow.defn
class QueueWorkflow:
    """Begrenzt die Zeit in der Task Queue; niemand liest sie."""

    @workflow.run
    async def run(self) -> None:
        """Ohne weitere Grenze außer der für einen Versuch."""
        await workflow.execute_activity(
            stubborn,
            task_queue="niemand",
            schedule_to_start_timeout=SHORT,
            start_to_close_timeout=TEN_SECONDS,
        )


@workflow.defn
class DeadlineWorkflow:
    """Begrenzt alle Versuche zusammen."""

    @workflow.run
    async def run(self) -> None:
        """Die Frist läuft ab, während der erste Versuch hängt."""
        await workflow.execute_activity(always_silent, schedule_to_close_timeout=SHORT)


@workflow.defn
class HeartbeatWorkflow:
    """Verlangt Lebenszeichen."""

    @workflow.run
    async def run(self) -> int:
        """Gibt zurück, der wievielte Versuch gelang."""
        return await workflow.execute_activity(
            always_silent,
            start_to_close_timeout=TEN_SECONDS,
            heartbeat_timeout=SHORT,
        )


@workflow.defn
class CancelWorkflow:
    """Lässt eine Activity laufen, bis jemand abbricht, und wartet ihr Ende ab."""

    @workflow.run
    async def run(self, with_heartbeat: bool) -> str:
        """Gibt zurück, was die Activity meldet."""
        return await workflow.execute_activity(
            until_cancelled,
            with_heartbeat,
            start_to_close_timeout=TEN_SECONDS,
            heartbeat_timeout=SHORT if with_heartbeat else None,
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )


@workflow.defn
class TidyWorkflow:
    """Räumt nach jedem Fehler und jedem Abbruch auf."""

    @workflow.run
    async def run(self) -> None:
        """Wartet 30 Tage; das Aufräumen ist eine Activity."""
        try:
            await workflow.sleep(timedelta(days=30))
        except (Exception, asyncio.CancelledError):
            await workflow.execute_activity(fails, start_to_close_timeout=TEN_SECONDS)


@workflow.defn
class ChainWorkflow:
    """Eine Kette von Läufen durch Continue-As-New."""

    @workflow.run
    async def run(self, remaining: int) -> str:
        """Jeder Lauf wartet kurz."""
        await workflow.sleep(SHORT)
        if remaining:
            workflow.continue_as_new(remaining - 1)
        return "fertig"


@workflow.defn
class PolicyWorkflow:
    """Ruft eine Activity, die immer scheitert."""

    @workflow.run
    async def run(self, first: float, factor: float, longest: float, attempts: int) -> None:
        """Zeiten in Sekunden; 0 bei `longest` heißt: keine Angabe."""
        await workflow.execute_activity(
            fails,
            start_to_close_timeout=TEN_SECONDS,
            retry_policy=RetryPolicy(
                initial_interval=timedelta(seconds=first),
                backoff_coefficient=factor,
                maximum_interval=timedelta(seconds=longest) if longest else None,
                maximum_attempts=attempts,
            ),
        )


WORKFLOWS = [
    AttemptWorkflow,
    QueueWorkflow,
    DeadlineWorkflow,
    HeartbeatWorkflow,
    CancelWorkflow,
    TidyWorkflow,
    ChainWorkflow,
    PolicyWorkflow,
]
ACTIVITIES = [stubborn, always_silent, until_cancelled, fails]
