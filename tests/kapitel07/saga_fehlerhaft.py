"""Ein Programmfehler im Workflow: nach dem letzten Schritt ein `KeyError`."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from kapitel07.saga.models import OrderResult, PlaceOrder
    from kapitel07.saga.workflow import OrderWorkflow


@workflow.defn
class BuggyOrderWorkflow(OrderWorkflow):
    """Bucht alles und stolpert dann."""

    @workflow.init
    def __init__(self, placed: PlaceOrder) -> None:
        super().__init__(placed)

    @workflow.run
    async def run(self, placed: PlaceOrder) -> OrderResult:
        return await super().run(placed)

    async def _book(self) -> tuple[str, str, str, str]:
        await super()._book()
        raise KeyError("Programmfehler")
