"""Der Prüfstand: was eine Prüfung mit dem Code einer Übung tun kann."""

from datetime import timedelta
from pathlib import Path

import pytest
from temporalio import activity

from dauerlauf.exercises import Bench, Failed
from dauerlauf.exercises import bench as bench_module
from dauerlauf.faults import ActivityAction, ActivityFault, FaultPlan, Moment, WorkflowAction, WorkflowFault
from dauerlauf.timelapse import Timelapse

CODE = """
import base64
import dataclasses

from datetime import timedelta
from temporalio import activity, workflow
from temporalio.api.common.v1 import Payload
from temporalio.converter import DataConverter, PayloadCodec
from temporalio.worker import Worker


@workflow.defn
class Counter:
    def __init__(self):
        self.total = 0
        self.closed = False

    @workflow.run
    async def run(self, name):
        await workflow.wait_condition(lambda: self.closed)
        text = f"{name}: {self.total}"
        return await workflow.execute_activity("book", text, start_to_close_timeout=timedelta(seconds=5))

    @workflow.signal
    def close(self):
        self.closed = True

    @workflow.update
    def add(self, number):
        self.total += number
        return self.total

    @workflow.query
    def state(self):
        return {"total": self.total}


@workflow.defn
class Sleeper:
    @workflow.run
    async def run(self):
        await workflow.sleep(timedelta(days=30))
        return await workflow.execute_activity("own", start_to_close_timeout=timedelta(seconds=5))


@activity.defn
async def own():
    return "eigene Activity"


def create_worker(client, task_queue, greeting):
    @activity.defn(name="own")
    async def other():
        return greeting

    return Worker(client, task_queue=task_queue, workflows=[Sleeper], activities=[other])


def no_worker(client, task_queue):
    return None


class Base64(PayloadCodec):
    async def encode(self, payloads):
        kind = {"encoding": b"binary/base64"}
        return [Payload(metadata=kind, data=base64.b64encode(p.SerializeToString())) for p in payloads]

    async def decode(self, payloads):
        return [Payload.FromString(base64.b64decode(p.data)) for p in payloads]


data_converter = dataclasses.replace(DataConverter.default, payload_codec=Base64())


class Box:
    def __init__(self, content):
        self.content = content

    async def twice(self, times):
        return [self.content] * times


def add(one, two):
    return one + two


def handle():
    return object()


def forever():
    while True:
        pass
"""


@pytest.fixture
def bench(timelapse: Timelapse, tmp_path: Path) -> Bench:
    """Ein Prüfstand mit dem Code von oben."""
    source, folder = tmp_path / "dateien", tmp_path / "ordner"
    source.mkdir()
    folder.mkdir()
    (source / "programm.py").write_text(CODE, encoding="utf-8")
    return Bench(timelapse, tmp_path, source, folder)


class Ledger:
    """Was der Prüfer gebucht hat."""

    def __init__(self) -> None:
        self.entries: list[str] = []

    @activity.defn
    async def book(self, text: str) -> str:
        self.entries.append(text)
        return text


async def test_signal_update_query_und_activities_des_pruefers(bench: Bench) -> None:
    ledger = Ledger()
    async with bench.worker("programm:Counter", given=[ledger.book]) as worker:
        handle = await worker.start("Counter", "Kasse")
        assert await worker.update(handle, "add", 3) == 3
        assert await worker.query(handle, "state") == {"total": 3}
        with pytest.raises(Failed, match="Query „stand“"):
            await worker.query(handle, "stand")
        with pytest.raises(Failed, match="Update „sub“"):
            await worker.update(handle, "sub", 1)
        await handle.signal("close")
        run = await worker.finish(handle)
    assert (run.result, run.activities, ledger.entries) == ("Kasse: 3", ["book"], ["Kasse: 3"])
    assert run.count("WorkflowExecutionUpdateAccepted") == 1


async def test_ein_toter_worker_hat_einen_nachfolger(bench: Bench) -> None:
    plan = FaultPlan(
        (ActivityFault("own", ActivityAction.KILL_BEFORE),),
        (WorkflowFault(WorkflowAction.KILL, event=5, moment=Moment.SEEN),),
    )
    async with bench.worker("programm:Sleeper", activities=["programm:own"], plan=plan) as worker:
        run = await worker.execute("Sleeper")
        assert worker.deaths == 1
        assert len(worker.fired) == 1
    assert run.result == "eigene Activity"
    assert run.history.events[-1].event_time.ToDatetime() - run.history.events[0].event_time.ToDatetime() > timedelta(
        29
    )


async def test_fabrik_der_uebung(bench: Bench) -> None:
    async with bench.worker(factory="programm:create_worker", arguments={"greeting": "Moin"}) as worker:
        assert (await worker.execute("Sleeper")).result == "Moin"
    with pytest.raises(Failed, match="erwartet ist ein Worker"):
        async with bench.worker(factory="programm:no_worker"):
            pass


async def test_codec_der_uebung_laeuft_nur_in_ihrem_prozess(bench: Bench) -> None:
    ledger = Ledger()
    async with bench.worker("programm:Counter", converter="programm:data_converter", given=[ledger.book]) as worker:
        handle = await worker.start("Counter", "geheim")
        assert await worker.query(handle, "state") == {"total": 0}
        await worker.update(handle, "add", 2)
        started = (await handle.fetch_history()).events[0].workflow_execution_started_event_attributes
        assert started.input.payloads[0].metadata["encoding"] == b"binary/base64"
        await handle.signal("close")
        assert (await worker.finish(handle)).result == "geheim: 2"
    assert ledger.entries == ["geheim: 2"]


async def test_replay_mit_dem_code_der_uebung(bench: Bench) -> None:
    async with bench.worker("programm:Sleeper", activities=["programm:own"]) as worker:
        run = await worker.execute("Sleeper")
    assert await bench.replay("programm:Sleeper", history=run.history) is None
    changed = CODE.replace("        await workflow.sleep(timedelta(days=30))\n", "")
    (bench.source / "programm.py").write_text(changed, encoding="utf-8")
    problem = await bench.replay("programm:Sleeper", history=run.history)
    assert problem is not None
    assert problem.startswith("[TMPRL1100] Nondeterminism error")


async def test_aufrufe(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    async with bench.process() as process:
        assert await process.call("programm:add", "ä", "ß") == "äß"
        assert await process.call("programm:add", b"\0", b"\xff") == b"\0\xff"
        assert await process.call(("programm:Box.twice", "x"), 2) == ["x", "x"]
        assert await process.raises("programm:add", 1, "x") == "TypeError"
        assert await process.raises("programm:add", 1, 2) is None
        with pytest.raises(Failed, match="programm.py, Zeile .*TypeError"):
            await process.call("programm:add", 1, "x")
        with pytest.raises(Failed):
            await process.call("programm:handle")
        with pytest.raises(Failed, match="Der Name „fehlt“ fehlt"):
            await process.call("programm:fehlt")
        monkeypatch.setattr(bench_module, "LOAD_LIMIT", 0.5)
        with pytest.raises(Failed, match="Endlosschleife"):
            await process.call("programm:forever")
