"""Die Matrix: jede Event History gegen jeden Stand des Codes, durch Replay ermittelt.

`python -m kapitel08.patching.matrix` druckt sie. Einen Server braucht es dazu nicht.
"""

import asyncio
import atexit
import textwrap
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHistory
from temporalio.runtime import LoggingConfig, Runtime, TelemetryConfig
from temporalio.worker import Replayer

from kapitel08.patching.stages import STAGES

HISTORIES = Path(__file__).parent / "histories"


def load(name: str) -> WorkflowHistory:
    """Eine Event History, wie sie `temporal workflow show --output json` schreibt."""
    text = (HISTORIES / f"{name}.json").read_text(encoding="utf-8")
    return WorkflowHistory.from_json(name, text)


def until_first_timer(history: WorkflowHistory) -> WorkflowHistory:
    """Derselbe Lauf, als er noch auf die Ware wartete."""
    kinds = [event.event_type for event in history.events]
    number = kinds.index(EventType.EVENT_TYPE_TIMER_STARTED) + 1
    return WorkflowHistory(history.workflow_id, history.events[:number])


def recorded() -> dict[str, WorkflowHistory]:
    """Die Zeilen: ein Lauf je Stufe, der aus Stufe 1 auch, bevor er bezahlt hat."""
    first, *others = (load(f"stufe-{stage}") for stage in STAGES)
    return {
        "Stufe 1, wartet auf Ware": until_first_timer(first),
        "Stufe 1, hat bezahlt": first,
        **{f"Stufe {stage}": h for stage, h in enumerate(others, start=2)},
    }


@cache
def quiet() -> Runtime:
    """Eine Laufzeit ohne Log; sonst schriebe jedes gescheiterte Replay eine Warnung."""
    return Runtime(telemetry=TelemetryConfig(logging=LoggingConfig(filter="OFF")))


# --8<-- [start:verdict]
async def verdict(history: WorkflowHistory, code: type) -> str:
    """Leer, wenn das Replay gelingt; sonst der Text des Fehlers."""
    replayer = Replayer(workflows=[code], build_id="matrix", runtime=quiet())
    outcome = await replayer.replay_workflow(history, raise_on_replay_failure=False)
    return "" if outcome.replay_failure is None else str(outcome.replay_failure)  # (!)


async def matrix(
    histories: Mapping[str, WorkflowHistory],
) -> dict[str, dict[int, str]]:
    """Zu jeder Event History und jeder Stufe des Codes ein Urteil."""
    return {
        name: {stage: await verdict(h, code) for stage, code in STAGES.items()}
        for name, h in histories.items()
    }


# --8<-- [end:verdict]


def table(verdicts: Mapping[str, Mapping[int, str]]) -> list[str]:
    """Die Zeilen der Tabelle."""
    header = "".join(f"{f'Code {stage}':<10}" for stage in STAGES)
    lines = [f"{'Event History':<28}{header}".rstrip()]
    for name, row in verdicts.items():
        cells = "".join(f"{'bricht' if row[s] else 'ok':<10}" for s in STAGES)
        lines.append(f"{name:<28}{cells}".rstrip())
    return lines


def reasons(verdicts: Mapping[str, Mapping[int, str]]) -> Sequence[str]:
    """Die verschiedenen Gründe, ohne das, was jede Meldung umgibt."""
    texts = {text for row in verdicts.values() for text in row.values() if text}
    return sorted(text.split('message: "')[1].split('"')[0] for text in texts)


def main() -> None:
    """Kommandozeile: druckt die Tabelle und darunter die Gründe."""
    verdicts = asyncio.run(matrix(recorded()))
    print("\n".join(table(verdicts)))
    print("\nbricht: NondeterminismError, mit einer dieser Meldungen:")
    for reason in reasons(verdicts):
        print(textwrap.fill(reason, 76, initial_indent="- ", subsequent_indent="  "))


if __name__ == "__main__":
    # Ohne diese Pause stirbt der Prozess beim Beenden manchmal mit SIGABRT
    # (temporalio/sdk-python#300).
    atexit.register(time.sleep, 0.1)
    main()
