"""Was die Tests mehrerer Kapitel brauchen."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeVar
from uuid import uuid4

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import (
    Interceptor,
    OutboundInterceptor,
    StartWorkflowInput,
    WorkflowExecutionStatus,
    WorkflowHandle,
    WorkflowHistory,
)

from dauerlauf.scenario import Pattern, Run, play
from dauerlauf.timelapse import Timelapse, listening_client

T = TypeVar("T")
PATIENCE = 30.0


async def until(condition: Callable[[], bool | Awaitable[bool]]) -> None:
    """Wartet höchstens 30 s, bis die Bedingung gilt; sonst scheitert der Test und nennt sie."""
    try:
        async with asyncio.timeout(PATIENCE) as bound:
            while True:
                holds = condition()
                if await holds if inspect.isawaitable(holds) else holds:
                    return
                await asyncio.sleep(0.02)
    except TimeoutError:
        if not bound.expired():
            raise
        # Eine Lambda heißt nur „<lambda>“; ihre Zeile sagt mehr.
        name = condition.__qualname__
        wanted = inspect.getsource(condition).strip() if name.endswith("<lambda>") else name
        raise AssertionError(f"Auch nach {PATIENCE:.0f} s gilt nicht: {wanted}") from None


# Was in einer Event History steht


def kinds(history: WorkflowHistory) -> list[str]:
    """Die Arten der Events, etwa `TIMER_STARTED`, in ihrer Reihenfolge."""
    return [EventType.Name(event.event_type).removeprefix("EVENT_TYPE_") for event in history.events]


def count(history: WorkflowHistory, kind: str) -> int:
    """Wie oft ein Event wie `TIMER_STARTED` vorkommt; wirft `ValueError`, wenn es keines dieses Namens gibt."""
    wanted = EventType.Value(f"EVENT_TYPE_{kind}")
    return sum(event.event_type == wanted for event in history.events)


def scheduled(history: WorkflowHistory) -> list[str]:
    """Die Activities in der Reihenfolge, in der der Workflow sie geplant hat."""
    return [
        event.activity_task_scheduled_event_attributes.activity_type.name
        for event in history.events
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    ]


async def task_failure(handle: WorkflowHandle[Any, Any]) -> str:
    """Was der erste gescheiterte Workflow-Task meldet, wartet bis zu 30 s darauf; der Workflow läuft danach noch."""
    async with asyncio.timeout(PATIENCE):
        async for event in handle.fetch_history_events(wait_new_event=True):
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
                assert (await handle.describe()).status == WorkflowExecutionStatus.RUNNING
                return event.workflow_task_failed_event_attributes.failure.message
    raise AssertionError("Der Workflow endete ohne gescheiterten Workflow-Task.")


# Szenarien, von denen ein Testlauf nur die spielt, die er prüft


async def play_selected(
    request: pytest.FixtureRequest, timelapse: Timelapse, pattern: Pattern, own_ids: str | None = None
) -> Mapping[str, Run]:
    """Spielt, jedes im eigenen Zeitraffer, die Szenarien eines Musters; sonst wie `each_selected`."""

    async def run(name: str) -> Run:
        return await play(pattern.find(name), await own_timelapse(timelapse, own_ids))

    return await each_selected(request, run)


async def each_selected(request: pytest.FixtureRequest, run: Callable[[str], Awaitable[T]]) -> Mapping[str, T]:
    """Ruft `run` gleichzeitig für jedes Szenario auf, das die ausgewählten Tests dieser Datei brauchen.

    Gehört in eine Fixture je Modul. Ein Test, der sie verlangt, nennt seine Szenarien: als Parameter `name` oder mit
    `@pytest.mark.szenarien("glatt", …)`. Was `run` wirft, wirft der Zugriff auf das Szenario.
    """
    names: list[str] = []
    for item in request.session.items:
        if item.getparent(pytest.Module) is not request.node or item.get_closest_marker("skip"):
            continue
        assert isinstance(item, pytest.Function)
        if request.fixturename in item.fixturenames:
            needed = _scenarios(item)
            assert needed, f"{item.name} verlangt `{request.fixturename}`, nennt aber kein Szenario."
            names += needed
    names = list(dict.fromkeys(names))
    # Erst wenn alle zu Ende sind, darf einer scheitern: Sonst blieben Worker und Threads der anderen übrig.
    outcomes = await asyncio.gather(*map(run, names), return_exceptions=True)
    return _Played(dict(zip(names, outcomes, strict=True)))


def _scenarios(item: pytest.Function) -> list[str]:
    marked = [name for marker in item.iter_markers("szenarien") for name in marker.args]
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    return [*marked, *([parameters["name"]] if "name" in parameters else [])]


class _Played(Mapping[str, T]):
    def __init__(self, outcomes: Mapping[str, T | BaseException]) -> None:
        self._outcomes = outcomes

    def __getitem__(self, name: str) -> T:
        assert name in self._outcomes, f"„{name}“ ist nicht gespielt: Der Test nennt es nicht als sein Szenario."
        outcome = self._outcomes[name]
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def __iter__(self) -> Iterator[str]:
        return iter(self._outcomes)

    def __len__(self) -> int:
        return len(self._outcomes)


async def own_timelapse(timelapse: Timelapse, own_ids: str | None = None) -> Timelapse:
    """Ein zweiter Zeitraffer auf demselben Server; `unskipped` gilt nur für ihn.

    Workflow-IDs, die mit `own_ids` beginnen, macht er eindeutig: Viele Szenarien geben dieselbe Bestellung auf.
    """
    assert timelapse.server is not None
    client = await timelapse.server.connect()
    return Timelapse(client if own_ids is None else listening_client(client, _OwnIds(own_ids)), timelapse.server)


class _OwnIds(Interceptor):
    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        return _OwnId(next, self._prefix)


class _OwnId(OutboundInterceptor):
    def __init__(self, next: OutboundInterceptor, prefix: str) -> None:
        super().__init__(next)
        self._prefix = prefix

    async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:
        if input.id.startswith(self._prefix):
            return await super().start_workflow(replace(input, id=f"{input.id}-{uuid4()}"))
        return await super().start_workflow(input)
