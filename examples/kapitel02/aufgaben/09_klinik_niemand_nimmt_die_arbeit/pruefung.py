"""Prüfungen zu „Klinik: Niemand nimmt die Arbeit“."""

import asyncio
import json
import re
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

from temporalio import activity
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle, WorkflowHistory
from temporalio.worker import Worker

from dauerlauf.exercises import Bench, Failed, Wrong, expect
from dauerlauf.history import load

FACTORY = "worker:create_worker"
MISSING = "is not registered"
LIMIT = 20.0
"""Sekunden Echtzeit, die ein Lauf nach dem Deployment hat."""


@activity.defn
async def print_label(number: str) -> str:
    """Der Drucker des Prüfers."""
    return f"Paket {number}"


def _printer(bench: Bench, queue: str) -> Worker:
    client = bench.timelapse.client_for("drucker")
    return Worker(client, task_queue=queue, activities=[print_label])


async def _pending(handle: WorkflowHandle[Any, Any]) -> Any:
    """Die wartende Activity, sobald ihr erster Versuch gescheitert ist."""
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        for one in (await handle.describe()).raw_description.pending_activities:
            if one.HasField("last_failure"):
                return one
        await asyncio.sleep(0.05)
    raise AssertionError("Die Activity scheitert nicht")


async def record(bench: Bench) -> dict[str, WorkflowHistory | str]:
    """Zwei hängende Läufe, aufgezeichnet mit dem Code aus `start/`."""
    async with (
        bench.worker(factory=FACTORY) as worker,
        _printer(bench, "etiketten-flensburg"),
    ):
        first = {"number": "NL-3107", "site": "Flensburg"}
        one = await worker.start("ShipOrder", first, id="paket-NL-3107")
        await worker.reached(one, "ActivityTaskScheduled")
        second = {"number": "NL-3112", "site": "flensburg"}
        with bench.timelapse.unskipped():
            two = await worker.start("ShipOrder", second, id="paket-NL-3112")
        pending = await _pending(two)
        described = {
            "workflowId": two.id,
            "pendingActivities": [
                {
                    "activityType": pending.activity_type.name,
                    "attempt": pending.attempt,
                    "maximumAttempts": pending.maximum_attempts,
                    "lastFailure": pending.last_failure.message,
                }
            ],
        }
        return {
            "lauf_a.json": await one.fetch_history(),
            "lauf_b.json": await two.fetch_history(),
            "lauf_b_describe.json": json.dumps(described, indent=2) + "\n",
        }


def _truth(bench: Bench) -> Mapping[str, object]:
    """Was die Aufzeichnungen sagen."""
    scheduled = next(
        event
        for event in load(bench.source / "lauf_a.json").events
        if event.HasField("activity_task_scheduled_event_attributes")
    )
    text = (bench.source / "lauf_b_describe.json").read_text(encoding="utf-8")
    waiting = json.loads(text)["pendingActivities"][0]
    known = re.search(r"available activities: (.*)", waiting["lastFailure"])
    assert known is not None
    return {
        "a_event": scheduled.event_id,
        "a_queue": scheduled.activity_task_scheduled_event_attributes.task_queue.name,
        "b_verlangt": waiting["activityType"],
        "b_bekannt": known[1].strip("[] "),
    }


LOOK = {
    "a_event": "Die Arbeit von Lauf A ist verzeichnet, ihr Ende nicht. Suchen Sie das Event, zu dem es kein Completed gibt.",
    "a_queue": "Der Name steht im Event unter `taskQueue`; jeder Buchstabe zählt.",
    "b_verlangt": "lauf_b_describe.json nennt die wartende Activity.",
    "b_bekannt": "Die Meldung des Workers endet mit dem, was er kennt.",
}


async def diagnose(bench: Bench) -> None:
    """Ihre Diagnose stimmt mit den beiden Aufzeichnungen überein."""
    answers = bench.answers()
    for field, truth in _truth(bench).items():
        given = answers.get(field, "")
        wo = f"antwort.toml, Feld „{field}“"
        expect(
            given not in ("", -1),
            wo=wo,
            warum="Hier steht noch keine Antwort.",
            weiter=LOOK[field],
        )
        expect(
            given == truth,
            wo=wo,
            warum=f"Sie nennen „{given}“; die Aufzeichnung sagt etwas anderes.",
            weiter=LOOK[field],
        )


async def replay(bench: Bench) -> None:
    """Ihr Code passt zu den Historien der hängenden Läufe."""
    for name in ("lauf_a.json", "lauf_b.json"):
        problem = await bench.replay("workflow:ShipOrder", history=bench.source / name)
        expect(
            problem is None,
            wo=f"Replay von {name}",
            warum=f"Ihr Workflow verlangt etwas anderes, als in der History steht: {problem}",
            weiter="Die laufenden Aufträge haben ihre Activity schon unter dem alten Typ eingeplant. Überlegen Sie, auf "
            "welcher Seite der Name sich noch ändern lässt.",
        )


async def weiter(bench: Bench) -> None:
    """Nach dem Deployment enden die hängenden Läufe, und neue gelingen aus jedem Lager."""
    queue, site = bench.task_queue(), f"Hafen-{uuid.uuid4().hex[:8]}"
    served: list[str] = await bench.call("worker:label_queues", site)
    old_code = bench.exercise / "start"
    async with bench.worker(factory=FACTORY, source=old_code, task_queue=queue) as old:
        async with _printer(bench, f"etiketten-{site.lower()}"):
            first = await old.start("ShipOrder", {"number": "NL-1", "site": site})
            # Ohne Zeitraffer liegt zwischen zwei Versuchen eine Minute: Beim Tod des Workers läuft keiner.
            with bench.timelapse.unskipped():
                second = await old.start(
                    "ShipOrder", {"number": "NL-2", "site": site.lower()}
                )
            await old.reached(first, "ActivityTaskScheduled")
            await _pending(second)
        old.kill()
        async with AsyncExitStack() as stack:
            for name in dict.fromkeys(served):
                await stack.enter_async_context(_printer(bench, name))
            new = await stack.enter_async_context(
                bench.worker(factory=FACTORY, task_queue=queue)
            )
            third = await new.start("ShipOrder", {"number": "NL-3", "site": site})
            fourth = await new.start(
                "ShipOrder", {"number": "NL-4", "site": site.lower()}
            )
            skip = asyncio.create_task(bench.timelapse.fast_forward(second))
            stack.callback(skip.cancel)
            for what, handle in (
                (f"Neuer Auftrag aus „{site}“", third),
                (f"Neuer Auftrag aus „{site.lower()}“", fourth),
                ("Lauf A, mit dem alten Code begonnen", first),
                ("Lauf B, mit dem alten Code begonnen", second),
            ):
                await _ends(what, handle, [*served, queue])


async def _ends(
    what: str, handle: WorkflowHandle[Any, Any], served: Sequence[str]
) -> None:
    """Wartet auf das Ende eines Laufs; sagt sofort, wenn niemand seine Arbeit nimmt."""
    end = time.monotonic() + LIMIT
    before: int | None = None
    while time.monotonic() < end:
        description = await handle.describe()
        if description.status != WorkflowExecutionStatus.RUNNING:
            break
        for one in description.raw_description.pending_activities:
            name, place = (
                one.activity_type.name,
                one.activity_options.task_queue.name,
            )
            expect(
                place in served,
                wo=f"{what}: Activity „{name}“",
                warum=f"Sie liegt in der Task Queue „{place}“. Nach Ihrem Deployment hört dort niemand; bedient werden "
                f"{', '.join(served)}. Einmal eingeplant, bleibt sie, wo sie ist, auch wenn der Code sich ändert.",
                weiter="Vergleichen Sie die Namen in `label_queues` mit allen, unter denen Läufe schon etwas eingeplant "
                "haben oder noch einplanen.",
            )
            before = one.attempt if before is None else before
            expect(
                MISSING not in one.last_failure.message or one.attempt <= before + 3,
                wo=f"{what}: Activity „{name}“, Versuch {one.attempt}",
                warum=f"Der Worker der Queue „{place}“ kennt sie nicht: {one.last_failure.message}",
                weiter="Der Typ, den der Aufruf verlangt, und der Typ, den der Worker anbietet, müssen gleich heißen; und "
                "die Activity muss in der Queue liegen, deren Worker sie anbietet.",
            )
        await asyncio.sleep(0.1)
    else:
        raise Failed(
            wo=what,
            warum=f"Der Lauf ist nach {LIMIT:g} s nicht fertig.",
            weiter="Sehen Sie sich an, worauf er als Nächstes wartet.",
        )
    found = await handle.result()
    expect(
        found.endswith("ist unterwegs") and "Paket NL-" in found,
        wo=what,
        warum=f"Das Ergebnis ist {found!r}; die Kundschaft erwartet Nummer, Etikett und „ist unterwegs“.",
        weiter="Lassen Sie beide Schritte stehen, wie sie waren.",
    )


CHECKS = (diagnose, replay, weiter)
GIVEN = ("drucker.py", "lauf_a.json", "lauf_b.json", "lauf_b_describe.json")
START_FAILS = "Hier steht noch keine Antwort."
QUEUE = "            task_queue=drucker.queue(order.site),\n"
BOTH = '[drucker.queue(site), f"etiketten-{site}"]'
WRONG = (
    Wrong(
        "nur für neue Läufe repariert",
        changes=((BOTH, "[drucker.queue(site)]"),),
        expected="Lauf A, mit dem alten Code begonnen",
    ),
    Wrong(
        "den Drucker umgezogen",
        changes=(
            (BOTH, '[f"etiketten-{site}"]'),
            ("drucker.queue(order.site)", 'f"etiketten-{order.site}"'),
        ),
        expected="Nach Ihrem Deployment hört dort niemand",
    ),
    Wrong(
        "Task Queue weggelassen",
        changes=((QUEUE, ""),),
        expected="kennt sie nicht: Activity function print_label",
    ),
    Wrong(
        "den Aufruf umbenannt",
        changes=(
            ('            "notify_customer",\n', '            "notify",\n'),
            (
                "@activity.defn\nasync def notify",
                '@activity.defn(name="notify")\nasync def notify',
            ),
        ),
        expected="Replay von lauf_b.json",
    ),
    Wrong(
        "Queue ungenau gelesen",
        changes=(('a_queue = "etiketten-F', 'a_queue = "etiketten-f'),),
        expected="jeder Buchstabe zählt",
    ),
)
