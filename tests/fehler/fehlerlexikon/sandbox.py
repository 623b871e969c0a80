"""Ein Workflow fragt die Uhr des Betriebssystems."""

from datetime import UTC, datetime, timedelta

from temporalio import workflow


@workflow.defn(name="ReturnDeadline")
class Wrong:
    """die Uhr des Rechners."""

    # --8<-- [start:falsch]
    @workflow.run
    async def run(self, days: int) -> str:
        """Gibt den letzten Tag der Rückgabefrist zurück (UTC)."""
        today = datetime.now(UTC)  # (!)
        return (today + timedelta(days=days)).date().isoformat()

    # --8<-- [end:falsch]


@workflow.defn(name="ReturnDeadline")
class Right:
    """die Uhr des Workflows."""

    # --8<-- [start:richtig]
    @workflow.run
    async def run(self, days: int) -> str:
        """Gibt den letzten Tag der Rückgabefrist zurück (UTC)."""
        today = workflow.now()  # (!)
        return (today + timedelta(days=days)).date().isoformat()

    # --8<-- [end:richtig]
