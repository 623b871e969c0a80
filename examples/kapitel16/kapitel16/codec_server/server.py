"""Der Codec-Server: verschlüsselt und entschlüsselt Payloads für Web UI und CLI.

Das Protokoll steht in https://docs.temporal.io/codec-server: `POST /encode` und
`POST /decode`, jeweils `Payloads` als JSON, dazu der Kopf `X-Namespace`. Die Antwort
hat gleich viele Payloads in derselben Reihenfolge.

`python -m kapitel16.codec_server.server --help` startet ihn.
"""

import argparse
import asyncio
import json
import logging
import socket
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from http import HTTPStatus
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import uvicorn
from google.protobuf import json_format
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.converter import PayloadCodec

from kapitel16.codec_server.people import People, PeopleError, Person, Right, load
from kapitel16.verschluesselung.codec import EncryptionCodec, SealError
from kapitel16.verschluesselung.keys import KeyRing, KeyRingError, UnknownKeyError

PORT = 8081
MAX_BODY_BYTES = 8 * 1024 * 1024
"""Genug für eine gRPC-Nachricht von 4 MiB, die als Base64 um ein Drittel wächst."""
TIMEOUT_SECONDS = 10.0

# Diese Köpfe schickt die Web UI; ohne sie scheitert ihre Voranfrage.
HEADERS = ("content-type", "x-namespace", "authorization", "authorization-extras")

audit = logging.getLogger("nordlicht.audit")


class RefusedError(Exception):
    """Die Anfrage wird abgelehnt; der Text ist für den Menschen davor."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        """`text` enthält nie etwas aus der Anfrage."""
        super().__init__(text)
        self.status = status


TOO_SLOW = RefusedError(
    HTTPStatus.REQUEST_TIMEOUT, "Die Anfrage kam nicht rechtzeitig an."
)

Entry = Mapping[str, str | None]
Handler = Callable[[Request], Awaitable[Response]]
Convert = Callable[[PayloadCodec, Sequence[Payload]], Awaitable[list[Payload]]]


# --8<-- [start:decode]
async def encode(codec: PayloadCodec, payloads: Sequence[Payload]) -> list[Payload]:
    """Verschlüsselt alle oder keinen."""
    return await codec.encode(payloads)


async def decode(codec: PayloadCodec, payloads: Sequence[Payload]) -> list[Payload]:
    """Entschlüsselt, was sich entschlüsseln lässt; alles andere bleibt, wie es ist."""
    return [await _decode_one(codec, payload) for payload in payloads]


async def _decode_one(codec: PayloadCodec, payload: Payload) -> Payload:
    try:
        return (await codec.decode([payload]))[0]
    except (UnknownKeyError, SealError):  # Klartext, fremder Schlüssel, verändert
        return payload  # (!)


# --8<-- [end:decode]


class CodecServer:
    """Beantwortet die Anfragen; je Namespace ein eigener Codec."""

    def __init__(
        self,
        codecs: Mapping[str, PayloadCodec],
        people: People,
        *,
        max_body_bytes: int = MAX_BODY_BYTES,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        """`codecs` gehen nach Namespace; wer keinen hat, den gibt es hier nicht."""
        self._codecs = codecs
        self._people = people
        self._max_body_bytes = max_body_bytes
        self._timeout_seconds = timeout_seconds

    # --8<-- [start:routes]
    def app(self, origins: Iterable[str]) -> Starlette:
        """Die ASGI-Anwendung; `origins` sind die Adressen der Web UI, genau so."""
        cors = Middleware(
            CORSMiddleware,
            allow_origins=list(origins),  # (!)
            allow_methods=["POST"],
            allow_headers=HEADERS,
        )
        return Starlette(
            routes=[
                Route("/decode", self._route(Right.READ, decode), methods=["POST"]),
                Route("/encode", self._route(Right.WRITE, encode), methods=["POST"]),
            ],
            middleware=[cors],
        )

    # --8<-- [end:routes]

    # --8<-- [start:answer]
    def _route(self, right: Right, convert: Convert) -> Handler:
        async def answer(request: Request) -> Response:
            entry: dict[str, str | None] = {"recht": right, "wer": None}
            try:
                person = self._authenticate(request)
                entry["wer"] = person.name
                namespace = entry["namespace"] = _namespace(request)
                codec = self._authorize(person, right, namespace)
                async with asyncio.timeout(self._timeout_seconds):
                    given = _parse(await self._body(request))
                    found = await convert(codec, given)
                same = sum(a == b for a, b in zip(given, found, strict=True))
            except TimeoutError:
                return _refuse(TOO_SLOW, entry)
            except RefusedError as refusal:
                return _refuse(refusal, entry)
            except Exception:
                _log(entry, HTTPStatus.INTERNAL_SERVER_ERROR)
                raise
            _log(entry, HTTPStatus.OK, {"payloads": len(found), "unveraendert": same})
            body = json_format.MessageToDict(Payloads(payloads=found))
            return JSONResponse(body, headers={"Cache-Control": "no-store"})

        return answer

    # --8<-- [end:answer]

    # --8<-- [start:access]
    def _authenticate(self, request: Request) -> Person:
        person = self._people.find(request.headers.get("authorization", ""))
        if person is None:
            text = "Wer sind Sie? Der Kopf Authorization enthält kein gültiges Token."
            raise RefusedError(HTTPStatus.UNAUTHORIZED, text)
        return person

    def _authorize(self, person: Person, right: Right, namespace: str) -> PayloadCodec:
        codec = self._codecs.get(namespace)
        if codec is None or not person.may(right, namespace):  # (!)
            text = f"In diesem Namespace dürfen Sie nicht {right}."
            raise RefusedError(HTTPStatus.FORBIDDEN, text)
        return codec

    # --8<-- [end:access]

    # --8<-- [start:body]
    async def _body(self, request: Request) -> bytes:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > self._max_body_bytes:
                text = f"Mehr als {self._max_body_bytes} Bytes nimmt der Server nicht."
                raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, text)
        return bytes(body)


def _namespace(request: Request) -> str:
    namespace = request.headers.get("x-namespace")
    if not namespace:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "Der Kopf X-Namespace fehlt.")
    return namespace


def _parse(body: bytes) -> list[Payload]:
    try:
        found = json_format.Parse(body, Payloads())
    except (json_format.ParseError, UnicodeDecodeError):
        # Ohne Ursache: Ihre Meldung zitiert die Anfrage.
        text = "Erwartet werden Payloads als JSON."
        raise RefusedError(HTTPStatus.BAD_REQUEST, text) from None
    return list(found.payloads)


# --8<-- [end:body]


# --8<-- [start:log]
def _refuse(refusal: RefusedError, entry: Entry) -> Response:
    _log(entry, refusal.status)
    headers = {"Cache-Control": "no-store"}
    if refusal.status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse({"fehler": str(refusal)}, refusal.status, headers)


def _log(entry: Entry, status: HTTPStatus, counts: Mapping[str, int] = {}) -> None:
    """Eine Zeile je Anfrage: wer, was, wo, wie viele; nie ein Inhalt."""
    line = {**entry, "status": status.value, **counts}
    audit.info(json.dumps(line, ensure_ascii=False))


# --8<-- [end:log]


def load_codecs(folder: Path) -> dict[str, PayloadCodec]:
    """Je Datei `<namespace>.json` in `folder` ein Codec; wirft `KeyRingError`."""
    files = sorted(folder.glob("*.json"))
    if not files:
        raise KeyRingError(f"In {folder} liegt kein Schlüsselbund <namespace>.json.")
    return {file.stem: EncryptionCodec(KeyRing.load(file)) for file in files}


def listen(host: str, port: int) -> socket.socket:
    """Ein Socket unter dieser Adresse; wirft `OSError`, wenn sie nicht frei ist."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Ohne IPPROTO_TCP setzt asyncio kein TCP_NODELAY, und jede Antwort dauert 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener


def main(arguments: Sequence[str] | None = None) -> int:
    """Kommandozeile; gibt 2 zurück, wenn eine Angabe fehlt oder unsicher ist."""
    parser = argparse.ArgumentParser(description="Codec-Server von Nordlicht Versand.")
    parser.add_argument("--schluessel", type=Path, required=True, metavar="ORDNER")
    parser.add_argument("--personen", type=Path, required=True, metavar="DATEI")
    parser.add_argument("--web-ui", action="append", default=[], metavar="ADRESSE")
    parser.add_argument("--jeder-liest", action="append", metavar="NAMESPACE")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=PORT)
    parser.add_argument("--zertifikat", type=Path, metavar="DATEI")
    parser.add_argument("--zertifikat-schluessel", type=Path, metavar="DATEI")
    options = parser.parse_args(arguments)
    logging.basicConfig(format="%(asctime)s %(message)s")
    audit.setLevel(logging.INFO)
    try:
        check(options)
        everywhere = frozenset(options.jeder_liest or ())
        anyone = Person("jeder", "", {Right.READ: everywhere})
        people = People(load(options.personen), anyone if everywhere else None)
        office = CodecServer(load_codecs(options.schluessel), people)
        config = _configure(office.app(options.web_ui), options)
        listener = listen(options.host, options.port)
    except (KeyRingError, PeopleError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        where = f"{options.host}:{options.port}"
        print(f"{where} lässt sich nicht öffnen: {error.strerror}.", file=sys.stderr)
        return 2
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run([listener])
    return 0


def _configure(app: Starlette, options: argparse.Namespace) -> uvicorn.Config:
    config = uvicorn.Config(
        app,
        ssl_certfile=options.zertifikat,
        ssl_keyfile=options.zertifikat_schluessel,
        limit_concurrency=100,
        access_log=False,  # Das Protokoll schreibt die Anwendung selbst.
        log_level="warning",
    )
    try:
        config.load()
    except OSError as error:
        raise ValueError(f"Das Zertifikat ist nicht zu gebrauchen: {error}.") from None
    return config


# --8<-- [start:check]
def check(options: argparse.Namespace) -> None:
    """Wirft `ValueError` bei einer Einstellung, die Geheimnisse preisgibt."""
    if not _is_loopback(options.host):
        if options.jeder_liest:
            raise ValueError("Mit --jeder-liest bleibt der Codec-Server auf 127.0.0.1.")
        if options.zertifikat is None:
            raise ValueError(
                f"Unter {options.host} antwortet der Codec-Server nur mit TLS: "
                "--zertifikat fehlt."
            )
    for origin in options.web_ui:
        url = urlsplit(origin)
        if not url.netloc or origin != f"{url.scheme}://{url.netloc}":
            raise ValueError(
                f"„{origin}“ ist keine Adresse der Web UI; erwartet wird etwas wie "
                "http://localhost:8233, ohne Pfad und ohne Schrägstrich am Ende."
            )


# --8<-- [end:check]


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


if __name__ == "__main__":
    sys.exit(main())
