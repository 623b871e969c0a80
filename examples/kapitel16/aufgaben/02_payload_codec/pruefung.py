"""Prüfungen zu „Ein Payload-Codec“."""

from typing import Any

from temporalio.api.common.v1 import Payload

from dauerlauf.exercises import Bench, Wrong, expect
from dauerlauf.exercises.bench import Reader

CODEC = "codec:data_converter"
IBAN = "DE02120300000000202051"
HOLDER = "Jörg Weiß"
SECRET = Payload(
    metadata={"encoding": b"json/plain", "messageType": b"Mahnung"},
    data=f'"{IBAN}"'.encode(),
)
SECRETS = (IBAN, HOLDER, "Mahnung")


async def _encode(reader: Reader, *payloads: Payload) -> list[Payload]:
    return _payloads(await _ask(reader, "encode", *payloads))


def _payloads(answer: Any) -> list[Payload]:
    # Verglichen werden Payloads, nicht Bytes: Die Reihenfolge der Metadaten steht nicht fest.
    return (
        [Payload.FromString(one) for one in answer] if isinstance(answer, list) else []
    )


def _told(answer: Any) -> str:
    """Was zurückkam, in Worten."""
    if not isinstance(answer, list):
        return f"{answer.kind}: {answer.text.partition(chr(10))[0] or 'ohne Text'}"
    shown = (
        f"{one.metadata.get('encoding', b'').decode(errors='replace')}, {len(one.data)} Bytes"
        for one in _payloads(answer)
    )
    return "; ".join(shown) or "nichts"


async def _ask(reader: Reader, direction: str, *payloads: Payload) -> Any:
    """Die Bytes der Payloads oder die Ausnahme mit `kind`, `text` und `place`."""
    raw = [one.SerializeToString() for one in payloads]
    answer = await reader.ask("codec", CODEC, direction, raw)
    expect(
        direction == "decode" or isinstance(answer, list),
        wo=getattr(answer, "place", "") or f"codec.py, `{direction}`",
        warum=f"`{direction}` scheitert an einem gewöhnlichen Payload: {_told(answer)}",
        weiter="AESGCM und die Metadaten nehmen nur Bytes: `SerializeToString()` macht sie aus dem Payload, `.encode()` aus "
        "einem Text, und im Schlüsselbund liegen sie schon."
        if getattr(answer, "kind", "") == "TypeError"
        else "Berichtigen Sie diese Zeile.",
    )
    return answer


def _found(content: bytes) -> list[str]:
    return [
        one
        for one in SECRETS
        if one.encode() in content or one.encode("unicode_escape") in content
    ]


async def versiegelt(bench: Bench) -> None:
    """Was hinausgeht, verrät weder Inhalt noch Metadaten und nennt seinen Schlüssel."""
    async with bench.process() as reader:
        sealed = await _encode(reader, SECRET, SECRET)
        again = await _ask(reader, "decode", *sealed)
    async with bench.process() as reader:
        sealed += await _encode(reader, SECRET, SECRET)
    expect(
        len(sealed) == 4,
        wo="codec.py, `encode`",
        warum=f"Aus zweimal 2 Payloads wurden zusammen {len(sealed)}.",
        weiter="Geben Sie für jeden Payload genau einen zurück, in derselben Reihenfolge.",
    )
    found = _found(sealed[0].SerializeToString())
    expect(
        not found,
        wo="codec.py, `seal`",
        warum=f"Im Payload für den Server steht noch lesbar: {', '.join(found)}. "
        + (
            "Das sind Metadaten."
            if found == ["Mahnung"]
            else "Verschlüsselt ist er nicht."
        ),
        weiter="Verschlüsseln Sie die Bytes des ganzen Payloads, und bauen Sie aus dem Ergebnis einen neuen.",
    )
    shown = {
        key: value.decode(errors="replace") for key, value in sealed[0].metadata.items()
    }
    expect(
        shown.get("encoding") == "binary/encrypted"
        and shown.get("encryption-key-id") == "2026-11",
        wo="codec.py, Metadaten des versiegelten Payloads",
        warum=f"Dort steht {shown}. Ein Leser erkennt daran nicht, dass und womit der Payload versiegelt ist.",
        weiter="Verlangt sind `encoding` und `encryption-key-id`; der aktive Schlüssel heißt 2026-11.",
    )
    expect(
        len({one.data for one in sealed[:2]}) == 2,
        wo="codec.py, Nonce",
        warum="Derselbe Payload, zweimal versiegelt, ergibt zweimal dieselben Bytes: Die Nonce wiederholt sich. Mit "
        "gleicher Nonce verrät ein bekannter Payload den Inhalt aller anderen.",
        weiter="Der Codec läuft außerhalb der Sandbox; er darf würfeln.",
    )
    expect(
        len({one.data for one in sealed}) == 4,
        wo="codec.py, Nonce, verglichen über zwei Prozesse",
        warum=f"Zwei Worker versiegelten denselben Payload je zweimal; von 4 Ergebnissen sind nur "
        f"{len({one.data for one in sealed})} verschieden. Beide Prozesse begannen mit derselben Nonce.",
        weiter="Was in jedem Prozess von vorn beginnt, wiederholt sich mit jedem Worker. Woher nimmt man zwölf Bytes, die "
        "niemand sonst hat?",
    )
    expect(
        _payloads(again) != sealed[:2],
        wo="codec.py, `unseal`",
        warum="`seal` versiegelt, doch `unseal` gibt den Payload so zurück, wie er kam: noch versiegelt.",
        weiter="Füllen Sie die zweite Lücke: Schlüssel suchen, Nonce abtrennen, öffnen.",
    )
    expect(
        isinstance(again, list),
        wo=f"{getattr(again, 'place', '') or 'codec.py'}, beim Öffnen",
        warum=f"Was `seal` eben versiegelt hat, öffnet `unseal` nicht: {_told(again)}",
        weiter="Geöffnet wird mit derselben Nonce und demselben Schlüssel. Fährt die Nonce mit, und wo trennen Sie sie ab?",
    )
    expect(
        _payloads(again) == [SECRET] * 2,
        wo="codec.py, `unseal`",
        warum=f"Der Rückweg ergibt nicht, was hineinging (json/plain, 24 Bytes): {_told(again)}.",
        weiter="Öffnen Sie `data`, und machen Sie aus den Bytes wieder einen Payload mit den alten Metadaten.",
    )


async def _error(reader: Reader, payload: Payload, what: str, expected: str) -> str:
    """Der Text des Fehlers, mit dem sich der Payload nicht öffnen lässt."""
    answer = await _ask(reader, "decode", payload)
    expect(
        not isinstance(answer, list),
        wo=f"codec.py, `unseal`, Payload: {what}",
        warum="Der Payload wird angenommen, als wäre er heil; der Workflow rechnet mit dem, was er bekommt.",
        weiter=f"Was sich nicht öffnen lässt, endet mit einem `{expected}`.",
    )
    expect(
        answer.kind == expected and answer.text,
        wo=f"{answer.place or 'codec.py'}, Payload: {what}",
        warum=f"Im Log des Workers steht nur „{answer.kind}: {answer.text}“. Daraus erfährt niemand, was zu tun ist.",
        weiter=f"Verlangt ist ein `{expected}` mit einem Satz, der sagt, was fehlt oder nicht stimmt.",
    )
    return str(answer.text)


async def unlesbar(bench: Bench) -> None:
    """Verändertes und Unbekanntes wird mit klarem Grund abgelehnt, Klartext durchgereicht."""
    async with bench.process() as reader:
        [sealed] = await _encode(reader, SECRET)
        for place in (0, len(sealed.data) // 2, len(sealed.data) - 1):
            data = bytearray(sealed.data)
            data[place] ^= 1
            changed = Payload(metadata=sealed.metadata, data=bytes(data))
            await _error(reader, changed, f"Byte {place} verändert", "SealError")
        for length in (0, 5, 12, 20):
            short = Payload(metadata=sealed.metadata, data=sealed.data[:length])
            await _error(
                reader, short, f"auf {length} Bytes abgeschnitten", "SealError"
            )
        other = Payload(metadata=sealed.metadata, data=sealed.data)
        other.metadata["encryption-key-id"] = b"2026-10"
        await _error(
            reader, other, "unter der Kennung 2026-10 statt 2026-11", "SealError"
        )
        other.metadata["encryption-key-id"] = b"2025-12"
        text = await _error(
            reader,
            other,
            "versiegelt mit dem unbekannten Schlüssel 2025-12",
            "UnknownKeyError",
        )
        expect(
            all(key in text for key in ("2025-12", "2026-10", "2026-11")),
            wo="codec.py, `UnknownKeyError`",
            warum=f"Die Meldung lautet „{text}“; verlangt war 2025-12, vorhanden sind 2026-10 und 2026-11.",
            weiter="Nennen Sie den verlangten und die vorhandenen Schlüssel, damit die Bereitschaft weiß, welcher fehlt.",
        )
        foreign = [
            SECRET,
            Payload(metadata={"encoding": b"binary/zlib"}, data=b"fremd"),
        ]
        answer = await _ask(reader, "decode", *foreign)
        expect(
            _payloads(answer) == foreign,
            wo="codec.py, `unseal`, Payloads ohne Siegel",
            warum=f"Aus json/plain, 24 Bytes, und binary/zlib, 5 Bytes, wurde: {_told(answer)}. Workflows, die vor der "
            "Einführung begannen, bleiben so stehen.",
            weiter="Am `encoding` erkennt der Codec, was er selbst geschrieben hat; alles andere gibt er unverändert zurück.",
        )


async def im_lauf(bench: Bench) -> None:
    """In der Event History eines Laufs steht kein Klartext, und der Client liest das Ergebnis."""
    async with bench.worker("workflow:RefundWorkflow", converter=CODEC) as worker:
        run = await worker.execute("RefundWorkflow", HOLDER, IBAN)
    found = _found(b"".join(event.SerializeToString() for event in run.history.events))
    expect(
        not found and run.result == f"Erstattung an {HOLDER}, {IBAN}",
        wo="Event History der Erstattung",
        warum=f"Lesbar ist: {', '.join(found) or 'nichts'}; der Client bekam {run.result!r}.",
        weiter="Lassen Sie `data_converter` am Ende der Datei, wie er ist.",
    )


CHECKS = (versiegelt, unlesbar, im_lauf)
GIVEN = ("schluessel.py", "workflow.py")
START_FAILS = "Im Payload für den Server steht noch lesbar"
NONCE = "    nonce = os.urandom(NONCE_BYTES)\n"
WRONG = (
    Wrong(
        "feste Nonce, der Sandbox zuliebe",
        changes=((NONCE, "    nonce = bytes(NONCE_BYTES)\n"),),
        expected="Die Nonce wiederholt sich",
    ),
    Wrong(
        "Zähler je Prozess",
        changes=(
            (NONCE, "    nonce = next(COUNTER).to_bytes(NONCE_BYTES)\n"),
            (
                "NONCE_BYTES = 12\n",
                "NONCE_BYTES = 12\nCOUNTER = __import__('itertools').count()\n",
            ),
        ),
        expected="Beide Prozesse begannen mit derselben Nonce",
    ),
    Wrong(
        "nur data verschlüsselt",
        changes=(
            ("payload.SerializeToString(), None", "payload.data, None"),
            (
                'metadata={"encoding": ENCODING,',
                'metadata={**payload.metadata, "encoding": ENCODING,',
            ),
        ),
        expected="Das sind Metadaten",
    ),
    Wrong(
        "InvalidTag durchgelassen",
        changes=(("except (InvalidTag, ValueError):", "except ValueError:"),),
        expected="Im Log des Workers steht nur „InvalidTag: “",
    ),
    Wrong(
        "immer mit dem aktiven Schlüssel geöffnet",
        changes=(
            (
                "    if key_id not in KEYS:",
                "    key_id = ACTIVE\n    if key_id not in KEYS:",
            ),
        ),
        expected="unter der Kennung 2026-10",
    ),
)
