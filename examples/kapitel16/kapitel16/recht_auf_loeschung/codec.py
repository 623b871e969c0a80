"""Wem ein Payload gehört, und was aus ihm wird, wenn sein Schlüssel vernichtet ist."""

import dataclasses
import json
import re
from collections.abc import Sequence
from typing import Any, Protocol, Self, runtime_checkable

from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.converter import (
    CompositePayloadConverter,
    DataConverter,
    DefaultFailureConverterWithEncodedAttributes,
    DefaultPayloadConverter,
    JSONPlainPayloadConverter,
    PayloadCodec,
    SerializationContext,
    WithSerializationContext,
)

from kapitel16.recht_auf_loeschung.key_store import KeyCache, KeyDestroyedError
from kapitel16.verschluesselung.codec import (
    key_id_of,
    open_sealed,
    seal,
)

COMPANY = "betrieb"
ERASED = "gelöscht"
ERASED_MARK = "erased"

_PERSON_ID = re.compile(r"kunde/(?P<number>[0-9a-f-]{36})/(?P<purpose>[a-z]+)/.+")
_COMPANY_ID = re.compile(r"betrieb/.+")


class OwnerUnknownError(ValueError):
    """Aus der Workflow-ID geht nicht hervor, wessen Daten das sind."""


# --8<-- [start:owner]
def owner(workflow_id: str) -> str:
    """Die Kennung des Schlüssels, der für diesen Workflow gilt."""
    if found := _PERSON_ID.fullmatch(workflow_id):
        return f"{found['number']}.{found['purpose']}"
    if _COMPANY_ID.fullmatch(workflow_id):
        return COMPANY
    raise OwnerUnknownError(  # (!)
        f"„{workflow_id}“ sagt nicht, wessen Daten das sind; erwartet war "
        "„kunde/<nummer>/<zweck>/…“ oder „betrieb/…“."
    )


# --8<-- [end:owner]


class PersonCodec(PayloadCodec, WithSerializationContext):
    """Versiegelt jeden Payload mit dem Schlüssel der Person, der er gehört."""

    def __init__(self, keys: KeyCache, *, strict: bool, workflow_id: str = "") -> None:
        """`strict` (Clients) weigert sich, für Gelöschte zu schreiben. Ein Worker
        schreibt stattdessen Grabsteine, damit nichts stecken bleibt.
        """
        self._keys = keys
        self._strict = strict
        self._workflow_id = workflow_id

    # --8<-- [start:codec]
    def with_context(self, context: SerializationContext) -> Self:
        """So erfährt der Codec vom SDK, zu welchem Workflow ein Payload gehört."""
        workflow_id = getattr(context, "workflow_id", None) or ""
        return type(self)(self._keys, strict=self._strict, workflow_id=workflow_id)

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Versiegelt mit dem Schlüssel, den die Workflow-ID bestimmt."""
        key_id = owner(self._workflow_id)
        try:
            key = self._keys.key(key_id)
        except KeyDestroyedError:
            if self._strict:
                raise
            return [tombstone() for _ in payloads]  # (!)
        return [seal(payload, key_id, key) for payload in payloads]

    # --8<-- [end:codec]

    # --8<-- [start:decode]
    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Öffnet, auch Grabsteine; anderen Klartext weist er ab."""
        return [self._open(payload) for payload in payloads]

    def _open(self, payload: Payload) -> Payload:
        if ERASED_MARK in payload.metadata:
            return payload
        key_id = key_id_of(payload)
        try:
            return open_sealed(payload, self._keys.key(key_id))
        except KeyDestroyedError:  # (!)
            return tombstone()


def tombstone() -> Payload:
    """Lesbares JSON: Auch Web UI und CLI zeigen es hinter einem Codec-Server."""
    return Payload(
        metadata={"encoding": b"json/plain", ERASED_MARK: b"true"},
        data=json.dumps(ERASED, ensure_ascii=False).encode(),
    )


# --8<-- [end:decode]


@runtime_checkable
class Erasable(Protocol):
    """Ein Typ, der weiß, wie er nach einer Löschung aussieht."""

    @classmethod
    def erased(cls) -> Any:
        """Der Platzhalter."""


class ErasedError(RuntimeError):
    """Für gelöschte Daten dieses Typs gibt es keinen Platzhalter."""


# --8<-- [start:placeholder]
class TombstoneConverter(JSONPlainPayloadConverter):
    """Liest JSON; aus einem Grabstein wird ein Platzhalter des verlangten Typs."""

    def from_payload(self, payload: Payload, type_hint: type | None = None) -> Any:
        """Wie die Basisklasse; wirft `ErasedError` bei einem Typ ohne Platzhalter."""
        if ERASED_MARK not in payload.metadata:
            return super().from_payload(payload, type_hint)
        if type_hint in (None, Any, str):
            return ERASED
        if type_hint is type(None):
            return None
        if isinstance(type_hint, Erasable):
            return type_hint.erased()
        raise ErasedError(f"{type_hint} hat keinen Platzhalter für gelöschte Daten.")


# --8<-- [end:placeholder]


class ErasablePayloadConverter(CompositePayloadConverter):
    """Der Standardkonverter, der Grabsteine versteht."""

    def __init__(self) -> None:
        """Ersetzt den Konverter für JSON."""
        standard = DefaultPayloadConverter.default_encoding_payload_converters
        super().__init__(
            *(
                TombstoneConverter()
                if isinstance(converter, JSONPlainPayloadConverter)
                else converter
                for converter in standard
            )
        )


def person_converter(codec: PayloadCodec | None) -> DataConverter:
    """Der Konverter für Clients und Worker; auch Fehlertexte sind versiegelt.

    Ohne Codec liest er schon entschlüsselte Histories.
    """
    return dataclasses.replace(
        DataConverter.default,
        payload_codec=codec,
        payload_converter_class=ErasablePayloadConverter,
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
    )


def with_person_keys(client: Client, keys: KeyCache, *, strict: bool) -> Client:
    """Eine Kopie von `client`, die mit den Schlüsseln der Personen arbeitet."""
    config = client.config()
    config["data_converter"] = person_converter(PersonCodec(keys, strict=strict))
    return Client(**config)
