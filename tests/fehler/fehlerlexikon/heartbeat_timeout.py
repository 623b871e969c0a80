"""Eine lange Activity, die sich nicht meldet."""

import asyncio
from datetime import timedelta

from temporalio import activity, workflow

SHELF_SECONDS = 0.15


# --8<-- [start:falsch]
@activity.defn(name="count_stock")
async def count_silently(shelves: int) -> int:
    """Zählt alle Regale, ohne sich zu melden; ändert nichts."""
    for _ in range(shelves):
        await asyncio.sleep(SHELF_SECONDS)
    return shelves


# --8<-- [end:falsch]


# --8<-- [start:richtig]
@activity.defn(name="count_stock")
async def count_stock(shelves: int) -> int:
    """Zählt alle Regale und meldet sich nach jedem; ändert nichts."""
    for shelf in range(shelves):
        await asyncio.sleep(SHELF_SECONDS)
        activity.heartbeat(shelf)  # (!)
    return shelves


# --8<-- [end:richtig]


# --8<-- [start:workflow]
@workflow.defn
class CountStock:
    """Zählt das Lager; nach 1 s ohne Lebenszeichen gilt der Versuch als tot."""

    @workflow.run
    async def run(self, shelves: int) -> int:
        """Gibt die Zahl der gezählten Regale zurück."""
        return await workflow.execute_activity(
            count_stock,
            shelves,
            start_to_close_timeout=timedelta(minutes=5),
            heartbeat_timeout=timedelta(seconds=1),  # (!)
        )


# --8<-- [end:workflow]
