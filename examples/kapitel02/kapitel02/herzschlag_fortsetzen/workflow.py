"""Der Workflow: ein Tagesabschluss, eine lange Activity."""

from datetime import timedelta

from temporalio import workflow
from temporalio.workflow import ActivityCancellationType

with workflow.unsafe.imports_passed_through():
    from kapitel02.herzschlag_fortsetzen.activities import DayEnd, ParcelSteps, Report


# --8<-- [start:workflow]
@workflow.defn
class CloseDay:
    """Überlässt das Fortsetzen dem Heartbeat; er selbst weiß davon nichts."""

    @workflow.run
    async def run(self, job: DayEnd) -> Report:
        return await workflow.execute_activity_method(
            ParcelSteps.announce_parcels,
            job,
            start_to_close_timeout=timedelta(hours=2),
            heartbeat_timeout=timedelta(seconds=job.heartbeat_seconds),  # (!)
            cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )


# --8<-- [end:workflow]
