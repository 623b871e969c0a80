"""Hilfen der Tests zur Verschlüsselung: ein Client mit Schlüsselbund, eine Erstattung mit eigener Workflow-ID."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from temporalio.client import Client
from temporalio.converter import PayloadCodec
from temporalio.service import RPCError
from temporalio.worker import Worker

from dauerlauf.timelapse import Timelapse
from kapitel16.verschluesselung.codec import EncryptionCodec, encrypted
from kapitel16.verschluesselung.keys import KeyRing
from kapitel16.verschluesselung.models import Refund, State
from kapitel16.verschluesselung.scenarios import GOOD, OLD, Handle, reached
from kapitel16.verschluesselung.worker import create_worker
from kapitel16.verschluesselung.workflow import RefundWorkflow


def secret_forms(text: str) -> list[bytes]:
    """Die Formen, in denen ein Text in einer Datei stehen könnte."""
    plain = text.encode()
    # Base64 hängt davon ab, an welcher von drei Stellen der Text beginnt; die Mitte ist jeweils eindeutig.
    shifted = [base64.b64encode(b"\0" * shift + plain)[4:-4] for shift in range(3)]
    escaped = text.encode("ascii", "backslashreplace").replace(b"\\x", b"\\u00")
    return [plain, text.encode("utf-16-le"), escaped, plain.hex().encode(), *shifted]


@dataclass
class Office:
    """Eine Task Queue mit Workern, die einen Schlüsselbund haben."""

    timelapse: Timelapse
    folder: Path
    task_queue: str

    def client(self, ring: KeyRing = OLD, codec: PayloadCodec | None = None) -> Client:
        """Ein Client, dessen Payloads durch diesen Codec gehen."""
        return encrypted(self.timelapse.client, codec or EncryptionCodec(ring))

    def worker(self, ring: KeyRing = OLD, identity: str = "worker-1") -> Worker:
        """Ein Worker mit diesem Schlüsselbund."""
        client = self.timelapse.client_for(identity)
        return create_worker(client, self.folder, ring, task_queue=self.task_queue)

    async def start(self, client: Client, refund: Refund | None = None, **options: Any) -> Handle:
        """Startet eine Erstattung; ohne Angabe eine, die auf Zustimmung wartet."""
        return await client.start_workflow(
            RefundWorkflow.run,
            refund or Refund("R-1", GOOD, 64_900, "Sofa mit gebrochenem Bein"),
            id=f"erstattung-{uuid4()}",
            task_queue=self.task_queue,
            **options,
        )

    async def waiting(self, client: Client) -> Handle:
        """Eine Erstattung, die auf Zustimmung wartet."""
        handle = await self.start(client)
        await reached(handle, State.AWAITING_APPROVAL)
        return handle


@asynccontextmanager
async def open_office(timelapse: Timelapse, folder: Path) -> AsyncIterator[Office]:
    """Eine Task Queue für einen Test; was darauf noch läuft, endet mit ihm."""
    office = Office(timelapse, folder, timelapse.task_queue())
    yield office
    running = f'TaskQueue = "{office.task_queue}" AND ExecutionStatus = "Running"'
    async for execution in timelapse.client.list_workflows(running):
        with suppress(RPCError):  # Die Suche hinkt nach; manche sind schon beendet.
            await timelapse.client.get_workflow_handle(execution.id).terminate("Test beendet")
