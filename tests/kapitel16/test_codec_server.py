"""Das Muster `codec_server`: was der Server antwortet, wem, und was er dabei über niemanden verrät."""

import argparse
import asyncio
import json
import logging
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from codec_hilfen import (
    CODECS,
    ENTRIES,
    PEOPLE,
    SECRET,
    SHOP,
    STOCK,
    TOKENS,
    UI,
    asking,
    payloads_of,
    plain,
    question,
)
from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec

from dauerlauf.history import load
from dauerlauf.scenario import Run
from dauerlauf.timelapse import Timelapse
from hilfen import kinds, play_selected
from kapitel16.codec_server import people, server
from kapitel16.codec_server.people import People, PeopleError, Person, Right, new_person
from kapitel16.codec_server.scenarios import PATTERN, running
from kapitel16.codec_server.server import CodecServer
from kapitel16.verschluesselung.codec import EncryptionCodec, is_sealed
from kapitel16.verschluesselung.keys import KeyRing

BOOKED = "Überweisungen: 1, Cent: 4990"
REFUSED = "Cem: Der Codec-Server verweigert den Zugang (HTTP 403); der Zugang steht in --codec-auth."
# Szenario: der Befund, ob etwas lesbar ist und ob etwas verschlüsselt bleibt.
EXPECTED: dict[str, tuple[list[str], bool, bool]] = {
    "ohne-codec-server": ([BOOKED], False, True),
    "mit-codec-server": ([BOOKED], True, False),
    "ohne-recht": ([BOOKED, REFUSED], False, True),
    "schluessel-fehlt": ([BOOKED], True, True),
    "zustimmung-ohne-schluessel": (["Überweisungen: 1, Cent: 64900"], True, False),
    "konto-gesperrt": ([BOOKED], True, False),
}


def test_every_scenario_has_an_expectation() -> None:
    assert set(EXPECTED) == set(PATTERN.scenarios)


@pytest.fixture(scope="module")
async def played(request: pytest.FixtureRequest, timelapse: Timelapse) -> Mapping[str, Run]:
    """Die Szenarien, die dieser Testlauf prüft, gleichzeitig gespielt."""
    return await play_selected(request, timelapse, PATTERN)


@pytest.mark.parametrize("name", EXPECTED)
def test_scenario(name: str, played: Mapping[str, Run]) -> None:
    notes, something_readable, something_sealed = EXPECTED[name]
    run = played[name]
    assert run.status == "COMPLETED"
    assert run.notes == notes
    # Den Ablauf sieht jeder, die Daten nur, wer darf.
    text = " ".join(str(event) for event in run.history.events)
    assert "transfer_money" in text
    assert ("SEPA-R-3007" in text) is something_readable
    assert ("binary/encrypted" in text) is something_sealed


@pytest.mark.parametrize("name", PATTERN.scenarios)
async def test_recorded_history_replays(name: str, replay: Callable[..., Awaitable[int]]) -> None:
    converter = PATTERN.data_converter
    assert await replay(PATTERN.history_file(name), workflows=PATTERN.workflows, data_converter=converter) == 1


async def test_recorded_crashes_replay(replay: Callable[..., Awaitable[int]]) -> None:
    folder = PATTERN.histories / "abstuerze"
    assert await replay(folder, workflows=PATTERN.workflows, data_converter=PATTERN.data_converter) == 4


def test_reading_changes_no_event() -> None:
    plain, readable, refused = (
        kinds(load(PATTERN.history_file(name))) for name in ("ohne-codec-server", "mit-codec-server", "ohne-recht")
    )
    assert plain == readable == refused


# --- Verschlüsseln und entschlüsseln ----------------------------------------------------------------------------------


async def test_what_was_encoded_is_decoded_in_the_same_order() -> None:
    given = [*plain(*range(50), None, "", "Jörg Weiß", {"iban": SECRET}), Payload(data=b"\x00\xff")]
    async with asking() as office:
        sealed = await office.encode(given)
        assert len(sealed) == len(given)
        assert all(is_sealed(payload) for payload in sealed)
        assert await office.decode(sealed) == given


async def test_nothing_asked_is_nothing_answered() -> None:
    async with asking() as office:
        assert await office.decode([]) == []


async def test_the_query_of_the_web_ui_is_accepted() -> None:
    async with asking() as office:
        [sealed] = await office.encode(plain(SECRET))
        answer = await office.ask("/decode?preserveStorageRefs=true", question([sealed]))
        assert payloads_of(answer) == plain(SECRET)
        assert answer.headers["cache-control"] == "no-store"


async def test_what_cannot_be_opened_stays_as_it_is() -> None:
    unknown = KeyRing.create("unbekannt")
    async with asking() as office:
        [good] = await office.encode(plain(SECRET))
        [foreign] = await EncryptionCodec(unknown).encode(plain(SECRET))
        torn = Payload(metadata=good.metadata, data=good.data[:5])
        changed = Payload(metadata=good.metadata, data=bytes([good.data[0] ^ 1]) + good.data[1:])
        [readable] = plain("Klartext")
        given = [foreign, good, torn, readable, changed]
        assert await office.decode(given) == [foreign, *plain(SECRET), torn, readable, changed]


async def test_each_namespace_has_its_own_ring() -> None:
    async with asking() as office:
        sealed = await office.encode(plain(SECRET))
        # Dieselbe Kennung, ein anderer Schlüssel: Cem bekommt zurück, was er schickte.
        assert SHOP.active == STOCK.active
        assert await office.decode(sealed, "Cem", "lager") == sealed


class _Forgetful(EncryptionCodec):
    async def encode(self, payloads: object) -> list[Payload]:
        return []


async def test_a_codec_that_answers_another_number_is_an_error_not_an_answer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "nordlicht.audit")
    app = CodecServer({"shop": _Forgetful(SHOP)}, PEOPLE).app([UI])
    async with asking(app) as office:
        assert (await office.ask("/encode", question(plain(1)), "Anke")).status_code == 500
    assert [json.loads(record.message)["status"] for record in caplog.records] == [500]


class _Broken(EncryptionCodec):
    async def encode(self, payloads: object) -> list[Payload]:
        raise OSError("Der Schlüsseldienst antwortet nicht.")

    decode = encode


@pytest.mark.parametrize(("path", "name"), [("/encode", "Anke"), ("/decode", "Bente")])
async def test_a_failing_codec_lets_no_payload_through(path: str, name: str) -> None:
    # Käme er unverändert zurück, schickte die CLI ihn im Klartext an Temporal.
    async with asking(CodecServer({"shop": _Broken(SHOP)}, PEOPLE).app([UI])) as office:
        answer = await office.ask(path, question(plain(SECRET)), name)
    assert (answer.status_code, answer.text) == (500, "Internal Server Error")


# --- Wer was darf -----------------------------------------------------------------------------------------------------

NOBODY = "Wer sind Sie? Der Kopf Authorization enthält kein gültiges Token."


@pytest.mark.parametrize(
    ("path", "name", "namespace", "status", "text"),
    [
        ("/decode", None, "shop", 401, NOBODY),
        ("/encode", None, "shop", 401, NOBODY),
        ("/decode", "Bente", None, 400, "Der Kopf X-Namespace fehlt."),
        ("/decode", "Cem", "shop", 403, "In diesem Namespace dürfen Sie nicht lesen."),
        ("/encode", "Bente", "shop", 403, "In diesem Namespace dürfen Sie nicht schreiben."),
        ("/decode", "Bente", "archiv", 403, "In diesem Namespace dürfen Sie nicht lesen."),
        ("/decode", "Anke", "gibt-es-nicht", 403, "In diesem Namespace dürfen Sie nicht lesen."),
    ],
)
async def test_refused(path: str, name: str | None, namespace: str | None, status: int, text: str) -> None:
    async with asking() as office:
        answer = await office.ask(path, question(plain(SECRET)), name, namespace)
        assert (answer.status_code, answer.json()) == (status, {"fehler": text})
        assert answer.headers.get("www-authenticate") == ("Bearer" if status == 401 else None)
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("value", ["", "Bearer", "Bearer falsch", "Basic {}", "{}", "Bearer {}x", "Bearer  {}"])
async def test_only_the_exact_token_counts(value: str) -> None:
    async with asking() as office:
        answer = await office.ask("/decode", {}, None, authorization=value.format(TOKENS["Bente"]))
        assert answer.status_code == 401
    # Wer etwas Falsches vorzeigt, gilt auch dort nicht als „jeder“, wo jeder lesen darf.
    [bente, anyone] = ENTRIES["Bente"][0], Person("jeder", "", {})
    known = People([bente, replace(bente, name="fast", token_hash=bente.token_hash[:-1] + "x")], anyone)
    assert known.find(value.format(TOKENS["Bente"])) is (None if value else anyone)
    assert known.find(f"bearer {TOKENS['Bente']}") is bente


async def test_without_a_right_nobody_reads_the_body() -> None:
    async with asking() as office:
        for name, status in ((None, 401), ("Cem", 403)):
            assert (await office.ask("/decode", b"kein JSON", name)).status_code == status


def test_every_token_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bool] = []

    def compare(one: str, other: str) -> bool:
        compared.append(one == other)
        return one == other

    monkeypatch.setattr(people, "compare_digest", compare)
    for name in ENTRIES:
        compared.clear()
        found = PEOPLE.find(f"Bearer {TOKENS[name]}")
        assert found is not None
        assert found.name == name
        assert len(compared) == len(ENTRIES)


def test_the_file_holds_no_token_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "personen.json"
    people.save(file, [person for person, _ in ENTRIES.values()])
    assert not [name for name, token in TOKENS.items() if token in file.read_text("utf-8")]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    loaded = People(people.load(file))
    found = loaded.find(f"Bearer {TOKENS['Bente']}")
    assert found == ENTRIES["Bente"][0]
    assert found.may(Right.READ, "archiv")
    assert not found.may(Right.WRITE, "shop")
    assert not found.may(Right.READ, "archiv-geheim")


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"Anke": {}}',
        '{"Anke": {"token": "x", "lesen": 1}}',
        '{"Anke": {"token": "x", "lesen": "shop", "schreiben": []}}',
    ],
)
def test_a_broken_file_of_people_is_one_sentence(content: str, tmp_path: Path) -> None:
    file = tmp_path / "personen.json"
    file.write_text(content, "utf-8")
    with pytest.raises(PeopleError, match="enthält keine Personen"):
        people.load(file)


def test_a_new_token_replaces_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "personen.json"
    tokens = []
    for _ in range(2):
        monkeypatch.setattr(sys, "argv", ["people", "anke", "--datei", str(file), "--lesen", "shop", "lager"])
        assert people.main() == 0
        tokens.append(capsys.readouterr().out.strip())
    assert {len(token) for token in tokens} == {43}, "256 Bit in Base64"
    known = People(people.load(file))
    assert known.find(f"Bearer {tokens[0]}") is None
    anke = known.find(f"Bearer {tokens[1]}")
    assert anke is not None
    assert anke.rights == {Right.READ: {"shop", "lager"}, Right.WRITE: frozenset()}


# --- Grenzen ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"", b"kein JSON", b'"Text"', b'{"payloads": 1}', b'{"andere": []}', b"\xff\xfe"])
async def test_only_payloads_are_accepted(body: bytes) -> None:
    async with asking() as office:
        answer = await office.ask("/decode", body)
        assert (answer.status_code, answer.json()) == (400, {"fehler": "Erwartet werden Payloads als JSON."})


async def test_a_body_over_the_limit_is_refused_before_it_is_read() -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while read < 10_000:
            read += 1
            yield b" " * 100

    async with asking(max_body_bytes=1_000) as office:
        headers = {"authorization": f"Bearer {TOKENS['Bente']}", "x-namespace": "shop"}
        answer = await office.http.post("/decode", content=endless(), headers=headers)
        assert answer.status_code == 413
        assert answer.json() == {"fehler": "Mehr als 1000 Bytes nimmt der Server nicht."}
        assert read == 11
        assert (await office.ask("/decode", b"{}" + b" " * 998)).status_code == 200
        assert (await office.ask("/decode", b"{}" + b" " * 999)).status_code == 413
    assert (server.MAX_BODY_BYTES, server.TIMEOUT_SECONDS) == (8_388_608, 10)


async def test_a_body_that_never_ends_is_given_up() -> None:
    app = CodecServer(CODECS, PEOPLE, timeout_seconds=0.05).app([UI])
    sent: list[dict[str, object]] = []

    async def receive() -> dict[str, object]:
        await asyncio.Event().wait()
        return {}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    headers = [(b"authorization", f"Bearer {TOKENS['Bente']}".encode()), (b"x-namespace", b"shop")]
    scope = {"type": "http", "method": "POST", "path": "/decode", "headers": headers, "query_string": b""}
    await asyncio.wait_for(app(scope, receive, send), 30)  # type: ignore[arg-type]
    assert sent[0]["status"] == 408


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/decode", 405), ("POST", "/andere", 404)])
async def test_other_addresses(method: str, path: str, status: int) -> None:
    async with asking() as office:
        assert (await office.http.request(method, path)).status_code == status


# --- Browser ----------------------------------------------------------------------------------------------------------

WANTED = "authorization,authorization-extras,content-type,x-namespace"


async def _preflight(origin: str, headers: str = WANTED, method: str = "POST") -> httpx.Response:
    async with asking() as office:
        asked = {
            "origin": origin,
            "access-control-request-method": method,
            "access-control-request-headers": headers,
        }
        return await office.http.options("/decode", headers=asked)


async def test_the_web_ui_may_ask() -> None:
    answer = await _preflight(UI)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == UI
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize(
    "origin",
    [
        "https://localhost:8233",
        "http://localhost:8234",
        "http://127.0.0.1:8233",
        "http://localhost:8233.boese.example",
        "null",
        "*",
    ],
)
async def test_no_other_page_may_ask(origin: str) -> None:
    answer = await _preflight(origin)
    assert answer.status_code == 400
    assert "access-control-allow-origin" not in answer.headers


async def test_no_other_header_and_no_other_method() -> None:
    assert (await _preflight(UI, "x-anderer")).status_code == 400
    assert (await _preflight(UI, method="GET")).status_code == 400


async def test_the_web_ui_may_read_a_refusal() -> None:
    async with asking() as office:
        answer = await office.ask("/decode", {}, None, origin=UI)
        assert answer.status_code == 401
        assert answer.headers["access-control-allow-origin"] == UI
        answer = await office.ask("/decode", {}, origin="https://boese.example")
        assert "access-control-allow-origin" not in answer.headers


# --- Protokoll --------------------------------------------------------------------------------------------------------


async def test_the_log_says_who_asked_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with asking(max_body_bytes=2_000) as office:
        [sealed] = await office.encode(plain(SECRET))
        await office.decode([sealed, *plain(SECRET)])
        await office.ask("/decode", question(plain(SECRET)), "Cem")
        await office.ask("/decode", {"payloads": [{"data": SECRET, "iban": SECRET}]})
        await office.ask("/decode", question(plain(SECRET * 200)))
        await office.ask("/decode", {}, None, authorization=f"Bearer {SECRET}")
    lines = [json.loads(record.message) for record in caplog.records if record.name == "nordlicht.audit"]
    bente = {"recht": "lesen", "wer": "Bente", "namespace": "shop"}
    assert lines == [
        {**bente, "recht": "schreiben", "wer": "Anke", "status": 200, "payloads": 1, "unveraendert": 0},
        {**bente, "status": 200, "payloads": 2, "unveraendert": 1},
        {**bente, "wer": "Cem", "status": 403},
        {**bente, "status": 400},
        {**bente, "status": 413},
        {"recht": "lesen", "wer": None, "status": 401},
    ]
    everything = caplog.text
    assert SECRET not in everything
    assert not [name for name, token in TOKENS.items() if token in everything]


# --- Der Prozess ------------------------------------------------------------------------------------------------------


def _options(**changes: object) -> argparse.Namespace:
    given = {"host": "127.0.0.1", "web_ui": [UI], "jeder_liest": None, "zertifikat": None}
    return argparse.Namespace(**{**given, **changes})


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_loopback_needs_no_certificate(host: str) -> None:
    server.check(_options(host=host, jeder_liest=["default"]))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.7", "codec.nordlicht.example", "localhost.example"])
def test_other_addresses_need_tls_and_tokens(host: str) -> None:
    with pytest.raises(ValueError, match="nur mit TLS"):
        server.check(_options(host=host))
    server.check(_options(host=host, zertifikat=Path("zertifikat.pem")))
    with pytest.raises(ValueError, match="bleibt der Codec-Server auf 127"):
        server.check(_options(host=host, zertifikat=Path("zertifikat.pem"), jeder_liest=["default"]))


@pytest.mark.parametrize(
    "origin", ["*", "http://", "localhost:8233", "http://localhost:8233/", "http://localhost:8233/namespaces"]
)
def test_an_origin_is_written_exactly(origin: str) -> None:
    with pytest.raises(ValueError, match="keine Adresse der Web UI"):
        server.check(_options(web_ui=[UI, origin]))


@pytest.mark.parametrize(
    ("rings", "folks", "more", "text"),
    [
        (False, True, [], "liegt kein Schlüsselbund"),
        (True, False, [], "ist nicht lesbar"),
        (True, True, ["--host", "0.0.0.0"], "nur mit TLS"),
        (True, True, ["--zertifikat", "fehlt.pem"], "Das Zertifikat ist nicht zu gebrauchen"),
        (True, True, ["--port", "{belegt}"], "lässt sich nicht öffnen"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(
    rings: bool, folks: bool, more: list[str], text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if rings:
        SHOP.save(tmp_path / "shop.json")
    file = tmp_path / "p" / "personen.json"
    file.parent.mkdir()
    if folks:
        people.save(file, [])
    with server.listen("127.0.0.1", 0) as taken:
        taken.listen()
        more = [option.format(belegt=taken.getsockname()[1]) for option in more]
        assert server.main(["--schluessel", str(tmp_path), "--personen", str(file), *more]) == 2
    error = capsys.readouterr().err
    assert text in error
    assert error.count("\n") == 1


@pytest.mark.prozess
def test_the_program_serves_until_sigterm(tmp_path: Path) -> None:
    SHOP.save(tmp_path / "shop.json")
    STOCK.save(tmp_path / "lager.json")
    person, token = new_person("Bente", ["shop"])
    file = tmp_path / "personen.txt"
    people.save(file, [person])
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "kapitel16.codec_server.server", "--schluessel", str(tmp_path)]
    command += ["--personen", str(file), "--port", str(port), "--jeder-liest", "lager"]
    environment = {**os.environ, "PYTHONUTF8": "1"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=environment) as process:
        try:
            _answers(f"http://127.0.0.1:{port}", token)
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        log = process.stderr.read().decode()
    assert '"wer": "Bente", "namespace": "shop", "status": 200, "payloads": 0' in log
    assert '"wer": "jeder", "namespace": "shop", "status": 403' in log


def _answers(url: str, token: str) -> None:
    deadline = time.monotonic() + 30
    headers = {"X-Namespace": "shop"}
    while True:
        try:
            assert httpx.post(f"{url}/decode", json={}, headers=headers).status_code == 403
        except httpx.ConnectError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            break
    # „jeder“ liest in dem einen Namespace, und nur das.
    for path, status in (("decode", 200), ("encode", 403)):
        assert httpx.post(f"{url}/{path}", json={}, headers={"X-Namespace": "lager"}).status_code == status
    headers["Authorization"] = f"Bearer {token}"
    assert httpx.post(f"{url}/decode", json={}, headers=headers).status_code == 200


def test_codecs_are_loaded_by_namespace(tmp_path: Path) -> None:
    SHOP.save(tmp_path / "shop.json")
    STOCK.save(tmp_path / "lager.json")
    assert set(server.load_codecs(tmp_path)) == {"shop", "lager"}


async def test_real_http() -> None:
    codecs: Mapping[str, PayloadCodec] = CODECS
    with running(CodecServer(codecs, PEOPLE).app([UI])) as url:
        async with httpx.AsyncClient() as http:
            headers = {"Authorization": f"Bearer {TOKENS['Anke']}", "X-Namespace": "shop"}
            sealed = await http.post(f"{url}/encode", json=question(plain(SECRET)), headers=headers)
            opened = await http.post(f"{url}/decode", json=sealed.json(), headers=headers)
    assert payloads_of(opened) == plain(SECRET)
