"""Prüfungen zu „Retry-Policy für einen Dienst, der drei Stunden weg ist“."""

import asyncio
from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

from temporalio import activity
from temporalio.client import WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from dauerlauf.exercises import Bench, Run, Running, Wrong, expect
from dauerlauf.history import event_name
from dauerlauf.together import together

POLICY = "`retry_policy` in workflow.py"
ENOUGH = 60
"""Nach so vielen Anfragen ist alles gesagt; dann beendet der Dienst den Lauf."""

OUTAGES = {
    "drei-stunden": timedelta(hours=3),
    "dreissig-sekunden": timedelta(seconds=30),
    "fuer-immer": timedelta(days=365),
    "karte-abgelehnt": timedelta(0),
}


PATIENCE = 20
"""So oft darf ein Blick nach 0,4 s keine neue Anfrage zeigen; dann übernimmt der Prüfstand."""


class PaymentService:
    """Der Dienst des Prüfers: je Bestellung anders gestört; er notiert jede Anfrage."""

    def __init__(self) -> None:
        self.calls: dict[str, list[timedelta]] = defaultdict(list)
        self._first: dict[str, datetime] = {}

    @activity.defn
    async def charge_payment(self, payment: dict[str, Any]) -> int:
        """Antwortet, sobald der Ausfall der Bestellung vorbei ist."""
        order, now = payment["order_id"], activity.info().current_attempt_scheduled_time
        passed = now - self._first.setdefault(order, now)
        self.calls[order].append(passed)
        if len(self.calls[order]) > ENOUGH:
            raise _error("TooManyCalls", "Der Dienst sperrt Sie.", final=True)
        if passed < OUTAGES[order]:
            raise _error("ServiceUnavailable", "Der Dienst ist nicht erreichbar.")
        if order == "karte-abgelehnt":
            raise _error("CardDeclined", "Die Bank lehnt die Karte ab.")
        return 4711


def _error(kind: str, text: str, *, final: bool = False) -> ApplicationError:
    # „Benign“ ändert nichts am Ablauf; das SDK schreibt nur keinen Traceback ins Log.
    return ApplicationError(
        text,
        type=kind,
        non_retryable=final,
        category=ApplicationErrorCategory.BENIGN,
    )


async def _charge(bench: Bench, *orders: str) -> tuple[list[Run], PaymentService]:
    service = PaymentService()

    async def one(worker: Running, order: str) -> Run:
        payment = {"order_id": order, "amount_cents": 4990}
        handle = await worker.start("ChargeOrder", payment)
        await _calls_end(handle, service.calls[order])
        return await worker.end(handle)

    async with bench.worker(
        "workflow:ChargeOrder", given=[service.charge_payment]
    ) as worker:
        runs = await together(*(one(worker, order) for order in orders))
    return list(runs), service


async def _task_failed(handle: WorkflowHandle[Any, Any]) -> bool:
    """Ob der Code des Workflows einen Fehler wirft; den erklärt der Prüfstand."""
    history = await handle.fetch_history()
    return any(event_name(event) == "WorkflowTaskFailed" for event in history.events)


async def _calls_end(handle: WorkflowHandle[Any, Any], calls: list[timedelta]) -> None:
    """Wartet, solange Anfragen eintreffen: Mehr als 20 hielte der Prüfstand für hoffnungslos."""
    idle = 0
    while idle < PATIENCE:
        before = len(calls)
        try:
            await asyncio.wait_for(handle.result(), 0.4)
        except WorkflowFailureError:
            return
        except TimeoutError:
            if not calls and await _task_failed(handle):
                return
            idle = idle + 1 if len(calls) == before else 0
        else:
            return


def _duration(run: Run) -> timedelta:
    first, last = run.history.events[0], run.history.events[-1]
    started: datetime = first.event_time.ToDatetime()
    return last.event_time.ToDatetime() - started


def _text(duration: timedelta) -> str:
    """Eine Dauer zum Lesen, etwa `3 h 5 min` oder `40 s`."""
    seconds = round(duration.total_seconds())
    if seconds < 120:
        return f"{seconds} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


async def ausfall(bench: Bench) -> None:
    """Die Zahlung übersteht drei Stunden Ausfall mit höchstens 25 Anfragen und 30 s ohne Umweg."""
    (run, short), service = await _charge(bench, "drei-stunden", "dreissig-sekunden")
    calls, outage = service.calls["drei-stunden"], OUTAGES["drei-stunden"]
    during = [call for call in calls if call < outage]
    expect(
        len(calls) > 1,
        wo="Protokoll des Zahlungsdienstes, Ausfall von 3 h",
        warum=f"Dort stehen {len(calls)} Anfragen; der Workflow endet {run.status}: {run.reason or run.result}.",
        weiter="Rufen Sie `charge_payment` auf und lassen Sie mehr als einen Versuch zu.",
    )
    expect(
        len(during) <= 25,
        wo=f"Protokoll des Zahlungsdienstes, {POLICY}",
        warum=f"Im Ausfall von 3 h stehen dort {len(during)} Anfragen, erlaubt sind 25. Die letzte Pause "
        f"betrug {_text(calls[-1] - calls[-2])}.",
        weiter="Lassen Sie die Pausen länger werden; wie lang höchstens, sagt `maximum_interval`.",
    )
    expect(
        run.status == "COMPLETED" and run.result == 4711,
        wo=f"Ende des Workflows, {POLICY}",
        warum=f"Der Dienst kommt nach 3 h zurück; der Workflow endet nach {_text(_duration(run))} mit "
        f"{run.status} ({run.reason or run.result}). Bis dahin fragte er {len(calls)}-mal.",
        weiter="Prüfen Sie, was zuerst endet: die erlaubten Versuche oder ein Timeout. Beides muss über drei Stunden "
        "reichen.",
    )
    expect(
        run.count("ActivityTaskScheduled") == 1,
        wo="Event History",
        warum=f"Dort stehen {run.count('ActivityTaskScheduled')} Events ActivityTaskScheduled statt eines: Ihr "
        "Workflow wiederholt selbst, und jeder Durchgang kostet Events.",
        weiter="Rufen Sie die Activity einmal auf und überlassen Sie das Wiederholen der Retry-Policy.",
    )
    expect(
        calls[-1] - outage <= timedelta(minutes=15),
        wo=f"Protokoll des Zahlungsdienstes, {POLICY}",
        warum=f"Der Dienst war nach 3 h wieder da, die nächste Anfrage kam nach {_text(calls[-1])}: "
        f"{_text(calls[-1] - outage)} später, erlaubt sind 15 min.",
        weiter="Im ungünstigsten Fall wartet der Workflow nach dem Ausfall noch eine ganze Pause. Begrenzen Sie sie.",
    )
    expect(
        short.status == "COMPLETED" and _duration(short) <= timedelta(minutes=5),
        wo="Ausfall von 30 s",
        warum=f"Der Workflow endet {short.status} erst nach {_text(_duration(short))}; erlaubt sind 5 min. Die erste "
        "Pause war zu lang.",
        weiter="Beginnen Sie mit einer kurzen Pause und lassen Sie sie wachsen (`initial_interval`, "
        "`backoff_coefficient`).",
    )


async def ende(bench: Bench) -> None:
    """Eine abgelehnte Karte wird genau einmal gefragt, ein Ausfall ohne Ende nach 4 bis 6 h gemeldet."""
    (run, endless), service = await _charge(bench, "karte-abgelehnt", "fuer-immer")
    calls = service.calls["karte-abgelehnt"]
    expect(
        len(calls) == 1,
        wo="Protokoll des Zahlungsdienstes, abgelehnte Karte",
        warum=f"Dort stehen {len(calls)} Anfragen, die letzte {_text(calls[-1])} nach der ersten. Jede bekam dieselbe "
        "Antwort: `CardDeclined`."
        if calls
        else "Dort steht keine Anfrage.",
        weiter="Sagen Sie der Retry-Policy, welcher Fehlertyp durch Warten nicht besser wird. Er steht in "
        "zahlungsdienst.py.",
    )
    expect(
        run.status == "FAILED" and "Karte" in run.reason,
        wo="Ende des Workflows, abgelehnte Karte",
        warum=f"Er endet {run.status}: {run.reason or run.result}. Der Grund der Ablehnung soll erhalten bleiben.",
        weiter="Lassen Sie den Fehler der Activity durch; der Workflow soll an ihm scheitern.",
    )
    took, calls = _duration(endless), service.calls["fuer-immer"]
    expect(
        timedelta(hours=4) <= took <= timedelta(hours=6),
        wo="Ausfall ohne Ende",
        warum=f"Nach {_text(took)} und {len(calls)} Anfragen endet der Workflow {endless.status}; verlangt ist ein Ende "
        "zwischen 4 h und 6 h.",
        weiter="Begrenzen Sie alle Versuche und Pausen zusammen, und zwar als Zeit.",
    )
    expect(
        endless.status == "FAILED",
        wo="Ausfall ohne Ende",
        warum=f"Der Workflow endet {endless.status} mit {endless.result!r}. Wer so endet, fällt niemandem auf.",
        weiter="Lassen Sie den Fehler der Activity durch.",
    )


CHECKS = (ausfall, ende)
GIVEN = ("zahlungsdienst.py",)
START_FAILS = "Der Dienst kommt nach 3 h zurück"
OVERALL = "            schedule_to_close_timeout=timedelta(hours=5),\n"
DECLINED = '                non_retryable_error_types=["CardDeclined"],\n'
WRONG = (
    Wrong(
        "hundert Versuche mit den Standardpausen",
        changes=(
            ("initial_interval=timedelta(minutes=1)", "maximum_attempts=100"),
            ("                maximum_interval=timedelta(minutes=10),\n", ""),
        ),
        expected="erlaubt sind 25",
    ),
    Wrong(
        "alle fünf Minuten",
        changes=(("timedelta(minutes=10)", "timedelta(minutes=5)"),),
        expected="erlaubt sind 25",
    ),
    Wrong(
        "Pausen ohne Grenze",
        changes=(("timedelta(minutes=10)", "timedelta(hours=2)"),),
        expected="erlaubt sind 15 min",
    ),
    Wrong(
        "Klasse statt Fehlertyp",
        changes=(('["CardDeclined"]', '["CardDeclinedError"]'),),
        expected="Jede bekam dieselbe Antwort",
    ),
    Wrong(
        "Grenze als Zahl, Pausen vergessen",
        changes=(
            (OVERALL, ""),
            (DECLINED, DECLINED + "                maximum_attempts=22,\n"),
        ),
        expected="verlangt ist ein Ende zwischen 4 h und 6 h",
    ),
)
