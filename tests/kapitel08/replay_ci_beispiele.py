"""Ein Workflow, der Payloads in vielen Ecken seiner Event History hinterlässt."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.exceptions import ActivityError, ApplicationError, FailureError


@dataclass(frozen=True)
class Person:
    """Eine Eingabe ohne ein Feld, das bleiben dürfte."""

    name: str
    born: str
    size: float
    notes: dict[str, str]


@activity.defn
async def greet(person: Person) -> str:
    """Ein Ergebnis mit einem Namen."""
    return f"Moin, {person.name}!"


@activity.defn
async def refuse(person: Person) -> None:
    """Eine Fehlermeldung mit einem Namen, auch in den Einzelheiten."""
    raise ApplicationError(f"{person.name} gibt es nicht", person.name, type="Unbekannt", non_retryable=True)


@workflow.defn
class CornersWorkflow:
    """Payloads in vielen Ecken: lokale Activity, Patch, Fehler, Memo, Update, Timer."""

    def __init__(self) -> None:
        self._told = ""

    @workflow.run
    async def run(self, person: Person) -> str:
        limit = timedelta(seconds=10)
        await workflow.execute_local_activity(
            greet, person, start_to_close_timeout=limit, summary=f"Gruß an {person.name}"
        )
        with suppress(FailureError):
            await workflow.execute_local_activity(refuse, person, start_to_close_timeout=limit)
        if workflow.patched("gruss"):
            await workflow.execute_activity(greet, person, start_to_close_timeout=limit)
        try:
            await workflow.execute_activity(refuse, person, start_to_close_timeout=limit)
        except ActivityError as error:
            if isinstance(error.cause, ApplicationError) and error.cause.type == "Unbekannt":
                workflow.upsert_memo({"name": person.name})
        await workflow.wait_condition(lambda: self._told != "")
        await workflow.sleep(timedelta(seconds=1), summary=f"für {person.name}")
        return self._told

    @workflow.update
    async def tell(self, name: str) -> str:
        """Ein Update mit einem Namen."""
        self._told = name
        return name
