"""Die Auswahl nach Namen: Welche Activity ein Land beliefert, steht in Daten."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from kapitel02.activity_auswahl.activities import Carriers, Parcel, Receipt

STEP_TIMEOUT = timedelta(seconds=5)


@workflow.defn
class ShipByName:
    """Der Name der Activity kommt aus einer Tabelle, nicht aus dem Code."""

    # --8<-- [start:workflow]
    @workflow.run
    async def run(self, parcel: Parcel) -> str:
        routes = await workflow.execute_activity_method(
            Carriers.load_routes,
            start_to_close_timeout=STEP_TIMEOUT,
        )
        name = routes.by_country.get(parcel.country, f"book_{parcel.country.lower()}")
        receipt: Receipt = await workflow.execute_activity(
            name,  # (1)
            parcel,
            result_type=Receipt,  # (2)
            start_to_close_timeout=STEP_TIMEOUT,
            retry_policy=RetryPolicy(
                non_retryable_error_types=["NotFoundError"]
            ),  # (3)
        )
        return f"{receipt.carrier}, Nummer {receipt.number}"

    # --8<-- [end:workflow]
