"""Was die Tests des Musters `recht_auf_loeschung` gemeinsam haben."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

from temporalio import activity, workflow
from temporalio.api.history.v1 import History
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, ChildWorkflowError
from temporalio.worker import Worker

with workflow.unsafe.imports_passed_through():
    from dauerlauf.scenario import Stage
    from dauerlauf.timelapse import Timelapse
    from kapitel16.recht_auf_loeschung.scenarios import Office, open_shop

SECRET = "Wiebke Sörensen"
ONCE = RetryPolicy(maximum_attempts=1)
SOON = timedelta(seconds=20)


@dataclass
class Shop:
    """Eine Bühne mit Shop und laufendem Worker."""

    stage: Stage
    office: Office


def new_stage(timelapse: Timelapse, folder: Path) -> Stage:
    assert timelapse.server is not None
    return Stage(timelapse.client, timelapse, folder, timelapse.task_queue())


@asynccontextmanager
async def open_office(timelapse: Timelapse, folder: Path) -> AsyncIterator[Shop]:
    stage = new_stage(timelapse, folder)
    office = Office(stage)
    async with open_shop(stage):
        yield Shop(stage, office)


async def raw_history(client: Client, workflow_id: str, run_id: str | None = None) -> History:
    """Die History so, wie der Server sie speichert."""
    handle = client.get_workflow_handle(workflow_id, run_id=run_id)
    return History(events=(await handle.fetch_history()).events)


# --- Ein Workflow, der jede Art von Payload erzeugt -------------------------------------------------------------------


@activity.defn
async def beat_and_fail(text: str) -> str:
    """Schickt Heartbeat-Einzelheiten und scheitert mit Text und Einzelheiten."""
    activity.heartbeat(f"Heartbeat {text}")
    await asyncio.sleep(0)
    raise ApplicationError(f"Fehlertext {text}", f"Einzelheit {text}", type="Absicht")


@activity.defn
async def hang(text: str) -> str:
    """Schickt einen Heartbeat und wartet auf das Timeout."""
    activity.heartbeat(f"Heartbeat vor dem Timeout {text}")
    await asyncio.sleep(60)
    return text


@activity.defn
async def echo(text: str) -> str:
    """Gibt zurück, was es bekommt."""
    return f"Ergebnis {text}"


@workflow.defn
class EverythingChild:
    """Scheitert, wartet oder gelingt, je nach Eingabe."""

    def __init__(self) -> None:
        self._go = False

    @workflow.signal
    async def go(self, text: str) -> None:
        self._go = True

    @workflow.run
    async def run(self, text: str) -> str:
        await workflow.wait_condition(lambda: self._go or "wartet" not in text)
        if "scheitert" in text:
            raise ApplicationError(f"Kind {text}", f"Kind-Einzelheit {text}")
        return f"Kind {text}"


@workflow.defn
class EverythingWorkflow:
    """Erzeugt im ersten Lauf jede Art von Payload und macht mit Continue-As-New weiter."""

    def __init__(self) -> None:
        self._go = False
        self._text = ""

    @workflow.run
    async def run(self, text: str) -> str:
        if text.startswith("neuer Lauf"):
            return f"Ende {text}"
        return await self._first_run(text)

    async def _first_run(self, text: str) -> NoReturn:
        self._text = text
        workflow.upsert_memo({"nachgetragen": f"Memo {text}"})
        workflow.set_current_details(f"Stand {text}")
        await workflow.execute_activity(echo, text, start_to_close_timeout=SOON, summary=f"Zusammenfassung {text}")
        await workflow.execute_local_activity(echo, text, start_to_close_timeout=SOON)
        own = workflow.info().workflow_id
        for name, work in {
            "scheitert": workflow.start_activity(
                beat_and_fail, text, start_to_close_timeout=SOON, heartbeat_timeout=SOON, retry_policy=ONCE
            ),
            "haengt": workflow.start_activity(
                hang,
                text,
                start_to_close_timeout=timedelta(seconds=0.5),
                heartbeat_timeout=timedelta(seconds=0.4),
                retry_policy=ONCE,
            ),
        }.items():
            try:
                await work
            except ActivityError as error:
                self._text += f" {name}: {error.cause}"
        await workflow.execute_child_workflow(EverythingChild.run, text, id=f"{own}-kind", memo={"kind": text})
        try:
            await workflow.execute_child_workflow(EverythingChild.run, f"{text} scheitert", id=f"{own}-kind-2")
        except ChildWorkflowError as error:
            self._text += f" {error.cause}"
        await workflow.wait_condition(lambda: self._go)
        waiting = await workflow.start_child_workflow(EverythingChild.run, f"{text} wartet", id=f"{own}-kind-3")
        await workflow.get_external_workflow_handle(waiting.id).signal("go", f"Signal {text}")
        await waiting
        await workflow.wait_condition(workflow.all_handlers_finished)
        workflow.continue_as_new(f"neuer Lauf {text}", memo={"weiter": text})

    @workflow.signal
    async def go(self, text: str) -> None:
        self._go = True

    @workflow.update
    async def change(self, text: str) -> str:
        return f"geändert {text}"

    @change.validator
    def _check(self, text: str) -> None:
        if "falsch" in text:
            raise ApplicationError(f"Abgelehnt {text}", f"Einzelheit der Ablehnung {text}")

    @workflow.update
    async def refuse(self, text: str) -> str:
        raise ApplicationError(f"Gescheitertes Update {text}", f"Einzelheit des Updates {text}")

    @workflow.query
    def seen(self, text: str) -> str:
        return f"{text} {self._text}"


EVERYTHING: Sequence[Any] = [EverythingWorkflow, EverythingChild]
EVERYTHING_ACTIVITIES: Sequence[Any] = [beat_and_fail, hang, echo]


def everything_worker(client: Any, task_queue: str) -> Worker:
    return Worker(client, task_queue=task_queue, workflows=EVERYTHING, activities=EVERYTHING_ACTIVITIES)
