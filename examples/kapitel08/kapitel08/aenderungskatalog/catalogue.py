"""Der Katalog: welche Änderung zu welcher Version 1 gehört, und das Urteil des Replays.

Ein Urteil fällt das SDK, nicht dieses Modul: Es spielt die aufgezeichneten Läufe der
Version 1 mit der geänderten Klasse ab.
"""

import inspect
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from temporalio.client import WorkflowHistory
from temporalio.runtime import (
    LoggingConfig,
    Runtime,
    TelemetryConfig,
    TelemetryFilter,
)
from temporalio.worker import Replayer
from temporalio.worker.workflow_sandbox import (
    SandboxedWorkflowRunner,
    SandboxRestrictions,
)

from kapitel08.aenderungskatalog.versions import (
    activity,
    child,
    flow,
    message,
    timer,
    value,
)

POINTS = ("davor", "darin", "dahinter", "beendet")
"""Wo ein aufgezeichneter Lauf steht: vor der Stelle, in ihr (Activity, Timer oder Child
Workflow läuft noch), dahinter, am Ende.
"""
SANDBOX = SandboxedWorkflowRunner(
    SandboxRestrictions.default.with_passthrough_modules(
        *(module.__name__ for module in (activity, child, flow, message, timer))
    )
)
"""Die Sandbox lädt ein Modul sonst für jeden Lauf neu. Nur `value` muss sie prüfen."""
FOLDER = Path(__file__).parent / "histories"


@dataclass(frozen=True)
class Change:
    """Eine Änderung: die Klasse der Version 1 und die Klasse danach."""

    before: type
    after: type

    @property
    def text(self) -> str:
        """Was sich ändert, in wenigen Worten."""
        return inspect.cleandoc(self.after.__doc__ or "")

    @cached_property
    def histories(self) -> Mapping[str, WorkflowHistory]:
        """Die aufgezeichneten Läufe der Version 1, nach ihrem Punkt."""
        files = {point: history_file(self.before, point) for point in POINTS}
        return {
            point: WorkflowHistory.from_json(point, file.read_text("utf-8"))
            for point, file in files.items()
            if file.is_file()
        }

    # --8<-- [start:change]
    async def verdict(self) -> "Verdict":
        """Spielt alle Läufe mit der geänderten Klasse ab."""
        replayer = Replayer(
            workflows=[self.after],
            workflow_runner=SANDBOX,
            build_id="katalog",
            runtime=_quiet(),
        )
        histories = self.histories
        errors = {}
        async with replayer.workflow_replay_iterator(_each(histories)) as outcomes:
            async for outcome in outcomes:  # (!)
                errors[outcome.history.workflow_id] = outcome.replay_failure
        return Verdict(self, {point: errors[point] for point in histories})

    # --8<-- [end:change]


@dataclass(frozen=True)
class Verdict:
    """Was das Replay zu einer Änderung sagt: je Punkt kein Fehler oder der Fehler."""

    change: Change
    errors: Mapping[str, Exception | None]

    @property
    def signs(self) -> str:
        """Je Punkt ein Zeichen: `+` läuft, `-` bleibt stehen, `.` gibt es nicht."""
        return "".join(
            ("+" if self.errors[point] is None else "-")
            if point in self.errors
            else "."
            for point in POINTS
        )

    @property
    def message(self) -> str:
        """Der Kern der ersten Fehlermeldung, ohne Fehler leer."""
        for error in self.errors.values():
            if error is not None:
                return _core(str(error))
        return ""

    def row(self) -> str:
        """Eine Zeile der Tabelle in Markdown."""
        words = {"+": "läuft", "-": "**steht**", ".": "–"}
        cells = [self.change.text, *(words[sign] for sign in self.signs)]
        cells.append(f"`{self.message}`" if self.message else "")
        return f"| {' | '.join(cells)} |".replace("|  |", "| |")


def history_file(before: type, point: str) -> Path:
    """Die Datei mit dem Lauf von `before`, der an `point` steht."""
    return FOLDER / f"{before.__name__}-{point}.json"


def _core(text: str) -> str:
    """Der Satz, auf den es ankommt: Die innerste Meldung nennt die Ursache.

    Nummern von Events entfallen; sie hängen davon ab, wie der Server Signale bündelt.
    """
    messages = [text, *filter(None, re.findall(r'message: "(.*?)(?<!\\)"', text))]
    core = messages[-1].removeprefix("[TMPRL1100] Nondeterminism error: ")
    # Manche Maschinen des SDK drucken das ganze Event statt seiner Art.
    core = re.sub(
        r"HistoryEvent {.*?event_type: (\w+).*", r"HistoryEvent(id: …, \1)", core
    )
    return re.sub(r"id: \d+", "id: …", core.partition(". If this is")[0])


async def _each(
    histories: Mapping[str, WorkflowHistory],
) -> AsyncIterator[WorkflowHistory]:
    for history in histories.values():
        yield history


@cache
def _quiet() -> Runtime:
    """Was der Replayer meldet, steht im Urteil; im Log stünde es noch einmal."""
    level = TelemetryFilter(core_level="ERROR", other_level="ERROR")
    return Runtime(telemetry=TelemetryConfig(logging=LoggingConfig(filter=level)))


def _changes(before: type, *after: type) -> list[Change]:
    return [Change(before, one) for one in after]


TOPICS: Mapping[str, list[Change]] = {
    "activity": [
        *_changes(
            activity.Charge,
            activity.Argument,
            activity.Options,
            activity.Queue,
            activity.ResultDefault,
            activity.ResultRequired,
            activity.Renamed,
            activity.Local,
            activity.AddedBefore,
            activity.AddedAfter,
            activity.Removed,
        ),
        *_changes(activity.CheckAndCharge, activity.Swapped, activity.Parallel),
        *_changes(activity.TwoCharges, activity.TwoSwapped),
    ],
    "timer": [
        *_changes(
            timer.Wait,
            timer.Longer,
            timer.Sleep,
            timer.Condition,
            timer.TimerAdded,
            timer.TimerRemoved,
        ),
        *_changes(timer.Approval, timer.WithDeadline),
    ],
    "child": [
        *_changes(
            child.Ship,
            child.ChildOptions,
            child.ChildId,
            child.ChildType,
            child.ChildAdded,
            child.ChildRemoved,
        ),
        *_changes(child.Notify, child.OtherTarget, child.SignalRemoved),
    ],
    "message": [
        *_changes(
            message.Message,
            message.MoreHandlers,
            message.StricterValidator,
            message.SignalHandlerRemoved,
            message.UpdateHandlerRemoved,
        ),
        *_changes(
            message.Plain, message.Result, message.InputDefault, message.InputRequired
        ),
    ],
    "value": [
        *_changes(
            value.Memo,
            value.Details,
            value.OtherMemo,
            value.MemoRemoved,
            value.AttributeAdded,
        ),
        *_changes(value.Random, value.Now, value.RandomBefore, value.WallClock),
    ],
    "flow": [
        *_changes(flow.Branch, flow.BranchElsewhere, flow.BranchFlipped, flow.Fails),
        *_changes(flow.Rounds, flow.MoreRounds, flow.FewerRounds),
        *_changes(flow.Unpatched, flow.PatchAdded),
        *_changes(flow.Patched, flow.Deprecated, flow.PatchRemoved),
    ],
}


async def table(topic: str) -> str:
    """Die Tabelle eines Themas in Markdown."""
    head = (
        "| Änderung | offen davor | mittendrin | offen dahinter | beendet | Meldung |"
    )
    rows = [(await change.verdict()).row() for change in TOPICS[topic]]
    return "\n".join([head, "|---|---|---|---|---|---|", *rows])
