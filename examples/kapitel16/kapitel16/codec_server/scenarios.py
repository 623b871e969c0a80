"""Benannte Läufe des Musters: dieselbe Erstattung, gelesen von verschiedenen Leuten."""

import threading
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx
import uvicorn
from google.protobuf import json_format
from starlette.applications import Starlette
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.common import RawValue
from temporalio.converter import DataConverter

from dauerlauf.codec import RemoteCodec
from dauerlauf.errors import DauerlaufError
from dauerlauf.faults import event_reached
from dauerlauf.scenario import CrashStage, Legend, Pattern, Stage
from dauerlauf.timelapse import result
from kapitel16.codec_server.people import People, new_person
from kapitel16.codec_server.server import CodecServer, listen
from kapitel16.verschluesselung.bank import Bank
from kapitel16.verschluesselung.codec import EncryptionCodec
from kapitel16.verschluesselung.keys import KeyRing
from kapitel16.verschluesselung.models import Refund
from kapitel16.verschluesselung.scenarios import (
    APPROVAL,
    BLOCKED,
    GOOD,
    NEW,
    TIME_LIMIT,
    WORKER,
    Handle,
    refund,
    use,
    worker,
)
from kapitel16.verschluesselung.scenarios import PATTERN as ENCRYPTION
from kapitel16.verschluesselung.workflow import RefundWorkflow

PATTERN = Pattern(
    "codec_server",
    chapter=16,
    title="Codec-Server",
    problem="Wer einem Kunden helfen soll, muss verschlüsselte Läufe lesen können, "
    "ohne selbst einen Schlüssel zu besitzen.",
    workflows=ENCRYPTION.workflows,
    legend=Legend(services={"check_account": "Bank", "transfer_money": "Bank"}),
    data_converter=ENCRYPTION.data_converter,
)


REFUND = refund(cents=4_990)
WAITING = 10
"""Ab diesem Event wartet eine hohe Erstattung auf Zustimmung."""
REJECTED = 16
"""Ab diesem Event wartet eine Erstattung auf ein anderes Konto."""


@contextmanager
def running(app: Starlette, **options: Any) -> Iterator[str]:
    """Betreibt den Codec-Server in einem Thread und gibt seine Adresse heraus.

    `options` gehen an `uvicorn.Config`.
    """
    listener = listen("127.0.0.1", 0)
    config = uvicorn.Config(
        app,
        log_level="error",
        access_log=False,
        timeout_graceful_shutdown=1,  # Ein Browser hält Verbindungen offen.
        **options,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.005)
        scheme = "https" if config.is_ssl else "http"
        yield f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


@dataclass(frozen=True)
class Office:
    """Der laufende Codec-Server und die Köpfe, mit denen ihn jemand fragt."""

    url: str
    tokens: Mapping[str, str]
    namespace: str

    async def read(self, stage: Stage, handle: Handle, name: str) -> None:
        """Zeigt im Szenario, was `name` von der Event History lesen kann."""
        history = await handle.fetch_history()
        access = f"Bearer {self.tokens[name]}"
        async with RemoteCodec(self.url, self.namespace, access) as codec:
            try:
                await codec.decode(history.events)
            except DauerlaufError as error:
                stage.note(f"{name}: {error}".replace(f" {self.url}", ""))
        stage.show(history)

    async def encode(self, value: object, name: str) -> RawValue:
        """Lässt `value` vom Codec-Server verschlüsseln, wie es auch die CLI tut."""
        plain = DataConverter.default.payload_converter.to_payload(value)
        question = json_format.MessageToDict(Payloads(payloads=[plain]))
        headers = {
            "Authorization": f"Bearer {self.tokens[name]}",
            "X-Namespace": self.namespace,
        }
        async with httpx.AsyncClient(headers=headers) as http:
            answer = await http.post(f"{self.url}/encode", json=question)
        answer.raise_for_status()
        found = json_format.ParseDict(answer.json(), Payloads())
        return RawValue(Payload.FromString(found.payloads[0].SerializeToString()))


@contextmanager
def open_office(stage: Stage, ring: KeyRing = NEW) -> Iterator[Office]:
    """Ein Codec-Server mit drei Personen.

    Anke liest und schreibt, Bente liest, Cem darf nur in einen anderen Namespace.
    """
    here = stage.client.namespace
    entries = {
        "Anke": new_person("Anke", [here], [here]),
        "Bente": new_person("Bente", [here]),
        "Cem": new_person("Cem", ["lager"], ["lager"]),
    }
    codecs = {
        here: EncryptionCodec(ring),
        "lager": EncryptionCodec(KeyRing.create("l")),
    }
    people = People([person for person, _ in entries.values()])
    tokens = {name: token for name, (_, token) in entries.items()}
    with running(CodecServer(codecs, people).app([])) as url:
        yield Office(url, tokens, here)


async def place(stage: Stage, placed: Refund, ring: KeyRing = NEW) -> Handle:
    """Der Shop beantragt die Erstattung, verschlüsselt mit diesem Bund."""
    use(stage, ring)
    handle: Handle = await stage.start(
        RefundWorkflow.run, placed, id=f"erstattung-{uuid.uuid4()}"
    )
    return handle


async def close(stage: Stage, handle: Handle) -> Handle:
    """Wartet auf das Ende und hält fest, was im Buch der Bank steht."""
    await result(handle, TIME_LIMIT)
    booked = Bank(stage.folder).transfers()
    stage.note(f"Überweisungen: {len(booked)}, Cent: {sum(row[2] for row in booked)}")
    return handle


@PATTERN.scenario(
    "ohne-codec-server", "Was der Server kennt: den Ablauf, nicht die Daten."
)
async def unread(stage: Stage) -> None:
    """Die Event History, wie sie gespeichert ist."""
    async with worker(stage, NEW):
        await close(stage, await place(stage, REFUND))


@PATTERN.crash_stage("ohne-codec-server")
@asynccontextmanager
async def unread_until_crash(stage: Stage) -> AsyncIterator[CrashStage]:
    """Derselbe Lauf mit Workern, die sterben."""
    arguments = {"folder": stage.folder, "ring": NEW, "task_queue": stage.task_queue}
    yield CrashStage(WORKER, arguments, lambda: place(stage, REFUND))


@PATTERN.scenario("mit-codec-server", "Bente liest denselben Lauf, mit ihrem Token.")
async def read(stage: Stage) -> None:
    """Dieselben Events, lesbar."""
    async with worker(stage, NEW):
        handle = await close(stage, await place(stage, REFUND))
    with open_office(stage) as office:
        await office.read(stage, handle, "Bente")


@PATTERN.scenario("ohne-recht", "Cem hat ein Token, aber nicht für diesen Namespace.")
async def forbidden(stage: Stage) -> None:
    """Wer nicht lesen darf, sieht, was der Server sieht."""
    async with worker(stage, NEW):
        handle = await close(stage, await place(stage, REFUND))
    with open_office(stage) as office:
        await office.read(stage, handle, "Cem")


@PATTERN.scenario(
    "schluessel-fehlt",
    "Dem Codec-Server fehlt der ältere Schlüssel: Nur der Antrag bleibt zu.",
)
async def key_missing(stage: Stage) -> None:
    """Unlesbares bleibt verschlüsselt und hält den Rest nicht auf."""
    old = NEW.activate("2026-10")
    async with worker(stage, NEW):
        handle = await close(stage, await place(stage, REFUND, old))
    with open_office(stage, NEW.without("2026-10")) as office:
        await office.read(stage, handle, "Bente")


@PATTERN.scenario(
    "zustimmung-ohne-schluessel",
    "Ankes Programm hat keinen Schlüssel; der Codec-Server verschlüsselt ihr Signal.",
)
async def approved_without_key(stage: Stage) -> None:
    """So schickt auch `temporal workflow signal --codec-endpoint`."""
    keyless = stage.client
    with open_office(stage) as office:
        async with worker(stage, NEW):
            handle = await place(stage, refund())
            await event_reached(handle, WAITING)
            approval = await office.encode(APPROVAL, "Anke")
            await keyless.get_workflow_handle(handle.id).signal("approve", approval)
            await close(stage, handle)
        await office.read(stage, handle, "Bente")


@PATTERN.scenario(
    "konto-gesperrt",
    "Die Bank lehnt ab. Den Grund liest nur, wer darf, und er nennt ein anderes Konto.",
)
async def account_blocked(stage: Stage) -> None:
    """Auch der Text eines Fehlers ist verschlüsselt."""
    async with worker(stage, NEW):
        handle = await place(stage, replace(REFUND, account=BLOCKED))
        await event_reached(handle, REJECTED)
        await handle.execute_update(RefundWorkflow.correct_account, GOOD)
        await close(stage, handle)
    with open_office(stage) as office:
        await office.read(stage, handle, "Bente")
