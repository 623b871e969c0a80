"""Der Prüfling der Störungstests: drei Buchungen, dazwischen eine Stunde, bei Abbruch eine Rückbuchung."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy


@dataclass
class Booking:
    """Eine Buchung: in welche Datei, unter welchem Schlüssel."""

    ledger: str
    key: str


@workflow.defn
class Bookings:
    """Bucht dreimal nacheinander."""

    @workflow.run
    async def run(self, ledger: str) -> int:
        for number in range(1, 4):
            await workflow.execute_activity(
                "book",
                Booking(ledger, f"{workflow.info().workflow_id}/{number}"),
                start_to_close_timeout=timedelta(seconds=60),
                retry_policy=RetryPolicy(maximum_attempts=3),
            )
            await workflow.sleep(timedelta(hours=1))
        return 3


@workflow.defn
class Mixed:
    """Ruft je einmal die asynchrone, die synchrone und die meldende Activity."""

    @workflow.run
    async def run(self, ledger: str) -> list[str]:
        return [
            await workflow.execute_activity(
                name,
                Booking(ledger, f"{workflow.info().workflow_id}/{name}"),
                start_to_close_timeout=timedelta(seconds=20),
                heartbeat_timeout=timedelta(seconds=1),
                result_type=str,
            )
            for name in ("book", "book_in_thread", "book_with_pulse")
        ]


@workflow.defn
class Alone:
    """Wartet auf nichts als eine Activity und schluckt einen Abbruch nicht."""

    @workflow.run
    async def run(self, ledger: str) -> None:
        await workflow.execute_activity(
            "book", Booking(ledger, workflow.info().workflow_id), start_to_close_timeout=timedelta(seconds=20)
        )


@workflow.defn
class Parallel:
    """Ruft dieselbe Activity zwanzigmal gleichzeitig."""

    @workflow.run
    async def run(self, ledger: str) -> None:
        calls = [
            workflow.execute_activity(
                "book",
                Booking(ledger, f"{workflow.info().workflow_id}/{number}"),
                start_to_close_timeout=timedelta(seconds=20),
            )
            for number in range(20)
        ]
        await asyncio.gather(*calls)


@workflow.defn
class Shielded:
    """Lässt seine Buchung auch bei einem Abbruch zu Ende laufen, wartet danach und endet als abgebrochen."""

    @workflow.run
    async def run(self, ledger: str) -> None:
        booking = asyncio.create_task(
            workflow.execute_activity(
                "book", Booking(ledger, workflow.info().workflow_id), start_to_close_timeout=timedelta(seconds=2)
            )
        )
        try:
            await asyncio.shield(booking)
        except asyncio.CancelledError:
            await booking
            raise
        await workflow.sleep(timedelta(seconds=1))


@workflow.defn
class Waiting:
    """Wartet für immer."""

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: False)
