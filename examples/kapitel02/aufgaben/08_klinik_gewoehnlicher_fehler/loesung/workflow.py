"""Eine Retoure: annehmen, prüfen, erstatten."""

from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    import dienste
    from dienste import Return

STEP: dict[str, Any] = {"start_to_close_timeout": timedelta(seconds=10)}
POSTAGE = {"DE": 490, "DK": 790, "AT": 1290}
"""Was die Rücksendung aus einem Land kostet, in Cent."""


@workflow.defn
class HandleReturn:
    """Erstattet den gezahlten Betrag abzüglich der Rücksendung."""

    @workflow.run
    async def run(self, parcel: Return) -> int:
        await workflow.execute_activity(dienste.receive_parcel, parcel.order_id, **STEP)
        if parcel.days > 30:
            late = parcel.days - 30
            raise ApplicationError(
                f"{parcel.order_id} kommt {late} Tage zu spät.", type="FristVorbei"
            )
        cents = parcel.paid_cents - POSTAGE[parcel.country]
        await workflow.execute_activity(
            dienste.refund, args=[parcel.order_id, cents], **STEP
        )
        return cents
