"""Prüfungen zu „Welche Grenze gilt wo?“."""

import asyncio
import importlib.util
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from types import ModuleType
from typing import Any

from temporalio import activity
from temporalio.api.history.v1 import HistoryEvent

from dauerlauf.exercises import Bench, Question, Running, Wrong
from dauerlauf.timelapse import result, worker_client
from dauerlauf.together import together

ORDERS = 6
WORKERS = 2
PARCELS = 10
PATIENCE = 30.0
SHORT_OF_THE_HOUR = timedelta(minutes=50)
"""Fern von 45 und 60 Minuten, wenn der Vorrat wieder reicht: Einige Sekunden ändern nichts."""


class Customs:
    """Der Zoll: merkt sich, für welchen Auftrag welcher Worker gefragt hat."""

    def __init__(self, task_queue: str) -> None:
        self.task_queue = task_queue
        self.asked: dict[str, int] = {}

    def declare(self, worker: int) -> Any:
        """Die Activity für den Worker mit dieser Nummer."""

        @activity.defn
        async def declare(number: int) -> None:
            self.asked[str(activity.info().workflow_id)] = worker

        return declare

    async def until_asked(self, workers: int) -> None:
        """Kehrt zurück, sobald so viele verschiedene Worker gefragt haben."""
        async with asyncio.timeout(PATIENCE):
            while len(set(self.asked.values())) < workers:
                await asyncio.sleep(0.01)


def _programs(bench: Bench) -> ModuleType:
    # Aus der Übung selbst, nicht aus dem Ordner des Lesers.
    file = bench.exercise / "start" / "worker.py"
    spec = importlib.util.spec_from_file_location("zoll_worker", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@asynccontextmanager
async def _workers(bench: Bench, create: Any) -> AsyncIterator[Customs]:
    """Zwei Worker an einer eigenen Task Queue, beide mit demselben Limit."""
    assert bench.timelapse.server is not None
    customs = Customs(bench.task_queue())
    workers = []
    for number in range(WORKERS):
        # Zwei Worker an einer Task Queue vertragen sich im selben Prozess nur mit zwei Verbindungen.
        client = worker_client(await bench.timelapse.server.connect(), f"zoll-{number}")
        workers.append(create(client, customs.task_queue, customs.declare(number)))
    async with workers[0], workers[1]:
        yield customs


async def _history(
    worker: Running, workflow: str, customs: Customs, parcels: int
) -> Sequence[HistoryEvent]:
    handle = await worker.start(workflow, customs.task_queue, parcels)
    # Nicht `execute`: Der Prüfstand hielte eine volle andere Task Queue für eine ohne Worker.
    await result(handle, PATIENCE)
    return (await handle.fetch_history()).events


def _scheduled(history: Sequence[HistoryEvent], within: timedelta) -> int:
    """Wie viele Activities der Workflow in dieser Zeit nach der ersten verlangt hat."""
    times = [
        event.event_time.ToDatetime()
        for event in history
        if event.HasField("activity_task_scheduled_event_attributes")
    ]
    return sum(time - times[0] < within for time in times)


def _waited(history: Sequence[HistoryEvent]) -> bool:
    return any(event.HasField("timer_started_event_attributes") for event in history)


async def truth(bench: Bench) -> Mapping[str, Any]:
    """Zählt beim Zoll. Jede Zahl ist eine, die das Limit garantiert; keine hängt von der Geschwindigkeit ab."""
    programs = _programs(bench)
    async with (
        bench.worker("workflow:DeclareWorkflow", "workflow:BucketWorkflow") as worker,
        _workers(bench, programs.per_worker) as by_worker,
        _workers(bench, programs.per_queue) as by_queue,
        _workers(bench, programs.per_slot) as by_slot,
        _workers(bench, programs.unlimited) as freely,
    ):
        for customs in (by_worker, by_queue):
            for _ in range(ORDERS):
                await worker.start("DeclareWorkflow", customs.task_queue, 1)
        # Der nächste dürfte erst in einer Viertelstunde.
        await by_worker.until_asked(WORKERS)
        await by_queue.until_asked(1)
        slots = [_history(worker, "DeclareWorkflow", by_slot, 1) for _ in range(ORDERS)]
        buckets = [_history(worker, "BucketWorkflow", freely, 1) for _ in range(ORDERS)]
        single = _history(worker, "BucketWorkflow", freely, PARCELS)
        await together(*slots)
        *short, long = await together(*buckets, single)
        return {
            "je_worker": len(by_worker.asked),
            "je_queue": len(by_queue.asked),
            "je_platz": len(by_slot.asked),
            "je_auftrag": sum(not _waited(one) for one in short),
            "in_50_minuten": _scheduled(long, SHORT_OF_THE_HOUR),
        }


def _per_worker(answer: int, truth: Mapping[str, Any]) -> tuple[str, str]:
    more = (
        "Vier auf einmal gibt keiner heraus: Vier je Stunde sind für ihn eine je Viertelstunde."
        if answer >= 4
        else "Keiner weiß vom anderen."
    )
    return (
        f"Sie nennen {answer}, beim Zoll sind {truth['je_worker']}. `max_activities_per_second` zählt jeder Worker für sich. "
        f"{more}",
        "Fragen Sie: Wie viele zählen hier, und wie viele lässt jeder durch, bevor er wartet?",
    )


def _per_queue(answer: int, truth: Mapping[str, Any]) -> tuple[str, str]:
    return (
        f"Sie nennen {answer}, beim Zoll ist {truth['je_queue']}. Diese Zahl schickt der Worker an den Server, und der teilt "
        "für alle Worker der Task Queue zusammen zu.",
        "Fragen Sie: Wer zählt, und wie viele davon gibt es?",
    )


def _per_slot(answer: int, truth: Mapping[str, Any]) -> tuple[str, str]:
    return (
        f"Sie nennen {answer}, beim Zoll sind {truth['je_platz']}. Ein Platz wird frei, sobald eine Anfrage fertig ist; sie "
        "dauert Millisekunden, und danach kommt die nächste.",
        "Fragen Sie, was `max_concurrent_activities` begrenzt: wie viele zugleich oder wie viele je Stunde?",
    )


def _per_order(answer: int, truth: Mapping[str, Any]) -> tuple[str, str]:
    return (
        f"Sie nennen {answer}, beim Zoll sind {truth['je_auftrag']}. Der Vorrat ist eine Variable in `run`; jeder der sechs "
        "Workflows hat seinen eigenen, und jeder beginnt voll.",
        "Gehen Sie einen der sechs Läufe durch: Was steht in `tokens`, wenn er seine eine Anmeldung abgibt?",
    )


def _first_minutes(answer: int, truth: Mapping[str, Any]) -> tuple[str, str]:
    return (
        f"Sie nennen {answer}, in den ersten 50 Minuten sind es {truth['in_50_minuten']}. Der Vorrat beginnt voll und füllt sich "
        "währenddessen weiter; das Limit des Zolls kennt kein Guthaben aus der Zeit davor.",
        "Schreiben Sie auf, was zur Minute 0 hinausgeht und wann danach jeweils wieder ein ganzes Token da ist.",
    )


QUESTIONS = (
    Question("je_worker", "Wie viele kommen mit `per_worker` an?", int, _per_worker),
    Question("je_queue", "Wie viele kommen mit `per_queue` an?", int, _per_queue),
    Question("je_platz", "Wie viele kommen mit `per_slot` an?", int, _per_slot),
    Question("je_auftrag", "Wie viele kommen mit eigenem Vorrat an?", int, _per_order),
    Question(
        "in_50_minuten",
        "Wie viele kommen in den ersten 50 Minuten an?",
        int,
        _first_minutes,
    ),
)
GIVEN = ("worker.py", "workflow.py")
START_FAILS = "Hier steht noch keine Antwort."
WRONG = (
    Wrong(
        "ein Limit für beide Worker",
        answers={"je_worker": 1},
        expected="zählt jeder Worker für sich. Keiner weiß vom anderen",
    ),
    Wrong(
        "auch die Task Queue je Worker",
        answers={"je_queue": 2},
        expected="für alle Worker der Task Queue zusammen",
    ),
    Wrong(
        "Plätze sind eine Rate",
        answers={"je_platz": 2},
        expected="Ein Platz wird frei, sobald eine Anfrage fertig ist",
    ),
    Wrong(
        "ein Vorrat für alle",
        answers={"je_auftrag": 4},
        expected="jeder der sechs Workflows hat seinen eigenen",
    ),
    Wrong(
        "der Vorrat ist das Limit",
        answers={"in_50_minuten": 4},
        expected="füllt sich währenddessen weiter",
    ),
)
