"""Die Saga mit Wartezeit: Bis zum Versand darf jeder absagen."""

import asyncio
import contextlib
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    import dienste

TIME_TO_CANCEL = timedelta(minutes=30)


async def finish_despite_cancel(work: Coroutine[Any, Any, None]) -> None:
    """Führt `work` zu Ende, auch wenn währenddessen ein Abbruch eintrifft."""
    task = asyncio.create_task(work)
    while not task.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.shield(task)
    task.result()


@workflow.defn
class OrderWorkflow:
    """Führt einen Auftrag aus; bei Fehler oder Abbruch nimmt er alles zurück."""

    def __init__(self) -> None:
        self._undo: list[Any] = []

    @workflow.run
    async def run(self, order_id: str) -> str:
        do = dienste
        try:
            await self._step(do.reserve_stock, do.release_stock, order_id)
            await self._step(do.charge_payment, do.refund_payment, order_id)
            await workflow.sleep(TIME_TO_CANCEL)
            return await self._step(do.ship_parcel, do.recall_parcel, order_id)
        except (ActivityError, asyncio.CancelledError):
            cancelled = workflow.cancellation_reason() is not None
            await finish_despite_cancel(self._roll_back(order_id))
            if cancelled:
                raise asyncio.CancelledError from None
            raise

    async def _step(self, step: Any, undo: Any, order_id: str) -> str:
        """Merkt die Kompensation vor und führt den Schritt aus. Fertig."""
        self._undo.append(undo)
        number: str = await workflow.execute_activity(
            step,
            order_id,
            start_to_close_timeout=timedelta(seconds=10),
            retry_policy=RetryPolicy(maximum_attempts=3),
            # Erst abwarten, wie die laufende Activity ausgeht, dann kompensieren.
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )
        if workflow.cancellation_reason() is not None:
            # Sie wurde trotz Abbruch fertig; sonst liefe der Workflow weiter.
            raise asyncio.CancelledError
        return number

    async def _roll_back(self, order_id: str) -> None:
        """Nimmt alles zurück, das Letzte zuerst. Fertig."""
        for undo in reversed(self._undo):
            await workflow.execute_activity(
                undo, order_id, start_to_close_timeout=timedelta(seconds=10)
            )
