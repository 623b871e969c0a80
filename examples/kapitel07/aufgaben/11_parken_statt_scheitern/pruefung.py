"""Prüfungen zu „Parken statt scheitern“."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.client import (
    WorkflowExecutionStatus,
    WorkflowHandle,
    WorkflowUpdateFailedError,
)
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.service import RPCError

from dauerlauf.exercises import Bench, Failed, Wrong, expect
from dauerlauf.exercises.bench import Running
from dauerlauf.history import event_name
from dauerlauf.together import together

PATIENCE = 20.0
Handle = WorkflowHandle[Any, Any]


class Office:
    """Buchhaltung und Post des Prüfers."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.paid: list[tuple[str, str]] = []
        self.reminders: Counter[str] = Counter()
        self.closed_accounts: Counter[str] = Counter()
        """So oft lehnt die Bank eine Retoure noch ab."""
        self.slow: set[str] = set()
        self.go_on = asyncio.Event()

    @activity.defn
    async def book_return(self, number: str, amount: str) -> None:
        self.calls.append((number, amount))
        if number in self.slow:
            await self.go_on.wait()
        if "O" in amount or self.closed_accounts[number] > 0:
            self.closed_accounts[number] -= 1
            raise ApplicationError(
                f"„{amount}“ lässt sich nicht buchen.",
                non_retryable=True,
                category=ApplicationErrorCategory.BENIGN,
            )
        self.paid.append((number, amount))

    def tried(self, number: str) -> list[str]:
        """Die Beträge, mit denen eine Retoure gebucht werden sollte."""
        return [amount for one, amount in self.calls if one == number]

    @activity.defn
    async def send_reminder(self, number: str) -> None:
        self.reminders[number] += 1


class Desk:
    """Der Worker des Lesers; seine Workflows warten in Echtzeit, bis die Prüfung die Uhr vorstellt."""

    def __init__(self, bench: Bench, worker: Running, office: Office) -> None:
        self.bench = bench
        self.worker = worker
        self.office = office

    async def start(self, number: str, amount: str) -> Handle:
        return await self.worker.start("ReturnWorkflow", number, amount)

    async def parked(self, handle: Handle, failures: int = 1) -> None:
        """Prüft, dass der Workflow nach so vielen gescheiterten Buchungen wartet und einen Timer gestellt hat."""
        await self.settled(handle, failures)
        events = await _events(handle)
        booked = events.count("ActivityTaskScheduled")
        expect(
            booked <= failures,
            wo=f"Event History, {booked}. ActivityTaskScheduled",
            warum=f"Gebucht wurde {booked}-mal bei {failures - 1} Entscheidungen: Der Workflow bucht weiter, ohne dass "
            "jemand entschieden hat.",
            weiter="Vergessen Sie die alte Entscheidung, bevor der Workflow wieder parkt.",
        )
        status = (await handle.describe()).status
        assert status is not None
        expect(
            status == WorkflowExecutionStatus.RUNNING,
            wo="Event History, letztes Event",
            warum=f"Nach der {failures}. gescheiterten Buchung endet der Workflow {status.name}, statt auf eine Entscheidung "
            "zu warten.",
            weiter="Fangen Sie den Fehler in workflow.py, und warten Sie dort, bis ein Update entschieden hat.",
        )
        expect(
            "TimerStarted" in events,
            wo="Event History, nach ActivityTaskFailed",
            warum="Der Workflow wartet, aber ohne Timer. Entscheidet niemand, erinnert auch niemand.",
            weiter="Warten Sie höchstens `REMIND_AFTER` auf die Entscheidung und dann von Neuem.",
        )

    async def settled(self, handle: Handle, failures: int) -> None:
        """Kehrt zurück, wenn die so vielte gescheiterte Buchung verarbeitet ist oder der Workflow endet."""
        try:
            await asyncio.wait_for(self._quiet(handle, failures), PATIENCE)
        except TimeoutError:
            failed = await self.bench.diagnose(handle, final=True)
            assert failed is not None
            raise failed from None

    async def _quiet(self, handle: Handle, failures: int) -> None:
        left = failures
        async for event in handle.fetch_history_events(wait_new_event=True):
            left -= event_name(event) == "ActivityTaskFailed"
            if left <= 0 and event_name(event) == "WorkflowTaskCompleted":
                return

    async def update(self, handle: Handle, name: str, value: str) -> str | None:
        """Schickt ein Update; gibt den Grund einer Ablehnung zurück oder `None`."""
        asking = asyncio.create_task(handle.execute_update(name, value))
        while not (await asyncio.wait({asking}, timeout=0.4))[0]:
            if "WorkflowTaskFailed" in await _events(handle):
                asking.cancel()
                await asyncio.gather(asking, return_exceptions=True)
                failed = await self.bench.diagnose(handle, final=True)
                assert failed is not None
                raise Failed(
                    wo=f"Update `{name}`, {failed.wo}",
                    warum=f"Mit dem Wert {value!r} bleibt der Workflow stehen. {failed.warum}",
                    weiter="Was ein Validator wirft, lehnt das Update ab. Wirft der Handler, ist es dafür zu spät.",
                )
        try:
            await asking
        except WorkflowUpdateFailedError as error:
            return str(getattr(error.cause, "message", error.cause))
        except RPCError as error:
            return error.message
        return None

    async def expect_accepted(self, handle: Handle, name: str, value: str) -> None:
        refused = await self.update(handle, name, value)
        expect(
            refused is None,
            wo=f"Update `{name}` an eine geparkte Retoure",
            warum=f"Mit dem Wert {value!r} wird es nicht angenommen: {refused}",
            weiter="Prüfen Sie den Namen der Methode, ihren Decorator und was der Validator verlangt. Ein Handler, der selbst "
            "wartet, muss fertig sein, bevor der Workflow endet.",
        )

    async def expect_refused(
        self, handle: Handle, name: str, value: str, why: str
    ) -> None:
        refused = await self.update(handle, name, value)
        accepted = (await _events(handle)).count("WorkflowExecutionUpdateAccepted")
        expect(
            refused is not None,
            wo=f"Update `{name}`",
            warum=f"Mit dem Wert {value!r} wird es angenommen, obwohl {why}.",
            weiter="Werfen Sie im Validator dieses Updates einen Fehler, wenn das zutrifft.",
        )
        expect(
            not accepted,
            wo="Event History, WorkflowExecutionUpdateAccepted",
            warum=f"`{name}` mit dem Wert {value!r} scheitert zwar, steht aber in der History: angenommen und dann erst "
            "gescheitert. Jede falsche Berichtigung bleibt für immer darin.",
            weiter="Verlegen Sie die Prüfung aus dem Handler in den Validator.",
        )


async def _events(handle: Handle) -> list[str]:
    return [event_name(event) for event in (await handle.fetch_history()).events]


@asynccontextmanager
async def _desk(bench: Bench) -> AsyncIterator[Desk]:
    office = Office()
    with bench.timelapse.unskipped():
        async with bench.worker(
            "workflow:ReturnWorkflow", given=[office.book_return, office.send_reminder]
        ) as worker:
            yield Desk(bench, worker, office)


async def berichtigt(bench: Bench) -> None:
    """Eine geparkte Retoure nimmt nur eine Berichtigung an, die gelingen kann."""
    async with _desk(bench) as desk:
        desk.office.closed_accounts["R-3"] = 2
        good, broken, closed = (
            await desk.start("R-1", "12,50"),
            await desk.start("R-2", "49.9O"),
            await desk.start("R-3", "30,00"),
        )
        run = await desk.worker.finish(good)
        expect(
            run.result == "erledigt" and not run.count("TimerStarted"),
            wo="Ergebnis einer Retoure ohne Fehler",
            warum=f"Der Workflow liefert {run.result!r} und stellt {run.count('TimerStarted')} Timer.",
            weiter="Ändern Sie nur, was geschieht, wenn die Buchung scheitert.",
        )
        await desk.parked(broken)
        await desk.expect_refused(
            broken, "retry_with", "49.9O", "auch dieser Betrag unlesbar ist"
        )
        await desk.expect_refused(broken, "discard", "  ", "die Begründung leer ist")
        await desk.expect_accepted(broken, "retry_with", "49,90")
        await desk.settled(broken, failures=2)
        tried = desk.office.tried("R-2")
        expect(
            tried == ["49.9O", "49,90"],
            wo="Buchhaltung, Retoure R-2 nach der Berichtigung",
            warum=f"Berichtigt wurde auf 49,90; gebucht wurde mit: {'; '.join(tried)}.",
            weiter="Die Buchung muss den Betrag aus dem Update nehmen, nicht den vom Start, und genau einmal laufen.",
        )
        run = await desk.worker.finish(broken)
        expect(
            run.result == "erledigt",
            wo="Ergebnis nach einer Berichtigung, die gelingt",
            warum=f"Der Workflow liefert {run.result!r}.",
            weiter="Gelingt die Buchung, lautet das Ergebnis `erledigt`, im ersten wie im zweiten Anlauf.",
        )
        await desk.parked(closed)
        await desk.expect_accepted(closed, "retry_with", "30,00")
        await desk.parked(closed, failures=2)
        await desk.expect_accepted(closed, "retry_with", "29,00")
        await desk.worker.finish(closed)
    calls = desk.office.tried("R-3")
    expect(
        calls == ["30,00", "30,00", "29,00"],
        wo="Buchhaltung, Retoure R-3, deren Berichtigung beim ersten Mal misslang",
        warum=f"Gebucht wurde mit: {'; '.join(calls)}. Jede Entscheidung steht für genau einen Anlauf.",
        weiter="Nach jedem Anlauf, der misslingt, muss der Workflow wieder warten.",
    )


async def erinnert(bench: Bench) -> None:
    """Solange niemand entscheidet, erinnert der Workflow alle 24 Stunden; verwerfen zahlt nichts aus."""
    async with _desk(bench) as desk:
        handle = await desk.start("R-4", "49.9O")
        await desk.parked(handle)
        for hours, expected in ((23, 0), (2, 1), (24, 2)):
            await desk.bench.timelapse.fast_forward(handle, timedelta(hours=hours))
            sent = desk.office.reminders["R-4"]
            after = {0: 23, 1: 25, 2: 49}[expected]
            expect(
                sent == expected,
                wo=f"Post, {after} Stunden nach dem Parken",
                warum=f"Verschickt sind {sent} Erinnerungen statt {expected}.",
                weiter="Nach jeder Erinnerung beginnt eine neue Frist von 24 Stunden, solange niemand entschieden hat.",
            )
        tried = desk.office.tried("R-4")
        expect(
            len(tried) == 1,
            wo="Buchhaltung, Retoure R-4, die zwei Tage geparkt ist",
            warum=f"Entschieden hat niemand, gebucht wurde trotzdem {len(tried)}-mal.",
            weiter="Nach einer Erinnerung wird weiter gewartet, nicht gebucht.",
        )
        await desk.expect_accepted(handle, "discard", "Kundin hat storniert")
        run = await desk.worker.finish(handle)
    expect(
        run.result == "verworfen: Kundin hat storniert" and not desk.office.paid,
        wo="Ergebnis nach `discard`",
        warum=f"Der Workflow liefert {run.result!r}; ausgezahlt sind {len(desk.office.paid)} Retouren.",
        weiter="Nach `discard` wird nicht mehr gebucht; das Ergebnis lautet `verworfen: ` und die Begründung.",
    )


async def nicht_dazwischen(bench: Bench) -> None:
    """Während der Buchung gilt keine Entscheidung, und ein Abbruch bleibt ein Abbruch."""
    async with _desk(bench) as desk:
        desk.office.slow = {"R-5", "R-6"}
        booking, cancelled, waiting = (
            await desk.start("R-5", "12,50"),
            await desk.start("R-6", "12,50"),
            await desk.start("R-7", "49.9O"),
        )
        await desk.worker.reached(booking, "ActivityTaskScheduled")
        await desk.expect_refused(
            booking,
            "discard",
            "doppelt",
            "die Retoure gerade ausgezahlt wird und gar nicht geparkt ist",
        )
        await desk.worker.reached(cancelled, "ActivityTaskScheduled")
        await desk.parked(waiting)
        await together(cancelled.cancel(), waiting.cancel())
        for handle, when in ((cancelled, "bucht"), (waiting, "geparkt ist")):
            status = await _outcome(handle)
            expect(
                status == "CANCELED",
                wo=f"Status nach einem Abbruch, während die Retoure {when}",
                warum=f"Der Workflow ist {status} statt CANCELED. Der Abbruch kommt bei einer laufenden Activity als "
                "ActivityError an, beim Warten als CancelledError; gefangen wurde er wie ein Fehler der Buchung.",
                weiter="Werfen Sie weiter, was ein Abbruch ist, bevor Sie parken.",
            )
        desk.office.go_on.set()
        await desk.worker.finish(booking)


async def _outcome(handle: Handle) -> str:
    """Der Status, sobald der Abbruch verarbeitet ist: der Workflow endet oder wartet weiter."""
    requested = False
    async for event in handle.fetch_history_events(wait_new_event=True):
        name = event_name(event)
        requested = requested or name == "WorkflowExecutionCancelRequested"
        if requested and name == "WorkflowTaskCompleted":
            break
    status = (await handle.describe()).status
    return status.name if status else ""


CHECKS = (berichtigt, erinnert, nicht_dazwischen)
GIVEN = ("dienste.py",)
START_FAILS = "endet der Workflow FAILED, statt auf eine Entscheidung zu warten"
CANCELLED = """            except ActivityError as error:
                if is_cancelled_exception(error):
                    raise
"""
PARK = """        self._parked = True
        while"""
REMIND = """        while self._parked:
            try:"""
WRONG = (
    Wrong(
        "im Handler geprüft",
        changes=(
            (
                "        self._check_parked()\n        dienste.cents(amount)\n",
                "        self._check_parked()\n",
            ),
            (
                'mit dem berichtigten Betrag."""\n',
                'mit dem berichtigten Betrag."""\n        dienste.cents(amount)\n',
            ),
        ),
        expected="Wirft der Handler, ist es dafür zu spät",
    ),
    Wrong(
        "im Handler abgelehnt",
        changes=(
            (
                '        if not reason.strip():\n            raise ApplicationError("Verwerfen braucht eine Begründung.")\n',
                "",
            ),
            (
                "        self._reason = reason\n",
                '        if not reason.strip():\n            raise ApplicationError("Verwerfen braucht eine Begründung.")\n'
                "        self._reason = reason\n",
            ),
        ),
        expected="angenommen und dann erst gescheitert",
    ),
    Wrong(
        "eine Entscheidung für immer",
        changes=(
            (PARK, "        while"),
            (
                "        self._parked = False\n        self._reason",
                "        self._parked = True\n        self._reason",
            ),
        ),
        expected="ohne dass jemand entschieden hat",
    ),
    Wrong(
        "Abbruch geparkt",
        changes=(
            (CANCELLED, "            except ActivityError:\n                pass\n"),
        ),
        expected="gefangen wurde er wie ein Fehler der Buchung",
    ),
    Wrong(
        "Entscheidung jederzeit",
        changes=(
            (
                "        self._check_parked()\n        if not",
                "        if not",
            ),
        ),
        expected="die Retoure gerade ausgezahlt wird",
    ),
)
