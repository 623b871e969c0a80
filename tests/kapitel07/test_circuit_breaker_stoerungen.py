"""Der Circuit Breaker unter zufälligen und tödlichen Störungen: kein Auftrag verloren, keiner doppelt."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from breaker_hilfen import open_fleet
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.service import RPCError

from dauerlauf.faults import ActivityAction, ActivityFault, FaultPlan
from dauerlauf.testing import FaultPlans, open_worker
from dauerlauf.timelapse import Timelapse, result
from dauerlauf.worker_process import Trial, WorkerProcess, die_at_every_event, survivors
from hilfen import until
from kapitel07.circuit_breaker.activities import Addresses
from kapitel07.circuit_breaker.breaker import Answer, Breaker, BreakerSettings, Permit, Report, State
from kapitel07.circuit_breaker.interceptor import SharedBreaker
from kapitel07.circuit_breaker.models import Order, Patience, ShipOrder
from kapitel07.circuit_breaker.scenarios import WORKER, order
from kapitel07.circuit_breaker.services import Carrier, carrier, confirmations
from kapitel07.circuit_breaker.worker import breaker_id
from kapitel07.circuit_breaker.workflow import BreakerWorkflow, OrderWorkflow

SHORT = BreakerSettings(failures_to_open=2, cooldown=0.3, probes=1, probe_timeout=3, probe_pause=0.1)
ENDLESS = timedelta(seconds=60)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Carrier]:
    """Der Versanddienst mit seinem Buch im Ordner des Tests."""
    with carrier(tmp_path) as running:
        yield running


@pytest.mark.timeout(300)
@pytest.mark.fault_plans(["register_parcel", "send_confirmation"], number=10)
async def test_random_faults(fault_plans: FaultPlans, timelapse: Timelapse, tmp_path: Path) -> None:
    orders = {plan.seed: order(f"N-{plan.seed}-{timelapse.task_queue()}") for plan in fault_plans}
    plans = {f"versand-{orders[plan.seed].number}": plan for plan in fault_plans}
    async with open_fleet(timelapse, tmp_path, settings=SHORT, plan=plans) as fleet:
        fleet.carrier.failures_left = len(plans) // 2

        async def run(plan: FaultPlan) -> None:
            placed: Order = orders[plan.seed]
            handle = await fleet.worker.start(OrderWorkflow.run, ShipOrder(placed), id=f"versand-{placed.number}")
            with suppress(WorkflowFailureError):
                await result(handle, 60)
            status = (await handle.describe()).status
            parcels = fleet.carrier.parcels()[placed.number]
            mails = confirmations(tmp_path)[placed.number]
            assert status is not None
            assert parcels <= 1
            assert mails <= parcels
            assert status.name != "COMPLETED" or (parcels, mails) == (1, 1)

        await fault_plans.check(run, concurrency=20)
        assert len(fleet.worker.fired) > len(plans) // 2
        assert (await fleet.world.status()).phase > 0


async def _open_for(client: Client, trial: Trial, settings: BreakerSettings) -> None:
    """Ein anderer Worker hat den Dienst gestört gefunden: Der Schalter dieses Laufs ist offen."""
    guard = SharedBreaker(client, breaker_id(trial.task_queue), trial.task_queue, settings, patience=ENDLESS)
    for _ in range(settings.failures_to_open):
        permit = (await guard.ask()).permit
        assert permit is not None
        await guard.report(Report(permit, answered=False))


@pytest.mark.gruendlich
@pytest.mark.timeout(300)
@pytest.mark.prozess
async def test_worker_dies_at_every_event_of_an_order_behind_an_open_breaker(
    timelapse: Timelapse, tmp_path: Path, service: Carrier
) -> None:
    # Der Schalter hat seinen eigenen Worker: Sterben soll, wer den Auftrag bearbeitet.
    async with open_worker(timelapse, workflows=[BreakerWorkflow]) as breakers:

        async def start(client: Client, trial: Trial) -> WorkflowHandle[Any, Any]:
            opened = Breaker(SHORT, State.OPEN, phase=1, open_until=time.time() + SHORT.cooldown)
            await breakers.start(BreakerWorkflow.run, opened, id=breaker_id(trial.task_queue))
            # Ohne Frist: Die Werkbank verkürzt Fristen am Server, um den Versuch eines toten Workers aufzugeben.
            patience = Patience(first_pause=0.2, call_timeout=2, deadline_days=None)
            arg = ShipOrder(order(trial.workflow_id), patience)
            return await client.start_workflow(
                OrderWorkflow.run, arg, id=trial.workflow_id, task_queue=trial.task_queue
            )

        # In Echtzeit: Der Zeitraffer spränge von Abweisung zu Abweisung, und jeder Sprung wäre ein Event.
        with timelapse.unskipped():
            takeovers = await die_at_every_event(
                timelapse,
                WORKER,
                arguments=lambda trial: {
                    "addresses": Addresses(tmp_path, service.url),
                    "task_queue": trial.task_queue,
                    "settings": SHORT,
                    "spread": 0.0,
                },
                start=start,
                folder=tmp_path / "runs",
            )
    parcels, mails = service.parcels(), confirmations(tmp_path)
    reference, *others = takeovers
    assert len(others) == len(reference.history.events)
    for takeover in others:
        number = takeover.trial.workflow_id
        ended = (takeover.status.name, parcels[number], mails[number])
        assert ended == ("COMPLETED", 1, 1), f"{takeover.describe()}: {takeover.result}"
    assert survivors(takeovers) == []


@pytest.mark.gruendlich
@pytest.mark.timeout(300)
@pytest.mark.prozess
async def test_worker_dies_at_every_event_of_the_breaker(timelapse: Timelapse, tmp_path: Path) -> None:
    slow = replace(SHORT, cooldown=60)
    answers: dict[str, list[int | None]] = {}
    drivers: list[asyncio.Task[None]] = []
    states: dict[str, State] = {}

    async def drive(trial: Trial) -> None:
        handle = timelapse.client.get_workflow_handle_for(BreakerWorkflow.run, trial.workflow_id)
        try:
            await use(trial, handle)
        finally:
            # Scheitert ein Schritt, soll das zu lesen sein und nicht, dass der Schalter endlos wartet.
            await handle.cancel()

    async def use(trial: Trial, handle: WorkflowHandle[Any, Any]) -> None:
        """Öffnen, abgewiesen werden, proben, schließen: dieselbe Folge für jeden Lauf."""
        heard = answers.setdefault(trial.workflow_id, [])

        async def ask() -> Permit | None:
            # Jedes Mal ein neuer Frager, der von einem offenen Schalter noch nichts weiß.
            guard = SharedBreaker(timelapse.client, trial.workflow_id, trial.task_queue, slow, patience=ENDLESS)
            answer: Answer = await guard.ask()
            heard.append(answer.permit.number if answer.permit else None)
            return answer.permit

        for _ in range(2):
            await handle.execute_update(BreakerWorkflow.report, Report((await ask()) or Permit(0, 0, False), False))
        await ask()
        await timelapse.fast_forward(handle, timedelta(seconds=61))
        probe = await ask()
        assert probe is not None
        await handle.execute_update(BreakerWorkflow.report, Report(probe, True))

        async def answered() -> bool:
            # Hat der sterbende Worker die Query schon, ist sie verloren: Der Server stellt sie keinem anderen zu.
            with suppress(RPCError):
                status = await handle.query(BreakerWorkflow.status, rpc_timeout=timedelta(seconds=3))
                states[trial.workflow_id] = status.state
            return trial.workflow_id in states

        await until(answered)

    async def start(client: Client, trial: Trial) -> WorkflowHandle[Any, Any]:
        handle = await client.start_workflow(
            BreakerWorkflow.run, Breaker(slow), id=trial.workflow_id, task_queue=trial.task_queue
        )
        drivers.append(asyncio.create_task(drive(trial)))
        return handle

    takeovers = await die_at_every_event(
        timelapse,
        WORKER,
        arguments=lambda trial: {
            "addresses": Addresses(tmp_path, "http://127.0.0.1:9"),
            "task_queue": trial.task_queue,
        },
        start=start,
        folder=tmp_path / "runs",
    )
    await asyncio.gather(*drivers)
    for takeover in takeovers:
        one = takeover.trial.workflow_id
        assert (answers[one], states[one]) == ([1, 2, None, 3], State.CLOSED), takeover.describe()
    assert len(takeovers) > len(takeovers[0].history.events)


@pytest.mark.gruendlich
@pytest.mark.prozess
async def test_a_worker_that_dies_with_the_probe_costs_one_more_cooldown(
    timelapse: Timelapse, tmp_path: Path, service: Carrier
) -> None:
    settings = replace(SHORT, failures_to_open=1, probe_timeout=0.5)
    queue = timelapse.task_queue()
    trial = Trial("probe", queue, tmp_path)
    arguments = {
        "addresses": Addresses(tmp_path, service.url),
        "task_queue": queue,
        "settings": settings,
        "spread": 0.0,
    }
    # Abgewiesene Versuche erreichen die Störung nicht; sie trifft die Probe: Der Dienst bucht, der Worker stirbt.
    fault = ActivityFault("register_parcel", ActivityAction.KILL_AFTER, attempts=(1, 2, 3, 4, 5))
    deadly = FaultPlan((fault,))
    async with await WorkerProcess.start(WORKER, timelapse.client, arguments=arguments, plan=deadly) as first:
        await _open_for(timelapse.client, trial, settings)
        with timelapse.unskipped():
            handle = await timelapse.client.start_workflow(
                OrderWorkflow.run,
                ShipOrder(order("N-1"), Patience(first_pause=0.2, call_timeout=1)),
                id=f"versand-{queue}",
                task_queue=queue,
            )
        async with asyncio.timeout(30):
            await first.died()
    async with await WorkerProcess.start(WORKER, timelapse.client, arguments=arguments, identity="worker-2"):
        await result(handle, 30)
        breaker = timelapse.client.get_workflow_handle_for(BreakerWorkflow.run, breaker_id(queue))
        status = await breaker.query(BreakerWorkflow.status)
        await breaker.terminate()
    assert (service.parcels(), confirmations(tmp_path)) == ({"N-1": 1}, {"N-1": 1})
    assert status.state is State.CLOSED
    # Öffnen, proben, die verlorene Probe öffnet wieder, proben, schließen.
    assert status.phase == 5
