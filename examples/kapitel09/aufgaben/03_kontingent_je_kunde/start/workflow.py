"""Das Kontingent eines Kunden."""

from temporalio import workflow


@workflow.defn
class QuotaWorkflow:
    """Vergibt Uhrzeiten: drei in 60 s, zehn in 24 Stunden."""

    @workflow.update
    def permit(self, request_id: str) -> float:
        """Die früheste erlaubte Uhrzeit; dieselbe Frage bekommt dieselbe Antwort."""
        # Lücke: Bisher darf jeder sofort.
        return workflow.time()

    @workflow.run
    async def run(self) -> None:
        """Läuft ohne Ende."""
        await workflow.wait_condition(lambda: False)
