"""Ein Workflow rechnet zu lange am Stück."""

from datetime import timedelta

from temporalio import activity, workflow

with workflow.unsafe.imports_passed_through():
    from fehlerlexikon.tour import shortest_tour


@workflow.defn(name="PlanTour")
class Wrong:
    """Rechnet im Workflow."""

    # --8<-- [start:falsch]
    @workflow.run
    async def run(self, stops: int) -> int:
        """Gibt die Länge der Tour in Kilometern zurück."""
        return shortest_tour(stops)  # (!)

    # --8<-- [end:falsch]


# --8<-- [start:richtig]
@activity.defn
def plan_tour(stops: int) -> int:
    """Rechnet in einem Thread des Workers; ändert nichts."""
    return shortest_tour(stops)


@workflow.defn(name="PlanTour")
class Right:
    """Lässt rechnen."""

    @workflow.run
    async def run(self, stops: int) -> int:
        """Gibt die Länge der Tour in Kilometern zurück."""
        return await workflow.execute_activity(
            plan_tour,  # (!)
            stops,
            start_to_close_timeout=timedelta(minutes=5),
        )


# --8<-- [end:richtig]
