"""Prüfungen zu „Packen vor Verschlüsseln“."""

import json
import random
import zlib
from typing import Any

from temporalio.api.common.v1 import Payload

from dauerlauf.exercises import Bench, Wrong, expect
from dauerlauf.exercises.bench import Reader

BOTH, SEAL = "codec:data_converter", "versiegeln:data_converter"
LIMIT = 4 * 1024 * 1024
BOMB = 16 * 1024 * 1024


def _json(text: str) -> Payload:
    return Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(text).encode())


def _list(rows: int) -> Payload:
    """Eine Preisliste, wie sie das Möbelwerk schickt; 400 Zeilen sind etwa 36 kB."""
    return _json(
        "\n".join(
            f"M-{n:06d};Regal Schlei, Eiche geölt, mit Rückwand, 80 x 200 cm, zerlegt;Stück;DE;{n % 68 * 100}"
            for n in range(rows)
        )
    )


def _sized(size: int) -> Payload:
    """Ein Payload von genau `size` Bytes, der sich gut packen ließe."""
    text = "x" * size
    while (one := _json(text)).ByteSize() > size:
        text = text[: size - one.ByteSize()]
    return one


async def _through(
    reader: Reader, converter: str, direction: str, payload: Payload, what: str
) -> Payload:
    answer: Any = await reader.ask(
        "codec", converter, direction, [payload.SerializeToString()]
    )
    expect(
        isinstance(answer, list) and len(answer) == 1,
        wo=f"{getattr(answer, 'place', '') or 'codec.py'}, `{direction}`",
        warum=f"{what}: {getattr(answer, 'kind', '') or answer}: {getattr(answer, 'text', '')}",
        weiter="Ein Codec gibt für jeden Payload genau einen zurück; verfolgen Sie diesen einen von Hand durch Ihre Kette.",
    )
    return Payload.FromString(answer[0])


async def _there(
    reader: Reader, payload: Payload, what: str
) -> tuple[Payload, Payload]:
    """Was im Server läge, und was darin steckt, wenn man nur das Siegel öffnet; der Rückweg muss stimmen."""
    sealed = await _through(reader, BOTH, "encode", payload, what)
    expect(
        sealed.metadata.get("encoding") == b"binary/encrypted",
        wo=f"Im Server: {what}",
        warum=f"Außen steht `encoding` = {sealed.metadata.get('encoding', b'').decode(errors='replace')}, verlangt ist "
        f"binary/encrypted. Der Payload hat {sealed.ByteSize()} Bytes; vorher waren es {payload.ByteSize()}.",
        weiter="Das Siegel kommt zuletzt: Was der Server sieht, darf nur noch Siegel sein.",
    )
    inside = await _through(
        reader, SEAL, "decode", sealed, f"{what}, nur das Siegel geöffnet"
    )
    back = await _through(reader, BOTH, "decode", sealed, f"{what}, wieder geöffnet")
    expect(
        back == payload,
        wo=f"codec.py, `decode`: {what}",
        warum=f"Hinein gingen {payload.ByteSize()} Bytes, zurück kamen {back.ByteSize()} mit `encoding` = "
        f"{back.metadata.get('encoding', b'').decode(errors='replace')}.",
        weiter="Der Rückweg nimmt dieselben Schritte in umgekehrter Reihenfolge, einschließlich der Metadaten.",
    )
    return sealed, inside


async def gepackt(bench: Bench) -> None:
    """Eine lange Liste ist im Server klein; kurze und zufällige Payloads bleiben ungepackt."""
    rng = random.Random(7)
    photo = Payload(metadata={"encoding": b"binary/plain"}, data=rng.randbytes(3000))
    async with bench.process() as reader:
        prices = _list(400)
        sealed, _ = await _there(reader, prices, "die Preisliste")
        expect(
            sealed.ByteSize() * 5 < prices.ByteSize(),
            wo="Im Server: die Preisliste",
            warum=f"Sie hat dort {sealed.ByteSize()} Bytes, als Klartext {prices.ByteSize()}. Gepackt wären es weniger als "
            "ein Fünftel.",
            weiter="Sehen Sie nach, was Ihr Packen zu sehen bekommt: die Liste oder schon das Versiegelte?",
        )
        for what, payload in (
            ("ein Payload von 1.023 Bytes", _sized(1023)),
            ("ein Foto von 3.000 zufälligen Bytes", photo),
        ):
            _, inside = await _there(reader, payload, what)
            expect(
                inside == payload,
                wo=f"Unter dem Siegel: {what}",
                warum=f"Dort liegen {inside.ByteSize()} Bytes mit `encoding` = "
                f"{inside.metadata.get('encoding', b'').decode(errors='replace')}; ungepackt waren es {payload.ByteSize()}.",
                weiter="Gepackt wird erst ab 1.024 Bytes, und nur, wenn der Payload dadurch kleiner wird.",
            )
        _, inside = await _there(reader, _sized(1024), "ein Payload von 1.024 Bytes")
        expect(
            inside.metadata.get("encoding") == b"binary/zlib",
            wo="Unter dem Siegel: ein Payload von 1.024 Bytes",
            warum=f"Dort steht `encoding` = {inside.metadata.get('encoding', b'').decode(errors='replace')}, verlangt ist "
            "binary/zlib: 1.024 Bytes zählen schon zu den großen.",
            weiter="Vergleichen Sie Schwelle und `encoding` mit dem Aufgabentext.",
        )
        old = await _through(
            reader, SEAL, "encode", prices, "ein alter Payload, nur versiegelt"
        )
        expect(
            await _through(
                reader, BOTH, "decode", old, "ein alter Payload, nur versiegelt"
            )
            == prices,
            wo="codec.py, `decode`: ein alter Payload, nur versiegelt",
            warum="Er kommt nicht so zurück, wie er hineinging.",
            weiter="Ausgepackt wird nur, was `binary/zlib` heißt.",
        )


async def _sealed_zlib(reader: Reader, data: bytes) -> bytes:
    packed = Payload(metadata={"encoding": b"binary/zlib"}, data=data)
    return (
        await _through(reader, SEAL, "encode", packed, "ein fremder gepackter Payload")
    ).SerializeToString()


async def _refused(reader: Reader, data: bytes, what: str) -> tuple[str, int]:
    """Text des Fehlers und Spitze des Speichers, wenn ein fremder gepackter Payload geöffnet wird."""
    kind, text, peak = await reader.call(
        "messung:open_measured", await _sealed_zlib(reader, data)
    )
    expect(
        kind == "ValueError" and text,
        wo=f"codec.py, Auspacken: {what}",
        warum=f"Verlangt ist ein `ValueError` mit Text; es kam {kind or 'kein Fehler'}: {text or '–'} "
        f"({len(data)} Bytes herein, {peak} Bytes Speicher).",
        weiter="Fragen Sie den Entpacker nach jedem Schritt: Ist etwas übrig? Ist er am Ende? War es überhaupt zlib?",
    )
    return text, peak


async def bombe(bench: Bench) -> None:
    """Eine Bombe bleibt zu, Beschädigtes wird gemeldet, und der Absender baut keine."""
    bomb = zlib.compress(_json(" " * BOMB).SerializeToString())
    good = zlib.compress(_list(400).SerializeToString())
    async with bench.process() as reader:
        text, peak = await _refused(reader, bomb, "eine Bombe")
        expect(
            peak < 3 * LIMIT,
            wo="Speicher beim Öffnen einer Bombe",
            warum=f"{len(bomb)} Bytes kamen herein, {peak} Bytes standen im Speicher; das Limit ist {LIMIT}. Abgelehnt wurde "
            "sie erst danach.",
            weiter="Die Grenze muss der Entpacker selbst kennen, nicht die Zeile nach ihm.",
        )
        expect(
            str(LIMIT) in text,
            wo="codec.py, Meldung zu einer Bombe",
            warum=f"Sie lautet „{text}“ und nennt das Limit von {LIMIT} Bytes nicht.",
            weiter="Wer die Meldung liest, will wissen, welche Grenze galt.",
        )
        await _refused(reader, good[:-20], "abgeschnitten")
        # Der Inhalt ist noch vollständig; es fehlt nur die Hälfte der Prüfsumme.
        await _refused(reader, good[:-2], "um zwei Bytes abgeschnitten")
        await _refused(reader, b"kein zlib" * 200, "kein zlib")
        more = zlib.compress(_sized(LIMIT + 1).SerializeToString())
        await _refused(reader, more, f"{LIMIT + 1} Bytes")
        plain = _json("nicht versiegelt").SerializeToString()
        kind, _, _ = await reader.call("messung:open_measured", plain)
        expect(
            kind == "ValueError",
            wo="codec.py, `decode`: ein Payload ohne Siegel",
            warum=f"Verlangt ist ein `ValueError`; es kam {kind or 'kein Fehler'}. Wer so öffnet, nimmt auch, was niemand "
            "versiegelt hat.",
            weiter="Geben Sie jeden Payload zuerst an `EncryptionCodec().decode`; er prüft das Siegel.",
        )
        await _there(reader, _sized(LIMIT), f"ein Payload von genau {LIMIT} Bytes")
        large = _sized(LIMIT + 1)
        answer: Any = await reader.ask(
            "codec", BOTH, "encode", [large.SerializeToString()]
        )
        expect(
            not isinstance(answer, list) and str(LIMIT) in answer.text,
            wo="codec.py, `encode` mit einem Byte zu viel",
            warum=f"{large.ByteSize()} Bytes gehen hinaus, obwohl niemand mehr als {LIMIT} auspacken darf: Im Server läge "
            "ein Payload, den kein Worker öffnet."
            if isinstance(answer, list)
            else f"Die Meldung lautet „{answer.kind}: {answer.text}“ und nennt das Limit von {LIMIT} Bytes nicht.",
            weiter="Prüfen Sie die Größe vor dem Packen, mit einem `ValueError`, der das Limit nennt.",
        )


CHECKS = (gepackt, bombe)
GIVEN = ("versiegeln.py", "messung.py")
START_FAILS = "Gepackt wären es weniger als ein Fünftel"
WRONG = (
    Wrong(
        "erst versiegelt, dann gepackt",
        changes=(
            (
                "await self._seal.encode([pack(payload) for payload in payloads])",
                "[pack(one) for one in await self._seal.encode(payloads)]",
            ),
            (
                "[unpack(payload) for payload in await self._seal.decode(payloads)]",
                "await self._seal.decode([unpack(one) for one in payloads])",
            ),
        ),
        expected="die Liste oder schon das Versiegelte",
    ),
    Wrong(
        "erst ausgepackt, dann gemessen",
        changes=(
            (
                "content = unzip.decompress(payload.data, LIMIT)",
                "content = unzip.decompress(payload.data)",
            ),
            ("if unzip.unconsumed_tail:", "if len(content) > LIMIT:"),
        ),
        expected="Die Grenze muss der Entpacker selbst kennen",
    ),
    Wrong(
        "Unversiegeltes durchgelassen",
        changes=(
            (
                "[unpack(payload) for payload in await self._seal.decode(payloads)]",
                "[\n            unpack((await self._seal.decode([one]))[0])\n"
                '            if one.metadata.get("encoding") == b"binary/encrypted"\n'
                "            else one\n            for one in payloads\n        ]",
            ),
        ),
        expected="ein Payload ohne Siegel",
    ),
    Wrong(
        "Ende nicht geprüft",
        changes=(("    if not unzip.eof:\n", "    if not content:\n"),),
        expected="abgeschnitten",
    ),
    Wrong(
        "Absender ohne Grenze",
        changes=(("    if size > LIMIT:", "    if size > 64 * LIMIT:"),),
        expected="den kein Worker öffnet",
    ),
)
