"""Der Workflow: vier Schritte, der Punkt ohne Wiederkehr, die Bestätigung."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import FailureError

with workflow.unsafe.imports_passed_through():
    from kapitel07.saga.activities import OrderActivities
    from kapitel07.saga.compensation import Saga, finish_despite_cancel
    from kapitel07.saga.models import (
        CompensationView,
        OpenCase,
        OrderResult,
        PlaceOrder,
        Receipt,
        Retry,
        SagaView,
        Skip,
        StepRequest,
    )

Action = Callable[[OrderActivities, StepRequest], Receipt]
Undo = Callable[[OrderActivities, StepRequest], None]


@workflow.defn
class OrderWorkflow:
    """Bucht einen Auftrag bei vier fremden Diensten – bei allen oder bei keinem.

    Endet COMPLETED, wenn der Auftrag gilt; FAILED mit dem Fehler des Schritts, an dem
    er scheiterte; CANCELED nach einem Abbruch. In beiden letzten Fällen ist vorher
    alles zurückgenommen. Ein Abbruch nach dem letzten Schritt kommt zu spät: Der
    Auftrag gilt, die Bestätigung geht hinaus, der Status ist COMPLETED.
    """

    @workflow.init
    def __init__(self, placed: PlaceOrder) -> None:
        """Der Zustand steht, bevor die erste Query oder das erste Update eintrifft."""
        self._order = placed.order
        self._options = placed.options
        self._saga = Saga(
            parallel=placed.options.parallel,
            first_pause=timedelta(seconds=placed.options.undo_pause),
        )

    # --8<-- [start:run]
    @workflow.run
    async def run(self, placed: PlaceOrder) -> OrderResult:
        """Bucht und bestätigt den Auftrag; misslingt das, rollt der Lauf zurück."""
        try:
            references = await self._book()
        except (FailureError, asyncio.CancelledError) as error:  # (1)
            cancelled = workflow.cancellation_reason() is not None
            await finish_despite_cancel(self._roll_back())  # (!)
            if cancelled:  # (2)
                raise asyncio.CancelledError from error
            raise  # (3)
        # Ab hier gibt es kein Zurück: Was jetzt noch schiefgeht, wird wiederholt.
        mail = await finish_despite_cancel(self._confirm())  # (4)
        cancel_came_too_late = workflow.cancellation_reason() is not None
        return OrderResult(*references, mail, cancel_came_too_late)

    # --8<-- [end:run]

    # --8<-- [start:steps]
    async def _book(self) -> tuple[str, str, str, str]:
        """Die vier Schritte, jeder mit seiner Kompensation."""
        do = OrderActivities
        return (
            await self._step("lager", do.reserve_stock, do.release_stock),
            await self._step("zahlung", do.charge_payment, do.refund_payment),
            await self._step(
                "versand", do.register_parcel, do.cancel_parcel, heartbeat=True
            ),
            await self._step("rechnung", do.write_invoice, do.cancel_invoice),
        )

    # --8<-- [end:steps]

    # --8<-- [start:step]
    async def _step(
        self, step: str, action: Action, undo: Undo, *, heartbeat: bool = False
    ) -> str:
        """Merkt die Kompensation vor; erst dann folgt der Schritt."""
        request = StepRequest(self._key(step), self._order)
        self._saga.register(step, lambda: self._undo(undo, request))  # (!)
        receipt = await workflow.execute_activity_method(
            action, request, **self._forward(heartbeat)
        )
        if workflow.cancellation_reason() is not None:
            # Die Activity wurde trotz Abbruch fertig; sonst liefe der Workflow weiter.
            raise asyncio.CancelledError
        return receipt.reference

    # --8<-- [end:step]

    # --8<-- [start:key]
    def _key(self, step: str) -> str:
        """Der Idempotenzschlüssel: gleich für jeden Versuch und jeden Reset.

        Er enthält die Workflow-ID, nicht die Run-ID. Ein Reset, ein Workflow-Retry und
        ein zweiter Start unter derselben ID bekommen eine neue Run-ID; mit ihr würde
        der Dienst ein zweites Mal buchen. Die Kehrseite ist erwünscht: Ein
        zurückgerollter Auftrag lässt sich nicht wiederbeleben, ein neuer Anlauf braucht
        eine neue Auftragsnummer.
        """
        return f"{workflow.info().workflow_id}/{step}"  # (!)

    # --8<-- [end:key]

    # --8<-- [start:forward]
    def _forward(self, heartbeat: bool) -> workflow.ActivityConfig:
        """Vorwärts mit Grenzen: Unbegrenzte Retries kämen nie zur Kompensation.

        Begrenzt ist die Zahl der Versuche, nicht die Zeit
        (`schedule_to_close_timeout`). Eine Frist liefe auch ab, während kein Worker
        läuft; nach einem langen Ausfall wären alle Aufträge gescheitert.
        """
        options = self._options
        config = workflow.ActivityConfig(
            start_to_close_timeout=timedelta(seconds=options.step_timeout),
            retry_policy=RetryPolicy(maximum_attempts=options.step_attempts),  # (!)
            # Erst abwarten, wie die laufende Activity ausgeht, dann kompensieren.
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )
        if heartbeat:
            config["start_to_close_timeout"] = timedelta(seconds=options.label_timeout)
            config["heartbeat_timeout"] = timedelta(seconds=options.heartbeat_timeout)
        return config

    # --8<-- [end:forward]

    # --8<-- [start:undo]
    async def _undo(self, undo: Undo, request: StepRequest) -> None:
        """Eine Runde der Kompensation; die Runden zählt `Saga`."""
        await workflow.execute_activity_method(
            undo,
            request,
            start_to_close_timeout=timedelta(seconds=self._options.step_timeout),
            retry_policy=RetryPolicy(maximum_attempts=self._options.undo_attempts),
        )

    # --8<-- [end:undo]

    # --8<-- [start:roll-back]
    async def _roll_back(self) -> None:
        """Kompensiert und wartet auf Eingriffe, die noch laufen."""
        await self._saga.compensate()
        await workflow.wait_condition(workflow.all_handlers_finished)

    # --8<-- [end:roll-back]

    # --8<-- [start:confirm]
    async def _confirm(self) -> str:
        """Versucht es ohne Ende; der Schlüssel sorgt für genau eine Mail."""
        request = StepRequest(self._key("mail"), self._order)
        receipt = await workflow.execute_activity_method(
            OrderActivities.send_confirmation, request, **self._unlimited()
        )
        return receipt.reference

    def _unlimited(self) -> workflow.ActivityConfig:
        return workflow.ActivityConfig(
            start_to_close_timeout=timedelta(seconds=self._options.step_timeout),
            retry_policy=RetryPolicy(maximum_interval=timedelta(minutes=10)),
        )

    # --8<-- [end:confirm]

    # --8<-- [start:updates]
    @workflow.update
    async def retry_compensation(self, decision: Retry) -> CompensationView:
        """Versucht es sofort noch einmal und meldet, wie das ausging."""
        return await self._saga.decide(decision)

    @retry_compensation.validator
    def _check_retry(self, decision: Retry) -> None:
        self._saga.check_decision(decision)

    @workflow.update
    async def skip_compensation(self, decision: Skip) -> CompensationView:
        """Lässt die Kompensation aus und verbucht, was stehen bleibt, als Klärfall."""
        outcome = await self._saga.decide(decision)
        key = self._key(f"klaerfall-{decision.step}")
        case = OpenCase(key, self._order.number, decision)
        await workflow.execute_activity_method(
            OrderActivities.open_case, case, **self._unlimited()
        )
        return outcome

    @skip_compensation.validator
    def _check_skip(self, decision: Skip) -> None:
        self._saga.check_decision(decision)

    # --8<-- [end:updates]

    @workflow.query
    def progress(self) -> SagaView:
        """Wo die Saga steht und welche Kompensation worauf wartet."""
        return self._saga.view()
