"""Prüfungen zu „Brechen Sie den Determinismus“."""

from temporalio import activity

from dauerlauf.exercises import Bench, Wrong, expect

WORKFLOW = "workflow:OrderWorkflow"
REASON = (
    "Activity machine does not handle this event: HistoryEvent(id: 11, TimerStarted)"
)


@activity.defn
async def confirm_order(order_id: str) -> None:
    """Bestätigt den Auftrag."""


@activity.defn
async def await_driver(order_id: str) -> None:
    """Der Fahrer steht schon vor dem Tor."""


@activity.defn
async def hand_over(order_id: str) -> str:
    """Übergibt das Paket."""
    return f"Paket {order_id}"


async def alter_auftrag(bench: Bench) -> None:
    """Der offene Auftrag von Version 1 bricht beim Replay, und zwar an Event 11."""
    problem = await bench.replay(WORKFLOW, history=bench.source / "version1.json")
    expect(
        problem is not None,
        wo="Replay von version1.json",
        warum="Es gelingt: Ihr Code verlangt bis Event 11 dieselben Befehle wie Version 1. Verglichen werden Art und "
        "Reihenfolge der Befehle, nicht die Dauer eines Timers; und was hinter Event 11 kommt, hat dieser Auftrag "
        "noch vor sich.",
        weiter="Sehen Sie nach, welcher Befehl in Event 11 steht, und lassen Sie Ihren Code an dieser Stelle einen "
        "anderen verlangen.",
    )
    forbidden = "from inside a workflow" in problem
    expect(
        "TMPRL1100" in problem,
        wo="Replay von version1.json",
        warum=f"Es bricht, aber nicht am Vergleich mit der History. {'Die Sandbox verbietet' if forbidden else 'Gescheitert ist'} "
        f"eine Zeile Ihres Codes: {problem}",
        weiter="Berichtigen Sie diese Zeile, oder nehmen Sie sie heraus. Der Code soll fehlerfrei sein und nur etwas anderes "
        "verlangen.",
    )
    expect(
        REASON in problem,
        wo="Replay von version1.json, Meldung",
        warum=f"Der Determinismus ist gebrochen, aber an anderer Stelle oder durch anderes: {problem}",
        weiter="Die Meldung nennt, was Ihr Code verlangt, und das Event, das dort steht. Gesucht ist eine Activity, wo "
        "in Event 11 ein Timer steht; davor bleibt alles, wie es war.",
    )


async def neuer_auftrag(bench: Bench) -> None:
    """Ein neuer Auftrag läuft durch und lässt sich selbst wieder abspielen."""
    given = [confirm_order, await_driver, hand_over]
    async with bench.worker(WORKFLOW, given=given) as worker:
        run = await worker.execute("OrderWorkflow", "NL-1008")
    expect(
        run.activities == ["confirm_order", "await_driver", "hand_over"]
        and not run.count("TimerStarted"),
        wo="Event History eines neuen Auftrags",
        warum=f"Activities: {', '.join(run.activities)}; Timer: {run.count('TimerStarted')}. Verlangt sind "
        "confirm_order, await_driver, hand_over und kein Timer.",
        weiter="An die Stelle des Wartens tritt genau eine Activity, in jedem neuen Lauf. Ein Aufruf ohne `await` beginnt "
        "nie.",
    )
    expect(
        run.result == "Paket NL-1008",
        wo="Ergebnis eines neuen Auftrags",
        warum=f"Es ist {run.result!r}, erwartet ist die Nummer des Pakets, 'Paket NL-1008'.",
        weiter="Geben Sie weiterhin zurück, was `hand_over` liefert.",
    )
    problem = await bench.replay(WORKFLOW, history=run.history)
    expect(
        problem is None,
        wo="Replay eines neuen Auftrags",
        warum=f"Ihr Code passt nicht einmal zu der History, die er selbst geschrieben hat: {problem}",
        weiter="Der Code soll bei jedem Durchgang dasselbe verlangen. Fragen Sie nicht, ob gerade ein Replay läuft.",
    )


CHECKS = (alter_auftrag, neuer_auftrag)
GIVEN = ("schritte.py", "version1.json")
START_FAILS = "Es gelingt: Ihr Code verlangt bis Event 11 dieselben Befehle"
NEW = (
    "        await workflow.execute_activity(schritte.await_driver, order_id, **STEP)\n"
)
TIMER = "        await workflow.sleep(timedelta(hours=2))\n"
WRONG = (
    Wrong(
        "nur die Dauer geändert",
        changes=((NEW, TIMER.replace("hours=2", "minutes=5")),),
        expected="nicht die Dauer eines Timers",
    ),
    Wrong(
        "Absturz statt Abweichung",
        changes=((NEW, '        raise RuntimeError("Timer gibt es nicht mehr")\n'),),
        expected="Gescheitert ist eine Zeile Ihres Codes: Timer gibt es nicht mehr",
    ),
    Wrong(
        "Sandbox verletzt",
        changes=(
            (
                "from datetime import timedelta\n",
                "from datetime import datetime, timedelta\n",
            ),
            (NEW, f"        datetime.now()\n{NEW}"),
        ),
        expected="Die Sandbox verbietet eine Zeile Ihres Codes",
    ),
    Wrong(
        "Timer nur gestrichen",
        changes=((NEW, ""),),
        expected="Activities: confirm_order, hand_over; Timer: 0",
    ),
    Wrong(
        "nach dem Replay gefragt",
        changes=(
            (
                NEW,
                f"        if not workflow.unsafe.is_replaying():\n            await workflow.sleep(timedelta(hours=2))\n        else:\n    {NEW}",
            ),
        ),
        expected="neuer_auftrag",
    ),
)
