"""Was Prüfen und Schwärzen kosten: 100 Histories mit je 29 Events."""

import time

import pytest
from temporalio.api.history.v1 import History
from temporalio.client import WorkflowHistory

from dauerlauf.history import load
from kapitel08.replay_test_in_ci.redaction import Redactor
from kapitel08.replay_test_in_ci.replaying import Checkout
from kapitel08.replay_test_in_ci.scenarios import KEEP, PATTERN
from kapitel08.replay_test_in_ci.worker import CONVERTER, WORKFLOWS

COUNT = 100


@pytest.mark.bank
async def test_duration(capsys: pytest.CaptureFixture[str]) -> None:
    history = load(PATTERN.history_file("glatt"))
    begin = time.perf_counter()
    results = await Checkout(WORKFLOWS, CONVERTER).check([history] * COUNT)
    replayed = time.perf_counter() - begin
    assert [finding for _, finding in results if finding] == []
    begin = time.perf_counter()
    for _ in range(COUNT):
        copy = History()
        copy.CopyFrom(History(events=history.events))
        Redactor(KEEP).redact(copy)
    redacted = time.perf_counter() - begin
    size = len(WorkflowHistory(history.workflow_id, history.events).to_json())
    with capsys.disabled():
        print(
            f"\n{COUNT} Histories mit {len(history.events)} Events ({size / 1000:.0f} kB JSON): "
            f"Replay {replayed:.1f} s, Schwärzen {redacted:.1f} s"
        )
    assert replayed < COUNT * 0.1
