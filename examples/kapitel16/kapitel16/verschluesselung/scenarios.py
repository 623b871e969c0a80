"""Benannte Läufe des Musters: was der Server zu sehen bekommt, wie ein Schlüssel
wechselt und was ein fehlender anrichtet.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from temporalio.api.common.v1 import Payload, WorkflowExecution
from temporalio.api.enums.v1 import EventType, ResetReapplyExcludeType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client, WorkflowHandle
from temporalio.common import (
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
)
from temporalio.converter import DataConverter
from temporalio.worker import Worker

from dauerlauf.history import normalise
from dauerlauf.scenario import CrashStage, Legend, Pattern, Stage
from dauerlauf.timelapse import result
from kapitel16.verschluesselung.activities import RefundActivities
from kapitel16.verschluesselung.bank import BLOCKED_IBAN, Bank
from kapitel16.verschluesselung.codec import (
    EncryptionCodec,
    data_converter,
    encrypted,
)
from kapitel16.verschluesselung.keys import KeyRing, UnknownKeyError
from kapitel16.verschluesselung.models import (
    Account,
    Approval,
    Progress,
    Refund,
    State,
)
from kapitel16.verschluesselung.visible import key_usage, texts
from kapitel16.verschluesselung.worker import create_worker
from kapitel16.verschluesselung.workflow import RefundWorkflow

# Diese Schlüssel stehen in einem Buch. Sie dienen nur dazu, dass sich die
# Aufzeichnungen überall abspielen lassen.
OLD = KeyRing({"2026-10": bytes(range(32))}, "2026-10")
BOTH = OLD.with_key("2026-11", bytes(range(32, 64)))
NEW = BOTH.activate("2026-11")

PATTERN = Pattern(
    "verschluesselung",
    chapter=16,
    title="Verschlüsselung",
    problem="Namen und Kontonummern laufen durch Temporal, und wer den Server betreibt "
    "oder seine Datenbank liest, soll nichts davon sehen.",
    workflows=[RefundWorkflow],
    legend=Legend(services={"check_account": "Bank", "transfer_money": "Bank"}),
    search_attributes={"Filiale": "Keyword"},
    # Ein Szenario läuft ohne Codec; auch seine Aufzeichnung muss lesbar sein.
    data_converter=data_converter(EncryptionCodec(NEW, accept_plaintext=True)),
)

BRANCH = SearchAttributeKey.for_keyword("Filiale")
TIME_LIMIT = 40.0
WORKER = "kapitel16.verschluesselung.worker:create_worker"

HOLDER = "Jörg Weiß"
GOOD = Account(HOLDER, "DE89370400440532013000")
BLOCKED = Account(HOLDER, BLOCKED_IBAN)
APPROVAL = Approval("Wiebke Petersen", "Ware kam zerbrochen an")

Handle = WorkflowHandle[RefundWorkflow, str]


def refund(account: Account = GOOD, cents: int = 64_900) -> Refund:
    """Eine Erstattung; ab 500 Euro braucht sie eine Zustimmung."""
    return Refund("R-3007", account, cents, "Sofa mit gebrochenem Bein")


def worker(stage: Stage, ring: KeyRing, identity: str = "worker-1") -> Worker:
    """Ein Worker mit diesem Schlüsselbund."""
    client = stage.worker_client(identity)
    return create_worker(client, stage.folder, ring, task_queue=stage.task_queue)


def worker_of(stage: Stage, client: Client) -> Worker:
    """Derselbe Worker mit dem Codec, den der Client mitbringt, oder ohne."""
    return Worker(
        client,
        task_queue=stage.task_queue,
        workflows=[RefundWorkflow],
        activities=RefundActivities(stage.folder).all(),
        activity_executor=ThreadPoolExecutor(4),
        max_concurrent_activities=4,
    )


async def start(stage: Stage, placed: Refund) -> Handle:
    """Startet die Erstattung mit Memo, Suchattribut und Zusammenfassung."""
    return await stage.start(
        RefundWorkflow.run,
        placed,
        id=f"erstattung-{placed.number}",
        memo={"kunde": placed.account.holder},
        search_attributes=TypedSearchAttributes(
            [SearchAttributePair(BRANCH, "Flensburg")]
        ),
        static_summary=f"Erstattung für {placed.account.holder}",
    )


def use(stage: Stage, ring: KeyRing) -> None:
    """Von jetzt an schreibt der Client mit dem aktiven Schlüssel dieses Bundes."""
    stage.client = encrypted(stage.client, EncryptionCodec(ring))


def handle_of(stage: Stage) -> Handle:
    """Der gestartete Workflow, gesehen vom heutigen Client der Bühne."""
    assert stage.handle is not None
    return stage.client.get_workflow_handle_for(RefundWorkflow.run, stage.handle.id)


async def reached(handle: Handle, state: State) -> Progress:
    """Fragt, bis die Erstattung in diesem Zustand ist."""
    async with asyncio.timeout(TIME_LIMIT):
        while (progress := await handle.query(RefundWorkflow.progress)).state != state:
            await asyncio.sleep(0.01)
    return progress


async def task_failures(
    handle: WorkflowHandle[Any, Any], converter: DataConverter
) -> list[str]:
    """Wartet auf gescheiterte Workflow-Tasks; ihre Meldungen, entschlüsselt."""
    async with asyncio.timeout(TIME_LIMIT):
        while True:
            failures = [
                event.workflow_task_failed_event_attributes.failure
                async for event in handle.fetch_history_events()
                if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
            ]
            if failures:
                return [str(await converter.decode_failure(one)) for one in failures]
            await asyncio.sleep(0.01)


async def close(stage: Stage, handle: Handle) -> None:
    """Wartet auf das Ende und hält fest, was Bank und Event History sagen."""
    stage.note(f"Ergebnis beim Client: {await result(handle, TIME_LIMIT)}")
    booked = Bank(stage.folder).transfers()
    stage.note(
        f"Überweisungen: {len(booked)}, in Cent: {sum(row[2] for row in booked)}"
    )
    usage: Counter[str] = Counter()
    for event in (await handle.fetch_history()).events:
        usage += key_usage(event)
    found = [f"{number} mit {key_id}" for key_id, number in sorted(usage.items())]
    stage.note(f"Verschlüsselte Payloads: {', '.join(found) or 'keine'}")


@PATTERN.scenario("glatt", "Der gute Fall: prüfen, überweisen, fertig.")
async def smooth(stage: Stage) -> None:
    """Ein kleiner Betrag; der Server sieht keinen Namen und keine IBAN."""
    use(stage, OLD)
    async with worker(stage, OLD):
        await close(stage, await start(stage, refund(cents=4_900)))


@PATTERN.crash_stage("glatt")
@asynccontextmanager
async def smooth_until_crash(stage: Stage) -> AsyncIterator[CrashStage]:
    """Der gute Fall mit Workern, die sterben; jeder bringt seinen Schlüsselbund mit."""
    use(stage, OLD)
    yield CrashStage(
        WORKER,
        {"folder": stage.folder, "ring": OLD, "task_queue": stage.task_queue},
        lambda: start(stage, refund(cents=4_900)),
    )


async def everything(stage: Stage) -> None:
    """Signal, gescheiterte Überweisung, Queries, Update mit einem neuen Konto."""
    handle = await start(stage, refund(BLOCKED))
    await reached(handle, State.AWAITING_APPROVAL)
    await handle.signal(RefundWorkflow.approve, APPROVAL)
    progress = await reached(handle, State.AWAITING_ACCOUNT)
    stage.note(f"Antwort der Query: {progress.problem}")
    await handle.execute_update(RefundWorkflow.correct_account, GOOD)
    await close(stage, handle)


@PATTERN.scenario(
    "ohne-codec", "Derselbe Ablauf ohne Codec: Name, IBAN und Grund stehen im Server."
)
async def without_codec(stage: Stage) -> None:
    """Was Temporal ohne Codec speichert."""
    async with worker_of(stage, stage.worker_client()):
        await everything(stage)


@PATTERN.scenario(
    "alles-verschluesselt",
    "Signal, Query, Update und ein Fehler mit IBAN im Text, alles mit Codec.",
)
async def all_encrypted(stage: Stage) -> None:
    """Jede Art von Payload, die ein Workflow hat."""
    use(stage, OLD)
    async with worker(stage, OLD):
        await everything(stage)
    history = await handle_of(stage).fetch_history()
    # Vereinheitlicht: Sonst hieße jeder Lauf seine Task Queue und Worker anders.
    for name, values in texts(normalise(history)).items():
        stage.note(f"Offen lesbar, {name}: {', '.join(values)}")


@PATTERN.scenario(
    "rotation",
    "Während eine Erstattung wartet, wechselt der Schlüssel in zwei Schritten.",
)
async def rotation(stage: Stage) -> None:
    """Erst können alle lesen, dann schreiben alle damit."""
    use(stage, OLD)
    async with worker(stage, OLD):
        await reached(await start(stage, refund(BLOCKED)), State.AWAITING_APPROVAL)
    async with worker(stage, BOTH, "worker-2"):
        use(stage, NEW)
        await handle_of(stage).signal(RefundWorkflow.approve, APPROVAL)
        await reached(handle_of(stage), State.AWAITING_ACCOUNT)
    async with worker(stage, NEW, "worker-3"):
        await handle_of(stage).execute_update(RefundWorkflow.correct_account, GOOD)
        await close(stage, handle_of(stage))


class DeliveredLate(EncryptionCodec):
    """Der Schlüsselbund bekommt den neuen Schlüssel erst, als er schon fehlt."""

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Scheitert beim ersten Mal; beim nächsten Versuch ist der Schlüssel da."""
        try:
            return await super().decode(payloads)
        except UnknownKeyError:
            self._ring = BOTH
            raise


@PATTERN.scenario(
    "schluessel-fehlt",
    "Der Client benutzt einen Schlüssel, den der Worker noch nicht hat.",
)
async def key_missing(stage: Stage) -> None:
    """Der Workflow steht, bis der Worker den Schlüssel hat; verloren ist nichts."""
    use(stage, OLD)
    late = encrypted(stage.worker_client("worker-1"), DeliveredLate(OLD))
    async with worker_of(stage, late):
        await reached(await start(stage, refund()), State.AWAITING_APPROVAL)
        use(stage, NEW)
        await handle_of(stage).signal(RefundWorkflow.approve, APPROVAL)
        [message] = await task_failures(handle_of(stage), PATTERN.data_converter)
        stage.note(f"Workflow-Task gescheitert: {message}")
        await close(stage, handle_of(stage))


class Tampering(EncryptionCodec):
    """Ein Angreifer auf dem Weg zum Server: Er kippt das letzte Bit."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Versiegelt richtig und verändert dann das letzte Byte."""
        sealed = await super().encode(payloads)
        for payload in sealed:
            payload.data = payload.data[:-1] + bytes([payload.data[-1] ^ 1])
        return sealed


@PATTERN.scenario(
    "veraendert", "Ein Signal kommt verändert an; der Betrieb setzt davor zurück."
)
async def tampered(stage: Stage) -> None:
    """Was niemand öffnen kann, lässt sich nur überspringen."""
    use(stage, OLD)
    async with worker(stage, OLD):
        handle = await start(stage, refund())
        await reached(handle, State.AWAITING_APPROVAL)
        attacker = encrypted(stage.client, Tampering(OLD))
        attacked = attacker.get_workflow_handle(handle.id)
        await attacked.signal(RefundWorkflow.approve, APPROVAL)
        [message, *_] = await task_failures(handle, PATTERN.data_converter)
        stage.note(f"Workflow-Task gescheitert: {message}")
        await reset_without_signals(stage.client, handle)
        await reached(handle_of(stage), State.AWAITING_APPROVAL)
        await handle_of(stage).signal(RefundWorkflow.approve, APPROVAL)
        await close(stage, handle_of(stage))


# --8<-- [start:reset]
async def reset_without_signals(client: Client, handle: Handle) -> None:
    """Setzt auf den letzten gelungenen Workflow-Task zurück, ohne spätere Signale."""
    last = 0
    async for event in handle.fetch_history_events():
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            last = event.event_id
    request = ResetWorkflowExecutionRequest(
        namespace=client.namespace,
        workflow_execution=WorkflowExecution(workflow_id=handle.id),
        reason="Das Signal lässt sich nicht öffnen",
        workflow_task_finish_event_id=last,
        request_id=str(uuid4()),
        reset_reapply_exclude_types=[
            ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_SIGNAL
        ],
    )
    await client.workflow_service.reset_workflow_execution(request)


# --8<-- [end:reset]
