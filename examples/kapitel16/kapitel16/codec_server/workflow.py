"""Die Erstattung: Ein Mensch entscheidet, dann fließt Geld."""

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from kapitel16.codec_server.activities import RefundActivities
    from kapitel16.codec_server.models import Decision, Outcome, Refund


@workflow.defn
class RefundWorkflow:
    """Wartet auf die Entscheidung und überweist dann.

    Endet COMPLETED nach der Überweisung oder einer Ablehnung; FAILED, wenn die Bank die
    Überweisung nicht ausführt.
    """

    def __init__(self) -> None:
        """Beginnt ohne Entscheidung."""
        self._decision: Decision | None = None

    @workflow.signal
    def decide(self, decision: Decision) -> None:
        """Nimmt die Entscheidung an; die erste gilt."""
        self._decision = self._decision or decision

    # --8<-- [start:run]
    @workflow.run
    async def run(self, refund: Refund) -> Outcome:
        """Von Schlüsseln und Codecs steht hier nichts."""
        await workflow.wait_condition(lambda: self._decision is not None)
        assert self._decision is not None
        if not self._decision.approved:
            return Outcome("", self._decision.note)
        transfer = await workflow.execute_activity_method(
            RefundActivities.transfer,
            refund,
            start_to_close_timeout=timedelta(seconds=20),
        )
        return Outcome(transfer, self._decision.note)

    # --8<-- [end:run]
