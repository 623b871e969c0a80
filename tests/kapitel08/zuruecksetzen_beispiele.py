"""Kleine Workflows, an denen sich zeigt, was ein Reset mit Kindern, Updates und laufenden Activities macht."""

import asyncio
from datetime import timedelta

from temporalio import activity, workflow


@workflow.defn
class ParcelWorkflow:
    """Ein Kind: wartet auf die Zustellung und nennt die eigene Run-ID."""

    def __init__(self) -> None:
        self._delivered = False

    @workflow.run
    async def run(self) -> str:
        await workflow.wait_condition(lambda: self._delivered)
        return workflow.info().run_id

    @workflow.signal
    def delivered(self) -> None:
        """Zugestellt."""
        self._delivered = True


@workflow.defn
class ParentWorkflow:
    """Startet auf ein Signal hin ein Kind und merkt sich Updates."""

    def __init__(self) -> None:
        self._packed = False
        self._notes: list[str] = []

    @workflow.run
    async def run(self) -> str:
        await workflow.wait_condition(lambda: self._packed)
        return await workflow.execute_child_workflow(ParcelWorkflow.run, id=f"paket-{workflow.info().workflow_id}")

    @workflow.signal
    def packed(self) -> None:
        """Gepackt."""
        self._packed = True

    @workflow.update
    async def note(self, text: str) -> None:
        """Merkt sich eine Notiz."""
        self._notes.append(text)

    @workflow.query
    def notes(self) -> list[str]:
        """Alle Notizen."""
        return self._notes


class Desk:
    """Eine Activity, die erst endet, wenn der Test es will; sie merkt sich, für welchen Lauf sie lief."""

    def __init__(self) -> None:
        self.runs: list[str] = []
        self.open = asyncio.Event()

    @activity.defn
    async def work(self) -> None:
        """Wartet auf das Zeichen des Tests."""
        self.runs.append(str(activity.info().workflow_run_id))
        await self.open.wait()


@workflow.defn
class DeskWorkflow:
    """Eine einzige Activity."""

    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity("work", start_to_close_timeout=timedelta(seconds=30))
