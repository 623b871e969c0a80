"""Prüfungen zu „Ihr erster Workflow“."""

from typing import Any

from temporalio import activity
from temporalio.api.enums.v1 import EventType

from dauerlauf.exercises import Bench, Run, Wrong, expect
from dauerlauf.faults import ActivityAction, ActivityFault, FaultPlan

ORDER = {"order_id": "NL-1007", "customer": "Jörg Weiß", "amount_cents": 4990}


class Outbox:
    """Der Postausgang des Prüfers: Er merkt sich jedes Schreiben."""

    def __init__(self) -> None:
        self.letters: list[dict[str, Any]] = []

    @activity.defn
    async def confirm_order(self, order: dict[str, Any]) -> str:
        self.letters.append(order)
        return f"schreiben-{len(self.letters)}-{order['order_id']}.txt"


async def _run(bench: Bench, outbox: Outbox, plan: FaultPlan | None = None) -> Run:
    given = [outbox.confirm_order]
    async with bench.worker("workflow:ConfirmOrder", given=given, plan=plan) as worker:
        return await worker.execute("ConfirmOrder", ORDER)


async def schreiben(bench: Bench) -> None:
    """Der Workflow ruft die Activity auf und gibt ihr Ergebnis zurück."""
    outbox = Outbox()
    run = await _run(bench, outbox)
    expect(
        run.count("ActivityTaskScheduled") == 1,
        wo="Event History",
        warum=f"Dort stehen {run.count('ActivityTaskScheduled')} Events "
        "ActivityTaskScheduled, erwartet ist eines: das für `confirm_order`.",
        weiter="Rufen Sie die Activity genau einmal mit `workflow.execute_activity` "
        "auf; nur so erfährt der Server davon.",
    )
    expect(
        outbox.letters == [ORDER],
        wo="Argument der Activity `confirm_order`",
        warum=f"Der Postausgang bekam {outbox.letters} statt der Bestellung {ORDER}.",
        weiter="Geben Sie `order` unverändert an die Activity weiter.",
    )
    expect(
        run.result == "schreiben-1-NL-1007.txt",
        wo="Ergebnis des Workflows",
        warum=f"Es ist {run.result!r}; die Activity gab "
        "„schreiben-1-NL-1007.txt“ zurück.",
        weiter="Geben Sie mit `return` zurück, was `await workflow.execute_activity(…)` "
        "liefert.",
    )


async def frist(bench: Bench) -> None:
    """Ein Versuch darf höchstens 10 s dauern."""
    run = await _run(bench, Outbox())
    scheduled = next(
        event.activity_task_scheduled_event_attributes
        for event in run.history.events
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    )
    once = scheduled.start_to_close_timeout.ToTimedelta().total_seconds()
    expect(
        0 < once <= 10,
        wo="Event ActivityTaskScheduled, startToCloseTimeout",
        warum=f"Dort stehen {once:g} s, erlaubt sind höchstens 10 s.",
        weiter="Setzen Sie `start_to_close_timeout=timedelta(seconds=10)`.",
    )
    overall = scheduled.schedule_to_close_timeout.ToTimedelta().total_seconds()
    expect(
        overall == 0,
        wo="Event ActivityTaskScheduled, scheduleToCloseTimeout",
        warum=f"Dort stehen {overall:g} s: So lange haben alle Versuche zusammen.",
        weiter="Begrenzen Sie den einzelnen Versuch, mit `start_to_close_timeout`; "
        "ist die Frist für alle abgelaufen, gibt es keinen Retry mehr.",
    )


async def ausfall(bench: Bench) -> None:
    """Fällt der Postausgang zweimal aus, gelingt der Lauf im dritten Versuch."""
    outage = ActivityFault("confirm_order", ActivityAction.FAIL_BEFORE, attempts=(1, 2))
    outbox = Outbox()
    run = await _run(bench, outbox, FaultPlan((outage,)))
    expect(
        run.attempts("confirm_order") == [3],
        wo="Event ActivityTaskStarted, attempt",
        warum=f"Die Aufrufe endeten mit den Versuchen {run.attempts('confirm_order')}; "
        "ein einziger Aufruf hätte im dritten Versuch gelingen sollen.",
        weiter="Wiederholen Sie nicht selbst, und begrenzen Sie die Versuche nicht; "
        "die Retries übernimmt Temporal.",
    )


CHECKS = (schreiben, frist, ausfall)
GIVEN = ("postausgang.py",)
START_FAILS = "Hier fehlt der Aufruf der Activity"
WRONG = (
    Wrong(
        "ohne Activity",
        changes=(
            (
                """return await workflow.execute_activity(
            confirm_order,
            order,
            start_to_close_timeout=timedelta(seconds=10),
        )""",
                'return f"schreiben-1-{order.order_id}.txt"',
            ),
        ),
        expected="Dort stehen 0 Events ActivityTaskScheduled",
    ),
    Wrong(
        "ohne await",
        changes=(("return await", "return"),),
        expected="Ein Aufruf ohne `await` beginnt nie",
    ),
    Wrong(
        "ohne Timeout",
        changes=(("            start_to_close_timeout=timedelta(seconds=10),\n", ""),),
        expected="Hier fehlt das Timeout",
    ),
    Wrong(
        "Frist für alle Versuche zusammen",
        changes=(("start_to_close_timeout", "schedule_to_close_timeout"),),
        expected="So lange haben alle Versuche zusammen",
    ),
    Wrong(
        "nur ein Versuch",
        changes=(
            (
                "            start_to_close_timeout=timedelta(seconds=10),",
                "            start_to_close_timeout=timedelta(seconds=10),\n"
                "            retry_policy=RetryPolicy(maximum_attempts=1),",
            ),
            (
                "from temporalio import workflow\n",
                "from temporalio import workflow\n"
                "from temporalio.common import RetryPolicy\n",
            ),
        ),
        expected="ausfall",
    ),
)
