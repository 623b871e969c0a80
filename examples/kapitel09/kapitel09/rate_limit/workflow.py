"""Zwei Workflows: die Etiketten eines Händlers und das Kontingent."""

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.common import Priority, RetryPolicy
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    is_cancelled_exception,
)

with workflow.unsafe.imports_passed_through():
    from kapitel09.rate_limit.activities import (
        BOOKED_OUT,
        EXPIRED,
        LabelActivities,
        PermitActivities,
    )
    from kapitel09.rate_limit.models import (
        LabelCall,
        LabelOrder,
        PermitRequest,
        PrintLabels,
        Route,
    )
    from kapitel09.rate_limit.quota import Permit, PermitBook, Quota


def quota_id(order: LabelOrder) -> str:
    """Die Workflow-ID des Kontingents eines Händlers."""
    return f"kontingent-{order.customer}"


@workflow.defn
class LabelWorkflow:
    """Druckt die Etiketten eines Händlers, alle nebeneinander.

    Endet COMPLETED, wenn jedes gedruckt ist; FAILED, wenn eines bis zur Frist nicht zu
    bekommen war; CANCELED nach einem Abbruch.
    """

    @workflow.run
    async def run(self, placed: PrintLabels) -> list[str]:
        """Stellt alle Anfragen; wann sie hinausgehen, entscheidet das Limit."""
        printed = (self._print(order, placed.route) for order in placed.orders)
        return list(await asyncio.gather(*printed))

    async def _print(self, order: LabelOrder, route: Route) -> str:
        if route.quota is None:
            return await self._call(LabelCall(order), route)
        return await self._metered(order, route, route.quota)

    # --8<-- [start:call]
    async def _call(self, call: LabelCall, route: Route) -> str:
        fair = Priority.default
        if route.weight:
            fair = Priority(
                fairness_key=call.order.customer,  # (!)
                fairness_weight=route.weight,
            )
        return await workflow.execute_activity_method(
            LabelActivities.print_label,
            call,
            task_queue=route.queue,  # (!)
            priority=fair,
            start_to_close_timeout=timedelta(seconds=route.call_timeout),
            schedule_to_close_timeout=route.deadline,
            retry_policy=RetryPolicy(
                initial_interval=timedelta(seconds=route.first_pause),
                # Eine Erlaubnis gilt für eine Anfrage, nicht für ihre Retries.
                maximum_attempts=1 if call.permit else route.attempts,
            ),
        )

    # --8<-- [end:call]

    # --8<-- [start:metered]
    async def _metered(self, order: LabelOrder, route: Route, quota: Quota) -> str:
        started = workflow.now()
        number = 0
        while True:
            number += 1
            permit = await self._permit(order, route, quota, number)
            if (early := permit.not_before - workflow.now()) > timedelta():
                await workflow.sleep(early)  # (!)
            try:
                return await self._call(LabelCall(order, permit), route)
            except ActivityError as error:
                waited = workflow.now() - started
                over = route.deadline is not None and waited > route.deadline
                if over or is_cancelled_exception(error):
                    raise
                await workflow.sleep(self._pause(error, route))

    # --8<-- [end:metered]

    async def _permit(
        self, order: LabelOrder, route: Route, quota: Quota, number: int
    ) -> Permit:
        """Jeder Versuch braucht seine eigene Erlaubnis und hat seine eigene ID."""
        request = PermitRequest(
            route.quota_id or quota_id(order), f"{order.number}-{number}", quota
        )
        return await workflow.execute_activity_method(
            PermitActivities.request_permit,
            request,
            start_to_close_timeout=timedelta(seconds=route.call_timeout),
            schedule_to_close_timeout=route.deadline,
        )

    def _pause(self, error: ActivityError, route: Route) -> timedelta:
        """Wann die nächste Frage lohnt: sofort, oder wenn der Anbieter es sagt."""
        cause = error.cause
        if isinstance(cause, ApplicationError):
            if cause.type == EXPIRED:
                return timedelta()
            if cause.next_retry_delay is not None:
                return cause.next_retry_delay
        return timedelta(seconds=route.first_pause)


# --8<-- [start:entity]
@workflow.defn
class QuotaWorkflow:
    """Das Kontingent eines Kunden beim Anbieter; es überlebt jeden Worker."""

    @workflow.init
    def __init__(self, book: PermitBook) -> None:
        """Beginnt leer oder dort, wo die vorige Event History endete."""
        self._book = book

    @workflow.update
    def grant(self, request_id: str) -> Permit:
        """Nennt einen Zeitpunkt; gewartet wird woanders."""
        return self._book.grant(request_id, workflow.now())

    @grant.validator
    def _refuse(self, request_id: str) -> None:
        if wait := self._book.wait(request_id, workflow.now()):
            # Ein abgelehntes Update steht nicht in der Event History.
            seconds = wait.total_seconds()
            raise ApplicationError("Ausgebucht.", seconds, type=BOOKED_OUT)  # (!)

    # --8<-- [end:entity]

    @workflow.query
    def status(self) -> PermitBook:
        """Der ganze Zustand."""
        return self._book

    # --8<-- [start:continue]
    @workflow.run
    async def run(self, book: PermitBook) -> None:
        """Läuft ohne Ende; der Zustand zieht in jede neue Event History mit um."""
        await workflow.wait_condition(self._history_is_full)
        await workflow.wait_condition(workflow.all_handlers_finished)
        workflow.continue_as_new(self._book)

    def _history_is_full(self) -> bool:
        info = workflow.info()
        limit = self._book.quota.events_per_run
        full = info.get_current_history_length() >= limit
        return full or info.is_continue_as_new_suggested()

    # --8<-- [end:continue]
