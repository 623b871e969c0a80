"""Die Reise: Fähre, Hotel und Auto – alles oder nichts."""

import asyncio
import contextlib
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    import anbieter

LONGEST = timedelta(seconds=10)


@workflow.defn
class TripWorkflow:
    """Bucht eine Reise bei drei Anbietern, ganz oder gar nicht."""

    def __init__(self) -> None:
        self._undo: list[Any] = []

    @workflow.run
    async def run(self, trip_id: str) -> list[str]:
        try:
            return [
                await self._book(anbieter.book_ferry, anbieter.cancel_ferry, trip_id),
                await self._book(anbieter.book_hotel, anbieter.cancel_hotel, trip_id),
                await self._book(anbieter.book_car, anbieter.cancel_car, trip_id),
            ]
        except (ActivityError, asyncio.CancelledError):
            cancelled = workflow.cancellation_reason() is not None
            await self._roll_back(trip_id)
            if cancelled:
                raise asyncio.CancelledError from None
            raise

    async def _book(self, book: Any, cancel: Any, trip_id: str) -> str:
        self._undo.append(cancel)
        number: str = await workflow.execute_activity(
            book,
            trip_id,
            start_to_close_timeout=LONGEST,
            retry_policy=RetryPolicy(maximum_attempts=4),
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )
        if workflow.cancellation_reason() is not None:
            raise asyncio.CancelledError
        return number

    async def _roll_back(self, trip_id: str) -> None:
        task = asyncio.create_task(self._cancel_all(trip_id))
        while not task.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(task)
        task.result()

    async def _cancel_all(self, trip_id: str) -> None:
        for cancel in reversed(self._undo):
            await workflow.execute_activity(
                cancel, trip_id, start_to_close_timeout=LONGEST
            )
