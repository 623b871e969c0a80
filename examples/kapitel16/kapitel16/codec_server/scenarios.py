"""Benannte Läufe des Musters: dieselbe Erstattung, gelesen von verschiedenen Leuten."""

import threading
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import uvicorn
from google.protobuf import json_format
from starlette.applications import Starlette
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.client import WorkflowFailureError, WorkflowHandle
from temporalio.common import RawValue
from temporalio.converter import DataConverter
from temporalio.exceptions import ApplicationError

from dauerlauf.codec import RemoteCodec
from dauerlauf.errors import DauerlaufError
from dauerlauf.faults import event_reached
from dauerlauf.scenario import CrashStage, Legend, Pattern, Stage
from dauerlauf.timelapse import result
from kapitel16.codec_server.activities import CLOSED_ACCOUNT, transfers
from kapitel16.codec_server.models import Decision, Outcome, Refund
from kapitel16.codec_server.people import People, new_person
from kapitel16.codec_server.server import CodecServer
from kapitel16.codec_server.worker import create_worker, encrypting
from kapitel16.codec_server.workflow import RefundWorkflow
from kapitel16.verschluesselung.codec import EncryptionCodec, data_converter
from kapitel16.verschluesselung.keys import KeyRing

# Feste Schlüssel, damit sich die Aufzeichnungen auch morgen noch lesen lassen. Ein
# wirklicher Schlüssel ist Zufall und steht nie im Code.
RING = KeyRing(
    {"2026-06": bytes(range(32)), "2026-11": bytes(range(32, 64))}, active="2026-11"
)

PATTERN = Pattern(
    "codec_server",
    chapter=16,
    title="Codec-Server",
    problem="Wer einem Kunden helfen soll, muss verschlüsselte Läufe lesen können, "
    "ohne selbst einen Schlüssel zu besitzen.",
    workflows=[RefundWorkflow],
    legend=Legend(services={"transfer": "Bank"}),
    data_converter=data_converter(EncryptionCodec(RING, accept_plaintext=True)),
)

TIME_LIMIT = 40.0
WORKER = "kapitel16.codec_server.worker:create_worker"
REFUND = Refund("E-1001", "Jörg Weiß", "DE89370400440532013000", 4990)
YES = Decision(True, "Anke Sörensen", "Die Kaffeemühle kam zerbrochen an.")

Handle = WorkflowHandle[RefundWorkflow, Outcome]


@contextmanager
def running(app: Starlette, **options: Any) -> Iterator[str]:
    """Betreibt den Codec-Server in einem Thread und gibt seine Adresse heraus.

    `options` gehen an `uvicorn.Config`.
    """
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, log_level="error", access_log=False, **options
    )
    server, socket = uvicorn.Server(config), config.bind_socket()
    thread = threading.Thread(target=server.run, args=([socket],), daemon=True)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.005)
        scheme = "https" if config.is_ssl else "http"
        yield f"{scheme}://127.0.0.1:{socket.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        socket.close()


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
def open_office(stage: Stage, ring: KeyRing = RING) -> Iterator[Office]:
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


@asynccontextmanager
async def open_shop(stage: Stage) -> AsyncIterator[None]:
    """Ein Worker mit dem ganzen Schlüsselbund."""
    client = stage.worker_client("worker-1")
    async with create_worker(client, **worker_arguments(stage)):
        yield


def worker_arguments(stage: Stage) -> dict[str, Any]:
    """Was der Worker bekommt; der Schlüsselbund liegt als Datei daneben."""
    ring_file = stage.folder / "default.json"
    if not ring_file.exists():
        RING.save(ring_file)
    return {
        "ring_file": ring_file,
        "folder": stage.folder,
        "task_queue": stage.task_queue,
    }


async def place(stage: Stage, refund: Refund = REFUND, ring: KeyRing = RING) -> Handle:
    """Der Shop beantragt die Erstattung; er hat einen eigenen Schlüsselbund."""
    plain, stage.client = stage.client, encrypting(stage.client, ring)
    handle: Handle = await stage.start(
        RefundWorkflow.run, refund, id=f"erstattung-{uuid.uuid4()}"
    )
    stage.client = plain
    await event_reached(handle, 4)  # Der Workflow wartet auf die Entscheidung.
    return handle


async def decided(stage: Stage, refund: Refund = REFUND) -> Handle:
    """Der Shop beantragt die Erstattung, und Anke stimmt im Shop zu."""
    handle = await place(stage, refund)
    await handle.signal(RefundWorkflow.decide, YES)
    return handle


async def close(stage: Stage, handle: Handle) -> None:
    """Wartet auf das Ende und hält fest, was im Überweisungsbuch steht."""
    try:
        await result(handle, TIME_LIMIT)
    except WorkflowFailureError as error:
        cause = getattr(error.cause, "cause", None)
        assert isinstance(cause, ApplicationError)
        stage.note(f"Die Bank hat abgelehnt: {cause.type}")
    found = transfers(stage.folder)
    stage.note(f"Überweisungen: {len(found)}, zusammen {sum(found.values())} Cent")


async def refunded(stage: Stage, refund: Refund = REFUND) -> Handle:
    """Eine ganze Erstattung."""
    async with open_shop(stage):
        handle = await decided(stage, refund)
        await close(stage, handle)
    return handle


@PATTERN.scenario(
    "ohne-codec-server", "Was der Server kennt: den Ablauf, nicht die Daten."
)
async def unread(stage: Stage) -> None:
    """Die Event History, wie sie gespeichert ist."""
    await refunded(stage)


@PATTERN.crash_stage("ohne-codec-server")
@asynccontextmanager
async def unread_until_crash(stage: Stage) -> AsyncIterator[CrashStage]:
    """Derselbe Lauf mit Workern, die sterben."""
    yield CrashStage(WORKER, worker_arguments(stage), lambda: decided(stage))


@PATTERN.scenario(
    "mit-codec-server", "Bente liest denselben Lauf über den Codec-Server."
)
async def read(stage: Stage) -> None:
    """Dieselben Events, lesbar."""
    handle = await refunded(stage)
    with open_office(stage) as office:
        await office.read(stage, handle, "Bente")


@PATTERN.scenario("ohne-recht", "Cem hat ein Token, aber nicht für diesen Namespace.")
async def forbidden(stage: Stage) -> None:
    """Wer nicht lesen darf, sieht, was der Server sieht."""
    handle = await refunded(stage)
    with open_office(stage) as office:
        await office.read(stage, handle, "Cem")


@PATTERN.scenario(
    "schluessel-fehlt",
    "Der Codec-Server kennt den älteren Schlüssel nicht mehr: Der Antrag bleibt zu.",
)
async def key_missing(stage: Stage) -> None:
    """Unlesbares bleibt verschlüsselt und hält den Rest nicht auf."""
    async with open_shop(stage):
        handle = await place(stage, ring=RING.activate("2026-06"))
        shop = encrypting(stage.client, RING).get_workflow_handle_for(
            RefundWorkflow.run, handle.id
        )
        await shop.signal(RefundWorkflow.decide, YES)
        await close(stage, handle)
    with open_office(stage, RING.without("2026-06")) as office:
        await office.read(stage, handle, "Bente")


@PATTERN.scenario(
    "entscheidung-ohne-schluessel",
    "Ankes Programm hat keinen Schlüssel; der Codec-Server verschlüsselt ihr Signal.",
)
async def decided_without_key(stage: Stage) -> None:
    """So schickt auch `temporal workflow signal --codec-endpoint`."""
    with open_office(stage) as office:
        async with open_shop(stage):
            handle = await place(stage)
            keyless = stage.client.get_workflow_handle(handle.id)
            await keyless.signal("decide", await office.encode(YES, "Anke"))
            await close(stage, handle)
        await office.read(stage, handle, "Bente")


@PATTERN.scenario(
    "konto-erloschen",
    "Die Bank lehnt ab; auch die Fehlermeldung liest nur, wer darf.",
)
async def account_closed(stage: Stage) -> None:
    """Fehlertexte enthalten oft mehr, als man denkt."""
    refund = Refund("E-1002", "Ægir Ötting", CLOSED_ACCOUNT, 12900)
    handle = await refunded(stage, refund)
    with open_office(stage) as office:
        await office.read(stage, handle, "Bente")
