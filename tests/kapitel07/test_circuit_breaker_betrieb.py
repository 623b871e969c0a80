"""Form c: die Mittel des Betriebs – Activities anhalten, die Task Queue drosseln – am eingebetteten Server."""

import asyncio
from pathlib import Path

import pytest
from breaker_hilfen import attempts, open_fleet
from temporalio.api.workflowservice.v1 import (
    ListWorkflowRulesRequest,
    PauseActivityRequest,
    UnpauseActivityRequest,
)
from temporalio.service import RPCError, RPCStatusCode

from dauerlauf.server import find_binary
from dauerlauf.timelapse import Timelapse, result
from hilfen import until
from kapitel07.circuit_breaker.activities import OUT_OF_ORDER
from kapitel07.circuit_breaker.scenarios import Handle, failed
from kapitel07.circuit_breaker.services import confirmations
from kapitel07.circuit_breaker.worker import Form


async def _cli(timelapse: Timelapse, *arguments: str) -> str:
    assert timelapse.server is not None
    process = await asyncio.create_subprocess_exec(
        str(await find_binary()),
        *arguments,
        "--address",
        timelapse.client.service_client.config.target_host,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 30)
    return output.decode()


async def _limit(timelapse: Timelapse, queue: str, per_second: str, reason: str) -> None:
    command = ("task-queue", "config", "set", "--task-queue", queue, "--task-queue-type", "activity")
    await _cli(timelapse, *command, "--queue-rps-limit", per_second, "--queue-rps-limit-reason", reason)


async def test_pausing_a_type_stops_the_waiting_orders_but_not_the_new_ones(
    timelapse: Timelapse, tmp_path: Path
) -> None:
    service = timelapse.client.workflow_service
    async with open_fleet(timelapse, tmp_path, form=Form.NONE) as fleet:
        fleet.carrier.down = True
        handles = await fleet.place(3, skipped=False, first_pause=0.2, longest_pause=0.2)
        await until(lambda: fleet.carrier.arrivals >= 3)
        for handle in handles:
            await service.pause_activity(
                PauseActivityRequest(
                    namespace="default", execution={"workflow_id": handle.id}, type="register_parcel", reason="Störung"
                )
            )

        async def all_paused() -> bool:
            described = [(await handle.describe()).raw_description for handle in handles]
            return all(pending.paused for one in described for pending in one.pending_activities)

        await until(all_paused)
        await until(lambda: len(fleet.carrier.calls) == fleet.carrier.arrivals)
        paused_at = fleet.carrier.arrivals
        before = [await attempts(handle) for handle in handles]
        # Ein Auftrag, der danach kommt, weiß von der Pause nichts und ruft an – mehrmals.
        [new] = await fleet.place(skipped=False, first_pause=0.2, longest_pause=0.2)
        await until(lambda: fleet.carrier.arrivals >= paused_at + 3)
        assert [await attempts(handle) for handle in handles] == before
        assert {call.order_number for call in fleet.carrier.calls[paused_at:]} == {fleet.orders[-1].number}
        fleet.carrier.down = False
        for handle in handles:
            await service.unpause_activity(
                UnpauseActivityRequest(
                    namespace="default", execution={"workflow_id": handle.id}, type="register_parcel"
                )
            )
        await asyncio.gather(*(result(handle, 20) for handle in (*handles, new)))
        assert fleet.every_order_exactly_once()


@pytest.mark.gruendlich  # Ein aufgehobenes Limit bemerkt der Server erst nach etwa einer Sekunde.
async def test_a_queue_limit_of_zero_stops_every_call_until_it_is_lifted(timelapse: Timelapse, tmp_path: Path) -> None:
    for name in ("auftraege", "versand"):
        (tmp_path / name).mkdir()
    async with (
        open_fleet(timelapse, tmp_path / "auftraege", form=Form.NONE) as orders,
        open_fleet(timelapse, tmp_path / "versand", form=Form.NONE) as calls,
    ):
        queue = calls.worker.task_queue
        await _limit(timelapse, queue, "0", "Störung im Versand")
        waiting = await orders.place(3, skipped=False, carrier_queue=queue)
        # Derselbe Worker erledigt inzwischen Aufträge, deren Anmeldung auf einer anderen Task Queue liegt.
        for _ in range(3):
            [other] = await orders.place(skipped=False)
            await result(other, 20)
        assert [await attempts(handle) for handle in waiting] == [1] * 3
        assert (calls.carrier.arrivals, orders.carrier.arrivals) == (0, 3)
        await _limit(timelapse, queue, "default", "Störung behoben")
        await asyncio.gather(*(result(handle, 20) for handle in waiting))
        assert sorted(calls.carrier.parcels().values()) == [1] * 3
        assert confirmations(tmp_path / "auftraege").total() == 6


async def test_a_queue_limit_does_not_stop_what_a_worker_starts_eagerly(timelapse: Timelapse, tmp_path: Path) -> None:
    async with open_fleet(timelapse, tmp_path, form=Form.NONE) as fleet:
        await _limit(timelapse, fleet.worker.task_queue, "0", "Störung im Versand")
        # Workflow und Activity teilen sich die Task Queue: Der Worker nimmt sich den ersten Versuch selbst.
        for handle in await fleet.place(3, skipped=False):
            await result(handle, 20)
        assert fleet.carrier.arrivals == 3
        fleet.carrier.down = True
        [waiting] = await fleet.place(skipped=False, first_pause=0.1)
        await failed(waiting, OUT_OF_ORDER)
        # Jeder weitere Versuch kommt vom Server, und der teilt nichts mehr zu.
        fleet.carrier.down = False
        await until(lambda: _attempt(waiting, 2))
        for handle in await fleet.place(3, skipped=False):
            await result(handle, 20)
        assert (fleet.carrier.arrivals, await attempts(waiting)) == (7, 2)


async def _attempt(handle: Handle, number: int) -> bool:
    return await attempts(handle) == number


async def test_this_cli_pauses_by_id_only(timelapse: Timelapse) -> None:
    help_text = await _cli(timelapse, "activity", "pause", "--help")
    assert "--activity-id" in help_text
    assert "--type" not in help_text
    assert "--query" not in help_text


async def test_this_server_has_no_workflow_rules(timelapse: Timelapse) -> None:
    with pytest.raises(RPCError) as refused:
        await timelapse.client.workflow_service.list_workflow_rules(ListWorkflowRulesRequest(namespace="default"))
    assert refused.value.status is RPCStatusCode.UNIMPLEMENTED
