"""Acht Änderungen an Version 1; jede Klasse ist ein eigener Vorschlag.

Diese Datei ist vorgegeben. Geändert ist jeweils, was der Docstring nennt, sonst nichts.
"""

from datetime import timedelta
from typing import Any

from temporalio import workflow

STEP: dict[str, Any] = {"start_to_close_timeout": timedelta(seconds=10)}
PATIENT: dict[str, Any] = {"start_to_close_timeout": timedelta(minutes=5)}
CHECK_ABOVE = 20_000


@workflow.defn(name="OrderWorkflow")
class Argument:
    """Die Abbuchung bekommt zusätzlich die Währung."""

    @workflow.run
    async def run(self, order_id: str, cents: int) -> str:
        if cents > CHECK_ABOVE:
            await workflow.execute_activity("check_fraud", order_id, **STEP)
        await workflow.execute_activity("confirm_order", order_id, **STEP)
        await workflow.execute_activity(
            "charge_payment", args=[order_id, cents, "EUR"], **STEP
        )
        await workflow.sleep(timedelta(days=2))
        await workflow.execute_activity("hand_over", order_id, **STEP)
        return order_id


@workflow.defn(name="OrderWorkflow")
class Timeout:
    """Die Abbuchung darf fünf Minuten dauern statt zehn Sekunden."""

    @workflow.run
    async def run(self, order_id: str, cents: int) -> str:
        if cents > CHECK_ABOVE:
            await workflow.execute_activity("check_fraud", order_id, **STEP)
        await workflow.execute_activity("confirm_order", order_id, **STEP)
        await workflow.execute_activity(
            "charge_payment", args=[order_id, cents], **PATIENT
        )
        await workflow.sleep(timedelta(days=2))
        await workflow.execute_activity("hand_over", order_id, **STEP)
        return order_id


@workflow.defn(name="OrderWorkflow")
class Name:
    """Die Bestätigung heißt jetzt `send_confirmation`."""

    @workflow.run
    async def run(self, order_id: str, cents: int) -> str:
        if cents > CHECK_ABOVE:
            await workflow.execute_activity("check_fraud", order_id, **STEP)
        await workflow.execute_activity("send_confirmation", order_id, **STEP)
        await workflow.execute_activity(
            "charge_payment", args=[order_id, cents], **STEP
        )
        await workflow.sleep(timedelta(days=2))
        await workflow.execute_activity("hand_over", order_id, **STEP)
        return order_id


@workflow.defn(name="OrderWorkflow")
class Before:
    """Vor der Abbuchung wird die Ware reserviert."""

    @workflow.run
    async def run(self, order_id: str, cents: int) -> str:
        if cents > CHECK_ABOVE:
            await workflow.execute_activity("check_fraud", order_id, **STEP)
        await workflow.execute_activity("confirm_order", order_id, **STEP)
        await workflow.execute_activity("reserve_stock", order_id, **STEP)
        await workflow.execute_activity(
            "charge_payment", args=[order_id, cents], **STEP
        )
        await workflow.sleep(timedelta(days=2))
        await workflow.execute_activity("hand_over", order_id, **STEP)
        return order_id


@workflow.defn(name="OrderWorkflow")
class After:
    """Nach dem Warten wird der Fahrer angerufen."""

    @workflow.run
    async def run(self, order_id: str, cents: int) -> str:
        if cents > CHECK_ABOVE:
            await workflow.execute_activity("check_fraud", order_id, **STEP)
        await workflow.execute_activity("confirm_order", order_id, **STEP)
        await workflow.execute_activity(
            "charge_payment", args=[order_id, cents], **STEP
        )
        await workflow.sleep(timedelta(days=2))
        await workflow.execute_activity("call_driver", order_id, **STEP)
        await workflow.execute_activity("hand_over", order_id, **STEP)
        return order_id


@workflow.defn(name="OrderWorkflow")
class Duration:
    """Gewartet wird fünf Tage statt zwei."""

    @workflow.run
    async def run(self, order_id: str, cents: int) -> str:
        if cents > CHECK_ABOVE:
            await workflow.execute_activity("check_fraud", order_id, **STEP)
        await workflow.execute_activity("confirm_order", order_id, **STEP)
        await workflow.execute_activity(
            "charge_payment", args=[order_id, cents], **STEP
        )
        await workflow.sleep(timedelta(days=5))
        await workflow.execute_activity("hand_over", order_id, **STEP)
        return order_id


@workflow.defn(name="OrderWorkflow")
class NoTimer:
    """Gewartet wird gar nicht mehr."""

    @workflow.run
    async def run(self, order_id: str, cents: int) -> str:
        if cents > CHECK_ABOVE:
            await workflow.execute_activity("check_fraud", order_id, **STEP)
        await workflow.execute_activity("confirm_order", order_id, **STEP)
        await workflow.execute_activity(
            "charge_payment", args=[order_id, cents], **STEP
        )
        await workflow.execute_activity("hand_over", order_id, **STEP)
        return order_id


@workflow.defn(name="OrderWorkflow")
class Limit:
    """Geprüft wird erst über 300 Euro."""

    @workflow.run
    async def run(self, order_id: str, cents: int) -> str:
        if cents > 30_000:
            await workflow.execute_activity("check_fraud", order_id, **STEP)
        await workflow.execute_activity("confirm_order", order_id, **STEP)
        await workflow.execute_activity(
            "charge_payment", args=[order_id, cents], **STEP
        )
        await workflow.sleep(timedelta(days=2))
        await workflow.execute_activity("hand_over", order_id, **STEP)
        return order_id
