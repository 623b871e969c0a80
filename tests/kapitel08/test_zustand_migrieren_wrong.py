"""Falscher Code: was mit einem wirklich von Version 1 begonnenen Konto geschieht."""

from pathlib import Path
from typing import Any

import pytest
from konto_hilfen import file_of, use
from temporalio.client import WorkflowHandle, WorkflowHistory
from temporalio.testing import ActivityEnvironment
from temporalio.worker import Replayer, Worker

from dauerlauf.history import load
from dauerlauf.timelapse import Timelapse
from kapitel08.zustand_migrieren import wrong
from kapitel08.zustand_migrieren.scenarios import ACCOUNTS, task_failure


async def _replayed(version: type) -> str:
    """Die Meldung beim Replay eines Laufs von Version 1."""
    history: WorkflowHistory = load(file_of(1))
    outcome = await Replayer(workflows=[version], build_id="falsch").replay_workflow(
        history, raise_on_replay_failure=False
    )
    return str(outcome.replay_failure or "")


@pytest.mark.parametrize(
    ("version", "message"),
    [
        (wrong.RequiredWorkflow, "missing 1 required keyword-only argument: 'language'"),
        (wrong.ActivityWorkflow, "does not match activity type of activity command 'migrate'"),
    ],
    ids=["pflichtfeld", "activity"],
)
async def test_wrong_change_stops_every_old_account(version: type, message: str) -> None:
    assert message in await _replayed(version)


async def test_wrong_change_keeps_the_account_open_but_stuck(timelapse: Timelapse, tmp_path: Path) -> None:
    handle, queue = await use(timelapse, 1, tmp_path)
    async with Worker(timelapse.client_for("worker-4"), task_queue=queue, workflows=[wrong.RequiredWorkflow]):
        await handle.signal("close")
        assert await task_failure(handle) == "Failed decoding arguments"
        assert (await handle.describe()).close_time is None
        await handle.terminate()


async def _begun(timelapse: Timelapse, balance: float) -> WorkflowHandle[Any, Any]:
    """Ein Konto mit der Eingabe von Version 1, gerade eröffnet."""
    queue = timelapse.task_queue()
    stored = {**ACCOUNTS[1], "balance": balance, "tier": "standard"}
    return await timelapse.client.start_workflow("AccountWorkflow", stored, id=f"konto-{queue}", task_queue=queue)


async def test_wrong_enum_value_stops_the_account(timelapse: Timelapse) -> None:
    handle = await _begun(timelapse, 12.99)
    queue = handle.id.removeprefix("konto-")
    async with Worker(timelapse.client_for("worker-4"), task_queue=queue, workflows=[wrong.RenamedTierWorkflow]):
        assert await task_failure(handle) == "Failed decoding arguments"
        assert (await handle.describe()).close_time is None
        await handle.terminate()


async def test_wrong_type_in_place_turns_euros_into_cents_without_a_word(timelapse: Timelapse) -> None:
    handle = await _begun(timelapse, 12.99)
    queue = handle.id.removeprefix("konto-")
    async with Worker(timelapse.client_for("worker-4"), task_queue=queue, workflows=[wrong.InPlaceWorkflow]):
        account = await handle.query(wrong.InPlaceWorkflow.state)
        events = [event async for event in handle.fetch_history_events()]
        await handle.terminate()
    assert account == wrong.InPlaceAccount("K-1001", "Jörg Weiß", 12)
    assert not any(event.HasField("workflow_task_failed_event_attributes") for event in events)


def test_wrong_migration_in_an_activity_differs_from_attempt_to_attempt() -> None:
    first, second = (ActivityEnvironment().run(wrong.migrate, ACCOUNTS[1]) for _ in range(2))
    assert first["migrated_at"] != second["migrated_at"]
    assert {**first, "migrated_at": ""} == {**second, "migrated_at": ""}
