"""Prüfungen zu „Kompensation zu spät vorgemerkt“."""

from temporalio import activity

from dauerlauf.exercises import Bench, Run, Wrong, expect
from dauerlauf.faults import ActivityAction, ActivityFault, FaultPlan

EVERY_ATTEMPT = (1, 2)


class Ledger:
    """Die Buchführung des Prüfers: was gilt und was der Reihe nach geschah."""

    def __init__(self) -> None:
        self.stock: set[str] = set()
        self.payments: set[str] = set()
        self.calls: list[str] = []

    @activity.defn
    async def reserve_stock(self, order_id: str) -> None:
        self.calls.append("reserve_stock")
        self.stock.add(order_id)

    @activity.defn
    async def release_stock(self, order_id: str) -> None:
        self.calls.append("release_stock")
        self.stock.discard(order_id)

    @activity.defn
    async def charge_payment(self, order_id: str) -> None:
        self.calls.append("charge_payment")
        self.payments.add(order_id)

    @activity.defn
    async def refund_payment(self, order_id: str) -> None:
        self.calls.append("refund_payment")
        self.payments.discard(order_id)

    @activity.defn
    async def ship_parcel(self, order_id: str) -> str:
        self.calls.append("ship_parcel")
        return f"Paket {order_id}"

    @property
    def undone(self) -> list[str]:
        """Die Kompensationen in ihrer Reihenfolge."""
        return [
            call for call in self.calls if call in ("release_stock", "refund_payment")
        ]


async def _order(bench: Bench, *faults: ActivityFault) -> tuple[Run, Ledger]:
    ledger = Ledger()
    given = [
        ledger.reserve_stock,
        ledger.release_stock,
        ledger.charge_payment,
        ledger.refund_payment,
        ledger.ship_parcel,
    ]
    async with bench.worker(
        "workflow:OrderWorkflow", given=given, plan=FaultPlan(faults)
    ) as worker:
        return await worker.attempt("OrderWorkflow", "NL-1007"), ledger


def _expect_failed(run: Run, what: str) -> None:
    expect(
        run.status == "FAILED",
        wo=f"Status des Workflows, wenn {what}",
        warum=f"Er endet {run.status}. Wer den Auftrag gab, hält ihn für ausgeführt.",
        weiter="Werfen Sie den Fehler weiter, wenn alles zurückgenommen ist.",
    )


def _expect_limit(ledger: Ledger, what: str) -> None:
    expect(
        "ship_parcel" not in ledger.calls,
        wo=f"Versuche, wenn {what}",
        warum=f"Nach {len(EVERY_ATTEMPT)} Versuchen soll der Schritt aufgeben. Ihr Workflow machte weiter und rief "
        "`ship_parcel` auf.",
        weiter="Lassen Sie die Retry-Policy in `STEP`, wie sie war. Mehr Versuche machen den Verlust nur seltener.",
    )


async def glatt(bench: Bench) -> None:
    """Gelingt jeder Schritt, wird nichts kompensiert."""
    run, ledger = await _order(bench)
    expect(
        run.status == "COMPLETED" and not ledger.undone,
        wo="Ein Auftrag ohne Störung",
        warum=f"Er endet {run.status}, kompensiert wurde: {', '.join(ledger.undone) or 'nichts'}.",
        weiter="Kompensationen laufen nur, wenn ein Schritt scheitert.",
    )


async def versand_scheitert(bench: Bench) -> None:
    """Lehnt der Versand ab, wird in umgekehrter Reihenfolge zurückgenommen."""
    run, ledger = await _order(
        bench, ActivityFault("ship_parcel", ActivityAction.REJECT)
    )
    _expect_failed(run, "der Versand ablehnt")
    expect(
        ledger.undone == ["refund_payment", "release_stock"],
        wo="Reihenfolge der Kompensationen",
        warum=f"Sie war: {', '.join(ledger.undone) or 'keine'}. Zuletzt Gebuchtes wird zuerst zurückgenommen.",
        weiter="Gehen Sie die vorgemerkten Kompensationen rückwärts durch.",
    )


async def antwort_des_lagers_verloren(bench: Bench) -> None:
    """Geht jede Antwort des Lagers verloren, bleibt keine Reservierung stehen."""
    lost = ActivityFault(
        "reserve_stock", ActivityAction.LOSE_COMPLETION, attempts=EVERY_ATTEMPT
    )
    run, ledger = await _order(bench, lost)
    _expect_limit(ledger, "jede Antwort des Lagers verloren geht")
    _expect_failed(run, "jede Antwort des Lagers verloren geht")
    expect(
        not ledger.stock,
        wo="Lager, nach dem Ende des Workflows",
        warum="Die Ware ist noch reserviert. `reserve_stock` hat gewirkt, nur die Antwort fehlte; die Kompensation war "
        "nicht vorgemerkt.",
        weiter="Überlegen Sie, an welcher Stelle der Workflow spätestens wissen muss, dass es etwas zurückzunehmen geben "
        "kann.",
    )
    expect(
        "refund_payment" not in ledger.undone,
        wo="Kompensationen, wenn schon das Lager scheitert",
        warum="`refund_payment` lief, obwohl die Zahlung nie begonnen hat.",
        weiter="Merken Sie jede Kompensation unmittelbar vor ihrem Schritt vor, nicht alle am Anfang.",
    )


async def antwort_der_zahlung_verloren(bench: Bench) -> None:
    """Geht jede Antwort der Zahlung verloren, wird erstattet und freigegeben."""
    lost = ActivityFault(
        "charge_payment", ActivityAction.LOSE_COMPLETION, attempts=EVERY_ATTEMPT
    )
    run, ledger = await _order(bench, lost)
    _expect_limit(ledger, "jede Antwort der Zahlung verloren geht")
    _expect_failed(run, "jede Antwort der Zahlung verloren geht")
    left = ["Geld abgebucht"] * bool(ledger.payments)
    left += ["Ware reserviert"] * bool(ledger.stock)
    expect(
        not left,
        wo="Konto und Lager, nach dem Ende des Workflows",
        warum=f"Der Auftrag ist gescheitert, doch es steht noch da: {', '.join(left)}.",
        weiter="Auch die Zahlung kann gewirkt haben, obwohl ihr Aufruf scheitert.",
    )


CHECKS = (
    glatt,
    versand_scheitert,
    antwort_des_lagers_verloren,
    antwort_der_zahlung_verloren,
)
GIVEN = ("dienste.py",)
START_FAILS = "antwort_des_lagers_verloren"
RELEASE = "            undo.append(dienste.release_stock)\n"
REFUND = "            undo.append(dienste.refund_payment)\n"
RESERVE = "            await workflow.execute_activity(dienste.reserve_stock, order_id, **STEP)\n"
CHARGE = "            await workflow.execute_activity(dienste.charge_payment, order_id, **STEP)\n"
WRONG = (
    Wrong(
        "nur das Lager repariert",
        changes=((REFUND + CHARGE, CHARGE + REFUND),),
        expected="doch es steht noch da: Geld abgebucht",
    ),
    Wrong(
        "alles am Anfang vorgemerkt",
        changes=((RELEASE + RESERVE + REFUND, RELEASE + REFUND + RESERVE),),
        expected="obwohl die Zahlung nie begonnen hat",
    ),
    Wrong(
        "vorwärts kompensiert",
        changes=(("reversed(undo)", "undo"),),
        expected="Reihenfolge der Kompensationen",
    ),
    Wrong(
        "Fehler verschluckt",
        changes=(("            raise\n", '            return "zurückgenommen"\n'),),
        expected="hält ihn für ausgeführt",
    ),
    Wrong(
        "Versuche ohne Grenze",
        changes=(("RetryPolicy(maximum_attempts=2)", "RetryPolicy()"),),
        expected="Mehr Versuche machen den Verlust nur seltener",
    ),
)
