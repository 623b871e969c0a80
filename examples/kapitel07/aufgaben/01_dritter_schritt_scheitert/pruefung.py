"""Prüfungen zu „Was steht in der History, wenn der dritte Schritt scheitert?“."""

from collections.abc import Callable, Mapping
from typing import Any

from temporalio import activity

from dauerlauf.exercises import Bench, Question, Wrong
from dauerlauf.faults import ActivityAction, ActivityFault, FaultPlan

STEPS = ("reserve_stock", "charge_payment", "register_parcel", "write_invoice")
UNDO = ("release_stock", "refund_payment", "cancel_parcel", "cancel_invoice")

OUTAGE = FaultPlan(
    (
        ActivityFault("register_parcel", ActivityAction.FAIL_BEFORE, attempts=None),
        ActivityFault("refund_payment", ActivityAction.FAIL_BEFORE),
    )
)


def _service(name: str) -> Callable[..., Any]:
    @activity.defn(name=name)
    async def serve(order_id: str) -> None:
        """Gelingt; was scheitert, bestimmt der Störplan."""

    return serve


async def truth(bench: Bench) -> Mapping[str, Any]:
    """Was der Lauf mit den beiden Störungen wirklich hinterlässt."""
    services = [_service(name) for name in STEPS + UNDO]
    async with bench.worker(
        "workflow:OrderWorkflow", given=services, plan=OUTAGE
    ) as worker:
        run = await worker.attempt("OrderWorkflow", "NL-1007")
    return {
        "rueckweg": run.activities[run.activities.index("register_parcel") + 1 :],
        "versand_attempt": run.attempts("register_parcel")[-1],
        "erstattung_attempt": run.attempts("refund_payment")[-1],
        "failed": run.count("ActivityTaskFailed"),
        "status": run.status,
    }


def _way_back(answer: list[str], truth: Mapping[str, Any]) -> tuple[str, str]:
    real = truth["rueckweg"]
    count = f"Sie nennen {len(answer)} Activities, die History hat {len(real)}."
    steps = [one for one in answer if one in STEPS and one != "write_invoice"]
    if steps:
        return (
            f"`{steps[0]}` ist ein Schritt. Nach dem Fehler laufen nur noch Kompensationen.",
            "Die zweite Spalte von `STEPS` nennt zu jedem Schritt seine Kompensation.",
        )
    if sorted(answer) == sorted(real):
        return (
            "Die Namen stimmen, die Reihenfolge nicht. Die Schleife im `except` geht `reversed(undo)` durch.",
            "Schreiben Sie auf, in welcher Reihenfolge die Liste gefüllt wurde, und lesen Sie sie von hinten.",
        )
    if "cancel_invoice" in answer or "write_invoice" in answer:
        return (
            f"{count} Die Rechnung kam nie an die Reihe: Der Fehler verlässt die `for`-Schleife beim dritten Schritt.",
            "Gehen Sie die Schleife durch: Welche Durchläufe haben begonnen, als sie abbrach?",
        )
    if "cancel_parcel" not in answer:
        return (
            f"{count} Es fehlt die Kompensation zum Schritt, der scheiterte. Er könnte gewirkt haben, ohne dass die "
            "Antwort ankam.",
            "Vergleichen Sie die beiden Zeilen in der `for`-Schleife: Welche kommt zuerst, und welche wirft?",
        )
    return (
        f"{count} Jeder Aufruf hat genau ein Scheduled-Event; ein Retry ist kein neuer Aufruf.",
        "Führen Sie die Liste `undo` auf Papier mit.",
    )


def _parcel(answer: int, truth: Mapping[str, Any]) -> tuple[str, str]:
    return (
        f"Sie nennen {answer}, im Event steht {truth['versand_attempt']}. Jeder Versuch scheitert; endgültig "
        "gescheitert ist der Schritt mit dem letzten, den die Retry-Policy erlaubt.",
        "Suchen Sie die Grenze in `STEP`. Sie zählt Versuche, nicht Wiederholungen.",
    )


def _refund(answer: int, truth: Mapping[str, Any]) -> tuple[str, str]:
    return (
        f"Sie nennen {answer}, im Event steht {truth['erstattung_attempt']}. Der Server schreibt Started erst mit dem "
        "Ausgang und nennt den Versuch, der gelang.",
        "Zählen Sie ab 1: Welcher Versuch gelang laut Aufgabentext?",
    )


def _failed(answer: int, truth: Mapping[str, Any]) -> tuple[str, str]:
    count = f"Sie nennen {answer} Failed-Events, die History hat {truth['failed']}."
    if answer == 0:
        return (
            f"{count} `register_parcel` ist nach dem letzten Versuch endgültig gescheitert; darauf antwortet der Workflow.",
            "Suchen Sie das Event, das den Workflow in den `except`-Zweig bringt.",
        )
    if answer == 2:
        return (
            f"{count} Die Erstattung scheitert einmal und gelingt dann; für die History ist sie gelungen.",
            "Fragen Sie bei jeder Activity, wie sie am Ende ausging, nicht, ob ein Versuch scheiterte.",
        )
    return (
        f"{count} Vier Versuche sind gescheitert, doch "
        "die meisten hat der Server wiederholt; von ihnen erfährt der Workflow nichts.",
        "Fragen Sie bei jedem Fehlversuch: Hat der Workflow deswegen etwas anderes getan?",
    )


def _status(answer: str, truth: Mapping[str, Any]) -> tuple[str, str]:
    reason = {
        "COMPLETED": "So endet er nur, wenn `run` ohne Fehler zurückkehrt.",
        "CANCELED": "So endet er nur, wenn jemand den Abbruch verlangt hat.",
    }.get(answer, "So endet er nur, wenn ihn jemand von außen beendet.")
    return (
        f"Sie nennen {answer}, der Workflow endet {truth['status']}. {reason}",
        "Sehen Sie sich die letzte Zeile von `run` an: Welche Ausnahme ist es?",
    )


QUESTIONS = (
    Question(
        "rueckweg",
        "Welche Activities werden nach register_parcel geplant?",
        list,
        _way_back,
        choices=STEPS + UNDO,
    ),
    Question(
        "versand_attempt", "Mit welchem Versuch endet register_parcel?", int, _parcel
    ),
    Question(
        "erstattung_attempt", "Mit welchem Versuch endet refund_payment?", int, _refund
    ),
    Question(
        "failed", "Wie oft steht ActivityTaskFailed in der History?", int, _failed
    ),
    Question(
        "status",
        "Wie endet der Workflow?",
        str,
        _status,
        choices=("COMPLETED", "FAILED", "CANCELED", "TERMINATED"),
    ),
)
GIVEN = ("workflow.py",)
START_FAILS = "Hier steht noch keine Antwort."
WRONG = (
    Wrong(
        "in der Reihenfolge der Schritte",
        answers={"rueckweg": ["release_stock", "refund_payment", "cancel_parcel"]},
        expected="Die Namen stimmen, die Reihenfolge nicht",
    ),
    Wrong(
        "ohne den gescheiterten Schritt",
        answers={"rueckweg": ["refund_payment", "release_stock"]},
        expected="Kompensation zum Schritt, der scheiterte",
    ),
    Wrong(
        "auch was nie begann",
        answers={
            "rueckweg": [
                "cancel_invoice",
                "cancel_parcel",
                "refund_payment",
                "release_stock",
            ]
        },
        expected="Die Rechnung kam nie an die Reihe",
    ),
    Wrong(
        "ein Failed je Activity mit Fehlversuch",
        answers={"failed": 2},
        expected="für die History ist sie gelungen",
    ),
    Wrong(
        "zurückgerollt gilt als erledigt",
        answers={"status": "COMPLETED"},
        expected="wenn `run` ohne Fehler zurückkehrt",
    ),
)
