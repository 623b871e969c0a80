"""Prüfungen zu „Was sieht der Server?“."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import Client, WorkflowHistory
from temporalio.common import (
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
)
from temporalio.converter import DataConverter

from dauerlauf.exercises import Bench, Question, Wrong
from kapitel16.verschluesselung.codec import EncryptionCodec
from kapitel16.verschluesselung.keys import KeyRing

OPEN, HIDDEN = "offen", "verdeckt"
IBAN, NOTE = "DE02120300000000202051", "Bitte bis Freitag, die Kundin rief zweimal an."
BRANCH = SearchAttributeKey.for_keyword("Filiale")

TEXTS = {
    "workflow_id": "erstattung-R-3007",
    "argument": IBAN,
    "activity_typ": "transfer_money",
    "suchattribut": "Flensburg",
    "memo_name": "grund",
    "memo_wert": "Sofa mit gebrochenem Bein",
    "signal_argument": "Carstensen",
    "fehlertyp": "KontoGesperrt",
    "fehlermeldung": "Das Konto von Jörg Weiß ist gesperrt",
}
"""Was in den rohen Bytes gesucht wird."""


async def truth(bench: Bench) -> Mapping[str, Any]:
    """Was in den rohen Bytes der History steht; Workflow und Codec stellt die Übung in `vorgabe/`."""
    client = bench.timelapse.client
    await client.operator_service.add_search_attributes(
        AddSearchAttributesRequest(
            namespace=client.namespace,
            search_attributes={
                BRANCH.name: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
            },
        )
    )
    ring = KeyRing.create("2026-11")
    async with bench.worker(
        factory="worker:create_worker",
        arguments={"ring": ring},
        source=bench.exercise / "vorgabe",
    ) as worker:
        # `converter=` nähme den Codec aus den Dateien der Leserin; hier kommt er aus dem Muster.
        config = worker.client.config()
        config["data_converter"] = dataclasses.replace(
            DataConverter.default, payload_codec=EncryptionCodec(ring)
        )
        worker.client = Client(**config)
        handle = await worker.start(
            "RefundWorkflow",
            IBAN,
            NOTE,
            # Dieselbe Prüfung kann zugleich ein zweites Mal laufen.
            id=f"{TEXTS['workflow_id']}-{worker.task_queue}",
            memo={TEXTS["memo_name"]: TEXTS["memo_wert"]},
            search_attributes=TypedSearchAttributes(
                [SearchAttributePair(BRANCH, TEXTS["suchattribut"])]
            ),
        )
        await handle.signal("approve", TEXTS["signal_argument"])
        run = await worker.finish(handle)
    raw = b"".join(event.SerializeToString() for event in run.history.events)
    found = {
        name: OPEN if text.encode() in raw else HIDDEN for name, text in TEXTS.items()
    }
    return {**found, "groesse": OPEN if len(_added(run.history)) == 1 else HIDDEN}


def _added(history: WorkflowHistory) -> set[int]:
    """Um wie viele Bytes jedes Argument beim Verschlüsseln wuchs; ein einziger Wert verrät die Größe."""
    sealed = history.events[
        0
    ].workflow_execution_started_event_attributes.input.payloads
    plain = DataConverter.default.payload_converter.to_payloads([IBAN, NOTE])
    return {
        len(one.data) - other.ByteSize()
        for one, other in zip(sealed, plain, strict=True)
    }


def _because(
    reason: str, hint: str
) -> Callable[[str, Mapping[str, Any]], tuple[str, str]]:
    def explain(answer: str, truth: Mapping[str, Any]) -> tuple[str, str]:
        return f"Sie sagen „{answer}“. {reason}", hint

    return explain


NAME = "Fragen Sie: Ist das ein Wert, den der Code übergibt, oder ein Name, unter dem der Server etwas führt?"
SERVER = "Was müsste der Server damit tun können?"
WHOLE = "Der Codec verschlüsselt jeden Payload ganz. Ist dies ein Payload?"

QUESTIONS = (
    Question(
        "workflow_id",
        "Ist die Workflow-ID offen oder verdeckt?",
        str,
        _because(
            "Unter „erstattung-R-3007“ führt der Server den Lauf; der Codec bekommt IDs nie zu sehen.",
            NAME,
        ),
        (OPEN, HIDDEN),
    ),
    Question(
        "argument",
        "Ist das Argument des Workflows offen oder verdeckt?",
        str,
        _because(
            f"„{IBAN}“ kommt in den Bytes der History nicht vor: Argumente sind Payloads.",
            WHOLE,
        ),
        (OPEN, HIDDEN),
    ),
    Question(
        "activity_typ",
        "Ist der Name der Activity offen oder verdeckt?",
        str,
        _because(
            "„transfer_money“ steht im Event ActivityTaskScheduled; der Server muss einen Worker finden, der sie kennt.",
            SERVER,
        ),
        (OPEN, HIDDEN),
    ),
    Question(
        "suchattribut",
        "Ist der Wert des Suchattributs offen oder verdeckt?",
        str,
        _because(
            "„Flensburg“ steht im ersten Event. Suchattribute lässt das SDK am Codec vorbei.",
            SERVER,
        ),
        (OPEN, HIDDEN),
    ),
    Question(
        "memo_name",
        "Ist der Name des Memo-Feldes offen oder verdeckt?",
        str,
        _because(
            "„grund“ steht im ersten Event. Ein Memo ist eine Tabelle; der Codec bekommt nur ihre Werte.",
            NAME,
        ),
        (OPEN, HIDDEN),
    ),
    Question(
        "memo_wert",
        "Ist der Wert des Memos offen oder verdeckt?",
        str,
        _because(
            "„Sofa mit gebrochenem Bein“ kommt in den Bytes nicht vor. Danach sucht der Server nicht; er zeigt es nur.",
            WHOLE,
        ),
        (OPEN, HIDDEN),
    ),
    Question(
        "signal_argument",
        "Ist das Argument des Signals offen oder verdeckt?",
        str,
        _because(
            "„Carstensen“ kommt in den Bytes nicht vor; nur der Name des Signals, „approve“, steht dort.",
            WHOLE,
        ),
        (OPEN, HIDDEN),
    ),
    Question(
        "fehlertyp",
        "Ist der Typ des Fehlers offen oder verdeckt?",
        str,
        _because(
            "„KontoGesperrt“ steht im Event ActivityTaskFailed; an ihm entscheidet der Server, ob er wiederholt.",
            SERVER,
        ),
        (OPEN, HIDDEN),
    ),
    Question(
        "fehlermeldung",
        "Ist die Meldung des Fehlers offen oder verdeckt?",
        str,
        _because(
            "„Das Konto von Jörg Weiß ist gesperrt“ steht wörtlich im Event ActivityTaskFailed. Ein Fehler ist kein Payload.",
            "Lesen Sie im Aufgabentext nach, wie das Team verbunden ist: Was wandelt Fehler um, und was wandelt der Codec um?",
        ),
        (OPEN, HIDDEN),
    ),
    Question(
        "groesse",
        "Ist die Größe eines Inhalts offen oder verdeckt?",
        str,
        _because(
            "Beide Argumente wuchsen um genau gleich viele Bytes. Wer die Zahl kennt, zieht sie ab.",
            "Füllt AES-GCM einen kurzen Text auf?",
        ),
        (OPEN, HIDDEN),
    ),
)
START_FAILS = "Hier steht noch keine Antwort."
WRONG = (
    Wrong(
        "alles verschlüsselt",
        answers=dict.fromkeys((*TEXTS, "groesse"), HIDDEN),
        expected="der Codec bekommt IDs nie zu sehen",
    ),
    Wrong(
        "Fehlertext für einen Payload gehalten",
        answers={"fehlermeldung": HIDDEN},
        expected="Ein Fehler ist kein Payload",
    ),
    Wrong(
        "Suchattribut für einen Payload gehalten",
        answers={"suchattribut": HIDDEN},
        expected="am Codec vorbei",
    ),
    Wrong(
        "Memo mit Suchattribut verwechselt",
        answers={"memo_wert": OPEN},
        expected="er zeigt es nur",
    ),
    Wrong(
        "Größe übersehen",
        answers={"groesse": HIDDEN},
        expected="wuchsen um genau gleich viele Bytes",
    ),
)
