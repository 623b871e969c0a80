"""Der Workflow: erstatten, abholen lassen, Punkte abziehen."""

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from kapitel02.idempotenz_schluessel.activities import (
        PickupRequest,
        RefundRequest,
        ReturnCase,
        ReturnSteps,
        Settlement,
    )

STEP_TIMEOUT = timedelta(seconds=2)


# --8<-- [start:workflow]
@workflow.defn
class SettleReturn:
    """Bildet jeden Schlüssel, bevor die Activity zum ersten Mal läuft."""

    @workflow.run
    async def run(self, case: ReturnCase) -> Settlement:
        refund = RefundRequest(
            f"{case.return_id}/erstattung",  # (!)
            case.return_id,
            case.cents,
        )
        pickup = PickupRequest(f"{case.return_id}/abholung", case.return_id)  # (!)
        step = workflow.ActivityConfig(start_to_close_timeout=STEP_TIMEOUT)
        call = workflow.execute_activity_method
        refunded = await call(ReturnSteps.refund_payment, refund, **step)
        ordered = await call(ReturnSteps.order_pickup, pickup, **step)
        await call(ReturnSteps.deduct_points, case, **step)
        return Settlement(refunded, ordered)


# --8<-- [end:workflow]
