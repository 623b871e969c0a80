"""Ein Auftrag: Ware zurücklegen und abbuchen, an bis zu drei Tagen."""

import asyncio
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    import dienste

STEP: dict[str, Any] = {"start_to_close_timeout": timedelta(minutes=10)}
ONCE = RetryPolicy(maximum_attempts=1)


@workflow.defn
class OrderWorkflow:
    """Führt einen Auftrag aus; wird nichts daraus, ist die Ware wieder frei."""

    @workflow.run
    async def run(self, order_id: str) -> str:
        try:
            await workflow.execute_activity(dienste.reserve_stock, order_id, **STEP)
            await self._charge(order_id)
        except (Exception, asyncio.CancelledError):
            await self._release(order_id)
            raise
        return f"{order_id} bezahlt"

    async def _charge(self, order_id: str) -> None:
        for day in range(3):
            if day > 0:
                await workflow.sleep(timedelta(days=1))
            try:
                await workflow.execute_activity(
                    dienste.charge_payment, order_id, retry_policy=ONCE, **STEP
                )
                return
            except Exception as error:
                if is_cancelled_exception(error):
                    raise
                # Die Bank hat abgelehnt; morgen versuchen wir es wieder.
                workflow.logger.info("%s: Zahlung abgelehnt", order_id)
        raise ApplicationError(f"{order_id}: abgelehnt", type="ZahlungAbgelehnt")

    async def _release(self, order_id: str) -> None:
        release = asyncio.ensure_future(
            workflow.execute_activity(dienste.release_stock, order_id, **STEP)
        )
        # Auch ein Abbruch, der erst jetzt kommt, hält das Freigeben nicht auf.
        while not release.done():
            try:
                await asyncio.shield(release)
            except asyncio.CancelledError:
                continue
        release.result()
