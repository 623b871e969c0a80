"""Zwei Workflows: der Auftrag, der vom Schalter nichts weiß, und der Schalter."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from kapitel07.circuit_breaker.activities import OrderActivities
    from kapitel07.circuit_breaker.breaker import Answer, Breaker, Report
    from kapitel07.circuit_breaker.models import ShipOrder, Shipped

OPEN = "Offen"


@workflow.defn
class OrderWorkflow:
    """Meldet das Paket an und bestätigt den Versand.

    Endet COMPLETED, wenn der Versanddienst das Paket angenommen hat; FAILED, wenn er es
    ablehnt oder sich bis zur Frist nicht erholt; CANCELED nach einem Abbruch.
    """

    # --8<-- [start:order]
    @workflow.run
    async def run(self, placed: ShipOrder) -> Shipped:
        """Wartet geduldig; ob der Schalter offen ist, sieht der Workflow nicht."""
        patience = placed.patience
        parcel = await workflow.execute_activity_method(
            OrderActivities.register_parcel,
            placed.order,
            task_queue=patience.carrier_queue,
            start_to_close_timeout=timedelta(seconds=patience.call_timeout),
            schedule_to_close_timeout=patience.deadline,  # (!)
            retry_policy=RetryPolicy(
                initial_interval=timedelta(seconds=patience.first_pause),
                maximum_interval=timedelta(seconds=patience.longest_pause),
                maximum_attempts=patience.attempts,
            ),
        )
        # --8<-- [end:order]
        confirmation = await workflow.execute_activity_method(
            OrderActivities.send_confirmation,
            placed.order,
            start_to_close_timeout=timedelta(seconds=patience.call_timeout),
        )
        return Shipped(parcel, confirmation)


# --8<-- [start:entity]
@workflow.defn
class BreakerWorkflow:
    """Ein Schalter für alle Worker; er lebt länger als jeder von ihnen."""

    @workflow.init
    def __init__(self, breaker: Breaker) -> None:
        """Beginnt neu oder dort, wo die vorige Event History endete."""
        self._breaker = breaker

    @workflow.update
    def ask(self) -> Answer:
        """Erlaubt einen Aufruf."""
        return self._breaker.ask(workflow.now().timestamp())

    @ask.validator
    def _refuse(self) -> None:
        if wait := self._breaker.refusal(workflow.now().timestamp()):
            # Ein abgelehntes Update steht nicht in der Event History.
            raise ApplicationError("Der Schalter ist offen.", wait, type=OPEN)  # (!)

    @workflow.update
    def report(self, report: Report) -> None:
        """Nimmt entgegen, wie ein erlaubter Aufruf ausging."""
        self._breaker.report(report, workflow.now().timestamp())
        workflow.set_current_details(f"Der Schalter ist {self._breaker.state}.")

    # --8<-- [end:entity]

    @workflow.query
    def status(self) -> Breaker:
        """Der ganze Zustand."""
        return self._breaker

    # --8<-- [start:continue]
    @workflow.run
    async def run(self, breaker: Breaker) -> None:
        """Läuft ohne Ende; der Zustand zieht in jede neue Event History mit um."""
        await workflow.wait_condition(self._history_is_full)
        await workflow.wait_condition(workflow.all_handlers_finished)
        workflow.continue_as_new(self._breaker)

    def _history_is_full(self) -> bool:
        info = workflow.info()
        limit = self._breaker.settings.events_per_run
        full = info.get_current_history_length() >= limit
        return full or info.is_continue_as_new_suggested()

    # --8<-- [end:continue]
