"""Zusehen, während ein Workflow läuft: jede Zeile genau einmal, Hängendes sichtbar, Verschlüsseltes lesbar."""

import asyncio
import dataclasses
import io
import os
import re
import signal
import sysconfig
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import temporalio.converter
from rich.console import Console
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.converter import DefaultFailureConverterWithEncodedAttributes
from temporalio.worker import Worker

from dauerlauf import live, timeline
from dauerlauf.codec import RemoteCodec
from dauerlauf.errors import DauerlaufError
from dauerlauf.history import load, steps
from dauerlauf.scenario import Pattern, find_pattern, patterns
from dauerlauf.server import EmbeddedServer
from dauerlauf.timelapse import Timelapse, result
from werkbank.codec_server import Answer, EncryptionCodec, codec_server
from werkbank.terminal import in_terminal, screen
from werkbank.verlauf_workflows import ACTIVITIES, WORKFLOWS, Desk, Fulfilment, Order
from werkbank.zeitraffer_beispiele import BrokenWorkflow, RetryingWorkflow, SignalWorkflow, always_fails

PROGRAM = Path(sysconfig.get_path("scripts")) / "dauerlauf"
WAIT = 30.0


@pytest.fixture(autouse=True)
def _own_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("TEMPORAL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr(live, "LOOK_INTERVAL", 0.03)


@pytest.fixture(scope="module")
async def queue(timelapse: Timelapse) -> AsyncIterator[str]:
    """Eine Task Queue mit Worker."""
    name = timelapse.task_queue()
    async with worker(timelapse.client_for("worker-1"), name):
        yield name


@pytest.fixture
def name(timelapse: Timelapse) -> str:
    """Eine neue Workflow-ID."""
    return timelapse.task_queue().replace("tq", "lauf")


def worker(client: Client, queue: str) -> Worker:
    return Worker(
        client,
        task_queue=queue,
        workflows=[*WORKFLOWS, BrokenWorkflow, RetryingWorkflow, SignalWorkflow],
        activities=[*ACTIVITIES, always_fails],
    )


@pytest.fixture(autouse=True)
async def _no_task_left() -> AsyncIterator[None]:
    """Wer zusieht, hinterlässt nichts, was weiterläuft."""
    yield
    left = [task for task in asyncio.all_tasks() if "live." in repr(task.get_coro())]
    for task in left:
        task.cancel()
    assert left == []


class Paper(io.StringIO):
    """Was gedruckt wird; `seen` wartet, bis ein Text darauf steht."""

    def __init__(self, *, terminal: bool = False, width: int = 100, height: int = 30) -> None:
        super().__init__()
        self.console = Console(
            file=self, force_terminal=terminal, width=width, height=height, highlight=False, legacy_windows=False
        )

    @property
    def lines(self) -> list[str]:
        return screen(self.getvalue().replace("\n", "\r\n"))

    async def seen(self, text: str) -> None:
        deadline = time.monotonic() + WAIT
        while text not in " ".join(" ".join(self.lines).split()):
            assert time.monotonic() < deadline, f"„{text}“ fehlt in:\n{self.getvalue()}"
            await asyncio.sleep(0.01)


async def expected(handle: WorkflowHandle[Any, Any]) -> list[str]:
    """Die Zeilen eines beendeten Laufs."""
    return [timeline.line(row).plain for row in timeline.rows(steps(await handle.fetch_history()), fold=False)]


def final(lines: Sequence[str]) -> list[str]:
    """Die endgültigen Zeilen eines Protokolls; ob eine Activity noch lief, als ihre Zeile erschien, ist Zufall."""
    return [line.replace("läuft noch", "beginnt") for line in lines if line and not line.lstrip().startswith("…")]


# ---------------------------------------------------------------------------------------------------------
# Protokoll: jede Zeile einmal, in der Reihenfolge, endgültig


@pytest.mark.parametrize("pattern", patterns().values(), ids=lambda pattern: pattern.name)
def test_eine_gedruckte_zeile_aendert_sich_nie(pattern: Pattern) -> None:
    """Nach jedem Event jedes aufgezeichneten Laufs gilt: Was feststeht, steht auch am Ende genau so da."""

    def shown(row: timeline.Row) -> str:
        return timeline.line(row).plain.replace("läuft noch", "beginnt")

    for scenario in pattern.scenarios:
        found = steps(load(pattern.history_file(scenario)))
        every = [shown(row) for row in timeline.rows(found, pattern.legend, fold=False)]
        before = 0
        for length in range(1, len(found) + 1):
            rows = timeline.rows(found[:length], pattern.legend, fold=False)
            settled = live.settled_rows(rows, complete=length == len(found))
            assert before <= len(settled)
            new = [shown(row) for row in settled[before:]]
            assert new == every[before : len(settled)], (scenario, length)
            before = len(settled)
        assert before == len(every)


async def test_protokoll_mit_retries_und_child(timelapse: Timelapse, queue: str, name: str) -> None:
    handle = await timelapse.client.start_workflow(Fulfilment.run, Order("N-1"), id=name, task_queue=queue)
    paper = Paper()
    outcome = await live.watch(timelapse.client, name, out=paper.console)
    assert outcome == live.Outcome("COMPLETED")
    printed = final(paper.lines)
    assert printed[0] == f"{name}: Fulfilment, Lauf {handle.first_execution_run_id}"
    assert printed[1:] == await expected(handle)
    assert any("3 Versuche ↺" in line for line in printed)


async def test_signale_updates_und_continue_as_new(timelapse: Timelapse, queue: str, name: str) -> None:
    with timelapse.unskipped():
        handle = await timelapse.client.start_workflow(Desk.run, 2, id=name, task_queue=queue)
    paper = Paper()
    watching = asyncio.ensure_future(live.watch(timelapse.client, name, out=paper.console))
    latest = timelapse.client.get_workflow_handle(name)
    for lap in range(3):
        await paper.seen("Timer gestellt: 1 Tag" if lap == 0 else "läuft weiter")
        assert await latest.execute_update(Desk.amount, 100 + lap) == 100 + lap
        await paper.seen(f"→ {100 + lap}")
        run_id = (await latest.describe()).run_id
        await latest.signal(Desk.decide, f"Anke {lap}")
        await paper.seen(f"„Anke {lap}“")
        deadline = time.monotonic() + WAIT
        while lap < 2 and (await latest.describe()).run_id == run_id:
            assert time.monotonic() < deadline
        if lap < 2:
            await paper.seen((await latest.describe()).run_id)
    assert await asyncio.wait_for(watching, WAIT) == live.Outcome("COMPLETED")
    wanted: list[str] = []
    run_id = handle.first_execution_run_id
    while run_id:
        run = timelapse.client.get_workflow_handle(name, run_id=run_id)
        wanted += [f"{name}: Desk, Lauf {run_id}", *await expected(run)]
        last = (await run.fetch_history()).events[-1]
        run_id = last.workflow_execution_continued_as_new_event_attributes.new_execution_run_id
    assert final(paper.lines) == wanted
    assert sum(line.startswith(name) for line in wanted) == 3, "drei Läufe"

    again = Paper()
    await live.watch(timelapse.client, name, handle.first_execution_run_id, out=again.console)
    assert final(again.lines) == wanted, "ab dem genannten Lauf"
    youngest = Paper()
    await live.watch(timelapse.client, name, out=youngest.console)
    assert final(youngest.lines) == wanted[-len(final(youngest.lines)) :]
    assert sum("Lauf" in line for line in youngest.lines if line.startswith(name)) == 1, "sonst nur der jüngste"


async def test_nach_einem_reset_geht_es_im_neuen_lauf_weiter(timelapse: Timelapse, queue: str, name: str) -> None:
    from temporalio.api.common.v1 import WorkflowExecution
    from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest

    with timelapse.unskipped():
        handle = await timelapse.client.start_workflow(Desk.run, 0, id=name, task_queue=queue)
    paper = Paper()
    watching = asyncio.ensure_future(live.watch(timelapse.client, name, out=paper.console))
    await paper.seen("Timer gestellt: 1 Tag")
    request = ResetWorkflowExecutionRequest(
        namespace="default",
        workflow_execution=WorkflowExecution(workflow_id=name, run_id=handle.first_execution_run_id),
        reason="noch einmal",
        workflow_task_finish_event_id=4,
        request_id="1",
    )
    answer = await timelapse.client.workflow_service.reset_workflow_execution(request)
    await paper.seen(answer.run_id)
    await timelapse.client.get_workflow_handle(name).signal(Desk.decide, "Anke")
    assert await asyncio.wait_for(watching, WAIT) == live.Outcome("COMPLETED")


# ---------------------------------------------------------------------------------------------------------
# Was nicht in der History steht


@pytest.mark.parametrize("terminal", [False, True], ids=["pipe", "terminal"])
@pytest.mark.parametrize(
    ("workflow", "text"),
    [
        (BrokenWorkflow, "… Workflow hängt: ValueError: Preis fehlt (Workflow-Task, Versuch "),
        (RetryingWorkflow, "; zuletzt: RuntimeError: Lager zu"),
    ],
    ids=["workflow", "activity"],
)
async def test_was_haengt_ist_zu_sehen(
    timelapse: Timelapse, queue: str, name: str, workflow: Any, text: str, terminal: bool
) -> None:
    with timelapse.unskipped():
        handle = await timelapse.client.start_workflow(workflow.run, id=name, task_queue=queue)
    paper = Paper(terminal=terminal)
    watching = asyncio.ensure_future(live.watch(timelapse.client, name, out=paper.console))
    await paper.seen(text)
    await handle.terminate("gesehen")
    assert await asyncio.wait_for(watching, WAIT) == live.Outcome("TERMINATED")
    if terminal:
        assert text not in " ".join(paper.lines), "Am Ende steht nur noch, was in der History steht."
    else:
        assert final(paper.lines)[1:] == [line.replace("läuft noch", "beginnt") for line in await expected(handle)]


async def test_fehlender_worker_und_offener_timer(timelapse: Timelapse, queue: str, name: str) -> None:
    alone = timelapse.task_queue()
    orphan = await timelapse.client.start_workflow(SignalWorkflow.run, id=alone, task_queue=alone)
    with timelapse.unskipped():
        waiting = await timelapse.client.start_workflow(Desk.run, 0, id=name, task_queue=queue)
    papers = {orphan: Paper(), waiting: Paper()}
    watching = [
        asyncio.ensure_future(live.watch(timelapse.client, handle.id, out=paper.console))
        for handle, paper in papers.items()
    ]
    await papers[orphan].seen(f"… Kein Worker holt den Workflow-Task aus der Task Queue „{alone}“ ab")
    await papers[waiting].seen("… Timer gestellt: 1 Tag")
    for handle in papers:
        await handle.terminate()
    assert [outcome.status for outcome in await asyncio.gather(*watching)] == ["TERMINATED"] * 2


def test_versuche_und_heartbeat_in_worten() -> None:
    from datetime import UTC, datetime, timedelta

    from temporalio.api.common.v1 import ActivityType, Payload, Payloads
    from temporalio.api.enums.v1 import PendingActivityState
    from temporalio.api.failure.v1 import Failure
    from temporalio.api.workflow.v1 import PendingActivityInfo
    from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionResponse

    beat = Payloads(payloads=[Payload(metadata={"encoding": b"json/plain"}, data=b"42")])
    running = PendingActivityInfo(
        activity_id="1",
        activity_type=ActivityType(name="ship"),
        state=PendingActivityState.PENDING_ACTIVITY_STATE_STARTED,
        attempt=2,
        maximum_attempts=5,
        last_worker_identity="worker-7",
        heartbeat_details=beat,
    )
    waiting = PendingActivityInfo(
        activity_id="2",
        activity_type=ActivityType(name="charge"),
        state=PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED,
        attempt=3,
        last_failure=Failure(message="Bank antwortet nicht"),
    )
    waiting.next_attempt_schedule_time.FromDatetime(datetime.now(UTC) + timedelta(seconds=8.5))
    raw = DescribeWorkflowExecutionResponse(pending_activities=[running, waiting])
    assert [pending.text for pending in live.pending_work(raw, [])] == [
        "charge: Versuch 3 in 9 s; zuletzt: Bank antwortet nicht",
        "ship: Versuch 2 von 5 läuft auf worker-7, Heartbeat: 42",
    ]
    waiting.next_attempt_schedule_time.FromDatetime(datetime.now(UTC) - timedelta(seconds=1))
    raw = DescribeWorkflowExecutionResponse(pending_activities=[waiting])
    assert "charge: Versuch 3 wartet auf einen Worker" in live.pending_work(raw, [])[0].text


# ---------------------------------------------------------------------------------------------------------
# Fehler in einem Satz


async def observe(out: Console, workflow_id: str, run_id: str | None = None, **options: Any) -> None:
    settings: dict[str, Any] = {"namespace": None, "codec": None, "codec_auth": None, "limit": None}
    await live.observe(out, workflow_id, run_id, **settings | options)


@pytest.mark.parametrize(
    ("arguments", "environment", "expected"),
    [
        (
            {},
            {},
            "Den Workflow „gibtsnicht“ gibt es im Namespace „default“ auf ADRESSE nicht; `temporal workflow list`",
        ),
        ({"run_id": "1"}, {}, "Den Lauf „1“ des Workflows „gibtsnicht“ gibt es im Namespace „default“ auf ADRESSE"),
        ({"namespace": "fehlt"}, {}, "Den Namespace „fehlt“ gibt es auf ADRESSE nicht; berichtigen Sie --namespace."),
        ({}, {"TEMPORAL_NAMESPACE": "weg"}, "Den Namespace „weg“ gibt es auf ADRESSE nicht; berichtigen Sie TEMPORAL_"),
        (
            {},
            {"TEMPORAL_ADDRESS": "127.0.0.1:1"},
            "Der Temporal Server 127.0.0.1:1 aus Ihrer Konfiguration antwortet n",
        ),
        ({}, {"TEMPORAL_TLS": "true"}, "Der Temporal Server ADRESSE aus Ihrer Konfiguration antwortet nicht ("),
        ({"codec": "localhost:8081"}, {}, "„localhost:8081“ ist keine Adresse eines Codec-Servers"),
        ({"codec": "http://"}, {}, "„http://“ ist keine Adresse eines Codec-Servers"),
    ],
    ids=str,
)
async def test_fehler_in_einem_satz(
    timelapse: Timelapse,
    monkeypatch: pytest.MonkeyPatch,
    arguments: dict[str, Any],
    environment: dict[str, str],
    expected: str,
) -> None:
    assert timelapse.server is not None
    for name, value in ({"TEMPORAL_ADDRESS": timelapse.server.address} | environment).items():
        monkeypatch.setenv(name, value)
    paper = Paper()
    with pytest.raises(DauerlaufError) as error:
        await observe(paper.console, "gibtsnicht", **arguments)
    assert str(error.value).startswith(expected.replace("ADRESSE", timelapse.server.address))
    assert "\n" not in str(error.value)
    assert paper.getvalue() == ""


async def test_ohne_konfiguration_gilt_der_lokale_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "LOCAL_ADDRESS", "127.0.0.1:1")
    with pytest.raises(DauerlaufError) as error:
        await observe(Paper().console, "x")
    assert str(error.value) == (
        "Auf 127.0.0.1:1 antwortet kein Temporal Server; starten Sie einen, etwa mit `dauerlauf server`, oder nennen "
        "Sie Ihren in TEMPORAL_ADDRESS."
    )


# ---------------------------------------------------------------------------------------------------------
# Codec


@pytest.fixture(scope="module")
async def secret(timelapse: Timelapse) -> WorkflowHandle[Any, Any]:
    """Ein beendeter Lauf, dessen Payloads und Fehlertexte verschlüsselt in der History stehen."""
    config = timelapse.client.config()
    config["data_converter"] = dataclasses.replace(
        temporalio.converter.default(),
        payload_codec=EncryptionCodec(),
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
    )
    client = Client(**config)
    queue = timelapse.task_queue()
    async with worker(client, queue):
        handle = await client.start_workflow(Fulfilment.run, Order("N-7", 200_000), id=queue, task_queue=queue)
        with pytest.raises(WorkflowFailureError):
            await result(handle)
    return handle


async def test_codec_entschluesselt(
    timelapse: Timelapse, monkeypatch: pytest.MonkeyPatch, secret: WorkflowHandle[Any, Any]
) -> None:
    assert timelapse.server is not None
    monkeypatch.setenv("TEMPORAL_ADDRESS", timelapse.server.address)
    plain, paper = Paper(), Paper()
    await observe(plain.console, secret.id)
    assert "verschlüsselt (" in plain.getvalue()
    assert "Fehlertext verschlüsselt" in plain.getvalue()
    assert "N-7" not in plain.getvalue()
    with codec_server() as asked:
        await observe(paper.console, secret.id, codec=asked.address + "/{namespace}/", codec_auth="Bearer geheim")
    assert "cents: 200000, customer: „Jörg Weiß“, number: „N-7“" in paper.getvalue()
    assert "→ „R-N-7“" in paper.getvalue()
    assert "CardDeclined: Karte abgelehnt" in paper.getvalue()
    assert "verschlüsselt" not in paper.getvalue()
    assert set(asked.paths) == {"/default/decode"}
    assert {header["x-namespace"] for header in asked.headers} == {"default"}
    assert {header["authorization"] for header in asked.headers} == {"Bearer geheim"}
    assert {payload.metadata["encoding"] for payload in asked.payloads} == {b"binary/encrypted"}
    texts = [payload.SerializeToString(deterministic=True) for payload in asked.payloads]
    assert len(texts) == len(set(texts)), "kein Payload wird zweimal gefragt"


async def test_codec_fragt_in_gruppen_und_merkt_sich_antworten(secret: WorkflowHandle[Any, Any]) -> None:
    history = await secret.fetch_history()
    with codec_server() as asked:
        async with RemoteCodec(asked.address, "default") as codec:
            copies = [HistoryEvent.FromString(event.SerializeToString()) for event in history.events]
            await codec.decode(history.events)
            await codec.decode(copies)
            assert len(asked.paths) == 1
            assert copies == list(history.events)
            assert "authorization" not in asked.headers[0]
            await codec.decode(history.events)
            assert len(asked.paths) == 1, "Entschlüsseltes wird nicht noch einmal gefragt"


@pytest.mark.parametrize(
    ("answer", "problem", "terminal"),
    [
        (lambda _: (500, b"kaputt"), "antwortet auf /decode mit HTTP 500; prüfen Sie Adresse und Codec-Server.", True),
        (lambda _: (500, b"kaputt"), "antwortet auf /decode mit HTTP 500; prüfen Sie Adresse und Codec-Server.", False),
        (lambda _: (404, b""), "antwortet auf /decode mit HTTP 404; prüfen Sie Adresse und Codec-Server.", False),
        (lambda _: (401, b""), "verweigert den Zugang (HTTP 401); der Zugang steht in --codec-auth.", False),
        (
            lambda _: (200, b"<html>"),
            "antwortet nicht mit Payloads in JSON; prüfen Sie Adresse und Codec-Server.",
            False,
        ),
        (lambda _: (200, b"[1]"), "antwortet nicht mit Payloads in JSON; prüfen Sie Adresse und Codec-Server.", False),
        (lambda _: (200, b'{"payloads": 1}'), "antwortet nicht mit Payloads in JSON; prüfen Sie", False),
        (lambda _: (200, b"{}"), " statt ", False),
    ],
    ids=["500-terminal", "500", "404", "401", "html", "liste", "zahl", "leer"],
)
async def test_codec_versagt(
    timelapse: Timelapse,
    monkeypatch: pytest.MonkeyPatch,
    secret: WorkflowHandle[Any, Any],
    answer: Answer,
    problem: str,
    terminal: bool,
) -> None:
    assert timelapse.server is not None
    monkeypatch.setenv("TEMPORAL_ADDRESS", timelapse.server.address)
    paper = Paper(terminal=terminal)
    with codec_server(answer) as asked, pytest.raises(DauerlaufError) as error:
        await observe(paper.console, secret.id, codec=asked.address)
    assert str(error.value).startswith(f"Der Codec-Server {asked.address} ")
    assert problem in str(error.value)
    assert "verschlüsselt (" in paper.getvalue(), "Der Lauf ist trotzdem zu sehen."
    assert "Ausgang  FAILED" in paper.getvalue()
    assert (str(error.value) in paper.getvalue()) is not terminal


async def test_codec_nicht_erreichbar() -> None:
    from temporalio.api.common.v1 import Payload

    async with RemoteCodec("http://127.0.0.1:1", "default") as codec:
        with pytest.raises(DauerlaufError, match=r"^Der Codec-Server http://127\.0\.0\.1:1 ist nicht erreichbar \("):
            await codec.decode([Payload(metadata={"encoding": b"binary/encrypted"}, data=b"x")])


# ---------------------------------------------------------------------------------------------------------
# Terminal


async def test_terminal_zeigt_den_schluss_und_am_ende_alles(timelapse: Timelapse, queue: str, name: str) -> None:
    with timelapse.unskipped():
        await timelapse.client.start_workflow(Desk.run, 0, id=name, task_queue=queue)
    paper = Paper(terminal=True, width=60, height=10)
    watching = asyncio.ensure_future(live.watch(timelapse.client, name, out=paper.console, hint="; HINWEIS"))
    await paper.seen("Timer gestellt: 1 Tag")
    handle = timelapse.client.get_workflow_handle(name)
    for cents in range(1, 7):
        await handle.execute_update(Desk.amount, cents)
    await paper.seen("→ 6")
    shown = [line for line in paper.lines if line]
    assert len(shown) <= 9
    assert any(re.fullmatch(r"⋮ \d+ Zeilen darüber", line) for line in shown)
    assert re.fullmatch(r"\d+ Events; HINWEIS", shown[-1])
    await handle.signal(Desk.decide, "Anke")
    await asyncio.wait_for(watching, WAIT)
    console = Console(file=io.StringIO(), width=60, highlight=False)
    console.print(timeline.table(steps(await handle.fetch_history())))
    wanted = [line.rstrip() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]
    assert len(wanted) > 10
    assert [line for line in paper.lines if line][-len(wanted) :] == wanted
    assert "HINWEIS" not in " ".join(paper.lines)


def test_vieles_zugleich_passt_ins_fenster() -> None:
    paper = Paper(terminal=True, height=16)
    pending = [live.Pending(("activity", number), f"ship {number}: läuft") for number in range(40)]
    found = steps(load(find_pattern("saga").history_file("glatt")))
    with live._Screen(paper.console, "lang", "", None, None) as view:
        view.draw(found, live._State(pending=pending, codec_problem="Der Codec-Server schweigt."))
    shown = [line for line in paper.lines if line]
    assert shown[0] == "lang"
    assert shown[-9:] == [*(f"… ship {number}: läuft" for number in range(6)), "… und 34 weitere", *shown[-2:]]
    assert shown[-2:] == ["Der Codec-Server schweigt.", f"{len(found)} Events"]
    assert len(shown) == 15


@pytest.mark.gruendlich
async def test_server_verschwindet_mitten_im_lauf() -> None:
    server = await EmbeddedServer.start()
    client = await server.connect()
    await client.start_workflow("Bestellung", id="b-1", task_queue="niemand")
    paper = Paper()
    watching = asyncio.ensure_future(live.watch(client, "b-1", out=paper.console))
    await paper.seen("Workflow Bestellung startet")
    server.kill()
    with pytest.raises(DauerlaufError, match=rf"^Die Verbindung zu {server.address} ist abgerissen \("):
        await asyncio.wait_for(watching, WAIT)


def long_history(length: int) -> list[HistoryEvent]:
    """Ein Lauf aus vielen gleichen Schritten, aus einer Aufzeichnung vervielfacht."""
    first, *middle, _ = load(find_pattern("saga").history_file("glatt")).events
    events = [first]
    while len(events) < length:
        offset = len(events) - 1
        for event in middle:
            copy = HistoryEvent.FromString(event.SerializeToString())
            copy.event_id += offset
            attributes = getattr(copy, copy.WhichOneof("attributes") or "")
            for name in ("scheduled_event_id", "started_event_id"):
                if getattr(attributes, name, 0):
                    setattr(attributes, name, getattr(attributes, name) + offset)
            events.append(copy)
    return events


class Pages:
    """Eine History in Seiten, wie der Server sie liefert."""

    def __init__(self, events: list[HistoryEvent], size: int) -> None:
        self._pages = [events[start : start + size] for start in range(0, len(events), size)]
        self.current_page: list[HistoryEvent] = []
        self.next_page_token: bytes | None = b"weiter"

    async def fetch_next_page(self) -> None:
        await asyncio.sleep(0)
        self.current_page = self._pages.pop(0)
        self.next_page_token = b"weiter" if self._pages else None


async def test_10000_events_ohne_quadratischen_aufwand(monkeypatch: pytest.MonkeyPatch) -> None:
    events = long_history(10_000)
    drawn: list[int] = []
    draw = live._Screen.draw

    def counted(self: Any, found: Any, state: Any) -> None:
        drawn.append(len(found))
        draw(self, found, state)

    monkeypatch.setattr(live._Screen, "draw", counted)
    monkeypatch.setattr(live, "LOOK_INTERVAL", 60)
    paper = Paper(terminal=True, height=20)
    handle: Any = SimpleNamespace(id="lang", fetch_history_events=lambda **_: Pages(events, 20))
    view = live._Screen(paper.console, "lang", "", None, 100)
    began = time.process_time()
    await live._watch_run(handle, live._State(), view, None, 0.0, keep=True)
    assert drawn[-1] == len(events) >= 10_000
    assert len(drawn) < 100, f"500 Seiten, {len(drawn)} Zeichnungen"
    assert time.process_time() - began < 3
    assert any("weitere Schritte" in line or "dieselben" in line for line in paper.lines)


async def test_takt_haelt_nur_die_zeichnung_auf(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jeder Schritt ist einmal der letzte auf dem Bildschirm; ohne Terminal gibt es keine Pausen."""
    history = load(find_pattern("saga").history_file("glatt"))
    visible = [step.number for step in steps(history) if not step.internal]
    frames: list[int] = []
    draw = live._Screen.draw

    def counted(self: Any, found: Any, state: Any) -> None:
        frames.append(found[-1].number if found else 0)
        draw(self, found, state)

    monkeypatch.setattr(live._Screen, "draw", counted)
    monkeypatch.setattr(live, "LOOK_INTERVAL", 60)
    handle: Any = SimpleNamespace(id="x", fetch_history_events=lambda **_: Pages(list(history.events), 1000))
    view = live._Screen(Paper(terminal=True).console, "x", "", None, 100)
    await live._watch_run(handle, live._State(), view, None, 0.001, keep=True)
    assert [number for number in frames if number] == visible


# ---------------------------------------------------------------------------------------------------------
# Als Programm


async def test_als_programm(timelapse: Timelapse, queue: str, name: str) -> None:
    """Strg-C und SIGTERM beenden nur das Zusehen; am Terminal bleibt der letzte Stand stehen."""
    assert timelapse.server is not None
    with timelapse.unskipped():
        handle = await timelapse.client.start_workflow(Desk.run, 0, id=name, task_queue=queue)
    environment = {**os.environ, "TEMPORAL_ADDRESS": timelapse.server.address}
    command: list[str | Path] = [PROGRAM, "beobachte", name]

    def send(how: signal.Signals) -> tuple[str, Callable[[int], None]]:
        return "Timer gestellt: 1 Tag", lambda pid: os.kill(pid, how)

    interrupted, terminated, played = await asyncio.gather(
        in_terminal(command, environment, rows=12, columns=60, when=send(signal.SIGINT)),
        in_terminal(command, environment, rows=12, columns=100, when=send(signal.SIGTERM)),
        in_terminal(
            [PROGRAM, "starte", "saga", "versand-scheitert", "--live", "--takt", "0.01"],
            environment,
            rows=40,
            columns=130,
        ),
    )
    for session, code in ((interrupted, 130), (terminated, 143)):
        assert session.code == code
        assert "Traceback" not in session.written
        assert "Timer gestellt: 1 Tag" in " ".join(" ".join(session.screen()).split())
        assert session.written.endswith("\x1b[?25h"), "Der Cursor ist wieder da."
    assert max(len(line) for line in interrupted.screen()) <= 60
    assert (await handle.describe()).close_time is None, "Der Workflow läuft weiter."

    assert played.code == 0, played.written
    lines = played.screen()
    assert sum("versand-scheitert: Der Versanddienst" in line for line in lines) == 1
    for text in ("✗ register_parcel", "↩ refund_payment", "✗ Workflow gescheitert"):
        assert sum(text in line for line in lines) == 1, text
    assert any("workflow.py:" in line for line in lines), "Am Ende stehen die Quellzeilen dabei."
    assert "Ausgang  FAILED" in " ".join(lines)
    assert "läuft noch" in played.written, "Zwischenstände waren zu sehen."
    assert "läuft noch" not in " ".join(lines)
