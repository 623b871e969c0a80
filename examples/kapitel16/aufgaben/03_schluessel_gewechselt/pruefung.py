"""Prüfungen zu „Schlüssel gewechselt, Läufe stehen“."""

from typing import Any

from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload

from dauerlauf.exercises import Bench, Failed, Run, Wrong, expect

STEPS = ("today", "step_1", "step_2")
OLD, NEW = "2026-10", "2026-11"
SAMPLE = Payload(metadata={"encoding": b"json/plain"}, data=b'"Petersen"')


def _converter(step: str) -> str:
    return f"auslieferung:{step}"


def _key_ids(message: Any) -> list[str]:
    """Die Kennungen aller versiegelten Payloads einer Nachricht, in ihrer Reihenfolge."""
    if isinstance(message, Payload):
        return [
            message.metadata.get("encryption-key-id", b"keine").decode(errors="replace")
        ]
    if not isinstance(message, Message):
        return []
    found = []
    for field, value in message.ListFields():
        many = value if field.is_repeated else [value]
        found += [
            key
            for one in (many.values() if hasattr(many, "values") else many)
            for key in _key_ids(one)
        ]
    return found


async def _refund(bench: Bench) -> Run:
    """Ein Workflow, der unter `today` beginnt und unter `step_2` freigegeben wird."""
    async with bench.worker(
        "workflow:RefundWorkflow", converter=_converter("today")
    ) as before:
        handle = await before.start("RefundWorkflow", "Petersen")
        await before.reached(handle, "WorkflowTaskCompleted")
        before.kill()
        async with bench.worker(
            "workflow:RefundWorkflow",
            converter=_converter("step_2"),
            task_queue=before.task_queue,
        ) as after:
            running = after.client.get_workflow_handle(handle.id)
            await running.signal("approve", "Carstensen")
            try:
                return await after.finish(running)
            except Failed as failed:
                if "SealError" not in failed.warum:
                    raise
                reason = failed.warum.partition("SealError: ")[2].partition(
                    ". Damit scheitert"
                )[0]
                raise Failed(
                    wo="Workflow-Task der Erstattung, nach `step_2`",
                    warum=f"Der Worker kann seine eigene Event History nicht lesen: {reason}. Ihre ersten Payloads sind mit "
                    f"{OLD} versiegelt; der Workflow steht.",
                    weiter="Fragen Sie zuerst: Welchen Schlüssel nennt der Payload, und hat der Worker ihn? Dann: Nimmt der "
                    "Codec ihn auch?",
                ) from None


async def laufender_workflow(bench: Bench) -> None:
    """Ein Workflow, der vor dem Wechsel begann, wird nach dem Wechsel fertig."""
    run = await _refund(bench)
    used = [key for event in run.history.events for key in _key_ids(event)]
    expect(
        run.result == "Petersen, freigegeben von Carstensen",
        wo="Ergebnis der Erstattung",
        warum=f"Es ist {run.result!r}.",
        weiter="`decode` muss zurückgeben, was `encode` bekam.",
    )
    expect(
        used[-1:] == [NEW],
        wo="Event History, letztes Event",
        warum=f"Die Payloads tragen der Reihe nach {', '.join(used)}. Nach `step_2` soll Neues {NEW} tragen; sonst hat der "
        "Wechsel nie stattgefunden.",
        weiter="Sehen Sie nach, mit welchem Schlüssel `step_2` schreibt.",
    )


async def nebeneinander(bench: Bench) -> None:
    """Während jeder Auslieferung liest jeder Prozess, was die anderen schreiben."""
    async with bench.process() as reader:
        sealed = {}
        for step in STEPS:
            answer = await reader.ask(
                "codec", _converter(step), "encode", [SAMPLE.SerializeToString()]
            )
            expect(
                isinstance(answer, list) and len(answer) == 1,
                wo=f"auslieferung.py, `{step}`",
                warum=f"Ein Prozess mit diesem Stand kann nichts schreiben: {getattr(answer, 'kind', '')}: "
                f"{getattr(answer, 'text', '')}",
                weiter="Der aktive Schlüssel muss im Bund sein.",
            )
            sealed[step] = answer
            written = _key_ids(Payload.FromString(answer[0]))
            expect(
                step != "today" or written == [OLD],
                wo="auslieferung.py, `today`",
                warum=f"Dort wird mit {written[0]} geschrieben. Diese Prozesse laufen aber längst, mit {OLD}.",
                weiter="Stellen Sie `today` wieder her, und ändern Sie nur die Schritte danach.",
            )
        pairs = [
            pair for i in (0, 1) for pair in (STEPS[i : i + 2], STEPS[i : i + 2][::-1])
        ]
        for writer, other in [*pairs, ("today", "step_2")]:
            answer = await reader.ask(
                "codec", _converter(other), "decode", sealed[writer]
            )
            expect(
                answer == [SAMPLE.SerializeToString()],
                wo=f"auslieferung.py, `{other}` liest, was `{writer}` schreibt",
                warum=f"Es geht nicht: {getattr(answer, 'text', '') or answer} "
                + (
                    "Beide Stände laufen minutenlang nebeneinander; so lange scheitern Workflow-Tasks, Signale und Queries."
                    if (writer, other) != ("today", "step_2")
                    else "Alte Histories liegen noch Wochen im Server."
                ),
                weiter="Erst müssen alle den Schlüssel kennen, dann darf einer damit schreiben. Was kann jeder Stand lesen, "
                "und womit schreibt er?",
            )
        answer = await reader.ask(
            "codec", _converter("today"), "decode", sealed["step_2"]
        )
        expect(
            not isinstance(answer, list),
            wo="auslieferung.py, `today`",
            warum=f"Dort ist {NEW} schon im Bund. Die Prozesse, die heute laufen, kennen ihn noch nicht.",
            weiter="Stellen Sie `today` wieder her. Den neuen Schlüssel müssen die Prozesse erst bekommen; das ist ein "
            "eigener Schritt.",
        )


CHECKS = (laufender_workflow, nebeneinander)
GIVEN = ("workflow.py",)
START_FAILS = (
    "kann seine eigene Event History nicht lesen: Der Payload wurde verändert."
)
STEP_1 = "step_1 = data_converter(KeyRing(BOTH, active=OLD))"
STEP_2 = "step_2 = data_converter(KeyRing(BOTH, active=NEW))"
TODAY = "today = data_converter(KeyRing({OLD: _key(OLD)}, active=OLD))"
WRONG = (
    Wrong(
        "nur den Codec repariert",
        changes=(
            (
                STEP_1,
                STEP_1.replace("BOTH, active=OLD", "{NEW: _key(NEW)}, active=NEW"),
            ),
            (STEP_2, "step_2 = step_1"),
        ),
        expected="Der Schlüssel „2026-10“ fehlt (vorhanden: 2026-11)",
    ),
    Wrong(
        "nur den Bund repariert",
        changes=(("payload.metadata[KEY_ID].decode()", "self._ring.active"),),
        expected="kann seine eigene Event History nicht lesen: Der Payload wurde verändert.",
    ),
    Wrong(
        "in einem Schritt umgestellt",
        changes=((STEP_1, STEP_1.replace("active=OLD", "active=NEW")),),
        expected="`today` liest, was `step_1` schreibt",
    ),
    Wrong(
        "nie umgestellt",
        changes=((STEP_2, STEP_2.replace("active=NEW", "active=OLD")),),
        expected="sonst hat der Wechsel nie stattgefunden",
    ),
    Wrong(
        "den laufenden Stand geändert",
        changes=(
            (TODAY, ""),
            (
                STEP_1,
                f"today = data_converter(KeyRing(BOTH, active=OLD))\n{STEP_1.replace('active=OLD', 'active=NEW')}",
            ),
        ),
        expected="Die Prozesse, die heute laufen, kennen ihn noch nicht",
    ),
)
