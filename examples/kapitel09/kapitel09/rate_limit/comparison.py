"""Die Messung: dieselbe Last auf jedem der fünf Wege.

`python -m kapitel09.rate_limit.comparison --bild messung.svg` misst gegen den Server
aus Temporals eigener Konfiguration und zeichnet die Ankünfte.
"""

import argparse
import asyncio
import atexit
import sys
import time
import uuid
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError

from kapitel09.rate_limit.limits import queue_rate, set_queue_limit, worker_rate
from kapitel09.rate_limit.models import LabelOrder, PrintLabels, Route
from kapitel09.rate_limit.quota import Quota
from kapitel09.rate_limit.services import LabelService, label_service
from kapitel09.rate_limit.worker import connect, create_worker
from kapitel09.rate_limit.workflow import LabelWorkflow

WORKERS = 2


@dataclass(frozen=True)
class Load:
    """Das Limit des Anbieters und die Last dagegen; Zeiten in Sekunden."""

    limit: int = 300
    window: float = 30.0
    large: int = 210
    """Etiketten des großen Händlers; er kommt zuerst."""
    small: int = 60
    """Etiketten jedes der beiden kleinen Händler."""
    delay: float = 1.5
    """So lange dauert es höchstens von der Zuteilung bis zur Ankunft."""

    @property
    def customers(self) -> dict[str, int]:
        """Wie viele Etiketten jeder Händler will."""
        small = dict.fromkeys(SMALL, self.small)
        return {"Teehaus Möwe": self.large, **small}


SMALL = ("Buchladen Förde", "Segelmacher Voß")


class Form(StrEnum):
    """Wo das Limit sitzt."""

    WORKER = "je Worker"
    QUEUE = "Task Queue"
    FAIR = "Task Queue, je Händler"
    SIGNAL = "429 mit Retry-After"
    QUOTA = "Kontingent"


# --8<-- [start:busiest]
def busiest(times: Sequence[float], window: float) -> int:
    """Wie viele Zeiten höchstens in ein Fenster dieser Länge fallen, wo es auch liegt.

    Das Fenster enthält seinen Anfang, aber nicht sein Ende.
    """
    ordered = sorted(times)
    most = first = 0
    for last, at in enumerate(ordered):
        while ordered[first] <= at - window:
            first += 1
        most = max(most, last - first + 1)
    return most


# --8<-- [end:busiest]


@dataclass(frozen=True)
class Measured:
    """Was beim Dienst ankam; Zeiten in Sekunden seit der ersten Anfrage."""

    name: str
    load: Load
    arrivals: list[tuple[float, str, int]]
    """Je Anfrage: wann, von welchem Händler, mit welchem Status."""
    exactly_once: bool

    @property
    def refused(self) -> int:
        """Anfragen, die mit 429 endeten."""
        return sum(status == 429 for _, _, status in self.arrivals)

    @property
    def busiest(self) -> int:
        """Das vollste Fenster, abgewiesene Anfragen mitgezählt."""
        return busiest([at for at, _, _ in self.arrivals], self.load.window)

    @property
    def printed(self) -> list[tuple[float, str]]:
        """Die angenommenen Anfragen: wann und für wen."""
        return [(at, who) for at, who, status in self.arrivals if status == 200]

    @property
    def utilisation(self) -> float:
        """Angenommene Anfragen je Sekunde im Verhältnis zum Limit."""
        times = [at for at, _ in self.printed]
        return len(times) / max(times) * self.load.window / self.load.limit

    @property
    def small_done(self) -> float:
        """Wann der letzte kleine Händler alle Etiketten hatte."""
        return max(at for at, who in self.printed if who in SMALL)

    def row(self) -> str:
        """Eine Zeile der Tabelle."""
        return (
            f"{self.name:<24}{self.busiest:>8}{self.refused:>8}"
            f"{self.utilisation:>10.0%}{self.small_done:>10.1f} s"
        )


HEADER = f"{'':<24}{'Fenster':>8}{'429':>8}{'genutzt':>10}{'Kleine':>12}"


async def measure(clients: Sequence[Client], form: Form, load: Load) -> Measured:
    """Schickt die Last auf einem der Wege, mit einem Worker je Client."""
    limit, window, delay = load.limit, load.window, load.delay
    queue = f"messung-{uuid.uuid4()}"
    calls = f"{queue}-etiketten"
    quota_id = f"kontingent-{queue}"
    per_worker = per_queue = None
    route = Route(queue=calls)
    match form:
        case Form.WORKER:
            per_worker = worker_rate(limit, window, len(clients), delay)
        case Form.QUEUE:
            per_queue = queue_rate(limit, window, delay)
        case Form.FAIR:
            route = replace(route, weight=1.0)
            rate = queue_rate(limit, window, delay)
            await set_queue_limit(clients[0], calls, per_second=rate)
        case Form.QUOTA:
            # Nur die erste Hälfte gehört dem Worker.
            quota = Quota(limit, window, tolerance=2 * delay)
            route = replace(route, quota=quota, quota_id=quota_id)
    with label_service(limit, window) as service:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(
                create_worker(clients[0], service.url, task_queue=queue)
            )
            for client in clients:
                worker = create_worker(
                    client,
                    service.url,
                    task_queue=calls,
                    per_worker=per_worker,
                    per_queue=per_queue,
                )
                await stack.enter_async_context(worker)
            await _print_all(clients[0], queue, route, load)
        with suppress(RPCError):  # Nur eine der Formen hat diesen Workflow.
            await clients[0].get_workflow_handle(quota_id).terminate()
        return _measured(form, load, service)


async def _print_all(client: Client, queue: str, route: Route, load: Load) -> None:
    handles = []
    for place, (customer, number) in enumerate(load.customers.items()):
        name = f"{queue}-{place}"
        orders = [LabelOrder(f"{name}-{n}", customer) for n in range(number)]
        handle = await client.start_workflow(
            LabelWorkflow.run,
            PrintLabels(orders, route),
            id=f"etiketten-{name}",
            task_queue=queue,
        )
        while not await _has_asked(handle):  # Der große Händler kommt zuerst.
            await asyncio.sleep(0.02)
        handles.append(handle)
    await asyncio.gather(*(handle.result() for handle in handles))


async def _has_asked(handle: WorkflowHandle[Any, Any]) -> bool:
    return (await handle.describe()).history_length > 3


def _measured(form: Form, load: Load, service: LabelService) -> Measured:
    first = min(call.at for call in service.calls)
    arrivals = [(c.at - first, c.customer, c.status) for c in service.calls]
    once = list(service.labels().values()) == [1] * sum(load.customers.values())
    return Measured(form, load, sorted(arrivals), once)


async def measure_all(
    clients: Sequence[Client], load: Load | None = None
) -> list[Measured]:
    """Alle Formen zugleich, jede mit eigenem Dienst und eigenen Task Queues."""
    load = load or Load()
    # Scheitert eine, beendet die Gruppe auch die Worker der anderen.
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(measure(clients, form, load)) for form in Form]
    return [task.result() for task in tasks]


async def _main(picture: Path | None) -> None:
    from kapitel09.rate_limit.plot import svg

    # Jeder Worker braucht seine eigene Verbindung.
    clients = [await connect() for _ in range(WORKERS)]
    measured = await measure_all(clients)
    print(HEADER, *(one.row() for one in measured), sep="\n")
    if picture:
        picture.write_text(svg(measured), encoding="utf-8")


def main() -> int:
    """Kommandozeile: misst und druckt; `--bild` zeichnet zusätzlich ein SVG.

    Gibt 2 zurück, wenn der Server nicht antwortet.
    """
    parser = argparse.ArgumentParser(description="Misst dieselbe Last in jeder Form.")
    parser.add_argument("--bild", type=Path, help="Datei für das Bild (SVG)")
    options = parser.parse_args()
    try:
        asyncio.run(_main(options.bild))
    except ConnectionError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    # Siehe worker.py: eine Pause gegen den Absturz beim Beenden.
    atexit.register(time.sleep, 0.1)
    sys.exit(main())
