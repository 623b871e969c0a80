"""Prüfungen zu „Eine Kompensation, die nicht aufgeben darf“."""

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta

from temporalio import activity
from temporalio.api.enums.v1 import RetryState
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from dauerlauf.exercises import Bench, Failed, Run, Wrong, expect
from dauerlauf.together import together

PER_ATTEMPT = timedelta(seconds=10)
UNDO = ("release_stock", "refund_payment")
AMOUNT = "49,90 €"


def _unreachable(text: str, kind: str) -> ApplicationError:
    # BENIGN ändert nichts am Ablauf; das SDK schreibt nur keinen Traceback ins Log.
    return ApplicationError(text, type=kind, category=ApplicationErrorCategory.BENIGN)


class Ledger:
    """Die Buchführung des Prüfers, je Auftrag, und wie oft die Bank noch ausfällt."""

    def __init__(
        self, without_driver: set[str], outages: Mapping[str, int] | None = None
    ) -> None:
        self.stock: set[str] = set()
        self.payments: set[str] = set()
        self.calls: Counter[tuple[str, str]] = Counter()
        self._without_driver = without_driver
        self._outages = outages or {}

    def _call(self, what: str, order_id: str) -> int:
        self.calls[what, order_id] += 1
        return self.calls[what, order_id]

    @activity.defn
    async def reserve_stock(self, order_id: str) -> None:
        self.stock.add(order_id)

    @activity.defn
    async def release_stock(self, order_id: str) -> None:
        self.stock.discard(order_id)

    @activity.defn
    async def charge_payment(self, order_id: str) -> None:
        self.payments.add(order_id)

    @activity.defn
    async def refund_payment(self, order_id: str) -> None:
        if self._call("refund_payment", order_id) <= self._outages.get(order_id, 0):
            raise _unreachable("Die Bank antwortet nicht.", "KeineAntwort")
        self.payments.discard(order_id)

    @activity.defn
    async def ship_parcel(self, order_id: str) -> str:
        self._call("ship_parcel", order_id)
        if order_id in self._without_driver:
            raise _unreachable("Kein Fahrer frei.", "KeinFahrer")
        return f"Paket {order_id}"


async def _orders(
    bench: Bench, ledger: Ledger, *orders: str, limit: float = 20.0
) -> list[Run]:
    given = [
        ledger.reserve_stock,
        ledger.release_stock,
        ledger.charge_payment,
        ledger.refund_payment,
        ledger.ship_parcel,
    ]
    async with bench.worker("workflow:OrderWorkflow", given=given) as worker:
        runs = (worker.attempt("OrderWorkflow", order, limit=limit) for order in orders)
        return await together(*runs)


def _gave_up(run: Run) -> str:
    """Woran die letzte Kompensation scheiterte, nach der Event History."""
    scheduled = {
        event.event_id: event.activity_task_scheduled_event_attributes.activity_type.name
        for event in run.history.events
    }
    for event in reversed(run.history.events):
        failed = event.activity_task_failed_event_attributes
        timed_out = event.activity_task_timed_out_event_attributes
        ended = failed.scheduled_event_id or timed_out.scheduled_event_id
        if scheduled.get(ended) not in UNDO:
            continue
        # Auch wenn nur die nächste Pause nicht mehr in die Frist passt, endet der Aufruf; der Retry-State nennt sie.
        state = max(failed.retry_state, timed_out.retry_state)
        because = (
            "Die Frist `schedule_to_close_timeout` über alle Versuche"
            if state == RetryState.RETRY_STATE_TIMEOUT
            else "Die Zahl der Versuche, `maximum_attempts`,"
        )
        return f"{because} war erschöpft (Event {event.event_id}, `{scheduled[ended]}`, Feld retryState)."
    return "Ein gescheiterter Aufruf einer Kompensation steht nicht in der History."


async def schritt_gibt_auf(bench: Bench) -> None:
    """Ein Schritt gibt nach drei Versuchen auf, dann geht es zurück."""
    ledger = Ledger(without_driver={"NL-2"})
    try:
        good, run = await _orders(bench, ledger, "NL-1", "NL-2", limit=10)
    except Failed:
        if ledger.calls["ship_parcel", "NL-2"] <= 3:
            raise
        raise Failed(
            wo="Activity `ship_parcel`",
            warum=f"Der Versand hat {ledger.calls['ship_parcel', 'NL-2']}-mal abgesagt, und der Workflow fragt immer noch. "
            f"Solange der Schritt nicht aufgibt, wird nichts zurückgenommen; {AMOUNT} bleiben abgebucht.",
            weiter="Der Schritt behält die Grenze, die er hatte; nur die Kompensation verliert ihre.",
        ) from None
    expect(
        good.status == "COMPLETED"
        and "NL-1" in ledger.payments
        and "NL-1" in ledger.stock,
        wo="Ein Auftrag ohne Störung",
        warum=f"Er endet {good.status}; abgebucht ist {AMOUNT if 'NL-1' in ledger.payments else 'nichts'}.",
        weiter="Ändern Sie nur die Grenzen, nicht den Ablauf.",
    )
    tries = max(run.attempts("ship_parcel"), default=0)
    expect(
        tries == 3,
        wo="Activity `ship_parcel`, wenn kein Fahrer frei ist",
        warum=f"Sie endet mit Versuch {tries}; vorgesehen sind drei Versuche.",
        weiter="Lassen Sie die Grenzen der Schritte, wie sie sind.",
    )
    _expect_failed(run, "NL-2")
    expect(
        "NL-2" not in ledger.payments | ledger.stock,
        wo="Konto und Lager, nach dem Ende des Workflows",
        warum="Der Versand hat abgesagt, die Dienste sind gesund, und trotzdem ist nicht alles zurückgenommen.",
        weiter="Lassen Sie die Schleife im `except`, wie sie war; nur ihre Optionen sind andere.",
    )


async def bank_faellt_aus(bench: Bench) -> None:
    """Die Bank fällt aus: fünf Versuche lang, und einmal für Stunden."""
    outages = {"NL-3": 5, "NL-4": 18}
    ledger = Ledger(without_driver=set(outages), outages=outages)
    runs = await _orders(bench, ledger, *outages)
    for run, (order, outage) in zip(runs, outages.items(), strict=True):
        left = [
            f"{AMOUNT} abgebucht" if order in ledger.payments else "",
            "Ware reserviert" if order in ledger.stock else "",
        ]
        expect(
            not any(left),
            wo=f"Bücher zum Auftrag {order}, nach dem Ende des Workflows",
            warum=f"Dort steht noch: {', '.join(filter(None, left))}. Die Bank hätte beim {outage + 1}. Anruf erstattet, "
            f"gefragt wurde sie {ledger.calls['refund_payment', order]}-mal. {_gave_up(run)}",
            weiter="Suchen Sie in den Optionen der Kompensation jede Angabe, die irgendwann alle Versuche beendet.",
        )
        _expect_failed(run, order)
    for run in runs:
        _expect_no_limit(run)
        _expect_short_attempts(run)


def _expect_failed(run: Run, order: str) -> None:
    expect(
        run.status == "FAILED" and "Kein Fahrer" in run.reason,
        wo=f"Status zum Auftrag {order}",
        warum=f"Er endet {run.status} ({run.reason or 'ohne Fehler'}). Zurückgerollt ist nicht ausgeführt; als Grund gehört "
        "die Absage des Versands dorthin.",
        weiter="Werfen Sie den Fehler des Schritts weiter, wenn alles zurückgenommen ist.",
    )


def _expect_no_limit(run: Run) -> None:
    """Wer in Runden wiederholt, darf die einzelne Runde begrenzen; ein einziger Aufruf darf es nicht."""
    if run.activities.count("refund_payment") > 1:
        return
    for event in run.history.events:
        one = event.activity_task_scheduled_event_attributes
        if one.activity_type.name == "refund_payment":
            attempts = one.retry_policy.maximum_attempts
            deadline = one.schedule_to_close_timeout.ToTimedelta()
            expect(
                not attempts and not deadline,
                wo=f"Event {event.event_id}, `refund_payment`, Feld "
                + ("maximumAttempts" if attempts else "scheduleToCloseTimeout"),
                warum=f"Dort steht {attempts or deadline}. Diesmal hat das gereicht; der nächste Ausfall dauert vielleicht "
                "länger, und dann bleibt das Geld liegen.",
                weiter="Eine großzügige Grenze ist immer noch eine. Geben Sie der Kompensation keine.",
            )


def _expect_short_attempts(run: Run) -> None:
    for event in run.history.events:
        one = event.activity_task_scheduled_event_attributes
        if one.activity_type.name in UNDO:
            timeout = one.start_to_close_timeout.ToTimedelta()
            expect(
                timeout <= PER_ATTEMPT,
                wo=f"Event {event.event_id}, `{one.activity_type.name}`, Feld startToCloseTimeout",
                warum=f"Ein Versuch darf dort {timeout / timedelta(seconds=1):g} s dauern. Stirbt der Worker mitten darin, merkt "
                "es der Server erst danach; so lange liegt das Geld fest.",
                weiter="Ohne Ende ist die Zahl der Versuche, nicht der einzelne Versuch. Lassen Sie ihm seine 10 s.",
            )


CHECKS = (schritt_gibt_auf, bank_faellt_aus)
GIVEN = ("dienste.py",)
START_FAILS = "bank_faellt_aus"
UNLIMITED = "RetryPolicy(initial_interval=timedelta(seconds=10)),\n}\n\n\n@"
LOOP = "                await workflow.execute_activity(step, order_id, **UNDO)\n"
WRONG = (
    Wrong(
        "hundert Versuche",
        changes=(
            (
                UNLIMITED,
                "RetryPolicy(initial_interval=timedelta(seconds=10), maximum_attempts=100),\n}\n\n\n@",
            ),
        ),
        expected="Eine großzügige Grenze ist immer noch eine",
    ),
    Wrong(
        "die Frist vergessen",
        changes=(
            (
                UNLIMITED,
                'RetryPolicy(initial_interval=timedelta(seconds=10)),\n    "schedule_to_close_timeout": timedelta(minutes=10),\n'
                "}\n\n\n@",
            ),
        ),
        expected="`schedule_to_close_timeout` über alle Versuche",
    ),
    Wrong(
        "auch der Schritt ohne Grenze",
        changes=(
            ("initial_interval=timedelta(seconds=10), maximum_attempts=3", ""),
            ('    "schedule_to_close_timeout": timedelta(minutes=10),\n', ""),
        ),
        expected="der Workflow fragt immer noch",
    ),
    Wrong(
        "Fehler der Kompensation übergangen",
        changes=(
            (
                LOOP,
                "                try:\n"
                "                    await workflow.execute_activity(step, order_id, **STEP)\n"
                "                except ActivityError:\n"
                "                    workflow.logger.error('nicht zurückgenommen')\n",
            ),
        ),
        expected="`maximum_attempts`, war erschöpft",
    ),
    Wrong(
        "ein Versuch ohne Ende",
        changes=(
            (
                'UNDO: dict[str, Any] = {\n    "start_to_close_timeout": timedelta(seconds=10)',
                'UNDO: dict[str, Any] = {\n    "start_to_close_timeout": timedelta(days=7)',
            ),
        ),
        expected="Feld startToCloseTimeout",
    ),
)
