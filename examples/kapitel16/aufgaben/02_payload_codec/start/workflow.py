"""Der Workflow, dessen Inhalte niemand lesen soll. Diese Datei ist vorgegeben."""

from temporalio import workflow


@workflow.defn
class RefundWorkflow:
    """Merkt eine Erstattung vor und nennt ihren Verwendungszweck."""

    @workflow.run
    async def run(self, holder: str, iban: str) -> str:
        return f"Erstattung an {holder}, {iban}"
