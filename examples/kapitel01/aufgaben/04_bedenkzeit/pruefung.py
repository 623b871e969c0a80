"""Prüfungen zu „Bestellung mit Bedenkzeit“."""

from collections import defaultdict
from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from dauerlauf.exercises import Bench, Run, Running, Wrong, expect
from dauerlauf.faults import (
    ActivityAction,
    ActivityFault,
    FaultPlan,
    Moment,
    WorkflowAction,
    WorkflowFault,
)
from dauerlauf.together import together

SIGNAL = "cancel_order"


class Services:
    """Die Dienste des Prüfers: ein Buch je Bestellung. `during` storniert mitten in einem Schritt."""

    def __init__(self, client: Client) -> None:
        self.book: dict[str, list[str]] = defaultdict(list)
        self.during: dict[str, str] = {}
        self._client = client

    @activity.defn
    async def charge_payment(self, order: dict[str, Any]) -> int:
        await self._note(f"Zahlung über {order['amount_cents']}")
        return 4711

    @activity.defn
    async def refund_payment(self, payment: int) -> None:
        await self._note(f"Erstattung der Zahlung {payment}")

    @activity.defn
    async def ship_parcel(self, order: dict[str, Any]) -> None:
        await self._note(f"Versand von {order['order_id']}")

    async def _note(self, line: str) -> None:
        """Schreibt die Zeile einmal je Activity, auch wenn sie wiederholt wird."""
        info = activity.info()
        workflow_id = str(info.workflow_id)
        if self.during.get(workflow_id) == info.activity_type:
            del self.during[workflow_id]
            handle = self._client.get_workflow_handle(workflow_id)
            for _ in range(2):
                await handle.signal(SIGNAL)
        entry = f"{line} (Activity {info.activity_id})"
        if entry not in self.book[workflow_id]:
            self.book[workflow_id].append(entry)

    def lines(self, run: Run) -> list[str]:
        """Was zu einem Lauf im Buch steht, ohne die Nummern der Activities."""
        return [entry.partition(" (")[0] for entry in self.book[run.id]]


PAID = "Zahlung über 4990"
SENT = [PAID, "Versand von NL-1"]
CANCELLED = [PAID, "Erstattung der Zahlung 4711"]
ORDER = {"order_id": "NL-1", "amount_cents": 4990}


def _given(services: Services) -> list[Any]:
    return [services.charge_payment, services.refund_payment, services.ship_parcel]


PAYMENT = EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED
CANCELLATION = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED


def _after(first: "EventType.ValueType", run: Run, activity_type: str) -> timedelta:
    """Wie lange nach dem ersten Event `first` eine Activity eingeplant wurde, in der Zeit des Workflows."""
    events = run.history.events
    begin = next(event for event in events if event.event_type == first)
    planned = next(
        event
        for event in events
        if event.activity_task_scheduled_event_attributes.activity_type.name
        == activity_type
    )
    return planned.event_time.ToDatetime() - begin.event_time.ToDatetime()


def _audit(
    run: Run, services: Services, case: str, result: str, lines: list[str], hint: str
) -> None:
    """Vergleicht das Buch und das Ergebnis eines Laufs mit dem, was verlangt ist."""
    found = services.lines(run)
    expect(
        found == lines,
        wo=f"Buch der Dienste, {case}",
        warum=f"Dort steht: {'; '.join(found) or 'nichts'}. Verlangt ist: {'; '.join(lines)}.",
        weiter=hint,
    )
    expect(
        run.result == result,
        wo=f"Ergebnis des Workflows, {case}",
        warum=f"Es ist {run.result!r}, verlangt ist {result!r}. Im Buch steht: {'; '.join(found)}.",
        weiter="Geben Sie zurück, was wirklich geschehen ist.",
    )


async def versand(bench: Bench) -> None:
    """Ohne Signal wird nach 30 min versandt, auch wenn ein Dienst kurz ausfällt."""
    services = Services(bench.timelapse.client)
    # Nach der Standard-Policy kommt der sechste Versuch nach 31 s.
    plan = FaultPlan(
        tuple(
            ActivityFault(name, ActivityAction.FAIL_BEFORE, attempts=(1, 2, 3, 4, 5))
            for name in ("charge_payment", "ship_parcel")
        )
    )
    async with bench.worker(
        "workflow:ProcessOrder", given=_given(services), plan=plan
    ) as worker:
        run = await worker.attempt("ProcessOrder", ORDER)
    expect(
        run.status == "COMPLETED",
        wo="Ergebnis des Workflows, letztes Event der History",
        warum=f"Die Dienste fallen je 31 s aus; danach gelänge alles. Der Workflow endet vorher {run.status}: {run.reason}",
        weiter="Begrenzen Sie den einzelnen Versuch (`start_to_close_timeout`), nicht die Zahl der Versuche und nicht die Zeit über "
        "alle.",
    )
    _audit(
        run,
        services,
        "kein Signal",
        "versandt",
        SENT,
        "Ohne Signal folgt auf die Zahlung nur der Versand, jeder Schritt einmal.",
    )
    waited = _after(PAYMENT, run, "ship_parcel").total_seconds() / 60
    expect(
        29.9 <= waited <= 30.5,
        wo="Event ActivityTaskScheduled für `ship_parcel`",
        warum=f"Es kommt {waited:.1f} min nach der Zahlung, verlangt sind 30 min. In der History stehen "
        f"{run.count('TimerStarted')} Timer.",
        weiter="Die Bedenkzeit beginnt, wenn die Zahlung gelungen ist; sie ist ein Timer von 30 min.",
    )
    longest = max(
        event.activity_task_scheduled_event_attributes.start_to_close_timeout.ToTimedelta()
        for event in run.history.events
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    )
    expect(
        timedelta(0) < longest <= timedelta(seconds=10),
        wo="Event ActivityTaskScheduled, startToCloseTimeout",
        warum=f"Das längste beträgt {longest.total_seconds():g} s; ein Versuch darf höchstens 10 s dauern.",
        weiter="Setzen Sie bei jeder Activity `start_to_close_timeout`.",
    )


async def _cancel_while_waiting(
    bench: Bench, worker: Running, services: Services
) -> Run:
    """Ein Lauf, der gut 10 min nach der Zahlung storniert wird und während der Erstattung noch einmal."""
    # `unskipped` gälte auch für die Läufe nebenan; dieser Client kennt den Zeitraffer gar nicht.
    assert bench.timelapse.server is not None
    client = await bench.timelapse.server.connect()
    workflow_id = f"uebung-{worker.task_queue}-storno"
    services.during[workflow_id] = "refund_payment"
    handle = await client.start_workflow(
        "ProcessOrder", ORDER, id=workflow_id, task_queue=worker.task_queue
    )
    await worker.reached(handle, "TimerStarted")
    await bench.timelapse.fast_forward(handle, timedelta(minutes=10, seconds=10))
    await handle.signal(SIGNAL)
    await bench.timelapse.fast_forward(handle)
    return await worker.finish(handle)


async def storno(bench: Bench) -> None:
    """Ein Signal in der Bedenkzeit erstattet sofort; während des Versands kommt es zu spät."""
    services = Services(bench.timelapse.client)
    # Ohne Cache läuft jeder Workflow-Task von vorn, als wäre vor ihm der Worker gestorben.
    async with bench.worker(
        "workflow:ProcessOrder", given=_given(services), max_cached_workflows=0
    ) as worker:

        async def during(step: str) -> Run:
            workflow_id = f"uebung-{worker.task_queue}-{step}"
            services.during[workflow_id] = step
            return await worker.execute("ProcessOrder", ORDER, id=workflow_id)

        first, early, waiting = await together(
            worker.execute("ProcessOrder", ORDER, start_signal=SIGNAL),
            during("charge_payment"),
            _cancel_while_waiting(bench, worker, services),
        )
        _audit_cancelled(early, waiting, services)
        _audit(
            first,
            services,
            "Signal vor der Zahlung",
            "storniert",
            CANCELLED,
            "Der Handler läuft schon vor der ersten Zeile von `run`. Was er sich merkt, legen Sie in `__init__` an.",
        )
        late = await during("ship_parcel")
    _audit(
        late,
        services,
        "Signal während des Versands",
        "versandt",
        SENT,
        "Die Entscheidung fällt am Ende der Bedenkzeit. Was danach eintrifft, darf keinen Schritt mehr auslösen.",
    )


def _audit_cancelled(early: Run, waiting: Run, services: Services) -> None:
    _audit(
        waiting,
        services,
        "Signal 10 min nach der Zahlung, zwei weitere während der Erstattung",
        "storniert",
        CANCELLED,
        f"Die History zeigt das Signal, aber es bewirkt nichts. Eine Methode mit `@workflow.signal` muss `{SIGNAL}` heißen und sich "
        "etwas merken, worauf `run` wartet."
        if services.lines(waiting) == SENT
        else "Das Signal soll nur etwas merken; über Versand und Erstattung entscheidet `run`, und zwar einmal.",
    )
    late = _after(CANCELLATION, waiting, "refund_payment").total_seconds()
    expect(
        late <= 20,
        wo="Event ActivityTaskScheduled für `refund_payment`",
        warum=f"Storniert wurde 10 min nach der Zahlung, erstattet {late:.0f} s nach dem Signal. So lange hat die Kundin "
        "ihr Geld nicht.",
        weiter="Warten Sie auf beides zugleich: auf das Signal und auf das Ende der Frist. Wer immer wieder nachsieht, kommt zu spät.",
    )
    _audit(
        early,
        services,
        "Signal während der Zahlung",
        "storniert",
        CANCELLED,
        "Das Signal war da, bevor die Bedenkzeit begann. Sehen Sie nach, ob Ihr Code es danach wieder vergisst.",
    )


async def tod(bench: Bench) -> None:
    """Stirbt der Worker, wenn die Bedenkzeit endet, geschieht kein Schritt doppelt."""
    services = Services(bench.timelapse.client)
    death = WorkflowFault(WorkflowAction.KILL, task=3, moment=Moment.END)
    async with bench.worker(
        "workflow:ProcessOrder",
        given=_given(services),
        plan=FaultPlan(workflow=(death,)),
    ) as worker:
        run = await worker.execute("ProcessOrder", ORDER)
        deaths = worker.deaths
    expect(
        deaths == 1,
        wo="Störung der Prüfung",
        warum=f"Der Worker sollte am Ende der Bedenkzeit sterben. In der History stehen {run.count('TimerStarted')} "
        f"Timer und {run.count('WorkflowTaskCompleted')} Workflow-Tasks.",
        weiter="Auf Start, Zahlung und Ende der Frist folgt je ein Workflow-Task; warten Sie mit einem Timer.",
    )
    _audit(
        run,
        services,
        "Tod am Ende der Bedenkzeit",
        "versandt",
        SENT,
        "Der zweite Worker führt Ihren Code von vorn aus. Was er anders entscheidet als der erste, kommt von außen.",
    )


CHECKS = (versand, storno, tod)
GIVEN = ("dienste.py",)
START_FAILS = "Hier fehlt der Ablauf der Bestellung"
WAIT = """        try:
            await workflow.wait_condition(lambda: self._cancelled, timeout=COOLING_OFF)
        except TimeoutError:
            await workflow.execute_activity(
                ship_parcel, order, start_to_close_timeout=STEP
            )
            return "versandt"
        await workflow.execute_activity(
            refund_payment, payment, start_to_close_timeout=STEP
        )
        return "storniert"
"""
SHIP = """await workflow.execute_activity(
            ship_parcel, order, start_to_close_timeout=STEP
        )
"""
REFUND = """await workflow.execute_activity(
                refund_payment, payment, start_to_close_timeout=STEP
            )
"""
WRONG = (
    Wrong(
        "jede Minute nachgesehen",
        changes=(
            (
                "            await workflow.wait_condition(lambda: self._cancelled, timeout=COOLING_OFF)\n",
                "            for _ in range(30):\n                if not self._cancelled:\n"
                "                    await workflow.sleep(60)\n"
                "            if not self._cancelled:\n                raise TimeoutError\n",
            ),
        ),
        expected="Wer immer wieder nachsieht, kommt zu spät",
    ),
    Wrong(
        "Frist über alle Versuche",
        changes=(
            (
                "charge_payment, order, start_to_close_timeout=STEP",
                "charge_payment, order, schedule_to_close_timeout=STEP",
            ),
        ),
        expected="nicht die Zeit über alle",
    ),
    Wrong(
        "Zustand erst in run angelegt",
        changes=(
            (
                "        payment = await",
                "        self._cancelled = False\n        payment = await",
            ),
        ),
        expected="Signal vor der Zahlung",
    ),
    Wrong(
        "der Handler erstattet",
        changes=(
            (
                "    def cancel_order(self) -> None:\n"
                '        """Die Kundin storniert; gilt nur, solange nicht versandt wird."""\n'
                "        self._cancelled = True\n",
                "    async def cancel_order(self) -> None:\n"
                "        self._cancelled = True\n"
                "        await workflow.execute_activity(\n"
                "            refund_payment, 4711, start_to_close_timeout=STEP\n        )\n",
            ),
            (
                "        await workflow.execute_activity(\n"
                "            refund_payment, payment, start_to_close_timeout=STEP\n        )\n"
                '        return "storniert"',
                "        await workflow.wait_condition(workflow.all_handlers_finished)\n"
                '        return "storniert"',
            ),
        ),
        expected="Buch der Dienste, Signal 10 min nach der Zahlung",
    ),
    Wrong(
        "nach dem Versand noch einmal nachgesehen",
        changes=(
            (
                '            return "versandt"\n',
                '            if not self._cancelled:\n                return "versandt"\n',
            ),
        ),
        expected="Signal während des Versands",
    ),
)
