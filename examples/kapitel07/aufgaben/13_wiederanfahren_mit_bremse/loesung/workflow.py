"""Die Wiederholung aller geparkten Briefe, gebremst."""

from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    import tabelle

STEP: dict[str, Any] = {"start_to_close_timeout": timedelta(seconds=10)}
DONE, PARKED = "erledigt", "geparkt"


@workflow.defn
class RedriveWorkflow:
    """Fährt jeden geparkten Brief genau einmal wieder an."""

    @workflow.run
    async def run(self, order: tabelle.Redrive) -> tabelle.Report:
        numbers = await workflow.execute_activity(tabelle.parked_letters, **STEP)
        states: list[str] = []
        free = order.per_minute
        for number in numbers:
            if free == 0:
                await workflow.sleep(timedelta(minutes=1))
                free = order.per_minute
            if await self._claim(number, order.operator):
                free -= 1
                states.append(await self._redrive(number))
        return tabelle.Report(states.count(DONE), states.count(PARKED))

    async def _claim(self, number: str, operator: str) -> bool:
        claim = tabelle.Claim(number, workflow.info().workflow_id, operator)
        return await workflow.execute_activity(tabelle.claim, claim, **STEP)

    async def _redrive(self, number: str) -> str:
        booking = tabelle.Booking(number, key=number)
        try:
            detail = await workflow.execute_activity(
                tabelle.book_return, booking, **STEP
            )
            state = DONE
        except ActivityError as error:
            state, detail = PARKED, str(error.cause)
        outcome = tabelle.Outcome(number, workflow.info().workflow_id, state, detail)
        await workflow.execute_activity(tabelle.settle, outcome, **STEP)
        return state
