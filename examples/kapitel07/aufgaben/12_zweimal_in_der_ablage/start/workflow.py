"""Ablegen und wiederholen. Diese Datei ist vorgegeben."""

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from ablage import DeadLetters


@workflow.defn
class ParkReturn:
    """Legt eine Retoure ab, deren Buchung gescheitert ist."""

    @workflow.run
    async def run(self, number: str, cents: int) -> None:
        await workflow.execute_activity_method(
            DeadLetters.put_letter,
            args=[number, cents],
            start_to_close_timeout=timedelta(seconds=10),
        )


@workflow.defn
class Redrive:
    """Wiederholt die genannten Briefe; jemand aus dem Betrieb hat ihn gestartet."""

    @workflow.run
    async def run(self, numbers: list[str]) -> None:
        for number in numbers:
            await workflow.execute_activity_method(
                DeadLetters.redrive_letter,
                number,
                start_to_close_timeout=timedelta(seconds=10),
            )
