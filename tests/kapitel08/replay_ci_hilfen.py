"""Hilfen der Tests zum Replay-Test: ein Codec, die Suche nach Läufen, der Text eines Exports."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cryptography.fernet import Fernet
from temporalio.api.common.v1 import Payload
from temporalio.api.history.v1 import History
from temporalio.client import WorkflowExecution, WorkflowExecutionStatus
from temporalio.converter import DataConverter, PayloadCodec
from temporalio.exceptions import ApplicationError

from dauerlauf.testing import RunningWorker
from kapitel08.replay_test_in_ci import files, selection

# Die Postleitzahl nur für sich: In Zeiten und IDs kommen ihre Ziffern auch zufällig vor.
PERSONAL = re.compile(
    r"Anke|Petersen|Straße|Stra\\u00dfe|Flensburg|(?<![0-9a-f])24937(?![0-9a-f])|nordlicht\.example|DE8937"
)


class FernetCodec(PayloadCodec):
    """Verschlüsselt jeden Payload; was schon offen daliegt, lässt er beim Lesen stehen."""

    def __init__(self) -> None:
        self._fernet = Fernet(Fernet.generate_key())

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [
            Payload(metadata={"encoding": b"binary/encrypted"}, data=self._fernet.encrypt(payload.SerializeToString()))
            for payload in payloads
        ]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [self._decode(payload) for payload in payloads]

    def _decode(self, payload: Payload) -> Payload:
        if payload.metadata["encoding"] != b"binary/encrypted":
            raise ApplicationError("Dieser Payload ist nicht verschlüsselt.")
        return Payload.FromString(self._fernet.decrypt(payload.data))


ENCRYPTED = replace(DataConverter.default, payload_codec=FernetCodec())


async def visible(worker: RunningWorker, count: int, closed: int = 0) -> list[WorkflowExecution]:
    """Die Läufe der Task Queue, sobald die Suche `count` davon zeigt, `closed` davon als beendet."""
    query = f'TaskQueue = "{worker.task_queue}"'
    async with asyncio.timeout(30):
        while True:
            found = await selection.select(worker.client, query, 99)
            if len(found) >= count and sum(one.status != WorkflowExecutionStatus.RUNNING for one in found) >= closed:
                return found
            await asyncio.sleep(0.02)


def all_text(folder: Path) -> str:
    """Alles, was in den Dateien steht, die Payloads auch im Klartext."""
    histories = [files.read(file) for file in folder.glob("*.json")]
    raw = b"".join(History(events=history.events).SerializeToString() for history in histories)
    names = "".join(file.name + file.read_text("utf-8") for file in folder.glob("*.json"))
    return raw.decode(errors="replace") + names
