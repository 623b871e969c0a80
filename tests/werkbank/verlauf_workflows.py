"""Workflows für die Tests von Historie und Zeitleiste: einer, der möglichst viele Arten von Events erzeugt."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import nexusrpc
import nexusrpc.handler
from temporalio import activity, workflow
from temporalio.common import RetryPolicy, SearchAttributeKey
from temporalio.exceptions import ApplicationError, NexusOperationError

LIMIT = timedelta(seconds=5)
STATUS = SearchAttributeKey.for_keyword("BestellStatus")


@dataclass
class Order:
    """Eine Bestellung."""

    number: str
    cents: int = 4990
    customer: str = "Jörg Weiß"


@dataclass
class Receipt:
    """Quittung mit Werten, die von Lauf zu Lauf anders sind."""

    key: str
    at: str


@activity.defn
async def reserve(order: Order) -> str:
    """Gelingt sofort."""
    return f"R-{order.number}"


@activity.defn
async def charge(order: Order) -> Receipt:
    """Scheitert fachlich bei hohen Beträgen."""
    if order.cents > 100_000:
        raise ApplicationError("Karte abgelehnt", type="CardDeclined", non_retryable=True)
    info = activity.info()
    return Receipt(f"{info.workflow_run_id}/{info.activity_id}", str(info.started_time))


@activity.defn
async def ship(order: Order) -> str:
    """Gelingt im dritten Versuch."""
    if activity.info().attempt < 3:
        raise RuntimeError("Paketdienst antwortet nicht")
    return f"P-{order.number}"


@activity.defn
async def release(order: Order) -> None:
    """Nimmt die Reservierung zurück."""


@activity.defn
async def notify(text: str) -> None:
    """Sagt Bescheid."""


@workflow.defn
class Letter:
    """Child Workflow mit einem Timer."""

    @workflow.run
    async def run(self, hours: int) -> int:
        """Wartet."""
        await workflow.sleep(timedelta(hours=hours))
        return hours


@workflow.defn
class Fulfilment:
    """Reserviert, belastet, versendet; nimmt zurück, wenn die Karte nicht gedeckt ist."""

    def __init__(self) -> None:
        self.released = False

    @workflow.run
    async def run(self, order: Order) -> str:
        """Der Ablauf."""
        await workflow.execute_activity(reserve, order, start_to_close_timeout=LIMIT)
        try:
            await workflow.execute_activity(charge, order, start_to_close_timeout=LIMIT)
        except Exception:
            await workflow.execute_activity(release, order, start_to_close_timeout=LIMIT)
            raise
        workflow.upsert_search_attributes([STATUS.value_set("bezahlt")])
        deadline = workflow.now() + timedelta(days=3)
        await workflow.execute_activity(
            ship,
            order,
            start_to_close_timeout=LIMIT,
            retry_policy=RetryPolicy(initial_interval=timedelta(minutes=10)),
        )
        await asyncio.sleep((deadline - workflow.now()).total_seconds())
        if workflow.now() <= deadline:
            raise ApplicationError("Die Frist ist abgelaufen, aber die Uhr steht davor")
        if workflow.patched("mit-brief"):
            await workflow.execute_child_workflow(Letter.run, 2, id=f"{workflow.info().workflow_id}-brief")
        await workflow.execute_local_activity(notify, "versandt", start_to_close_timeout=LIMIT)
        return f"fertig {order.number}"


@workflow.defn
class Desk:
    """Wartet auf Eingriffe von außen."""

    def __init__(self) -> None:
        self.decision = ""

    @workflow.run
    async def run(self, rest: int) -> str:
        """Wartet auf die Entscheidung und beginnt dann von vorn, solange `rest` übrig ist."""
        try:
            await workflow.wait_condition(lambda: bool(self.decision), timeout=timedelta(days=1))
        except TimeoutError:
            self.decision = "niemand"
        if rest:
            workflow.continue_as_new(rest - 1)
        return self.decision

    @workflow.signal
    async def decide(self, who: str) -> None:
        """Nimmt die Entscheidung entgegen."""
        self.decision = who

    @workflow.query
    def decided(self, by: str) -> str:
        """Sagt, ob diese Person entschieden hat; auf ein leeres Feld gibt es keine Antwort."""
        if not by:
            raise ValueError("Wer?")
        return f"{workflow.info().run_id}: {self.decision == by}"

    @workflow.update
    async def amount(self, cents: int) -> int:
        """Ändert den Betrag."""
        await asyncio.gather(workflow.execute_activity(notify, "Betrag", start_to_close_timeout=LIMIT))
        return cents

    @amount.validator
    def check_amount(self, cents: int) -> None:
        """Lehnt negative Beträge ab."""
        if cents < 0:
            raise ValueError("negativ")


@workflow.defn(name="Fulfilment")
class ChangedFulfilment:
    """`Fulfilment` nach einer Änderung, die alte Läufe nicht verträgt."""

    @workflow.run
    async def run(self, order: Order) -> str:
        """Versendet, ohne zu reservieren."""
        await workflow.execute_activity(ship, order, start_to_close_timeout=LIMIT)
        return order.number


@activity.defn
async def watch(text: str) -> None:
    """Läuft, bis jemand sie abbricht; sie erfährt es vom Heartbeat."""
    while True:
        activity.heartbeat()
        await asyncio.sleep(0.02)


@workflow.defn
class Shelf:
    """Child Workflow, der nur mit einem Abbruch endet."""

    @workflow.run
    async def run(self) -> None:
        """Wartet."""
        await workflow.wait_condition(lambda: False)


@nexusrpc.handler.service_handler(name="Porto")
class Postage:
    """Nexus-Dienst, der sofort antwortet."""

    @nexusrpc.handler.sync_operation
    async def quote(self, _: nexusrpc.handler.StartOperationContext, grams: int) -> int:
        """Der Preis in Cent; was zu schwer ist, lehnt er ab."""
        if grams > 1000:
            raise nexusrpc.OperationError("zu schwer", state=nexusrpc.OperationErrorState.FAILED)
        return grams


@workflow.defn
class Mailing:
    """Fragt einen Nexus-Dienst nach zwei Preisen."""

    @workflow.run
    async def run(self, endpoint: str) -> int:
        """Der erste Preis; den zweiten gibt es nicht."""
        porto = workflow.create_nexus_client(service="Porto", endpoint=endpoint)
        price: int = await porto.execute_operation("quote", 500, output_type=int)
        try:
            await porto.execute_operation("quote", 5000, output_type=int)
        except NexusOperationError:
            workflow.logger.info("Zu schwer.")
        return price


@workflow.defn
class Hub:
    """Spricht mit anderen Workflows, bricht Begonnenes ab und beginnt dann von vorn."""

    @workflow.run
    async def run(self, rest: int) -> str:
        """Was `rest` noch übrig lässt, geschieht in einem neuen Lauf."""
        if rest:
            await self.talk()
            workflow.continue_as_new(rest - 1)
        return "fertig"

    async def talk(self) -> None:
        """Ein Child Workflow, ein Signal und drei Abbrüche."""
        await workflow.execute_child_workflow(Letter.run, 2, id=f"{workflow.info().workflow_id}-brief")
        second = await workflow.start_child_workflow(Shelf.run, id=f"{workflow.info().workflow_id}-regal")
        watching = workflow.start_activity(
            watch,
            "Lager",
            start_to_close_timeout=timedelta(minutes=5),
            heartbeat_timeout=LIMIT,
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )
        alarm = asyncio.create_task(workflow.sleep(timedelta(days=9)))
        # Damit die Activity wirklich läuft, bevor sie abbrechen soll.
        await workflow.execute_activity(release, Order("N-1"), start_to_close_timeout=LIMIT)
        desk = workflow.get_external_workflow_handle(f"{workflow.info().workflow_id}-tisch")
        await desk.signal("decide", "Zentrale")
        for task in (watching, second, alarm):
            task.cancel()
        await asyncio.gather(watching, second, alarm, return_exceptions=True)
        other = workflow.get_external_workflow_handle("gibt-es-nicht")
        try:
            await other.cancel()
        except ApplicationError:
            workflow.logger.info("Diesen Workflow gibt es nicht.")


WORKFLOWS = [Fulfilment, Letter, Desk, Shelf, Hub, Mailing]
ACTIVITIES: list[Callable[..., Any]] = [reserve, charge, ship, release, notify, watch]
