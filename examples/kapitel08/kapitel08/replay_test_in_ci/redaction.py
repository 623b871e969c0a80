"""Schwärzen, ohne dass sich eine Entscheidung des Workflows ändert.

Namen von Feldern, Typen, IDs und Zeiten bleiben. Werte werden durch Platzhalter
derselben Form ersetzt, außer in den Feldern, die eine Liste ausdrücklich erlaubt.
"""

import json
import re
import string
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Any

from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload, SearchAttributes
from temporalio.api.enums.v1 import TaskQueueKind
from temporalio.api.history.v1 import History, MarkerRecordedEventAttributes
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.client import WorkflowHistory
from temporalio.converter import DataConverter

# Freier Text außerhalb von Payloads: Fehlermeldungen, Begründungen, wer es war.
FREE_TEXT = {"message", "stack_trace", "identity", "reason", "cause"}
# Was ein Data Converter ohne Codec schreibt.
PLAIN = {"json/plain", "json/protobuf", "binary/plain", "binary/protobuf"}
STICKY = TaskQueueKind.TASK_QUEUE_KIND_STICKY
FIELD_NAME = re.compile(r"[a-z][a-z0-9_]*")
WORD = re.compile(r"[^\W\d_]{5,}")
UNCHANGED = frozenset(string.punctuation + string.whitespace)


class NotRedactableError(Exception):
    """Diese History lässt sich nicht sicher schwärzen; der Text sagt, warum."""


async def decoded(history: WorkflowHistory, converter: DataConverter) -> History:
    """Eine Kopie der Events, deren Payloads der Codec entschlüsselt hat."""
    copy = History()
    copy.CopyFrom(History(events=history.events))
    if converter.payload_codec:
        # Suchattribute und die Daten des Kerns verschlüsselt kein Codec.
        for payload in _payloads(copy):
            if _encoding(payload) in PLAIN:
                continue
            payload.CopyFrom((await converter.payload_codec.decode([payload]))[0])
    return copy


def encodings(history: WorkflowHistory) -> set[str]:
    """Die Kodierungen aller Nutzwerte, außer der für „kein Wert“."""
    events = History(events=history.events)
    return {_encoding(payload) for payload in _payloads(events)} - {"binary/null"}


def encrypted(history: WorkflowHistory) -> bool:
    """Ob Payloads dabei sind, die nur ein Codec lesen kann."""
    return bool(encodings(history) - PLAIN)


class Redactor:
    """Schwärzt eine einzige History; `keep` nennt die Felder, deren Werte bleiben."""

    def __init__(self, keep: frozenset[str]) -> None:
        self._keep = keep
        self._removed: set[str] = set()
        self._kept: set[str] = set()

    # --8<-- [start:redact]
    def redact(self, history: History) -> History:
        """Schwärzt `history` an Ort und Stelle und prüft, dass nichts übrig blieb."""
        for event in history.events:
            self._message(event)
        remains = self._remains()
        for text in _texts(history):
            if found := remains.search(text.casefold()):
                raise NotRedactableError(
                    f"„{found[0]}“ ist geschwärzt, steht aber noch an anderer Stelle"
                )
        return history

    # --8<-- [end:redact]

    # --8<-- [start:value]
    def _value(self, value: Any, field: str = "") -> Any:
        """Derselbe Aufbau mit Platzhaltern; Wahrheitswerte bleiben."""
        if field in self._keep:
            self._kept.add(str(value))
            return value
        match value:
            case dict():
                return {self._key(k): self._value(v, k) for k, v in value.items()}
            case list():
                return [self._value(one, field) for one in value]
            case str():
                return self._text(value)
            case bool() | None:
                return value
            case _:
                return json.loads(re.sub(r"\d", "1", json.dumps(value)))

    # --8<-- [end:value]

    def _text(self, text: str) -> str:
        """Form und Länge bleiben: „Anke, 24937“ wird „Aaaa, 11111“."""
        self._removed.add(text)
        return _blank(text)

    def _key(self, key: str) -> str:
        return key if FIELD_NAME.fullmatch(key) else self._text(key)

    def _message(self, message: Message) -> None:
        """Geht durch eine Protobuf-Nachricht; Payloads liegen in vielen Ecken."""
        if isinstance(message, Payload):
            self._payload(message)
            return
        if isinstance(message, TaskQueue) and message.kind == STICKY:
            message.name = _blank(message.name)  # darin steckt der Name des Workers
        for field, value in message.ListFields():
            if isinstance(value, MutableMapping):
                for key in list(value):
                    if key in self._keep or _own(message, key):
                        continue
                    if isinstance(value[key], Message):
                        self._message(value[key])
                    else:
                        value[key] = _blank(value[key])  # Header eines Nexus-Aufrufs
            elif field.message_type:
                for one in [value] if isinstance(value, Message) else value:
                    self._message(one)
            elif field.name in FREE_TEXT and isinstance(value, str):
                setattr(message, field.name, _blank(value))

    def _payload(self, payload: Payload) -> None:
        match _encoding(payload):
            case "json/plain" | "json/protobuf":
                value = self._value(json.loads(payload.data))
                payload.data = json.dumps(value, ensure_ascii=False).encode()
            case "binary/plain":
                payload.data = bytes(len(payload.data))
            case "binary/null":
                pass
            case other:
                raise NotRedactableError(
                    f"einen Payload der Kodierung „{other}“ kann niemand schwärzen, "
                    "ohne ihn zu verstehen; fehlt der Codec?"
                )

    # --8<-- [start:remains]
    def _remains(self) -> re.Pattern[str]:
        """Findet, was aus Payloads verschwand; auch in IDs darf es nicht stehen."""
        removed = _fragments(self._removed) - _fragments(self._kept)
        parts = "|".join(map(re.escape, sorted(removed))) or "(?!)"
        return re.compile(rf"(?<!\w)(?:{parts})(?!\w)")  # (!)

    # --8<-- [end:remains]


def _blank(text: str) -> str:
    return "".join(map(_placeholder, text))


def _placeholder(char: str) -> str:
    if char in UNCHANGED:
        return char
    if char.isdigit():
        return "1"
    return "A" if char.isupper() else "a"


def _fragments(texts: Iterable[str]) -> set[str]:
    """Die Texte und ihre Wörter ab fünf Zeichen; Platzhalter verraten nichts."""
    found = {one.casefold() for text in texts for one in (text, *WORD.findall(text))}
    return {one for one in found if len(one) > 4 and one != _blank(one)}


def _encoding(payload: Payload) -> str:
    return payload.metadata["encoding"].decode()


def _own(message: Message, key: str) -> bool:
    """Ob Temporal diesen Eintrag selbst schrieb und zum Replay braucht."""
    if isinstance(message, MarkerRecordedEventAttributes):
        # Patches und lokale Activities: Von den Daten ist nur das Ergebnis Nutzwert.
        return message.marker_name.startswith("core_") and key != "result"
    # `TemporalChangeVersion` und andere eigene Suchattribute.
    return isinstance(message, SearchAttributes) and key.startswith("Temporal")


def _messages(message: Message, own: bool = True) -> Iterator[Message]:
    """Alle Nachrichten in `message`, sie selbst zuerst; auf Wunsch ohne Eigenes."""
    yield message
    for field, value in message.ListFields():
        if isinstance(value, Mapping):
            children = [
                one
                for key, one in value.items()
                if isinstance(one, Message) and (own or not _own(message, key))
            ]
        elif field.message_type:
            children = [value] if isinstance(value, Message) else list(value)
        else:
            continue
        for child in children:
            yield from _messages(child, own)


def _payloads(history: History) -> list[Payload]:
    return [one for one in _messages(history, own=False) if isinstance(one, Payload)]


def _texts(history: History) -> Iterator[str]:
    """Jeder Text der History, auch der Inhalt der Payloads."""
    for message in _messages(history):
        if isinstance(message, Payload):
            yield message.data.decode(errors="replace")
            continue
        for _, value in message.ListFields():
            if isinstance(value, str):
                yield value
            elif isinstance(value, Mapping):
                yield from value  # der Name eines Memos oder Headers
