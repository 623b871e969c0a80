"""Der falsche Schalter aus `wrong.py`: Jeder Test beweist einen Schaden, den das Muster vermeidet."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ActivityError

from dauerlauf.testing import RunningWorker, open_worker
from dauerlauf.timelapse import Timelapse
from kapitel07.circuit_breaker.activities import OUT_OF_ORDER, Addresses, OrderActivities
from kapitel07.circuit_breaker.scenarios import order
from kapitel07.circuit_breaker.services import Carrier, carrier
from kapitel07.circuit_breaker.wrong import FAILURES_TO_OPEN, ApplicationErrorWorkflow, InstanceBreakerWorkflow


@asynccontextmanager
async def _wrong_shop(timelapse: Timelapse, folder: Path) -> AsyncIterator[tuple[RunningWorker, Carrier]]:
    with carrier(folder) as service:
        service.down = True
        activities = OrderActivities(Addresses(folder, service.url)).all()
        workflows = [InstanceBreakerWorkflow, ApplicationErrorWorkflow]
        async with open_worker(timelapse, workflows=workflows, activities=activities) as worker:
            yield worker, service


async def test_wrong_state_in_the_instance_protects_nobody_and_drops_orders(
    timelapse: Timelapse, tmp_path: Path
) -> None:
    runs = 4
    async with _wrong_shop(timelapse, tmp_path) as (worker, service):
        batches = [[order(f"N-{run}-{number}") for number in range(8)] for run in range(runs)]
        done = await asyncio.gather(*(worker.execute(InstanceBreakerWorkflow.run, batch) for batch in batches))
        # Jede Ausführung lernt von vorn, dass der Dienst gestört ist.
        assert service.arrivals == runs * FAILURES_TO_OPEN
        assert done == [["gescheitert"] * 5 + ["Schalter offen"] * 3] * runs
        assert service.parcels().total() == 0


async def test_wrong_except_never_counts_a_failure(timelapse: Timelapse, tmp_path: Path) -> None:
    async with _wrong_shop(timelapse, tmp_path) as (worker, service):
        with pytest.raises(WorkflowFailureError) as failure:
            await worker.execute(ApplicationErrorWorkflow.run, order("N-1"))
        assert isinstance(failure.value.cause, ActivityError)
        assert failure.value.cause.cause is not None
        assert OUT_OF_ORDER in repr(failure.value.cause.cause)
        # Schon der erste gescheiterte Aufruf beendet den Workflow; fünf wären vorgesehen.
        assert service.arrivals == 1
