"""Meldet Pakete an. Diese Datei ist vorgegeben."""

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities import ParcelDesk


@workflow.defn
class RegisterParcels:
    """Meldet die Pakete mehrerer Aufträge an, nacheinander oder zugleich."""

    @workflow.run
    async def run(self, orders: list[str], at_once: bool) -> list[str]:
        """Je Auftrag „angemeldet“, „abgelehnt“ oder „aufgegeben“."""
        if at_once:
            return await asyncio.gather(*map(self._register, orders))
        return [await self._register(order) for order in orders]

    async def _register(self, order: str) -> str:
        try:
            await workflow.execute_activity_method(
                ParcelDesk.register_parcel,
                order,
                start_to_close_timeout=timedelta(seconds=60),
                # Im Betrieb begrenzt eine Frist; die Zahl hält nur die Prüfung kurz.
                retry_policy=RetryPolicy(
                    maximum_attempts=20, non_retryable_error_types=["RejectedError"]
                ),
            )
        except ActivityError as error:
            cause = error.cause
            rejected = (
                isinstance(cause, ApplicationError) and cause.type == "RejectedError"
            )
            return "abgelehnt" if rejected else "aufgegeben"
        return "angemeldet"
