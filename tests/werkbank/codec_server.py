"""Ein Codec mit AES-GCM und sein Codec-Server, wie ihn eine Anwendung betreibt; dazu Server, die versagen."""

import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from google.protobuf import json_format
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.converter import PayloadCodec

KEY = AESGCM(bytes(range(32)))


class EncryptionCodec(PayloadCodec):
    """Verschlüsselt jedes Payload samt Metadaten."""

    async def encode(self, payloads: Iterable[Payload]) -> list[Payload]:
        """Verschlüsselt."""
        return [encrypt(payload) for payload in payloads]

    async def decode(self, payloads: Iterable[Payload]) -> list[Payload]:
        """Entschlüsselt."""
        return [decrypt(payload) for payload in payloads]


def encrypt(payload: Payload) -> Payload:
    nonce = os.urandom(12)
    data = nonce + KEY.encrypt(nonce, payload.SerializeToString(), None)
    return Payload(metadata={"encoding": b"binary/encrypted"}, data=data)


def decrypt(payload: Payload) -> Payload:
    assert payload.metadata["encoding"] == b"binary/encrypted", "Lesbares gehört nicht zum Codec-Server"
    return Payload.FromString(KEY.decrypt(payload.data[:12], payload.data[12:], None))


@dataclass
class Asked:
    """Was der Codec-Server gefragt wurde."""

    address: str = ""
    paths: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    payloads: list[Payload] = field(default_factory=list)


Answer = Callable[[list[Payload]], tuple[int, bytes]]


def decrypted(payloads: list[Payload]) -> tuple[int, bytes]:
    answer = Payloads(payloads=[decrypt(payload) for payload in payloads])
    return 200, json.dumps(json_format.MessageToDict(answer)).encode()


@contextmanager
def codec_server(answer: Answer = decrypted) -> Iterator[Asked]:
    """Ein Codec-Server auf 127.0.0.1; `answer` liefert Status und Körper zu den Payloads der Frage."""
    asked = Asked()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            payloads = list(json_format.ParseDict(body, Payloads()).payloads)
            asked.paths.append(self.path)
            asked.headers.append({name.lower(): value for name, value in self.headers.items()})
            asked.payloads += payloads
            status, text = answer(payloads)
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: Any) -> None:
            """Kein Zugriffsprotokoll in der Ausgabe der Tests."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    asked.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
