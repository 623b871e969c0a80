"""Falsch: So sieht ein Replay-Test aus, der nie rot wird."""

import json
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from kapitel08.replay_test_in_ci.worker import WORKFLOWS


# --8<-- [start:dump]
def save(history: WorkflowHistory, file: Path) -> None:
    """Falsch: `to_json` gibt Text zurück, und `dump` kodiert ihn ein zweites Mal."""
    with file.open("w") as target:
        json.dump(history.to_json(), target)  # (!)


# --8<-- [end:dump]


# --8<-- [start:skip]
async def test_replay_all_histories() -> None:
    """Falsch: ohne Dateien ein grüner Build."""
    found = list(Path("histories").glob("*.json"))
    if not found:
        pytest.skip("keine Histories heruntergeladen")  # (!)
    for file in found:
        history = WorkflowHistory.from_json(file.stem, file.read_text())
        await Replayer(workflows=WORKFLOWS).replay_workflow(history)


# --8<-- [end:skip]
