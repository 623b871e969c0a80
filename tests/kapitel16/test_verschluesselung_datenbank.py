"""Der eigentliche Beweis: alles einmal benutzen, den Server beenden, die Bytes seiner Datenbankdatei durchsuchen."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest
from temporalio import activity
from temporalio.client import (
    Client,
    Interceptor,
    OutboundInterceptor,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleSpec,
    StartWorkflowInput,
    WorkflowHandle,
    WorkflowUpdateFailedError,
)
from temporalio.converter import DataConverter
from temporalio.worker import Worker
from verschluesselung_hilfen import secret_forms

from dauerlauf.server import EmbeddedServer
from dauerlauf.timelapse import listening_client, result
from hilfen import until
from kapitel16.verschluesselung.activities import RefundActivities
from kapitel16.verschluesselung.codec import EncryptionCodec, encrypted
from kapitel16.verschluesselung.models import Account, Approval, Refund, State
from kapitel16.verschluesselung.scenarios import BLOCKED, OLD, reached
from kapitel16.verschluesselung.workflow import RefundWorkflow


class _Headers(Interceptor):
    """Gibt jedem Start einen Header mit."""

    def __init__(self, text: str) -> None:
        self._text = text

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        return _HeaderAdded(next, self._text)


class _HeaderAdded(OutboundInterceptor):
    def __init__(self, next: OutboundInterceptor, text: str) -> None:
        super().__init__(next)
        self._text = text

    async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[object, object]:
        input.headers = {"mandant": DataConverter.default.payload_converter.to_payload(self._text)}
        return await super().start_workflow(input)


def _secrets(tag: str) -> dict[str, str]:
    """Je Weg in den Server ein eigenes Geheimnis."""
    return {
        place: f"{place}-Größe-{tag}"
        for place in ("eingabe", "memo", "zusammenfassung", "header", "signal", "update", "heartbeat", "schedule")
    }


async def _use_everything(plain: Client, tag: str, folder: Path) -> None:
    """Start, Heartbeat, Signal, gescheiterte Activity, Query, Update mit Ablehnung, Memo, Header, Schedule."""
    secret = _secrets(tag)
    client = listening_client(plain, _Headers(secret["header"]))
    queue = f"tq-{uuid4()}"
    go_on = asyncio.Event()

    @activity.defn(name="check_account")
    async def check_and_wait(account: Account) -> bool:
        activity.heartbeat(secret["heartbeat"])
        await go_on.wait()
        return True

    transfer = RefundActivities(folder).transfer_money
    pool = ThreadPoolExecutor(4)
    worker = Worker(
        client,
        task_queue=queue,
        workflows=[RefundWorkflow],
        activities=[check_and_wait, transfer],
        activity_executor=pool,
    )
    async with worker:
        refund = Refund(f"R-{tag}", Account(secret["eingabe"], BLOCKED.iban), 64_900, "Sofa")
        handle = await client.start_workflow(
            RefundWorkflow.run,
            refund,
            id=f"erstattung-{uuid4()}",
            task_queue=queue,
            memo={"kunde": secret["memo"]},
            static_summary=secret["zusammenfassung"],
        )
        await until(lambda: _heartbeat_arrived(handle))
        go_on.set()
        await reached(handle, State.AWAITING_APPROVAL)
        with pytest.raises(WorkflowUpdateFailedError):
            await handle.execute_update(RefundWorkflow.correct_account, refund.account)
        await handle.signal(RefundWorkflow.approve, Approval(secret["signal"], "ja"))
        # Der Fehlertext der Activity nennt den Inhaber, also das Geheimnis der Eingabe.
        progress = await reached(handle, State.AWAITING_ACCOUNT)
        assert secret["eingabe"] in progress.problem
        await handle.execute_update(RefundWorkflow.correct_account, Account(secret["update"], "DE00"))
        await result(handle)
        # Ein Heartbeat steht nur da, solange die Activity läuft: Diese hier wird nicht mehr fertig.
        go_on.clear()
        unfinished = await client.start_workflow(
            RefundWorkflow.run, refund, id=f"erstattung-{uuid4()}", task_queue=queue
        )
        await until(lambda: _heartbeat_arrived(unfinished))
    planned = Refund("R-9", Account(secret["schedule"], "DE00"), 1, "Kulanz")
    action = ScheduleActionStartWorkflow(RefundWorkflow.run, planned, id="kulanz", task_queue=queue)
    await client.create_schedule(f"plan-{tag}", Schedule(action, ScheduleSpec()))


async def _heartbeat_arrived(handle: WorkflowHandle[RefundWorkflow, str]) -> bool:
    pending = (await handle.describe()).raw_description.pending_activities
    return any(one.HasField("heartbeat_details") for one in pending)


def _found(files: Sequence[bytes], secrets: dict[str, str]) -> set[str]:
    """In welchen Geheimnissen die Suche fündig wird, gleich in welcher Schreibweise."""
    content = b"".join(files)
    return {place for place, secret in secrets.items() if any(form in content for form in secret_forms(secret))}


# --8<-- [start:proof]
@pytest.mark.gruendlich
async def test_no_byte_of_a_secret_is_in_the_database_of_the_server(tmp_path: Path) -> None:
    database = tmp_path / "temporal.sqlite3"
    async with await EmbeddedServer.start(database=database) as server:
        client = await server.connect()
        await _use_everything(client, "offen", tmp_path)
        await _use_everything(encrypted(client, EncryptionCodec(OLD)), "geheim", tmp_path)
    files = [file.read_bytes() for file in tmp_path.glob(f"{database.name}*")]
    # Die Probe: Ohne Codec findet dieselbe Suche jedes Geheimnis.
    assert _found(files, _secrets("offen")) == set(_secrets("offen"))
    assert _found(files, _secrets("geheim")) == set()


# --8<-- [end:proof]
