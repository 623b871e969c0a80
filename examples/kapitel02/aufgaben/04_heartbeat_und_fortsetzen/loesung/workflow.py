"""Der Workflow: ein Import, eine lange Activity."""

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities import PriceImport


@workflow.defn
class ImportPrices:
    """Importiert die Preisliste; gibt die erste Zeile des letzten Versuchs zurück."""

    @workflow.run
    async def run(self, last_row: int) -> int:
        return await workflow.execute_activity_method(
            PriceImport.import_rows,
            last_row,
            start_to_close_timeout=timedelta(hours=2),
            heartbeat_timeout=timedelta(seconds=20),
        )
