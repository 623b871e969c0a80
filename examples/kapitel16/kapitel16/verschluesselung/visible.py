"""Was der Server trotz Verschlüsselung sieht, und welche Schlüssel er noch braucht.

Beides liest Nachrichten des Servers roh, ohne Schlüssel.
"""

from collections import Counter
from collections.abc import Iterator, Mapping

from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload
from temporalio.client import Client, WorkflowHistory

from kapitel16.verschluesselung.codec import is_sealed, key_id_of

# Kennungen, die Server und SDK selbst vergeben; sie sagen nichts über den Vorgang.
_GENERATED = {
    "accepted_request_message_id",
    "first_execution_run_id",
    "normal_name",
    "original_execution_run_id",
    "protocol_instance_id",
    "request_id",
}


def parts(message: Message, path: str = "") -> Iterator[tuple[str, Message | str]]:
    """Alle Nachrichten und Texte in `message`, mit dem Namen ihres Feldes."""
    yield path, message
    if isinstance(message, Payload):
        return
    for field, value in message.ListFields():
        if isinstance(value, Mapping):
            for key, item in value.items():
                yield f"{field.name} (Name)", str(key)
                if isinstance(item, Message):
                    yield from parts(item, f"{field.name}.{key}")
        else:
            repeated = not isinstance(value, (str, bytes, int, float, Message))
            for item in value if repeated else [value]:
                if isinstance(item, Message):
                    yield from parts(item, field.name)
                elif isinstance(item, str) and item:
                    yield field.name, item


def sealed_payloads(message: Message) -> Iterator[Payload]:
    """Alle verschlüsselten Payloads in einer Nachricht des Servers."""
    for _, part in parts(message):
        if isinstance(part, Payload) and is_sealed(part):
            yield part


def texts(history: WorkflowHistory) -> dict[str, list[str]]:
    """Jeder Text der Event History, den der Server lesen kann, nach Namen des Feldes.

    Payloads im Klartext stehen mit ihrem Inhalt darin.
    """
    found: dict[str, dict[str, None]] = {}
    for event in history.events:
        for path, part in parts(event):
            if isinstance(part, Payload) and not is_sealed(part):
                part = part.data.decode(errors="replace")
            if isinstance(part, str) and path not in _GENERATED:
                found.setdefault(path, {})[part] = None
    return {path: list(values) for path, values in sorted(found.items())}


def key_usage(message: Message) -> Counter[str]:
    """Wie viele Payloads einer Nachricht welchen Schlüssel brauchen."""
    return Counter(key_id_of(payload) for payload in sealed_payloads(message))


# --8<-- [start:in-use]
async def keys_in_use(client: Client, query: str) -> dict[str, Counter[str]]:
    """Je Ausführung, die `query` findet, und je Schedule: welche Schlüssel er braucht.

    Liest jede Event History ganz. Ein Schedule behält die Eingaben, die ihm jemand
    gab, mit dem Schlüssel von damals.
    """
    found: dict[str, Counter[str]] = {}
    async for execution in client.list_workflows(query):
        handle = client.get_workflow_handle(execution.id, run_id=execution.run_id)
        usage = key_usage((await handle.describe()).raw_description)
        async for event in handle.fetch_history_events():
            usage += key_usage(event)
        found[f"{execution.id} ({execution.run_id})"] = usage
    async for schedule in await client.list_schedules():
        description = await client.get_schedule_handle(schedule.id).describe()
        usage = key_usage(description.raw_description)
        found[f"Schedule {schedule.id}"] = usage
    return found


# --8<-- [end:in-use]
