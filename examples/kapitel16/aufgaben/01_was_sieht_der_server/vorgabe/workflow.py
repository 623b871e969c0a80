"""Die Erstattung, deren Spuren die Übung sucht."""

from datetime import timedelta

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError


@activity.defn
async def transfer_money(iban: str) -> None:
    """Das Konto ist gesperrt."""
    raise ApplicationError("Das Konto von Jörg Weiß ist gesperrt", type="KontoGesperrt")


@workflow.defn
class RefundWorkflow:
    """Wartet auf die Freigabe und überweist."""

    def __init__(self) -> None:
        self._clerk = ""

    @workflow.signal
    def approve(self, clerk: str) -> None:
        """Gibt die Erstattung frei."""
        self._clerk = clerk

    @workflow.run
    async def run(self, iban: str, note: str) -> str:
        await workflow.wait_condition(lambda: self._clerk != "")
        try:
            await workflow.execute_activity(
                transfer_money,
                iban,
                start_to_close_timeout=timedelta(seconds=10),
                retry_policy=RetryPolicy(maximum_attempts=1),
            )
        except ActivityError:
            return "nicht überwiesen"
        return "überwiesen"
