"""Workflows der Tests: lokale Activities, wie sie das Muster nicht braucht."""

import asyncio
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from kapitel02.lokale_activity.activities import Desk, Invoice, Order
    from kapitel02.lokale_activity.workflow import WriteInvoice

STEP_TIMEOUT = timedelta(seconds=30)


@activity.defn
async def third_time_lucky() -> int:
    """Scheitert zweimal."""
    attempt = activity.info().attempt
    if attempt < 3:
        raise RuntimeError("noch nicht")
    return attempt


@workflow.defn
class DefaultThreshold:
    """Wartet nach dem ersten Fehlschlag so viele Sekunden; die Schwelle für Timer setzt niemand."""

    @workflow.run
    async def run(self, seconds: float) -> int:
        return await workflow.execute_local_activity(
            third_time_lucky,
            start_to_close_timeout=STEP_TIMEOUT,
            retry_policy=RetryPolicy(initial_interval=timedelta(seconds=seconds)),
        )


class Waiter:
    """Eine Activity, die nur ein Abbruch beendet."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.cancelled = asyncio.Event()

    @activity.defn
    async def wait(self) -> None:
        self.started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


@workflow.defn
class WaitLocally:
    """Wartet in einer lokalen Activity."""

    @workflow.run
    async def run(self) -> None:
        await workflow.execute_local_activity_method(Waiter.wait, start_to_close_timeout=STEP_TIMEOUT)


@workflow.defn
class SavedByTimer(WriteInvoice):
    """Wie `WriteInvoice`, mit einem Timer zwischen den Preisen und der Nummer."""

    @workflow.run
    async def run(self, order: Order) -> Invoice:
        total = 0
        for line in order.lines:
            total += await workflow.execute_local_activity_method(
                Desk.look_up_price, line, start_to_close_timeout=STEP_TIMEOUT
            )
        await workflow.sleep(timedelta(seconds=1))
        return Invoice(await self._draw_number(order), total, self._notes)


@workflow.defn(name="WriteInvoiceRemotely")
class SwitchedToLocal(WriteInvoice):
    """Gewöhnliche Activities, im laufenden Betrieb durch lokale ersetzt."""

    @workflow.run
    async def run(self, order: Order) -> Invoice:
        return await super().run(order)
