"""Falsch: Formen der Löschung, die einleuchten und nicht löschen.

Zu jeder gibt es einen Test, der den Schaden zeigt.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from temporalio import workflow
from temporalio.api.common.v1 import Payload

with workflow.unsafe.imports_passed_through():
    from kapitel16.recht_auf_loeschung.activities import ErasureActivities
    from kapitel16.recht_auf_loeschung.codec import COMPANY, PersonCodec
    from kapitel16.recht_auf_loeschung.key_store import KeyCache, KeyStore
    from kapitel16.recht_auf_loeschung.models import (
        ORDER,
        Destruction,
        ErasureRequest,
        Order,
        Parcel,
    )
    from kapitel16.recht_auf_loeschung.register import Register
    from kapitel16.recht_auf_loeschung.workflow import LONG, ParcelWorkflow
    from kapitel16.verschluesselung.codec import (
        is_sealed,
        key_id_of,
        open_sealed,
        seal,
    )


# --8<-- [start:forever]
class ForeverCache(KeyCache):
    """Falsch: fragt nach jedem Schlüssel nur einmal."""

    def __init__(self, store: KeyStore) -> None:
        super().__init__(store, 0)
        self._keys: dict[str, bytes] = {}

    def key(self, key_id: str) -> bytes:
        """Der Schlüssel, auch wenn es ihn längst nicht mehr gibt."""
        if key_id not in self._keys:
            self._keys[key_id] = super().key(key_id)
        return self._keys[key_id]


# --8<-- [end:forever]


# --8<-- [start:text]
class TextCodec(PersonCodec):
    """Falsch: sucht im Inhalt, wessen Daten es sind."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Ohne Fund gilt der Schlüssel des Betriebs."""
        sealed = []
        for payload in payloads:
            found = re.search(rb'"(customer|recipient)":"([0-9a-f-]{36})', payload.data)
            key_id = f"{found[2].decode()}.{ORDER}" if found else COMPANY
            sealed.append(seal(payload, key_id, self._keys.key(key_id)))
        return sealed


# --8<-- [end:text]


# --8<-- [start:raising]
class RaisingCodec(PersonCodec):
    """Falsch: meldet Gelöschtes als Fehler."""

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Wirft `KeyDestroyedError`."""
        return [
            open_sealed(payload, self._keys.key(key_id_of(payload)))
            if is_sealed(payload)
            else payload
            for payload in payloads
        ]


# --8<-- [end:raising]


# --8<-- [start:hasty]
@workflow.defn
class HastyErasureWorkflow:
    """Falsch: vernichtet den Schlüssel, solange Workflows der Person laufen."""

    @workflow.run
    async def run(self, request: ErasureRequest) -> str:
        """Schnell, aber zu früh."""
        at = workflow.now().isoformat()
        destruction = Destruction(request.customer, request.key_ids, at)
        return await workflow.execute_activity_method(
            ErasureActivities.destroy_keys, destruction, **LONG
        )


# --8<-- [end:hasty]


# --8<-- [start:mapping]
def forget_mapping_only(folder: Path, customer: str) -> None:
    """Falsch: Die Nummer verliert ihren Namen, die Histories behalten ihn."""
    Register(folder).forget(customer)


# --8<-- [end:mapping]


# --8<-- [start:copying]
@workflow.defn
class CopyingWorkflow:
    """Falsch: übernimmt fremde Daten in das eigene Ergebnis."""

    @workflow.run
    async def run(self, order: Order) -> Any:
        """Das Ergebnis ist mit dem Schlüssel der schenkenden Person versiegelt."""
        number = workflow.info().workflow_id.rsplit("/", 1)[1]
        return await workflow.execute_child_workflow(
            ParcelWorkflow.run,
            Parcel(number, order.recipient),
            id=f"kunde/{order.recipient}/{ORDER}/{number}-paket",
        )


# --8<-- [end:copying]
