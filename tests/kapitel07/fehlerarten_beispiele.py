"""Kleine Workflows, an denen Kapitel 7 zeigt, welche Ausnahme was bewirkt."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError, is_cancelled_exception

TEN_SECONDS = timedelta(seconds=10)


@dataclass
class Counter:
    """Was die Activities im Worker-Prozess erlebt haben; die Tests lesen es."""

    scheduled: dict[str, list[datetime]] = field(default_factory=dict)
    waiting: asyncio.Event = field(default_factory=asyncio.Event)


SEEN = Counter()


# --8<-- [start:activities]
@activity.defn
async def stumble(kind: str) -> None:
    """Wirft, was `kind` verlangt."""
    info = activity.info()
    SEEN.scheduled.setdefault(info.workflow_id or "", []).append(info.current_attempt_scheduled_time)
    if kind == "gewöhnlich":
        raise ConnectionError("Der Dienst antwortet nicht.")
    if kind == "endgültig":
        raise ApplicationError("Die Karte ist gesperrt.", type="KarteAbgelehnt", non_retryable=True)  # (!)
    raise ValueError("PLZ 2493 hat keine fünf Ziffern.")


# --8<-- [end:activities]


@activity.defn
async def wait_until_cancelled() -> None:
    """Läuft, bis der Abbruch ankommt."""
    SEEN.waiting.set()
    while True:
        activity.heartbeat()
        await asyncio.sleep(0.05)


# --8<-- [start:plain]
@workflow.defn(name="Preisliste")
class PlainErrorWorkflow:
    """Ein Tippfehler: Der Artikel fehlt im Wörterbuch."""

    @workflow.run
    async def run(self, article: str) -> int:
        """Gibt den Preis in Cent zurück."""
        prices = {"Leuchtturm": 2495}
        return prices[article]  # (!)


# --8<-- [end:plain]


@workflow.defn(name="Preisliste")
class RepairedWorkflow:
    """Derselbe Workflow nach der Reparatur."""

    @workflow.run
    async def run(self, article: str) -> int:
        """Gibt den Preis in Cent zurück."""
        prices = {"Leuchtturm": 2495, "Buddelschiff": 3990}
        return prices[article]


# --8<-- [start:deliberate]
@workflow.defn
class DeliberateErrorWorkflow:
    """Dieselbe Lage, mit Absicht behandelt."""

    @workflow.run
    async def run(self, article: str) -> int:
        """Gibt den Preis in Cent zurück oder lässt den Workflow scheitern."""
        prices = {"Leuchtturm": 2495}
        if article not in prices:
            raise ApplicationError(f"„{article}“ hat keinen Preis.", type="PreisFehlt")  # (!)
        return prices[article]


# --8<-- [end:deliberate]


@workflow.defn(failure_exception_types=[KeyError])
class DeclaredErrorWorkflow:
    """Erklärt `KeyError` zu einem Grund, zu scheitern."""

    @workflow.run
    async def run(self) -> None:
        """Scheitert, statt zu hängen."""
        raise KeyError("Buddelschiff")


@workflow.defn
class ActivityErrorWorkflow:
    """Fängt nichts: Der Fehler der Activity verlässt den Workflow."""

    @workflow.run
    async def run(self, kind: str) -> None:
        """Ruft die Activity mit den Standardwerten, aber höchstens zehn Versuchen."""
        await workflow.execute_activity(
            stumble,
            kind,
            start_to_close_timeout=TEN_SECONDS,
            retry_policy=RetryPolicy(maximum_attempts=10, non_retryable_error_types=["ValueError"]),
        )


@workflow.defn
class DeadlineWorkflow:
    """Hat eine Frist statt einer Zahl von Versuchen."""

    @workflow.run
    async def run(self) -> None:
        """Die Activity darf mit allen Versuchen und Pausen eine Stunde brauchen."""
        await workflow.execute_activity(
            stumble,
            "gewöhnlich",
            start_to_close_timeout=TEN_SECONDS,
            schedule_to_close_timeout=timedelta(hours=1),
        )


@workflow.defn
class AbandonedWorkflow:
    """Plant eine Activity auf einer Task Queue, die kein Worker liest."""

    @workflow.run
    async def run(self) -> None:
        """Die Frist ist kurz, denn sie läuft in Echtzeit."""
        await workflow.execute_activity(
            stumble, "nie", task_queue="niemand", schedule_to_close_timeout=timedelta(milliseconds=500)
        )


@workflow.defn
class ImpatientWorkflow:
    """Wartet auf etwas, das nie geschieht."""

    @workflow.run
    async def run(self) -> None:
        """Der abgelaufene `wait_condition` wirft `asyncio.TimeoutError`."""
        await workflow.wait_condition(lambda: False, timeout=timedelta(days=7))


@workflow.defn
class RaisesCancelledWorkflow:
    """Wirft `asyncio.CancelledError`, ohne dass jemand abgebrochen hat."""

    @workflow.run
    async def run(self) -> None:
        """Scheitert auf die falsche Art."""
        raise asyncio.CancelledError


# --8<-- [start:two-faces]
@workflow.defn
class CancelWatcher:
    """Notiert, in welcher Gestalt ein Abbruch ankommt."""

    @workflow.run
    async def run(self, where: str) -> list[str]:
        """Wartet im Workflow oder in einer Activity, bis der Abbruch kommt."""
        try:
            if where == "Workflow":
                await workflow.sleep(timedelta(days=30))
            else:
                activity = workflow.execute_activity
                await activity(wait_until_cancelled, start_to_close_timeout=TEN_SECONDS)
        except Exception as error:
            return ["Exception", type(error).__name__, type(error.__cause__).__name__]
        except BaseException as error:
            return ["BaseException", type(error).__name__, str(is_cancelled_exception(error))]
        return []


# --8<-- [end:two-faces]


@workflow.defn
class SleepWorkflow:
    """Lässt einen Abbruch einfach durch."""

    @workflow.run
    async def run(self) -> None:
        """Schläft 30 Tage."""
        await workflow.sleep(timedelta(days=30))


WORKFLOWS = [
    PlainErrorWorkflow,
    DeliberateErrorWorkflow,
    DeclaredErrorWorkflow,
    ActivityErrorWorkflow,
    DeadlineWorkflow,
    AbandonedWorkflow,
    ImpatientWorkflow,
    RaisesCancelledWorkflow,
    CancelWatcher,
    SleepWorkflow,
]
