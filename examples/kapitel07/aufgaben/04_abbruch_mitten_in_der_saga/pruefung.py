"""Prüfungen zu „Abbruch mitten in der Saga“."""

from collections import defaultdict
from collections.abc import Sequence

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from dauerlauf.exercises import Bench, Run, Wrong, expect
from dauerlauf.faults import FaultPlan, Moment, WorkflowAction, WorkflowFault
from dauerlauf.history import event_name
from dauerlauf.together import together

STEPS = ("reserve_stock", "charge_payment", "ship_parcel")
UNDO = ("recall_parcel", "refund_payment", "release_stock")
WAIT = "in der Wartezeit"
REJECTION = "Helgoland wird nicht beliefert."
LEFT = {
    "reserve_stock": "Ware reserviert",
    "charge_payment": "49,90 € abgebucht",
    "ship_parcel": "Paket beim Fahrer",
}
# Im dritten Workflow-Task sind beide Buchungen fertig, und der Timer beginnt.
WHILE_WAITING = FaultPlan(
    workflow=(WorkflowFault(WorkflowAction.CANCEL, task=3, moment=Moment.END),)
)
UNDOES = dict(zip(reversed(UNDO), STEPS, strict=True))


async def _cancel() -> None:
    """Bricht den Workflow ab und wartet, bis sein Code den Abbruch gesehen hat."""
    handle = activity.client().get_workflow_handle(str(activity.info().workflow_id))
    await handle.cancel()
    requested = False
    async for event in handle.fetch_history_events(wait_new_event=True):
        requested |= event_name(event) == "WorkflowExecutionCancelRequested"
        if requested and event_name(event) == "WorkflowTaskCompleted":
            return


class Ledger:
    """Die Buchführung des Prüfers, je Auftrag.

    `cancels` nennt die Activity, während der ein Auftrag abgebrochen wird; in `rejects` lehnt der Versand ab.
    """

    def __init__(
        self, cancels: dict[str, str] | None = None, rejects: Sequence[str] = ()
    ) -> None:
        self._cancels = cancels or {}
        self._rejects = rejects
        self.booked: defaultdict[str, set[str]] = defaultdict(set)
        self.undone: defaultdict[str, list[str]] = defaultdict(list)

    async def _do(self, order_id: str) -> str:
        name = activity.info().activity_type
        if self._cancels.get(order_id) == name:
            await _cancel()
        if name == "ship_parcel" and order_id in self._rejects:
            raise ApplicationError(
                REJECTION,
                type="Abgelehnt",
                non_retryable=True,
                category=ApplicationErrorCategory.BENIGN,
            )
        self.booked[order_id].add(name)
        return f"{name} {order_id}"

    async def _undo(self, order_id: str) -> None:
        name = activity.info().activity_type
        if self._cancels.get(order_id) == name:
            await _cancel()
        self.booked[order_id].discard(UNDOES[name])
        self.undone[order_id].append(name)

    @activity.defn
    async def reserve_stock(self, order_id: str) -> str:
        return await self._do(order_id)

    @activity.defn
    async def release_stock(self, order_id: str) -> None:
        await self._undo(order_id)

    @activity.defn
    async def charge_payment(self, order_id: str) -> str:
        return await self._do(order_id)

    @activity.defn
    async def refund_payment(self, order_id: str) -> None:
        await self._undo(order_id)

    @activity.defn
    async def ship_parcel(self, order_id: str) -> str:
        return await self._do(order_id)

    @activity.defn
    async def recall_parcel(self, order_id: str) -> None:
        await self._undo(order_id)

    def left(self, order_id: str) -> str:
        """Was zu einem Auftrag noch gebucht ist, in Worten; leer, wenn nichts."""
        return ", ".join(LEFT[step] for step in STEPS if step in self.booked[order_id])


async def _orders(
    bench: Bench, ledger: Ledger, *orders: str, plan: FaultPlan | None = None
) -> dict[str, Run]:
    given = [getattr(ledger, name) for name in STEPS + UNDO]
    async with bench.worker("workflow:OrderWorkflow", given=given, plan=plan) as worker:
        runs = (worker.attempt("OrderWorkflow", order) for order in orders)
        return dict(zip(orders, await together(*runs), strict=True))


def _expect_nothing_left(ledger: Ledger, order: str, moment: str, run: Run) -> None:
    undone = ", ".join(ledger.undone[order]) or "nichts"
    expect(
        not ledger.left(order),
        wo=f"Bücher nach einem Abbruch {moment}",
        warum=f"Der Workflow endet {run.status}, doch es steht noch da: {ledger.left(order)}. Kompensiert wurde: {undone}.",
        weiter="Der Abbruch hat den Rückweg nicht erreicht: Welche Klasse hat die Ausnahme, und fängt Ihre Zeile sie? Zwei "
        "Klassen heißen `CancelledError`, eine in `asyncio`, eine in `temporalio.exceptions`."
        if not ledger.undone[order] and moment == WAIT
        else "Etwas hat den Rückweg unterbrochen. Verfolgen Sie, welches `await` beim Abbruch gerade wartete und wer "
        "nach seiner Ausnahme weitermacht.",
    )


async def ohne_abbruch(bench: Bench) -> None:
    """Ohne Abbruch bleibt alles, wie es war."""
    ledger = Ledger(rejects=["NL-2"])
    runs = await _orders(bench, ledger, "NL-1", "NL-2")
    expect(
        runs["NL-1"].status == "COMPLETED" and not ledger.undone["NL-1"],
        wo="Ein Auftrag ohne Störung",
        warum=f"Er endet {runs['NL-1'].status} und kompensiert: {', '.join(ledger.undone['NL-1']) or 'nichts'}.",
        weiter="Zurückgenommen wird nur nach einem Fehler oder einem Abbruch.",
    )
    expect(
        runs["NL-1"].count("TimerStarted"),
        wo="Event History eines Auftrags ohne Störung",
        warum="Darin steht kein TimerStarted; die 30 Minuten, in denen jeder absagen darf, gibt es nicht mehr.",
        weiter="Lassen Sie die Wartezeit stehen; ergänzen Sie nur die drei Lücken.",
    )
    rejected, wo = runs["NL-2"], "Ein Auftrag, den der Versand ablehnt"
    expect(
        ledger.undone["NL-2"] == list(UNDO),
        wo=wo,
        warum=f"Er endet {rejected.status} und kompensiert: {', '.join(ledger.undone['NL-2']) or 'nichts'}. Verlangt sind: "
        f"{', '.join(UNDO)}.",
        weiter="Auch ein gescheiterter Schritt führt auf den Rückweg, und `run` wartet dessen Ende ab.",
    )
    expect(
        rejected.status == "FAILED" and REJECTION in rejected.reason,
        wo=wo,
        warum=f"Er endet {rejected.status}, Grund: {rejected.reason or 'keiner'}. Hier hat niemand abgebrochen; verlangt ist "
        f"FAILED, Grund: {REJECTION}",
        weiter="Unterscheiden Sie am Ende: Mit Abbruch ist es CANCELED, sonst der Fehler des Schritts.",
    )


async def abbruch_vorwaerts(bench: Bench) -> None:
    """Ein Abbruch in der Wartezeit oder in einem Schritt nimmt alles zurück und endet CANCELED."""
    moments = {f"NL-{number}": name for number, name in enumerate(STEPS, start=3)}
    moments["NL-6"] = "ship_parcel"
    ledger = Ledger(cancels=moments, rejects=["NL-6"])
    in_steps, in_timer = await together(
        _orders(bench, ledger, *moments),
        _orders(bench, ledger, "NL-7", plan=WHILE_WAITING),
    )
    runs = in_steps | in_timer
    for order in ("NL-7", *moments):
        run = runs[order]
        moment = f"während `{moments[order]}`" if order in moments else WAIT
        if order == "NL-6":
            moment += ", das danach ablehnt"
        _expect_nothing_left(ledger, order, moment, run)
        expect(
            run.status == "CANCELED",
            wo=f"Status nach einem Abbruch {moment}",
            warum=f"Er ist {run.status}. Zurückgenommen ist alles, aber der Kundendienst, der abgebrochen hat, liest etwas "
            "anderes.",
            weiter="Die gefangene Ausnahme sagt nicht, ob jemand abgebrochen hat: Hier ist sie der Fehler des Schritts. Fragen "
            "Sie `workflow.cancellation_reason()`; ohne Begründung ist das ein leerer Text, ohne Abbruch `None`."
            if order == "NL-6" and run.status == "FAILED"
            else "CANCELED wird ein Workflow, der nach einem Abbruch mit `asyncio.CancelledError` endet; mit einer anderen "
            "Ausnahme oder einem Ergebnis nicht.",
        )


async def abbruch_rueckwaerts(bench: Bench) -> None:
    """Ein Abbruch auf dem Rückweg hält ihn nicht auf."""
    moments = {f"NL-{number}": name for number, name in enumerate(UNDO, start=8)}
    ledger = Ledger(cancels=moments, rejects=list(moments))
    runs = await _orders(bench, ledger, *moments)
    for order, name in moments.items():
        run, moment = runs[order], f"auf dem Rückweg, während `{name}`"
        _expect_nothing_left(ledger, order, moment, run)
        expect(
            run.status in ("FAILED", "CANCELED"),
            wo=f"Status nach einem Abbruch {moment}",
            warum=f"Er ist {run.status}, obwohl nichts versandt ist.",
            weiter="Beenden Sie `run` nach dem Zurücknehmen immer mit einer Ausnahme.",
        )


CHECKS = (ohne_abbruch, abbruch_vorwaerts, abbruch_rueckwaerts)
GIVEN = ("dienste.py",)
START_FAILS = "Bücher nach einem Abbruch in der Wartezeit"
CATCH = "except (ActivityError, asyncio.CancelledError):"
LOOP = """    while not task.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.shield(task)
"""
CANCELED = """            if cancelled:
                raise asyncio.CancelledError from None
            raise
"""
WRONG = (
    Wrong(
        "except Exception",
        changes=((CATCH, "except Exception:"),),
        expected="Bücher nach einem Abbruch in der Wartezeit",
    ),
    Wrong(
        "abgesagt als Ergebnis",
        changes=(("raise asyncio.CancelledError from None", 'return "abgesagt"'),),
        expected="Er ist COMPLETED",
    ),
    Wrong(
        "nur weitergeworfen",
        changes=((CANCELED, "            raise\n"),),
        expected="ohne Begründung ist das ein leerer Text",
    ),
    Wrong(
        "nur abgeschirmt, nicht gewartet",
        changes=((LOOP, "    await asyncio.shield(task)\n"),),
        expected="Etwas hat den Rückweg unterbrochen",
    ),
    Wrong(
        "immer CancelledError",
        changes=((CANCELED, "            raise asyncio.CancelledError\n"),),
        expected="Hier hat niemand abgebrochen",
    ),
)
