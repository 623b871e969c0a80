"""Die Messung: dieselbe Störung ohne Schalter, mit jeder Form des Schalters, von Hand.

`python -m kapitel07.circuit_breaker.comparison --bild messung.svg` misst gegen den
Server aus Temporals eigener Konfiguration und zeichnet Aufrufe und Wartezeiten.
"""

import argparse
import asyncio
import atexit
import logging
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.workflowservice.v1 import UpdateTaskQueueConfigRequest
from temporalio.client import Client
from temporalio.service import RPCError

from kapitel07.circuit_breaker.activities import Addresses
from kapitel07.circuit_breaker.breaker import BreakerSettings
from kapitel07.circuit_breaker.models import Order, Patience, ShipOrder
from kapitel07.circuit_breaker.services import Carrier, carrier, confirmations
from kapitel07.circuit_breaker.worker import Form, breaker_id, connect, create_worker
from kapitel07.circuit_breaker.workflow import OrderWorkflow

# Eine Störung im Kleinen: 10 s hier stehen für etwa 5 min im Betrieb.
ORDERS = 60
PLACING = 9.0
OUTAGE = (2.0, 7.0)
FAILURE_SECONDS = 0.25
REACTION = 1.0
WORKERS = 3
SETTINGS = BreakerSettings(
    failures_to_open=5, cooldown=1.0, probes=2, probe_timeout=5.0, probe_pause=0.2
)
PATIENCE = Patience(first_pause=0.25, longest_pause=1.0)
SPREAD = 0.3


@dataclass(frozen=True)
class Measured:
    """Was bei einer Störung geschah; Zeiten in Sekunden seit dem Beginn der Messung."""

    name: str
    calls: list[tuple[float, float]]
    """Je Aufruf, der den Dienst erreichte: wann und wie lange er dauerte."""
    orders: list[tuple[float, float]]
    """Je Auftrag: wann er kam und wie lange er bis zur Bestätigung brauchte."""
    exactly_once: bool

    @property
    def futile(self) -> list[tuple[float, float]]:
        """Die Aufrufe während der Störung; jeder war vergeblich."""
        return [call for call in self.calls if OUTAGE[0] <= call[0] < OUTAGE[1]]

    @property
    def occupied(self) -> float:
        """So lange hielten vergebliche Aufrufe einen Platz im Worker besetzt."""
        return sum(seconds for _, seconds in self.futile)

    @property
    def recovered(self) -> float:
        """So lange nach dem Ende der Störung waren alle wartenden Aufträge fertig."""
        waiting = [at + took for at, took in self.orders if at < OUTAGE[1]]
        return max(0.0, max(waiting) - OUTAGE[1])

    def row(self) -> str:
        """Eine Zeile der Tabelle."""
        once = "ja" if self.exactly_once else "nein"
        return (
            f"{self.name:<32}{len(self.futile):>8}{self.occupied:>10.1f} s"
            f"{self.recovered:>10.1f} s{once:>10}"
        )


HEADER = f"{'':<32}{'Aufrufe':>8}{'besetzt':>12}{'danach':>12}{'genau 1':>10}"


async def measure(
    clients: Sequence[Client], folder: Path, form: Form, *, by_hand: bool = False
) -> Measured:
    """Spielt die Störung mit einem Worker je Client.

    Mit `by_hand` greift der Betrieb ein: Die Anmeldung hat eine eigene Task Queue, und
    deren Limit setzt er `REACTION` Sekunden nach Beginn der Störung auf null und hebt
    es ebenso spät wieder auf.
    """
    queue = f"messung-{uuid.uuid4()}"
    carrier_queue = f"{queue}-versand" if by_hand else queue
    with carrier(folder) as service:
        service.failure_seconds = FAILURE_SECONDS
        async with AsyncExitStack() as stack:
            for client, task_queue in product(clients, {queue, carrier_queue}):
                worker = create_worker(
                    client,
                    Addresses(folder, service.url),
                    task_queue=task_queue,
                    form=form,
                    settings=SETTINGS,
                    spread=SPREAD,
                )
                await stack.enter_async_context(worker)
            started = time.monotonic()
            limited = carrier_queue if by_hand else None
            outage = asyncio.create_task(_outage(clients[0], limited, service))
            pause = PLACING / ORDERS
            patience = replace(PATIENCE, carrier_queue=carrier_queue)
            orders = await asyncio.gather(
                *(
                    _order(clients[0], queue, patience, started, number * pause)
                    for number in range(ORDERS)
                )
            )
            await outage
        with suppress(RPCError):  # Nur eine der Formen hat diesen Workflow.
            await clients[0].get_workflow_handle(breaker_id(queue)).terminate()
        parcels, mails = service.parcels(), confirmations(folder)
    once = [*parcels.values(), *mails.values()] == [1] * (2 * ORDERS)
    name = "Limit der Task Queue, von Hand" if by_hand else LABELS[form]
    calls = [(call.at - started, call.seconds) for call in service.calls]
    return Measured(name, sorted(calls), sorted(orders), once)


LABELS = {
    Form.NONE: "ohne Schalter",
    Form.PROCESS: "ein Schalter je Worker",
    Form.SHARED: "ein gemeinsamer Schalter",
}


async def _outage(client: Client, limited: str | None, service: Carrier) -> None:
    await asyncio.sleep(OUTAGE[0])
    service.down = True
    await asyncio.sleep(REACTION)
    if limited:
        await _limit(client, limited, 0.0)
    await asyncio.sleep(OUTAGE[1] - OUTAGE[0] - REACTION)
    service.down = False
    if limited:
        await asyncio.sleep(REACTION)
        await _limit(client, limited, None)


async def _limit(client: Client, queue: str, per_second: float | None) -> None:
    """Wie `temporal task-queue config set --queue-rps-limit`; `None` hebt es auf."""
    request = UpdateTaskQueueConfigRequest(
        namespace=client.namespace,
        identity="betrieb",
        task_queue=queue,
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
    )
    request.update_queue_rate_limit.reason = "Störung im Versand"
    if per_second is not None:
        limit = request.update_queue_rate_limit.rate_limit
        limit.requests_per_second = per_second
    await client.workflow_service.update_task_queue_config(request)


async def _order(
    client: Client, queue: str, patience: Patience, started: float, at: float
) -> tuple[float, float]:
    await asyncio.sleep(max(0.0, started + at - time.monotonic()))
    placed = time.monotonic()
    number = f"N-{uuid.uuid4()}"
    await client.execute_workflow(
        OrderWorkflow.run,
        ShipOrder(Order(number, "Jörg Weiß", "24937"), patience),
        id=f"versand-{number}",
        task_queue=queue,
    )
    return placed - started, time.monotonic() - placed


async def measure_all(clients: Sequence[Client], folder: Path) -> list[Measured]:
    """Misst alle vier nacheinander, jede mit einem eigenen Versanddienst."""
    measured = []
    for form, by_hand in (
        (Form.NONE, False),
        (Form.PROCESS, False),
        (Form.SHARED, False),
        (Form.NONE, True),
    ):
        place = folder / f"{form}-{by_hand}"
        place.mkdir()
        measured.append(await measure(clients, place, form, by_hand=by_hand))
    return measured


async def run() -> list[Measured]:
    """Verbindet sich mit dem konfigurierten Server, einmal je Worker, und misst."""
    clients = [await connect() for _ in range(WORKERS)]
    with tempfile.TemporaryDirectory() as folder:
        return await measure_all(clients, Path(folder))


def main() -> int:
    """Kommandozeile: misst, druckt die Tabelle und zeichnet auf Wunsch das Bild.

    Gibt 2 zurück, wenn der Server nicht antwortet.
    """
    parser = argparse.ArgumentParser(description="Vergleicht die Formen des Schalters.")
    parser.add_argument("--bild", type=Path, help="SVG-Datei, die gezeichnet wird")
    file: Path | None = parser.parse_args().bild
    # Jeder vergebliche Aufruf käme sonst mit Traceback ins Log.
    logging.getLogger("temporalio").setLevel(logging.ERROR)
    try:
        measured = asyncio.run(run())
    except ConnectionError as error:
        print(error, file=sys.stderr)
        return 2
    print(HEADER)
    for one in measured:
        print(one.row())
    if file:
        from kapitel07.circuit_breaker.plot import svg

        file.write_text(svg(measured), encoding="utf-8")
    return 0


if __name__ == "__main__":
    # Ohne diese Pause stirbt der Prozess beim Beenden manchmal mit SIGABRT
    # (temporalio/sdk-python#300).
    atexit.register(time.sleep, 0.1)
    sys.exit(main())
