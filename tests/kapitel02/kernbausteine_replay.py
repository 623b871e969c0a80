"""Determinismus und Replay: Code, der zu einer History passt, und Code, der nicht passt."""

import asyncio
from datetime import timedelta

from temporalio import activity, workflow

with workflow.unsafe.imports_passed_through():
    from kernbausteine_protokoll import ALTERNATING, note

TEN_SECONDS = timedelta(seconds=10)
COUNTER: list[str] = []


@activity.defn
async def step(name: str) -> str:
    """Ein Schritt, der nur seinen Namen aufschreibt."""
    note(activity.info().workflow_id or "", name)
    return name


@workflow.defn
class StepsWorkflow:
    """So viele Schritte nacheinander, wie verlangt."""

    @workflow.run
    async def run(self, steps: int) -> None:
        """Schreibt auf, wie oft der Code von vorn läuft."""
        note(f"Beginn {workflow.info().workflow_id}", steps)
        for number in range(steps):
            await workflow.execute_activity(step, str(number), start_to_close_timeout=TEN_SECONDS)


# --8<-- [start:module-state]
@workflow.defn
class ModuleStateWorkflow:
    """Zählt in einer Variablen des Moduls."""

    @workflow.run
    async def run(self) -> int:
        """Gibt zurück, der wievielte Eintrag es war."""
        COUNTER.append(workflow.info().workflow_id)
        return len(COUNTER)


# --8<-- [end:module-state]


# --8<-- [start:hidden]
@workflow.defn
class HiddenWorkflow:
    """Holt die Reihenfolge aus einem Modul, das die Sandbox durchreicht."""

    @workflow.run
    async def run(self) -> None:
        """Beim nächsten Aufruf liefert das Modul die andere Reihenfolge."""
        ALTERNATING.reverse()
        for name in ALTERNATING[0]:  # (!)
            if name == "warten":
                await workflow.sleep(TEN_SECONDS)
            else:
                await workflow.execute_activity(
                    step,
                    name,
                    start_to_close_timeout=TEN_SECONDS,
                )


# --8<-- [end:hidden]


@workflow.defn
class TimersWorkflow:
    """Stellt viele Timer auf einmal: je Timer zwei Events."""

    @workflow.run
    async def run(self, timers: int) -> tuple[int, bool]:
        """Gibt die Länge der History zurück und ob Temporal ein Continue-As-New empfiehlt."""
        await asyncio.gather(*(workflow.sleep(TEN_SECONDS) for _ in range(timers)))
        info = workflow.info()
        return info.get_current_history_length(), info.is_continue_as_new_suggested()


@workflow.defn
class FanOutWorkflow:
    """Plant viele Activities auf einmal."""

    @workflow.run
    async def run(self, activities: int) -> None:
        """Auf der Task Queue „niemand“ bleiben sie alle offen."""
        await asyncio.gather(
            *(
                workflow.execute_activity(
                    step,
                    str(number),
                    task_queue="niemand",
                    start_to_close_timeout=TEN_SECONDS,
                )
                for number in range(activities)
            )
        )
