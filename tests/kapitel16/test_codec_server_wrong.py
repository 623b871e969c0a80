"""Die falschen Codec-Server aus `wrong.py`: Jeder Test beweist einen Schaden, den das Muster vermeidet."""

import asyncio
import logging
from collections.abc import Sequence

import pytest
from codec_hilfen import CODECS, PEOPLE, SECRET, SHOP, asking, payloads_of, plain, question
from temporalio.api.common.v1 import Payload

from kapitel16.codec_server.server import CodecServer, decode
from kapitel16.codec_server.wrong import (
    TalkativeCodec,
    hasty_decode,
    one_ring_for_all,
    open_to_every_site,
    open_to_the_network,
)
from kapitel16.verschluesselung.codec import EncryptionCodec

EVIL = "https://boese.example"


async def test_wrong_star_lets_every_website_read_what_the_browser_may_read() -> None:
    app = open_to_every_site(open_to_the_network(CODECS))
    [sealed] = await EncryptionCodec(SHOP).encode(plain(SECRET))
    async with asking(app) as office:
        asked = {"access-control-request-method": "POST", "access-control-request-headers": "x-namespace"}
        preflight = await office.http.options("/decode", headers={"origin": EVIL, **asked})
        answer = await office.ask("/decode", question([sealed]), None, origin=EVIL, cookie="sitzung=Bente")
    # Der Stern wird zur fremden Adresse, samt Erlaubnis für Cookies: Das Skript der fremden Seite bekommt die Antwort.
    for seen in (preflight, answer):
        assert seen.headers["access-control-allow-origin"] == EVIL
        assert seen.headers["access-control-allow-credentials"] == "true"
    assert payloads_of(answer) == plain(SECRET)


async def test_wrong_without_tokens_whoever_reaches_the_port_reads() -> None:
    [sealed] = await EncryptionCodec(SHOP).encode(plain(SECRET))
    async with asking(open_to_the_network(CODECS)) as office:
        assert payloads_of(await office.ask("/decode", question([sealed]), None)) == plain(SECRET)


async def test_wrong_one_ring_opens_the_payloads_of_another_namespace() -> None:
    app = CodecServer(one_ring_for_all(SHOP, ["shop", "lager"]), PEOPLE).app([])
    [sealed] = await EncryptionCodec(SHOP).encode(plain(SECRET))
    async with asking(app) as office:
        # Cem darf nur ins Lager. Er schickt einen Payload aus dem Shop und nennt als Namespace das Lager.
        assert await office.decode([sealed], "Cem", "lager") == plain(SECRET)


async def test_wrong_log_holds_the_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    app = CodecServer({"shop": TalkativeCodec(SHOP)}, PEOPLE).app([])
    [sealed] = await EncryptionCodec(SHOP).encode(plain(SECRET))
    async with asking(app) as office:
        await office.decode([sealed])
    assert SECRET in caplog.text


class _KeyService(EncryptionCodec):
    """Ein Codec, der für einen der Payloads länger braucht, wie ein entfernter Schlüsseldienst."""

    def __init__(self, slow: Payload, number: int) -> None:
        super().__init__(SHOP)
        self._slow = slow
        self._others = asyncio.Semaphore(0)
        self._number = number

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        if payloads[0] == self._slow:
            for _ in range(self._number - 1):
                await asyncio.wait_for(self._others.acquire(), 30)
        else:
            self._others.release()
        return await super().decode(payloads)


async def test_wrong_order_puts_values_in_foreign_events() -> None:
    values = plain("Jörg Weiß", "Ægir Ötting", None)
    sealed = await EncryptionCodec(SHOP).encode(values)
    # Der Erste steht hinten, und der leere Dritte fehlt.
    assert await hasty_decode(_KeyService(sealed[0], 3), sealed) == [values[1], values[0]]

    assert await decode(EncryptionCodec(SHOP), sealed) == values
