"""Verschlüsselte Payloads lesbar machen: der Codec-Server einer Anwendung, gefragt nach Temporals Protokoll.

Das Protokoll: `POST {Adresse}/decode` mit `Payloads` als JSON, dazu der Kopf `X-Namespace`; die Antwort hat dieselbe
Form und gleich viele Payloads (https://docs.temporal.io/codec-server).
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Self

import httpx
from google.protobuf import json_format
from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.failure.v1 import Failure

from dauerlauf.errors import DauerlaufError

# Diese Kodierungen hat kein Codec angefasst; wer verschlüsselt oder komprimiert, setzt eine eigene
# (https://docs.temporal.io/dataconversion). Was schon lesbar ist, verlässt den Rechner nicht.
READABLE = {b"json/plain", b"json/protobuf", b"binary/plain", b"binary/protobuf", b"binary/null"}
TIMEOUT = 10.0
BATCH = 50
REMEMBERED = 10_000


class RemoteCodec:
    """Ein Codec-Server unter einer Adresse; `async with` schließt seine Verbindungen.

    `endpoint` darf `{namespace}` enthalten, wie bei `temporal --codec-endpoint`. `authorization` ist der Wert des
    Kopfes `Authorization`. Wirft `DauerlaufError`, wenn `endpoint` keine Adresse mit http oder https ist.
    """

    def __init__(self, endpoint: str, namespace: str, authorization: str | None = None) -> None:
        self._address = endpoint.replace("{namespace}", namespace).rstrip("/")
        try:
            url = httpx.URL(self._address)
        except httpx.InvalidURL:
            url = httpx.URL()
        if url.scheme not in ("http", "https") or not url.host:
            raise DauerlaufError(
                f"„{endpoint}“ ist keine Adresse eines Codec-Servers; sie beginnt mit http:// oder https://, etwa "
                "http://localhost:8081."
            )
        headers = {b"X-Namespace": namespace.encode()}
        if authorization:
            headers[b"Authorization"] = authorization.encode()
        self._http = httpx.AsyncClient(headers=headers, timeout=TIMEOUT)
        self._known: dict[bytes, Payload] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def decode(self, messages: Iterable[Message]) -> None:
        """Ersetzt in `messages` jedes kodierte Payload durch das entschlüsselte, auch in Fehlern und Notizen.

        Gefragt wird in Gruppen und je Payload nur einmal. Wirft `DauerlaufError`, wenn der Server nicht oder
        unbrauchbar antwortet; was bis dahin entschlüsselt war, ist dann eingesetzt.
        """
        parts = [part for message in messages for part in _parts(message)]
        coded = [part for part in parts if isinstance(part, Payload) and part.metadata.get("encoding") not in READABLE]
        keys = [payload.SerializeToString(deterministic=True) for payload in coded]
        if len(self._known) > REMEMBERED:
            self._known.clear()
        new = [key for key in dict.fromkeys(keys) if key not in self._known]
        try:
            for start in range(0, len(new), BATCH):
                batch = new[start : start + BATCH]
                self._known |= zip(batch, await self._ask(batch), strict=True)
        finally:
            for key, payload in zip(keys, coded, strict=True):
                if key in self._known:
                    payload.CopyFrom(self._known[key])
            for part in parts:
                if isinstance(part, Failure) and part.HasField("encoded_attributes"):
                    _reveal(part)

    async def _ask(self, batch: list[bytes]) -> list[Payload]:
        question = Payloads(payloads=[Payload.FromString(payload) for payload in batch])
        try:
            answer = await self._http.post(f"{self._address}/decode", json=json_format.MessageToDict(question))
        except httpx.TimeoutException as error:
            raise self._problem(f"antwortet nicht innerhalb von {TIMEOUT:g} s") from error
        except httpx.HTTPError as error:
            raise self._problem(f"ist nicht erreichbar ({error})") from error
        if answer.status_code in (401, 403):
            raise self._problem(
                f"verweigert den Zugang (HTTP {answer.status_code}); der Zugang steht in --codec-auth", final=True
            )
        if answer.status_code != 200:
            raise self._problem(f"antwortet auf /decode mit HTTP {answer.status_code}")
        try:
            found = json_format.ParseDict(answer.json(), Payloads(), ignore_unknown_fields=True)
        except (ValueError, json_format.ParseError, AttributeError) as error:
            raise self._problem("antwortet nicht mit Payloads in JSON") from error
        if len(found.payloads) != len(batch):
            raise self._problem(f"antwortet mit {len(found.payloads)} statt {len(batch)} Payloads")
        return list(found.payloads)

    def _problem(self, what: str, *, final: bool = False) -> DauerlaufError:
        remedy = "" if final else "; prüfen Sie Adresse und Codec-Server"
        return DauerlaufError(f"Der Codec-Server {self._address} {what}{remedy}.")


def _parts(message: Message) -> Iterator[Message]:
    """Die Nachricht und alle Nachrichten darin."""
    yield message
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        several = value.values() if isinstance(value, Mapping) else value
        for part in [value] if isinstance(value, Message) else several:
            if isinstance(part, Message):
                yield from _parts(part)


def _reveal(failure: Failure) -> None:
    """Setzt den verschlüsselten Text eines Fehlers ein, so wie der `DefaultFailureConverter` des SDK ihn ablegt."""
    try:
        attributes = json.loads(failure.encoded_attributes.data)
        failure.message = attributes["message"]
    except (ValueError, TypeError, KeyError):
        return
    failure.ClearField("encoded_attributes")
