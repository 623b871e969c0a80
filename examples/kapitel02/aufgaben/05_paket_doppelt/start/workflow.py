"""Der Workflow: zwei Pakete je Auftrag. Diese Datei ist vorgegeben."""

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities import ParcelDesk


@workflow.defn
class ShipOrder:
    """Bestellt das Gerät und das Zubehör in getrennten Paketen."""

    @workflow.run
    async def run(self, order_id: str) -> list[str]:
        return [
            await workflow.execute_activity_method(
                ParcelDesk.order_parcel,
                args=[order_id, content],
                start_to_close_timeout=timedelta(seconds=10),
            )
            for content in ("Gerät", "Zubehör")
        ]
