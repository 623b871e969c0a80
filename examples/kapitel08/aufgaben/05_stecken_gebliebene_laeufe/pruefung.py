"""Prüfungen zu „Stecken gebliebene Läufe retten“."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from temporalio import activity
from temporalio.client import WorkflowHandle

from dauerlauf.exercises import Bench, Failed, Running, Wrong, expect
from dauerlauf.history import event_name

WORKFLOW = "workflow:OrderWorkflow"
DEAD_QUEUE = "drucker-nord"
Handle = WorkflowHandle[Any, Any]


class Ledger:
    """Was wirklich geschah: je Auftrag und Schritt, wie oft. Nichts davon ist idempotent."""

    def __init__(self) -> None:
        self.done: Counter[tuple[str, str]] = Counter()

    @activity.defn
    async def reserve_item(self, order_id: str, item: int) -> None:
        self.done[order_id, f"Artikel {item + 1} reserviert"] += 1

    @activity.defn
    async def charge_payment(self, order_id: str) -> None:
        self.done[order_id, "abgebucht"] += 1

    @activity.defn
    async def print_label(self, order_id: str) -> None:
        self.done[order_id, "Etikett gedruckt"] += 1

    def of(self, order_id: str) -> dict[str, int]:
        """Was mit diesem Auftrag geschah."""
        return {
            what: times for (one, what), times in self.done.items() if one == order_id
        }


@asynccontextmanager
async def _after_the_fix(
    bench: Bench, ledger: Ledger, *orders: tuple[str, int, bool]
) -> AsyncIterator[tuple[Running, list[Handle]]]:
    """Aufträge, die unter der schlechten Auslieferung hängen; nun läuft der berichtigte Code.

    Je Auftrag: Nummer, Artikel und ob `packed` noch der alte Worker bekam.
    """
    queue = bench.task_queue()
    given = [ledger.reserve_item, ledger.charge_payment, ledger.print_label]
    async with bench.worker(
        WORKFLOW, given=given, source=bench.exercise / "vorgabe", task_queue=queue
    ) as old:
        handles = []
        for order_id, items, packed in orders:
            handle = await old.start("OrderWorkflow", order_id, items)
            await old.reached(handle, "ActivityTaskScheduled", times=items + 2)
            if packed:
                await handle.signal("packed")
                await old.reached(handle, "WorkflowTaskCompleted", times=items + 3)
            # Ohne Run-ID: Nach einem Reset meint der Handle den jüngsten Lauf.
            handles.append(old.client.get_workflow_handle(handle.id))
        old.kill()
        async with bench.worker(WORKFLOW, task_queue=queue) as new:
            yield new, handles


async def _rescue(bench: Bench, handle: Handle) -> str | None:
    client = bench.timelapse.client
    address = client.service_client.config.target_host
    try:
        return await bench.call("rettung:main", address, client.namespace, handle.id)
    except Failed as failed:
        if "boundary" in failed.warum:
            failed.weiter = "Zurücksetzen lässt sich nur an das Ende eines Workflow-Tasks. Welcher hat dieses Event geplant? Das Event nennt ihn selbst."
        raise


def _expect_once(ledger: Ledger, order_id: str, items: int) -> None:
    done = ledger.of(order_id)
    expect(
        done.get("abgebucht") == 1,
        wo=f"Buch der Zahlungen, Auftrag {order_id} mit {items} Artikel{'n' if items > 1 else ''}",
        warum=f"Es nennt {done.get('abgebucht', 0)} Abbuchungen. Alles, was hinter dem Punkt des Resets liegt, geschieht noch "
        "einmal.",
        weiter="Wählen Sie den Punkt so spät wie möglich: hinter der Abbuchung, aber vor dem Event, das hängt. Lesen Sie "
        "seine Nummer aus der History dieses Auftrags.",
    )
    again = [f"{times}-mal {what}" for what, times in done.items() if times != 1]
    expect(
        len(done) == items + 2 and not again,
        wo=f"Was mit Auftrag {order_id} geschah",
        warum=f"{', '.join(again) or 'Es fehlt ein Schritt'}; verlangt ist jeder Schritt genau einmal.",
        weiter="Prüfen Sie, welche Schritte zwischen Ihrem Punkt und dem Etikett liegen.",
    )


async def _expect_freed(handle: Handle, order_id: str, packed: bool) -> None:
    """Der jüngste Lauf enthält das verdorbene Event nicht mehr, wohl aber die Meldung des Packtischs."""
    events = (await handle.fetch_history()).events
    for event in events:
        scheduled = event.activity_task_scheduled_event_attributes
        expect(
            scheduled.task_queue.name != DEAD_QUEUE,
            wo=f"Auftrag {order_id}, jüngster Lauf, Event {event.event_id} (ActivityTaskScheduled)",
            warum=f"Auch nach `rescue` liegt `print_label` in der Task Queue „{DEAD_QUEUE}“. Was vor dem Punkt eines Resets "
            "liegt, wird unverändert kopiert.",
            weiter="Der Punkt muss vor diesem Event liegen: am Ende des Workflow-Tasks, der es geplant hat.",
        )
    expect(
        not packed
        or any(event_name(one) == "WorkflowExecutionSignaled" for one in events),
        wo=f"Auftrag {order_id}, jüngster Lauf, Signal `packed`",
        warum="Es steht nicht mehr in der History. Gemeldet war es vor der Rettung, und niemand meldet es ein zweites Mal.",
        weiter="Ein Reset wendet Signale, die hinter seinem Punkt liegen, wieder an, wenn man es ihm nicht verbietet. Ein neu "
        "gestarteter Auftrag kennt sie nicht.",
    )


async def haengende_auftraege(bench: Bench) -> None:
    """Hängende Aufträge kommen ans Ende, und jede Zahlung geschieht einmal."""
    ledger = Ledger()
    orders = (("NL-1007", 1, False), ("NL-1008", 3, True))
    async with _after_the_fix(bench, ledger, *orders) as (worker, handles):
        for handle, (order_id, _, packed) in zip(handles, orders, strict=True):
            await _rescue(bench, handle)
            await _expect_freed(handle, order_id, packed)
        await handles[0].signal("packed")
        for handle, (order_id, items, _) in zip(handles, orders, strict=True):
            await worker.finish(handle)
            _expect_once(ledger, order_id, items)


async def gesunde_auftraege(bench: Bench) -> None:
    """Gesunde und schon gerettete Aufträge behalten ihren Lauf."""
    ledger = Ledger()
    async with _after_the_fix(bench, ledger, ("NL-1009", 2, True)) as (worker, [hung]):
        healthy = await worker.start("OrderWorkflow", "NL-1010", 1)
        await worker.reached(healthy, "ActivityTaskCompleted", times=3)
        before = (await healthy.describe()).run_id
        answer = await _rescue(bench, healthy)
        expect(
            (await healthy.describe()).run_id == before and answer is None,
            wo="Auftrag NL-1010, der nur auf das Packen wartet",
            warum=f"Er bekam einen neuen Lauf oder eine Antwort ({answer!r}), obwohl nichts an ihm hängt. Sein Etikett ist "
            "gedruckt, in der richtigen Task Queue.",
            weiter="Unterscheiden Sie zuerst, ob der Auftrag das Verdorbene überhaupt in seiner History hat; sonst `None`.",
        )
        await _rescue(bench, hung)
        await worker.finish(hung)
        rescued = (await hung.describe()).run_id
        answer = await _rescue(bench, hung)
        expect(
            (await hung.describe()).run_id == rescued and answer is None,
            wo="Auftrag NL-1009, zum zweiten Mal gerettet",
            warum=f"Der zweite Aufruf setzt den schon geretteten Lauf noch einmal zurück (Antwort {answer!r}).",
            weiter="Sehen Sie in die History des jüngsten Laufs: Was an ihr unterscheidet sich nach der Rettung?",
        )
        await healthy.signal("packed")
        await worker.finish(healthy)
    _expect_once(ledger, "NL-1009", 2)
    _expect_once(ledger, "NL-1010", 1)


CHECKS = (haengende_auftraege, gesunde_auftraege)
GIVEN = ("workflow.py",)
START_FAILS = "Es nennt 2 Abbuchungen"
FIND = "        if scheduled.task_queue.name == DEAD_QUEUE:\n"
POINT = "            point = scheduled.workflow_task_completed_event_id\n"
LOOP = """    for event in history.events:
        scheduled = event.activity_task_scheduled_event_attributes
"""
RESET = "            return await reset(client, workflow_id, point)\n"
WRONG = (
    Wrong(
        "eine feste Nummer",
        changes=((POINT, "            point = 16\n"),),
        expected="Auftrag NL-1008 mit 3 Artikeln",
    ),
    Wrong(
        "der letzte Workflow-Task",
        changes=(
            (
                POINT,
                "            point = max(\n"
                "                one.event_id\n"
                "                for one in history.events\n"
                '                if one.HasField("workflow_task_completed_event_attributes")\n'
                "            )\n",
            ),
        ),
        expected="Auftrag NL-1008, jüngster Lauf, Event 29",
    ),
    Wrong(
        "am Typ der Activity erkannt",
        changes=(
            (FIND, '        if scheduled.activity_type.name == "print_label":\n'),
        ),
        expected="Er bekam einen neuen Lauf oder eine Antwort",
    ),
    Wrong(
        "Signale ausgelassen",
        changes=(
            (
                "            request_id=str(uuid.uuid4()),\n",
                "            request_id=str(uuid.uuid4()),\n            reset_reapply_exclude_types=[1],\n",
            ),
        ),
        expected="niemand meldet es ein zweites Mal",
    ),
    Wrong(
        "beendet und neu gestartet",
        changes=(
            (
                RESET,
                '            await handle.terminate("hängt")\n'
                "            started = history.events[0].workflow_execution_started_event_attributes\n"
                "            numbers = await client.data_converter.decode(started.input.payloads)\n"
                "            new = await client.start_workflow(\n"
                '                "OrderWorkflow",\n'
                "                args=numbers,\n"
                "                id=workflow_id,\n"
                "                task_queue=started.task_queue.name,\n"
                "            )\n"
                "            return new.first_execution_run_id\n",
            ),
        ),
        expected="gestarteter Auftrag kennt sie nicht",
    ),
)
