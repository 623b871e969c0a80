"""Der Prüfling der Störungstests: drei Buchungen, dazwischen eine Stunde, bei Abbruch eine Rückbuchung."""

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
                start_to_close_timeout=timedelta(seconds=20),
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
                heartbeat_timeout=timedelta(seconds=0.3),
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
