"""Prüfungen zu „Klinik: Abbruch verschluckt“."""

import asyncio
from collections import Counter
from collections.abc import Awaitable
from typing import Any, TypeVar

from temporalio import activity
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHandle, WorkflowHistory
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from dauerlauf.exercises import Bench, Failed, Run, Running, Wrong, expect
from dauerlauf.history import event_name, load

WORKFLOW = "workflow:OrderWorkflow"
LIMIT = 15.0
"""Sekunden Echtzeit, in denen ein abgebrochener Lauf endet."""
T = TypeVar("T")
CANCEL = "WorkflowExecutionCancelRequested"
QUIET = ApplicationErrorCategory.BENIGN
"""Was zur Übung gehört, steht nicht im Log."""


ORDERS = {
    "NL-4410": "charge",
    "NL-4502": "sleep",
    "NL-4601": "reserve",
    "NL-4602": "release",
    "NL-4603": "paid",
    "NL-4604": "declined",
}
"""Was jedem Auftrag geschieht: wo er stehen bleibt, oder ob er bezahlt oder abgelehnt wird."""


class Shop:
    """Lager und Zahlung des Prüfers."""

    def __init__(self) -> None:
        self.stock: set[str] = set()
        self.calls: Counter[tuple[str, str]] = Counter()
        self.busy: dict[str, asyncio.Event] = {}
        self.go: dict[str, asyncio.Event] = {}

    @activity.defn
    async def reserve_stock(self, order_id: str) -> None:
        self.stock.add(order_id)
        await self._step("reserve", order_id)

    @activity.defn
    async def charge_payment(self, order_id: str) -> None:
        await self._step("charge", order_id)
        kind, first = ORDERS[order_id], self.calls["charge", order_id] == 1
        if kind != "charge" and (first or kind != "paid"):
            raise ApplicationError("Die Bank lehnt ab.", category=QUIET)

    @activity.defn
    async def release_stock(self, order_id: str) -> None:
        await self._step("release", order_id)
        if ORDERS[order_id] == "release" and self.calls["release", order_id] == 1:
            raise ApplicationError("Das Lager antwortet nicht.", category=QUIET)
        self.stock.discard(order_id)

    async def _step(self, step: str, order_id: str) -> None:
        self.calls[step, order_id] += 1
        if ORDERS[order_id] == step and self.calls[step, order_id] == 1:
            self.event(self.busy, order_id).set()
            await self.event(self.go, order_id).wait()

    @staticmethod
    def event(events: dict[str, asyncio.Event], order_id: str) -> asyncio.Event:
        return events.setdefault(order_id, asyncio.Event())

    async def stands(self, order_id: str) -> None:
        """Kehrt zurück, sobald der Auftrag dort steht, wo er stehen bleiben soll."""
        await asyncio.wait_for(self.event(self.busy, order_id).wait(), LIMIT)

    @property
    def given(self) -> list[Any]:
        return [self.reserve_stock, self.charge_payment, self.release_stock]


async def record(bench: Bench) -> dict[str, WorkflowHistory]:
    """Ein Lauf, der nach dem Abbruch weiterläuft, und einer, der nichts freigibt."""
    shop = Shop()
    async with bench.worker(WORKFLOW, given=shop.given) as worker:
        with bench.timelapse.unskipped():
            one = await worker.start("OrderWorkflow", "NL-4410", id="auftrag-NL-4410")
            two = await worker.start("OrderWorkflow", "NL-4502", id="auftrag-NL-4502")
        await shop.stands("NL-4410")
        await one.cancel()
        await worker.reached(one, "TimerStarted")
        await worker.reached(two, "TimerStarted")
        await two.cancel()
        return {
            "lauf_a.json": await one.fetch_history(),
            "lauf_b.json": (await worker.end(two)).history,
        }


def _truth(bench: Bench) -> dict[str, tuple[object, str]]:
    """Was die Aufzeichnungen sagen, je Feld mit dem Weg dorthin."""
    events = load(bench.source / "lauf_a.json").events
    cancel = next(event.event_id for event in events if event_name(event) == CANCEL)
    after = next(
        event.event_id
        for event in events
        if event.event_id > cancel
        and event_name(event) in ("TimerStarted", "ActivityTaskScheduled")
    )
    return {
        "a_abbruch": (
            cancel,
            "Der Abbruch ist in der History ein Event vom Typ WORKFLOW_EXECUTION_CANCEL_REQUESTED.",
        ),
        "a_danach": (
            after,
            "Nach dem Abbruch darf nur noch aufgeräumt werden. Welches Event gehört nicht dazu?",
        ),
        "b_fehlt": (
            "release_stock",
            "Vergleichen Sie, welche Activities vor dem Abbruch liefen und welche danach.",
        ),
    }


async def diagnose(bench: Bench) -> None:
    """Ihre Diagnose stimmt mit den beiden Aufzeichnungen überein."""
    answers = bench.answers()
    for field, (truth, weiter) in _truth(bench).items():
        given, wo = answers.get(field, ""), f"antwort.toml, Feld „{field}“"
        expect(
            given not in ("", -1),
            wo=wo,
            warum="Hier steht noch keine Antwort.",
            weiter=weiter,
        )
        expect(
            given == truth,
            wo=wo,
            warum=f"Sie nennen „{given}“; die Aufzeichnung sagt etwas anderes.",
            weiter=weiter,
        )


async def ohne_abbruch(bench: Bench) -> None:
    """Ohne Abbruch bleibt alles, wie es war: bezahlt oder nach drei Ablehnungen aufgegeben."""
    shop = Shop()
    async with bench.worker(WORKFLOW, given=shop.given) as worker:
        paid, declined = await _all(
            worker.execute("OrderWorkflow", "NL-4603"),
            worker.attempt("OrderWorkflow", "NL-4604"),
        )
    expect(
        paid.result == "NL-4603 bezahlt" and "NL-4603" in shop.stock,
        wo="Ein Auftrag, dessen Zahlung am zweiten Tag gelingt",
        warum=f"Er endet mit {paid.result!r}; seine Ware ist "
        f"{'zurückgelegt' if 'NL-4603' in shop.stock else 'wieder frei, obwohl sie bezahlt ist'}.",
        weiter="Freigegeben wird nur, wenn aus dem Auftrag nichts wird.",
    )
    kind = getattr(declined.error, "type", None)
    expect(
        kind == "ZahlungAbgelehnt" and "NL-4604" not in shop.stock,
        wo="Ein Auftrag, den die Bank dreimal ablehnt",
        warum=f"Er endet {declined.status} mit dem Typ {kind}; abgebucht wurde "
        f"{shop.calls['charge', 'NL-4604']}-mal versucht.",
        weiter="Eine Ablehnung ist kein Abbruch: Drei Tage wird es versucht, dann wird freigegeben, und der Lauf scheitert.",
    )


async def abbruch(bench: Bench) -> None:
    """Abgebrochen endet der Auftrag, gleich an welcher Stelle, und die Ware ist frei."""
    shop = Shop()
    async with bench.worker(WORKFLOW, given=shop.given) as worker:
        await _all(
            _cancelled(bench, worker, shop, "NL-4601", "während `reserve_stock`"),
            _cancelled(bench, worker, shop, "NL-4410", "während `charge_payment`"),
            _cancelled(bench, worker, shop, "NL-4502", "während der Pause bis morgen"),
        )
        # Dreimal abgelehnt, im Zeitraffer; der Abbruch kommt, während schon freigegeben wird.
        handle = await worker.start("OrderWorkflow", "NL-4602")
        await shop.stands("NL-4602")
        events = (await handle.fetch_history()).events
        tasks = [event_name(event) for event in events].count("WorkflowTaskCompleted")
        await handle.cancel()
        await worker.reached(handle, "WorkflowTaskCompleted", tasks + 1)
        shop.event(shop.go, "NL-4602").set()
        run = await worker.end(handle)
    expect(
        "NL-4602" not in shop.stock,
        wo="Abbruch während `release_stock`, nach drei Ablehnungen",
        warum=f"Der Lauf endet {run.status}, und die Ware bleibt zurückgelegt: Der erste Versuch, sie freizugeben, scheiterte, "
        "und der Abbruch hat den zweiten verhindert.",
        weiter="Das Aufräumen darf der Abbruch nicht treffen, und der Workflow darf nicht enden, bevor es fertig ist.",
    )


async def _all(*runs: Awaitable[T]) -> list[T]:
    """Wartet auf alle Läufe, auch wenn einer scheitert; wirft dann den ersten Fehler."""
    found = await asyncio.gather(*runs, return_exceptions=True)
    for one in found:
        if isinstance(one, BaseException):
            raise one
    return found  # type: ignore[return-value]


async def _cancelled(
    bench: Bench, worker: Running, shop: Shop, order_id: str, moment: str
) -> None:
    with bench.timelapse.unskipped():
        handle = await worker.start("OrderWorkflow", order_id)
    if ORDERS[order_id] == "sleep":
        await worker.reached(handle, "TimerStarted")
    else:
        await shop.stands(order_id)
    await handle.cancel()
    wo = f"Abbruch {moment}"
    try:
        await asyncio.wait_for(_watch(handle, wo), LIMIT)
    except TimeoutError:
        raise Failed(
            wo=wo,
            warum="Der Lauf endet nicht.",
            weiter="Sehen Sie nach, wer den Abbruch fängt.",
        ) from None
    run = await worker.end(handle)
    _expect_cancelled(run, wo, freed=order_id not in shop.stock)


async def _watch(handle: WorkflowHandle[Any, Any], wo: str) -> None:
    """Kehrt zurück, wenn der Lauf endet; `Failed`, wenn er nach dem Abbruch neue Arbeit beginnt."""
    cancel: int | None = None
    async for event in handle.fetch_history_events(wait_new_event=True):
        if event_name(event) == CANCEL:
            cancel = event.event_id
        elif cancel is not None and (new := _new_work(event)):
            raise Failed(
                wo=f"{wo}, Event {event.event_id}",
                warum=f"Der Abbruch steht als Event {cancel} in der History, und danach beginnt der Lauf noch {new}. "
                "Er hat den Abbruch für eine Ablehnung gehalten.",
                weiter="In welcher Gestalt kommt der Abbruch an, wenn gerade eine Activity läuft? Sehen Sie sich die Ausnahme "
                "und ihre Ursache an.",
            )


def _new_work(event: HistoryEvent) -> str:
    if event_name(event) == "TimerStarted":
        return "einen Timer"
    name = event.activity_task_scheduled_event_attributes.activity_type.name
    return f"`{name}`" if name and name != "release_stock" else ""


def _expect_cancelled(run: Run, wo: str, *, freed: bool) -> None:
    expect(
        run.status == "CANCELED",
        wo=wo,
        warum=f"Der Lauf endet {run.status} statt CANCELED. Wer ihn abgebrochen hat, erfährt nicht, dass es gewirkt hat.",
        weiter="Nach dem Aufräumen geht die Ausnahme weiter, so wie sie kam.",
    )
    expect(
        freed,
        wo=wo,
        warum="Der Lauf ist beendet, die Ware bleibt zurückgelegt. Seine Activities: "
        f"{', '.join(run.activities)}.",
        weiter="Fragen Sie sich, ab welcher Zeile Ware zurückgelegt sein kann und welche Ausnahmen von dort bis zum Ende "
        "entkommen.",
    )


CHECKS = (diagnose, ohne_abbruch, abbruch)
GIVEN = ("dienste.py", "lauf_a.json", "lauf_b.json")
START_FAILS = "Hier steht noch keine Antwort."
RESERVE = "            await workflow.execute_activity(dienste.reserve_stock, order_id, **STEP)\n"
LOOP = """        while not release.done():
            try:
                await asyncio.shield(release)
            except asyncio.CancelledError:
                continue
        release.result()
"""
WRONG = (
    Wrong(
        "nur an CancelledError gedacht",
        changes=(
            (
                "if is_cancelled_exception(error)",
                "if isinstance(error, asyncio.CancelledError)",
            ),
        ),
        expected="Er hat den Abbruch für eine Ablehnung gehalten",
    ),
    Wrong(
        "als Ergebnis zurückgegeben",
        changes=(
            (
                "            await self._release(order_id)\n            raise\n",
                "            await self._release(order_id)\n            if workflow.cancellation_reason() is None:\n"
                "                raise\n            return 'abgebrochen'\n",
            ),
        ),
        expected="statt CANCELED",
    ),
    Wrong(
        "Zurücklegen vor dem try",
        changes=(("        try:\n" + RESERVE, RESERVE[4:] + "        try:\n"),),
        expected="Abbruch während `reserve_stock`",
    ),
    Wrong(
        "abgeschirmt, aber nicht gewartet",
        changes=((LOOP, "        await asyncio.shield(release)\n"),),
        expected="hat den zweiten verhindert",
    ),
    Wrong(
        "immer freigegeben",
        changes=(
            (
                "        except (Exception, asyncio.CancelledError):\n            await self._release(order_id)\n"
                "            raise\n",
                "        finally:\n            await self._release(order_id)\n",
            ),
        ),
        expected="wieder frei, obwohl sie bezahlt ist",
    ),
)
