"""Die Erstattung, die auf ihre Freigabe wartet. Diese Datei ist vorgegeben."""

from temporalio import workflow


@workflow.defn
class RefundWorkflow:
    """Wartet auf die Freigabe und nennt dann beide Namen."""

    def __init__(self) -> None:
        self._clerk = ""

    @workflow.signal
    def approve(self, clerk: str) -> None:
        """Gibt die Erstattung frei."""
        self._clerk = clerk

    @workflow.run
    async def run(self, holder: str) -> str:
        await workflow.wait_condition(lambda: self._clerk != "")
        return f"{holder}, freigegeben von {self._clerk}"
