"""Der Interceptor: fragt vor jedem Aufruf den Schalter und meldet, wie er ausging.

Er kennt zwei Schalter: `ProcessBreaker` gehört einem Worker, `SharedBreaker` allen.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any, Protocol

from temporalio import activity
from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.service import RPCError
from temporalio.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    Interceptor,
)

from kapitel07.circuit_breaker.activities import TECHNICAL
from kapitel07.circuit_breaker.breaker import (
    Answer,
    Breaker,
    BreakerSettings,
    Permit,
    Report,
)
from kapitel07.circuit_breaker.workflow import OPEN, BreakerWorkflow

CIRCUIT_OPEN = "SchalterOffen"
UNASKED = Permit(0, -1, report_success=False)
"""Erlaubnis ohne Schalter; was ihr Aufruf meldet, gehört zu keiner Phase."""
ASKS_AT_ONCE = 3
"""Ein Workflow nimmt höchstens zehn Updates zugleich an, von allen Workern zusammen."""
NO_ANSWER = (RPCError, WorkflowUpdateRPCTimeoutOrCancelledError)
UNREACHABLE = (*NO_ANSWER, WorkflowUpdateFailedError)

Clock = Callable[[], float]
log = logging.getLogger("nordlicht.schalter")


class Guard(Protocol):
    """Was der Interceptor von einem Schalter braucht."""

    async def ask(self) -> Answer:
        """Darf jetzt ein Aufruf hinaus?"""

    async def report(self, report: Report) -> None:
        """Wie der Aufruf ausging."""


# --8<-- [start:process]
class ProcessBreaker:
    """Form a: der Zustand liegt im Speicher dieses Workers."""

    def __init__(self, settings: BreakerSettings, clock: Clock = time.monotonic):
        self._breaker = Breaker(settings)
        self._clock = clock

    async def ask(self) -> Answer:
        """Fragt den eigenen Schalter."""
        return self._breaker.ask(self._clock())

    async def report(self, report: Report) -> None:
        """Meldet dem eigenen Schalter."""
        self._breaker.report(report, self._clock())

    # --8<-- [end:process]


class SharedBreaker:
    """Form b: der Zustand liegt in einem Workflow, den alle Worker fragen."""

    def __init__(
        self,
        client: Client,
        breaker_id: str,
        task_queue: str,
        settings: BreakerSettings,
        *,
        clock: Clock = time.monotonic,
        patience: timedelta = timedelta(seconds=5),
    ) -> None:
        """`patience` begrenzt, wie lange der Worker auf eine Antwort wartet."""
        self._client = client
        self._id = breaker_id
        self._task_queue = task_queue
        self._settings = settings
        self._clock = clock
        self._patience = patience
        self._slots = asyncio.Semaphore(ASKS_AT_ONCE)
        self._heard_open = False
        self._closed_until = 0.0

    # --8<-- [start:shared-ask]
    async def ask(self) -> Answer:
        """Fragt den Workflow, außer der Worker weiß die Antwort noch."""
        async with self._slots:
            if (wait := self._closed_until - self._clock()) > 0:
                return Answer(None, wait)
            try:
                answer = await self._update()
            except UNREACHABLE as error:
                return self._unreachable(error)
            self._heard_open = answer.permit is None
            self._closed_until = self._clock() + answer.wait
            return answer

    # --8<-- [end:shared-ask]

    # --8<-- [start:update]
    async def _update(self) -> Answer:
        start = WithStartWorkflowOperation(
            BreakerWorkflow.run,
            Breaker(self._settings),
            id=self._id,
            task_queue=self._task_queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        )
        try:
            return await self._client.execute_update_with_start_workflow(
                BreakerWorkflow.ask,
                start_workflow_operation=start,
                rpc_timeout=self._patience,
            )
        # --8<-- [end:update]
        except WorkflowUpdateFailedError as error:
            cause = error.cause
            if isinstance(cause, ApplicationError) and cause.type == OPEN:
                return Answer(None, float(cause.details[0]))
            raise
        except NO_ANSWER:
            # Der Start ist mitgescheitert; sonst beschwert sich asyncio über einen
            # Fehler, den niemand abholt.
            with suppress(TimeoutError, *NO_ANSWER):
                await asyncio.wait_for(start.workflow_handle(), 1)
            raise

    # --8<-- [start:unreachable]
    def _unreachable(self, error: Exception) -> Answer:
        """Ohne Antwort gilt, was der Worker zuletzt gehört hat."""
        log.warning("Der Schalter „%s“ antwortet nicht: %s", self._id, error)
        if self._heard_open:
            return Answer(None, self._settings.probe_pause)
        return Answer(UNASKED)

    # --8<-- [end:unreachable]

    async def report(self, report: Report) -> None:
        """Meldet dem Workflow; eine verlorene Meldung ändert nichts am Ergebnis."""
        handle = self._client.get_workflow_handle(self._id)
        try:
            async with self._slots:
                # Dieselbe Update-ID: Eine doppelte Zustellung zählt einmal.
                await handle.execute_update(
                    BreakerWorkflow.report,
                    report,
                    id=f"meldung-{report.permit.number}",
                    rpc_timeout=self._patience,
                )
        except UNREACHABLE as error:
            log.warning("Der Schalter „%s“ nimmt keine Meldung an: %s", self._id, error)


class BreakerInterceptor(Interceptor):
    """Stellt den Schalter vor die Activities der genannten Typen."""

    def __init__(self, guard: Guard, types: frozenset[str], spread: float = 0.0):
        """`spread`: Um bis zu so viele Sekunden streut die Wartezeit nach oben."""
        self._guard = guard
        self._types = types
        self._spread = spread

    def intercept_activity(
        self, next: ActivityInboundInterceptor
    ) -> ActivityInboundInterceptor:
        """Umhüllt jede Activity des Workers."""
        return _Guarded(next, self._guard, self._types, self._spread)


class _Guarded(ActivityInboundInterceptor):
    def __init__(
        self,
        next: ActivityInboundInterceptor,
        guard: Guard,
        types: frozenset[str],
        spread: float,
    ) -> None:
        super().__init__(next)
        self._guard = guard
        self._types = types
        self._spread = spread

    # --8<-- [start:execute]
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        """Fragen, aufrufen, melden."""
        if activity.info().activity_type not in self._types:
            return await self.next.execute_activity(input)
        answer = await self._guard.ask()
        if answer.permit is None:
            raise self._open(answer.wait)  # (!)
        try:
            result = await self.next.execute_activity(input)
        except ApplicationError as error:
            await self._report(answer.permit, answered=error.type not in TECHNICAL)
            raise
        await self._report(answer.permit, answered=True)
        return result

    async def _report(self, permit: Permit, *, answered: bool) -> None:
        if permit is UNASKED or (answered and not permit.report_success):
            return
        await self._guard.report(Report(permit, answered))

    # --8<-- [end:execute]

    # --8<-- [start:open]
    def _open(self, wait: float) -> ApplicationError:
        """Kein Fehler des Auftrags: nur „jetzt nicht, frag in `wait` Sekunden“."""
        pause = wait + random.uniform(0, self._spread)
        return ApplicationError(
            "Der Schalter ist offen, der Dienst wird nicht angerufen.",
            type=CIRCUIT_OPEN,
            next_retry_delay=timedelta(seconds=pause),
            category=ApplicationErrorCategory.BENIGN,
        )

    # --8<-- [end:open]
