"""Falscher Code: drei Fallstricke der Saga, jeder in einem Workflow mit zwei Schritten."""

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import FailureError

with workflow.unsafe.imports_passed_through():
    from kapitel07.saga.activities import OrderActivities
    from kapitel07.saga.models import PlaceOrder, StepRequest

TEN_SECONDS = timedelta(seconds=10)
THREE_ATTEMPTS = workflow.ActivityConfig(
    start_to_close_timeout=TEN_SECONDS, retry_policy=RetryPolicy(maximum_attempts=3)
)


@workflow.defn
class ShieldOnlyWorkflow:
    """Falsch: Ein Abbruch während der Kompensation beendet den Workflow vor ihr."""

    # --8<-- [start:shield-only]
    @workflow.run
    async def run(self, placed: PlaceOrder) -> None:
        """Falsch: `asyncio.shield` schützt die Kompensation, aber niemand wartet mehr auf sie."""
        charge = StepRequest(f"{workflow.info().workflow_id}/zahlung", placed.order)
        parcel = StepRequest(f"{workflow.info().workflow_id}/versand", placed.order)
        activity = workflow.execute_activity_method
        try:
            await activity(OrderActivities.charge_payment, charge, **THREE_ATTEMPTS)
            await activity(OrderActivities.register_parcel, parcel, **THREE_ATTEMPTS)
        except (FailureError, asyncio.CancelledError):
            await asyncio.shield(self._roll_back(charge, parcel))  # (!)
            raise

    # --8<-- [end:shield-only]

    async def _roll_back(self, charge: StepRequest, parcel: StepRequest) -> None:
        forever = workflow.ActivityConfig(start_to_close_timeout=TEN_SECONDS)
        await workflow.execute_activity_method(OrderActivities.cancel_parcel, parcel, **forever)
        await workflow.execute_activity_method(OrderActivities.refund_payment, charge, **forever)


@workflow.defn
class RunIdKeyWorkflow:
    """Falsch: Ein Reset oder ein zweiter Start bucht noch einmal."""

    # --8<-- [start:run-id]
    @workflow.run
    async def run(self, placed: PlaceOrder) -> str:
        """Falsch: Die Run-ID ist nach einem Reset eine andere, der Schlüssel also auch."""
        request = StepRequest(f"{workflow.info().run_id}/zahlung", placed.order)  # (!)
        charge = OrderActivities.charge_payment
        receipt = await workflow.execute_activity_method(charge, request, **THREE_ATTEMPTS)
        return receipt.reference

    # --8<-- [end:run-id]


@workflow.defn
class UnlimitedForwardWorkflow:
    """Falsch: Der gestörte Dienst wird ewig gerufen, die Ware bleibt reserviert."""

    # --8<-- [start:unlimited]
    @workflow.run
    async def run(self, placed: PlaceOrder) -> None:
        """Falsch: Ohne Grenze scheitert der Schritt nie, und `except` wird nie erreicht."""
        stock = StepRequest(f"{workflow.info().workflow_id}/lager", placed.order)
        charge = StepRequest(f"{workflow.info().workflow_id}/zahlung", placed.order)
        activity = workflow.execute_activity_method
        try:
            await activity(OrderActivities.reserve_stock, stock, start_to_close_timeout=TEN_SECONDS)
            await activity(OrderActivities.charge_payment, charge, start_to_close_timeout=TEN_SECONDS)  # (!)
        except (FailureError, asyncio.CancelledError):
            await activity(OrderActivities.release_stock, stock, start_to_close_timeout=TEN_SECONDS)
            raise

    # --8<-- [end:unlimited]
