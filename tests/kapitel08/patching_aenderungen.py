"""Sieben kleine Änderungen an Stufe 1: vier ohne Folgen für alte Läufe, drei mit."""

from dataclasses import replace
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from kapitel08.patching.activities import OrderActivities
    from kapitel08.patching.models import PlaceOrder, Shipped
    from kapitel08.patching.settings import TIMEOUT
    from kapitel08.patching.variants import charge_and_ship, confirm_and_wait


@workflow.defn(name="OrderWorkflow")
class OtherArguments:
    """Alle Activities bekommen einen anderen Auftrag."""

    @workflow.run
    async def run(self, placed: PlaceOrder) -> Shipped:
        changed = replace(placed, order=replace(placed.order, number="anders", amount=1))
        await confirm_and_wait(changed)
        return await charge_and_ship(changed)


@workflow.defn(name="OrderWorkflow")
class OtherTimers:
    """Beide Timer dauern eine Minute."""

    @workflow.run
    async def run(self, placed: PlaceOrder) -> Shipped:
        changed = replace(placed, until_stock=60, until_pickup=60)
        await confirm_and_wait(changed)
        return await charge_and_ship(changed)


@workflow.defn(name="OrderWorkflow")
class OtherOptions:
    """Die erste Activity bekommt andere Timeouts, Retries und eine andere Task Queue."""

    @workflow.run
    async def run(self, placed: PlaceOrder) -> Shipped:
        await workflow.execute_activity_method(
            OrderActivities.confirm_order,
            placed.order,
            task_queue="anderswo",
            start_to_close_timeout=timedelta(minutes=5),
            retry_policy=RetryPolicy(maximum_attempts=3),
        )
        await workflow.sleep(placed.stock)
        return await charge_and_ship(placed)


@workflow.defn(name="OrderWorkflow")
class MoreLogging:
    """Nur Zeilen, die keinen Befehl erzeugen."""

    @workflow.run
    async def run(self, placed: PlaceOrder) -> Shipped:
        workflow.logger.info("Auftrag %s", placed.order.number)
        await confirm_and_wait(placed)
        workflow.logger.info("Ware da, %s", workflow.now())
        return await charge_and_ship(placed)


@workflow.defn(name="OrderWorkflow")
class MoreActivities:
    """Eine Activity mehr."""

    @workflow.run
    async def run(self, placed: PlaceOrder) -> Shipped:
        await confirm_and_wait(placed)
        await workflow.execute_activity_method(
            OrderActivities.check_fraud, placed.order, start_to_close_timeout=TIMEOUT
        )
        return await charge_and_ship(placed)


@workflow.defn(name="OrderWorkflow")
class OtherOrder:
    """Erst warten, dann bestätigen."""

    @workflow.run
    async def run(self, placed: PlaceOrder) -> Shipped:
        await workflow.sleep(placed.stock)
        await workflow.execute_activity_method(
            OrderActivities.confirm_order, placed.order, start_to_close_timeout=TIMEOUT
        )
        return await charge_and_ship(placed)


@workflow.defn(name="OrderWorkflow")
class NoTimer:
    """Auf die Ware wird nicht mehr gewartet."""

    @workflow.run
    async def run(self, placed: PlaceOrder) -> Shipped:
        await workflow.execute_activity_method(
            OrderActivities.confirm_order, placed.order, start_to_close_timeout=TIMEOUT
        )
        return await charge_and_ship(placed)


@workflow.defn(name="ClockWorkflow")
class Clock:
    """Liest die Uhr des Workflows vor und nach einem Timer."""

    @workflow.run
    async def run(self) -> float:
        before = workflow.now()
        await workflow.sleep(timedelta(hours=2))
        return (workflow.now() - before).total_seconds()
