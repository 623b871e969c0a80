"""Der Nachweis: jeden Payload einer History ansehen und jeden Schlüssel probieren."""

from collections.abc import Iterable, Iterator, Mapping

from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload

from kapitel16.recht_auf_loeschung.models import Proof
from kapitel16.verschluesselung.codec import (
    SealError,
    is_sealed,
    key_id_of,
    open_sealed,
)


# --8<-- [start:payloads]
def payloads(message: Message) -> Iterator[Payload]:
    """Alle Payloads einer Nachricht, wo immer sie stecken."""
    if isinstance(message, Payload):
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if isinstance(value, Message):
            parts: Iterable[Message] = [value]
        elif isinstance(value, Mapping):
            parts = [part for part in value.values() if isinstance(part, Message)]
        else:
            parts = value
        for part in parts:
            yield from payloads(part)


# --8<-- [end:payloads]


# --8<-- [start:examine]
def examine(
    messages: Iterable[Message], key_ids: Iterable[str], keys: Mapping[str, bytes]
) -> Proof:
    """Zählt, was mit `key_ids` versiegelt ist, und probiert darauf jeden Schlüssel."""
    wanted = frozenset(key_ids)
    proof = Proof(0, 0, 0)
    for message in messages:
        proof.histories += 1
        for payload in payloads(message):
            if is_sealed(payload) and key_id_of(payload) in wanted:
                proof.sealed += 1
                proof.readable += any(opens(payload, key) for key in keys.values())
    return proof


def opens(payload: Payload, key: bytes) -> bool:
    """Ob der Schlüssel den Payload öffnet."""
    try:
        open_sealed(payload, key)
    except SealError:
        return False
    return True


# --8<-- [end:examine]
