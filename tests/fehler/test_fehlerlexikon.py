"""Jeder Eintrag des Fehlerlexikons: Die Meldung entsteht wirklich, und die Reparatur wirkt.

Was ein Test als Meldung erwartet, steht im Kopf der Seite unter `book/fehler/`; dort und nur dort.
"""

import asyncio
import logging
import re
import socket
import sysconfig
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import temporalio.converter
from fehlerlexikon import (
    activity_executor_fehlt,
    deadlock,
    haengender_workflow,
    heartbeat_timeout,
    nicht_registriert,
    nicht_serialisierbar,
    payload_zu_gross,
    sandbox,
    timeout_fehlt,
    tour,
    zwei_argumente,
)
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError
from temporalio.worker import Worker

from dauerlauf.book.lexicon import Message, entries
from dauerlauf.timelapse import Timelapse, result
from hilfen import task_failure

ROOT = Path(__file__).resolve().parents[2]
BOOK = ROOT / "book"
ENTRIES = {entry.slug: entry for entry in entries(ROOT)}
TEMPORAL = Path(sysconfig.get_path("scripts")) / "temporal"

CreateWorker = Callable[[Client, str], Worker]


def message(slug: str, number: int = 0) -> Message:
    """Die Meldung, wie sie auf der Seite steht."""
    return ENTRIES[slug].messages[number]


def worker(workflow: type, *activities: Callable[..., Any], **options: Any) -> CreateWorker:
    """Baut einen Worker für einen Workflow und seine Activities; synchrone bekommen einen Thread."""

    def create(client: Client, task_queue: str) -> Worker:
        return Worker(
            client,
            task_queue=task_queue,
            workflows=[workflow],
            activities=activities,
            activity_executor=ThreadPoolExecutor(1),
            max_concurrent_activities=1,
            **options,
        )

    return create


@asynccontextmanager
async def running(
    timelapse: Timelapse, create: CreateWorker, workflow: Any, arg: Any, *, id: str
) -> AsyncIterator[WorkflowHandle[Any, Any]]:
    """Startet einen Workflow auf einem eigenen Worker; in Echtzeit, sonst jagten sich die Wiederholungen."""
    queue = timelapse.task_queue()
    async with create(timelapse.client_for("worker-1"), queue):
        with timelapse.unskipped():
            handle = await timelapse.client.start_workflow(
                workflow, arg, id=id, task_queue=queue, task_timeout=timedelta(seconds=5)
            )
        try:
            yield handle
        finally:
            with suppress(RPCError):
                await handle.terminate()


async def finished(timelapse: Timelapse, create: CreateWorker, workflow: Any, arg: Any, *, id: str) -> Any:
    """Das Ergebnis eines Workflows auf einem eigenen Worker."""
    async with running(timelapse, create, workflow, arg, id=id) as handle:
        return await result(handle)


async def activity_failure(handle: WorkflowHandle[Any, Any]) -> str:
    """Woran der letzte Versuch der wartenden Activity scheiterte; der Workflow läuft danach noch."""
    async with asyncio.timeout(10):
        while True:
            description = await handle.describe()
            assert description.status == WorkflowExecutionStatus.RUNNING
            for pending in description.raw_description.pending_activities:
                if pending.HasField("last_failure"):
                    return pending.last_failure.message
            await asyncio.sleep(0.02)


async def cli(timelapse: Timelapse, slug: str, command: str) -> str:
    """Die Ausgabe eines Befehls, der so auf der Seite steht; hier gegen den Server des Tests."""
    page = (BOOK / ENTRIES[slug].page).read_text(encoding="utf-8")
    assert f"\nuv run {command}\n" in page, "Der Befehl steht nicht auf der Seite."
    assert timelapse.server is not None
    program, *words = command.split()
    assert program == "temporal"
    process = await asyncio.create_subprocess_exec(
        TEMPORAL,
        *words,
        "--address",
        timelapse.server.address,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 0, output.decode()
    return output.decode()


def logged(caplog: pytest.LogCaptureFixture) -> str:
    """Das Log des Workers: Zeilen und Tracebacks."""
    formatter = logging.Formatter()
    return "\n".join(formatter.format(record) for record in caplog.records)


# Workflow oder Activity nicht registriert


async def test_workflow_nicht_registriert(timelapse: Timelapse, caplog: pytest.LogCaptureFixture) -> None:
    wrong = nicht_registriert.worker_without_workflow
    async with running(timelapse, wrong, nicht_registriert.ShipParcel.run, "P-1", id="paket-P-1") as handle:
        assert await task_failure(handle) == message("nicht-registriert").text
        command = "temporal workflow show --detailed --workflow-id paket-P-1"
        assert message("nicht-registriert").text in await cli(timelapse, "nicht-registriert", command)
    assert message("nicht-registriert").text in logged(caplog)


async def test_activity_nicht_registriert(timelapse: Timelapse, caplog: pytest.LogCaptureFixture) -> None:
    wrong = nicht_registriert.worker_without_activity
    async with running(timelapse, wrong, nicht_registriert.ShipParcel.run, "P-2", id="paket-P-2") as handle:
        assert await activity_failure(handle) == message("nicht-registriert", 1).text
        command = "temporal workflow describe --workflow-id paket-P-2"
        assert message("nicht-registriert", 1).text in await cli(timelapse, "nicht-registriert", command)
    assert message("nicht-registriert", 1).text in logged(caplog)


async def test_worker_kennt_alles(timelapse: Timelapse) -> None:
    """Der Auftrag, der am falschen Worker hängen blieb, läuft mit dem richtigen weiter."""
    queue = timelapse.task_queue()
    client = timelapse.client_for("worker-1")
    async with nicht_registriert.worker_without_activity(client, queue):
        # In Echtzeit: Der falsche Worker endet in der Retry-Pause und nimmt keinen Versuch mit ins Grab.
        with timelapse.unskipped():
            handle = await timelapse.client.start_workflow(
                nicht_registriert.ShipParcel.run, "P-3", id="paket-P-3", task_queue=queue
            )
        await activity_failure(handle)
    async with nicht_registriert.repaired_worker(client, queue):
        await timelapse.fast_forward(handle)
        assert await result(handle) == "Etikett P-3"


# Timeout fehlt


async def test_timeout_fehlt(timelapse: Timelapse, caplog: pytest.LogCaptureFixture) -> None:
    wrong = worker(timeout_fehlt.Wrong, timeout_fehlt.print_label)
    async with running(timelapse, wrong, timeout_fehlt.Wrong.run, "P-4", id="paket-P-4") as handle:
        assert await task_failure(handle) == message("timeout-fehlt").text
        command = "temporal workflow show --detailed --workflow-id paket-P-4"
        assert message("timeout-fehlt").text in await cli(timelapse, "timeout-fehlt", command)
    assert message("timeout-fehlt").text in logged(caplog)


async def test_timeout_gesetzt(timelapse: Timelapse) -> None:
    right = worker(timeout_fehlt.Right, timeout_fehlt.print_label)
    assert await finished(timelapse, right, timeout_fehlt.Right.run, "P-4", id="paket-P-4") == "Etikett P-4"


# Sandbox


async def test_sandbox_verweigert(timelapse: Timelapse, caplog: pytest.LogCaptureFixture) -> None:
    async with running(timelapse, worker(sandbox.Wrong), sandbox.Wrong.run, 14, id="frist-B-5") as handle:
        assert await task_failure(handle) == message("sandbox").text
        command = "temporal workflow show --detailed --workflow-id frist-B-5"
        assert message("sandbox").text in await cli(timelapse, "sandbox", command)
    assert message("sandbox").text in logged(caplog)


async def test_uhr_des_workflows(timelapse: Timelapse) -> None:
    async with running(timelapse, worker(sandbox.Right), sandbox.Right.run, 14, id="frist-B-5") as handle:
        deadline = date.fromisoformat(await result(handle))
        started = (await handle.describe()).start_time
    assert deadline == started.date() + timedelta(days=14)


# Nicht serialisierbar


async def test_argument_nicht_serialisierbar(timelapse: Timelapse) -> None:
    wrong: Any = nicht_serialisierbar.WrongInvoice("R-6", Decimal("49.90"))
    with pytest.raises(TypeError) as caught:
        await timelapse.client.start_workflow(
            nicht_serialisierbar.BookInvoice.run, wrong, id="rechnung-R-66", task_queue=timelapse.task_queue()
        )
    assert str(caught.value) == message("nicht-serialisierbar").text
    with pytest.raises(RPCError, match="not found"):
        await timelapse.client.get_workflow_handle("rechnung-R-66").describe()


async def test_ergebnis_nicht_serialisierbar(timelapse: Timelapse, caplog: pytest.LogCaptureFixture) -> None:
    wrong = worker(nicht_serialisierbar.FetchInvoice, nicht_serialisierbar.read_invoice_wrong)
    run = nicht_serialisierbar.FetchInvoice.run
    async with running(timelapse, wrong, run, "read_invoice_wrong", id="rechnung-R-7") as handle:
        assert await activity_failure(handle) == message("nicht-serialisierbar").text
        command = "temporal workflow describe --workflow-id rechnung-R-7"
        assert message("nicht-serialisierbar").text in await cli(timelapse, "nicht-serialisierbar", command)
    assert message("nicht-serialisierbar").text in logged(caplog)


def test_was_der_converter_kennt() -> None:
    converter = temporalio.converter.default().payload_converter
    for known in (datetime(2026, 11, 20, tzinfo=UTC), UUID(int=7), [1, 2.5, None, True], {"a": "b"}):
        [payload] = converter.to_payloads([known])
        assert converter.from_payloads([payload], [type(known)]) == [known]
    for unknown in (Decimal("49.90"), date(2026, 11, 20), socket.socket()):
        with pytest.raises(TypeError, match="is not JSON serializable"):
            converter.to_payloads([unknown])
        if isinstance(unknown, socket.socket):
            unknown.close()


async def test_betrag_in_cent(timelapse: Timelapse) -> None:
    argument = worker(nicht_serialisierbar.BookInvoice)
    run: Any = nicht_serialisierbar.BookInvoice.run
    invoice = nicht_serialisierbar.Invoice("R-6", 4990)
    assert await finished(timelapse, argument, run, invoice, id="rechnung-R-6") == 4990
    answer = worker(nicht_serialisierbar.FetchInvoice, nicht_serialisierbar.read_invoice)
    run = nicht_serialisierbar.FetchInvoice.run
    assert await finished(timelapse, answer, run, "read_invoice", id="rechnung-R-7") == 4990


# Zwei Argumente


async def test_zwei_argumente_beim_start(timelapse: Timelapse) -> None:
    start: Any = timelapse.client.start_workflow
    with pytest.raises(TypeError) as caught:
        await start(zwei_argumente.Wrong.run, "Leuchtturm", 2, id="ware-B-8", task_queue=timelapse.task_queue())
    assert str(caught.value) == message("zwei-argumente").text


async def test_zwei_argumente_an_die_activity(timelapse: Timelapse, caplog: pytest.LogCaptureFixture) -> None:
    wrong = worker(zwei_argumente.Wrong, zwei_argumente.reserve)
    async with running(timelapse, wrong, zwei_argumente.Wrong.run, "Leuchtturm", id="ware-B-8") as handle:
        assert await task_failure(handle) == message("zwei-argumente", 1).text
        command = "temporal workflow show --detailed --workflow-id ware-B-8"
        assert message("zwei-argumente", 1).text in await cli(timelapse, "zwei-argumente", command)
    assert message("zwei-argumente", 1).text in logged(caplog)


async def test_ein_argument(timelapse: Timelapse) -> None:
    right = worker(zwei_argumente.Right, zwei_argumente.reserve_one_argument)
    run: Any = zwei_argumente.Right.run
    assert await finished(timelapse, right, run, "Leuchtturm", id="ware-B-8") == "2 × Leuchtturm"
    listed = worker(zwei_argumente.WithArgs, zwei_argumente.reserve)
    run = zwei_argumente.WithArgs.run
    assert await finished(timelapse, listed, run, "Leuchtturm", id="ware-B-8") == "2 × Leuchtturm"


# Gewöhnliche Ausnahme


async def test_workflow_haengt(timelapse: Timelapse, caplog: pytest.LogCaptureFixture) -> None:
    wrong = worker(haengender_workflow.Wrong)
    async with running(timelapse, wrong, haengender_workflow.Wrong.run, "Buddelschiff", id="preis-B-9") as handle:
        assert await task_failure(handle) == message("haengender-workflow", 1).text
        describe = await cli(timelapse, "haengender-workflow", "temporal workflow describe --workflow-id preis-B-9")
        assert "Buddelschiff" not in describe, "describe verrät den Grund jetzt doch; die Seite sagt das Gegenteil."
        command = "temporal workflow show --detailed --workflow-id preis-B-9"
        assert message("haengender-workflow", 1).text in await cli(timelapse, "haengender-workflow", command)
    assert any(message("haengender-workflow").matches(record.getMessage()) for record in caplog.records)


async def test_fachliches_nein_beendet_den_workflow(timelapse: Timelapse) -> None:
    right = worker(haengender_workflow.Right)
    async with running(timelapse, right, haengender_workflow.Right.run, "Buddelschiff", id="preis-B-9") as handle:
        with pytest.raises(WorkflowFailureError) as caught:
            await result(handle)
        assert (await handle.describe()).status == WorkflowExecutionStatus.FAILED
    assert isinstance(caught.value.cause, ApplicationError)
    assert caught.value.cause.type == "PreisFehlt"


# Payload zu groß


async def test_ergebnis_zu_gross(timelapse: Timelapse, tmp_path: Path) -> None:
    catalogue = payload_zu_gross.Catalogue(tmp_path)
    wrong = worker(payload_zu_gross.Wrong, catalogue.render_wrong)
    async with running(timelapse, wrong, payload_zu_gross.Wrong.run, "herbst", id="katalog-herbst") as handle:
        assert await activity_failure(handle) == message("payload-zu-gross").text
        command = "temporal workflow describe --workflow-id katalog-herbst"
        assert message("payload-zu-gross").text in await cli(timelapse, "payload-zu-gross", command)


async def test_argument_zu_gross(timelapse: Timelapse) -> None:
    big = "x" * (2 * payload_zu_gross.MEBIBYTE + 1)
    with pytest.raises(RPCError) as caught:
        await timelapse.client.start_workflow("PrintCatalogue", big, id="katalog-gross", task_queue="katalog")
    assert str(caught.value) == message("payload-zu-gross", 1).text


async def test_verweis_statt_inhalt(timelapse: Timelapse, tmp_path: Path) -> None:
    right = worker(payload_zu_gross.Right, payload_zu_gross.Catalogue(tmp_path).render_right)
    run: Any = payload_zu_gross.Right.run
    name = await finished(timelapse, right, run, "herbst", id="katalog-herbst")
    assert (tmp_path / name).stat().st_size == 3 * payload_zu_gross.MEBIBYTE


# Deadlock


async def test_deadlock(
    timelapse: Timelapse, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tour, "ENOUGH", threading.Event())
    async with running(timelapse, worker(deadlock.Wrong), deadlock.Wrong.run, 5, id="tour-T-10") as handle:
        assert await task_failure(handle) == message("deadlock").text
        command = "temporal workflow show --detailed --workflow-id tour-T-10"
        assert message("deadlock").text in await cli(timelapse, "deadlock", command)
        tour.ENOUGH.set()
    assert message("deadlock").text in logged(caplog)


async def test_rechnen_in_der_activity(timelapse: Timelapse) -> None:
    right = worker(deadlock.Right, deadlock.plan_tour)
    async with running(timelapse, right, deadlock.Right.run, 5, id="tour-T-10") as handle:
        assert await result(handle) == 60
        kinds = [event.event_type async for event in handle.fetch_history_events()]
    assert EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED not in kinds


# Executor fehlt


async def test_executor_fehlt(timelapse: Timelapse) -> None:
    with pytest.raises(ValueError, match="executor") as caught:
        activity_executor_fehlt.wrong_worker(timelapse.client, timelapse.task_queue())
    assert str(caught.value) == message("activity-executor-fehlt").text


async def test_executor_gesetzt(timelapse: Timelapse) -> None:
    right = activity_executor_fehlt.right_worker
    run: Any = activity_executor_fehlt.ShipParcel.run
    assert await finished(timelapse, right, run, "P-11", id="paket-P-11") == "Etikett P-11"


# Heartbeat-Timeout


async def test_heartbeat_timeout(timelapse: Timelapse) -> None:
    wrong = worker(heartbeat_timeout.CountStock, heartbeat_timeout.count_silently)
    async with running(timelapse, wrong, heartbeat_timeout.CountStock.run, 40, id="lager-L-12") as handle:
        assert await activity_failure(handle) == message("heartbeat-timeout").text
        command = "temporal workflow describe --workflow-id lager-L-12"
        assert message("heartbeat-timeout").text in await cli(timelapse, "heartbeat-timeout", command)


async def test_heartbeat_nach_jedem_regal(timelapse: Timelapse) -> None:
    # Das SDK drosselt Heartbeats auf 80 % des Timeouts; auf einem vollen Rechner wäre das hier zu knapp.
    right = worker(
        heartbeat_timeout.CountStock,
        heartbeat_timeout.count_stock,
        max_heartbeat_throttle_interval=timedelta(milliseconds=200),
    )
    async with running(timelapse, right, heartbeat_timeout.CountStock.run, 10, id="lager-L-12") as handle:
        assert await result(handle) == 10
        attempts = [
            event.activity_task_started_event_attributes.attempt
            async for event in handle.fetch_history_events()
            if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED
        ]
    assert attempts == [1]


# Die Seiten

SECTIONS = (
    "Die Meldung { #meldung }",
    "Die Ursache { #ursache }",
    "So finden Sie es { #finden }",
    "Die Reparatur { #reparatur }",
)


def problems(slug: str, text: str) -> Sequence[str]:
    """Was einer Seite fehlt."""
    entry = ENTRIES[slug]
    found = [f"Abschnitt „{title}“" for title in SECTIONS if f"\n## {title}\n" not in text]
    proofs = re.findall(r"^::: beweis (\S+)", text, re.MULTILINE)
    found += [f"Beweis {test}" for test in (entry.reproduced_by, entry.repaired_by) if test not in proofs]
    found += [] if f"\n::: meldung {slug}\n" in text else ["Meldung im Wortlaut"]
    wrong = re.findall(r"^::: listing .* falsch$", text, re.MULTILINE)
    listings = re.findall(r"^::: listing ", text, re.MULTILINE)
    found += [] if wrong else ["falsches Listing"]
    found += [] if len(listings) > len(wrong) else ["richtiges Listing"]
    return found


def test_zehn_eintraege() -> None:
    assert len(ENTRIES) >= 10


@pytest.mark.parametrize("slug", ENTRIES)
def test_eintrag_ist_vollstaendig(slug: str) -> None:
    assert problems(slug, (BOOK / ENTRIES[slug].page).read_text(encoding="utf-8")) == []


def test_ein_leerer_eintrag_faellt_auf() -> None:
    assert len(problems("deadlock", "# Deadlock { #deadlock }\n")) == 9


@pytest.mark.parametrize("slug", ENTRIES)
def test_der_reproduzierende_test_vergleicht_mit_der_seite(slug: str) -> None:
    """Eine Meldung, die kein Test mit der Seite vergleicht, könnte erfunden sein."""
    tests = Path(__file__).read_text(encoding="utf-8")
    for number in range(len(ENTRIES[slug].messages)):
        call = f'message("{slug}")' if number == 0 else f'message("{slug}", {number})'
        assert re.search(rf"(assert [^\n]*== |any\(){re.escape(call)}", tests), f"Kein Test vergleicht {call}."
