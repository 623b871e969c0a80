"""Der falsche Replay-Test aus `wrong.py`: Jeder Test zeigt, warum er nie rot wird."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from temporalio.client import WorkflowHistory

from dauerlauf.history import load
from kapitel08.replay_test_in_ci import check, files, reordered, wrong
from kapitel08.replay_test_in_ci.replaying import Checkout
from kapitel08.replay_test_in_ci.scenarios import PATTERN
from kapitel08.replay_test_in_ci.worker import CONVERTER, WORKFLOWS


def test_wrong_dump_encodes_twice_and_the_sdk_does_not_notice(tmp_path: Path) -> None:
    history = load(PATTERN.history_file("glatt"))
    file = tmp_path / "glatt.json"
    wrong.save(history, file)
    content = json.loads(file.read_text())
    assert isinstance(content, str)  # kein Objekt: `jq .events` findet nichts
    assert len(WorkflowHistory.from_json("x", content).events) == len(history.events)
    with pytest.raises(ValueError, match="steht keine History"):
        files.read(file)


def test_wrong_skip_is_green_without_any_history(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "pytest_asyncio.plugin"]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    environment |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(
        [*command, "-c", os.devnull, "--rootdir", str(tmp_path), "-o", "asyncio_mode=auto", wrong.__file__],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, "1 skipped" in done.stdout) == (0, True), done.stdout + done.stderr


def test_wrong_step_asks_a_fresh_shell() -> None:
    """GitHub führt jeden Schritt mit `bash -e` in einem neuen Prozess aus."""
    _, step = yaml.safe_load(Path(wrong.__file__).with_name("wrong-step.yml").read_text("utf-8"))["steps"]
    tested = subprocess.run(["bash", "-e", "-c", "exit 7"], check=False)
    assert tested.returncode == 7
    assert subprocess.run(["bash", "-e", "-c", step["run"]], check=False).returncode == 0


async def test_wrong_choice_of_completed_runs_sees_nothing() -> None:
    """Der beendete Auftrag unter 500 Euro ist grün, der offene darüber ist rot."""
    closed = load(PATTERN.history_file("nur-ein-anderer-weg"))
    still_open = load(PATTERN.history_file("offen-und-umgestellt"))
    results = await Checkout(reordered.WORKFLOWS, CONVERTER).check([closed, still_open])
    assert [finding is None for _, finding in results] == [True, False]


async def test_wrong_file_name_breaks_at_the_first_slash(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        (tmp_path / f"{'auftrag/N-4001'}.json").write_text("{}")
    assert await check.check(tmp_path, WORKFLOWS, CONVERTER, say=lambda _: None) == 2
